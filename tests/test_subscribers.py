"""Subscribers: one for each IIN, with an account from the first moment."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from activities import ledger, subscribers
from api import subscribers as subscriber_routes
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.people import Language, NewSubscriber, Role
from models.contracts.refusals import Refusal
from models.database import Database
from models.rules.account_no import is_account_no
from models.tables.people import Account, Subscriber
from tests import factories
from tests.factories import TODAY, StaffLogin
from tests.http_client import ApiClient, api_with


@pytest.fixture
def client(database: Database) -> ApiClient:
    return api_with(database, subscriber_routes.router)


@pytest.fixture
def operator(database: Database) -> StaffLogin:
    with database.transaction() as session:
        return factories.staff(session, Role.OPERATOR)


def new_subscriber(**other: Any) -> NewSubscriber:
    return NewSubscriber.model_validate(body(**other))


def body(**other: Any) -> dict[str, Any]:
    return {
        "iin": factories.new_iin(), "full_name": "Сейткали Арман Болатович", "phone": factories.new_phone(),
        "language": "kk",
    } | other  # fmt: skip


def test_a_new_subscriber_gets_an_account_whose_number_checks(database: Database) -> None:
    with database.transaction() as session:
        subscriber, account, _ = subscribers.register(session, new_subscriber(), on=TODAY)
        assert account is subscribers.account_of(session, subscriber.id)
        assert is_account_no(account.account_no)
        assert account.opened_on == TODAY
        view = subscribers.view(session, subscriber)
        assert (view.account_no, view.balance.amount_minor, view.subscriptions) == (account.account_no, 0, [])
        assert view.language is Language.KK


def test_a_known_iin_is_the_known_subscriber_unchanged(database: Database) -> None:
    new = new_subscriber()
    with database.transaction() as session:
        known, account, _ = subscribers.register(session, new, on=TODAY)
    with database.transaction() as session:
        again, its_account, is_new = subscribers.register(
            session, new.model_copy(update={"full_name": "Другое Имя", "premises_id": uuid4()}), on=TODAY
        )
        assert (again.id, again.full_name, is_new) == (known.id, new.full_name, False)
        assert its_account.id == account.id


def test_one_iin_registered_by_many_at_once_is_one_subscriber_with_one_account(database: Database) -> None:
    new = new_subscriber()

    def register(_: int) -> tuple[UUID, bool]:
        with database.transaction() as session:
            customer = subscribers.register(session, new, on=TODAY)
            return customer.subscriber.id, customer.is_new

    with ThreadPoolExecutor(12) as pool:
        registered = list(pool.map(register, range(12)))
    assert len({subscriber_id for subscriber_id, _ in registered}) == 1
    assert sum(is_new for _, is_new in registered) == 1
    with database.transaction() as session:
        assert session.scalar(select(func.count()).where(Subscriber.iin == new.iin)) == 1
        assert session.scalar(select(func.count()).where(Account.subscriber_id == registered[0][0])) == 1


def test_premises_that_do_not_exist_are_refused_by_their_field(database: Database) -> None:
    with database.transaction() as session, pytest.raises(Refusal) as refusal:
        subscribers.register(session, new_subscriber(premises_id=str(uuid4())), on=TODAY)
    assert set(refusal.value.errors) == {"premises_id"}


def test_an_unknown_subscriber_is_said_to_be_unknown(database: Database) -> None:
    with database.transaction() as session, pytest.raises(Refusal, match="no such subscriber"):
        subscribers.get(session, uuid4())


def test_a_subscriber_is_shown_with_what_they_have_and_owe(database: Database) -> None:
    with database.transaction() as session:
        customer = factories.customer(session)
        service = factories.subscription(
            session, customer.account, status=SubscriptionStatus.ACTIVE, active_from=date(2026, 11, 1)
        )
        factories.connection_invoice(session, customer.account, 650_000)
        factories.pay(session, factories.bank(session).row.id, customer.account, 150_000)
        view = subscribers.view(session, customer.subscriber)
        assert (view.balance.amount_minor, view.debt.amount_minor) == (-500_000, 500_000)
        assert [(one.id, one.account_no, one.status) for one in view.subscriptions] == [
            (service.id, customer.account.account_no, SubscriptionStatus.ACTIVE)
        ]


def test_an_operator_registers_once_and_is_shown_the_known_subscriber_afterwards(
    client: ApiClient, operator: StaffLogin
) -> None:
    sent = body(phone="8 701 555 44 33")
    first = client.post("/v1/subscribers", json=sent, headers=operator.headers)
    again = client.post("/v1/subscribers", json=sent | {"full_name": "Кто-то Другой"}, headers=operator.headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["phone"] == "+77015554433"
    assert first.json()["balance"] == {"amount_minor": 0, "currency": "KZT"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("iin", "880101300015"),
        ("iin", "12"),
        ("phone", "+79161234567"),
        ("full_name", "x"),
        ("language", "de"),
        ("premises_id", "not-an-id"),
        ("surprise", 1),
    ],
)
def test_a_wrong_field_is_named(client: ApiClient, operator: StaffLogin, field: str, value: object) -> None:
    answer = client.post("/v1/subscribers", json=body(**{field: value}), headers=operator.headers)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_a_subscriber_is_found_by_iin_phone_and_part_of_a_name(client: ApiClient, operator: StaffLogin) -> None:
    name = f"Ермекова {uuid4().hex[:8]} 100%"
    known = client.post("/v1/subscribers", json=body(full_name=name), headers=operator.headers).json()
    for query in (
        {"iin": known["iin"]},
        {"phone": known["phone"].replace("+7", "8", 1)},
        {"q": name.split()[1].upper()},
        {"q": name[-12:]},
    ):
        found = client.get("/v1/subscribers", params=query, headers=operator.headers).json()
        assert found == {"items": [known], "next_cursor": None}
    nobody = client.get("/v1/subscribers", params={"q": "_" * 30}, headers=operator.headers).json()
    assert nobody["items"] == []


def test_a_long_list_comes_page_by_page(client: ApiClient, database: Database, operator: StaffLogin) -> None:
    word = uuid4().hex[:10]
    with database.transaction() as session:
        expected = [str(factories.customer(session, full_name=f"{word} {number}").subscriber.id) for number in range(3)]
    first = client.get("/v1/subscribers", params={"q": word, "limit": 2}, headers=operator.headers).json()
    rest = client.get(
        "/v1/subscribers", params={"q": word, "limit": 2, "cursor": first["next_cursor"]}, headers=operator.headers
    ).json()
    assert [item["id"] for item in first["items"] + rest["items"]] == expected
    assert rest["next_cursor"] is None


def test_what_is_not_named_in_a_change_stays(client: ApiClient, database: Database, operator: StaffLogin) -> None:
    with database.transaction() as session:
        premises_id = str(factories.premises(session).id)
    known = client.post("/v1/subscribers", json=body(premises_id=premises_id), headers=operator.headers).json()
    path = f"/v1/subscribers/{known['id']}"
    changed = client.patch(path, json={"phone": "87775554433"}, headers=operator.headers)
    assert changed.json() == known | {"phone": "+77775554433"}
    moved_out = client.patch(path, json={"premises_id": None, "language": "en"}, headers=operator.headers)
    assert (moved_out.json()["premises_id"], moved_out.json()["language"]) == (None, "en")
    assert client.patch(path, json={"iin": known["iin"]}, headers=operator.headers).status_code == 422
    assert client.patch(path, json={"premises_id": str(uuid4())}, headers=operator.headers).status_code == 422
    assert client.get(path, headers=operator.headers).json() == moved_out.json()


def test_the_ledger_of_a_subscriber_is_read_page_by_page(
    client: ApiClient, database: Database, operator: StaffLogin
) -> None:
    with database.transaction() as session:
        customer = factories.customer(session)
        factories.connection_invoice(session, customer.account, 116_000)
        factories.pay(session, factories.bank(session).row.id, customer.account, 116_000)
        balance = ledger.balance_minor(session, customer.account.id)
    path = f"/v1/subscribers/{customer.subscriber.id}/ledger"
    first = client.get(path, params={"limit": 2}, headers=operator.headers).json()
    rest = client.get(path, params={"limit": 2, "cursor": first["next_cursor"]}, headers=operator.headers).json()
    balances = [item["balance"]["amount_minor"] for item in first["items"] + rest["items"]]
    assert balances == [balance, -116_000, -100_000]
    assert client.get(f"/v1/subscribers/{uuid4()}/ledger", headers=operator.headers).status_code == 404


def test_only_those_who_serve_subscribers_see_them(client: ApiClient, database: Database) -> None:
    with database.transaction() as session:
        customer = factories.customer(session)
        logins = {role: factories.staff(session, role) for role in Role}
    path = f"/v1/subscribers/{customer.subscriber.id}"
    may_read = {role for role in Role if client.get(path, headers=logins[role].headers).status_code == 200}
    may_change = {role for role in Role if client.patch(path, json={}, headers=logins[role].headers).status_code == 200}
    may_see_money = {
        role for role in Role if client.get(f"{path}/ledger", headers=logins[role].headers).status_code == 200
    }
    assert may_read == {Role.OPERATOR, Role.ADMIN}
    assert may_change == {Role.OPERATOR, Role.ADMIN}
    assert may_see_money == {Role.OPERATOR, Role.ACCOUNTING, Role.ADMIN}
    assert client.get(path).status_code == 401
