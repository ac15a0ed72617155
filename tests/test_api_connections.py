"""A connection over HTTP: what each actor sends, and what they are answered."""

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from threading import Barrier
from typing import Any, TypeVar
from uuid import UUID, uuid4

import httpx
import pytest
from jsonschema import Draft202012Validator
from sqlalchemy import select

from activities import stock
from models.contracts.connection import ConnectionStage
from models.contracts.people import Role
from models.tables.stock import StockItem
from tests import factories
from tests.api_world import TEMPORAL_UI, ApiStack, Case, Json
from tests.connection_world import eventually

pytest_plugins = ("tests.api_stack",)

Result = TypeVar("Result")


@pytest.fixture
def case(api: ApiStack) -> Case:
    return api.case()


def at_once(acts: Iterable[Callable[[], Result]]) -> list[Result]:
    """The answers of several callers who all ask at the same moment."""
    callers = list(acts)
    barrier = Barrier(len(callers))

    def ask(act: Callable[[], Result]) -> Result:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(len(callers)) as crowd:
        return list(crowd.map(ask, callers))


def statuses(answers: Iterable[httpx.Response]) -> list[int]:
    return sorted(answer.status_code for answer in answers)


def refused(answer: httpx.Response, status: int, slug: str, *fields: str) -> None:
    """The answer is this problem, about these fields."""
    assert (answer.status_code, answer.json()["type"]) == (status, slug), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == list(fields)


def is_instant(text: str) -> bool:
    return datetime.fromisoformat(text).tzinfo is not None


# -- the whole way ------------------------------------------------------------------------------------------------


def test_a_subscriber_is_connected_over_http_by_each_actor_in_turn(case: Case) -> None:
    process = case.to_the_end()

    assert process["stage"] == "closed"
    assert {stage["state"] for stage in process["stages"]} == {"done"}
    assert process["waiting_for"] is None
    assert is_instant(process["closed_at"])
    subscriber = case.api.get(f"/v1/subscribers/{process['subscriber_id']}")
    assert subscriber["iin"] == case.person["iin"]
    (service,) = subscriber["subscriptions"]
    assert service["status"] == "active"
    assert subscriber["debt"] == {"amount_minor": 0, "currency": "KZT"}
    sent = case.api.get("/v1/messages", process_id=case.process_id)["items"]
    assert {"connection_invoice", "visit_booked", "connected"} <= {message["template"] for message in sent}


def test_a_process_is_shown_as_the_contract_says(case: Case) -> None:
    process = case.apply()

    assert UUID(process["id"]).version == 7
    assert process["kind"] == "connection"
    assert process["status"] == "open"
    assert process["stage"] == "application"
    assert [stage["name"] for stage in process["stages"]] == list(ConnectionStage)
    assert [stage["state"] for stage in process["stages"]] == ["current"] + ["pending"] * 8
    assert isinstance(process["subscriber_id"], str)
    assert is_instant(process["opened_at"])
    assert process["closed_at"] is None
    assert process["temporal_url"] == f"{TEMPORAL_UI}/namespaces/default/workflows/connection%2F{process['id']}"
    assert case.process().keys() == process.keys()


def test_stages_are_done_current_and_pending_as_the_process_goes(case: Case) -> None:
    case.to_scheduling()
    process = case.process()

    states = {stage["name"]: stage["state"] for stage in process["stages"]}
    assert [states[name] for name in ("application", "stock", "contract", "prepayment")] == ["done"] * 4
    assert states["scheduling"] == "current"
    assert {states[name] for name in ("installation", "handover", "activation", "closed")} == {"pending"}
    assert [is_instant(stage["entered_at"]) for stage in process["stages"] if stage["state"] != "pending"] == [True] * 5
    assert process["waiting_for"] == "task:assign_crew"
    (task,) = process["tasks"]
    assert task["kind"] == "assign_crew"


def test_a_task_carries_a_form_that_its_data_fits(case: Case) -> None:
    listed = case.to_scheduling()
    task = case.api.get(f"/v1/tasks/{listed['id']}", Role.DISPATCHER)

    assert {"id", "process_id", "kind", "department", "title", "due_at", "form", "status"} <= task.keys()
    assert (task["department"], task["status"], task["process_id"]) == ("dispatcher", "open", case.process_id)
    assert task["title"] == "Assign a crew and a time"
    assert task["outcomes"] == ["assigned", "postponed"]
    assert is_instant(task["due_at"])
    form = task["form"]
    Draft202012Validator.check_schema(form)
    for schema in form["x-outcomes"].values():
        Draft202012Validator.check_schema(schema)
    usual = Draft202012Validator(form, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert usual.is_valid(case.slot())
    assert not usual.is_valid({"crew_id": str(case.place.crew_id)})
    assert not usual.is_valid({**case.slot(), "colour": "red"})


def test_a_task_shows_values_that_would_be_accepted(case: Case) -> None:
    task = case.to_scheduling()
    properties = case.api.get(f"/v1/tasks/{task['id']}", Role.DISPATCHER)["form"]["properties"]
    crew_id, starts_at = properties["crew_id"]["examples"][0], properties["starts_at"]["examples"][0]

    case.done("assign_crew", "assigned", {"crew_id": crew_id, "starts_at": starts_at})
    install = case.api.get(f"/v1/tasks/{case.task('install')['id']}", Role.INSTALLER)
    assert install["form"]["properties"]["serials"]["examples"] == [case.serials()]


LETTERS = {"en": "[a-z]{4}", "ru": "[а-я]{4}", "kk": "[әіңғүұқөһ]"}


@pytest.mark.parametrize("language", LETTERS)
def test_the_timeline_says_who_did_what_when_and_why(case: Case, language: str) -> None:
    case.to_scheduling()
    case.done("assign_crew", "postponed", {"until": "2099-01-01T09:00:00+05:00", "reason": "away until January"})
    case.cancel(reason="moved to another town")
    case.wait_for(status="cancelled")

    path = f"/v1/processes/{case.process_id}/timeline"
    timeline = case.api.get(path, lang=language)["items"]
    moments = [datetime.fromisoformat(entry["at"]) for entry in timeline]
    assert moments == sorted(moments)
    told = {entry["event"]: entry for entry in timeline}
    assert timeline[0]["event"] == "application_registered"
    for entry in timeline:
        assert entry["text"] != entry["event"], "each event has a sentence"
        assert not re.search(r"[{}]|_minor|None", entry["text"])
    assert re.search(LETTERS[language], " ".join(entry["text"] for entry in timeline).lower())
    assert told["cancel_requested"]["actor"].startswith("Тестова Айгерим")
    assert "moved to another town" in told["cancel_requested"]["text"]
    assert "away until January" in told["scheduling_postponed"]["text"]
    assert {"visit_booked", "connection_closed"}.isdisjoint(told)


def test_the_timeline_is_in_the_callers_language_unless_another_is_asked_for(case: Case) -> None:
    case.apply()
    path = f"/v1/processes/{case.process_id}/timeline"
    assert "registered the application" in case.api.get(path)["items"][0]["text"]
    assert "заявка зарегистрирована" in case.api.get(path, lang="ru")["items"][0]["text"]


# -- starting it --------------------------------------------------------------------------------------------------


def test_the_same_key_and_body_is_the_same_process(case: Case) -> None:
    order, key = case.order(), factories.unique("key")
    first, again = case.send(order, key=key), case.send(order, key=key)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]


def test_twenty_equal_requests_at_once_are_one_process(case: Case) -> None:
    order, key = case.order(), factories.unique("key")
    answers = at_once([lambda: case.send(order, key=key)] * 20)

    assert statuses(answers) == [200] * 19 + [201]
    (process_id,) = {answer.json()["id"] for answer in answers}
    listed = case.api.get("/v1/processes", subscriber_id=answers[0].json()["subscriber_id"])["items"]
    assert [process["id"] for process in listed] == [process_id]


def test_a_key_that_was_used_for_another_order_is_refused(case: Case) -> None:
    order, key = case.order(), factories.unique("key")
    assert case.send(order, key=key).status_code == 201
    refused(case.send({**order, "equipment": []}, key=key), 409, "idempotency_key_reused")


def test_the_same_order_without_a_key_is_refused_since_the_service_is_ordered_already(case: Case) -> None:
    order = case.order()
    assert case.send(order).status_code == 201
    refused(case.send(order), 409, "already_connected")


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_has_a_sensible_length(case: Case, key: str) -> None:
    refused(case.send(case.order(), key=key), 422, "invalid_input", "header.Idempotency-Key")


def test_a_known_iin_is_the_same_subscriber(api: ApiStack) -> None:
    first, second = api.case(), api.case()
    one = first.apply()
    two = second.apply(subscriber=first.person)
    assert one["subscriber_id"] == two["subscriber_id"]
    assert one["account_no"] == two["account_no"]


@pytest.mark.parametrize(
    ("wrong", "status", "slug", "fields"),
    [
        ({"tariff_code": "no-such-tariff"}, 422, "tariff_unknown", ["tariff_code"]),
        ({"premises_id": str(uuid4())}, 422, "premises_unknown", ["premises_id"]),
        ({"equipment": ["nothing"]}, 422, "sku_unknown", ["equipment.0"]),
        ({"subscriber": None, "subscriber_id": str(uuid4())}, 404, "subscriber_unknown", []),
        ({"subscriber": None}, 422, "invalid_input", ["body"]),
        ({"subscriber_id": str(uuid4())}, 422, "invalid_input", ["body"]),
        ({"premises_id": "next door"}, 422, "invalid_input", ["premises_id"]),
        ({"equipment": "ont"}, 422, "invalid_input", ["equipment"]),
        ({"equipment": ["ont"] * 21}, 422, "invalid_input", ["equipment"]),
        ({"colour": "red"}, 422, "invalid_input", ["colour"]),
    ],
)
def test_an_application_that_cannot_be_is_refused_by_its_field(
    case: Case, wrong: Json, status: int, slug: str, fields: list[str]
) -> None:
    refused(case.send(case.order(**wrong)), status, slug, *fields)


@pytest.mark.parametrize(
    ("field", "value"),
    [("iin", "880101300015"), ("iin", "88010130001"), ("phone", "+7 495 123 45 67"), ("full_name", " "), ("iin", None)],
)
def test_a_person_who_cannot_be_is_refused_by_their_field(case: Case, field: str, value: str | None) -> None:
    order = case.order()
    answer = case.send({**order, "subscriber": {**case.person, field: value}})
    refused(answer, 422, "invalid_input", f"subscriber.{field}")
    assert value is None or not value.strip() or value not in answer.text


def test_a_refused_application_leaves_no_subscriber_behind(case: Case) -> None:
    case.send(case.order(equipment=["nothing"]))
    assert case.api.get("/v1/subscribers", iin=case.person["iin"])["items"] == []


def test_a_node_without_a_free_port_takes_no_more_applications(api: ApiStack) -> None:
    case = api.case(ports=1)
    case.apply()
    refused(case.send(case.order()), 409, "no_free_port")


# -- tasks --------------------------------------------------------------------------------------------------------


def test_another_departments_task_is_not_yours(case: Case) -> None:
    task = case.to_scheduling()
    for role in set(Role) - {Role.DISPATCHER, Role.ADMIN}:
        refused(case.complete(task, "assigned", case.slot(), role), 403, "task_of_another_department")
        claim = case.api.post(f"/v1/tasks/{task['id']}/claim", role, None)
        refused(claim, 403, "task_of_another_department")
    assert case.task("assign_crew")["claimed_by"] is None


def test_repeating_a_completion_is_answered_with_the_task_and_another_one_is_refused(case: Case) -> None:
    task, slot = case.to_scheduling(), case.slot()
    first = case.complete(task, "assigned", slot)
    again = case.complete(task, "assigned", slot)

    assert statuses([first, again]) == [200, 200]
    assert first.json() == again.json()
    assert (again.json()["status"], again.json()["outcome"], again.json()["data"]) == ("done", "assigned", slot)
    assert again.json()["completed_by"] == f"staff:{case.api.staff[Role.DISPATCHER].row.id}"
    refused(case.complete(task, "assigned", case.slot(days=3)), 409, "task_not_open")
    refused(case.complete(task, "postponed", {}), 409, "task_not_open")
    events = [entry["event"] for entry in case.api.get(f"/v1/processes/{case.process_id}/timeline")["items"]]
    assert events.count("visit_booked") == 1


def test_the_same_completion_ten_times_at_once_is_one(case: Case) -> None:
    task, slot = case.to_scheduling(), case.slot()
    answers = at_once([lambda: case.complete(task, "assigned", slot)] * 10)
    assert statuses(answers) == [200] * 10
    assert {answer.json()["outcome"] for answer in answers} == {"assigned"}


def test_two_dispatchers_who_decide_differently_get_one_yes_and_one_no(case: Case) -> None:
    task = case.to_scheduling()
    decisions = [case.slot(days=1), case.slot(days=2)]
    answers = at_once([partial(case.complete, task, "assigned", slot) for slot in decisions])
    assert statuses(answers) == [200, 409]


def test_a_task_of_a_stage_that_is_over_is_refused(case: Case) -> None:
    task = case.to_scheduling()
    assert case.cancel().status_code == 200
    case.wait_for(status="cancelled")
    refused(case.complete(task, "assigned", case.slot()), 409, "task_not_open")


@pytest.mark.parametrize(
    ("outcome", "data", "slug", "fields"),
    [
        ("assigned", {}, "form_invalid", ["data.crew_id", "data.starts_at"]),
        ("assigned", {"crew_id": "one", "starts_at": "soon"}, "form_invalid", ["data.crew_id", "data.starts_at"]),
        ("done", {}, "outcome_unknown", ["outcome"]),
        ("postponed", {"until": "9999-12-31T23:59:59Z", "reason": "later"}, "form_invalid", ["data.until"]),
        ("postponed", {"until": "2001-01-01T00:00:00Z", "reason": "later"}, "until_past", ["data.until"]),
        ("postponed", {"until": "2099-01-01T00:00:00Z", "reason": "  "}, "form_invalid", ["data.reason"]),
    ],
)
def test_a_bad_form_is_refused_by_its_fields_and_the_task_stays_open(
    case: Case, outcome: str, data: Json, slug: str, fields: list[str]
) -> None:
    task = case.to_scheduling()
    refused(case.complete(task, outcome, data), 422, slug, *fields)
    assert case.task("assign_crew")["id"] == task["id"]


@pytest.mark.parametrize("starts_at", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+05:00", "2099-01-01T00:00:00"])
def test_an_instant_at_the_end_of_the_calendar_is_refused_and_the_process_goes_on(case: Case, starts_at: str) -> None:
    task = case.to_scheduling()
    answer = case.complete(task, "assigned", {**case.slot(), "starts_at": starts_at})
    refused(answer, 422, "form_invalid", "data.starts_at")
    assert case.complete(task, "assigned", case.slot()).status_code == 200


def test_times_that_are_no_slot_and_crews_that_do_not_exist_are_refused(case: Case) -> None:
    task = case.to_scheduling()
    refused(case.complete(task, "assigned", case.slot(hour=10)), 422, "slot_unknown", "starts_at")
    refused(case.complete(task, "assigned", case.slot(days=-1)), 422, "slot_past", "starts_at")
    refused(case.complete(task, "assigned", {**case.slot(), "crew_id": str(uuid4())}), 404, "crew_unknown")


def test_a_task_is_taken_on_by_one_colleague(case: Case) -> None:
    task = case.to_scheduling()
    path = f"/v1/tasks/{task['id']}/claim"
    claimed = case.api.post(path, Role.DISPATCHER, None)
    assert claimed.status_code == 200
    assert claimed.json()["claimed_by"] == str(case.api.staff[Role.DISPATCHER].row.id)
    assert case.api.post(path, Role.DISPATCHER, None).status_code == 200
    refused(case.api.post(path, Role.ADMIN, None), 409, "task_claimed")
    case.done("assign_crew", "assigned", case.slot())
    refused(case.api.post(path, Role.DISPATCHER, None), 409, "task_not_open")


def test_unknown_tasks_and_processes_are_not_found(api: ApiStack) -> None:
    nothing = uuid4()
    for answer, slug in (
        (api.call("GET", f"/v1/tasks/{nothing}", Role.OPERATOR), "task_unknown"),
        (api.post(f"/v1/tasks/{nothing}/complete", Role.ADMIN, {"outcome": "assigned"}), "task_unknown"),
        (api.post(f"/v1/tasks/{nothing}/claim", Role.ADMIN, None), "task_unknown"),
        (api.call("GET", f"/v1/processes/{nothing}", Role.OPERATOR), "process_unknown"),
        (api.call("GET", f"/v1/processes/{nothing}/timeline", Role.OPERATOR), "process_unknown"),
        (api.post(f"/v1/processes/{nothing}/cancel", Role.OPERATOR, {"reason": "none"}), "process_unknown"),
        (api.call("GET", f"/v1/crews/{nothing}/slots?on=2026-11-25", Role.OPERATOR), "crew_unknown"),
    ):
        refused(answer, 404, slug)


# -- races for what there is once ---------------------------------------------------------------------------------


def test_two_dispatchers_at_once_for_one_slot_get_one_yes_and_one_no(api: ApiStack) -> None:
    first, second = api.case(), api.case()
    second.place.crew_id = first.place.crew_id
    tasks = [(case, case.to_scheduling()) for case in (first, second)]
    slot = first.slot()

    answers = at_once([partial(case.complete, task, "assigned", slot) for case, task in tasks])

    assert statuses(answers) == [200, 409]
    for (case, task), answer in zip(tasks, answers, strict=True):
        if answer.status_code == 409:
            refused(answer, 409, "slot_taken")
            assert case.task("assign_crew")["id"] == task["id"], "the one who lost chooses another slot"
            assert case.complete(task, "assigned", first.slot(hour=11)).status_code == 200


def test_transactions_at_once_never_reserve_the_same_piece(api: ApiStack) -> None:
    with api.database.transaction() as session:
        sku = factories.equipment(session, pieces=7).sku
        account = factories.customer(session).account
        subscriptions = [factories.subscription(session, account).id for _ in range(12)]

    def reserve(subscription_id: UUID) -> int:
        with api.database.transaction() as session:
            return 1 - len(stock.reserve(session, subscription_id, [sku]))

    got = at_once([partial(reserve, one) for one in subscriptions])

    assert sum(got) == 7
    with api.database.transaction() as session:
        holders = session.scalars(select(StockItem.subscription_id).where(StockItem.sku == sku)).all()
    assert len(set(holders)) == 7
    assert None not in holders


def test_applications_for_fewer_pieces_than_they_want_share_none(api: ApiStack) -> None:
    case = api.case(pieces=3, ports=8)
    cases = [Case(api, case.place) for _ in range(6)]
    at_once([one.apply for one in cases])
    waits = [one.wait_until_it_waits()["waiting_for"] for one in cases]

    assert sorted(waits) == ["payment"] * 3 + ["task:purchase"] * 3
    serials = [serial for one in cases for serial in one.serials()]
    assert len(serials) == len(set(serials)) == 3


# -- a visit moved, a process cancelled ---------------------------------------------------------------------------


def test_a_booked_visit_is_moved_by_the_dispatcher(case: Case) -> None:
    case.to_installation()
    path = f"/v1/processes/{case.process_id}/reschedule"
    later = case.slot(days=2, hour=13)

    refused(case.api.post(path, Role.INSTALLER, later), 403, "role_not_allowed")
    refused(case.api.post(path, Role.DISPATCHER, {"starts_at": later["starts_at"]}), 422, "invalid_input", "crew_id")
    refused(
        case.api.post(path, Role.DISPATCHER, {**later, "starts_at": "2099-01-01T00:00:00"}),
        422, "invalid_input", "starts_at",
    )  # fmt: skip
    refused(case.api.post(path, Role.DISPATCHER, case.slot(hour=10)), 422, "slot_unknown", "starts_at")
    moved = case.api.post(path, Role.DISPATCHER, later)

    assert moved.status_code == 200
    assert moved.json()["stage"] == "installation"
    day = datetime.fromisoformat(later["starts_at"]).date()
    slots = case.api.get(f"/v1/crews/{case.place.crew_id}/slots", on=day.isoformat())["items"]
    taken = [slot for slot in slots if not slot["free"]]
    assert [datetime.fromisoformat(slot["starts_at"]) for slot in taken] == [datetime.fromisoformat(later["starts_at"])]


def test_a_visit_is_not_moved_before_there_is_one_nor_after_the_end(case: Case) -> None:
    path = f"/v1/processes/{case.apply()['id']}/reschedule"
    refused(case.api.post(path, Role.DISPATCHER, case.slot()), 409, "no_visit_booked")
    case.cancel()
    case.wait_for(status="cancelled")
    refused(case.api.post(path, Role.DISPATCHER, case.slot()), 409, "process_ended")


def test_a_process_is_cancelled_in_the_moment_after_it_was_opened(case: Case) -> None:
    case.apply()
    assert case.cancel().status_code == 200
    assert case.wait_for(status="cancelled")["close_reason"] == "changed their mind"


def test_a_cancelled_process_leaves_the_money_and_a_refund_task(case: Case) -> None:
    case.to_scheduling()
    assert case.cancel(Role.OPS).status_code == 200
    process = case.wait_for(status="cancelled")

    assert {stage["name"]: stage["state"] for stage in process["stages"]}["installation"] == "skipped"
    refund = case.task("refund")
    assert refund["facts"] == {"advance_minor": case.place.total_minor}
    refused(case.complete(refund, "refunded", {"payment_order": "1"}, Role.OPERATOR), 403, "task_of_another_department")
    paid_back = case.done("refund", "refunded", {"payment_order": "1024"})
    assert paid_back["status"] == "done"
    subscriber = case.api.get(f"/v1/subscribers/{process['subscriber_id']}")
    assert subscriber["balance"]["amount_minor"] == 0
    assert case.complete(refund, "refunded", {"payment_order": "1024"}).status_code == 200


def test_only_an_open_process_is_cancelled_and_only_for_a_reason(case: Case) -> None:
    case.apply()
    refused(case.cancel(Role.DISPATCHER), 403, "role_not_allowed")
    refused(case.cancel(reason="  "), 422, "invalid_input", "reason")
    assert case.cancel().status_code == 200
    case.wait_for(status="cancelled")
    refused(case.cancel(), 409, "process_ended")


def test_a_completed_process_is_not_cancelled_and_its_timeline_says_nothing_of_it(case: Case) -> None:
    case.to_the_end()
    refused(case.cancel(), 409, "process_ended")
    events = [entry["event"] for entry in case.api.get(f"/v1/processes/{case.process_id}/timeline")["items"]]
    assert "cancel_requested" not in events


# -- lists --------------------------------------------------------------------------------------------------------


def pages(api: ApiStack, path: str, **params: Any) -> list[Json]:
    """All items, page by page."""
    items: list[Json] = []
    cursor: str | None = None
    while True:
        page = api.get(path, Role.ADMIN, **params, **({"cursor": cursor} if cursor else {}))
        assert set(page) == {"items", "next_cursor"}
        assert len(page["items"]) <= params["limit"]
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return items


def test_processes_are_listed_newest_first_by_what_is_asked(api: ApiStack) -> None:
    first = api.case()
    subscriber = first.apply()["subscriber_id"]
    ids = [first.process_id]
    for _ in range(4):
        case = api.case()
        ids.append(case.apply(subscriber=first.person)["id"])
    for process_id in ids:
        Case(api, case.place, process_id).wait_for(stage="prepayment")
    assert case.cancel().status_code == 200
    case.wait_for(status="cancelled")

    def listed(**wanted: str) -> list[str]:
        return [process["id"] for process in pages(api, "/v1/processes", subscriber_id=subscriber, limit=2, **wanted)]

    assert listed() == ids[::-1]
    assert listed(status="open") == ids[-2::-1]
    assert listed(status="cancelled") == ids[-1:]
    assert listed(stage="prepayment") == ids[-2::-1]
    assert listed(kind="connection") == ids[::-1]
    assert listed(kind="outage") == []


def test_tasks_are_listed_by_department_status_and_process(case: Case) -> None:
    task = case.to_scheduling()
    others = Case(case.api, case.place)
    other_task = others.to_scheduling()

    def listed(**wanted: str) -> list[str]:
        return [found["id"] for found in pages(case.api, "/v1/tasks", limit=5, **wanted)]

    dispatchers = listed(department="dispatcher", status="open")
    assert [one for one in dispatchers if one in {task["id"], other_task["id"]}] == [task["id"], other_task["id"]]
    assert task["id"] not in listed(department="installer")
    assert listed(process_id=case.process_id, status="open") == [task["id"]]
    assert listed(process_id=case.process_id, status="done") == []


LISTS = (
    "tariffs", "network-nodes", "premises", "stock", "crews", "policies", "subscribers", "payments", "messages",
    "tasks", "processes",
)  # fmt: skip


def test_a_list_page_by_page_is_the_whole_list(case: Case) -> None:
    case.to_scheduling()

    def is_whole(path: str) -> bool:
        whole = pages(case.api, path, limit=500)
        in_parts = pages(case.api, path, limit=min(len(whole) // 3 + 1, 500))
        assert whole, path
        assert len({str(item) for item in whole}) == len(whole), path
        return in_parts == whole

    for name in LISTS:
        # Processes of other tests may be at work still, and change what is listed between two looks.
        eventually(partial(is_whole, f"/v1/{name}"))


def test_reference_data_of_a_town_is_seen_as_the_contract_says(case: Case) -> None:
    api = case.api
    tariff = next(row for row in pages(api, "/v1/tariffs", limit=500) if row["code"] == case.place.tariff_code)
    assert tariff["connection_fee"] == {"amount_minor": 500_000, "currency": "KZT"}
    assert tariff["monthly_fee"] == {"amount_minor": 650_000, "currency": "KZT"}
    (premises,) = api.get("/v1/premises", node_id=str(case.place.node_id))["items"]
    assert premises["id"] == str(case.place.premises_id)
    node = next(row for row in pages(api, "/v1/network-nodes", limit=500) if row["id"] == str(case.place.node_id))
    assert node["ports_free"] == 2
    assert [piece["state"] for piece in api.get("/v1/stock", sku=case.place.sku)["items"]] == ["in_stock"] * 2
    slots = api.get(f"/v1/crews/{case.place.crew_id}/slots", on="2027-03-01")["items"]
    assert [slot["starts_at"] for slot in slots] == [f"2027-03-01T{hour:02}:00:00+05:00" for hour in range(9, 19, 2)]
    assert all(slot["free"] for slot in slots)


def test_the_documents_of_a_process_are_pdfs_with_their_hash(case: Case) -> None:
    case.to_the_end()
    documents = case.api.get("/v1/documents", process_id=case.process_id)["items"]
    assert {document["kind"] for document in documents} == {"contract", "handover_act"}
    for document in documents:
        pdf = case.api.call("GET", f"/v1/documents/{document['id']}", Role.INSTALLER)
        assert pdf.headers["content-type"] == "application/pdf"
        assert pdf.content.startswith(b"%PDF")
        assert pdf.headers["etag"] == f'"{document["sha256"]}"'
