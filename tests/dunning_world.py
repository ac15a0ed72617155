"""Dunning as a process, as tests drive it: the real workflow on a real Temporal server, over the real database.

`deliver` is the outbox relay for this one account; the relay itself is tested elsewhere.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from activities import dunning_round, payments
from activities.dunning import DunningActivities
from activities.failures import FailureBoundary
from activities.gateways.network import LocalNetwork, NetworkGateway
from activities.outbox import forget, is_waiting
from activities.tasks import submit
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.dunning_process import Look, RoundInput
from models.contracts.engine import CANCEL_PROCESS, COMPLETE_TASK, PROCESSES_QUEUE, STATE
from models.contracts.processes import CancelRequest, ProcessOutcome, ProcessState, TaskDone, TaskKind, TaskStatus
from models.contracts.steps import ProcessStep
from models.database import Database
from models.tables.dunning import DunningEpisode
from models.tables.outbox import Outbox
from models.tables.processes import Process, Task
from settings import Settings
from tests import factories
from tests.connection_world import eventually
from tests.dunning_life import MONTH_MINOR, SETTINGS, ZONE, Life, life, set_policy
from tests.engines import TemporalServer
from workers.registry import WORKFLOWS, process_activities


class Watched(DunningActivities):
    """The steps, and what a test wants to happen before and after a look. SMS go as soon as they are queued."""

    def __init__(self, database: Database, network: NetworkGateway, settings: Settings) -> None:
        super().__init__(database, network, settings)
        self.before_look: Callable[[ProcessStep], object] = lambda _: None
        self.after_look: Callable[[ProcessStep], object] = lambda _: None
        self.looks = 0

    @activity.defn(name="dunning.look")
    def look(self, step: ProcessStep) -> Look:
        self.before_look(step)
        self.looks += 1
        answer = super().look(step)
        self.after_look(step)
        return answer


@dataclass
class World:
    """One debtor, and the process that dunns them."""

    database: Database
    server: TemporalServer
    queue: str
    life: Life
    steps: Watched
    process_id: UUID = field(default_factory=lambda: UUID(int=0))

    # -- what happens ---------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The server's time, which may be far ahead of the clock on the wall."""
        moment = self.server.run(self.server.environment.get_current_time())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def today(self) -> date:
        return self.now().astimezone(ZONE).date()

    def sleep(self, duration: timedelta) -> None:
        """Let time pass on the server."""
        self.server.sleep(duration)

    def owe(self, *, days_ago: int = 0, amount_minor: int = MONTH_MINOR) -> UUID:
        """An invoice that fell due so many days ago."""
        return self.life.bill(self.today() - timedelta(days=days_ago), amount_minor)

    def open(self) -> UUID:
        """The daily round opens the episode, and its process starts."""
        part = RoundInput(after_number=self.life.account.number - 1, at=self.now())
        with self.database.transaction() as session:
            dunning_round.open_part(session, part, SETTINGS)
        with self.database.transaction() as session:
            self.process_id = session.scalars(
                select(DunningEpisode.process_id).where(
                    DunningEpisode.account_id == self.life.account.id, DunningEpisode.ended_at.is_(None)
                )
            ).one()
        self.deliver()
        return self.process_id

    def round(self) -> None:
        """The part of the daily round that wakes episodes."""
        part = RoundInput(after_number=self.life.account.number - 1, at=self.now())
        with self.database.transaction() as session:
            dunning_round.wake_part(session, part, SETTINGS)
        self.deliver()

    def do(self, act: Any, *arguments: Any, **named: Any) -> Any:
        """Somebody does something in a transaction of its own; the processes are told."""
        with self.database.transaction() as session:
            answer = act(session, *arguments, **named)
        self.deliver()
        return answer

    def pay(self, amount_minor: int, *, deliver: bool = True) -> UUID:
        """The subscriber pays through a bank."""
        notice = factories.payment_notice(amount_minor, account_no=self.life.account.account_no)
        with self.database.transaction() as session:
            answer, _ = payments.take_payment(
                session, bank_id=self.life.bank_id, notice=notice, received_at=self.now(), on=self.today()
            )
        if deliver:
            self.deliver()
        return answer.payment_id

    def reverse(self, payment_id: UUID) -> None:
        """The bank takes a payment back."""
        self.do(
            payments.reverse_payment, payment_id, reason="возврат", on=self.today(), at=self.now(), actor="staff:test"
        )

    def deliver(self) -> None:
        """Tell Temporal what the outbox holds for this account's processes."""
        with self.database.transaction() as session:
            rows = session.scalars(
                select(Outbox)
                .join(Process, Process.workflow_id == Outbox.workflow_id)
                .where(Process.account_id == self.life.account.id, is_waiting())
                .order_by(Outbox.id)
            ).all()
            for row in rows:
                self.server.run(self._tell(row))
                row.delivered_at = datetime.now(UTC)

    async def _tell(self, row: Outbox) -> None:
        if row.workflow_type is not None:
            await self.client.start_workflow(
                row.workflow_type, row.start_input, id=row.workflow_id, task_queue=self.queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )  # fmt: skip
        else:
            assert row.signal is not None
            arguments = [] if row.signal_input is None else [row.signal_input]
            await self.client.get_workflow_handle(row.workflow_id).signal(row.signal, args=arguments)

    def cancel(self, reason: str = "agreed otherwise") -> ProcessState:
        """Somebody cancels the episode."""
        request = CancelRequest(actor="staff:ops", reason=reason)
        return self.server.update(self.handle, CANCEL_PROCESS, request, ProcessState)

    def task(self, kind: TaskKind = TaskKind.CALL_DEBTOR) -> Task:
        """The open task of a kind."""
        found: Task = eventually(lambda: self.open_task(kind))
        return found

    def open_task(self, kind: TaskKind = TaskKind.CALL_DEBTOR) -> Task | None:
        with self.database.transaction() as session:
            return session.scalar(
                select(Task).where(
                    Task.process_id == self.process_id, Task.kind == kind, Task.status == TaskStatus.OPEN
                )
            )  # fmt: skip

    def complete(
        self, outcome: str, data: dict[str, Any] | None = None, *, kind: TaskKind = TaskKind.CALL_DEBTOR
    ) -> TaskDone:
        """The department completes its task, as the API does it."""
        task = self.task(kind)
        with self.database.transaction() as session:
            act, reminder_id = submit(
                session, task, outcome=outcome, data=data or {}, actor="staff:operator", source="test"
            )
        done = self.server.update(self.handle, COMPLETE_TASK, act, TaskDone)
        with self.database.transaction() as session:
            forget(session, reminder_id)
        self.deliver()
        return done

    # -- what can be seen -----------------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        return self.server.client

    @property
    def workflow_id(self) -> str:
        return self.process().workflow_id

    @property
    def handle(self) -> WorkflowHandle[Any, ProcessOutcome]:
        """The process on Temporal."""
        return self.client.get_workflow_handle(self.workflow_id, result_type=ProcessOutcome)

    def outcome(self) -> ProcessOutcome:
        """How it ended."""
        return self.server.run(self.handle.result())

    def state(self) -> ProcessState:
        """What the process says of itself."""
        state: ProcessState = self.server.run(self.handle.query(STATE, result_type=ProcessState))
        return state

    def process(self) -> Process:
        """The projection."""
        with self.database.transaction() as session:
            return session.get_one(Process, self.process_id)

    def history(self) -> Any:
        """The process's history, event by event."""
        return self.server.run(self.handle.fetch_history())

    def wait_for_step(self, kind: str) -> None:
        """Until a step was taken, in real time."""
        eventually(lambda: kind in self.life.kinds())


def dunning_worker(client: Client, database: Database, queue: str, steps: Watched, network: NetworkGateway) -> Worker:
    """The worker of the processes, as in production, with watched steps, on a queue of the test's own."""
    others = [
        one
        for one in process_activities(database, SETTINGS, network=network)
        if not isinstance(getattr(one, "__self__", None), DunningActivities)
    ]
    return Worker(
        client,
        task_queue=queue,
        workflows=WORKFLOWS[PROCESSES_QUEUE],
        activities=[*others, steps.look, steps.cancel, steps.let_network_follow],
        activity_executor=ThreadPoolExecutor(16),
        interceptors=[FailureBoundary()],
    )


@contextmanager
def dunning_world(
    database: Database, server: TemporalServer, *, network: NetworkGateway | None = None,
    policy: DunningPolicy | None = None, **facts: Any,
) -> Iterator[World]:  # fmt: skip
    """A subscriber whose dunning runs on `server` until the block ends."""
    gateway = network or LocalNetwork(database)
    if policy is not None:
        set_policy(database, policy)
    queue = factories.unique("dunning")
    steps = Watched(database, gateway, SETTINGS)
    moment = server.run(server.environment.get_current_time()).replace(tzinfo=UTC)
    debtor = life(database, began_on=moment.astimezone(ZONE).date(), **facts)
    world = World(database, server, queue, debtor, steps)

    def post(step: ProcessStep) -> None:
        debtor.now = step.at
        debtor.deliver_sms()

    steps.after_look = post
    with server.workers(lambda client: [dunning_worker(client, database, queue, steps, gateway)]):
        yield world


def events_of(world: World) -> Sequence[str]:
    """The names of the history's events."""
    return [event.event_type for event in world.history().events]
