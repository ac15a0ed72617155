"""Money survives everything: whatever dies while banks pay, each payment is posted once, and no other one is.

Fifteen connections of a bank report payments and repeat each until they have an answer. Meanwhile one of the two API
processes, the API as a whole, the worker with its relay, the relay's connection, Temporal and PostgreSQL are killed at
random moments and started again, as a supervisor would. Some payees wait for their prepayment in a process, some just
have an account, and some are unknown.

Small by default; BANK_FAULT_KILLS=60 BANK_FAULT_SEED=7 (any number) is a longer storm of other moments.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from typing import Any, Final

import psutil  # type: ignore[import-untyped]  # ships no type information
import pytest

from activities.ledger_audit import check, trial_balance
from tests.factories import unique
from tests.running_product import Applicant, Product, eventually, kill, new_account, notice, running

KILLS: Final = int(os.environ.get("BANK_FAULT_KILLS", "6"))
SEED: Final = int(os.environ.get("BANK_FAULT_SEED", "0"))
PARALLEL: Final = 15
WAITING: Final = 3
"""Connections that wait for their prepayment while the storm lasts."""
PAUSE_SECONDS: Final = 0.15
"""Of each of the bank's connections after an answer; the storm is about moments, not about throughput."""
SUM_MINOR: Final = 100

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120 + 30 * KILLS)]


class Operator(Product):
    """The product with two API processes behind one port."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "API_PROCESSES": "2"}

    # -- what dies, and is started again ------------------------------------------------------------------------------

    def lose_an_api_process(self) -> None:
        """The other one goes on, and the supervisor starts a new one."""
        members = psutil.Process(self.api.pid).children()
        assert len(members) <= 2
        if members:
            random.Random(SEED).choice(members).kill()

    def lose_the_api(self) -> None:
        api = psutil.Process(self.api.pid)
        for process in (*api.children(recursive=True), api):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        kill(self.api)
        self.start_api()

    def lose_the_worker(self) -> None:
        kill(self.worker)
        self.start_worker()

    def lose_the_lead(self) -> None:
        """The relay's own connection, in whatever it was doing with it."""
        self.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
            "WHERE locktype = 'advisory' AND granted AND datname = current_database()"
        )

    def lose_temporal(self) -> None:
        kill(self.temporal)
        self.start_temporal()

    def lose_postgres(self) -> None:
        server = psutil.Process(self.postgres.pid)
        for process in (server, *server.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        kill(self.postgres)
        self.start_postgres()

    @property
    def losses(self) -> list[Callable[[], None]]:
        return [
            self.lose_an_api_process, self.lose_the_api, self.lose_the_worker, self.lose_the_lead, self.lose_temporal,
            self.lose_postgres,
        ]  # fmt: skip


@dataclass
class Bank:
    """Reports payments over many connections, and knows what it was answered."""

    product: Operator
    payees: list[str]
    stop: threading.Event = field(default_factory=threading.Event)
    answers: dict[str, Any] = field(default_factory=dict)
    payments: list[dict[str, Any]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def pay_on(self, line: int) -> None:
        """Pay one of the payees after another, until told to stop."""
        whom = random.Random(f"{SEED}/{line}")
        while not self.stop.wait(PAUSE_SECONDS):
            payment = notice(whom.choice(self.payees), SUM_MINOR)
            self.pay(payment)
            if whom.random() < 0.1:
                self.reuse(payment)

    def pay(self, payment: dict[str, Any]) -> None:
        """Report a payment until it is answered."""
        self.payments.append(payment)
        answer = self.product.insist("bank", "POST", "/bank/v1/payments", json=payment)
        assert answer.status_code in {200, 201}, answer.text
        self.answers[payment["txn_id"]] = answer.json()

    def reuse(self, payment: dict[str, Any]) -> None:
        """Report another sum under the id of a payment: that is refused, whatever dies."""
        amount = {**payment["amount"], "amount_minor": SUM_MINOR + 1}
        answer = self.product.insist("bank", "POST", "/bank/v1/payments", json={**payment, "amount": amount})
        assert answer.status_code == 409, answer.text
        self.refused.append(payment["txn_id"])

    def repeat(self, payment: dict[str, Any]) -> None:
        """Report a payment again: the first answer comes again."""
        answer = self.product.insist("bank", "POST", "/bank/v1/payments", json=payment)
        assert (answer.status_code, answer.json()) == (200, self.answers[payment["txn_id"]])


@pytest.fixture(scope="module")
def product() -> Iterator[Operator]:
    with running(Operator) as product:
        yield product


def test_each_payment_is_posted_once_and_each_process_learns_of_it_whatever_dies_meanwhile(product: Operator) -> None:
    waiting = waiting_applicants(product)
    accounts = [new_account(product) for _ in range(3)]
    nobody = unique("nobody")
    bank = Bank(product, [*(applicant.account_no for applicant in waiting), *accounts, nobody])
    with ThreadPoolExecutor(PARALLEL) as pool:
        try:
            paying = [pool.submit(bank.pay_on, line) for line in range(PARALLEL)]
            eventually(lambda: len(bank.answers) >= PARALLEL, "payments come in")
            storm(product, bank)
        finally:
            bank.stop.set()
        for line in paying:
            line.result()
        list(pool.map(bank.repeat, random.Random(SEED).sample(bank.payments, min(300, len(bank.payments)))))
    assert len(bank.answers) == len(bank.payments)
    assert bank.refused, "some transaction ids were used twice"

    # The rest of each prepayment, so that what the processes were told of can be seen by what they do.
    for applicant in waiting:
        paid = sum(payment["account_no"] == applicant.account_no for payment in bank.payments)
        bank.pay(notice(applicant.account_no, applicant.total_minor - paid * SUM_MINOR))
    assert posted(product) == Counter(
        (payment["txn_id"], payment["account_no"] if payment["account_no"] != nobody else None,
         payment["amount"]["amount_minor"]) for payment in bank.payments
    )  # fmt: skip
    assert receipts(product) == {txn_id: answer["payment_id"] for txn_id, answer in bank.answers.items()}
    eventually(lambda: product.one("SELECT count(*) = 0 FROM outbox WHERE delivered_at IS NULL"), "everything is told")
    for applicant in waiting:
        eventually(lambda one=applicant: one.stage() == "scheduling", "a paid process goes on")  # type: ignore[misc]
        told = sum(payment["account_no"] == applicant.account_no for payment in bank.payments)
        assert applicant.events()["payment_received"] == told
    with product.database.transaction() as session:
        assert check(session) == []
        balance = trial_balance(session, from_on=date(2000, 1, 1), until_on=date(2100, 1, 1))
    assert sum(row.debit_minor for row in balance) == sum(row.credit_minor for row in balance) > 0
    assert sum(row.closing_minor for row in balance) == 0


def waiting_applicants(product: Operator) -> list[Applicant]:
    """Connections that have been asked for their prepayment."""
    premises = [premises["id"] for premises in product.read("/v1/premises", limit="100")["items"]]
    applicants = [Applicant(product, premises_id=one, slots=[]) for one in islice(premises, WAITING)]
    for applicant in applicants:
        applicant.apply()
    for applicant in applicants:
        applicant.wait_for_invoice()
    return applicants


def storm(product: Operator, bank: Bank) -> None:
    """Kill everything in turn, each time at another moment of the work, and start it again."""
    moments = random.Random(SEED)
    losses: list[Callable[[], None]] = []
    for _ in range(KILLS):
        if not losses:
            losses = moments.sample(product.losses, k=len(product.losses))
        # Not a wait for anything: any moment of the work may be the one.
        time.sleep(moments.uniform(0.05, 1.0))
        losses.pop()()
        answered = len(bank.answers)
        eventually(lambda before=answered: len(bank.answers) > before, "payments are taken again")  # type: ignore[misc]


def posted(product: Operator) -> Counter[Any]:
    """What the ledger says that banks have paid: transaction, account, sum of its transfers."""
    rows = product.rows(
        "SELECT txn_id, account_no, sum(transfer.amount_minor)::bigint FROM payment "
        "LEFT JOIN account ON account.id = payment.account_id "
        "LEFT JOIN transfer ON transfer.document_id = payment.id AND transfer.debit = '1020' "
        "GROUP BY payment.id, account_no"
    )
    return Counter(map(tuple, rows))


def receipts(product: Operator) -> dict[str, str]:
    """The payment that each transaction became."""
    return {txn_id: str(payment_id) for txn_id, payment_id in product.rows("SELECT txn_id, id FROM payment")}
