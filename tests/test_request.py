"""The process of a request: each turn, its timers, and what ends it. One server in which time passes at once."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import update
from temporalio.client import WorkflowUpdateFailedError

from models.contracts.engine import RESCHEDULE_VISIT
from models.contracts.people import Role
from models.contracts.processes import ProcessState, ProcessStatus, Rescheduling, TaskKind
from models.contracts.request_policy import RequestPolicy
from models.contracts.request_words import RequestEnding
from models.database import Database
from models.tables.messages import Message
from tests.connection_paths import REASON
from tests.connection_world import eventually
from tests.engines import TemporalServer, needs_time_skipping
from tests.request_paths import PATHS, cancel
from tests.request_world import AROUND_THE_CLOCK, HOUR, RequestWorld, request_world, set_policy

HANDLE = TaskKind.HANDLE_REQUEST
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def server() -> Iterator[TemporalServer]:
    needs_time_skipping()
    server = TemporalServer.time_skipping()
    yield server
    server.stop()


@pytest.fixture
def world(database: Database, server: TemporalServer) -> Iterator[RequestWorld]:
    with request_world(database, server) as world:
        yield world


def walk(world: RequestWorld, name: str) -> None:
    PATHS[name].drive(world)
    assert world.outcome().status is world.process().status


def test_a_request_goes_from_its_department_to_its_end(world: RequestWorld) -> None:
    walk(world, "solved")

    assert world.request().ended_as is RequestEnding.SOLVED
    assert world.sms() == ["request_solved"]
    assert world.events() == ["request_registered", "task_opened", "request_solved"]


def test_each_department_gets_a_task_of_its_own(world: RequestWorld) -> None:
    walk(world, "handed_over")

    opened = [entry.facts["department"] for entry in world.story() if entry.event == "task_opened"]
    assert opened == ["support", "accounting", "operator"]


def test_the_department_is_warned_of_and_then_late_and_a_task_that_is_forgotten_is_escalated(
    world: RequestWorld,
) -> None:
    world.head(Role.SUPPORT)
    walk(world, "late")

    events = world.events()
    assert [event for event in events if event in {"request_warned", "request_breached", "task_escalated"}] == [
        "request_warned", "request_breached", "task_escalated",
    ]  # fmt: skip
    breached_at = next(entry.at for entry in world.story() if entry.event == "request_breached")
    assert breached_at == world.request().sla_breached_at
    assert world.messages() == ["request_warned", "request_breached", "task_escalated", "request_solved"]


def test_the_timers_go_off_at_the_end_of_working_time(database: Database, world: RequestWorld) -> None:
    set_policy(database, RequestPolicy())
    world.want("equipment", priority="urgent")
    world.task(HANDLE)
    due_at = world.request().sla_due_at
    assert due_at is not None

    world.sleep(due_at - world.now() - timedelta(minutes=10))
    assert world.request().sla_breached_at is None
    world.sleep(timedelta(minutes=11))
    eventually(lambda: world.request().sla_breached_at)
    set_policy(database, AROUND_THE_CLOCK)
    world.solve()
    world.outcome()


def test_while_a_question_is_open_the_clock_says_nothing(world: RequestWorld) -> None:
    world.want()
    world.work("ask", question=REASON)
    world.wait_for_stage("question")
    world.sleep(2 * DAY)
    assert world.request().sla_warned_at is None

    world.answer()
    world.task(HANDLE)
    world.sleep(3 * HOUR + timedelta(minutes=1))
    eventually(lambda: world.request().sla_warned_at)
    world.solve()
    world.outcome()


def test_an_answer_that_does_not_come_gives_the_request_back_to_its_department(world: RequestWorld) -> None:
    walk(world, "asked_in_vain")

    assert "request_unanswered" in world.events()
    assert world.pauses() == [("question", True)]


def test_an_answer_that_was_faster_than_the_process_is_not_waited_for(world: RequestWorld) -> None:
    """The task is done in the database, and answered, before the engine hears of either."""
    world.want()
    world.task(HANDLE)
    world.work("ask", question=REASON)
    world.answer()

    world.task(HANDLE)
    world.solve()
    world.outcome()


def test_a_crew_comes_again_where_nobody_was_there_and_reports_what_it_did(world: RequestWorld) -> None:
    walk(world, "visited")

    assert world.sms().count("visit_booked") == 3
    assert [event for event in world.events() if "repaired" in event] == ["request_not_repaired", "request_repaired"]


def test_a_booked_visit_can_be_moved(world: RequestWorld) -> None:
    world.want()
    world.work("start", start={"kind": "crew_visit", "what_to_do": REASON})
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.task(TaskKind.REPAIR)

    slot = world.slot(days=2)
    move = Rescheduling(process_id=world.process_id, actor="staff:dispatcher", **slot)
    eventually(lambda: world.ask(RESCHEDULE_VISIT, move, ProcessState))
    assert "visit_moved" in world.sms()
    world.complete(TaskKind.REPAIR, "repaired", {"report": REASON})
    with pytest.raises(WorkflowUpdateFailedError):
        world.ask(RESCHEDULE_VISIT, move, ProcessState)
    world.solve()
    world.outcome()


def test_reopened_it_runs_once_more_and_its_tasks_are_new_ones(world: RequestWorld) -> None:
    walk(world, "reopened")

    assert world.request().round == 2
    assert world.workflow_id.endswith("/2")
    assert world.events().count("task_opened") == 8
    assert world.pauses() == [("closed", True)]
    first = world.client.get_workflow_handle(world.workflow_id.removesuffix("/2"))
    assert world.server.run(first.describe()).status is not None


def test_a_started_process_closes_its_request(world: RequestWorld) -> None:
    walk(world, "another_tariff")

    assert world.links() == [("started", "closed_with")]
    assert world.request().ended_as is RequestEnding.PROCESS_DONE


def test_a_started_process_that_is_cancelled_gives_the_request_back(world: RequestWorld) -> None:
    world.want("tariff")
    started_id = world.start(
        "tariff_change", subscription_id=str(world.subscription_id), tariff_code=world.to_code,
        effective="next_period",
    )  # fmt: skip
    request_id, world.process_id = world.process_id, started_id
    world.wait_for_stage("effective_day")
    world.cancel()
    world.outcome()
    world.process_id = request_id
    world.deliver()

    assert world.task(HANDLE).department is Role.OPERATOR
    world.solve()
    world.outcome()


def test_all_requests_of_an_outage_are_closed_with_it(world: RequestWorld) -> None:
    outage_id = world.cut()
    ids = [world.want(category) for category in ("no_internet", "slow", "no_internet", None)]
    for process_id in ids:
        world.process_id = process_id
        world.wait_for_stage("following")

    world.change_outage(outage_id, ended=True)

    def all_closed() -> bool:
        world.deliver()
        return all(world.request(process_id).ended_as for process_id in ids)

    eventually(all_closed)
    assert [world.request(process_id).ended_as for process_id in ids] == [
        "outage_over", "outage_over", "with_duplicate", "outage_over",
    ]  # fmt: skip
    assert world.sms_of_subscriber().count("outage_restored") == 1
    assert "request_restored" not in world.sms_of_subscriber()


@pytest.mark.parametrize("name", [name for name in PATHS if name.startswith("cancelled_")])
def test_cancelled_in_any_stage_it_leaves_nothing(world: RequestWorld, name: str) -> None:
    walk(world, name)

    assert world.process().status is ProcessStatus.CANCELLED
    assert set(world.left_over().values()) == {0}
    assert world.request().ended_as is RequestEnding.CANCELLED


def test_a_crew_that_was_announced_and_does_not_come_is_called_off(world: RequestWorld) -> None:
    world.want()
    world.work("start", start={"kind": "crew_visit", "what_to_do": REASON})
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.task(TaskKind.REPAIR)
    with world.database.transaction() as session:
        session.execute(update(Message).where(Message.process_id == world.process_id).values(status="delivered"))
    cancel(world)
    world.outcome()

    assert world.sms() == ["visit_booked", "request_cancelled"]
