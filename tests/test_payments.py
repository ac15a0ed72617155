"""Payments: taken once, answered for ever, kept when nobody is known for them, taken back without a trace."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from activities import invoicing, ledger, payments
from models.contracts.bank import PaymentAnswer, PaymentNotice, PaymentStatus
from models.contracts.billing import InvoiceStatus
from models.contracts.processes import ProcessKind, ProcessStatus
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.outbox import Outbox
from models.tables.payments import Payment
from models.tables.processes import Process
from tests import factories
from tests.factories import NOW, TODAY, BankLogin, Customer


@pytest.fixture
def bank_login(database: Database) -> BankLogin:
    with database.transaction() as session:
        return factories.bank(session)


@pytest.fixture
def customer(database: Database) -> Customer:
    with database.transaction() as session:
        return factories.customer(session)


def take(database: Database, bank_id: UUID, notice: PaymentNotice) -> tuple[PaymentAnswer, bool]:
    with database.transaction() as session:
        return payments.take_payment(session, bank_id=bank_id, notice=notice, received_at=NOW, on=TODAY)


def in_parallel(workers: int, act: Callable[[int], Any]) -> list[Any]:
    # No more at a time than there are connections: the others would wait for one, and not for ever.
    with ThreadPoolExecutor(min(workers, 20)) as pool:
        return list(pool.map(act, range(workers)))


def signals_to(session: Session, process: Process) -> list[Outbox]:
    return list(session.scalars(select(Outbox).where(Outbox.workflow_id == process.workflow_id)))


def test_the_same_transaction_fifty_times_in_parallel_is_one_payment(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    notice = factories.payment_notice(700_000, account_no=customer.account.account_no)
    answers = in_parallel(50, lambda _: take(database, bank_login.row.id, notice))
    assert len({answer.model_dump_json() for answer, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1
    with database.transaction() as session:
        assert session.scalar(select(func.count()).where(Payment.txn_id == notice.txn_id)) == 1
        assert ledger.balance_minor(session, customer.account.id) == 700_000
        assert ledger.check(session, account_id=customer.account.id) == []


def test_the_same_unmatched_transaction_in_parallel_is_one_payment_in_suspense(
    database: Database, bank_login: BankLogin
) -> None:
    notice = factories.payment_notice(700_000, iin=factories.new_iin())
    answers = in_parallel(20, lambda _: take(database, bank_login.row.id, notice))
    assert len({answer.payment_id for answer, _ in answers}) == 1
    assert sum(is_new for _, is_new in answers) == 1


def test_different_payments_to_one_account_in_parallel_add_up(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        invoice = factories.connection_invoice(session, customer.account, 1_000_000)
    account_no = customer.account.account_no
    answers = in_parallel(
        20, lambda _: take(database, bank_login.row.id, factories.payment_notice(60_000, account_no=account_no))
    )
    assert sorted(answer.balance.amount_minor for answer, _ in answers) == [
        60_000 * number - 1_000_000 for number in range(1, 21)
    ]
    with database.transaction() as session:
        assert invoicing.view(session, invoice.id).status is InvoiceStatus.PAID
        assert ledger.advance_minor(session, customer.account.id) == 200_000
        assert ledger.check(session, account_id=customer.account.id) == []


def test_payments_invoices_and_reversals_of_one_account_at_the_same_time_leave_it_in_order(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    account = customer.account

    def act(number: int) -> None:
        with database.transaction() as session:
            if number % 3 == 0:
                factories.connection_invoice(session, account, 100_000)
                return
            answer = factories.pay(session, bank_login.row.id, account, 70_000)
        if number % 3 == 1:
            with database.transaction() as session:
                payments.reverse_payment(session, answer.payment_id, reason="ошибка", on=TODAY, at=NOW, actor="test")

    in_parallel(15, act)
    with database.transaction() as session:
        assert ledger.balance_minor(session, account.id) == 5 * 70_000 - 5 * 100_000
        assert ledger.check(session, account_id=account.id) == []


def test_a_transaction_id_with_another_meaning_is_refused_and_posts_nothing(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    notice = factories.payment_notice(500, account_no=customer.account.account_no)
    take(database, bank_login.row.id, notice)
    with database.transaction() as session:
        other = factories.customer(session)
    for changed in (
        factories.payment_notice(501, account_no=notice.account_no, txn_id=notice.txn_id),
        factories.payment_notice(500, account_no=other.account.account_no, txn_id=notice.txn_id),
        notice.model_copy(update={"paid_at": NOW + timedelta(seconds=1)}),
    ):
        with pytest.raises(Refusal, match="txn_id of its own"):
            take(database, bank_login.row.id, changed)
    with database.transaction() as session:
        assert ledger.balance_minor(session, customer.account.id) == 500
        assert ledger.balance_minor(session, other.account.id) == 0


def test_the_same_instant_in_another_zone_is_the_same_payment(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    notice = factories.payment_notice(500, account_no=customer.account.account_no)
    first, _ = take(database, bank_login.row.id, notice)
    there = notice.model_copy(update={"paid_at": NOW.astimezone(timezone(timedelta(hours=5)))})
    assert take(database, bank_login.row.id, there) == (first, False)


def test_two_banks_may_use_the_same_transaction_id(database: Database, customer: Customer) -> None:
    with database.transaction() as session:
        banks = [factories.bank(session), factories.bank(session)]
    notice = factories.payment_notice(500, account_no=customer.account.account_no)
    ids = {take(database, one.row.id, notice)[0].payment_id for one in banks}
    assert len(ids) == 2


def test_a_payment_covers_the_oldest_due_invoice_first_and_the_rest_stays_as_an_advance(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        late = factories.connection_invoice(session, customer.account, 300_000, due_on=TODAY + timedelta(days=9))
        early = factories.connection_invoice(session, customer.account, 200_000, due_on=TODAY)
        factories.pay(session, bank_login.row.id, customer.account, 250_000)
        assert invoicing.view(session, early.id).status is InvoiceStatus.PAID
        assert invoicing.view(session, late.id).status is InvoiceStatus.PARTLY_PAID
        assert invoicing.outstanding_minor(session, late.id) == 250_000
        answer = factories.pay(session, bank_login.row.id, customer.account, 300_000)
        assert answer.balance.amount_minor == 50_000
        assert ledger.standing_of(session, customer.account.id) == (0, 50_000)


def test_processes_that_wait_for_money_are_told_of_a_payment_and_of_its_reversal(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        connection = factories.process(session, account=customer.account)
        dunning = factories.process(session, kind=ProcessKind.DUNNING, account=customer.account)
        request = factories.process(session, kind=ProcessKind.REQUEST, account=customer.account)
        closed = factories.process(session, account=customer.account)
        closed.status, closed.closed_at = ProcessStatus.COMPLETED, NOW
        session.flush()
        answer = factories.pay(session, bank_login.row.id, customer.account, 100)
        for told in (connection, dunning):
            (signal,) = signals_to(session, told)
            assert signal.signal == "payment_received"
            assert signal.signal_input == {"payment_id": str(answer.payment_id)}
        for untold in (request, closed):
            assert signals_to(session, untold) == []
        payments.reverse_payment(session, answer.payment_id, reason="ошибка", on=TODAY, at=NOW, actor="test")
        assert len(signals_to(session, connection)) == 2


@pytest.mark.parametrize("payee", ["unknown iin", "unknown account", "two people"])
def test_money_that_fits_nobody_is_kept_in_suspense_until_accounting_finds_its_owner(
    database: Database, bank_login: BankLogin, customer: Customer, payee: str
) -> None:
    notice = {
        "unknown iin": factories.payment_notice(900, iin=factories.new_iin()),
        "unknown account": factories.payment_notice(900, account_no="0000000"),
        "two people": factories.payment_notice(900, iin=factories.new_iin(), account_no=customer.account.account_no),
    }[payee]
    answer, is_new = take(database, bank_login.row.id, notice)
    assert is_new
    assert answer.balance.amount_minor == 0
    with database.transaction() as session:
        invoice = factories.connection_invoice(session, customer.account, 600)
        process = factories.process(session, account=customer.account)
        payment = payments.view(session, answer.payment_id)
        assert (payment.status, payment.account_no) == (PaymentStatus.SUSPENSE, None)
        for _ in range(2):
            payments.allocate_suspense(session, answer.payment_id, customer.account.account_no, on=TODAY, actor="test")
        assert invoicing.outstanding_minor(session, invoice.id) == 0
        assert ledger.advance_minor(session, customer.account.id) == 300
        assert len(signals_to(session, process)) == 1
        assert ledger.check(session, account_id=customer.account.id) == []
    assert take(database, bank_login.row.id, notice) == (answer, False)


def test_money_goes_from_suspense_to_one_account_only(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    answer, _ = take(database, bank_login.row.id, factories.payment_notice(900, iin=factories.new_iin()))
    with database.transaction() as session:
        payments.allocate_suspense(session, answer.payment_id, customer.account.account_no, on=TODAY, actor="test")
        other = factories.customer(session).account
        with pytest.raises(Refusal, match="reverse it first"):
            payments.allocate_suspense(session, answer.payment_id, other.account_no, on=TODAY, actor="test")
        with pytest.raises(Refusal, match="no account"):
            payments.allocate_suspense(session, answer.payment_id, "nobody", on=TODAY, actor="test")


@pytest.mark.parametrize("from_suspense", [False, True])
def test_a_reversed_payment_leaves_the_account_as_if_it_had_never_come(
    database: Database, bank_login: BankLogin, customer: Customer, from_suspense: bool
) -> None:
    account = customer.account
    with database.transaction() as session:
        invoice = factories.connection_invoice(session, account, 600)
        if from_suspense:
            notice = factories.payment_notice(900, iin=factories.new_iin())
            answer, _ = payments.take_payment(
                session, bank_id=bank_login.row.id, notice=notice, received_at=NOW, on=TODAY
            )
            payments.allocate_suspense(session, answer.payment_id, account.account_no, on=TODAY, actor="test")
        else:
            answer = factories.pay(session, bank_login.row.id, account, 900)
        assert invoicing.outstanding_minor(session, invoice.id) == 0
        for _ in range(2):
            payments.reverse_payment(session, answer.payment_id, reason="чужие деньги", on=TODAY, at=NOW, actor="me")
        assert invoicing.outstanding_minor(session, invoice.id) == 600
        assert ledger.standing_of(session, account.id) == (600, 0)
        view = invoicing.view(session, invoice.id)
        assert [part.amount.amount_minor for part in view.allocations] == [600, -600]
        payment = session.get_one(Payment, answer.payment_id)
        assert (payment.status, payment.reversed_by) == (PaymentStatus.REVERSED, "me")
        assert ledger.check(session, account_id=account.id) == []


def test_another_advance_takes_the_place_of_a_reversed_payment(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        invoice = factories.connection_invoice(session, customer.account, 600)
        first = factories.pay(session, bank_login.row.id, customer.account, 600)
        factories.pay(session, bank_login.row.id, customer.account, 1000)
        payments.reverse_payment(session, first.payment_id, reason="ошибка", on=TODAY, at=NOW, actor="test")
        assert invoicing.outstanding_minor(session, invoice.id) == 0
        assert ledger.standing_of(session, customer.account.id) == (0, 400)


def test_an_advance_is_paid_back_once_and_never_more_than_there_is(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    key = factories.unique("refund")

    def refund(session: Session, amount_minor: int, key: str) -> None:
        payments.refund_advance(
            session, account_id=customer.account.id, amount_minor=amount_minor, key=key, document_id=uuid4(),
            reason="возврат", on=TODAY,
        )  # fmt: skip

    with database.transaction() as session:
        answer = factories.pay(session, bank_login.row.id, customer.account, 1000)
        refund(session, 400, key)
        refund(session, 400, key)
        assert ledger.balance_minor(session, customer.account.id) == 600
        with pytest.raises(Refusal, match="paid back"):
            payments.reverse_payment(session, answer.payment_id, reason="ошибка", on=TODAY, at=NOW, actor="test")
    with pytest.raises(Refusal, match="less in advance"), database.transaction() as session:
        refund(session, 601, factories.unique())
    with database.transaction() as session:
        assert payments.view(session, answer.payment_id).unallocated.amount_minor == 600
        assert ledger.check(session, account_id=customer.account.id) == []


@pytest.mark.parametrize(("owes", "statement_count"), [(False, 4), (True, 6)])
def test_taking_a_payment_costs_few_statements(
    database: Database, bank_login: BankLogin, customer: Customer, owes: bool, statement_count: int
) -> None:
    """Lock, read, record, post; and where somebody owes and a process waits: the open invoices and a signal."""
    statements: list[str] = []

    def count(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    with database.transaction() as session:
        if owes:
            factories.connection_invoice(session, customer.account, 100)
    event.listen(database.engine, "before_cursor_execute", count)
    try:
        notice = factories.payment_notice(150, account_no=customer.account.account_no)
        take(database, bank_login.row.id, notice)
    finally:
        event.remove(database.engine, "before_cursor_execute", count)
    assert len(statements) == statement_count
