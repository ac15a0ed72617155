"""Requests over HTTP: what each actor sends, and what they are answered."""

import logging
from typing import Any
from uuid import uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from api.app import create_app
from api.engine import Engine
from models.contracts.people import Role
from models.contracts.request_words import RequestStage
from tests import factories
from tests.api_world import ApiStack, Case, Json, is_problem
from tests.connection_world import eventually
from tests.http_client import ApiClient
from tests.request_world import AROUND_THE_CLOCK, RequestWorld, set_policy
from workers.ports import free_port
from workflows.engine import connect

pytest_plugins = ("tests.api_stack",)

SAID = "Нурпеисов из соседней квартиры обрезал кабель"


class Asking(Case):
    """A request as staff drives it over HTTP; the place is a service that runs."""

    place: RequestWorld

    def wish(self, **other: Any) -> Json:
        """What the operator enters."""
        return {
            "subscriber_id": str(self.place.subscriber_id), "channel": "call", "category": "no_internet", "text": SAID,
            **other,
        }  # fmt: skip

    def send_wish(self, wish: Json | None = None, *, key: str | None = None) -> httpx.Response:
        """The operator sends it in."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.api.post("/v1/requests", Role.OPERATOR, wish or self.wish(), headers=headers)

    def begin(self, **other: Any) -> Json:
        """The request is accepted."""
        answer = self.send_wish(self.wish(**other))
        assert answer.status_code == 201, answer.text
        process: Json = answer.json()
        self.process_id = process["id"]
        return process

    def request(self) -> Json:
        """The request with everything about it."""
        return self.api.get(f"/v1/requests/{self.process_id}", Role.INSTALLER)

    def say(self, path: str, text: str, **headers: str) -> httpx.Response:
        """Support writes down what the subscriber says."""
        return self.api.post(f"/v1/requests/{self.process_id}/{path}", Role.SUPPORT, {"text": text}, headers=headers)


def fields(answer: httpx.Response) -> list[str]:
    """Which fields are wrong."""
    return [error["field"] for error in is_problem(answer, 422)["errors"]]


@pytest.fixture
def asking(api: ApiStack) -> Asking:
    """Somebody who is served."""
    set_policy(api.database, AROUND_THE_CLOCK)
    case = Asking(api, RequestWorld(api.database, api.server, queue="processes"))
    case.place.serve()
    return case


def test_a_request_over_http_from_the_call_to_its_reopening(asking: Asking) -> None:
    process = asking.begin()
    assert (process["kind"], process["status"], process["subscriber_id"]) == (
        "request", "open", str(asking.place.subscriber_id),
    )  # fmt: skip
    assert [stage["name"] for stage in process["stages"]] == list(RequestStage)
    assert process["temporal_url"].endswith(f"/workflows/request%2F{process['id']}")

    task = asking.task("handle_request")
    assert (task["department"], task["outcomes"][0]) == ("support", "solved")
    assert is_problem(asking.complete(task, "solved", {"solution": "ok"}, Role.OPERATOR), 403)
    assert is_problem(asking.complete(task, "start", {"start": {"kind": "party"}}), 422)["errors"]
    asking.done("handle_request", "ask", {"question": "Горит ли красная лампочка?"})
    shown = asking.request()
    assert (shown["turn"], shown["clock"]["state"], shown["clock"]["due_at"]) == ("question", "paused", None)

    answered = asking.say("answers", "Да, горит")
    assert (answered.status_code, answered.json()["turn"]) == (200, "work")
    asking.done("handle_request", "solved", {"solution": "Порт перезапущен"})
    closed = asking.wait_for(status="completed")
    assert {stage["name"]: stage["state"] for stage in closed["stages"]} == {
        "registration": "done", "following": "skipped", "triage": "skipped", "work": "done", "question": "done",
        "scheduling": "skipped", "visit": "skipped", "closed": "done",
    }  # fmt: skip
    assert is_problem(asking.say("answers", "и ещё"), 409)["type"] == "request_closed"

    reopened = asking.say("reopen", "Через час снова пропал")
    assert (reopened.status_code, reopened.json()["round"], reopened.json()["status"]) == (200, 2, "open")
    assert is_problem(asking.say("reopen", "и ещё раз"), 409)["type"] == "request_open"
    asking.done("handle_request", "solved", {"solution": "Кабель заменён"})
    asking.wait_for(status="completed")

    shown = asking.request()
    assert [one["kind"] for one in shown["texts"]] == [
        "wish", "question", "answer", "solution", "reopening", "solution",
    ]  # fmt: skip
    assert [pause["reason"] for pause in shown["clock"]["pauses"]] == ["question", "closed"]
    assert shown["clock"]["state"] == "met"
    told = [entry["text"] for entry in asking.api.get(f"/v1/processes/{asking.process_id}/timeline")["items"]]
    assert "registered the request: No internet" in told[0]
    sms = asking.api.get("/v1/messages", subscriber_id=str(asking.place.subscriber_id))["items"]
    assert [one["template"] for one in sms].count("request_solved") == 2


def test_the_same_key_is_the_same_request_and_the_same_answer(asking: Asking) -> None:
    key = str(uuid4())
    first, again = asking.send_wish(key=key), asking.send_wish(key=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert is_problem(asking.send_wish(asking.wish(text="другое"), key=key), 409)["type"] == "idempotency_key_reused"

    asking.process_id = first.json()["id"]
    for _ in range(2):
        assert asking.say("answers", "и телевизор", **{"Idempotency-Key": "once"}).status_code == 200
    assert [one["kind"] for one in asking.request()["texts"]] == ["wish", "note"]
    refused = asking.say("answers", "другое", **{"Idempotency-Key": "once"})
    assert is_problem(refused, 409)["type"] == "idempotency_key_reused"


def test_staff_changes_whose_it_is_and_how_urgent(asking: Asking) -> None:
    asking.begin()
    asking.task("handle_request")
    path = f"/v1/requests/{asking.process_id}"

    changed = asking.api.call("PATCH", path, Role.SUPPORT, json={"owner": "accounting", "priority": "urgent"})
    assert (changed.status_code, changed.json()["owner"], changed.json()["priority"]) == (200, "accounting", "urgent")
    eventually(lambda: asking.task("handle_request")["department"] == "accounting")
    wrong: Json
    for wrong in ({}, {"owner": "nobody"}, {"category": "quarrel"}, {"text": "x"}):
        is_problem(asking.api.call("PATCH", path, Role.SUPPORT, json=wrong), 422)
    whose = {"subscriber_id": str(uuid4())}
    assert is_problem(asking.api.call("PATCH", path, Role.SUPPORT, json=whose), 409)["type"] == "request_of_another"
    asking.begin(subscriber_id=None, phone=factories.new_phone())
    path = f"/v1/requests/{asking.process_id}"
    assert is_problem(asking.api.call("PATCH", path, Role.SUPPORT, json=whose), 404)["type"] == "subscriber_unknown"


def test_what_can_not_be_registered_is_answered_with_what_is_wrong(asking: Asking) -> None:
    assert fields(asking.send_wish(asking.wish(category="quarrel"))) == ["category"]
    assert is_problem(asking.send_wish(asking.wish(subscriber_id=str(uuid4()))), 404)
    nobody = asking.wish()
    del nobody["subscriber_id"]
    assert "subscriber_id or the phone" in str(is_problem(asking.send_wish(nobody), 422)["errors"])
    assert fields(asking.send_wish({**nobody, "phone": "+1 555 0100"})) == ["phone"]
    assert is_problem(asking.api.call("GET", f"/v1/requests/{uuid4()}", Role.SUPPORT), 404, "request_unknown")


def test_a_duplicate_shows_on_both_sides_and_goes_on_when_the_first_is_cancelled(asking: Asking) -> None:
    first_id = asking.begin()["id"]
    second_id = asking.begin()["id"]
    asking.wait_for(stage="following", waiting_for="duplicate")
    assert asking.request()["follows"][0]["process_id"] == first_id

    asking.process_id = first_id
    assert [link["process_id"] for link in asking.request()["followed_by"]] == [second_id]
    assert asking.cancel(reason="registered by mistake").status_code == 200
    assert asking.wait_for(status="cancelled")["close_reason"] == "registered by mistake"
    asking.process_id = second_id
    assert asking.task("handle_request")["department"] == "support"
    assert asking.request()["follows"][0]["ended_as"] == "came_to_nothing"


def test_a_policy_of_the_operators_own_is_pinned_by_requests_from_then_on(asking: Asking) -> None:
    asking.begin()
    before = asking.request()
    answer = asking.api.post("/v1/policies/request", Role.ADMIN, {"body": {"warn_percent": 50}})
    assert answer.status_code == 201, answer.text
    assert is_problem(asking.api.post("/v1/policies/request", Role.ADMIN, {"body": {"unsorted": "nothing"}}), 422)

    asking.begin(category="slow")
    assert asking.request()["policy_version"] == before["policy_version"] + 1
    assert asking.request()["clock"]["warn_after"] == "PT9H"


def test_while_the_engine_is_away_nothing_is_registered(asking: Asking) -> None:
    nobody = asking.api.settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"})
    engine = Engine(asking.api.server.run(connect(nobody, lazy=True)))
    client = ApiClient(create_app(asking.api.settings, asking.api.database, engine))

    answer = client.post("/v1/requests", json=asking.wish(), headers=asking.api.staff[Role.OPERATOR].headers)

    assert (answer.status_code, answer.json()["type"]) == (503, "engine_away")
    lists = asking.api.get("/v1/processes", subscriber_id=str(asking.place.subscriber_id), kind="request")
    assert lists["items"] == []


def test_neither_logs_nor_problems_carry_what_was_said_or_by_whom(
    asking: Asking, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name in ("httpx", "httpcore", "uvicorn.access"):
        caplog.set_level(logging.ERROR, logger=name)
    phone = factories.new_phone()
    with capture_logs() as entries:
        asking.begin(subscriber_id=None, phone=phone, category=None)
        asking.done("triage_request", "sorted", {"category": "no_internet", "comment": SAID})
        problems = [
            asking.send_wish({"phone": f"{phone} 99", "channel": "call", "category": "slow", "text": SAID}),
            asking.send_wish({"phone": phone, "channel": SAID, "category": "slow", "text": SAID}),
            asking.say("reopen", SAID),
            asking.complete(asking.task("handle_request"), "ask", {"question": SAID, "phone": phone}),
        ]
        asking.done("handle_request", "solved", {"solution": SAID})
        asking.wait_for(status="completed")

    lines = "\n".join([str(entry) for entry in entries] + [f"{one.getMessage()} {one.args}" for one in caplog.records])
    history = asking.api.server.run(
        asking.api.server.client.get_workflow_handle(f"request/{asking.process_id}").fetch_history()
    ).to_json()
    assert [problem.status_code for problem in problems] == [422, 422, 409, 422]
    for secret in (SAID, "Нурпеисов", phone, phone[2:]):
        assert secret not in lines
        assert secret not in history
        assert not [problem.text for problem in problems if secret in problem.text]


def test_a_fibre_is_cut_and_whoever_asks_is_answered_and_told_once_when_it_is_mended(asking: Asking) -> None:
    """The outage, its requests and the SMS, each by its real process."""
    early_id = asking.begin(category="slow")["id"]
    asking.task("handle_request")
    cut = {"kind": "emergency", "node_ids": [str(asking.place.node_id)], "reason": "обрыв кабеля"}
    outage = asking.api.post("/v1/outages", Role.DISPATCHER, cut)
    assert outage.status_code == 201, outage.text
    outage_id = outage.json()["id"]
    asking.wait_for(stage="following", waiting_for="outage")
    eventually(lambda: "outage_emergency" in asking.place.sms_of_subscriber())

    called_id = asking.begin()["id"]
    asking.wait_for(stage="following", waiting_for="outage")
    assert asking.request()["follows"][0]["process_id"] == outage_id
    written_id = asking.begin(category=None, channel="sms", subscriber_id=None, phone=asking.place.phone)["id"]
    asking.wait_for(stage="following", waiting_for="outage")

    ended = asking.api.call("PATCH", f"/v1/outages/{outage_id}", Role.DISPATCHER, json={"ended": True})
    assert ended.status_code == 200, ended.text
    for process_id in (early_id, called_id, written_id):
        asking.process_id = process_id
        asking.wait_for(status="completed")
        assert asking.request()["ended_as"] == "outage_over"
    eventually(lambda: "outage_restored" in asking.place.sms_of_subscriber())
    told = asking.place.sms_of_subscriber()
    assert sorted(told) == ["outage_emergency", "outage_restored", "request_outage", "request_outage"]
