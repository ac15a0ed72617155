"""Outages over HTTP: registered, moved and ended by the dispatcher, seen by staff."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from api import outages, policies, processes
from models.contracts.messaging import MessageStatus
from models.contracts.outage import OutageKind
from models.contracts.people import Language, Role
from models.database import Database
from tests import factories
from tests.api_world import ApiStack, is_problem
from tests.connection_world import eventually
from tests.factories import StaffLogin
from tests.http_client import ApiClient, api_with
from tests.outage_world import HOUR, Town

pytest_plugins = ("tests.api_stack",)

Json = dict[str, Any]


class Office:
    """The routes that need no engine, and a town whose outages are driven by hand."""

    def __init__(self, database: Database) -> None:
        self.town = Town(database, now=datetime.now(UTC))
        self.client: ApiClient = api_with(database, outages.router, processes.router, policies.router)
        with database.transaction() as session:
            self.staff: dict[Role, StaffLogin] = {role: factories.staff(session, role) for role in Role}
            for login in self.staff.values():
                login.row.language = Language.EN

    def get(self, path: str, role: Role = Role.SUPPORT, **params: Any) -> Json:
        answer = self.client.get(path, params=params, headers=self.staff[role].headers)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    def patch(self, outage_id: UUID, body: Json) -> Any:
        return self.client.patch(
            f"/v1/outages/{outage_id}", json=body, headers=self.staff[Role.DISPATCHER].headers
        )  # fmt: skip

    def listed(self, **params: Any) -> list[str]:
        return [one["id"] for one in self.get("/v1/outages", **params)["items"]]


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


def test_an_outage_is_shown_with_whom_it_affects_and_what_was_done(office: Office) -> None:
    town = office.town
    served, silent = town.live(0), town.live(1)
    outage_id = town.register(ends=4)
    with town.database.transaction() as session:
        (message,) = town.messages(silent)
        session.merge(message).status = MessageStatus.FAILED
    town.deliver_sms()
    shown = office.get(f"/v1/outages/{outage_id}")

    assert shown["kind"] == "emergency"
    assert (shown["state"], shown["stage"], shown["status"]) == ("current", "under_way", "open")
    assert shown["node_ids"] == [str(town.olt_id)]
    assert shown["figures"] == {
        "services": 2, "subscribers": 2, "told": 2, "queued": 0, "sent": 0, "delivered": 1, "failed": 1,
        "withdrawn": 0, "credited": 0, "credited_sum": {"amount_minor": 0, "currency": "KZT"},
    }  # fmt: skip
    assert (shown["progress"]["listed"], shown["progress"]["looked_at"]) == (2, 2)
    items = office.get(f"/v1/outages/{outage_id}/affected")["items"]
    assert {one["subscription_id"]: (one["told"], one["sms"]) for one in items} == {
        str(served.subscription_id): ("emergency", "delivered"),
        str(silent.subscription_id): ("emergency", "failed"),
    }
    assert all(one["until_at"] is None and one["account_no"] for one in items)


def test_the_affected_are_shown_page_by_page(office: Office) -> None:
    people = {str(office.town.live(number % 2).subscription_id) for number in range(5)}
    outage_id = office.town.register()
    found: list[str] = []
    cursor: Json = {}
    while cursor != {"cursor": None}:
        page = office.get(f"/v1/outages/{outage_id}/affected", limit=2, **cursor)
        found += [one["subscription_id"] for one in page["items"]]
        cursor = {"cursor": page["next_cursor"]}
    assert (len(found), set(found)) == (5, people)


def test_outages_are_listed_by_state_kind_and_by_the_node_that_they_reach(office: Office) -> None:
    town = office.town
    house, other_house = town.houses
    past = town.register(OutageKind.EMERGENCY, house)
    town.change(past, ended=True)
    current = town.register(OutageKind.EMERGENCY, town.site_id)
    ahead = town.planned(other_house, starts=90, ends=92)

    assert office.listed(node_id=str(house)) == [str(current), str(past)]
    assert office.listed(node_id=str(other_house)) == [str(ahead), str(current)]
    assert office.listed(node_id=str(town.site_id)) == [str(current)]
    assert office.listed(node_id=str(other_house), state="planned") == [str(ahead)]
    assert office.listed(node_id=str(house), state="current") == [str(current)]
    assert office.listed(node_id=str(house), state="past") == [str(past)]
    assert office.listed(node_id=str(other_house), kind="planned") == [str(ahead)]
    assert office.listed(node_id=str(other_house), limit=1) == [str(ahead)]
    missing = office.client.get(f"/v1/outages?node_id={uuid4()}", headers=office.staff[Role.SUPPORT].headers)
    is_problem(missing, 404, "node_unknown")


def test_the_dispatcher_moves_it_and_ends_it_and_the_timeline_says_so(office: Office) -> None:
    town = office.town
    town.live(0)
    outage_id = town.register(ends=4)
    town.deliver_sms()
    moved = office.patch(outage_id, {"ends_at": (town.now + 6 * HOUR).isoformat(), "reason": "обрыв у опоры 12"})
    assert moved.status_code == 200, moved.text
    assert moved.json()["stage"] == "under_way"
    town.go_on()
    town.deliver_sms()
    town.now = datetime.now(UTC)
    assert office.patch(outage_id, {"ended": True}).status_code == 200
    assert office.patch(outage_id, {"ended": True}).status_code == 200, "again is no error"
    town.go_on()
    town.deliver_sms()
    town.now += timedelta(minutes=6)
    town.go_on()

    assert town.heard() == ["emergency", "new_end", "restored"]
    shown = office.get(f"/v1/outages/{outage_id}")
    assert (shown["state"], shown["stage"], shown["status"]) == ("past", "closed", "completed")
    texts = [one["text"] for one in office.get(f"/v1/processes/{outage_id}/timeline")["items"]]
    assert not [text for text in texts if "outage_" in text or "{" in text or "—" in text], texts
    assert any("1 services of 1 subscribers" in text for text in texts)
    assert any(text.startswith("Closed: 1 services affected; of 3 SMS 3 were delivered") for text in texts)
    is_problem(office.patch(outage_id, {"ends_at": (town.now + HOUR).isoformat()}), 409, "outage_over")


@pytest.mark.parametrize(
    ("change", "slug", "field"),
    [
        ({"ends_at": "2026-01-01T10:00:00Z"}, "outage_window", "ends_at"),
        ({"starts_at": "2099-01-01T10:00:00Z"}, "outage_window", "starts_at"),
        ({"node_ids": [str(UUID(int=7))]}, "node_unknown", "node_ids"),
        ({"ended_at": "2099-01-01T10:00:00Z"}, "outage_end", "ended_at"),
        ({}, None, None),
        ({"ended": True, "reason": "it is over"}, None, None),
    ],
)
def test_a_change_that_can_not_be_is_refused_with_what_to_mend(
    office: Office, change: Json, slug: str | None, field: str | None
) -> None:
    outage_id = office.town.register(ends=4)
    problem = is_problem(office.patch(outage_id, change), 422, slug)
    assert field is None or field in {error["field"] for error in problem["errors"]}


def test_an_outage_that_nobody_knows_is_not_found(office: Office) -> None:
    is_problem(office.patch(uuid4(), {"ended": True}), 404, "outage_unknown")


# --- with an engine ---------------------------------------------------------------------------------------------------


def test_an_emergency_goes_through_the_whole_product(api: ApiStack) -> None:
    town = Town(api.database, now=datetime.now(UTC))
    served = town.live(0)
    dispatcher = api.staff[Role.DISPATCHER].headers
    order = {"kind": "emergency", "node_ids": [str(town.olt_id)], "reason": "обрыв кабеля"}
    key = {"Idempotency-Key": factories.unique("key")}
    made = api.client.post("/v1/outages", json=order, headers=dispatcher | key)
    again = api.client.post("/v1/outages", json=order, headers=dispatcher | key)
    other = api.client.post("/v1/outages", json={**order, "reason": "пожар"}, headers=dispatcher | key)

    assert (made.status_code, again.status_code, other.status_code) == (201, 200, 409), made.text
    outage_id = made.json()["id"]
    assert again.json()["id"] == outage_id
    town.outages.append(UUID(outage_id))
    eventually(lambda: town.heard(served) == ["emergency"])
    eventually(lambda: town.messages(served)[0].status is MessageStatus.SENT)
    cancelled = api.client.post(
        f"/v1/processes/{outage_id}/cancel", json={"reason": "registered by mistake"},
        headers=api.staff[Role.OPS].headers,
    )  # fmt: skip
    assert cancelled.status_code == 200, cancelled.text
    eventually(lambda: town.heard(served) == ["emergency", "called_off"])
    eventually(lambda: town.held() == set())
    shown = api.client.get(f"/v1/outages/{outage_id}", headers=dispatcher).json()
    assert shown["called_off_at"] is not None
    late = api.client.post(
        f"/v1/processes/{outage_id}/cancel", json={"reason": "once more"}, headers=api.staff[Role.OPS].headers
    )  # fmt: skip
    is_problem(late, 409, "too_late_to_cancel")


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"kind": "planned", "reason": "works"}, None),
        ({"kind": "emergency", "node_ids": [], "reason": "a fault"}, None),
        ({"kind": "emergency", "node_ids": [str(UUID(int=7))], "reason": "a fault"}, "node_ids"),
        ({"kind": "emergency", "ends_at": "2026-01-01T10:00:00Z", "reason": "a fault"}, "ends_at"),
        ({"kind": "emergency", "starts_at": "2099-01-01T10:00:00Z", "reason": "a fault"}, "starts_at"),
    ],
)
def test_an_order_that_can_not_be_is_refused_with_what_to_mend(
    api: ApiStack, order: Json, field: str | None
) -> None:  # fmt: skip
    town = Town(api.database)
    body = {"node_ids": [str(town.olt_id)], **order}
    problem = is_problem(
        api.client.post("/v1/outages", json=body, headers=api.staff[Role.DISPATCHER].headers), 422
    )  # fmt: skip
    assert field is None or field in {error["field"] for error in problem["errors"]}


def test_the_credit_rule_is_part_of_the_policy(office: Office) -> None:
    body = {"notice": "PT48H", "credit": {"threshold": "PT2H", "cap_percent": 50, "credits_planned": True}}
    saved = office.client.post("/v1/policies/outage", json={"body": body}, headers=office.staff[Role.ADMIN].headers)
    try:
        assert saved.status_code == 201, saved.text
        assert saved.json()["body"] | {"notice": "P2D"} == saved.json()["body"]
        assert saved.json()["body"]["credit"] == {
            "threshold": "PT2H", "cap_percent": 50, "credits_planned": True
        }  # fmt: skip
        bad = {"credit": {"threshold": "PT90S"}}
        refused = office.client.post(
            "/v1/policies/outage", json={"body": bad}, headers=office.staff[Role.ADMIN].headers
        )  # fmt: skip
        is_problem(refused, 422, "policy_invalid")
    finally:
        # Outages that other tests register begin under the usual policy.
        office.client.post("/v1/policies/outage", json={"body": {}}, headers=office.staff[Role.ADMIN].headers)
