"""When the workflow engine or its workers are away: a clear answer in time, and nothing lost."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, event, text
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

import api.engine
from activities.failures import as_application_error
from api.app import create_app
from api.engine import ASKERS_WHILE_AWAY, Engine, EngineAway, refusal_of
from models.contracts.engine import CANCEL_PROCESS, COMPLETE_TASK_SIGNAL
from models.contracts.people import Role
from models.contracts.refusals import Refusal, RefusalKind, conflict
from models.database import Database
from tests import factories
from tests.api_world import ApiStack, Case, app_client, is_problem
from tests.connection_world import eventually
from tests.http_client import ApiClient
from workers.ports import free_port
from workflows.engine import connect

pytest_plugins = ("tests.api_stack",)


@pytest.fixture
def case(api: ApiStack) -> Case:
    return api.case()


@contextmanager
def without_engine(api: ApiStack, *, database: Database | None = None, lazy: bool = True) -> Iterator[ApiClient]:
    """An API whose Temporal nobody answers for."""
    settings = api.settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"})
    engine = Engine(asyncio.run(connect(settings, lazy=lazy)))
    yield ApiClient(create_app(settings, database or api.database, engine))


@contextmanager
def without_engine_or_writing(api: ApiStack) -> Iterator[ApiClient]:
    """The same, and its database refuses every write; counting rows would count those of earlier tests' workers."""
    with closing(Database(api.database.url)) as database:

        @event.listens_for(database.engine, "begin")
        def only_read(connection: Connection) -> None:
            connection.execute(text("SET TRANSACTION READ ONLY"))

        with without_engine(api, database=database) as client:
            yield client


def is_engine_away(answer: httpx.Response) -> None:
    is_problem(answer, 503, "engine_away")
    assert int(answer.headers["retry-after"]) > 0


def test_without_the_engine_no_process_is_started_and_nothing_is_written(case: Case) -> None:
    api, order = case.api, case.order()
    with without_engine_or_writing(api) as client:
        is_engine_away(client.post("/v1/connections", json=order, headers=api.staff[Role.OPERATOR].headers))
    assert case.send(order).status_code == 201, "the same order is taken once the engine is back"


def test_without_the_engine_nothing_is_cancelled_and_the_timeline_says_nothing_of_it(case: Case) -> None:
    api = case.api
    case.to_scheduling()
    with without_engine_or_writing(api) as client:
        path = f"/v1/processes/{case.process_id}"
        headers = api.staff[Role.OPERATOR].headers
        is_engine_away(client.post(f"{path}/cancel", json={"reason": "moved away"}, headers=headers))
    assert case.cancel().status_code == 200


def test_without_the_engine_acts_on_tasks_are_put_off_and_can_be_repeated(case: Case) -> None:
    api, task = case.api, case.to_scheduling()
    headers, completion = api.staff[Role.DISPATCHER].headers, {"outcome": "assigned", "data": case.slot()}
    with without_engine(api) as client:
        path = f"/v1/tasks/{task['id']}"
        is_engine_away(client.post(f"{path}/complete", json=completion, headers=headers))
        is_engine_away(client.post(f"{path}/claim", headers=headers))
        move = client.post(f"/v1/processes/{case.process_id}/reschedule", json=case.slot(), headers=headers)
        is_engine_away(move)
        assert client.get(path, headers=headers).json()["status"] == "open"
    assert case.complete(task, "assigned", case.slot()).status_code == 200
    with without_engine(api) as client:
        again = client.post(f"/v1/tasks/{task['id']}/complete", json=completion, headers=headers)
        assert again.status_code == 200, "what is done already needs nobody"


def test_without_the_engine_people_read_and_banks_pay(case: Case) -> None:
    case.to_prepayment()
    api = case.api
    operator = api.staff[Role.OPERATOR].headers
    with without_engine(api) as client:
        for path in ("/v1/processes", "/v1/tasks", f"/v1/processes/{case.process_id}/timeline", "/v1/subscribers"):
            assert client.get(path, headers=operator).status_code == 200
        debt = client.get(f"/bank/v1/customers/{case.person['iin']}", auth=api.bank.auth).json()["debt"]
        notice = {
            "txn_id": factories.unique("txn"), "iin": case.person["iin"], "amount": debt,
            "paid_at": datetime.now(UTC).isoformat(),
        }  # fmt: skip
        assert client.post("/bank/v1/payments", json=notice, auth=api.bank.auth).status_code == 201
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()) == (503, {"ready": False, "database": True, "workflow_engine": False})
    assert case.task("assign_crew"), "the process goes on by itself"


def test_an_engine_that_is_not_serving_is_away(api: ApiStack, monkeypatch: pytest.MonkeyPatch) -> None:
    async def starting_up(**_: Any) -> bool:
        await asyncio.sleep(0)
        return False

    monkeypatch.setattr(api.server.client.service_client, "check_health", starting_up)
    assert app_client(api).get("/readyz").json()["workflow_engine"] is False


def test_without_workers_an_act_is_put_off_in_time_and_the_task_can_still_be_completed(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.engine, "ANSWER_WITHIN", timedelta(seconds=1))
    task, slot = case.to_scheduling(), case.slot()
    with case.api.without_workers():
        is_engine_away(case.complete(task, "assigned", slot))
        is_engine_away(case.complete(task, "assigned", slot))
        assert case.api.get(f"/v1/tasks/{task['id']}")["status"] == "open"
    monkeypatch.undo()
    completed = case.complete(task, "assigned", slot)
    assert completed.status_code == 200
    assert case.task("install")
    events = [entry["event"] for entry in case.api.get(f"/v1/processes/{case.process_id}/timeline")["items"]]
    assert events.count("visit_booked") == 1


def test_a_process_that_was_terminated_by_hand_takes_no_more_acts(case: Case) -> None:
    task = case.to_scheduling()
    handle = case.api.server.client.get_workflow_handle(f"connection/{case.process_id}")
    case.api.server.run(handle.terminate("by hand"))

    is_problem(case.complete(task, "assigned", case.slot()), 409, "process_ended")
    is_problem(case.api.post(f"/v1/tasks/{task['id']}/claim", Role.DISPATCHER, None), 409, "process_ended")
    is_problem(case.cancel(), 409, "process_ended")
    events = [entry["event"] for entry in case.api.get(f"/v1/processes/{case.process_id}/timeline")["items"]]
    assert events[-2:] == ["cancel_requested", "cancel_refused"]


def test_an_act_that_ended_the_process_before_its_repetition_arrived_is_done_and_not_refused(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = case.to_handover()
    real = Engine.update

    def act_of_earlier_request(self: Engine, *order: Any) -> None:
        real(self, *order)
        raise conflict("process_ended", "The first request did it, and its answer was lost.")

    monkeypatch.setattr(Engine, "update", act_of_earlier_request)
    assert case.complete(task, "signed").json()["status"] == "done"
    assert case.complete(task, "refused").status_code == 409


def test_a_process_that_nobody_has_started_yet_can_be_acted_on_a_moment_later(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.engine, "START_WITHIN", timedelta(seconds=0.3))
    with case.api.database.transaction() as session:
        account = factories.customer(session).account
        subscription = factories.subscription(session, account)
        process = factories.process(session, account=account, subscription_id=subscription.id)
    is_engine_away(case.api.post(f"/v1/processes/{process.id}/cancel", Role.OPERATOR, {"reason": "too early"}))


# -- what arrives by signal from the Temporal UI --------------------------------------------------------------------


def test_a_signal_that_no_database_keeps_is_refused_and_everybody_can_go_on(case: Case) -> None:
    task = case.to_scheduling()
    process = case.api.server.client.get_workflow_handle(f"connection/{case.process_id}")
    data = {"until": "2099-01-01T00:00:00Z", "reason": "away\0"}
    for name, payload in (
        (COMPLETE_TASK_SIGNAL, {"task_id": task["id"], "outcome": "postponed", "data": data}),
        (COMPLETE_TASK_SIGNAL, {"task_id": task["id"], "outcome": "postponed", "actor": "so\0me"}),
        (COMPLETE_TASK_SIGNAL, {"task_id": task["id"], "out\0come": "postponed"}),
        (CANCEL_PROCESS, {"reason": "away\0"}),
    ):
        case.api.server.run(process.signal(name, payload))

    def refused() -> bool:
        entries = case.api.get(f"/v1/processes/{case.process_id}/timeline")["items"]
        return [entry["event"] for entry in entries].count("act_refused") == 4

    eventually(refused)
    assert case.complete(task, "assigned", case.slot()).status_code == 200


# -- what a process answers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RefusalKind)
def test_the_refusal_of_a_process_arrives_as_it_was_meant(kind: RefusalKind) -> None:
    meant = Refusal(kind, "a_slug", "A sentence.", {"data.field": "what is wrong with it"})
    arrived = refusal_of(WorkflowUpdateFailedError(as_application_error(meant)))
    assert (arrived.kind, arrived.slug, arrived.detail, arrived.errors) == (
        meant.kind, meant.slug, meant.detail, meant.errors,
    )  # fmt: skip


def test_a_process_that_ended_before_it_answered_is_a_conflict() -> None:
    ended = ApplicationError("of the engine's own", type="AcceptedUpdateCompletedWorkflow")
    assert refusal_of(WorkflowUpdateFailedError(ended)).slug == "process_ended"


@pytest.mark.parametrize("details", [(), ("one",), ("one", 2, 3)])
def test_a_failure_that_is_no_refusal_stays_a_failure(details: tuple[Any, ...]) -> None:
    failure = WorkflowUpdateFailedError(ApplicationError("ValueError", *details, type="ValueError"))
    with pytest.raises(WorkflowUpdateFailedError):
        refusal_of(failure)


class OnceSilent(Engine):
    """Nobody answers, until somebody does."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]  # never asked
        self.asked = 0
        self.is_silent = True
        self.others: list[Any] = []

    def _answer(self, question: Any, within: timedelta) -> Any:
        del question, within
        self.asked += 1
        if self.others:
            self.others.pop()()
        if self.is_silent:
            raise EngineAway
        return True


def test_while_nobody_answers_only_a_few_wait_and_all_others_are_put_off_at_once() -> None:
    engine = OnceSilent()
    with pytest.raises(EngineAway):
        engine.probe()

    def another_one() -> None:
        with pytest.raises(EngineAway):
            engine.probe()

    engine.asked, engine.others = 0, [another_one] * ASKERS_WHILE_AWAY
    another_one()
    assert engine.asked == ASKERS_WHILE_AWAY

    engine.is_silent = False
    engine.probe()
    engine.others = [engine.probe] * (2 * ASKERS_WHILE_AWAY)
    engine.probe()
    assert engine.others == [], "once it is back, everybody is answered"
