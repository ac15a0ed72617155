"""Histories of tariff changes are understood by the program as it is, and hold nobody's data."""

from collections.abc import Callable
from typing import Any

import pytest

from models.contracts.engine import PROCESSES_QUEUE
from models.contracts.forms import FORMS
from models.contracts.processes import ProcessStatus, TaskKind
from models.contracts.tariff_change import TariffChangeStage
from models.database import Database
from tests.connection_world import SETTINGS
from tests.engines import TemporalServer
from tests.histories import FOLDER, Recording
from tests.history_reading import (
    everything_the_engine_knows,
    known_data,
    personal_data,
)
from tests.tariff_change_paths import PATHS
from workers.registry import WORKFLOWS, process_activities

TimeSkipping = Callable[[], TemporalServer]
RECORDED = sorted(f"tariff_change/{path.stem}" for path in (FOLDER / "tariff_change").glob("*.json"))
TASKS = {
    TaskKind.CONTROL_DEBT, TaskKind.PURCHASE, TaskKind.ASSIGN_CREW, TaskKind.REPLACE, TaskKind.SIGN_ACT,
    TaskKind.MEND_NETWORK,
}  # fmt: skip
ACTIVITY_NAMES = {
    "debt.check", "debt.control", "debt.remind", "network.change_profile", "network.restore_profile",
    "tariff_change.begin_switching", "tariff_change.close_as_cancelled", "tariff_change.compare_equipment",
    "tariff_change.draw_up_act", "tariff_change.give_port_back", "tariff_change.release_equipment",
    "tariff_change.reserve_equipment", "tariff_change.set_day", "tariff_change.take_effect",
}  # fmt: skip


def test_every_path_is_recorded() -> None:
    assert set(RECORDED) == {f"tariff_change/{name}" for name in PATHS}, "record them: python -m tests.record_histories"


def test_the_paths_lead_through_every_stage_outcome_and_end() -> None:
    recordings = [Recording.read(name) for name in RECORDED]

    assert {stage for recording in recordings for stage in recording.stages} == set(TariffChangeStage)
    assert {outcome for recording in recordings for outcome in recording.outcomes} == {
        (kind, outcome) for kind in TASKS for outcome in FORMS[kind]
    }
    assert {recording.status for recording in recordings} == {ProcessStatus.COMPLETED, ProcessStatus.CANCELLED}


def test_a_change_is_cancelled_on_some_path_in_every_stage_in_which_it_waits() -> None:
    passed_without_a_pause = {TariffChangeStage.REQUEST, TariffChangeStage.CLOSED}
    cancelled = {name.partition("cancelled_in_")[2] for name in RECORDED if "cancelled_in_" in name}

    assert cancelled == set(TariffChangeStage) - passed_without_a_pause


LIVE = [
    "allowed",
    "debt_refused",
    "visited",
    "absent",
    "postponed",
    "signature_refused",
    "switched_at_the_third_attempt",
]
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
    known = definition(workflows["TariffChange"], "workflow")
    steps = {definition(step, "activity").name for step in process_activities(database, SETTINGS)}

    assert set(known.signals) == {"complete_task_signal", "cancel_process", "payment_received", "stock_arrived"}
    assert set(known.updates) == {"complete_task", "claim_task", "cancel_process", "reschedule_visit"}
    assert set(known.queries) == {"state"}
    assert steps >= ACTIVITY_NAMES
