"""Histories of dunning are understood by the program as it is, are small, and hold nobody's data."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from models.contracts.dunning_words import DunningStage
from models.contracts.engine import BILLING_QUEUE, PROCESSES_QUEUE
from models.contracts.forms import FORMS
from models.contracts.processes import ProcessStatus, TaskKind
from models.database import Database
from models.tables.network import Premises
from models.tables.people import Subscriber
from models.tables.subscriptions import Subscription
from tests.connection_world import SETTINGS
from tests.dunning_paths import PATHS, REASON
from tests.dunning_world import World
from tests.engines import TemporalServer
from tests.histories import FOLDER, Recording
from tests.history_reading import everything_the_engine_knows, personal_data
from workers.registry import WORKFLOWS, billing_activities, process_activities

TimeSkipping = Callable[[], TemporalServer]
RECORDED = sorted(f"dunning/{path.stem}" for path in (FOLDER / "dunning").glob("*.json"))
MOST_EVENTS = 120


def test_every_path_is_recorded() -> None:
    assert set(RECORDED) == {f"dunning/{name}" for name in PATHS}, "record them: python -m tests.record_histories"


def test_the_paths_lead_through_every_stage_outcome_and_end() -> None:
    recordings = [Recording.read(name) for name in RECORDED]

    assert {stage for recording in recordings for stage in recording.stages} == set(DunningStage)
    assert {outcome for recording in recordings for outcome in recording.outcomes} == {
        (TaskKind.CALL_DEBTOR, outcome) for outcome in FORMS[TaskKind.CALL_DEBTOR]
    }
    assert {recording.status for recording in recordings} == {ProcessStatus.COMPLETED, ProcessStatus.CANCELLED}


@pytest.mark.parametrize("name", RECORDED)
def test_a_history_stays_small_however_long_it_takes(name: str) -> None:
    assert len(Recording.read(name).events()) <= MOST_EVENTS


def known_of(world: World) -> set[str]:
    """What the database knows of the person, word by word, and the words that people wrote."""
    with world.database.transaction() as session:
        subscriber = session.get_one(Subscriber, world.life.account.subscriber_id)
        address = session.scalars(
            select(Premises.address).join(Subscription).where(Subscription.id == world.life.subscription_id)
        ).one()
        words = f"{subscriber.full_name} {address} {REASON}".replace(",", " ").split()
        return {subscriber.iin, subscriber.phone, subscriber.phone[2:], *(word for word in words if len(word) > 3)}


@pytest.mark.parametrize("name", ["paid_while_it_is_disconnected", "promised_on_the_phone", "refused", "cancelled"])
def test_what_is_known_of_a_person_and_what_people_write_reaches_no_history(
    name: str, database: Database, time_skipping: TimeSkipping
) -> None:
    with PATHS[name].walked(database, time_skipping()) as world:
        told: Any = everything_the_engine_knows(world)

        assert [word for word in known_of(world) if word in told] == []
        assert personal_data(told) == []
        assert world.life.account.account_no in told, "what is looked through is really the history of this process"


def test_a_running_history_finds_every_name_that_it_knows(database: Database) -> None:
    """Names may be added here. One that changes or goes breaks the processes that run."""

    def names(registered: Any, kind: str) -> dict[str, Any]:
        found = [getattr(one, f"__temporal_{kind}_definition") for one in registered]
        return {definition.name: definition for definition in found}

    known = names(WORKFLOWS[PROCESSES_QUEUE], "workflow")["Dunning"]
    assert set(known.signals) >= {"payment_received", "look_again", "complete_task_signal", "cancel_process"}
    assert set(known.updates) >= {"complete_task", "claim_task", "cancel_process"}
    assert set(names(process_activities(database, SETTINGS), "activity")) >= {
        "dunning.look", "dunning.cancel", "dunning.let_network_follow",
    }  # fmt: skip
    assert set(names(billing_activities(database, SETTINGS), "activity")) >= {
        "dunning.begin_round", "dunning.wake_part", "dunning.open_part",
    }  # fmt: skip
    assert "OpenDunning" in names(WORKFLOWS[BILLING_QUEUE], "workflow")
