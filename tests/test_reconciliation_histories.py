"""Banks' days that are under way go on being understood, and their histories name nobody.

`tests/reconciliation_paths.py` says how histories are recorded.
"""

import json
from collections.abc import Callable
from datetime import timedelta

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from models.contracts.engine import PROCESSES_QUEUE
from models.contracts.processes import ProcessStatus, TaskKind
from models.contracts.reconciliation_forms import RECONCILIATION_FORMS
from models.contracts.reconciliation_process import ReconciliationPolicy, ReconciliationStage
from models.database import Database
from settings import Settings
from tests.connection_world import eventually
from tests.engines import TemporalServer
from tests.histories import Recording, legible
from tests.reconciliation_paths import PATHS, RECONCILIATION, SCHEDULED
from tests.reconciliation_world import BankWorld, bank_world
from workers.registry import WORKFLOWS, process_activities

RECORDED = sorted(path.stem for path in RECONCILIATION.glob("*.json"))
ACTIVITY_NAMES = {
    "reconciliation.open_days", "reconciliation.look", "reconciliation.carry_out_wanted", "reconciliation.settle",
    "reconciliation.close", "reconciliation.close_as_cancelled",
}  # fmt: skip
SUMMARISED = {EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, EventType.EVENT_TYPE_MARKER_RECORDED}


def recording_of(name: str) -> Recording:
    return Recording.read(f"reconciliation/{name}")


def test_every_path_is_recorded() -> None:
    assert set(RECORDED) == {*PATHS, SCHEDULED}, "record them: python -m tests.reconciliation_paths"


def test_the_paths_lead_through_every_stage_outcome_and_end() -> None:
    recordings = [recording_of(name) for name in PATHS]

    assert {stage for recording in recordings for stage in recording.stages} == set(ReconciliationStage)
    assert {outcome for recording in recordings for outcome in recording.outcomes} == {
        (kind, outcome) for kind, forms in RECONCILIATION_FORMS.items() for outcome in forms
    }
    assert {recording.status for recording in recordings} == {ProcessStatus.COMPLETED, ProcessStatus.CANCELLED}


def test_names_that_histories_know_are_kept(database: Database) -> None:
    workflows = {getattr(workflow, "__temporal_workflow_definition").name for workflow in WORKFLOWS[PROCESSES_QUEUE]}
    steps = process_activities(database, Settings())
    registered = {getattr(step, "__temporal_activity_definition").name for step in steps}

    assert workflows >= {"Reconciliation", "OpenReconciliations"}
    assert registered >= ACTIVITY_NAMES


def test_no_history_names_a_payer(database: Database, time_skipping: Callable[[], TemporalServer]) -> None:
    with bank_world(database, time_skipping()) as world:
        eve = world.day - timedelta(days=1)
        world.policy = ReconciliationPolicy(most_tasks=6)
        world.pay(10_000, 0, txn="other-account")
        world.pay(20_000, 1, txn="extra", by_iin=True)
        world.pay(30_000, 2, txn="of-the-eve", day=eve)
        one, two, three = world.accounts
        world.send(
            [("other-account", two, 10_000), ("missing", one, 5_000), ("by-iin", world.iins[1], 6_000),
             ("of-the-eve", three, 30_000), ("nobodys", "880101300014", 7_000)]
        )  # fmt: skip
        world.complete(
            world.task(TaskKind.POST_PAYMENT, kind="unknown_account"), "posted", {"account_no": one, "comment": "нашли"}
        )
        for kind, outcome in (
            (TaskKind.CORRECT_PAYMENT, "corrected"),
            (TaskKind.POST_PAYMENT, "posted"),
            (TaskKind.POST_PAYMENT, "posted"),
            (TaskKind.ACCEPT_DATE, "accepted"),
            (TaskKind.REVERSE_PAYMENT, "reversed"),
        ):
            world.complete(world.task(kind), outcome)
        world.bring_in(world.transfer(98_000, purpose=f"за {world.day:%d.%m.%Y} ИИН {world.iins[0]}"))
        task = world.task(TaskKind.SETTLE_BANK_DAY)
        lines = [line["line_id"] for line in task.facts["candidates"]]
        world.complete(task, "settled", {"line_ids": lines, "fee_minor": 0, "reason": f"see {world.iins[0]}"})
        assert world.outcome().status is ProcessStatus.COMPLETED
        histories = legible(history_of(world))

    assert "bank_day_changed" in histories
    for secret in [*world.people(), "880101300014", "нашли", world.bank_iik]:
        assert secret not in histories


def history_of(world: BankWorld) -> WorkflowHistory:
    assert world.server is not None
    return world.server.run(world.handle().fetch_history())


def test_fifty_differences_have_a_history_that_stays_small(
    database: Database, time_skipping: Callable[[], TemporalServer]
) -> None:
    with bank_world(database, time_skipping()) as world:
        world.send([(f"A-{number}", world.accounts[number % 3], 1_000) for number in range(50)])
        tasks = eventually(lambda: found if len(found := world.open_tasks()) == 50 else None)
        for task in tasks:
            world.complete(task, "posted")
        world.wait_for_stage("settlement")
        history = json.loads(history_of(world).to_json())

    assert len(history["events"]) < 1_500, "thirty each, where the engine bears fifty thousand"
    assert len(json.dumps(history)) < 1_500_000
    assert set(world.standing().values()) == {1_000}
