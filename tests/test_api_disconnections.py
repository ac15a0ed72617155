"""A disconnection over HTTP: what each actor sends, and what they are answered."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from jsonschema import Draft202012Validator

from api.app import create_app
from api.engine import Engine
from models.contracts.disconnection import DisconnectionStage
from models.contracts.people import Role
from tests import factories
from tests.api_world import ApiStack, Case, Json, is_problem
from tests.disconnection_world import LeavingWorld
from tests.http_client import ApiClient
from workers.ports import free_port
from workflows.engine import connect

pytest_plugins = ("tests.api_stack",)


class Leaving(Case):
    """A disconnection as staff drives it over HTTP; the place is a service that runs."""

    place: LeavingWorld

    def wish(self, *, in_days: int = 0, **other: Any) -> Json:
        """What the operator enters."""
        day = datetime.now(UTC).astimezone(self.api.settings.zone).date() + timedelta(days=in_days)
        return {
            "subscription_id": str(self.place.subscription_id), "reason": "moves away", "requested_on": day.isoformat(),
            **other,
        }  # fmt: skip

    def send_wish(self, wish: Json | None = None, *, key: str | None = None) -> httpx.Response:
        """The operator sends it in."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.api.post("/v1/disconnections", Role.OPERATOR, wish or self.wish(), headers=headers)

    def begin(self, **other: Any) -> Json:
        """The wish is accepted."""
        answer = self.send_wish(self.wish(**other))
        assert answer.status_code == 201, answer.text
        process: Json = answer.json()
        self.process_id, self.account_no = process["id"], process["account_no"]
        return process

    def filled(self, kind: str) -> tuple[Json, Json]:
        """The open task of this kind, and its form filled with the values that it shows."""
        task = self.api.get(f"/v1/tasks/{self.task(kind)['id']}", Role.INSTALLER)
        fields = task["form"]["properties"].items()
        form = {name: field["examples"][0] for name, field in fields if "examples" in field}
        assert list(Draft202012Validator(task["form"]).iter_errors(form)) == []
        return task, form


@pytest.fixture
def leaving(api: ApiStack) -> Leaving:
    """Somebody who is connected."""
    case = Leaving(api, LeavingWorld(api.database, api.server, queue="processes"))
    case.place.furnish(connection_fee_minor=500_000)
    case.to_the_end()
    case.place.subscription_id = UUID(case.process()["subscription_id"])
    return case


def test_a_subscriber_leaves_over_http_by_each_actor_in_turn(leaving: Leaving) -> None:
    process = leaving.begin()
    assert (process["kind"], process["stage"], process["status"]) == ("disconnection", "request", "open")
    assert [stage["name"] for stage in process["stages"]] == list(DisconnectionStage)
    assert process["temporal_url"].endswith(f"/workflows/disconnection%2F{process['id']}")

    leaving.done("assign_crew", "assigned", leaving.slot(days=2))
    task, form = leaving.filled("dismantle")
    assert task["department"] == "installer"
    refused = leaving.complete(task, "dismantled", {"equipment": [{"serial": "SN-OTHER", "condition": "lost"}]})
    assert is_problem(refused, 422)["type"] == "serials_not_installed"
    leaving.done("dismantle", "dismantled", form)
    assert is_problem(leaving.cancel(), 409)["type"] == "too_late_to_cancel"
    leaving.done("sign_act", "signed")
    refund = leaving.task("refund")
    assert refund["facts"] == {"advance_minor": 650_000}, "the first month was paid, and not one day of it is charged"
    assert leaving.complete(refund, "refunded", {"payment_order": "1024"}).status_code == 200

    closed = leaving.wait_for(status="completed")
    assert {stage["name"]: stage["state"] for stage in closed["stages"]} == {
        "request": "done", "control": "done", "settlement": "skipped", "scheduling": "done", "dismantling": "done",
        "return": "done", "termination": "done", "refund": "done", "closed": "done",
    }  # fmt: skip
    subscriber = leaving.api.get(f"/v1/subscribers/{closed['subscriber_id']}")
    assert [service["status"] for service in subscriber["subscriptions"]] == ["terminated"]
    assert (subscriber["balance"]["amount_minor"], subscriber["debt"]["amount_minor"]) == (0, 0)
    (document,) = leaving.api.get("/v1/documents", process_id=leaving.process_id)["items"]
    assert document["kind"] == "return_act"
    told = [entry["text"] for entry in leaving.api.get(f"/v1/processes/{leaving.process_id}/timeline")["items"]]
    assert "moves away" in told[0]
    assert told[-1] == "The disconnection is complete. The subscriber is told by SMS."


def test_a_write_off_is_approved_by_somebody_else_and_of_higher_rank(leaving: Leaving) -> None:
    leaving.place.connection_id = UUID(leaving.process_id)
    leaving.place.owe(1_000_000)
    leaving.begin()
    leaving.done("settle_account", "written_off", {"reason": "the house burnt down"})
    approval = leaving.task("approve_write_off")

    assert is_problem(leaving.complete(approval, "approved"), 403)["type"] == "approval_of_another"
    assert leaving.complete(approval, "approved", role=Role.ADMIN).status_code == 200

    leaving.task("assign_crew")


def test_the_subscriber_may_change_their_mind(leaving: Leaving) -> None:
    leaving.begin()
    leaving.done("assign_crew", "assigned", leaving.slot(days=2))
    leaving.task("dismantle")

    assert leaving.cancel(reason="stays after all").status_code == 200

    cancelled = leaving.wait_for(status="cancelled")
    assert cancelled["close_reason"] == "stays after all"
    subscriber = leaving.api.get(f"/v1/subscribers/{cancelled['subscriber_id']}")
    assert [service["status"] for service in subscriber["subscriptions"]] == ["active"]
    sent = leaving.api.get("/v1/messages", process_id=leaving.process_id)["items"]
    assert "disconnection_cancelled" in {message["template"] for message in sent}


def test_a_booked_visit_is_moved(leaving: Leaving) -> None:
    leaving.begin()
    leaving.done("assign_crew", "assigned", leaving.slot(days=2))
    leaving.task("dismantle")

    moved = leaving.api.post(
        f"/v1/processes/{leaving.process_id}/reschedule", Role.DISPATCHER, leaving.slot(days=3, hour=11)
    )

    assert moved.status_code == 200, moved.text
    leaving.place.process_id = UUID(leaving.process_id)
    assert leaving.place.events().count("visit_moved") == 1


def test_the_same_key_and_wish_again_are_the_same_process(leaving: Leaving) -> None:
    key = factories.unique("key")
    first = leaving.send_wish(key=key)
    again = leaving.send_wish(key=key)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    other = leaving.send_wish(leaving.wish(reason="another reason"), key=key)
    assert is_problem(other, 409)["type"] == "idempotency_key_reused"
    busy = leaving.send_wish(key=factories.unique("key"))
    assert is_problem(busy, 409)["type"] == "service_busy"


WRONG: list[tuple[Json, int, str]] = [
    ({"requested_on": "2020-01-01"}, 422, "requested_on_impossible"),
    ({"requested_on": "2099-01-01"}, 422, "requested_on_impossible"),
    ({"requested_on": "soon"}, 422, "invalid_input"),
    ({"reason": ""}, 422, "invalid_input"),
    ({"colour": "red"}, 422, "invalid_input"),
    ({"subscription_id": str(uuid4())}, 404, "subscription_unknown"),
]


def test_what_cannot_be_is_refused_with_a_sentence(leaving: Leaving) -> None:
    for wrong, status, slug in WRONG:
        is_problem(leaving.send_wish({**leaving.wish(), **wrong}), status, slug)


def test_while_the_engine_is_away_nothing_is_written(leaving: Leaving) -> None:
    api = leaving.api
    settings = api.settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"})
    client = ApiClient(create_app(settings, api.database, Engine(asyncio.run(connect(settings, lazy=True)))))

    answer = client.post("/v1/disconnections", json=leaving.wish(), headers=api.staff[Role.OPERATOR].headers)

    is_problem(answer, 503, "engine_away")
    assert int(answer.headers["retry-after"]) > 0
    leaving.begin()
