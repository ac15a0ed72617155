"""Histories of outages are understood by the program as it is, are small, and hold nobody's data."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from models.contracts.engine import PROCESSES_QUEUE
from models.contracts.forms import FORMS
from models.contracts.outage import OutageStage
from models.contracts.processes import ProcessStatus, TaskKind
from models.database import Database
from models.tables.network import Premises
from models.tables.people import Subscriber
from models.tables.subscriptions import Subscription
from tests.connection_world import SETTINGS
from tests.engines import TemporalServer
from tests.histories import FOLDER, Recording
from tests.history_reading import everything_the_engine_knows, personal_data
from tests.outage_paths import PATHS
from tests.outage_process_world import World
from tests.outage_world import REASON
from workers.registry import WORKFLOWS, process_activities

RECORDED = sorted(f"outage/{path.stem}" for path in (FOLDER / "outage").glob("*.json"))
MOST_EVENTS = 120


def test_every_path_is_recorded() -> None:
    assert set(RECORDED) == {f"outage/{name}" for name in PATHS}, "record them: python -m tests.record_histories"


def test_the_paths_lead_through_every_stage_outcome_and_end() -> None:
    recordings = [Recording.read(name) for name in RECORDED]

    assert {stage for recording in recordings for stage in recording.stages} == set(OutageStage)
    assert {outcome for recording in recordings for outcome in recording.outcomes} == {
        (TaskKind.GIVE_OUTAGE_END, outcome) for outcome in FORMS[TaskKind.GIVE_OUTAGE_END]
    }
    assert {recording.status for recording in recordings} == {ProcessStatus.COMPLETED, ProcessStatus.CANCELLED}


@pytest.mark.parametrize("name", RECORDED)
def test_a_history_is_small(name: str) -> None:
    assert len(Recording.read(name).events()) <= MOST_EVENTS


@pytest.fixture(scope="module")
def server() -> Iterator[TemporalServer]:
    server = TemporalServer.time_skipping()
    yield server
    server.stop()


def known_of(world: World) -> set[str]:
    """What the database knows of those affected, word by word, and the words that people wrote."""
    known: set[str] = set()
    with world.database.transaction() as session:
        for served in world.town.people:
            subscriber = session.get_one(Subscriber, served.subscriber_id)
            address = session.scalars(
                select(Premises.address).join(Subscription).where(Subscription.id == served.subscription_id)
            ).one()
            words = f"{subscriber.full_name} {address} {REASON}".replace(",", " ").split()
            known |= {subscriber.iin, subscriber.phone[2:], *(word for word in words if len(word) > 3)}
    return known


@pytest.mark.parametrize("name", ["overrun_and_extended", "cancelled"])
def test_what_is_known_of_people_and_what_people_write_reaches_no_history(
    name: str, database: Database, server: TemporalServer
) -> None:
    with PATHS[name].walked(database, server) as world:
        told = everything_the_engine_knows(world)

        assert [word for word in known_of(world) if word in told] == []
        assert personal_data(told) == []
        assert str(world.process_id) in told, "what is looked through is really the history of this process"


def test_a_running_history_finds_every_name_that_it_knows(database: Database) -> None:
    """Names may be added here. One that changes or goes breaks the processes that run."""

    def names(registered: Any, kind: str) -> dict[str, Any]:
        found = [getattr(one, f"__temporal_{kind}_definition") for one in registered]
        return {definition.name: definition for definition in found}

    known = names(WORKFLOWS[PROCESSES_QUEUE], "workflow")["Outage"]
    assert set(known.signals) >= {
        "look_again", "another_outage_changed", "complete_task_signal", "cancel_process"
    }  # fmt: skip
    assert set(known.updates) >= {"complete_task", "claim_task", "cancel_process"}
    assert set(known.queries) >= {"state", "progress"}
    assert set(names(process_activities(database, SETTINGS), "activity")) >= {"outage.go_on", "outage.call_off"}
