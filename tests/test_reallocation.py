"""Which invoices a payment covers: by the account's rule, or by somebody's decision, with a trail."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError
from sqlalchemy import func, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from activities import invoicing, ledger, payments
from models.contracts.money import PositiveMoney
from models.contracts.payments import NewReallocation, WantedAllocation
from models.contracts.refusals import Refusal
from models.database import Database
from models.rules.allocation import AllocationRule
from models.tables.billing import Invoice
from models.tables.outbox import Outbox
from models.tables.payments import Allocation, Payment, Reallocation
from models.tables.people import Account
from tests import billing_histories, factories
from tests.factories import NOW, TODAY, BankLogin, Customer


@pytest.fixture
def bank_login(database: Database) -> BankLogin:
    with database.transaction() as session:
        return factories.bank(session)


@pytest.fixture
def customer(database: Database) -> Customer:
    with database.transaction() as session:
        return factories.customer(session)


def order(wanted: dict[UUID, int], reason: str = "абонент оспаривает старый счёт") -> NewReallocation:
    return NewReallocation(
        allocations=[
            WantedAllocation(invoice_id=one, amount=PositiveMoney(amount_minor=amount))
            for one, amount in wanted.items()
        ],
        reason=reason,
    )


def reallocate(session: Session, payment_id: UUID, wanted: dict[UUID, int], **more: Any) -> Payment:
    return payments.reallocate(session, payment_id, order(wanted), on=TODAY, at=NOW, actor="staff:me", **more)


def invoiced(session: Session, account: Account, total_minor: int, *, due_in: int = 0) -> UUID:
    return factories.connection_invoice(session, account, total_minor, due_on=TODAY + timedelta(days=due_in)).id


def outstanding(session: Session, *invoice_ids: UUID) -> list[int]:
    return [invoicing.outstanding_minor(session, one) for one in invoice_ids]


def rows_of(session: Session, payment_id: UUID) -> list[tuple[UUID, int]]:
    rows = session.execute(
        select(Allocation.invoice_id, Allocation.amount_minor)
        .where(Allocation.payment_id == payment_id)
        .order_by(Allocation.id)
    )
    return [(row.invoice_id, row.amount_minor) for row in rows]


# -- the account's rule ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "left", "as_advance"),
    [
        (rule, left, as_advance)
        for rule, left in (
            (AllocationRule.OLDEST_DUE, [0, 100, 200]),
            (AllocationRule.NEWEST_DUE, [300, 0, 0]),
            (AllocationRule.SMALLEST_FIRST, [300, 0, 0]),
            (AllocationRule.PROPORTIONAL, [150, 50, 100]),
        )
        for as_advance in (False, True)
    ],
)
def test_payments_follow_the_accounts_rule_and_so_do_advances(
    database: Database, rule: AllocationRule, left: list[int], *, as_advance: bool
) -> None:
    with database.transaction() as session:
        bank_login, account = factories.bank(session), factories.customer(session).account
        account.allocation_rule = rule
        session.flush()
        invoices = [invoiced(session, account, total, due_in=number) for number, total in enumerate([300, 100, 200])]
        if as_advance:
            # Money that nobody was known for covers them as an advance does.
            notice = factories.payment_notice(300, account_no="0")
            answer, _ = payments.take_payment(
                session, bank_id=bank_login.row.id, notice=notice, received_at=NOW, on=TODAY
            )
            payments.allocate_suspense(session, answer.payment_id, account.account_no, on=TODAY, actor="test")
        else:
            factories.pay(session, bank_login.row.id, account, 300)
        assert outstanding(session, *invoices) == left
        assert ledger.check(session, account_id=account.id) == []


def test_a_billing_runs_invoice_is_covered_by_the_advance_whatever_the_rule(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        account = session.get_one(Account, customer.account.id)
        account.allocation_rule = AllocationRule.PROPORTIONAL
        for amount_minor in (400, 700):
            factories.pay(session, bank_login.row.id, account, amount_minor)
        tariff = factories.tariff(session, fee_minor=1000)
        billing_histories.serve(session, account, tariff.id, since=date(2026, 11, 1))
        billing_histories.bill(session, [account], date(2026, 11, 1))
        assert ledger.standing_of(session, account.id) == (0, 100)
        assert ledger.check(session, account_id=account.id) == []


# -- somebody's decision ---------------------------------------------------------------------------------------------


def test_an_accountant_lets_a_payment_cover_another_invoice_and_the_trail_says_who_and_why(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        old, new = (invoiced(session, customer.account, 600, due_in=days) for days in (0, 9))
        waiting = factories.process(session, account=customer.account)
        payment_id = factories.pay(session, bank_login.row.id, customer.account, 600).payment_id
        reallocate(session, payment_id, {new: 600})
        assert outstanding(session, old, new) == [600, 0]
        assert rows_of(session, payment_id) == [(old, 600), (old, -600), (new, 600)]
        shown = payments.detail(session, payment_id)
        assert [row.decided_by for row in shown.allocations] == [None, "staff:me", "staff:me"]
        assert "абонент оспаривает старый счёт" in shown.allocations[-1].reason
        assert shown.unallocated.amount_minor == 0
        assert ledger.standing_of(session, customer.account.id) == (600, 0)
        told = session.scalars(select(func.count()).where(Outbox.workflow_id == waiting.workflow_id)).one()
        assert told == 2, "an invoice that a process waits for may be paid now, or open again"
        assert ledger.check(session, account_id=customer.account.id) == []


def test_what_is_not_named_follows_the_accounts_rule(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        old, new = (invoiced(session, customer.account, 600, due_in=days) for days in (0, 9))
        payment_id = factories.pay(session, bank_login.row.id, customer.account, 600).payment_id
        reallocate(session, payment_id, {new: 200})
        assert outstanding(session, old, new) == [200, 400]
        assert ledger.standing_of(session, customer.account.id) == (600, 0)


def test_another_advance_covers_what_opens_again(database: Database, bank_login: BankLogin, customer: Customer) -> None:
    with database.transaction() as session:
        old = invoiced(session, customer.account, 600)
        first = factories.pay(session, bank_login.row.id, customer.account, 600).payment_id
        factories.pay(session, bank_login.row.id, customer.account, 100)
        new = invoiced(session, customer.account, 300, due_in=9)
        reallocate(session, first, {new: 200, old: 400})
        assert outstanding(session, old, new) == [200, 0]
        assert ledger.standing_of(session, customer.account.id) == (200, 0)
        assert ledger.check(session, account_id=customer.account.id) == []


def test_asked_for_what_is_so_already_or_with_the_same_key_it_changes_nothing(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        old, new = (invoiced(session, customer.account, 600, due_in=days) for days in (0, 9))
        payment_id = factories.pay(session, bank_login.row.id, customer.account, 600).payment_id
        key = factories.unique("key")
        for _ in range(2):
            reallocate(session, payment_id, {new: 200}, idempotency_key=key)
        for _ in range(2):
            reallocate(session, payment_id, {old: 400, new: 200})
        assert len(rows_of(session, payment_id)) == 4
        assert session.scalars(select(func.count()).where(Reallocation.payment_id == payment_id)).one() == 1
        with pytest.raises(Refusal, match="another request"):
            reallocate(session, payment_id, {new: 300}, idempotency_key=key)


def test_no_more_is_covered_than_the_payment_has_and_the_invoices_ask_for(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        old, new = (invoiced(session, customer.account, 600, due_in=days) for days in (0, 9))
        other = invoiced(session, factories.customer(session).account, 600)
        first = factories.pay(session, bank_login.row.id, customer.account, 600).payment_id
        second = factories.pay(session, bank_login.row.id, customer.account, 400).payment_id
        for payment_id, wanted, said in (
            (first, {old: 600, new: 1}, "600,00|6,00"),
            (first, {new: 300}, "only 2,00"),
            (first, {other: 100}, "not one of this payment's account"),
            (first, {uuid4(): 100}, "not one of this payment's account"),
            (uuid4(), {new: 100}, "no such payment"),
        ):
            with pytest.raises(Refusal, match=said):
                reallocate(session, payment_id, wanted)
        payments.reverse_payment(session, second, reason="ошибка", on=TODAY, at=NOW, actor="test")
        with pytest.raises(Refusal, match="is reversed"):
            reallocate(session, second, {new: 100})
        assert outstanding(session, old, new) == [0, 600]


def test_money_that_was_paid_back_covers_nothing(database: Database, bank_login: BankLogin, customer: Customer) -> None:
    with database.transaction() as session:
        payment_id = factories.pay(session, bank_login.row.id, customer.account, 600).payment_id
        payments.refund_advance(
            session, account_id=customer.account.id, amount_minor=400, key=factories.unique(), document_id=uuid4(),
            reason="возврат", on=TODAY,
        )  # fmt: skip
        new = invoiced(session, customer.account, 600)
        with pytest.raises(Refusal, match="2,00"):
            reallocate(session, payment_id, {new: 201})


def test_an_order_names_each_invoice_once_and_a_reason() -> None:
    one = {"invoice_id": str(uuid4()), "amount": {"amount_minor": 100, "currency": "KZT"}}
    for wrong in (
        {"allocations": [one, one], "reason": "спор"},
        {"allocations": [one], "reason": " "},
        {"allocations": [one | {"amount": {"amount_minor": 0, "currency": "KZT"}}], "reason": "спор"},
    ):
        with pytest.raises(ValidationError):
            NewReallocation.model_validate(wrong)


def test_decisions_are_kept_as_they_were(database: Database, bank_login: BankLogin, customer: Customer) -> None:
    with database.transaction() as session:
        invoices = [invoiced(session, customer.account, 600, due_in=days) for days in (0, 9)]
        payment_id = factories.pay(session, bank_login.row.id, customer.account, 600).payment_id
        reallocate(session, payment_id, {invoices[1]: 600})
    with pytest.raises(IntegrityError, match="append-only"), database.transaction() as session:
        session.execute(text("UPDATE reallocation SET reason = 'иначе'"))


# -- at the same time ------------------------------------------------------------------------------------------------


def in_parallel(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    with ThreadPoolExecutor(len(acts)) as pool:
        return [future.result() for future in [pool.submit(act) for act in acts]]


def test_reallocating_paying_billing_and_reversing_at_once_leave_the_books_in_order(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    account = customer.account
    with database.transaction() as session:
        invoices = [invoiced(session, account, 1000, due_in=days) for days in range(4)]
        standing = [factories.pay(session, bank_login.row.id, account, 700).payment_id for _ in range(4)]
        tariff = factories.tariff(session, fee_minor=1500)
        billing_histories.serve(session, account, tariff.id, since=date(2026, 11, 1))
        run_id = billing_histories.run_over(session, [account], date(2026, 11, 1))

    def move(number: int) -> str:
        try:
            with database.transaction() as session:
                reallocate(session, standing[number % 4], {invoices[(number + 1) % 4]: 300 + number})
        except Refusal as refusal:
            return refusal.slug
        return "moved"

    def pay(_: int) -> None:
        with database.transaction() as session:
            factories.pay(session, bank_login.row.id, account, 150)

    def reverse(number: int) -> None:
        with database.transaction() as session:
            payments.reverse_payment(session, standing[number], reason="ошибка", on=TODAY, at=NOW, actor="test")

    def bill(_: int) -> None:
        with database.transaction() as session:
            billing_histories.bill_partition(session, run_id)

    acts = [partial(act, number) for number in range(8) for act in (move, pay)]
    acts[3:3] = [partial(reverse, 3), partial(bill, 0)]
    outcomes = in_parallel(acts)
    assert {one for one in outcomes if isinstance(one, str)} <= {"moved", "invoice_covered", "payment_not_posted"}
    with database.transaction() as session:
        assert ledger.balance_minor(session, account.id) == 3 * 700 + 8 * 150 - 4 * 1000 - 1500
        assert ledger.check(session, account_id=account.id) == []
        assert session.scalars(select(func.count()).where(Invoice.account_id == account.id)).one() == 5


def test_one_key_in_parallel_is_one_decision(database: Database, bank_login: BankLogin, customer: Customer) -> None:
    with database.transaction() as session:
        old, new = (invoiced(session, customer.account, 600, due_in=days) for days in (0, 9))
        payment_id = factories.pay(session, bank_login.row.id, customer.account, 600).payment_id
    key = factories.unique("key")

    def move() -> None:
        with database.transaction() as session:
            reallocate(session, payment_id, {new: 250}, idempotency_key=key)

    in_parallel([move] * 8)
    with database.transaction() as session:
        assert outstanding(session, old, new) == [250, 350]
        assert session.scalars(select(func.count()).where(Reallocation.payment_id == payment_id)).one() == 1


def test_money_in_suspense_is_given_to_one_account_in_parallel(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        other = factories.customer(session).account
        notice = factories.payment_notice(900, iin=factories.new_iin())
        answer, _ = payments.take_payment(session, bank_id=bank_login.row.id, notice=notice, received_at=NOW, on=TODAY)

    def give(account_no: str) -> str:
        try:
            with database.transaction() as session:
                payments.allocate_suspense(session, answer.payment_id, account_no, on=TODAY, actor="test")
        except Refusal as refusal:
            return refusal.slug
        return account_no

    numbers = [customer.account.account_no, other.account_no]
    outcomes = in_parallel([partial(give, number) for number in numbers * 5])
    assert len(set(outcomes)) == 2
    assert "payment_not_in_suspense" in outcomes
    with database.transaction() as session:
        standings = [ledger.balance_minor(session, one.id) for one in (customer.account, other)]
        assert sorted(standings) == [0, 900]
        for one in (customer.account, other):
            assert ledger.check(session, account_id=one.id) == []
