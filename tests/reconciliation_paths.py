"""The paths that a bank's day can take, each driven on a real server; their histories are kept for replay.

`python -m tests.reconciliation_paths [path …]` records them anew into `tests/histories/reconciliation/`. Do so when a
path is added, and never to make a failed replay pass: see `tests/record_histories.py`.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import select
from temporalio import activity

import migrations
from activities.reconciliation_steps import ReconciliationActivities
from models.contracts.engine import OPEN_RECONCILIATIONS
from models.contracts.processes import TaskKind
from models.contracts.reconciliation_process import DayClosed, ReconciliationPolicy
from models.contracts.steps import ProcessStep
from models.database import Database
from models.tables.processes import Process, ProcessStage, Task
from tests.conftest import NOT_DURABLE
from tests.connection_world import eventually
from tests.engines import TemporalServer
from tests.histories import FOLDER, Recording, without_machines
from tests.reconciliation_world import SETTINGS, BankWorld, bank_world
from workers import seed
from workers.local_servers import PostgreSQL

RECONCILIATION = FOLDER / "reconciliation"
SCHEDULED = "opened_by_the_schedule"


class LastMoment(ReconciliationActivities):
    """The steps of a day, and whatever happens before it is closed."""

    before_close: Callable[[], object] = staticmethod(lambda: None)

    @activity.defn(name="reconciliation.close")
    def close(self, step: ProcessStep) -> DayClosed:
        self.before_close()
        return super().close(step)


def closed(world: BankWorld) -> None:
    """Registry, money, closed."""
    world.open()
    to_settlement(world)
    world.bring_in(world.transfer(99_050))


def with_differences(world: BankWorld) -> None:
    """Every kind of task about a difference, side by side."""
    eve = world.day - timedelta(days=1)
    world.pay(30_000, txn="extra")
    world.pay(50_000, txn="other-sum")
    world.pay(9_000, 2, txn="of-the-eve", day=eve)
    one, _, three = world.accounts
    world.send([
        ("other-sum", one, 5_000), ("of-the-eve", three, 9_000), ("missing", one, 4_000), ("too-much", one, -1_000),
        ("left-1", one, 100), ("extra-2", one, 1),
    ])  # fmt: skip
    expected = {
        "reverse_payment": "reversed", "correct_payment": "corrected", "accept_date": "accepted",
        "explain_difference": "left",
    }  # fmt: skip
    eventually(lambda: len(world.open_tasks()) == 7)
    for task in world.open_tasks():
        outcome = expected.get(task.kind) or ("posted" if task.facts["txn_id"] == "missing" else "left")
        world.complete(task, outcome, {"reason": "the bank mends it"} if outcome == "left" else {})
    to_close(world)


def all_left(world: BankWorld) -> None:
    """Every kind of difference is left with a reason."""
    world.pay(30_000, txn="extra")
    world.pay(50_000, txn="other-sum")
    world.pay(9_000, 2, txn="of-the-eve", day=world.day - timedelta(days=1))
    world.send([("other-sum", world.accounts[0], 5_000), ("of-the-eve", world.accounts[2], 9_000)])
    eventually(lambda: len(world.open_tasks()) == 3)
    for task in world.open_tasks():
        world.complete(task, "left", {"reason": "the bank mends it"})
    to_close(world)


def gone_by_itself(world: BankWorld) -> None:
    """A late payment takes its difference away."""
    world.send([("late", world.accounts[0], 10_000)])
    world.task(TaskKind.POST_PAYMENT)
    world.pay(10_000, txn="late", late=True)
    to_close(world)


def escalated(world: BankWorld) -> None:
    """A difference that nobody decides about in time."""
    world.send([("missing", world.accounts[0], 10_000)])
    world.task(TaskKind.POST_PAYMENT)
    world.sleep(timedelta(days=3, hours=1))
    eventually(lambda: world.task(TaskKind.POST_PAYMENT).escalated_at)
    world.complete(world.task(TaskKind.POST_PAYMENT), "posted")
    to_close(world)


def refused_act(world: BankWorld) -> None:
    """An account that nobody has, then one that somebody has."""
    world.send([("missing", "0000000", 10_000)])
    world.task(TaskKind.POST_PAYMENT)
    try:
        world.complete(world.task(TaskKind.POST_PAYMENT), "posted", {"account_no": "nobody"})
    except Exception:  # noqa: BLE001 - the refusal is the point
        world.complete(world.task(TaskKind.POST_PAYMENT), "posted", {"account_no": world.accounts[0]})
    to_close(world)


def registry_overdue(world: BankWorld) -> None:
    """The registry comes after accounting was asked for it."""
    world.open()
    world.sleep(timedelta(days=1, hours=1))
    world.task(TaskKind.GET_REGISTRY)
    to_settlement(world)
    to_close(world)


def registry_received(world: BankWorld) -> None:
    """Accounting says that it is there before the process has heard of it."""
    world.open()
    world.sleep(timedelta(days=1, hours=1))
    task = world.task(TaskKind.GET_REGISTRY)
    untold(world, lambda: world.send(world.rows(world.pay(100_000))))
    world.complete(task, "received")
    world.wait_for_stage("settlement")
    to_close(world)


def nothing_paid(world: BankWorld) -> None:
    """No registry, as there were no payments."""
    world.open()
    world.sleep(timedelta(days=1, hours=1))
    world.complete(world.task(TaskKind.GET_REGISTRY), "nothing_was_paid", {"reason": "a holiday of the bank"})


def doubtful_accepted(world: BankWorld) -> None:
    """A total that does not agree, taken all the same."""
    doubtful(world)
    world.complete(world.task(TaskKind.CHECK_REGISTRY), "accepted", {"reason": "a test line of the bank"})
    to_close(world)


def doubtful_refused(world: BankWorld) -> None:
    """A total that does not agree, and a corrected file."""
    doubtful(world)
    world.complete(world.task(TaskKind.CHECK_REGISTRY), "refused", {"reason": "cut off in the middle"})
    eventually(lambda: world.state().stage == "registry")
    world.send(world.rows("A-1"))
    to_close(world)


def corrected(world: BankWorld) -> None:
    """Another registry while accounting is at work on the first."""
    txn = world.pay(100_000)
    world.send([])
    world.task(TaskKind.REVERSE_PAYMENT)
    world.send(world.rows(txn))
    to_close(world)


def carried_out_together(world: BankWorld) -> None:
    """Many differences, and what is proposed for all of them."""
    crowd(world)
    world.complete(world.task(TaskKind.RESOLVE_DIFFERENCES), "carried_out")
    to_close(world)


def left_together(world: BankWorld) -> None:
    """Many differences, all of them left."""
    crowd(world)
    world.complete(world.task(TaskKind.RESOLVE_DIFFERENCES), "left", {"reason": "a fault of the bank's export"})
    to_close(world)


def settled_by_line(world: BankWorld) -> None:
    """A transfer of another sum is accepted."""
    to_settlement(world)
    world.bring_in(world.transfer(98_000, purpose=f"за {world.day:%d.%m.%Y}"))
    task = world.task(TaskKind.SETTLE_BANK_DAY)
    lines = [line["line_id"] for line in task.facts["candidates"]]
    world.complete(task, "settled", {"line_ids": lines, "reason": "a new price list"})


def settled_without_statement(world: BankWorld) -> None:
    """Money that came in without a statement."""
    overdue(world)
    money = {"amount": {"amount_minor": 99_050, "currency": "KZT"}, "reference": "17"}
    data = {**money, "received_on": world.day.isoformat()}
    world.complete(world.task(TaskKind.SETTLE_BANK_DAY), "received", data)


def left_in_transit(world: BankWorld) -> None:
    """Money that is waited for no longer."""
    overdue(world)
    world.complete(world.task(TaskKind.SETTLE_BANK_DAY), "left", {"reason": "the bank is insolvent"})


def money_overdue(world: BankWorld) -> None:
    """Money that comes after accounting was asked for it."""
    overdue(world)
    world.bring_in(world.transfer(99_050))


def changed_in_the_last_moment(world: BankWorld) -> None:
    """A payment that arrives between the last look and the close."""
    payments = iter(["late"])

    def pay() -> None:
        for txn in payments:
            untold(world, partial(world.pay, 1_000, txn=txn))

    LastMoment.before_close = staticmethod(pay)
    try:
        to_settlement(world)
        world.bring_in(world.transfer(99_050))
        world.complete(world.task(TaskKind.REVERSE_PAYMENT), "reversed")
        world.outcome()
    finally:
        LastMoment.before_close = staticmethod(lambda: None)


def cancelled_without_a_registry(world: BankWorld) -> None:
    """Cancelled while the registry is waited for."""
    world.open()
    eventually(lambda: world.state().stage == "registry")
    world.cancel()


def cancelled_with_differences(world: BankWorld) -> None:
    """Cancelled with several tasks open."""
    world.send([(f"A-{number}", world.accounts[0], 1_000) for number in range(3)])
    eventually(lambda: len(world.open_tasks()) == 3)
    world.cancel()


def cancelled_before_the_money(world: BankWorld) -> None:
    """Cancelled while the transfer is waited for."""
    to_settlement(world)
    eventually(lambda: world.state().stage == "settlement")
    world.cancel()


def cancelled_in_the_temporal_ui(world: BankWorld) -> None:
    """The same by a request to cancel the workflow, with a task open."""
    world.send([("A-1", world.accounts[0], 1_000)])
    world.task(TaskKind.POST_PAYMENT)
    assert world.server is not None
    world.server.run(world.handle().cancel())


PATHS = {
    path.__name__: path
    for path in (
        closed, with_differences, all_left, gone_by_itself, escalated, refused_act, registry_overdue,
        registry_received, nothing_paid, doubtful_accepted, doubtful_refused, corrected, carried_out_together,
        left_together, settled_by_line, settled_without_statement, left_in_transit, money_overdue,
        changed_in_the_last_moment, cancelled_without_a_registry, cancelled_with_differences,
        cancelled_before_the_money, cancelled_in_the_temporal_ui,
    )
}  # fmt: skip


def to_settlement(world: BankWorld) -> None:
    """Paid, and confirmed by the registry."""
    world.send(world.rows(world.pay(100_000)))
    world.wait_for_stage("settlement")


def to_close(world: BankWorld) -> None:
    """Whatever the registry adds up to comes in, its fee taken off."""
    if world.process().status == "open":
        eventually(lambda: world.reconciliation().ready_at is not None)
        day = world.reconciliation()
        if day.gross_minor > 0:
            assert day.fee_minor is not None
            world.bring_in(world.transfer(day.gross_minor - day.fee_minor))


def overdue(world: BankWorld) -> None:
    """The transfer did not come in its time."""
    to_settlement(world)
    world.sleep(timedelta(days=8, hours=1))
    world.task(TaskKind.SETTLE_BANK_DAY)


def doubtful(world: BankWorld) -> None:
    """A registry with another total."""
    world.pay(10_000, txn="A-1")
    world.send(f"A-1\t{world.day:%d.%m.%Y}\t10:00:00\t{world.accounts[0]}\t100.00\nTotal: 2 200.00\n")


def crowd(world: BankWorld) -> None:
    """More differences than have tasks of their own."""
    world.policy = ReconciliationPolicy(most_tasks=2)
    world.send([(f"A-{number}", world.accounts[0], 1_000) for number in range(5)])
    world.task(TaskKind.RESOLVE_DIFFERENCES)


def untold(world: BankWorld, act: Callable[[], Any]) -> None:
    """Something happens of which the process hears later, or never."""
    server, world.server = world.server, None
    try:
        act()
    finally:
        world.server = server


@contextmanager
def walked(name: str, database: Database, server: TemporalServer) -> Any:
    """A day that has gone a path to its end."""
    with bank_world(database, server, steps=LastMoment(database, SETTINGS)) as world:
        PATHS[name](world)
        world.outcome()
        yield world


def main(names: list[str]) -> None:
    """Record the paths that are named, or all of them and what the schedule starts."""
    folder = Path(tempfile.mkdtemp(prefix="abonent-record-"))
    RECONCILIATION.mkdir(parents=True, exist_ok=True)
    try:
        with PostgreSQL(folder / "data", options=NOT_DURABLE).running() as postgres:
            migrations.upgrade(postgres.url)
            database = Database(postgres.url)
            with database.transaction() as session:
                seed.seed(session)
            for name in names or PATHS:
                _record(name, database)
            if not names:
                _record_the_schedules(database)
            database.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _record(name: str, database: Database) -> None:
    server = TemporalServer.time_skipping()
    try:
        with walked(name, database, server) as world:
            _write(name, _recording(world, world.process()))
    finally:
        server.stop()


def _recording(world: BankWorld, process: Process) -> Recording:
    assert world.server is not None
    history = world.server.run(world.handle().fetch_history())
    with world.database.transaction() as session:
        stages = session.scalars(
            select(ProcessStage.name).where(ProcessStage.process_id == process.id).order_by(ProcessStage.entered_at)
        ).all()
        done = session.execute(
            select(Task.kind, Task.outcome)
            .where(Task.process_id == process.id, Task.outcome.is_not(None))
            .order_by(Task.completed_at)
        ).all()
    return Recording(
        workflow_id=process.workflow_id, stages=list(stages), outcomes=[(str(kind), str(word)) for kind, word in done],
        status=str(process.status), history=json.loads(history.to_json()),
    )  # fmt: skip


def _record_the_schedules(database: Database) -> None:
    server = TemporalServer.time_skipping()
    try:
        with bank_world(database, server) as world:
            handle = server.run(
                server.client.start_workflow(OPEN_RECONCILIATIONS, id="open-reconciliations", task_queue=world.queue)
            )
            server.run(handle.result())
            history = json.loads(server.run(handle.fetch_history()).to_json())
            _write(SCHEDULED, Recording("open-reconciliations", [], [], "completed", history))
    finally:
        server.stop()


def _write(name: str, recording: Recording) -> None:
    kept = {**recording.__dict__, "history": without_machines(recording.history)}
    text = json.dumps(kept, ensure_ascii=False, indent=1, sort_keys=True)
    (RECONCILIATION / f"{name}.json").write_text(text + "\n")
    print(name, recording.status, len(recording.history["events"]), "events")  # noqa: T201 - a command that tells what it did


if __name__ == "__main__":
    main(sys.argv[1:])
