"""Staff tasks: completed once, by Update or from the Temporal UI; a person's mistake never fails a process."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.task_effects import EFFECTS
from activities.tasks import DEPARTMENT, checked_form
from models.contracts.engine import (
    CANCEL_PROCESS,
    CLAIM_TASK,
    COMPLETE_TASK,
    COMPLETE_TASK_SIGNAL,
    PAYMENT_RECEIVED,
    STOCK_ARRIVED,
)
from models.contracts.forms import FORMS
from models.contracts.people import Role
from models.contracts.processes import ProcessStatus, TaskAct, TaskClaim, TaskDone, TaskKind
from models.contracts.refusals import Refusal
from models.database import Database
from models.rules.task_titles import TASK_TITLES
from models.tables.processes import Task, TaskSubmission, TimelineEntry
from tests import factories
from tests.connection_world import World, connection_world, eventually
from tests.engines import TemporalServer

TimeSkipping = Callable[[], TemporalServer]


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[World]:
    with connection_world(database, time_skipping()) as world:
        yield world


def signal(world: World, name: str, *payload: Any) -> None:
    world.server.run(world.handle.signal(name, args=list(payload)))


def refused_acts(world: World) -> list[str]:
    with world.database.transaction() as session:
        return [
            entry.facts["detail"]
            for entry in session.scalars(
                select(TimelineEntry)
                .where(TimelineEntry.process_id == world.process_id, TimelineEntry.event == "act_refused")
                .order_by(TimelineEntry.id)
            )
        ]


def type_of_refusal(act: Callable[[], object]) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        act()
    assert isinstance(failure.value.cause, ApplicationError)
    return failure.value.cause.type


def test_every_kind_has_a_department_a_title_and_an_effect_for_each_outcome() -> None:
    assert set(FORMS) == set(DEPARTMENT) == set(TaskKind)
    assert set(TASK_TITLES) == set(TaskKind)
    assert set(EFFECTS) == {(kind, outcome) for kind, forms in FORMS.items() for outcome in forms}


def test_a_bad_form_names_each_bad_field() -> None:
    with pytest.raises(Refusal) as refusal:
        checked_form(TaskKind.ASSIGN_CREW, "assigned", {"crew_id": "nobody", "colour": "red"})

    assert set(refusal.value.errors) == {"data.crew_id", "data.starts_at", "data.colour"}


def test_repeating_a_completion_answers_the_same_and_does_nothing_more(world: World) -> None:
    world.to_scheduling()
    task, slot = world.task(TaskKind.ASSIGN_CREW), world.slot()
    act = TaskAct(task_id=task.id, outcome="assigned", actor="staff:x", data=slot)

    first = world.ask(COMPLETE_TASK, act, TaskDone)
    again = world.ask(COMPLETE_TASK, act, TaskDone)

    assert first == again
    assert world.events().count("visit_booked") == 1


def test_another_completion_of_a_done_task_is_refused(world: World) -> None:
    world.to_scheduling()
    task = world.task(TaskKind.ASSIGN_CREW)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    other_slot = TaskAct(task_id=task.id, outcome="assigned", data=world.slot(days=4))
    other_outcome = TaskAct(task_id=task.id, outcome="postponed", data={})

    assert type_of_refusal(lambda: world.ask(COMPLETE_TASK, other_slot, TaskDone)) == "task_not_open"
    assert type_of_refusal(lambda: world.ask(COMPLETE_TASK, other_outcome, TaskDone)) == "task_not_open"


def test_two_colleagues_at_once_complete_a_task_once(world: World) -> None:
    world.to_scheduling()
    task = world.task(TaskKind.ASSIGN_CREW)
    acts = [
        TaskAct(task_id=task.id, outcome="assigned", actor=f"staff:{n}", data=world.slot(days=n + 1)) for n in range(6)
    ]

    def complete(act: TaskAct) -> bool:
        try:
            world.ask(COMPLETE_TASK, act, TaskDone)
        except WorkflowUpdateFailedError:
            return False
        return True

    with ThreadPoolExecutor(6) as colleagues:
        assert sorted(colleagues.map(complete, acts)) == [False] * 5 + [True]
    assert world.residue()["visits"] == 1


def test_a_refused_completion_leaves_the_task_open_and_the_world_as_it_was(world: World) -> None:
    world.to_scheduling()
    before = world.residue()
    in_the_past = {"crew_id": str(world.crew_id), "starts_at": "2026-01-05T09:00:00+05:00"}

    assert type_of_refusal(lambda: world.complete(TaskKind.ASSIGN_CREW, "assigned", in_the_past)) == "slot_past"

    assert world.residue() == before
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())


def test_a_task_of_another_process_is_unknown(world: World) -> None:
    world.to_scheduling()
    stray = TaskAct(task_id=uuid4(), outcome="assigned")

    assert type_of_refusal(lambda: world.ask(COMPLETE_TASK, stray, TaskDone)) == "task_unknown"


def test_a_task_is_completed_from_the_temporal_ui_by_signal(world: World) -> None:
    world.to_scheduling()
    task = world.task(TaskKind.ASSIGN_CREW)

    signal(world, COMPLETE_TASK_SIGNAL, {"task_id": str(task.id), "outcome": "assigned", "data": world.slot()})

    world.task(TaskKind.INSTALL)
    with world.database.transaction() as session:
        done = session.get_one(Task, task.id)
        assert (done.status, done.completed_by) == ("done", "temporal-ui")
        kept = session.scalars(select(TaskSubmission).where(TaskSubmission.task_id == task.id)).one()
        assert kept.source == "temporal-ui"


@pytest.mark.parametrize(
    "payload",
    [
        (),
        ("just text",),
        (42,),
        ([1, 2],),
        (None,),
        ({"task_id": "no id", "outcome": "assigned"},),
        ({"outcome": "assigned"},),
        ({"task_id": str(uuid4()), "outcome": "assigned", "data": {}},),
        ({"task_id": str(uuid4()), "outcome": "assigned"}, "and", "more"),
    ],
    ids=["nothing", "text", "number", "list", "null", "bad-id", "no-id", "stray-task", "three-payloads"],
)
def test_a_bad_signal_goes_to_the_timeline_and_fails_nothing(world: World, payload: tuple[Any, ...]) -> None:
    world.to_scheduling()

    signal(world, COMPLETE_TASK_SIGNAL, *payload)

    eventually(lambda: refused_acts(world))
    assert world.process().status is ProcessStatus.OPEN
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())


def test_a_signal_with_a_bad_form_goes_to_the_timeline_and_leaves_the_task_open(world: World) -> None:
    world.to_scheduling()
    task = world.task(TaskKind.ASSIGN_CREW)

    signal(world, COMPLETE_TASK_SIGNAL, {"task_id": str(task.id), "outcome": "assigned", "data": {"crew_id": "x"}})

    eventually(lambda: refused_acts(world))
    assert world.open_task(TaskKind.ASSIGN_CREW) is not None


@pytest.mark.parametrize("payload", [("text",), (7,), ({"reason": "x" * 501},)], ids=["text", "number", "too-long"])
def test_a_bad_cancel_signal_goes_to_the_timeline_and_cancels_nothing(world: World, payload: tuple[Any, ...]) -> None:
    world.to_scheduling()

    signal(world, CANCEL_PROCESS, *payload)

    eventually(lambda: refused_acts(world))
    assert world.process().status is ProcessStatus.OPEN


def test_a_task_is_claimed_by_one_colleague(world: World) -> None:
    world.to_scheduling()
    task = world.task(TaskKind.ASSIGN_CREW)
    with world.database.transaction() as session:
        mine, other = (factories.staff(session, Role.DISPATCHER).row.id for _ in range(2))

    world.ask(CLAIM_TASK, TaskClaim(task_id=task.id, staff_id=mine, at=world.now()), TaskClaim)

    late = TaskClaim(task_id=task.id, staff_id=other, at=world.now())
    assert type_of_refusal(lambda: world.ask(CLAIM_TASK, late, TaskClaim)) == "task_claimed"
    assert world.task(TaskKind.ASSIGN_CREW).claimed_by == mine


def test_opening_and_completing_are_told_once_however_often_a_step_is_repeated(world: World) -> None:
    world.to_the_end()

    with world.database.transaction() as session:
        keys = session.execute(
            select(TimelineEntry.key, func.count())
            .where(TimelineEntry.process_id == world.process_id)
            .group_by(TimelineEntry.key)
        ).all()
        assert {count for _, count in keys} == {1}


@pytest.mark.parametrize("name", [PAYMENT_RECEIVED, STOCK_ARRIVED])
@pytest.mark.parametrize("payload", [(), ("text",), ({}, 1, 2)], ids=["nothing", "text", "three-payloads"])
def test_a_machines_signal_sent_by_hand_does_no_harm(world: World, name: str, payload: tuple[Any, ...]) -> None:
    world.to_prepayment()

    signal(world, name, *payload)

    assert world.state().stage == "prepayment"
    world.pay(world.total_minor)
    world.task(TaskKind.ASSIGN_CREW)
