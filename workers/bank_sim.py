"""`abonent bank-sim`: a bank for people who try the product, in each dialect that banks speak.

It says what it sends and what it is answered. What it has paid it remembers in `bank-sim.jsonl` beside the credentials,
so that a payment can be repeated or taken back later, and stands in the registry of its day.
"""

import argparse
import json
import secrets
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import cycle, islice
from typing import Final, Self
from xml.etree.ElementTree import fromstring, indent, tostring

import httpx

from settings import Settings
from workers.bank_sim_book import Book, Paid, registry, tenge
from workers.bank_sim_dialects import Dialect, Said, Understood, dialect_of
from workers.credentials import BankCredentials, Credentials
from workers.failures import PersonMustAct

ANSWER_WITHIN_SECONDS: Final = 15.0
"""As long as banks wait."""
REPEAT_AFTER_SECONDS: Final = 0.5
PATIENCE_SECONDS: Final = 120.0
"""How long a payment of a storm is repeated until it is answered."""


class Unanswered(PersonMustAct):
    """Nobody is there, or not in time."""


def simulate(settings: Settings, chosen: argparse.Namespace) -> int:
    """Do what the command line asks for; 1 where the operator does not accept it."""
    with Bank(settings, chosen.bank, chosen.dialect) as bank:
        match chosen.action:
            case "check":
                return bank.check(chosen.number)
            case "pay":
                return bank.pay(chosen.number, chosen.amount_minor)
            case "repeat":
                return bank.repeat(chosen.txn_id)
            case "reverse":
                return bank.reverse(chosen.txn_id)
            case "storm":
                return bank.storm(
                    chosen.numbers, chosen.amount_minor, payments=chosen.payments, parallel=chosen.parallel
                )
            case _:
                return bank.registry(chosen.date, without=chosen.without, send=chosen.send)


class Bank:
    """A bank whose app lists the operator."""

    def __init__(self, settings: Settings, code: str, dialect: str) -> None:
        known, mine = _credentials(settings, code)
        self._code = code
        self._dialect_name = dialect
        self._zone = settings.zone
        self._dialect: Dialect = dialect_of(dialect, settings.zone)
        self._book = Book(settings.local_dir)
        self._http = httpx.Client(
            base_url=known.api_url, auth=(mine.user, mine.password), timeout=ANSWER_WITHIN_SECONDS,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    # -- what a bank does -----------------------------------------------------------------------------------------

    def check(self, number: str) -> int:
        """What somebody owes."""
        return _code(self._shown(self._dialect.check(number)))

    def pay(self, number: str, amount_minor: int) -> int:
        """Report a new payment."""
        payment = self._new_payment(number, amount_minor)
        # Written down before it is sent, as banks do it: an answer may get lost.
        self._book.write(payment)
        understood = self._shown(self._dialect.pay(payment))
        if understood.is_accepted:
            self._book.write(payment.model_copy(update={"receipt": understood.receipt}))
        print(f"The bank's id of it: {payment.txn_id}")
        return _code(understood)

    def repeat(self, txn_id: str) -> int:
        """Report a payment again, in the dialect that it was reported in."""
        payment = self._of_this_bank(txn_id)
        understood = self._shown(self._dialect.pay(payment))
        if understood.is_accepted:
            self._book.write(payment.model_copy(update={"receipt": understood.receipt}))
        return _code(understood)

    def reverse(self, txn_id: str) -> int:
        """Take a payment back; in a dialect that can't say so, the operator reads of it in the registry."""
        payment = self._of_this_bank(txn_id)
        said = self._dialect.reverse(payment)
        if said is not None:
            understood = self._shown(said)
            if not understood.is_accepted:
                return 1
        else:
            print("This dialect has no word for it: the operator will read of it in the registry of today.")
        self._book.write(payment.model_copy(update={"reversed_at": payment.reversed_at or datetime.now(UTC)}))
        return 0

    def storm(self, numbers: list[str], amount_minor: int, *, payments: int, parallel: int) -> int:
        """Report many payments over many connections, each until it is answered."""
        made = [self._new_payment(number, amount_minor) for number in islice(cycle(numbers), payments)]
        self._book.write(*made)
        print(f"{payments} payments of {tenge(amount_minor)} ₸ over {parallel} connections")
        began = time.perf_counter()
        with ThreadPoolExecutor(parallel) as pool:
            outcomes = list(pool.map(self._insisted, made))
        seconds = time.perf_counter() - began
        accepted = [one for one in outcomes if one.understood.is_accepted]
        self._book.write(*(one.payment.model_copy(update={"receipt": one.understood.receipt}) for one in accepted))
        taken = sorted(one.milliseconds for one in outcomes)
        p99 = statistics.quantiles(taken, n=100)[98] if len(taken) > 1 else taken[0]
        print(
            f"{len(accepted)} accepted in {seconds:.1f} s, {len(accepted) / seconds:.0f} a second; answers after "
            f"{statistics.median(taken):.0f} ms (half of them) and {p99:.0f} ms (99 of 100); "
            f"{sum(one.attempts - 1 for one in outcomes)} repeated."
        )
        for sentence, times in Counter(
            one.understood.sentence for one in outcomes if not one.understood.is_accepted
        ).items():
            print(f"{times} not accepted. {sentence}")
        return 0 if len(accepted) == payments else 1

    def registry(self, day: date | None, *, without: list[str], send: bool) -> int:
        """Print what the bank says that it has paid on a day, and send it if wished."""
        day = day or datetime.now(self._zone).date()
        content = registry(self._book.payments(self._code), day, self._zone, without=without)
        print(content, end="")
        if not send:
            return 0
        path = f"/bank/v1/registries?date={day.isoformat()}"
        answer = self._answered("POST", path, content=content, headers={"Content-Type": "text/tab-separated-values"})
        print(f"→ POST {path}")
        _print_answer(answer)
        return 0 if answer.is_success else 1

    # -- how it does it -------------------------------------------------------------------------------------------

    def _new_payment(self, number: str, amount_minor: int) -> Paid:
        now = datetime.now(UTC).replace(microsecond=0)
        # Up to 18 digits, which is what the shortest of the dialects has room for.
        txn_id = f"{now:%y%m%d%H%M}{secrets.randbelow(10**8):08d}"
        return Paid(
            bank=self._code, dialect=self._dialect_name, txn_id=txn_id, number=number, amount_minor=amount_minor,
            paid_at=now,
        )  # fmt: skip

    def _of_this_bank(self, txn_id: str) -> Paid:
        payment = self._book.find(self._code, txn_id)
        if payment.dialect != self._dialect_name:
            print(f"It was paid in the dialect {payment.dialect}, and a bank keeps to its dialect.")
            self._dialect_name, self._dialect = payment.dialect, dialect_of(payment.dialect, self._zone)
        return payment

    def _shown(self, said: Said) -> Understood:
        answer = self._said(said)
        print(f"→ {said.method} {answer.request.url.raw_path.decode()}")
        if said.body is not None:
            print(_indented(json.dumps(said.body, ensure_ascii=False, indent=2)))
        _print_answer(answer)
        understood = self._dialect.understand(answer)
        print(understood.sentence)
        return understood

    def _insisted(self, payment: Paid) -> "_Insisted":
        until = time.monotonic() + PATIENCE_SECONDS
        attempts = 0
        while True:
            attempts += 1
            began = time.perf_counter()
            try:
                understood = self._dialect.understand(self._said(self._dialect.pay(payment)))
            except Unanswered as failure:
                understood = Understood(is_accepted=False, is_final=False, sentence=str(failure))
            if understood.is_final or time.monotonic() > until:
                return _Insisted(payment, understood, (time.perf_counter() - began) * 1000, attempts)
            time.sleep(REPEAT_AFTER_SECONDS)

    def _said(self, said: Said) -> httpx.Response:
        return self._answered(said.method, said.path, params=said.parameters, json=said.body)

    def _answered(self, method: str, path: str, **request: object) -> httpx.Response:
        try:
            return self._http.request(method, path, **request)  # type: ignore[arg-type]
        except httpx.TransportError:
            raise Unanswered("the product does not answer: start it with `make run`, and leave it running") from None


@dataclass(frozen=True)
class _Insisted:
    """One payment of a storm."""

    payment: Paid
    understood: Understood
    milliseconds: float
    attempts: int


def _credentials(settings: Settings, code: str) -> tuple[Credentials, BankCredentials]:
    path = settings.local_dir / "credentials.json"
    if not path.exists():
        raise PersonMustAct(f"there is no {path}: start the product first with `make run`, and leave it running")
    known = Credentials.model_validate_json(path.read_text(encoding="utf-8"))
    if code not in known.banks:
        raise PersonMustAct(f"{path} knows no bank {code}: it has {', '.join(known.banks)}")
    return known, known.banks[code]


def _code(understood: Understood) -> int:
    return 0 if understood.is_accepted else 1


def _print_answer(answer: httpx.Response) -> None:
    took_ms = answer.elapsed.total_seconds() * 1000
    print(f"← {answer.status_code} {answer.reason_phrase}, {took_ms:.0f} ms")
    kind = answer.headers.get("content-type", "")
    if "json" in kind:
        print(_indented(json.dumps(answer.json(), ensure_ascii=False, indent=2)))
    elif "xml" in kind:
        root = fromstring(answer.content)  # noqa: S314 - of the operator that is being tried, on this machine
        indent(root)
        print(_indented(tostring(root, encoding="unicode")))


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
