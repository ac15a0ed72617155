"""A transaction id with another meaning: refused, kept for accounting, counted, and shown; nothing else changes."""

from typing import Any

import pytest
from sqlalchemy import select

from models.contracts.people import Role
from models.database import Database
from models.tables.banks import PaymentConflict
from models.tables.payments import Payment
from tests import bank_world, factories
from tests.bank_world import BankClient, bank_client, in_parallel, owing, payments_of
from tests.factories import Customer


@pytest.fixture
def bank(database: Database) -> BankClient:
    return bank_client(database)


@pytest.fixture
def customer(database: Database) -> Customer:
    return owing(database)


def conflicts(database: Database, bank: BankClient) -> list[PaymentConflict]:
    with database.transaction() as session:
        return list(
            session.scalars(
                select(PaymentConflict)
                .join(Payment, Payment.id == PaymentConflict.payment_id)
                .where(Payment.bank_id == bank.login.row.id)
                .order_by(PaymentConflict.id)
            )
        )


def tell_json(bank: BankClient, customer: Customer, amount_minor: int, **other: Any) -> int:
    notice = {
        "txn_id": "1", "account_no": customer.account.account_no, "paid_at": "2026-11-24T10:15:00+05:00",
        "amount": {"amount_minor": amount_minor, "currency": "KZT"}, **other,
    }  # fmt: skip
    return bank.client.post("/bank/v1/payments", json=notice, auth=bank.login.auth).status_code


@pytest.mark.parametrize("dialect", ["osmp", "kaspi", "v1"])
def test_both_meanings_survive_the_refusal(
    bank: BankClient, database: Database, customer: Customer, dialect: str
) -> None:
    somebody = owing(database)
    if dialect == "v1":
        assert [tell_json(bank, one, amount) for one, amount in ((customer, 100), (somebody, 200))] == [201, 409]
    else:
        for one, amount in ((customer, "1.00"), (somebody, "2.00")):
            bank.pay(dialect, one.account.account_no, amount, txn_id="1")
    (payment,) = payments_of(database, bank.login)
    (conflict,) = conflicts(database, bank)
    assert conflict.payment_id == payment.id
    assert conflict.taken_sha256 == payment.request_sha256 != conflict.asked_sha256
    assert (conflict.asked_account_no, conflict.asked_amount_minor) == (somebody.account.account_no, 200)
    assert conflict.asked_paid_at.isoformat() == "2026-11-24T05:15:00+00:00"
    assert conflict.times == 1
    assert payment.amount_minor == 100


def test_the_same_again_is_counted_and_another_is_kept_beside_it(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    bank.pay("kaspi", customer.account.account_no, "1.00", txn_id="1")
    for _ in range(3):
        bank.pay("kaspi", customer.account.account_no, "2.00", txn_id="1")
    bank.pay("kaspi", customer.account.account_no, "3.00", txn_id="1")
    kept = [(one.asked_amount_minor, one.times) for one in conflicts(database, bank)]
    assert kept == [(200, 3), (300, 1)]
    assert conflicts(database, bank)[0].first_at < conflicts(database, bank)[0].last_at


def test_in_parallel_none_is_lost(bank: BankClient, database: Database, customer: Customer) -> None:
    bank.pay("osmp", customer.account.account_no, "1.00", txn_id="1")
    in_parallel(20, lambda _: bank.pay("osmp", customer.account.account_no, "2.00", txn_id="1"))
    assert [one.times for one in conflicts(database, bank)] == [20]


def test_a_repetition_is_no_conflict(bank: BankClient, database: Database, customer: Customer) -> None:
    for txn_date in ("20261124101500", "20261125000000"):
        bank.pay("kaspi", customer.account.account_no, "1.00", txn_id="1", txn_date=txn_date)
    assert conflicts(database, bank) == []


def test_an_iin_is_not_kept_but_the_account_that_it_means_is(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    bank.pay("kaspi", customer.account.account_no, "1.00", txn_id="1")
    bank.pay("kaspi", customer.subscriber.iin, "1.00", txn_id="1")
    bank.pay("kaspi", factories.new_iin(), "1.00", txn_id="1")
    kept = [one.asked_account_no for one in conflicts(database, bank)]
    assert kept == [customer.account.account_no, None]


def test_accounting_reads_them_newest_first_page_by_page(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    with database.transaction() as session:
        accounting = factories.staff(session, Role.ACCOUNTING)
    paid = bank.pay("osmp", customer.account.account_no, "1.00", txn_id="1")
    for amount in ("2.00", "3.00", "4.00"):
        bank.pay("osmp", customer.account.account_no, amount, txn_id="1")
    seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = bank.client.get("/v1/payment-conflicts", params=query, headers=accounting.headers).json()
        seen += [one for one in page["items"] if one["bank"] == bank.login.row.code]
        if page["next_cursor"] is None or len(seen) >= 3:
            break
        query["cursor"] = page["next_cursor"]
    assert [one["asked"]["amount"]["amount_minor"] for one in seen] == [400, 300, 200]
    assert paid.receipt is not None
    assert seen[0]["receipt_no"] == f"R-{int(paid.receipt):08d}"
    assert seen[0]["taken"] == {
        "account_no": customer.account.account_no,
        "amount": {"amount_minor": 100, "currency": "KZT"},
    }
    assert seen[0]["txn_id"] == "1"


def test_they_are_counted_on_metrics_by_bank(bank: BankClient, customer: Customer) -> None:
    bank.pay("osmp", customer.account.account_no, "1.00", txn_id="1")
    bank.pay("osmp", customer.account.account_no, "2.00", txn_id="1")
    figures = bank.client.get("/metrics").text
    assert f'abonent_payment_conflicts{{bank="{bank.login.row.code}"}} 1.0' in figures


def test_the_refusal_says_nothing_of_the_first_payment(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    somebody = owing(database)
    bank.pay("osmp", customer.account.account_no, "123.45", txn_id="1")
    for dialect in ("osmp", "kaspi"):
        said = bank.pay(dialect, somebody.account.account_no, "1.00", txn_id="1").http.text
        for secret in (customer.account.account_no, "123.45", customer.subscriber.full_name):
            assert secret not in said
    assert bank_world.balance_minor(database, somebody) == 0
