"""Payments that are set right: posted from a registry, reported late, corrected under their transaction."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from activities import invoicing, ledger, payments
from models.contracts.bank import PaymentStatus, TxnReused
from models.contracts.payments import PaymentSource
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.payments import Clarification, Payment
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


def correct(session: Session, payment_id: UUID, amount_minor: int, account_no: str | None = None) -> Payment:
    return payments.correct_payment(
        session, payment_id, amount_minor=amount_minor, account_no=account_no, reason="банк подтвердил другую сумму",
        on=TODAY, at=NOW, actor="staff:me",
    )  # fmt: skip


def parts_of(session: Session, txn_id: str) -> list[Payment]:
    return list(session.scalars(select(Payment).where(Payment.txn_id == txn_id).order_by(Payment.part)))


@pytest.mark.parametrize("named", ["account", "iin", "nobody"])
def test_a_payment_of_the_registry_that_the_bank_reports_late_is_the_same_payment(
    database: Database, bank_login: BankLogin, customer: Customer, named: str
) -> None:
    payee = {
        "account": {"account_no": customer.account.account_no}, "iin": {"iin": customer.subscriber.iin},
        "nobody": {"account_no": "77"},
    }[named]  # fmt: skip
    registry = factories.payment_notice(500, **payee)
    with database.transaction() as session:
        answer, is_new = payments.post_missing(
            session, bank_id=bank_login.row.id, notice=registry, received_at=NOW, on=TODAY
        )
        assert is_new
        assert parts_of(session, registry.txn_id)[0].source is PaymentSource.REGISTRY
    # The registry knows the day; the report the minute.
    online = registry.model_copy(update={"paid_at": NOW + timedelta(hours=3)})
    for _ in range(2):
        with database.transaction() as session:
            late = payments.take_payment(session, bank_id=bank_login.row.id, notice=online, received_at=NOW, on=TODAY)
            assert late == (answer, False)
    with database.transaction() as session:
        assert len(parts_of(session, registry.txn_id)) == 1
        other = factories.payment_notice(501, txn_id=registry.txn_id, **payee)
        with pytest.raises(TxnReused):
            payments.take_payment(session, bank_id=bank_login.row.id, notice=other, received_at=NOW, on=TODAY)


def test_a_late_report_for_somebody_else_is_a_conflict(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    registry = factories.payment_notice(500, account_no=customer.account.account_no)
    with database.transaction() as session:
        payments.post_missing(session, bank_id=bank_login.row.id, notice=registry, received_at=NOW, on=TODAY)
        other = factories.customer(session).account
        late = factories.payment_notice(500, account_no=other.account_no, txn_id=registry.txn_id)
        with pytest.raises(TxnReused):
            payments.take_payment(session, bank_id=bank_login.row.id, notice=late, received_at=NOW, on=TODAY)


def test_a_payment_that_came_online_is_not_posted_again_from_the_registry(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    notice = factories.payment_notice(500, account_no=customer.account.account_no)
    with database.transaction() as session:
        take: dict[str, Any] = {"bank_id": bank_login.row.id, "notice": notice, "received_at": NOW, "on": TODAY}
        answer, _ = payments.take_payment(session, **take)
        assert payments.post_missing(session, **take) == (answer, False)
        assert ledger.balance_minor(session, customer.account.id) == 500


def test_a_correction_takes_the_wrong_payment_back_and_stands_in_its_place(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    notice = factories.payment_notice(5000, account_no=customer.account.account_no)
    with database.transaction() as session:
        invoice = factories.connection_invoice(session, customer.account, 600)
        answer, _ = payments.take_payment(session, bank_id=bank_login.row.id, notice=notice, received_at=NOW, on=TODAY)
        new = correct(session, answer.payment_id, 500)
        wrong, right = parts_of(session, notice.txn_id)
        assert (wrong.status, right.status, right.id) == (PaymentStatus.REVERSED, PaymentStatus.POSTED, new.id)
        assert (right.amount_minor, right.source, right.part) == (500, PaymentSource.CORRECTION, 2)
        assert right.receipt_no != wrong.receipt_no
        assert invoicing.outstanding_minor(session, invoice.id) == 100
        assert ledger.standing_of(session, customer.account.id) == (100, 0)
        assert ledger.check(session, account_id=customer.account.id) == []
        with pytest.raises(Refusal, match="taken back already"):
            correct(session, answer.payment_id, 400)
        assert [one.amount_minor for one in parts_of(session, notice.txn_id)] == [5000, 500]
    with database.transaction() as session:
        again = payments.take_payment(session, bank_id=bank_login.row.id, notice=notice, received_at=NOW, on=TODAY)
        assert again == (answer, False), "the bank was answered once, for ever"
        payments.reverse_payment(session, answer.payment_id, reason="ошибка", on=TODAY, at=NOW, actor="test")
        assert ledger.standing_of(session, customer.account.id) == (100, 0), "what was taken back is another payment"
        payments.cancel_by_bank(
            session, bank_id=bank_login.row.id, txn_id=notice.txn_id, on=TODAY, at=NOW, actor="bank"
        )
        assert ledger.standing_of(session, customer.account.id) == (600, 0), "the bank takes its transaction back"
        assert ledger.check(session, account_id=customer.account.id) == []


def test_a_correction_moves_a_payment_to_the_account_that_it_was_meant_for(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        right = factories.customer(session).account
        paid = factories.pay(session, bank_login.row.id, customer.account, 500)
        new = correct(session, paid.payment_id, 500, right.account_no)
        assert new.payer_name == "Сейткали Арман Болатович"
        assert ledger.balance_minor(session, customer.account.id) == 0
        assert ledger.balance_minor(session, right.id) == 500
        with pytest.raises(Refusal, match="no account"):
            correct(session, new.id, 500, "77")


def test_a_payment_for_several_accounts_is_corrected_for_one_that_is_named(
    database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        second = factories.another_account(session, customer.subscriber)
        for account in (customer.account, second):
            factories.connection_invoice(session, account, 300)
        notice = factories.payment_notice(600, iin=customer.subscriber.iin)
        answer, _ = payments.take_payment(session, bank_id=bank_login.row.id, notice=notice, received_at=NOW, on=TODAY)
        with pytest.raises(Refusal, match="name the one"):
            correct(session, answer.payment_id, 300)
        correct(session, answer.payment_id, 300, second.account_no)
        assert [ledger.debt_minor(session, account.id) for account in (customer.account, second)] == [300, 0]


def test_a_correction_of_money_that_nobody_is_known_for_asks_again_whose_it_is(
    database: Database, bank_login: BankLogin
) -> None:
    notice = factories.payment_notice(500, account_no="77")
    with database.transaction() as session:
        answer, _ = payments.take_payment(session, bank_id=bank_login.row.id, notice=notice, received_at=NOW, on=TODAY)
        new = correct(session, answer.payment_id, 50)
        assert new.status is PaymentStatus.SUSPENSE
        asked = session.scalars(
            select(Clarification.payment_id).where(Clarification.payment_id.in_([answer.payment_id, new.id]))
        )
        assert set(asked) == {answer.payment_id, new.id}


@pytest.mark.parametrize(
    "change", ["amount_minor = 1", "txn_id = 'x'", "paid_at = now()", "payer_name = 'x'", "payee_iik = 'x'", "part = 7"]
)
def test_what_a_payment_order_says_can_not_be_changed(
    database: Database, bank_login: BankLogin, customer: Customer, change: str
) -> None:
    with database.transaction() as session:
        payment_id = factories.pay(session, bank_login.row.id, customer.account, 500).payment_id
    with pytest.raises(IntegrityError, match="reverse it instead"), database.transaction() as session:
        session.execute(text(f"UPDATE payment SET {change} WHERE id = :id"), {"id": payment_id})
    with pytest.raises(IntegrityError, match="reverse it instead"), database.transaction() as session:
        session.execute(text("DELETE FROM payment WHERE id = :id"), {"id": payment_id})
