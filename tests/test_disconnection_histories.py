"""Histories of disconnections are understood by the program as it is, and hold nobody's data."""

from collections.abc import Callable
from typing import Any

import pytest

from models.contracts.disconnection import DisconnectionStage
from models.contracts.engine import PROCESSES_QUEUE
from models.contracts.forms import FORMS
from models.contracts.processes import ProcessStatus, TaskKind
from models.database import Database
from tests.connection_world import SETTINGS
from tests.disconnection_paths import PATHS
from tests.engines import TemporalServer
from tests.histories import FOLDER, Recording
from tests.history_reading import (
    everything_the_engine_knows,
    known_data,
    personal_data,
)
from workers.registry import WORKFLOWS, process_activities

TimeSkipping = Callable[[], TemporalServer]
RECORDED = sorted(f"disconnection/{path.stem}" for path in (FOLDER / "disconnection").glob("*.json"))
TASKS = {
    TaskKind.SETTLE_ACCOUNT, TaskKind.APPROVE_WRITE_OFF, TaskKind.ASSIGN_CREW, TaskKind.DISMANTLE, TaskKind.SIGN_ACT,
    TaskKind.REFUND, TaskKind.MEND_NETWORK,
}  # fmt: skip
ACTIVITY_NAMES = {
    "disconnection.check_debt", "disconnection.check_settlement", "disconnection.close",
    "disconnection.close_as_cancelled", "disconnection.control_account", "disconnection.draw_up_act",
    "disconnection.free_port", "disconnection.give_up", "disconnection.look_for_equipment",
    "disconnection.remind_of_settlement", "disconnection.resume_service", "disconnection.send_final_invoice",
    "disconnection.take_back_billing", "disconnection.terminate", "network.resume", "network.switch_off",
}  # fmt: skip
WAITING_WITHOUT_A_WAY_BACK = {DisconnectionStage.RETURN, DisconnectionStage.REFUND}


def test_every_path_is_recorded() -> None:
    assert set(RECORDED) == {f"disconnection/{name}" for name in PATHS}, "record them: python -m tests.record_histories"


def test_the_paths_lead_through_every_stage_outcome_and_end() -> None:
    recordings = [Recording.read(name) for name in RECORDED]

    assert {stage for recording in recordings for stage in recording.stages} == set(DisconnectionStage)
    assert {outcome for recording in recordings for outcome in recording.outcomes} == {
        (kind, outcome) for kind in TASKS for outcome in FORMS[kind]
    }
    assert {recording.status for recording in recordings} == {ProcessStatus.COMPLETED, ProcessStatus.CANCELLED}


def test_a_disconnection_is_given_up_on_some_path_in_every_stage_in_which_it_can_be() -> None:
    given_up = {name.partition("cancelled_in_")[2] for name in RECORDED if "cancelled_in_" in name}

    assert given_up == set(DisconnectionStage) - WAITING_WITHOUT_A_WAY_BACK - {DisconnectionStage.CLOSED}


LIVE = [
    "happy", "moved_to_another_account", "written_off", "absent", "postponed_and_moved", "lost", "unsigned",
    "switched_off_at_the_third_attempt", "switched_off_by_hand", "refused_acts", "cancelled_in_settlement",
    "impossible",
]  # fmt: skip
"""Between them they say everything that a person can say in a form, or by cancelling, through the API's path."""


@pytest.mark.parametrize("name", LIVE)
def test_what_is_known_of_a_person_and_what_people_write_reaches_no_history(
    name: str, database: Database, time_skipping: TimeSkipping
) -> None:
    with PATHS[name].walked(database, time_skipping()) as world:
        known, told = known_data(world), everything_the_engine_knows(world)

        assert [word for word in known if word in told] == []
        assert personal_data(told) == []
        assert world.account_no in told, "what is looked through is really the history of this process"


def definition(registered: object, kind: str) -> Any:
    return getattr(registered, f"__temporal_{kind}_definition")


def test_a_running_history_finds_every_name_that_it_knows(database: Database) -> None:
    """Names may be added here. One that changes or goes breaks the processes that run."""
    workflows = {definition(workflow, "workflow").name: workflow for workflow in WORKFLOWS[PROCESSES_QUEUE]}
    known = definition(workflows["Disconnection"], "workflow")
    steps = {definition(step, "activity").name for step in process_activities(database, SETTINGS)}

    assert set(known.signals) == {"complete_task_signal", "cancel_process", "payment_received"}
    assert set(known.updates) == {"complete_task", "claim_task", "cancel_process", "reschedule_visit"}
    assert set(known.queries) == {"state"}
    assert steps >= ACTIVITY_NAMES
