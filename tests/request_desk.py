"""Requests without the engine: each step of the process is done by hand, at a time that the test says."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import select

from activities.requests import RequestActivities
from activities.tasks import DEPARTMENT, TaskActivities
from models.contracts.engine import REQUEST_CHANGED
from models.contracts.processes import TaskAct, TaskActOrder, TaskDone, TaskKind, TaskOrder
from models.contracts.request_policy import RequestPolicy
from models.contracts.request_process import RequestLook, RequestStand
from models.contracts.request_words import Turn
from models.contracts.steps import ClosingStep, ProcessStep
from models.database import Database
from models.tables.outbox import Outbox
from models.tables.processes import Process, Task
from tests.connection_world import SETTINGS
from tests.request_world import AROUND_THE_CLOCK, RequestWorld, set_policy

MONDAY = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
"""Nine in the morning where the operator is."""
_STAGES = {TaskKind.TRIAGE_REQUEST: "triage", TaskKind.HANDLE_REQUEST: "work", TaskKind.REPAIR: "visit"}


@dataclass
class Desk(RequestWorld):
    """A subscriber, and the steps of their requests."""

    moment: datetime = MONDAY
    steps: RequestActivities = field(default_factory=lambda: cast(RequestActivities, None))
    tasks: TaskActivities = field(default_factory=lambda: cast(TaskActivities, None))

    def now(self) -> datetime:
        return self.moment

    def sleep(self, duration: timedelta) -> None:
        self.moment += duration

    def deliver(self) -> None:
        """Nobody is told anything: `signals` says who is to be."""

    def signals(self, process_id: UUID | None = None) -> int:
        """How often a request is to look, because of what others did."""
        with self.database.transaction() as session:
            workflow_id = session.get_one(Process, process_id or self.process_id).workflow_id
            rows = session.scalars(
                select(Outbox).where(Outbox.workflow_id == workflow_id, Outbox.signal == REQUEST_CHANGED)
            ).all()
            return len(rows)

    def look(self, process_id: UUID | None = None) -> RequestStand:
        """The process looks, about to do what the turn asks for."""
        look = RequestLook(process_id=process_id or self.process_id, at=self.moment, begins_turn=True)
        return self.steps.look(look)

    def watch(self) -> RequestStand:
        """The clock's timer has gone off."""
        return self.steps.watch_clock(ProcessStep(process_id=self.process_id, at=self.moment))

    def cancel_it(self) -> None:
        """Somebody cancels the request."""
        self.steps.close_as_cancelled(
            ClosingStep(process_id=self.process_id, at=self.moment, actor="staff:ops", reason="registered by mistake")
        )

    def complete(
        self, kind: TaskKind, outcome: str, data: dict[str, Any] | None = None, *, actor: str = "staff:somebody"
    ) -> TaskDone:
        """A person completes the task that the process opens."""
        act = TaskAct(task_id=self.opened(kind).id, outcome=outcome, data=data or {}, actor=actor)
        return self.tasks.complete(TaskActOrder(act=act, process_id=self.process_id, at=self.moment))

    def opened(self, kind: TaskKind) -> Task:
        """The open task of this kind; the process opens it unless it has."""
        known = self.open_task(kind)
        if known is not None:
            return known
        stand = self.look()
        department = stand.owner if stand.turn is Turn.WORK else DEPARTMENT[kind]
        self.tasks.open(
            TaskOrder(
                task_id=uuid4(), process_id=self.process_id, ordinal=1, stage=_STAGES[kind], kind=kind, at=self.moment,
                due_at=self.moment + timedelta(days=14), facts={"turn": stand.turns}, name=str(stand.turns),
                department=department,
            )
        )  # fmt: skip
        task = self.open_task(kind)
        assert task is not None
        return task


@contextmanager
def request_desk(database: Database, policy: RequestPolicy = AROUND_THE_CLOCK) -> Iterator[Desk]:
    """A served subscriber, on a Monday morning."""
    set_policy(database, policy)
    desk = Desk(
        database, cast(Any, None), queue="", steps=RequestActivities(database),
        tasks=TaskActivities(database, SETTINGS),
    )  # fmt: skip
    desk.serve()
    yield desk
