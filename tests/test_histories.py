"""Histories: those of running processes must go on being readable by the program, and never hold anybody's data.

`tests/histories/` holds a recording of every path of a connection; `tests/record_histories.py` says how they are made.
"""

import asyncio
import dataclasses
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions
from temporalio.workflow import SandboxImportNotificationPolicy

from models.contracts.connection import ConnectionStage
from models.contracts.engine import CANCEL_PROCESS, MESSAGING_QUEUE, PROCESSES_QUEUE, SEARCH_ATTRIBUTES
from models.contracts.forms import FORMS
from models.contracts.processes import ProcessStatus, TaskKind
from models.database import Database
from tests import connection_paths, factories
from tests.careless_workflow import Careless
from tests.connection_paths import PATHS, REASON
from tests.connection_world import SETTINGS, World, connection_world
from tests.engines import TemporalServer
from tests.histories import FOLDER, Recording
from tests.history_reading import (
    ALL_WORKFLOWS,
    everything_the_engine_knows,
    known_data,
    personal_data,
    replayer,
)
from workers.registry import messaging_activities, process_activities

TimeSkipping = Callable[[], TemporalServer]
RECORDED = sorted(path.stem for path in FOLDER.glob("*.json"))
CONNECTION_TASKS = {
    TaskKind.PURCHASE, TaskKind.ASSIGN_CREW, TaskKind.INSTALL, TaskKind.SIGN_ACT, TaskKind.REFUND,
}  # fmt: skip
"""What a connection asks of people."""


# -- replay ----------------------------------------------------------------------------------------------------------


def test_every_path_is_recorded() -> None:
    assert set(RECORDED) >= set(PATHS), "record them: python -m tests.record_histories"


def test_the_paths_lead_through_every_stage_outcome_and_end() -> None:
    recordings = [Recording.read(name) for name in RECORDED]

    stages = {stage for recording in recordings for stage in recording.stages}
    outcomes = {outcome for recording in recordings for outcome in recording.outcomes}
    assert stages == set(ConnectionStage)
    possible = {(kind, outcome) for kind, forms in FORMS.items() if kind in CONNECTION_TASKS for outcome in forms}
    # Whoever is not connected yet has no second account; a balance is moved on the paths of a disconnection.
    assert outcomes == possible - {(TaskKind.REFUND, "moved")}
    assert {recording.status for recording in recordings} == {ProcessStatus.COMPLETED, ProcessStatus.CANCELLED}


def test_a_connection_is_cancelled_on_some_path_in_every_stage_in_which_it_waits() -> None:
    passed_without_a_pause = {ConnectionStage.APPLICATION, ConnectionStage.CONTRACT, ConnectionStage.CLOSED}
    cancelled = {name.removeprefix("cancelled_in_").split("_")[0] for name in RECORDED if "cancelled_in_" in name}

    assert cancelled == set(ConnectionStage) - passed_without_a_pause


# -- privacy ---------------------------------------------------------------------------------------------------------


def test_the_search_for_personal_data_finds_it() -> None:
    iin = factories.new_iin()
    text = f"name: Арман, phone: +77015554433, iin: {iin}, id: 01a20b9e-2a02-7b27-a56c-{iin}"

    assert personal_data(text) == ["Арман", "+77015554433", iin]


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[World]:
    with connection_world(database, time_skipping()) as world:
        yield world


LIVE = [
    "happy", "purchased", "postponed", "absent", "swapped", "refused_acts", "switched_on_at_the_third_attempt",
    "purchase_refused", "installation_impossible", "cancelled_in_prepayment_with_money",
]  # fmt: skip
"""Between them they say everything that a person can say in a form, or by cancelling, through the API's path."""


@pytest.mark.parametrize("name", LIVE)
def test_what_is_known_of_a_person_and_what_people_write_reaches_no_history(
    name: str, database: Database, time_skipping: TimeSkipping
) -> None:
    path = PATHS[name]
    with path.world(database, time_skipping()) as world:
        path.drive(world)
        world.outcome()

        known, told = known_data(world), everything_the_engine_knows(world)

        assert [word for word in known if word in told] == []
        assert personal_data(told) == []
        assert world.account_no in told, "what is looked through is really the history of this process"


def test_what_somebody_writes_in_the_temporal_ui_would_be_found(world: World) -> None:
    world.to_prepayment()
    connection_paths.signal(world, CANCEL_PROCESS, {"reason": REASON})
    world.outcome()

    assert "Нұрпейісов" in everything_the_engine_knows(world)


# -- the sandbox -----------------------------------------------------------------------------------------------------


def modules_loaded_anew(workflows: list[type]) -> set[str]:
    """The modules that the sandbox loads anew for each process, because nothing passes them through."""
    watchful = SandboxedWorkflowRunner(
        restrictions=dataclasses.replace(
            SandboxRestrictions.default,
            import_notification_policy=SandboxImportNotificationPolicy.WARN_ON_UNINTENTIONAL_PASSTHROUGH,
        )
    )
    history = Recording.read("happy").for_replay()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(replayer(workflows=workflows, workflow_runner=watchful).replay_workflow(history))
    told = [re.match(r"Module (\S+) was not intentionally passed through", str(one.message)) for one in caught]
    return {match[1] for match in told if match}


def test_the_sandbox_loads_nothing_anew_but_workflows() -> None:
    assert {name for name in modules_loaded_anew(ALL_WORKFLOWS) if name.split(".")[0] != "workflows"} == set()


def test_an_import_that_is_not_passed_through_would_be_seen() -> None:
    assert "models.contracts.engine" in modules_loaded_anew([*ALL_WORKFLOWS, Careless])


# -- names -----------------------------------------------------------------------------------------------------------

ON_EVERY_STAFF_PROCESS = {
    "signals": {"complete_task_signal", "cancel_process"},
    "updates": {"complete_task", "claim_task", "cancel_process"},
    "queries": {"state"},
}
WORKFLOW_NAMES: dict[str, dict[str, set[str]]] = {
    "Connection": {
        "signals": ON_EVERY_STAFF_PROCESS["signals"] | {"payment_received", "stock_arrived"},
        "updates": ON_EVERY_STAFF_PROCESS["updates"] | {"reschedule_visit"},
        "queries": ON_EVERY_STAFF_PROCESS["queries"],
    },
    "MessageDelivery": {"signals": {"messages_queued"}, "updates": set(), "queries": set()},
}
ACTIVITY_NAMES = {
    PROCESSES_QUEUE: {
        "connection.check_prepayment", "connection.close", "connection.close_as_cancelled", "connection.draw_up_act",
        "connection.release_equipment", "connection.remind_of_prepayment", "connection.reserve_equipment",
        "connection.send_contract_and_invoice", "connection.take_back_contract_and_invoice",
        "connection.withdraw_application", "network.switch_off", "network.switch_on",
        "task.claim", "task.complete", "task.escalate", "task.note_refused_act", "task.open", "task.withdraw",
        "visit.free", "visit.move",
    },
    MESSAGING_QUEUE: {"messaging.send_due"},
}  # fmt: skip


def definition(registered: object, kind: str) -> Any:
    return getattr(registered, f"__temporal_{kind}_definition")


def names_of(workflow: type) -> dict[str, set[str]]:
    known = definition(workflow, "workflow")
    return {kind: set(getattr(known, kind)) for kind in ("signals", "updates", "queries")}


def test_a_running_history_finds_every_name_that_it_knows() -> None:
    """Names may be added here. One that changes or goes breaks the processes that run."""
    registered = {definition(workflow, "workflow").name: names_of(workflow) for workflow in ALL_WORKFLOWS}

    for name, handlers in WORKFLOW_NAMES.items():
        assert registered[name] == handlers


def test_a_running_history_finds_every_step_that_it_knows(database: Database) -> None:
    steps = {
        PROCESSES_QUEUE: process_activities(database, SETTINGS),
        MESSAGING_QUEUE: messaging_activities(database, SETTINGS),
    }

    for queue, activities in steps.items():
        assert {definition(activity, "activity").name for activity in activities} >= ACTIVITY_NAMES[queue]


def test_the_names_of_the_contract_are_kept() -> None:
    assert (PROCESSES_QUEUE, MESSAGING_QUEUE) == ("processes", "messaging")
    assert SEARCH_ATTRIBUTES == ("ProcessKind", "Stage", "Department", "SubscriberId", "AccountNo")


# -- what a person sees in the Temporal UI ---------------------------------------------------------------------------

EXPLAINED = {
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_MARKER_RECORDED,
}


def summary_of(event: HistoryEvent) -> str:
    return event.user_metadata.summary.data.decode()


def test_the_happy_path_reads_like_a_story() -> None:
    summaries = [summary_of(event) for event in Recording.read("happy").events() if event.event_type in EXPLAINED]

    assert [re.sub(r" at .*", "", summary.strip('"')) for summary in summaries] == [
        "reserve equipment", "send contract and invoice", "remind of payment", "check prepayment",
        "assign_crew for dispatcher", "assign_crew is due", "complete the task",
        "install for installer", "install is due", "complete the task",
        "draw up act", "sign_act for installer", "sign_act is due", "complete the task",
        "switch the service on", "close",
    ]  # fmt: skip


def test_the_current_details_say_where_a_process_stands(world: World) -> None:
    world.to_scheduling()

    metadata = world.server.run(world.handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata))

    assert metadata.current_details == "**connection**: scheduling, waiting for task:assign_crew"
