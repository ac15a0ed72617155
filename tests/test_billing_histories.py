"""Billing runs that are under way go on being understood: `tests/billing_paths.py` says how histories are recorded."""

import asyncio
import json

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from models.contracts.engine import BILLING_QUEUE
from models.database import Database
from settings import Settings
from tests.billing_paths import BILLING, PATHS
from workers.registry import WORKFLOWS, billing_activities
from workflows.engine import DATA_CONVERTER

RECORDED = sorted(path.stem for path in BILLING.glob("*.json"))
ACTIVITY_NAMES = {
    "billing.open_monthly_run", "billing.plan_run", "billing.bill_partition", "billing.queue_notices",
    "billing.close_run", "task.note_refused_act",
}  # fmt: skip
SUMMARISED = {EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, EventType.EVENT_TYPE_MARKER_RECORDED}


def history_of(name: str) -> WorkflowHistory:
    kept = json.loads((BILLING / f"{name}.json").read_text())
    return WorkflowHistory.from_json(kept["workflow_id"], kept["history"])


@pytest.mark.parametrize("name", RECORDED)
def test_a_run_that_took_this_path_is_understood(name: str) -> None:
    replayer = Replayer(workflows=WORKFLOWS[BILLING_QUEUE], data_converter=DATA_CONVERTER)
    asyncio.run(replayer.replay_workflow(history_of(name)))


@pytest.mark.parametrize("name", RECORDED)
def test_every_step_says_what_it_is(name: str) -> None:
    mute = [
        event.event_id
        for event in history_of(name).events
        if event.event_type in SUMMARISED and not event.user_metadata.summary.data
    ]
    assert mute == []


def test_every_path_is_recorded() -> None:
    assert set(RECORDED) == {*PATHS, "went_on", "came_to_the_end", "opened_by_the_schedule"}


def test_names_that_histories_know_are_kept(database: Database) -> None:
    workflows = {getattr(workflow, "__temporal_workflow_definition").name for workflow in WORKFLOWS[BILLING_QUEUE]}
    steps = billing_activities(database, Settings())
    registered = {getattr(step, "__temporal_activity_definition").name for step in steps}

    assert workflows == {"BillingRun", "OpenDunning", "OpenMonthlyBilling"}
    assert registered >= ACTIVITY_NAMES
