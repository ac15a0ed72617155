"""Questions about money survive crashes: whatever is killed whenever, each is asked once and answered once."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import pytest

from activities import ledger
from tests.crashing import CRASHES, Crash, all_of, held_up, steps_held_up
from tests.factories import new_iin, new_phone, unique
from tests.running_product import Product, eventually, freeze, kill, running_product, thaw

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PAID: Final = 70_000
CORRECTED: Final = 7_000
ASKED: Final = "SELECT count(*) FROM task JOIN clarification USING (process_id) WHERE status = 'open'"


@dataclass
class Question:
    """A payment that needs a person, and the answer that it will get."""

    product: Product
    account_no: str
    outcome: str
    txn_id: str = field(default_factory=lambda: unique("txn"))

    @property
    def is_conflict(self) -> bool:
        return self.outcome in {"first_kept", "corrected"}

    def raise_it(self) -> None:
        """The bank reports the payment, twice; where that is the question, once more with another sum."""
        payee = {"account_no": self.account_no} if self.is_conflict else {"iin": new_iin()}
        payment = {
            "txn_id": self.txn_id, "amount": {"amount_minor": PAID, "currency": "KZT"},
            "paid_at": "2026-11-24T10:00:00+05:00", **payee,
        }  # fmt: skip
        answers = [self.product.insist("bank", "POST", "/bank/v1/payments", json=payment) for _ in range(2)]
        assert answers[0].json() == answers[1].json(), answers[0].text
        if self.is_conflict:
            other = payment | {"amount": {"amount_minor": CORRECTED, "currency": "KZT"}}
            for _ in range(2):
                assert self.product.insist("bank", "POST", "/bank/v1/payments", json=other).status_code == 409

    def task_id(self) -> str:
        return str(eventually(self._open_task, f"{self.outcome} is asked")[0][0])

    def _open_task(self) -> list[Any]:
        return self.product.rows(
            "SELECT task.id FROM task JOIN clarification USING (process_id) "
            "JOIN payment ON payment.id = clarification.payment_id WHERE txn_id = :txn_id",
            txn_id=self.txn_id,
        )

    def answer(self) -> None:
        """Accounting answers, and repeats it until it knows that it was done."""
        data = {
            "found": {"account_no": self.account_no},
            "returned": {"reason": "никто не известен"},
            "first_kept": {},
            "corrected": {"amount": {"amount_minor": CORRECTED, "currency": "KZT"}, "reason": "банк подтвердил"},
        }[self.outcome]
        path = f"/v1/tasks/{self.task_id()}/complete"
        answer = self.product.insist("accounting", "POST", path, json={"outcome": self.outcome, "data": data})
        assert (answer.status_code, answer.json()["status"]) == (200, "done"), answer.text

    @property
    def left_minor(self) -> int:
        """What of the payment the account keeps."""
        return {"found": PAID, "first_kept": PAID, "corrected": CORRECTED, "returned": 0}[self.outcome]

    def is_answered(self) -> None:
        """Asked once, answered once, closed, and the money is where it belongs."""
        eventually(lambda: self._statuses() == [("completed", "done", self.outcome)], f"{self.outcome} is closed")
        rows = self.product.rows(
            "SELECT status, sum(amount_minor)::bigint FROM payment WHERE txn_id = :txn_id GROUP BY status",
            txn_id=self.txn_id,
        )
        expected = {"posted": self.left_minor} if self.left_minor else {}
        expected |= {"reversed": PAID} if self.outcome in {"returned", "corrected"} else {}
        assert dict(map(tuple, rows)) == expected
        events = self.product.rows(
            "SELECT event FROM timeline_entry JOIN clarification USING (process_id) "
            "JOIN payment ON payment.id = clarification.payment_id WHERE txn_id = :txn_id",
            txn_id=self.txn_id,
        )
        assert max(Counter(event for (event,) in events).values()) == 1

    def is_committed(self) -> bool:
        """Whether the answer is in the database."""
        return [status for _, status, _ in self._statuses()] == ["done"]

    def _statuses(self) -> list[tuple[str, str, str]]:
        rows = self.product.rows(
            "SELECT process.status, task.status, task.outcome FROM process "
            "JOIN clarification ON clarification.process_id = process.id "
            "JOIN task ON task.process_id = process.id "
            "JOIN payment ON payment.id = clarification.payment_id WHERE txn_id = :txn_id",
            txn_id=self.txn_id,
        )
        return [(row[0], row[1], row[2]) for row in rows]


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with running_product() as product:
        yield product


@pytest.fixture
def questions(product: Product) -> list[Question]:
    """One for each answer, all about one account."""
    person = {"iin": new_iin(), "full_name": "Тестов Алмас", "phone": new_phone()}
    account_no = product.insist("operator", "POST", "/v1/subscribers", json=person).json()["account_no"]
    return [Question(product, account_no, outcome) for outcome in ("found", "returned", "first_kept", "corrected")]


def all_are_answered(product: Product, questions: list[Question]) -> None:
    for question in questions:
        question.is_answered()
    (account_id,) = product.rows("SELECT id FROM account WHERE account_no = :no", no=questions[0].account_no)[0]
    with product.database.transaction() as session:
        assert ledger.balance_minor(session, account_id) == sum(question.left_minor for question in questions)
        assert ledger.check(session) == []


def test_what_was_reported_while_worker_and_engine_were_away_is_asked_when_they_are_back(
    product: Product, questions: list[Question]
) -> None:
    kill(product.worker)
    kill(product.temporal)
    for question in questions:
        question.raise_it()
    assert product.one(ASKED) == 0
    product.start_temporal()
    product.start_worker()
    for question in questions:
        question.answer()
    all_are_answered(product, questions)


@pytest.mark.parametrize("crash", CRASHES)
def test_a_crash_right_after_an_answer_was_written_loses_and_doubles_nothing(
    product: Product, questions: list[Question], crash: Crash
) -> None:
    """What was committed is known to the database alone."""
    for question in questions:
        question.raise_it()
    with ThreadPoolExecutor(len(questions)) as pool:
        for question in questions:
            question.task_id()
        with steps_held_up(product, "payment"):
            answering = [pool.submit(question.answer) for question in questions]
            # Whoever keeps the first report changes no payment.
            eventually(lambda: held_up(product) >= len(questions) - 1, "the answers are in the middle of their steps")
            freeze(product.temporal)
        try:
            for question in questions:
                eventually(question.is_committed, f"{question.outcome} is committed")
            crash(product)
        finally:
            thaw(product.temporal)
        all_of(answering)
    all_are_answered(product, questions)
