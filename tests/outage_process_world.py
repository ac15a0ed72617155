"""An outage as a process, as tests drive it: the real workflow on a real Temporal server, over the real database.

`deliver` is the outbox relay for these outages, and SMS arrive as soon as they are queued; both are tested elsewhere.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from activities import outage_course
from activities.failures import FailureBoundary
from activities.outage import OutageActivities
from activities.outage_changes import change_outage
from activities.outage_registration import register_outage
from activities.outbox import forget, is_waiting
from activities.processes import request_cancellation
from activities.tasks import submit
from models.contracts.engine import CANCEL_PROCESS, COMPLETE_TASK, PROCESSES_QUEUE, PROGRESS, STATE
from models.contracts.outage import NewOutage, OutageChange, OutageKind, OutageProgress
from models.contracts.outage_process import OutageLook, OutageStep
from models.contracts.processes import CancelRequest, ProcessOutcome, ProcessState, TaskDone, TaskKind, TaskStatus
from models.database import Database
from models.tables.outbox import Outbox
from models.tables.processes import Process, Task
from settings import Settings
from tests import factories
from tests.connection_world import eventually
from tests.engines import TemporalServer
from tests.outage_world import HOUR, REASON, SETTINGS, Town
from workers.registry import WORKFLOWS, process_activities

PATIENT = Settings(environment="local", sms_weekdays_only=False)


class Watched(OutageActivities):
    """The steps, in pieces as large as a test wants them, and what is to happen after one."""

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__(database, settings)
        self.piece = outage_course.PIECE
        self.after_step: Callable[[OutageStep], object] = lambda _: None

    @activity.defn(name="outage.go_on", no_thread_cancel_exception=True)
    def go_on(self, step: OutageStep) -> OutageLook:
        with self._database.transaction() as session:
            look = outage_course.go_on(session, step, self._settings, piece=self.piece)
        self.after_step(step)
        return look


@dataclass
class World:
    """A town, and the process of an outage there."""

    database: Database
    server: TemporalServer
    queue: str
    town: Town
    steps: Watched
    process_id: UUID = field(default_factory=lambda: UUID(int=0))

    # -- what happens ---------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The server's time, which may be far ahead of the clock on the wall."""
        moment = self.server.run(self.server.environment.get_current_time())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def sleep(self, hours: float) -> None:
        """Let time pass on the server."""
        self.server.sleep(timedelta(hours=hours))

    def register(
        self, kind: OutageKind = OutageKind.EMERGENCY, *nodes: UUID, starts: float | None = None,
        ends: float | None = None,
    ) -> UUID:  # fmt: skip
        """The dispatcher registers an outage, and its process starts; times in hours from now."""
        now = self.now()
        order = NewOutage(
            kind=kind, node_ids=list(nodes or [self.town.olt_id]), reason=REASON,
            starts_at=None if starts is None else now + starts * HOUR,
            ends_at=None if ends is None else now + ends * HOUR,
        )  # fmt: skip
        with self.database.transaction() as session:
            process, _ = register_outage(session, order, actor="staff:dispatcher", idempotency_key=None, at=now)
            self.process_id = process.id
        self.town.outages.append(self.process_id)
        self.deliver()
        return self.process_id

    def change(self, **what: Any) -> None:
        """The dispatcher changes or ends it."""
        with self.database.transaction() as session:
            change_outage(
                session, self.process_id, OutageChange(**what), actor="staff:dispatcher", at=self.now()
            )  # fmt: skip
        self.deliver()

    def cancel(self) -> ProcessState:
        """Somebody cancels the process, as the API does it: the words stay in the database."""
        with self.database.transaction() as session:
            request_id = request_cancellation(
                session, self.process_id, reason=REASON, actor="staff:ops", at=self.now()
            )  # fmt: skip
        request = CancelRequest(actor="staff:ops", request_id=request_id)
        return self.server.update(self.handle, CANCEL_PROCESS, request, ProcessState)

    def deliver(self) -> None:
        """Tell Temporal what the outbox holds for these outages."""
        names = [f"outage/{one}" for one in self.town.outages]
        with self.database.transaction() as session:
            rows = session.scalars(
                select(Outbox).where(Outbox.workflow_id.in_(names), is_waiting()).order_by(Outbox.id)
            ).all()
            for row in rows:
                self.server.run(self._tell(row))
                row.delivered_at = datetime.now(UTC)

    def relay_until(self, fact: Callable[[], bool]) -> None:
        """Let the outages tell each other what they have to, until a fact is true."""

        def is_true() -> bool:
            self.deliver()
            return fact()

        eventually(is_true)

    async def _tell(self, row: Outbox) -> None:
        if row.workflow_type is not None:
            await self.client.start_workflow(
                row.workflow_type, row.start_input, id=row.workflow_id, task_queue=self.queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            )  # fmt: skip
        else:
            assert row.signal is not None
            await self.client.get_workflow_handle(row.workflow_id).signal(row.signal)

    def task(self) -> Task:
        """The open question for a new end."""
        found: Task = eventually(self.open_task)
        return found

    def open_task(self) -> Task | None:
        with self.database.transaction() as session:
            return session.scalar(
                select(Task).where(
                    Task.process_id == self.process_id, Task.kind == TaskKind.GIVE_OUTAGE_END,
                    Task.status == TaskStatus.OPEN,
                )
            )  # fmt: skip

    def complete(self, outcome: str, data: dict[str, Any]) -> TaskDone:
        """The dispatcher answers, as the API does it."""
        task = self.task()
        with self.database.transaction() as session:
            act, reminder_id = submit(
                session, task, outcome=outcome, data=data, actor="staff:dispatcher", source="test"
            )  # fmt: skip
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
        return f"outage/{self.process_id}"

    @property
    def handle(self) -> WorkflowHandle[Any, ProcessOutcome]:
        """The process on Temporal."""
        return self.client.get_workflow_handle(self.workflow_id, result_type=ProcessOutcome)

    def outcome(self) -> ProcessOutcome:
        """How it ended, once nothing more is to be learnt of its SMS."""
        self.sleep(0.1)
        return self.server.run(self.handle.result())

    def state(self) -> ProcessState:
        """What the process says of itself."""
        state: ProcessState = self.server.run(self.handle.query(STATE, result_type=ProcessState))
        return state

    def progress(self) -> OutageProgress:
        """How far it has come with those affected."""
        progress: OutageProgress = self.server.run(self.handle.query(PROGRESS, result_type=OutageProgress))
        return progress

    def process(self) -> Process:
        """The projection."""
        return self.town.process(self.process_id)

    def history(self) -> Any:
        """The process's history, event by event."""
        return self.server.run(self.handle.fetch_history())

    def wait_for_stage(self, stage: str) -> None:
        """Until the projection stands in a stage, in real time."""
        eventually(lambda: self.process().stage == stage)

    def wait_for(self, *heard: str) -> None:
        """Until those affected were written to on these occasions, in real time."""
        eventually(lambda: self.town.heard() == list(heard))


def outage_worker(client: Client, database: Database, queue: str, steps: Watched) -> Worker:
    """The worker of the processes, as in production, with watched steps, on a queue of the test's own."""
    others = [
        one
        for one in process_activities(database, SETTINGS)
        if not isinstance(getattr(one, "__self__", None), OutageActivities)
    ]
    return Worker(
        client,
        task_queue=queue,
        workflows=WORKFLOWS[PROCESSES_QUEUE],
        activities=[*others, steps.go_on, steps.call_off],
        activity_executor=ThreadPoolExecutor(16),
        interceptors=[FailureBoundary()],
    )


@contextmanager
def outage_world(
    database: Database, server: TemporalServer, *, people: int = 2, piece: int = outage_course.PIECE
) -> Iterator[World]:
    """A town, of whose people each lives in another house, with a worker on `server` until the block ends."""
    queue, steps = factories.unique("outage"), Watched(database, PATIENT)
    steps.piece = piece
    town = Town(database)
    for number in range(people):
        town.live(number % 2)
    steps.after_step = lambda _: town.deliver_sms()
    world = World(database, server, queue, town, steps)
    with server.workers(lambda client: [outage_worker(client, database, queue, steps)]):
        yield world
