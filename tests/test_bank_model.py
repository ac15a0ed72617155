"""Random sequences of what banks do, in two dialects, against a plain model of what was acknowledged.

The model knows no SQL: a payment is a line in a dictionary, a debt is what invoices say minus what was paid. Ledger,
allocations and answers must agree with it after every step; and, where many threads act at once, at the end.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from threading import Lock
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import func, select

from activities import ledger
from models.contracts.bank import PaymentStatus
from models.database import Database
from models.tables.banks import PaymentConflict
from models.tables.billing import Invoice
from models.tables.payments import Allocation, Payment
from tests import factories
from tests.bank_world import Answer, BankClient, bank_client, in_parallel, owing
from tests.factories import Customer

DIALECTS = ("osmp", "kaspi")
REUSED = {"osmp": 300, "kaspi": 5}
CUSTOMERS, NOBODY = 3, 3
"""Three customers, and a number that nobody has."""
people = st.integers(0, NOBODY)
sums = st.sampled_from([1, 99, 100, 12_345, 500_000, 1_000_000])
ids = st.integers(1, 12)


@dataclass
class Taken:
    """A payment that was acknowledged."""

    who: int
    amount_minor: int
    receipt: str
    is_reversed: bool = False


@dataclass
class Model:
    """What must be true, as far as the bank was told."""

    taken: dict[str, Taken] = field(default_factory=dict)
    invoiced: Counter[int] = field(default_factory=Counter)
    conflicts: set[tuple[str, int, int]] = field(default_factory=set)

    def paid_minor(self, who: int) -> int:
        return sum(one.amount_minor for one in self.taken.values() if one.who == who and not one.is_reversed)

    def balance_minor(self, who: int) -> int:
        return self.paid_minor(who) - self.invoiced[who]

    def debt_minor(self, who: int) -> int:
        return max(0, -self.balance_minor(who))


@dataclass
class Town:
    """Customers and a bank, for one run."""

    database: Database
    bank: BankClient
    customers: list[Customer]
    nobody: str

    @classmethod
    def new(cls, database: Database) -> "Town":
        customers = [owing(database) for _ in range(CUSTOMERS)]
        return cls(database, bank_client(database), customers, factories.new_iin())

    def number(self, who: int, *, by_iin: bool) -> str:
        if who == NOBODY:
            return self.nobody
        customer = self.customers[who]
        return customer.subscriber.iin if by_iin else customer.account.account_no

    def invoice(self, who: int, amount_minor: int) -> None:
        with self.database.transaction() as session:
            factories.connection_invoice(session, self.customers[who].account, amount_minor)

    def check_ledger(self) -> None:
        """Every total is what it is made of."""
        with self.database.transaction() as session:
            for customer in self.customers:
                assert ledger.check(session, account_id=customer.account.id) == []

    def check_all(self, model: Model) -> None:
        """Ledger, allocations, payments and conflicts say what the model says."""
        with self.database.transaction() as session:
            for who, customer in enumerate(self.customers):
                account_id = customer.account.id
                assert ledger.balance_minor(session, account_id) == model.balance_minor(who)
                covered = session.scalar(
                    select(func.coalesce(func.sum(Allocation.amount_minor), 0))
                    .join(Invoice, Invoice.id == Allocation.invoice_id)
                    .where(Invoice.account_id == account_id)
                )
                assert covered == min(model.paid_minor(who), model.invoiced[who])
            rows = session.scalars(select(Payment).where(Payment.bank_id == self.bank.login.row.id))
            kept = {row.txn_id: (row.amount_minor, str(row.receipt_no), row.status) for row in rows}
            conflicts = session.scalar(
                select(func.count())
                .select_from(PaymentConflict)
                .join(Payment, Payment.id == PaymentConflict.payment_id)
                .where(Payment.bank_id == self.bank.login.row.id)
            )
        assert kept == {txn_id: (one.amount_minor, one.receipt, status_of(one)) for txn_id, one in model.taken.items()}
        assert conflicts == len(model.conflicts)


def status_of(taken: Taken) -> PaymentStatus:
    if taken.is_reversed:
        return PaymentStatus.REVERSED
    return PaymentStatus.SUSPENSE if taken.who == NOBODY else PaymentStatus.POSTED


def decimal(amount_minor: int) -> str:
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"


class Banking(RuleBasedStateMachine):
    """A bank and its payers, one step after another."""

    database: ClassVar[Database]

    @initialize()
    def begin(self) -> None:
        self.town = Town.new(self.database)
        self.model = Model()
        self.answers: dict[tuple[str, str], bytes] = {}

    @rule(who=people, amount_minor=sums, dialect=st.sampled_from(DIALECTS), number=ids)
    def pay(self, who: int, amount_minor: int, dialect: str, number: int) -> None:
        """A new payment, a repetition in either dialect, or a transaction id with another meaning."""
        answer = self._pay(dialect, str(number), who, amount_minor)
        self._compare(dialect, str(number), who, amount_minor, answer)

    @precondition(lambda self: bool(self.model.taken))
    @rule(data=st.data(), dialect=st.sampled_from(DIALECTS))
    def repeat(self, data: st.DataObject, dialect: str) -> None:
        """The same again, whatever has happened since."""
        txn_id = data.draw(st.sampled_from(sorted(self.model.taken)))
        known = self.model.taken[txn_id]
        answer = self._pay(dialect, txn_id, known.who, known.amount_minor)
        self._compare(dialect, txn_id, known.who, known.amount_minor, answer)

    @precondition(lambda self: bool(self.model.taken))
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """The bank takes a payment back; twice is once."""
        known = self.model.taken[data.draw(st.sampled_from(sorted(self.model.taken)))]
        assert self.town.bank.cancel(known.receipt).result == 0
        known.is_reversed = True

    @rule(who=st.integers(0, CUSTOMERS - 1), amount_minor=sums)
    def invoice(self, who: int, amount_minor: int) -> None:
        """What is paid already covers it; the rest is due."""
        self.town.invoice(who, amount_minor)
        self.model.invoiced[who] += amount_minor

    @rule(who=people, dialect=st.sampled_from(DIALECTS), by_iin=st.booleans(), number=ids)
    def check(self, who: int, dialect: str, by_iin: bool, number: int) -> None:
        """Right to the tiyn, under whichever transaction id."""
        answer = self.town.bank.check(dialect, self.town.number(who, by_iin=by_iin), txn_id=str(number))
        if who == NOBODY:
            assert answer.result == {"osmp": 5, "kaspi": 1}[dialect]
            return
        said = answer.sum if dialect == "kaspi" else answer.fields["К оплате"]
        assert (answer.result, said) == (0, decimal(self.model.debt_minor(who)))

    @invariant()
    def everything_agrees(self) -> None:
        if hasattr(self, "town"):
            self.town.check_all(self.model)

    def teardown(self) -> None:
        if hasattr(self, "town"):
            self.town.check_ledger()

    def _pay(self, dialect: str, txn_id: str, who: int, amount_minor: int) -> Answer:
        number = self.town.number(who, by_iin=False)
        return self.town.bank.pay(dialect, number, decimal(amount_minor), txn_id=txn_id)

    def _compare(self, dialect: str, txn_id: str, who: int, amount_minor: int, answer: Answer) -> None:
        known = self.model.taken.get(txn_id)
        if known is not None and (known.who, known.amount_minor) != (who, amount_minor):
            assert (answer.result, answer.receipt) == (REUSED[dialect], None)
            self.model.conflicts.add((txn_id, who, amount_minor))
            return
        assert answer.result == 0
        assert answer.receipt is not None
        if known is None:
            self.model.taken[txn_id] = Taken(who, amount_minor, answer.receipt)
        assert answer.receipt == self.model.taken[txn_id].receipt
        # The stored answer, for ever: byte for byte in each dialect.
        assert self.answers.setdefault((dialect, txn_id), answer.http.content) == answer.http.content


def test_random_sequences_agree_with_the_model(database: Database) -> None:
    Banking.database = database
    Banking.TestCase.settings = settings(
        max_examples=10, stateful_step_count=15, deadline=None, print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )  # fmt: skip
    Banking.TestCase("runTest").runTest()


@pytest.mark.parametrize("seed", [1, 2])
def test_what_many_threads_were_told_is_what_is_in_the_books(database: Database, seed: int) -> None:
    """Random acts at once. Who was first is not known beforehand; what was acknowledged is the model afterwards."""
    town, model, guard = Town.new(database), Model(), Lock()

    def one_thread(number: int) -> None:
        chance = random.Random(1000 * seed + number)
        for _ in range(8):
            dialect, txn_id = chance.choice(DIALECTS), str(chance.randrange(1, 25))
            who, amount_minor = chance.randrange(NOBODY + 1), chance.choice([100, 12_345])
            act = chance.choice(["pay", "pay", "pay", "cancel", "invoice", "check"])
            if act == "pay":
                answer = town.bank.pay(dialect, town.number(who, by_iin=False), decimal(amount_minor), txn_id=txn_id)
                with guard:
                    told(model, txn_id, (who, amount_minor), answer)
            elif act == "invoice" and who != NOBODY:
                town.invoice(who, amount_minor)
                with guard:
                    model.invoiced[who] += amount_minor
            elif act == "check" and who != NOBODY:
                assert town.bank.check(dialect, town.number(who, by_iin=True), txn_id=txn_id).result == 0
            elif act == "cancel":
                with guard:
                    known = model.taken.get(txn_id)
                if known is not None:
                    assert town.bank.cancel(known.receipt).result == 0
                    known.is_reversed = True

    in_parallel(12, one_thread)
    assert model.taken
    assert model.conflicts
    town.check_all(model)
    town.check_ledger()


def test_a_look_up_sees_the_debt_between_two_payments_and_never_within_one(database: Database) -> None:
    """Payments of an account one after another, while others look up; every fifth one covers two invoices in part."""
    customer = owing(database, *[250] * 20)
    bank, number = bank_client(database), customer.account.account_no
    due = [decimal(5000 - 100 * paid) for paid in range(51)]

    def look_up_or_pay(thread: int) -> list[str]:
        if thread == 0:
            return [str(bank.pay("kaspi", number, "1.00").result) for _ in range(50)]
        return [str(bank.check("kaspi", number).sum) for _ in range(25)]

    paid, *seen = in_parallel(6, look_up_or_pay)
    assert set(paid) == {"0"}
    for sums_seen in seen:
        assert set(sums_seen) <= set(due)
        assert sums_seen == sorted(sums_seen, key=due.index), "a debt never grows by paying"
    assert bank.check("kaspi", number).sum == "0.00"


def told(model: Model, txn_id: str, asked: tuple[int, int], answer: Answer) -> None:
    """An answer is right whoever was first: the transaction's, or a refusal because it has another meaning."""
    if answer.result in REUSED.values():
        model.conflicts.add((txn_id, *asked))
        return
    assert answer.result == 0
    assert answer.receipt is not None
    known = model.taken.setdefault(txn_id, Taken(*asked, answer.receipt))
    assert (known.who, known.amount_minor, known.receipt) == (*asked, answer.receipt)
