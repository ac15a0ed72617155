"""A bank's day survives crashes and crowds: steps that are done again, answers that are lost, acts at the same time."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select
from temporalio import activity

from activities import bank_statements, comparison, difference_actions
from activities.bank_day_opening import open_day
from activities.difference_actions import Decision
from activities.reconciliation_news import GATHERED_FOR
from activities.reconciliation_steps import ReconciliationActivities
from activities.tasks import TaskActivities
from models.contracts.processes import ProcessStatus, TaskActOrder, TaskDone, TaskKind, TaskOpened, TaskOrder
from models.contracts.reconciliation import DifferenceStatus
from models.contracts.reconciliation_process import DayClosed, DayState, LookStep, SettlementState
from models.contracts.refusals import Refusal
from models.contracts.steps import ProcessStep
from models.database import Database
from models.tables.banks import Bank
from models.tables.outbox import Outbox
from models.tables.payments import Payment
from models.tables.processes import Task
from models.tables.reconciliation import BankRegistry
from tests import factories
from tests.connection_world import eventually
from tests.engines import TemporalServer
from tests.reconciliation_world import SETTINGS, ZONE, BankWorld, osmp, statement_file, worker
from tests.test_comparison import compare


class Flaky(ReconciliationActivities):
    """Steps that commit and then lose their answer, the first time each."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, SETTINGS)
        self.lost: set[str] = set()

    def lose(self, name: str) -> None:
        """Fail after the work was committed, once for each name."""
        if name not in self.lost:
            self.lost.add(name)
            raise ConnectionError("the answer is lost")

    @activity.defn(name="reconciliation.look")
    def look(self, step: LookStep) -> DayState:
        state = super().look(step)
        self.lose(f"look {sorted(str(found.proposal) for found in state.found)} {state.open}")
        return state

    @activity.defn(name="reconciliation.settle")
    def settle(self, step: ProcessStep) -> SettlementState:
        state = super().settle(step)
        self.lose(f"settle {state.settled}")
        return state

    @activity.defn(name="reconciliation.close")
    def close(self, step: ProcessStep) -> DayClosed:
        closed = super().close(step)
        self.lose("close")
        return closed


class FlakyTasks(TaskActivities):
    """The same for tasks: opened or completed, and the answer is lost."""

    def __init__(self, flaky: Flaky) -> None:
        super().__init__(flaky._database, SETTINGS)  # noqa: SLF001 - what both stand on
        self._flaky = flaky

    @activity.defn(name="task.open")
    def open(self, order: TaskOrder) -> TaskOpened:
        opened = super().open(order)
        self._flaky.lose(f"open {order.name}")
        return opened

    @activity.defn(name="task.complete")
    def complete(self, order: TaskActOrder) -> TaskDone:
        done = super().complete(order)
        self._flaky.lose(f"complete {done.task_id}")
        return done


def day_with_everything(world: BankWorld) -> None:
    """A payment each that is missing, too much, wrong, and right."""
    world.pay(100_000, txn="right")
    world.pay(30_000, txn="extra")
    world.pay(50_000, 1, txn="wrong")
    one, two, three = world.accounts
    world.send([("right", one, 100_000), ("wrong", two, 5_000), ("missing", three, 40_000)])


def is_right(world: BankWorld) -> None:
    """The day is closed, with the bank's figures, each thing once."""
    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.standing() == {"right": 100_000, "wrong": 5_000, "missing": 40_000}
    assert world.books() == {"1030": 143_622, "3510": -145_000, "7210": 1_378}
    events = world.events()
    assert {event: events.count(event) for event in ("task_opened", "bank_day_settled", "bank_day_closed")} == {
        "task_opened": 3, "bank_day_settled": 1, "bank_day_closed": 1,
    }  # fmt: skip
    with world.database.transaction() as session:
        tasks = session.scalars(select(Task).where(Task.process_id == world.reconciliation().process_id)).all()
    assert sorted((str(task.kind), str(task.status)) for task in tasks) == [
        ("correct_payment", "done"), ("post_payment", "done"), ("reverse_payment", "done"),
    ]  # fmt: skip


OUTCOMES = {"post_payment": "posted", "reverse_payment": "reversed", "correct_payment": "corrected"}


def test_steps_whose_answer_is_lost_are_done_again_and_change_nothing(
    database: Database, time_skipping: Callable[[], TemporalServer]
) -> None:
    flaky = Flaky(database)
    server = time_skipping()
    world = BankWorld(database, server, "flaky")
    world.furnish()
    with server.workers(lambda client: [worker(client, world, flaky, FlakyTasks(flaky))]):
        day_with_everything(world)
        for task in eventually(lambda: found if len(found := world.open_tasks()) == 3 else None):
            world.complete(task, OUTCOMES[task.kind])
        world.wait_for_stage("settlement")
        world.bring_in(world.transfer(143_622))
        is_right(world)
    assert {name.partition(" ")[0] for name in flaky.lost} == {"look", "settle", "close", "open", "complete"}


def test_a_worker_that_knows_nothing_goes_on_where_another_one_stood(
    database: Database, temporal: TemporalServer
) -> None:
    world = BankWorld(database, temporal, factories.unique("relay-race"))
    world.furnish()

    @contextmanager
    def fresh_worker() -> Iterator[None]:
        """One that remembers no process, so that each time all of its history is gone through."""
        with temporal.workers(lambda client: [worker(client, world, max_cached_workflows=0)]):
            yield

    with fresh_worker():
        day_with_everything(world)
        eventually(lambda: len(world.open_tasks()) == 3)
    for kind, outcome in OUTCOMES.items():
        with fresh_worker():
            world.complete(world.task(TaskKind(kind)), outcome)
    with fresh_worker():
        world.wait_for_stage("settlement")
    world.bring_in(world.transfer(143_622))
    with fresh_worker():
        is_right(world)


# -- at the same time -------------------------------------------------------------------------------------------------


@pytest.fixture
def world(database: Database) -> BankWorld:
    world = BankWorld(database, None, "")
    world.furnish()
    return world


def all_at_once(*acts: Callable[[], Any]) -> list[Any]:
    """What each of these answers, or the refusal that it meets."""

    def attempt(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except Refusal as refusal:
            return refusal.slug

    # Some of them take two connections, and the pool has twenty.
    with ThreadPoolExecutor(min(len(acts), 16)) as pool:
        return list(pool.map(attempt, acts))


def test_payments_that_arrive_while_they_are_posted_from_the_registry_are_posted_once(world: BankWorld) -> None:
    txns = [f"A-{number}" for number in range(12)]
    world.send([(txn, world.accounts[0], 1_000) for txn in txns])
    ids = {one.txn_id: one.id for one in world.differences()}

    def carry_out(txn: str) -> None:
        with world.database.transaction() as session:
            difference_actions.carry_out(session, ids[txn], Decision("staff:accountant", world.now(), ZONE))

    def act(number: int, txn: str) -> Callable[[], Any]:
        if number % 2:
            return lambda: carry_out(txn)
        return lambda: world.pay(1_000, txn=txn, late=True)

    refusals = all_at_once(*(act(number, txn) for txn in txns for number in (0, 1)), *[lambda: compare(world)] * 4)

    assert {one for one in refusals if isinstance(one, str) and one not in txns} <= {
        "difference_changed", "difference_gone",
    }  # fmt: skip
    assert world.standing() == dict.fromkeys(txns, 1_000)
    assert compare(world) == {}
    with world.database.transaction() as session:
        rows = session.scalars(select(Payment).where(Payment.bank_id == world.bank_id)).all()
    assert len(rows) == len(txns)


def test_comparisons_at_once_find_each_difference_once(world: BankWorld) -> None:
    world.send([(f"A-{number}", world.accounts[0], 1_000) for number in range(20)])
    world.pay(1_000, txn="A-0", late=True)

    all_at_once(*[lambda: compare(world)] * 8)

    statuses = [one.status for one in world.differences(None)]
    assert (statuses.count(DifferenceStatus.OPEN), statuses.count(DifferenceStatus.VANISHED)) == (19, 1)


def test_a_registry_that_is_sent_several_times_at_once_is_one(world: BankWorld) -> None:
    content = osmp([("A-1", world.accounts[0], 1_000)], world.day)

    ids = all_at_once(*[lambda: world.send(content)] * 6)

    assert len(set(ids)) == 1
    assert world.registry_versions() == [(1, "taken")]
    others = all_at_once(*(lambda n=n: world.send([("A-1", world.accounts[0], n)]) for n in range(2_000, 2_006)))
    assert len(set(others)) == 6
    assert [version for version, _ in world.registry_versions()] == list(range(1, 8))
    with world.database.transaction() as session:
        newest = session.scalars(
            select(BankRegistry.id)
            .where(BankRegistry.bank_id == world.bank_id).order_by(BankRegistry.version.desc()).limit(1)
        ).one()  # fmt: skip
    assert world.reconciliation().registry_id == newest


def test_a_day_that_is_opened_several_times_at_once_has_one_process(world: BankWorld) -> None:
    def open_it() -> Any:
        with world.database.transaction() as session:
            bank = session.get_one(Bank, world.bank_id)
            day, is_new = open_day(session, bank, world.day, actor="schedule", at=world.now(), zone=ZONE)
            return day.process_id, is_new

    answers = all_at_once(*[open_it] * 6)

    assert len({process_id for process_id, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == [False] * 5 + [True]


def test_statements_that_are_brought_in_at_once_settle_each_day_once(world: BankWorld) -> None:
    world.send(world.rows(world.pay(100_000)))
    same = world.transfer(99_050, number=1)
    files = [
        statement_file([same, world.transfer(1_000 + number, number=10 + number)], account=world.own_iik)
        for number in range(4)
    ]

    def bring_in(content: bytes) -> None:
        exchange = bank_statements.read(content, despite_problems=False)
        with world.database.transaction() as session:
            bank_statements.take(session, exchange, content, actor="staff:accountant", at=world.now())
            bank_statements.settle_what_came(session, at=world.now())

    all_at_once(*(lambda content=content: bring_in(content) for content in files * 2))

    assert world.books() == {"1030": 99_050, "3510": -100_000, "7210": 950}
    assert world.reconciliation().settled_at is not None


def test_a_comparison_holds_up_no_payment(world: BankWorld) -> None:
    """A payment waits for no reconciliation: its day may be locked for as long as a comparison lasts."""
    world.send([("A-1", world.accounts[0], 1_000)])
    with world.database.transaction() as session:
        comparison.lock(session, world.reconciliation().id)
        # They would wait for this lock in vain: it is given back after them, and their time-out is an error.
        world.pay(1_000, txn="A-1", late=True)
        world.reverse("A-1")

    assert world.standing() == {}


def test_many_late_payments_signal_the_day_once_a_minute(world: BankWorld) -> None:
    world.send([])
    for _ in range(5):
        world.pay(1_000, late=True)

    with world.database.transaction() as session:
        reminders = session.scalars(
            select(Outbox).where(
                Outbox.workflow_id.startswith(f"reconciliation/{world.code}/"),
                Outbox.next_attempt_at > Outbox.created_at + GATHERED_FOR / 2,
            )
        ).all()
    assert len(reminders) == 1
