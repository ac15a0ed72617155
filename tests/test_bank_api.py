"""What banks and accounting see of payments over HTTP."""

from typing import Any
from uuid import uuid4

import pytest

from activities import ledger
from api import billing, invoices
from api.dialects import json_v1
from models.contracts.people import Role
from models.database import Database
from tests import factories
from tests.factories import BankLogin, Customer
from tests.http_client import ApiClient, api_with


@pytest.fixture
def bank_login(database: Database) -> BankLogin:
    with database.transaction() as session:
        return factories.bank(session)


@pytest.fixture
def customer(database: Database) -> Customer:
    with database.transaction() as session:
        return factories.customer(session)


@pytest.fixture
def client(database: Database) -> ApiClient:
    return api_with(database, json_v1.router, billing.router, invoices.router)


def body(customer: Customer, amount_minor: int = 500_000, **other: Any) -> dict[str, Any]:
    return {
        "txn_id": factories.unique("txn"),
        "iin": customer.subscriber.iin,
        "amount": {"amount_minor": amount_minor, "currency": "KZT"},
        "paid_at": "2026-11-24T10:00:00+05:00",
        **other,
    }


def test_customer_info_tells_a_bank_the_debt_and_little_else(
    client: ApiClient, database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        factories.connection_invoice(session, customer.account, 650_000)
    answer = client.get(f"/bank/v1/customers/{customer.subscriber.iin}", auth=bank_login.auth)
    assert answer.status_code == 200
    debt = {"amount_minor": 650_000, "currency": "KZT"}
    assert answer.json() == {
        "iin": customer.subscriber.iin,
        "account_no": customer.account.account_no,
        "name_masked": "С*** Арман Б.",
        "debt": debt,
        "accounts": [{"account_no": customer.account.account_no, "debt": debt}],
    }


@pytest.mark.parametrize(("iin", "status"), [("123456789012", 404), ("000000000001", 404), ("12345", 422)])
def test_an_iin_that_is_not_served_is_not_found(
    client: ApiClient, bank_login: BankLogin, iin: str, status: int
) -> None:
    answer = client.get(f"/bank/v1/customers/{iin}", auth=bank_login.auth)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_bank_gets_201_then_200_with_the_same_body_then_409_for_another(
    client: ApiClient, bank_login: BankLogin, customer: Customer
) -> None:
    sent = body(customer)
    first = client.post("/bank/v1/payments", json=sent, auth=bank_login.auth)
    again = client.post("/bank/v1/payments", json=sent, auth=bank_login.auth)
    other = client.post("/bank/v1/payments", json=sent | {"paid_at": "2026-11-24T11:00:00+05:00"}, auth=bank_login.auth)
    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 409)
    assert first.content == again.content
    assert first.json()["receipt_no"].startswith("R-")
    assert first.json()["balance"] == {"amount_minor": 500_000, "currency": "KZT"}
    assert other.json()["type"] == "txn_reused"


@pytest.mark.parametrize(
    "wrong",
    [
        {"iin": None},
        {"iin": "880101300015"},
        {"amount": {"amount_minor": 0, "currency": "KZT"}},
        {"amount": {"amount_minor": 10.5, "currency": "KZT"}},
        {"amount": {"amount_minor": 100, "currency": "USD"}},
        {"paid_at": "2026-11-24T10:00:00"},
        {"paid_at": "0001-01-01T00:00:00+05:00"},
        {"txn_id": "with space"},
        {"surprise": 1},
    ],
)
def test_a_payment_that_makes_no_sense_is_refused_by_its_field(
    client: ApiClient, bank_login: BankLogin, customer: Customer, wrong: dict[str, Any]
) -> None:
    answer = client.post("/bank/v1/payments", json=body(customer) | wrong, auth=bank_login.auth)
    assert answer.status_code == 422
    assert answer.json()["errors"]


def test_a_bank_takes_back_its_own_payment_only(
    client: ApiClient, database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        stranger = factories.bank(session)
    sent = body(customer)
    payment_id = client.post("/bank/v1/payments", json=sent, auth=bank_login.auth).json()["payment_id"]
    path = f"/bank/v1/payments/{sent['txn_id']}/cancel"
    assert client.post(path, auth=stranger.auth).status_code == 404
    first = client.post(path, auth=bank_login.auth)
    again = client.post(path, auth=bank_login.auth)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.content == again.content
    assert first.json()["payment_id"] == payment_id
    assert first.json()["status"] == "reversed"
    with database.transaction() as session:
        assert ledger.balance_minor(session, customer.account.id) == 0


def test_banks_need_their_password_and_one_of_their_addresses(
    client: ApiClient, database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    path = f"/bank/v1/customers/{customer.subscriber.iin}"
    with database.transaction() as session:
        elsewhere = factories.bank(session, allowed_networks=["10.0.0.0/8"])
    assert client.get(path).status_code == 401
    assert client.get(path, auth=(bank_login.row.username, "guess")).status_code == 401
    assert client.get(path, auth=elsewhere.auth).status_code == 403
    assert client.get(path, auth=bank_login.auth).status_code == 200


def test_accounting_sees_payments_newest_first_page_by_page(
    client: ApiClient, database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        accounting = factories.staff(session, Role.ACCOUNTING)
        for amount_minor in (1, 2, 3):
            factories.pay(session, bank_login.row.id, customer.account, amount_minor)
    query: dict[str, Any] = {"subscriber_id": str(customer.subscriber.id), "limit": 2}
    first = client.get("/v1/payments", params=query, headers=accounting.headers).json()
    rest = client.get(
        "/v1/payments", params=query | {"cursor": first["next_cursor"]}, headers=accounting.headers
    ).json()
    amounts = [item["amount"]["amount_minor"] for item in first["items"] + rest["items"]]
    assert amounts == [3, 2, 1]
    assert rest["next_cursor"] is None
    assert first["items"][0]["bank"] == bank_login.row.code


def test_accounting_reverses_a_payment_and_gives_suspense_to_its_owner(
    client: ApiClient, database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        accounting, operator = factories.staff(session, Role.ACCOUNTING), factories.staff(session, Role.OPERATOR)
    sent = body(customer) | {"iin": factories.new_iin()}
    payment_id = client.post("/bank/v1/payments", json=sent, auth=bank_login.auth).json()["payment_id"]
    listed = client.get("/v1/payments", params={"status": "suspense", "limit": 500}, headers=accounting.headers)
    assert payment_id in {item["id"] for item in listed.json()["items"]}

    choice = {"account_no": customer.account.account_no}
    allocate, reversal = (f"/v1/payments/{payment_id}/{act}" for act in ("allocate", "reversal"))
    assert client.post(allocate, json=choice, headers=operator.headers).status_code == 403
    given = client.post(allocate, json=choice, headers=accounting.headers)
    assert (given.status_code, given.json()["status"]) == (200, "posted")
    assert given.json()["unallocated"]["amount_minor"] == 500_000
    taken = client.post(reversal, json={"reason": "банк отозвал"}, headers=accounting.headers)
    assert (taken.status_code, taken.json()["status"]) == (200, "reversed")
    assert client.post(reversal, json={"reason": ""}, headers=accounting.headers).status_code == 422
    unknown = client.post(f"/v1/payments/{uuid4()}/reversal", json={"reason": "ошибка"}, headers=accounting.headers)
    assert (unknown.status_code, unknown.json()["type"]) == (404, "payment_unknown")


def test_operator_and_accounting_read_an_invoice(
    client: ApiClient, database: Database, bank_login: BankLogin, customer: Customer
) -> None:
    with database.transaction() as session:
        operator, installer = factories.staff(session, Role.OPERATOR), factories.staff(session, Role.INSTALLER)
        invoice = factories.connection_invoice(session, customer.account, 500_000)
        factories.pay(session, bank_login.row.id, customer.account, 200_000)
    answer = client.get(f"/v1/invoices/{invoice.id}", headers=operator.headers)
    assert answer.status_code == 200
    assert answer.json()["status"] == "partly_paid"
    assert answer.json()["outstanding"]["amount_minor"] == 300_000
    assert client.get(f"/v1/invoices/{invoice.id}", headers=installer.headers).status_code == 403
    assert client.get(f"/v1/invoices/{uuid4()}", headers=operator.headers).status_code == 404
