"""A person with several accounts pays by IIN: one payment for the payer and the bank, a part for each account."""

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import invoicing, ledger, payments
from models.contracts.bank import PaymentAnswer, PaymentNotice, PaymentStatus, TxnReused
from models.contracts.money import PositiveMoney
from models.contracts.payments import NewReallocation, PaymentSource, WantedAllocation
from models.contracts.refusals import Refusal
from models.database import Database
from models.rules.allocation import AllocationRule
from models.tables.billing import Invoice
from models.tables.outbox import Outbox
from models.tables.payments import Payment
from models.tables.people import Account, Subscriber
from tests import billing_histories, factories
from tests.factories import NOW, TODAY, BankLogin

slow = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Person(NamedTuple):
    subscriber: Subscriber
    accounts: list[Account]

    @property
    def first(self) -> Account:
        return self.accounts[0]


def a_person(session: Session, *, accounts: int = 2) -> Person:
    customer = factories.customer(session)
    return Person(
        customer.subscriber,
        [customer.account, *(factories.another_account(session, customer.subscriber) for _ in range(accounts - 1))],
    )


@pytest.fixture
def bank_login(database: Database) -> BankLogin:
    with database.transaction() as session:
        return factories.bank(session)


@pytest.fixture
def person(database: Database) -> Person:
    with database.transaction() as session:
        return a_person(session)


def take(database: Database, bank_id: UUID, notice: PaymentNotice) -> tuple[PaymentAnswer, bool]:
    with database.transaction() as session:
        return payments.take_payment(session, bank_id=bank_id, notice=notice, received_at=NOW, on=TODAY)


def invoiced(session: Session, account: Account, total_minor: int, *, due_in: int = 0) -> Invoice:
    return factories.connection_invoice(session, account, total_minor, due_on=TODAY + timedelta(days=due_in))


def parts_of(session: Session, txn_id: str) -> list[Payment]:
    return list(session.scalars(select(Payment).where(Payment.txn_id == txn_id).order_by(Payment.part)))


def sound(session: Session, person: Person) -> bool:
    return [found for account in person.accounts for found in ledger.check(session, account_id=account.id)] == []


def in_parallel(acts: list[Callable[[], Any]]) -> list[Any]:
    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(act) for act in acts]]


def test_what_is_due_longest_is_covered_first_on_whichever_account_and_the_first_one_keeps_the_rest(
    database: Database, bank_login: BankLogin, person: Person
) -> None:
    first, second = person.accounts
    with database.transaction() as session:
        newer = invoiced(session, first, 500, due_in=5)
        oldest = invoiced(session, second, 300)
        newest = invoiced(session, second, 200, due_in=9)
    notice = factories.payment_notice(700, iin=person.subscriber.iin)
    answer, _ = take(database, bank_login.row.id, notice)
    with database.transaction() as session:
        assert [invoicing.outstanding_minor(session, one.id) for one in (oldest, newer, newest)] == [0, 100, 200]
        parts = parts_of(session, notice.txn_id)
        assert [(part.account_id, part.amount_minor) for part in parts] == [(first.id, 400), (second.id, 300)]
        assert len({part.receipt_no for part in parts}) == 1
        assert (answer.payment_id, answer.balance.amount_minor) == (parts[0].id, -300)
        assert [part.answer is not None for part in parts] == [True, False]
        assert sound(session, person)
    with database.transaction() as session:
        more, _ = payments.take_payment(
            session, bank_id=bank_login.row.id, notice=factories.payment_notice(1000, iin=person.subscriber.iin),
            received_at=NOW, on=TODAY,
        )  # fmt: skip
        assert more.balance.amount_minor == 700
        assert ledger.standing_of(session, first.id) == (0, 700)
        assert ledger.standing_of(session, second.id) == (0, 0)
        assert sound(session, person)


def test_a_person_who_owes_nothing_pays_to_their_first_account(
    database: Database, bank_login: BankLogin, person: Person
) -> None:
    notice = factories.payment_notice(700, iin=person.subscriber.iin)
    take(database, bank_login.row.id, notice)
    with database.transaction() as session:
        (only,) = parts_of(session, notice.txn_id)
        assert (only.account_id, only.part) == (person.first.id, 1)


def test_an_account_number_means_that_account_alone(database: Database, bank_login: BankLogin, person: Person) -> None:
    with database.transaction() as session:
        invoiced(session, person.first, 500)
    for iin in (None, person.subscriber.iin):
        notice = factories.payment_notice(700, iin=iin, account_no=person.accounts[1].account_no)
        take(database, bank_login.row.id, notice)
        with database.transaction() as session:
            (only,) = parts_of(session, notice.txn_id)
            assert only.account_id == person.accounts[1].id
    with database.transaction() as session:
        assert ledger.debt_minor(session, person.first.id) == 500


def test_an_accounts_own_rule_decides_within_its_part(
    database: Database, bank_login: BankLogin, person: Person
) -> None:
    with database.transaction() as session:
        account = session.get_one(Account, person.accounts[1].id)
        account.allocation_rule = AllocationRule.NEWEST_DUE
        older, newer = invoiced(session, account, 300), invoiced(session, account, 300, due_in=9)
        take_in(session, bank_login, 400, person)
        assert [invoicing.outstanding_minor(session, one.id) for one in (older, newer)] == [200, 0]


def take_in(session: Session, bank_login: BankLogin, amount_minor: int, person: Person) -> PaymentAnswer:
    notice = factories.payment_notice(amount_minor, iin=person.subscriber.iin)
    return payments.take_payment(session, bank_id=bank_login.row.id, notice=notice, received_at=NOW, on=TODAY)[0]


def test_the_bank_gets_the_same_answer_for_ever_in_parallel_too(
    database: Database, bank_login: BankLogin, person: Person
) -> None:
    with database.transaction() as session:
        for account in person.accounts:
            invoiced(session, account, 300)
    notice = factories.payment_notice(600, iin=person.subscriber.iin)
    answers = in_parallel([lambda: take(database, bank_login.row.id, notice)] * 20)
    assert len({answer.model_dump_json() for answer, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1
    with database.transaction() as session:
        assert len(parts_of(session, notice.txn_id)) == 2
        assert sound(session, person)
    other = notice.model_copy(update={"amount": PositiveMoney(amount_minor=601)})
    with pytest.raises(TxnReused):
        take(database, bank_login.row.id, other)


def test_one_transaction_id_for_two_people_at_once_is_one_payment_of_one_of_them(
    database: Database, bank_login: BankLogin
) -> None:
    """None of the loser's parts may be left beside the winner's."""
    with database.transaction() as session:
        people = [a_person(session, accounts=count) for count in (2, 3)]
        for one in people:
            for account in one.accounts:
                invoiced(session, account, 100)

    for _ in range(10):
        txn_id = factories.unique("txn")
        notices = [factories.payment_notice(300, iin=one.subscriber.iin, txn_id=txn_id) for one in people]

        def report(notice: PaymentNotice) -> bool:
            try:
                return take(database, bank_login.row.id, notice)[1]
            except TxnReused:
                return False

        assert sum(in_parallel([partial(report, one) for one in notices])) == 1
        with database.transaction() as session:
            parts = parts_of(session, txn_id)
            owners = session.scalars(
                select(Account.subscriber_id).where(Account.id.in_([part.account_id for part in parts]))
            )
            assert len(set(owners)) == 1
            assert sum(part.amount_minor for part in parts) == 300
    with database.transaction() as session:
        assert all(sound(session, one) for one in people)


def test_processes_of_each_account_are_told_of_its_part(
    database: Database, bank_login: BankLogin, person: Person
) -> None:
    with database.transaction() as session:
        for account in person.accounts:
            invoiced(session, account, 300)
        waiting = [factories.process(session, account=account) for account in person.accounts]
        take_in(session, bank_login, 500, person)
        told = [
            session.scalars(select(Outbox.signal_input).where(Outbox.workflow_id == one.workflow_id)).one()
            for one in waiting
        ]
        payees = [session.get_one(Payment, UUID(signal["payment_id"])).account_id for signal in told if signal]
        assert payees == [account.id for account in person.accounts]


@pytest.mark.parametrize("by", ["bank", "first part", "second part"])
def test_a_payment_is_taken_back_with_all_its_parts_once(
    database: Database, bank_login: BankLogin, person: Person, by: str
) -> None:
    with database.transaction() as session:
        for account in person.accounts:
            invoiced(session, account, 300)
    notice = factories.payment_notice(600, iin=person.subscriber.iin)
    take(database, bank_login.row.id, notice)
    with database.transaction() as session:
        parts = parts_of(session, notice.txn_id)
        for _ in range(2):
            if by == "bank":
                answer = payments.cancel_by_bank(
                    session, bank_id=bank_login.row.id, txn_id=notice.txn_id, on=TODAY, at=NOW, actor="bank"
                )
                assert answer.payment_id == parts[0].id
            else:
                asked = parts[by == "second part"].id
                assert payments.reverse_payment(
                    session, asked, reason="ошибка", on=TODAY, at=NOW, actor="test"
                ).id == asked  # fmt: skip
        assert {part.status for part in parts_of(session, notice.txn_id)} == {PaymentStatus.REVERSED}
        assert [ledger.standing_of(session, account.id) for account in person.accounts] == [(300, 0), (300, 0)]
        assert sound(session, person)


def test_a_payment_of_which_any_part_was_paid_back_is_not_taken_back(
    database: Database, bank_login: BankLogin, person: Person
) -> None:
    with database.transaction() as session:
        invoiced(session, person.accounts[1], 300)
        answer = take_in(session, bank_login, 500, person)
        payments.refund_advance(
            session, account_id=person.first.id, amount_minor=100, key=factories.unique(), document_id=person.first.id,
            reason="возврат", on=TODAY,
        )  # fmt: skip
        with pytest.raises(Refusal, match="paid back"):
            payments.reverse_payment(session, answer.payment_id, reason="ошибка", on=TODAY, at=NOW, actor="test")
        assert ledger.debt_minor(session, person.accounts[1].id) == 0


def test_payments_by_iin_and_by_account_reversals_and_billing_at_once_neither_deadlock_nor_differ(
    database: Database, bank_login: BankLogin
) -> None:
    period_on = date(2026, 11, 1)
    with database.transaction() as session:
        people = [a_person(session, accounts=3) for _ in range(3)]
        accounts = [account for one in people for account in one.accounts]
        tariff = factories.tariff(session, fee_minor=650_000)
        for account in accounts:
            billing_histories.serve(session, account, tariff.id, since=period_on)
        run_id = billing_histories.run_over(session, accounts, period_on)
    dice = random.Random(7)

    def pay_person(one: Person) -> None:
        notice = factories.payment_notice(dice.randrange(1, 900_000), iin=one.subscriber.iin)
        answer, _ = take(database, bank_login.row.id, notice)
        if dice.random() < 0.4:
            with database.transaction() as session:
                payments.reverse_payment(session, answer.payment_id, reason="ошибка", on=TODAY, at=NOW, actor="test")

    def pay_account(account: Account) -> None:
        notice = factories.payment_notice(dice.randrange(1, 900_000), account_no=account.account_no)
        take(database, bank_login.row.id, notice)

    def bill() -> None:
        with database.transaction() as session:
            billing_histories.bill_partition(session, run_id)

    acts: list[Callable[[], Any]] = [bill]
    for _ in range(4):
        acts += [partial(pay_person, one) for one in people]
        acts += [partial(pay_account, account) for account in reversed(accounts)]
    dice.shuffle(acts)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda act: act(), acts))
    with database.transaction() as session:
        assert all(sound(session, one) for one in people)
        ids = [account.id for account in accounts]
        invoiced_minor = session.scalars(select(func.sum(Invoice.total_minor)).where(Invoice.account_id.in_(ids))).one()
        paid_minor = session.scalars(
            select(func.sum(Payment.amount_minor)).where(
                Payment.account_id.in_(ids), Payment.status == PaymentStatus.POSTED
            )
        ).one()
        assert invoiced_minor == 650_000 * len(accounts)
        assert sum(ledger.balance_minor(session, one) for one in ids) == paid_minor - invoiced_minor


# -- whatever happens ------------------------------------------------------------------------------------------------


class Life:
    """A person with two accounts, and what a bookkeeper knows of them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.person = a_person(session)
        self.bank_id = factories.bank(session).row.id
        self.owed = 0
        self.paid: dict[UUID, int] = {}
        self.lost: list[UUID] = []

    def account(self, size: int) -> Account:
        return self.person.accounts[size % 2]

    def invoice(self, size: int) -> None:
        invoiced(self.session, self.account(size), size + 1, due_in=size % 7)
        self.owed += size + 1

    def pay_by_iin(self, size: int) -> None:
        self._pay(factories.payment_notice(size + 1, iin=self.person.subscriber.iin))

    def pay_by_account(self, size: int) -> None:
        self._pay(factories.payment_notice(size + 1, account_no=self.account(size).account_no))

    def pay_nobody(self, size: int) -> None:
        notice = factories.payment_notice(size + 1, account_no="0")
        self.lost.append(self._take(notice).payment_id)

    def find(self, size: int) -> None:
        if self.lost:
            payment_id = self.lost.pop()
            account_no = self.account(size).account_no
            found = payments.allocate_suspense(self.session, payment_id, account_no, on=TODAY, actor="test")
            self.paid[payment_id] = found.amount_minor

    def reverse(self, size: int) -> None:
        if self.paid:
            payment_id = list(self.paid)[size % len(self.paid)]
            payments.reverse_payment(self.session, payment_id, reason="ошибка", on=TODAY, at=NOW, actor="test")
            self.paid[payment_id] = 0

    def correct(self, size: int) -> None:
        standing = [payment_id for payment_id, amount in self.paid.items() if amount]
        if standing:
            payment_id = standing[size % len(standing)]
            new = payments.correct_payment(
                self.session, payment_id, amount_minor=size + 1, account_no=self.account(size).account_no,
                reason="ошибка", on=TODAY, at=NOW, actor="test",
            )  # fmt: skip
            assert (new.source, new.amount_minor) == (PaymentSource.CORRECTION, size + 1)
            self.paid[payment_id], self.paid[new.id] = 0, size + 1

    def reallocate(self, size: int) -> None:
        """Anything that is not refused leaves the books in order."""
        account = self.account(size)
        invoices = self.session.scalars(select(Invoice.id).where(Invoice.account_id == account.id)).all()
        standing = self.session.scalars(
            select(Payment.id).where(Payment.account_id == account.id, Payment.status == PaymentStatus.POSTED)
        ).all()
        if invoices and standing:
            wanted = WantedAllocation(
                invoice_id=invoices[size % len(invoices)], amount=PositiveMoney(amount_minor=size + 1)
            )
            order = NewReallocation(allocations=[wanted][: size % 3], reason="спор")
            with suppress(Refusal):
                payments.reallocate(
                    self.session, standing[size % len(standing)], order, on=TODAY, at=NOW, actor="staff:test"
                )

    def change_rule(self, size: int) -> None:
        account = self.session.get_one(Account, self.account(size).id)
        account.allocation_rule = list(AllocationRule)[size % len(AllocationRule)]
        self.session.flush()

    def compare(self) -> None:
        balance = sum(ledger.balance_minor(self.session, account.id) for account in self.person.accounts)
        assert balance == sum(self.paid.values()) - self.owed

    def _pay(self, notice: PaymentNotice) -> None:
        answer = self._take(notice)
        self.paid[answer.payment_id] = notice.amount.amount_minor

    def _take(self, notice: PaymentNotice) -> PaymentAnswer:
        return payments.take_payment(self.session, bank_id=self.bank_id, notice=notice, received_at=NOW, on=TODAY)[0]


ACTS = [
    "invoice", "pay_by_iin", "pay_by_account", "pay_nobody", "find", "reverse", "correct", "reallocate", "change_rule",
]  # fmt: skip


@slow
@given(st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 1000)), max_size=14))
def test_whatever_happens_to_a_person_with_two_accounts_the_books_are_in_order(
    database: Database, acts: list[tuple[str, int]]
) -> None:
    with database.transaction() as session:
        life = Life(session)
        for what, size in acts:
            getattr(life, what)(size)
            life.compare()
        assert sound(session, life.person)
