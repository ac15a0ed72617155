"""Prices, discounts, charges and freezes: what is accepted, what is refused with a sentence, and what it leaves."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from activities import service_terms, services, tariff_prices
from api import catalogue, reference, subscriptions
from models.contracts.catalogue import ServiceState, SubscriptionStatus
from models.contracts.people import Role
from models.contracts.refusals import Refusal
from models.contracts.services import NewCharge
from models.database import Database
from models.rules.service_days import Segment, changed, covers
from models.tables.catalogue import Tariff, TariffPrice
from models.tables.people import Account
from models.tables.subscriptions import Charge, ServicePeriod, Subscription
from settings import Settings
from tests import factories
from tests.accounting import Line, invoice_of
from tests.factories import StaffLogin
from tests.http_client import ApiClient, api_with

DAY = timedelta(days=1)
NOVEMBER = date(2026, 11, 1)
TODAY = date(2026, 11, 24)


def money(amount_minor: int) -> dict[str, Any]:
    return {"amount_minor": amount_minor, "currency": "KZT"}


def active(session: Session, *, since: date = date(2026, 9, 10), account: Account | None = None) -> Subscription:
    """A service that is active since a day."""
    subscription = factories.subscription(session, account or factories.customer(session).account)
    services.begin(session, subscription, on=since)
    session.flush()
    return subscription


def billed(session: Session, subscription: Subscription, month_on: date, *, charge_id: UUID | None = None) -> None:
    """An invoice of a month with a line for the service."""
    account = session.get_one(Account, subscription.account_id)
    line = Line(1_000, subscription_id=subscription.id, month_on=month_on, charge_id=charge_id)
    invoice_of(session, account, [line], period_on=month_on, issued_on=month_on)


def periods(session: Session, subscription: Subscription) -> list[tuple[date, date | None, str]]:
    return [(p.from_on, p.until_on, p.state) for p in services.days_of(session, subscription.id).periods]


# --- Prices ----------------------------------------------------------------------------------------------------------


def ranges(session: Session, tariff_id: Any) -> list[tuple[date | None, date | None, int]]:
    rows = session.scalars(select(TariffPrice).where(TariffPrice.tariff_id == tariff_id))
    return sorted((row.valid.lower, row.valid.upper, row.fee_minor) for row in rows)


def test_a_new_price_ends_the_running_one_where_it_begins(database: Database) -> None:
    with database.transaction() as session:
        tariff = factories.tariff(session, fee_minor=650_000)
        for _ in range(2):
            price, _new = tariff_prices.add_price(
                session, tariff.code, fee_minor=700_000, valid_from=date(2026, 12, 1)
            )  # fmt: skip
        assert ranges(session, tariff.id) == [
            (date(2020, 1, 1), date(2026, 12, 1), 650_000), (date(2026, 12, 1), None, 700_000),
        ]  # fmt: skip
        assert price.fee_minor == 700_000


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_prices_never_overlap_and_leave_no_gap(database: Database, data: st.DataObject) -> None:
    days = data.draw(st.lists(st.integers(0, 400), min_size=1, max_size=6))
    with database.transaction() as session:
        tariff = factories.tariff(session)
        for number, day in enumerate(days):
            with suppress(Refusal):
                tariff_prices.add_price(
                    session, tariff.code, fee_minor=number, valid_from=date(2026, 1, 1) + day * DAY
                )  # fmt: skip
        found = ranges(session, tariff.id)
        assert [upper for _, upper, _ in found[:-1]] == [lower for lower, _, _ in found[1:]]
        assert found[-1][1] is None
        session.rollback()


@pytest.mark.parametrize(
    ("valid_from", "slug"),
    [
        (date(2026, 11, 30), "month_billed"),
        (date(2026, 10, 1), "month_billed"),
        (date(2019, 12, 31), "price_overlaps"),
        (date(2020, 1, 1), "price_overlaps"),
        (date(2026, 12, 1), None),
    ],
)
def test_a_price_never_rewrites_a_billed_month(database: Database, valid_from: date, slug: str | None) -> None:
    with database.transaction() as session:
        subscription = active(session)
        billed(session, subscription, NOVEMBER)
        tariff = session.get_one(Tariff, subscription.tariff_id)
        if slug is None:
            assert tariff_prices.add_price(session, tariff.code, fee_minor=1, valid_from=valid_from).is_new
            return
        with pytest.raises(Refusal) as refused:
            tariff_prices.add_price(session, tariff.code, fee_minor=1, valid_from=valid_from)
        assert refused.value.slug == slug
        assert len(ranges(session, tariff.id)) == 1


def test_a_tariff_whose_prices_have_ended_goes_on_without_a_gap(database: Database) -> None:
    with database.transaction() as session:
        tariff = factories.tariff(session, fee_minor=None)
        ended = TariffPrice(tariff_id=tariff.id, valid=Range(date(2020, 1, 1), date(2026, 12, 1)), fee_minor=5)
        session.add(ended)
        session.flush()
        with pytest.raises(Refusal) as refused:
            tariff_prices.add_price(session, tariff.code, fee_minor=6, valid_from=date(2026, 12, 2))
        assert refused.value.slug == "price_gap"
        assert tariff_prices.add_price(session, tariff.code, fee_minor=6, valid_from=date(2026, 12, 1)).is_new


# --- Days ------------------------------------------------------------------------------------------------------------

START = date(2026, 1, 1)


def a_day(number: int) -> date:
    return START + number * DAY


@given(
    edges=st.lists(st.integers(0, 60), min_size=1, max_size=6, unique=True).map(sorted),
    states=st.lists(st.sampled_from(["active", "frozen", "suspended"]), min_size=6, max_size=6),
    begins=st.integers(-5, 65),
    length=st.one_of(st.none(), st.integers(1, 40)),
    is_endless=st.booleans(),
)
def test_a_change_of_days_touches_those_days_alone(
    edges: list[int], states: list[str], begins: int, length: int | None, is_endless: bool
) -> None:
    ends = [*map(a_day, edges[1:]), None if is_endless else a_day(edges[-1] + 5)]
    segments = [
        Segment(a_day(edge), end, "t", state) for edge, end, state in zip(edges, ends, states, strict=False)
    ]  # fmt: skip
    from_on, until_on = a_day(begins), None if length is None else a_day(begins + length)
    after = changed(segments, from_on, until_on, lambda one: replace(one, state="new"))

    for number in range(-10, 120):
        day = a_day(number)
        was, now = state_on(segments, day), state_on(after, day)
        is_meant = from_on <= day and (until_on is None or day < until_on)
        assert now == ("new" if was and is_meant else was)
    pairs = list(pairwise(after))
    assert all(one.until_on is not None and one.until_on <= two.from_on for one, two in pairs)
    assert not any(one.until_on == two.from_on and one.state == two.state for one, two in pairs)
    last = a_day(119) if until_on is None else until_on
    if covers(segments, from_on, until_on):
        assert all(state_on(segments, from_on + n * DAY) for n in range((last - from_on).days))


def state_on(segments: Sequence[Segment], day: date) -> str | None:
    found = [one.state for one in segments if one.meets(day, day + DAY)]
    assert len(found) < 2
    return found[0] if found else None


def test_a_service_is_frozen_and_active_again_any_number_of_times_in_a_month(database: Database) -> None:
    since = date(2026, 9, 10)
    with database.transaction() as session:
        subscription = active(session, since=since)
        for day in (2, 5, 5, 8):
            services.freeze(
                session, subscription.id, from_on=date(2026, 11, day), until_on=date(2026, 11, day + 2), today=TODAY
            )
        assert periods(session, subscription) == [
            (since, date(2026, 11, 2), "active"), (date(2026, 11, 2), date(2026, 11, 4), "frozen"),
            (date(2026, 11, 4), date(2026, 11, 5), "active"), (date(2026, 11, 5), date(2026, 11, 7), "frozen"),
            (date(2026, 11, 7), date(2026, 11, 8), "active"), (date(2026, 11, 8), date(2026, 11, 10), "frozen"),
            (date(2026, 11, 10), None, "active"),
        ]  # fmt: skip
        services.unfreeze(session, subscription.id, on=date(2026, 11, 6), today=TODAY)
        services.unfreeze(session, subscription.id, on=date(2026, 11, 6), today=TODAY)
        services.unfreeze(session, subscription.id, on=NOVEMBER, today=TODAY)
        assert periods(session, subscription) == [
            (since, date(2026, 11, 5), "active"), (date(2026, 11, 5), date(2026, 11, 6), "frozen"),
            (date(2026, 11, 6), None, "active"),
        ]  # fmt: skip


def test_a_freeze_without_an_end_lasts_until_it_is_ended(database: Database) -> None:
    with database.transaction() as session:
        subscription = active(session, since=NOVEMBER)
        services.freeze(session, subscription.id, from_on=date(2026, 12, 1), until_on=None, today=TODAY)
        assert periods(session, subscription)[-1] == (date(2026, 12, 1), None, "frozen")
        services.unfreeze(session, subscription.id, on=date(2027, 2, 1), today=TODAY)
        assert periods(session, subscription) == [
            (NOVEMBER, date(2026, 12, 1), "active"), (date(2026, 12, 1), date(2027, 2, 1), "frozen"),
            (date(2027, 2, 1), None, "active"),
        ]  # fmt: skip
        with pytest.raises(Refusal) as refused:
            services.unfreeze(session, subscription.id, on=date(2027, 2, 1), today=TODAY)
        assert refused.value.slug == "service_not_frozen"


def test_a_tariff_change_inside_a_freeze_does_not_cut_it_in_two(database: Database) -> None:
    with database.transaction() as session:
        subscription, other = active(session, since=NOVEMBER), factories.tariff(session)
        session.execute(delete(ServicePeriod).where(ServicePeriod.subscription_id == subscription.id))
        for begins, ends, tariff_id, state in (
            (NOVEMBER, date(2026, 11, 20), subscription.tariff_id, ServiceState.ACTIVE),
            (date(2026, 11, 20), date(2026, 12, 1), subscription.tariff_id, ServiceState.FROZEN),
            (date(2026, 12, 1), date(2026, 12, 20), other.id, ServiceState.FROZEN),
            (date(2026, 12, 20), None, other.id, ServiceState.ACTIVE),
        ):
            session.add(
                ServicePeriod(
                    subscription_id=subscription.id, during=Range(begins, ends), tariff_id=tariff_id, state=state
                )
            )  # fmt: skip
        session.flush()
        services.unfreeze(session, subscription.id, on=date(2026, 11, 25), today=TODAY)
        assert [(begins, state) for begins, _, state in periods(session, subscription)] == [
            (NOVEMBER, "active"), (date(2026, 11, 20), "frozen"), (date(2026, 11, 25), "active"),
            (date(2026, 12, 1), "active"),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("case", "slug"),
    [
        ("before it began", "service_not_active"),
        ("over another freeze", "service_not_active"),
        ("not begun at all", "service_not_active"),
        ("two months ago", "month_closed"),
        ("before the month billed last", "month_closed"),
    ],
)
def test_only_active_days_of_open_months_are_frozen(database: Database, case: str, slug: str) -> None:
    with database.transaction() as session:
        subscription = active(session, since=date(2026, 9, 10))
        from_on, until_on = date(2026, 11, 20), date(2026, 11, 30)
        if case == "before it began":
            subscription = active(session, since=date(2026, 11, 25))
        elif case == "over another freeze":
            services.freeze(
                session, subscription.id, from_on=date(2026, 11, 25), until_on=date(2026, 12, 5), today=TODAY
            )
        elif case == "not begun at all":
            subscription = factories.subscription(session, factories.customer(session).account)
        elif case == "two months ago":
            from_on = date(2026, 9, 30)
        else:
            billed(session, subscription, NOVEMBER)
            from_on = date(2026, 10, 31)
        before = periods(session, subscription)
        with pytest.raises(Refusal) as refused:
            services.freeze(session, subscription.id, from_on=from_on, until_on=until_on, today=TODAY)
        assert refused.value.slug == slug
        assert periods(session, subscription) == before


# --- Through the API -------------------------------------------------------------------------------------------------


def today() -> date:
    return datetime.now(tz=Settings().zone).date()


class Office:
    """An operator and an admin before a service that is active since long ago."""

    def __init__(self, database: Database) -> None:
        self.client: ApiClient = api_with(database, subscriptions.router, catalogue.router, reference.router)
        self.database = database
        with database.transaction() as session:
            self.operator = factories.staff(session, Role.OPERATOR)
            self.admin = factories.staff(session, Role.ADMIN)
            self.subscription = active(session, since=date(2020, 1, 1))
        self.path = f"/v1/subscriptions/{self.subscription.id}"

    def post(self, path: str, body: dict[str, Any], *, by: StaffLogin | None = None, key: str = "") -> httpx.Response:
        headers = {**(by or self.operator).headers, **({"Idempotency-Key": key} if key else {})}
        return self.client.post(path if path.startswith("/") else f"{self.path}/{path}", json=body, headers=headers)

    def items(self, what: str) -> list[dict[str, Any]]:
        answer = self.client.get(f"{self.path}/{what}", headers=self.operator.headers)
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    def delete(self, path: str, **query: str) -> httpx.Response:
        return self.client.request("DELETE", f"{self.path}/{path}", params=query, headers=self.operator.headers)


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


def test_the_api_keeps_discounts_in_their_order_and_ends_them(office: Office) -> None:
    begins = str(today())
    first = office.post("discounts", {"title": "Друзья", "percent": 12.5, "from": begins})
    second = office.post("discounts", {"title": "Лояльность", "amount": money(50_000), "from": begins})
    assert (first.status_code, second.status_code) == (201, 201)
    assert (first.json()["percent"], first.json()["position"], second.json()["position"]) == (12.5, 1, 2)
    taken = office.post("discounts", {"title": "Третья", "percent": 1, "from": begins, "position": 2})
    assert (taken.status_code, taken.json()["type"]) == (409, "position_taken")
    ends = str(today() + 40 * DAY)
    assert office.delete(f"discounts/{first.json()['id']}", on=ends).status_code == 204
    assert office.delete(f"discounts/{first.json()['id']}", on=ends).status_code == 204
    later = office.delete(f"discounts/{first.json()['id']}", on=str(today() + 50 * DAY))
    assert (later.status_code, later.json()["type"]) == (409, "ended_already")
    assert office.delete(f"discounts/{second.json()['id']}").status_code == 204, "not begun by then: removed"
    assert [(item["title"], item["from"], item["until"]) for item in office.items("discounts")] == [
        ("Друзья", begins, ends)
    ]
    assert office.delete(f"discounts/{uuid4()}").status_code == 404


def test_the_api_keeps_charges_of_each_kind(office: Office) -> None:
    begins = today()
    for kind, until in (("one_off", None), ("recurring", str(begins + 90 * DAY)), ("equipment", None)):
        body = {"kind": kind, "description": f"Услуга {kind}", "amount": money(30_000), "from": str(begins)}
        answer = office.post("charges", body | ({"until": until} if until else {}) | {"vat_mode": "on_top"})
        assert answer.status_code == 201, answer.text
    assert [(item["kind"], item["until"], item["vat_mode"]) for item in office.items("charges")] == [
        ("one_off", str(begins + DAY), "on_top"), ("recurring", str(begins + 90 * DAY), "on_top"),
        ("equipment", None, "on_top"),
    ]  # fmt: skip
    rent = office.items("charges")[2]
    assert office.delete(f"charges/{rent['id']}", on=str(begins + 5 * DAY)).status_code == 204
    assert office.items("charges")[2]["until"] == str(begins + 5 * DAY)


def test_a_charge_that_an_invoice_has_is_not_removed(office: Office) -> None:
    body = {"kind": "recurring", "description": "Статический адрес", "amount": money(1_000), "from": str(today())}
    charge_id = office.post("charges", body).json()["id"]
    with office.database.transaction() as session:
        billed(session, office.subscription, today().replace(day=1), charge_id=UUID(charge_id))
    refused = office.delete(f"charges/{charge_id}", on=str(today()))
    assert (refused.status_code, refused.json()["type"]) == (409, "charge_billed")
    assert office.delete(f"charges/{charge_id}", on=str(today() + DAY)).status_code == 204


@pytest.mark.parametrize("what", ["discounts", "charges"])
def test_the_same_key_is_one_discount_or_charge(office: Office, what: str) -> None:
    body: dict[str, Any] = {"amount": money(500), "from": str(today())}
    body |= {"title": "Скидка"} if what == "discounts" else {"kind": "recurring", "description": "Аренда"}
    answers = [office.post(what, body, key="k-1") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [201, 200, 200]
    assert len({answer.json()["id"] for answer in answers}) == len(office.items(what)) == 1
    other = office.post(what, body | {"amount": money(501)}, key="k-1")
    assert (other.status_code, other.json()["type"]) == (409, "idempotency_key_reused")
    assert office.post(what, body | {"until": str(today() + DAY)}, key="k-1").status_code == 409
    assert office.post(what, body, key="k-2").status_code == 201


_SOME_DAY = "2026-11-24"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("discounts", {"title": "x", "percent": -1, "from": _SOME_DAY}),
        ("discounts", {"title": "x", "percent": 0, "from": _SOME_DAY}),
        ("discounts", {"title": "x", "percent": 100.01, "from": _SOME_DAY}),
        ("discounts", {"title": "x", "percent": 10.005, "from": _SOME_DAY}),
        ("discounts", {"title": "x", "percent": "NaN", "from": _SOME_DAY}),
        ("discounts", {"title": "x", "amount": money(-100), "from": _SOME_DAY}),
        ("discounts", {"title": "x", "amount": money(10**11 + 1), "from": _SOME_DAY}),
        ("discounts", {"title": "x", "amount": money(5), "percent": 5, "from": _SOME_DAY}),
        ("discounts", {"title": "x", "from": _SOME_DAY}),
        ("discounts", {"title": " ", "percent": 5, "from": _SOME_DAY}),
        ("discounts", {"title": "x", "percent": 5}),
        ("discounts", {"title": "x", "percent": 5, "from": "2026-11-24", "until": "2026-11-24"}),
        ("discounts", {"title": "x", "percent": 5, "from": "9999-11-24"}),
        ("charges", {"kind": "one_off", "description": "x", "amount": money(0), "from": _SOME_DAY}),
        ("charges", {"kind": "one_off", "description": "x", "amount": money(10**12), "from": _SOME_DAY}),
        ("charges", {"kind": "once", "description": "x", "amount": money(5), "from": _SOME_DAY}),
        ("charges", {"kind": "one_off", "description": "x", "amount": money(5), "from": _SOME_DAY,
                     "until": "2026-11-25"}),
        ("charges", {"kind": "recurring", "description": "x", "amount": money(5), "from": "24.11.2026"}),
        ("freeze", {"from": "2026-11-24", "until": "2026-11-20"}),
        ("freeze", {"until": "2026-11-20"}),
        ("freeze", {"from": "2026-11-24", "reason": "отпуск"}),
        ("unfreeze", {"on": "2026-13-01"}),
        ("/v1/tariffs/home-100/prices", {"fee": money(-1), "valid_from": _SOME_DAY}),
        ("/v1/tariffs/home-100/prices", {"fee": money(10**11 + 1), "valid_from": _SOME_DAY}),
        ("/v1/tariffs/home-100/prices", {"fee": 5, "valid_from": _SOME_DAY}),
        ("/v1/tariffs/home-100/prices", {"fee": money(5), "valid_from": "0001-01-01"}),
        ("/v1/tariffs", {"code": "on-top", "title": "x", "charging": "advance", "connection_fee_minor": 0,
                         "monthly_fee_minor": 5, "valid_from": _SOME_DAY, "network_profile": "x",
                         "vat_mode": "sometimes"}),
    ],
)  # fmt: skip
def test_what_can_not_be_is_refused_with_the_field_that_is_wrong(
    office: Office, path: str, body: dict[str, Any]
) -> None:
    answer = office.post(path, body, by=office.admin)
    assert (answer.status_code, answer.json()["type"]) == (422, "invalid_input")
    assert answer.json()["errors"]


def test_unknown_services_and_tariffs_are_not_found(office: Office) -> None:
    nowhere = f"/v1/subscriptions/{uuid4()}"
    bodies: dict[str, dict[str, Any]] = {
        "freeze": {"from": str(today())},
        "unfreeze": {"on": str(today())},
        "discounts": {"title": "x", "percent": 5, "from": str(today())},
        "charges": {"kind": "one_off", "description": "x", "amount": money(5), "from": str(today())},
    }
    for what, body in bodies.items():
        assert office.post(f"{nowhere}/{what}", body).status_code == 404
    price = {"fee": money(5), "valid_from": str(today())}
    answer = office.post("/v1/tariffs/no-such/prices", price, by=office.admin)
    assert (answer.status_code, answer.json()["type"]) == (404, "tariff_unknown")
    assert office.post("/v1/tariffs/no-such/prices", price).status_code == 403, "prices are the admin's"


def test_nothing_is_charged_beside_a_service_that_has_ended(database: Database) -> None:
    with database.transaction() as session:
        subscription = active(session)
        subscription.status, subscription.active_to = SubscriptionStatus.TERMINATED, TODAY
        session.flush()
        new = NewCharge.model_validate({"kind": "one_off", "description": "x", "amount": money(5), "from": str(TODAY)})
        with pytest.raises(Refusal) as refused:
            service_terms.add_charge(session, subscription.id, new, actor="test", today=TODAY)
        assert refused.value.slug == "service_ended"
        assert session.scalars(select(Charge).where(Charge.subscription_id == subscription.id)).all() == []


def test_the_api_freezes_and_answers_with_the_days(office: Office) -> None:
    begins, ends = today() + 2 * DAY, today() + 9 * DAY
    answer = office.post("freeze", {"from": str(begins), "until": str(ends)})
    assert answer.status_code == 200
    again = office.post("freeze", {"from": str(begins), "until": str(ends)})
    assert again.json() == answer.json(), "twice is once"
    assert [(item["from"], item["until"], item["state"]) for item in answer.json()["periods"]] == [
        ("2020-01-01", str(begins), "active"), (str(begins), str(ends), "frozen"), (str(ends), None, "active"),
    ]  # fmt: skip
    thawed = office.post("unfreeze", {"on": str(begins)})
    assert [item["state"] for item in thawed.json()["periods"]] == ["active"]
    assert office.post("freeze", {"from": "2020-01-05"}).json()["type"] == "month_closed"


def test_a_tariff_says_whether_vat_comes_on_top(office: Office) -> None:
    code = factories.unique("tariff")
    body = {
        "code": code, "title": "Бизнес", "charging": "arrears", "connection_fee_minor": 0, "vat_mode": "on_top",
        "monthly_fee_minor": 1_000_000, "valid_from": "2026-01-01", "network_profile": "B",
    }  # fmt: skip
    created = office.post("/v1/tariffs", body, by=office.admin)
    assert (created.status_code, created.json()["vat_mode"]) == (201, "on_top")
    path = f"/v1/tariffs/{code}/prices"
    price = {"fee": money(1_100_000), "valid_from": "2027-01-01"}
    assert [office.post(path, price, by=office.admin).status_code for _ in range(2)] == [201, 200]
    listed = office.client.get(path, headers=office.operator.headers).json()["items"]
    assert [(item["fee"]["amount_minor"], item["valid_from"], item["valid_until"]) for item in listed] == [
        (1_000_000, "2026-01-01", "2027-01-01"), (1_100_000, "2027-01-01", None),
    ]  # fmt: skip
    overlap = office.post(path, {"fee": money(1), "valid_from": "2026-12-01"}, by=office.admin)
    assert (overlap.status_code, overlap.json()["type"]) == (409, "price_overlaps")
