"""Banks over the admin API: added, changed, given secrets; and what can't be agreed."""

from typing import Any
from uuid import UUID

import pytest

from models.contracts.people import Role
from models.database import Database
from models.tables.banks import Bank
from tests import bank_world, factories
from tests.bank_world import BankClient, owing
from tests.factories import BankLogin, Customer, StaffLogin
from tests.http_client import ApiClient

PRIVATE = ["127.0.0.0/8"]


@pytest.fixture
def api(database: Database) -> ApiClient:
    return bank_world.usual_client(database)


@pytest.fixture
def admin(database: Database) -> StaffLogin:
    with database.transaction() as session:
        return factories.staff(session, Role.ADMIN)


@pytest.fixture
def customer(database: Database) -> Customer:
    return owing(database, 500_000)


def added(api: ApiClient, admin: StaffLogin, **other: Any) -> dict[str, Any]:
    new = {"code": factories.unique("b"), "name": "Банк", "allowed_networks": PRIVATE, **other}
    answer = api.post("/v1/banks", json=new, headers=admin.headers)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    return body


def check(api: ApiClient, dialect: str, customer: Customer, **request: Any) -> int:
    path = f"/bank/{dialect}?command=check&txn_id=1&account={customer.account.account_no}"
    return bank_world.read(dialect, api.get(path, **request)).result


def test_a_new_bank_calls_with_the_password_that_is_shown_once(
    api: ApiClient, admin: StaffLogin, customer: Customer
) -> None:
    one_before = api.patch(f"/v1/banks/{added(api, admin)['code']}", json={}, headers=admin.headers).json()
    bank = added(api, admin, dialects=["osmp"])
    auth = (bank["user"], bank["secret"])
    assert check(api, "osmp", customer, auth=auth) == 0
    assert check(api, "kaspi", customer, auth=auth) == 5, "not agreed"
    # Other tests have added more banks than a page holds.
    listed = api.get("/v1/banks", params={"cursor": one_before["id"]}, headers=admin.headers)
    assert bank["code"] in {one["code"] for one in listed.json()["items"]}
    assert bank["secret"] not in listed.text


def test_a_new_secret_voids_the_old_one(api: ApiClient, admin: StaffLogin, customer: Customer) -> None:
    bank = added(api, admin, dialects=["kaspi"], credential="secret")
    renewed = api.post(f"/v1/banks/{bank['code']}/secret", headers=admin.headers)
    assert renewed.status_code == 201
    for secret, result in ((bank["secret"], 5), (renewed.json()["secret"], 0)):
        assert check(api, "kaspi", customer, headers={"X-Bank-Secret": secret}) == result


def test_another_credential_needs_a_new_secret(api: ApiClient, admin: StaffLogin, customer: Customer) -> None:
    bank = added(api, admin, dialects=["kaspi"])
    path = f"/v1/banks/{bank['code']}"
    assert api.patch(path, json={"credential": "secret"}, headers=admin.headers).json()["credential"] == "secret"
    assert check(api, "kaspi", customer, headers={"X-Bank-Secret": bank["secret"]}) == 5
    renewed = api.post(f"{path}/secret", headers=admin.headers).json()["secret"]
    assert check(api, "kaspi", customer, headers={"X-Bank-Secret": renewed}) == 0


def test_a_bank_known_by_its_networks_has_no_secret(api: ApiClient, admin: StaffLogin) -> None:
    bank = added(api, admin, credential="address", allowed_networks=["100.64.7.0/28"])
    assert bank["secret"] is None
    refused = api.post(f"/v1/banks/{bank['code']}/secret", headers=admin.headers)
    assert (refused.status_code, refused.json()["type"]) == (409, "no_secret_agreed")
    overlapping = {"code": factories.unique("b"), "name": "Б", "credential": "address",
                   "allowed_networks": ["100.64.0.0/20"]}  # fmt: skip
    answer = api.post("/v1/banks", json=overlapping, headers=admin.headers)
    assert (answer.status_code, answer.json()["type"]) == (409, "networks_overlap")
    assert bank["code"] in answer.json()["detail"]


def test_what_changes_counts_at_once_and_what_is_not_named_stays(
    api: ApiClient, database: Database, admin: StaffLogin, customer: Customer
) -> None:
    bank = added(api, admin, dialects=["osmp"], shown_fields=[{"title": "FIO", "value": "name"}])
    path = f"/v1/banks/{bank['code']}"
    limits = {
        "smallest": {"amount_minor": 10_000, "currency": "KZT"},
        "biggest": {"amount_minor": 20_000, "currency": "KZT"},
    }
    changed = api.patch(path, json=limits, headers=admin.headers).json()
    assert changed["smallest"] == limits["smallest"]
    assert changed["shown_fields"] == [{"title": "FIO", "value": "name"}]
    with database.transaction() as session:
        login = BankLogin(session.get_one(Bank, UUID(changed["id"])), bank["secret"])
    client = BankClient(api, login)
    assert [client.pay("osmp", customer.account.account_no, amount).result for amount in ("99.99", "100.00")] == [
        241,
        0,
    ]
    unlimited = api.patch(path, json={"smallest": None, "shown_fields": None}, headers=admin.headers).json()
    assert (unlimited["smallest"], unlimited["biggest"]) == (None, limits["biggest"])
    assert client.pay("osmp", customer.account.account_no, "99.99").result == 0
    assert list(client.check("osmp", customer.account.account_no).fields) == ["Абонент", "Лицевой счёт", "К оплате"]
    api.patch(path, json={"active": False}, headers=admin.headers)
    assert client.check("osmp", customer.account.account_no).result == 8


def test_requisites_are_what_payment_orders_name(api: ApiClient, admin: StaffLogin) -> None:
    requisites = {"bic": "CASPKZKA", "bin": "990140000017", "iik": "KZ86125KZT5004100100"}
    path = f"/v1/banks/{added(api, admin)['code']}"
    changed = api.patch(path, json=requisites, headers=admin.headers).json()
    assert {name: changed[name] for name in requisites} == requisites


def test_networks_are_kept_as_networks(api: ApiClient, admin: StaffLogin) -> None:
    networks = ["198.51.100.7/24", "203.0.113.5", "2001:DB8::1/64"]
    bank = added(api, admin, allowed_networks=networks)
    view = api.patch(f"/v1/banks/{bank['code']}", json={}, headers=admin.headers).json()
    assert view["allowed_networks"] == ["198.51.100.0/24", "203.0.113.5/32", "2001:db8::/64"]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"code": "Kaspi Bank"}, "code"), ({"code": ""}, "code"), ({"name": ""}, "name"), ({"name": "a\0b"}, "body"),
    ({"allowed_networks": []}, "allowed_networks"), ({"allowed_networks": ["everywhere"]}, "allowed_networks.0"),
    ({"allowed_networks": ["300.0.0.0/8"]}, "allowed_networks.0"), ({"dialects": []}, "dialects"),
    ({"dialects": ["esperanto"]}, "dialects"), ({"dialects": ["osmp", "osmp"]}, "body"),
    ({"credential": "trust"}, "credential"), ({"payee_number": "phone"}, "payee_number"),
    ({"payee_parameter": "txn_id"}, "body"), ({"payee_parameter": "лс"}, "payee_parameter"),
    ({"receipt_field": "result"}, "body"), ({"receipt_field": "a b"}, "receipt_field"),
    ({"shown_fields": [{"title": "x", "value": "phone"}]}, "shown_fields.0.value"),
    ({"shown_fields": [{"title": "a\x07b", "value": "name"}]}, "shown_fields.0.title"),
    ({"smallest": {"amount_minor": 0, "currency": "KZT"}}, "smallest.amount_minor"),
    ({"smallest": {"amount_minor": 2, "currency": "KZT"}, "biggest": {"amount_minor": 1, "currency": "KZT"}}, "body"),
    ({"credential": "address", "allowed_networks": ["0.0.0.0/0"]}, "body"),
    ({"credential": "address", "allowed_networks": ["10.0.0.0/8"]}, "body"),
    ({"credential": "address", "allowed_networks": ["::/0"]}, "body"), ({"password": "mine"}, "password"),
    ({"bic": "kaspi"}, "bic"), ({"bin": "990140000014"}, "bin"), ({"iik": "KZ000000000000000000"}, "iik"),
    ({"iik": "DE89370400440532013000"}, "iik"), ({"iik": "KZ86 125K ZT50 0410 0100"}, "iik"),
    ({"bic": "kaspi"}, "bic"), ({"bin": "990140000014"}, "bin"), ({"iik": "KZ000000000000000000"}, "iik"),
    ({"iik": "DE89370400440532013000"}, "iik"),
]  # fmt: skip


@pytest.mark.parametrize(("wrong", "field"), WRONG, ids=[str(wrong)[:60] for wrong, _ in WRONG])
def test_what_cannot_be_agreed_is_refused_by_its_field(
    api: ApiClient, admin: StaffLogin, wrong: dict[str, Any], field: str
) -> None:
    new = {"code": factories.unique("b"), "name": "Банк", "allowed_networks": PRIVATE, **wrong}
    answer = api.post("/v1/banks", json=new, headers=admin.headers)
    assert answer.status_code == 422, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": None}, {"name": ""}, {"dialects": None}, {"dialects": ["esperanto"]}, {"allowed_networks": []},
        {"credential": None}, {"payee_parameter": "sum"}, {"smallest": {"amount_minor": 0, "currency": "KZT"}},
        {"code": "other"}, {"credential": "address", "allowed_networks": ["0.0.0.0/0"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_change_that_cannot_be_agreed_changes_nothing(
    api: ApiClient, admin: StaffLogin, wrong: dict[str, Any]
) -> None:
    path = f"/v1/banks/{added(api, admin)['code']}"
    before = api.patch(path, json={}, headers=admin.headers).json()
    answer = api.patch(path, json=wrong, headers=admin.headers)
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid_input")
    assert answer.json()["errors"]
    assert api.patch(path, json={}, headers=admin.headers).json() == before


def test_codes_are_taken_once_and_unknown_ones_are_not_found(api: ApiClient, admin: StaffLogin) -> None:
    bank = added(api, admin)
    new = {"code": bank["code"], "name": "Другой", "allowed_networks": PRIVATE}
    assert api.post("/v1/banks", json=new, headers=admin.headers).json()["type"] == "code_taken"
    for answer in (
        api.patch("/v1/banks/nobody", json={}, headers=admin.headers),
        api.post("/v1/banks/nobody/secret", headers=admin.headers),
        api.patch("/v1/banks/no%00body", json={}, headers=admin.headers),
    ):
        assert answer.status_code in {404, 422}
