"""Money survives everything: whatever dies while banks pay, each payment is posted once, and no other one is.

Fifteen connections of a bank report payments and repeat each until they have an answer. Meanwhile one of the two API
processes, the API as a whole, the worker with its relay, the relay's connection, Temporal and PostgreSQL are killed in
pairs at random moments and started again, as a supervisor would. Some payees wait for their prepayment in a process,
some just have an account, and some are unknown.

Small by default; BANK_FAULT_STROKES=30 BANK_FAULT_SEED=7 (any number) is a longer storm of other moments.
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

import httpx
import psutil  # type: ignore[import-untyped]  # ships no type information
import pytest
from sqlalchemy.exc import DBAPIError

from activities.ledger_audit import check, trial_balance
from tests.factories import unique
from tests.running_product import Applicant, Product, eventually, kill, new_account, notice, running
from workers.children import Child

STROKES: Final = int(os.environ.get("BANK_FAULT_STROKES", "3"))
"""Of two losses each; after three, everything has died once."""
SEED: Final = int(os.environ.get("BANK_FAULT_SEED", "0"))
PARALLEL: Final = 15
WAITING: Final = 3
"""Connections that wait for their prepayment while the storm lasts."""
PAUSE_SECONDS: Final = 0.15
"""Of each of the bank's connections after an answer; the storm is about moments, not about throughput."""
SUM_MINOR: Final = 100

pytestmark = [pytest.mark.stack, pytest.mark.timeout(150 + 60 * STROKES)]


class Operator(Product):
    """The product with two API processes behind one port."""

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "API_PROCESSES": "2"}

    # -- what dies ----------------------------------------------------------------------------------------------------

    def kill_an_api_process(self) -> None:
        """The other one goes on, and the supervisor starts a new one."""
        members = psutil.Process(self.api.pid).children() if self.api.is_running else []
        if members:
            members[-1].kill()

    def kill_the_api(self) -> None:
        kill_with_all_it_started(self.api)

    def kill_the_worker(self) -> None:
        kill_with_all_it_started(self.worker)

    def kill_temporal(self) -> None:
        kill_with_all_it_started(self.temporal)

    def kill_postgres(self) -> None:
        kill_with_all_it_started(self.postgres)

    def cut_the_relay_off(self) -> None:
        """Its own connection, in whatever it was doing with it. Where nobody answers, another loss was faster."""
        with suppress(DBAPIError):
            self.rows("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted")

    @property
    def losses(self) -> list[Callable[[], None]]:
        return [
            self.kill_an_api_process, self.kill_the_api, self.kill_the_worker, self.kill_temporal, self.kill_postgres,
            self.cut_the_relay_off,
        ]  # fmt: skip

    def revive(self) -> None:
        """Start again whatever is dead, as a supervisor would, and wait until all of it works."""
        if not self.postgres.is_running:
            self.start_postgres()
        if not self.temporal.is_running:
            self.start_temporal()
        ready = self._ready_marks()
        is_worker_dead = not self.worker.is_running
        for child in (self.worker, self.api):
            if not child.is_running:
                child.start()
        if is_worker_dead:
            eventually(lambda: self._ready_marks() > ready, "the worker is ready", given=self.worker)
        self.wait_for_api()


def kill_with_all_it_started(child: Child) -> None:
    if not child.is_running:
        return
    process = psutil.Process(child.pid)
    for one in (*process.children(recursive=True), process):
        with suppress(psutil.NoSuchProcess):
            one.kill()
    kill(child)


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


def test_two_processes_answer_behind_one_port_and_count_together(product: Operator) -> None:
    eventually(lambda: len(psutil.Process(product.api.pid).children()) == 2, "both processes run", given=product.api)
    for _ in range(40):
        # Over a connection of its own each time: the kernel deals them out.
        assert httpx.get(f"{product.api_url}/nowhere", timeout=60).status_code == 404
    counted = 'abonent_http_requests_total{method="GET",route="none",status="404"} 40.0'
    for _ in range(4):
        assert counted in httpx.get(f"{product.api_url}/metrics", timeout=60).text


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
        list(pool.map(bank.repeat, random.Random(SEED).sample(bank.payments, min(100, len(bank.payments)))))
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
        eventually(
            lambda one=applicant, told=told: one.events()["payment_received"] >= told,  # type: ignore[misc]
            "the process has heard of each payment",
        )
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
    """Two losses at a time, at another moment of the work each, until everything was lost once and more."""
    moments = random.Random(SEED)
    losses: list[Callable[[], None]] = []
    for _ in range(STROKES):
        losses = losses or moments.sample(product.losses, k=len(product.losses))
        for _ in range(2):
            # Not a wait for anything: any moment of the work may be the one.
            time.sleep(moments.uniform(0.05, 0.7))
            losses.pop()()
        product.revive()
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
