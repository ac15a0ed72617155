"""Histories of requests are understood by the program as it is, stay small, and hold nobody's data."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from models.contracts.engine import PROCESSES_QUEUE
from models.contracts.forms import FORMS
from models.contracts.processes import ProcessStatus, TaskKind
from models.contracts.request_words import RequestStage
from models.database import Database
from models.tables.requests import RequestText
from tests.connection_paths import REASON
from tests.connection_world import SETTINGS
from tests.engines import TemporalServer, needs_time_skipping
from tests.histories import FOLDER, Recording
from tests.history_reading import everything_the_engine_knows, personal_data
from tests.request_paths import PATHS
from tests.request_world import RequestWorld
from workers.registry import WORKFLOWS, process_activities

RECORDED = sorted(f"request/{path.stem}" for path in (FOLDER / "request").glob("*.json"))
TASKS = {TaskKind.TRIAGE_REQUEST, TaskKind.HANDLE_REQUEST, TaskKind.REPAIR, TaskKind.ASSIGN_CREW}
MOST_EVENTS = 150


@pytest.fixture(scope="module")
def server() -> Iterator[TemporalServer]:
    needs_time_skipping()
    server = TemporalServer.time_skipping()
    yield server
    server.stop()


def test_every_path_is_recorded() -> None:
    assert set(RECORDED) == {f"request/{name}" for name in PATHS}, "record them: python -m tests.record_histories"


def test_the_paths_lead_through_every_stage_outcome_and_end() -> None:
    recordings = [Recording.read(name) for name in RECORDED]

    assert {stage for recording in recordings for stage in recording.stages} == set(RequestStage)
    assert {outcome for recording in recordings for outcome in recording.outcomes} == {
        (kind, outcome) for kind in TASKS for outcome in FORMS[kind]
    }
    assert {recording.status for recording in recordings} == {ProcessStatus.COMPLETED, ProcessStatus.CANCELLED}


def test_a_request_is_cancelled_on_some_path_in_every_stage_in_which_it_waits() -> None:
    cancelled = {name.removeprefix("request/cancelled_in_") for name in RECORDED if "cancelled_in_" in name}

    assert cancelled == set(RequestStage) - {RequestStage.REGISTRATION, RequestStage.CLOSED}


@pytest.mark.parametrize("name", RECORDED)
def test_a_history_stays_small(name: str) -> None:
    assert len(Recording.read(name).events()) <= MOST_EVENTS


def known_of(world: RequestWorld) -> set[str]:
    """What the database knows of the person, word by word, and what was said."""
    subscriber = world.subscriber()
    with world.database.transaction() as session:
        said = session.scalars(select(RequestText.body).where(RequestText.process_id == world.process_id)).all()
    phone = world.request().phone
    words = f"{subscriber.full_name} {REASON} {' '.join(said)}".replace(",", " ").split()
    return {subscriber.iin, subscriber.phone, phone, phone[2:], *(word for word in words if len(word) > 3)}


LIVE = [
    "sorted_first", "rejected_in_triage", "asked_and_answered", "handed_over", "visited", "reopened", "declined",
    "cancelled_in_work",
]  # fmt: skip
"""Between them they say everything that a person can say in a form, as an answer, or by cancelling."""


@pytest.mark.parametrize("name", LIVE)
def test_what_is_known_of_a_person_and_what_people_say_reaches_no_history(
    name: str, database: Database, server: TemporalServer
) -> None:
    with PATHS[name].walked(database, server) as world:
        told: Any = everything_the_engine_knows(world)

        assert [word for word in known_of(world) if word in told] == []
        assert personal_data(told) == []
        assert str(world.process_id) in told, "what is looked through is really the history of this process"


def test_a_running_history_finds_every_name_that_it_knows(database: Database) -> None:
    """Names may be added here. One that changes or goes breaks the processes that run."""

    def names(registered: Any, kind: str) -> dict[str, Any]:
        found = [getattr(one, f"__temporal_{kind}_definition") for one in registered]
        return {definition.name: definition for definition in found}

    known = names(WORKFLOWS[PROCESSES_QUEUE], "workflow")["Request"]
    assert set(known.signals) >= {"request_changed", "complete_task_signal", "cancel_process"}
    assert set(known.updates) >= {"complete_task", "claim_task", "cancel_process", "reschedule_visit"}
    assert set(names(process_activities(database, SETTINGS), "activity")) >= {
        "request.look", "request.watch_clock", "request.give_up_waiting", "request.close_as_cancelled",
    }  # fmt: skip
