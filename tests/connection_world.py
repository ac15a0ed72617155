"""A connection as tests drive it: the real process on a real Temporal server, over the real database.

The world has a tariff, equipment, a crew, premises and a bank of its own, so that tests can run side by side. Its
`deliver` is the outbox relay for this one process; the relay itself is tested elsewhere.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import func, select
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.worker import Worker

from activities.connection_application import register_connection
from activities.failures import FailureBoundary
from activities.gateways.network import NetworkGateway
from activities.outbox import forget, is_waiting
from activities.payments import take_payment
from activities.tasks import submit
from models.contracts.bank import PaymentNotice
from models.contracts.connection import ConnectionPolicy, NewConnection
from models.contracts.engine import CANCEL_PROCESS, COMPLETE_TASK, PROCESSES_QUEUE, STATE
from models.contracts.money import PositiveMoney
from models.contracts.processes import CancelRequest, ProcessOutcome, ProcessState, TaskDone, TaskKind, TaskStatus
from models.database import Database
from models.tables.crews import Crew, Visit
from models.tables.documents import Document
from models.tables.ledger import LedgerBalance
from models.tables.messages import Message
from models.tables.network import NetworkPort
from models.tables.outbox import Outbox
from models.tables.people import Account
from models.tables.processes import Process, Task, TimelineEntry
from models.tables.stock import StockItem
from models.tables.subscriptions import Subscription
from settings import Settings
from tests import factories
from tests.engines import TemporalServer
from workers.registry import WORKFLOWS, process_activities

PATIENCE_SECONDS = 120.0
"""More than the minute after which a step is tried again that a leaving worker took along."""
SETTINGS = Settings(environment="local")
ON_TIME = ConnectionPolicy()
Answer = TypeVar("Answer", bound=BaseModel)


def eventually(fact: Callable[[], Any]) -> Any:
    """The first truthy answer; a process reacts by itself, so tests look until it has."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = fact()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"did not come true: {fact}"
        time.sleep(0.02)


@dataclass
class World:
    """One application, and everybody who has to do with it."""

    database: Database
    server: TemporalServer
    queue: str
    tariff_code: str = ""
    sku: str = ""
    crew_id: UUID = field(default_factory=lambda: UUID(int=0))
    bank_id: UUID = field(default_factory=lambda: UUID(int=0))
    premises_id: UUID = field(default_factory=lambda: UUID(int=0))
    node_id: UUID = field(default_factory=lambda: UUID(int=0))
    process_id: UUID = field(default_factory=lambda: UUID(int=0))
    iin: str = ""
    account_no: str = ""
    total_minor: int = 0

    # -- the places and things ------------------------------------------------------------------------------------

    def furnish(self, *, pieces: int = 2, connection_fee_minor: int = 500_000, ports: int = 2) -> None:
        """A tariff, a SKU with so many pieces in stock, a crew that works every day, premises, a bank."""
        factories.not_at_midnight(SETTINGS.zone)
        with self.database.transaction() as session:
            factories.reference(session)
            tariff = factories.tariff(session, connection_fee_minor=connection_fee_minor, fee_minor=650_000)
            model = factories.equipment(session, price_minor=1_500_000, pieces=pieces)
            crew = Crew(
                code=factories.unique("crew"), name="Бригада 1", weekdays=[1, 2, 3, 4, 5, 6, 7],
                opens_at=clock_time(9), closes_at=clock_time(19), slot_minutes=120,
            )  # fmt: skip
            session.add(crew)
            premises = factories.premises(session, ports=ports)
            bank = factories.bank(session)
            session.flush()
            self.tariff_code, self.sku, self.crew_id = tariff.code, model.sku, crew.id
            self.bank_id, self.premises_id, self.node_id = bank.row.id, premises.id, premises.node_id
            self.total_minor = connection_fee_minor + 1_500_000 + 650_000

    def now(self) -> datetime:
        """The server's time, which may be far ahead of the clock on the wall."""
        moment = self.server.run(self.server.environment.get_current_time())
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def sleep(self, duration: timedelta) -> None:
        """Let time pass on the server."""
        self.server.sleep(duration)

    # -- what people do -------------------------------------------------------------------------------------------

    def apply(
        self, *, equipment: int = 1, policy: ConnectionPolicy = ON_TIME, iin: str | None = None, key: str | None = None
    ) -> UUID:
        """An operator registers an application, and its process starts."""
        now = self.now()
        self.iin = iin or factories.new_iin()
        order = NewConnection.model_validate({
            "subscriber": {"iin": self.iin, "full_name": "Сейткали Арман Болатович", "phone": factories.new_phone()},
            "premises_id": str(self.premises_id),
            "tariff_code": self.tariff_code,
            "equipment": [self.sku] * equipment,
        })  # fmt: skip
        with self.database.transaction() as session:
            process, _ = register_connection(
                session, order, actor="staff:operator", idempotency_key=key, at=now, on=now.date()
            )
            self.process_id = process.id
            assert process.account_id is not None
            self.account_no = session.get_one(Account, process.account_id).account_no
            start = session.scalars(select(Outbox).where(Outbox.workflow_id == process.workflow_id)).one()
            assert start.start_input is not None
            start.start_input = {**start.start_input, "policy": policy.model_dump(mode="json")}
        self.deliver()
        return self.process_id

    def deliver(self) -> None:
        """Tell Temporal what the outbox holds for this process."""
        with self.database.transaction() as session:
            rows = session.scalars(
                select(Outbox).where(Outbox.workflow_id == self.workflow_id, is_waiting()).order_by(Outbox.id)
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

    def task(self, kind: TaskKind) -> Task:
        """The open task of this kind, once the process has opened it."""
        task: Task = eventually(lambda: self.open_task(kind))
        return task

    def open_task(self, kind: TaskKind) -> Task | None:
        """The open task of this kind, if there is one now."""
        with self.database.transaction() as session:
            return session.scalar(
                select(Task).where(
                    Task.process_id == self.process_id, Task.kind == kind, Task.status == TaskStatus.OPEN
                )
            )

    def complete(
        self, kind: TaskKind, outcome: str, data: dict[str, Any] | None = None, *, actor: str = "staff:somebody"
    ) -> TaskDone:
        """A person completes the open task of this kind through the API's path."""
        return self.complete_seen(self.task(kind), outcome, data, actor=actor)

    def complete_seen(
        self, task: Task, outcome: str, data: dict[str, Any] | None = None, *, actor: str = "staff:somebody"
    ) -> TaskDone:
        """A person completes a task that they saw when it was open; others may have acted since."""
        with self.database.transaction() as session:
            act, reminder_id = submit(session, task, outcome=outcome, data=data or {}, actor=actor, source="test")
        try:
            return self.ask(COMPLETE_TASK, act, TaskDone)
        finally:
            with self.database.transaction() as session:
                forget(session, reminder_id)

    def ask(self, update_name: str, argument: BaseModel, answer: type[Answer]) -> Answer:
        """An update of the process, and its answer."""
        return self.server.update(self.handle, update_name, argument, answer)

    def pay(self, amount_minor: int, *, deliver: bool = True) -> None:
        """The bank reports a payment, and the process is told, at once or later."""
        now = self.now()
        notice = PaymentNotice(
            txn_id=factories.unique("txn"), account_no=self.account_no, paid_at=now,
            amount=PositiveMoney(amount_minor=amount_minor),
        )  # fmt: skip
        with self.database.transaction() as session:
            take_payment(session, bank_id=self.bank_id, notice=notice, received_at=now, on=now.date())
        if deliver:
            self.deliver()

    def slot(self, *, days: int = 1, hour: int = 9) -> dict[str, Any]:
        """The data that assigns the crew at an hour of a coming day."""
        day = (self.now() + timedelta(days=days)).astimezone(SETTINGS.zone)
        starts_at = day.replace(hour=hour, minute=0, second=0, microsecond=0)
        return {"crew_id": str(self.crew_id), "starts_at": starts_at.isoformat()}

    def serials(self) -> list[str]:
        """What is reserved for or mounted at this subscription."""
        with self.database.transaction() as session:
            process = session.get_one(Process, self.process_id)
            return list(
                session.scalars(
                    select(StockItem.serial)
                    .where(StockItem.subscription_id == process.subscription_id)
                    .order_by(StockItem.serial)
                )
            )

    def cancel(self) -> ProcessState:
        """An operator cancels the process."""
        return self.ask(
            CANCEL_PROCESS, CancelRequest(actor="staff:operator", reason="changed their mind"), ProcessState
        )

    # -- whole stretches of the way -------------------------------------------------------------------------------

    def to_prepayment(self) -> None:
        """Applied for, in stock, invoiced."""
        self.apply()
        self.wait_for_stage("prepayment")

    def to_scheduling(self) -> None:
        """Paid."""
        self.to_prepayment()
        self.pay(self.total_minor)
        self.task(TaskKind.ASSIGN_CREW)

    def to_installation(self) -> None:
        """A crew is on its way."""
        self.to_scheduling()
        self.complete(TaskKind.ASSIGN_CREW, "assigned", self.slot())
        self.task(TaskKind.INSTALL)

    def to_handover(self) -> None:
        """Mounted."""
        self.to_installation()
        self.complete(TaskKind.INSTALL, "installed", {"serials": self.serials()})
        self.task(TaskKind.SIGN_ACT)

    def to_the_end(self) -> ProcessOutcome:
        """Connected."""
        self.to_handover()
        self.complete(TaskKind.SIGN_ACT, "signed")
        return self.outcome()

    # -- what can be seen -----------------------------------------------------------------------------------------

    @property
    def client(self) -> Client:
        """The server's client."""
        return self.server.client

    @property
    def workflow_id(self) -> str:
        """The process's name on Temporal."""
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
        result: ProcessState = self.server.run(self.handle.query(STATE, result_type=ProcessState))
        return result

    def process(self) -> Process:
        """The projection."""
        with self.database.transaction() as session:
            return session.get_one(Process, self.process_id)

    def wait_for_stage(self, stage: str) -> None:
        """Until the projection stands in a stage."""
        eventually(lambda: self.process().stage == stage)

    def events(self) -> list[str]:
        """The timeline's events, oldest first."""
        with self.database.transaction() as session:
            return list(
                session.scalars(
                    select(TimelineEntry.event)
                    .where(TimelineEntry.process_id == self.process_id)
                    .order_by(TimelineEntry.at, TimelineEntry.id)
                )
            )

    def messages(self) -> list[str]:
        """The templates of the SMS that were asked for, oldest first."""
        with self.database.transaction() as session:
            return list(
                session.scalars(
                    select(Message.template).where(Message.process_id == self.process_id).order_by(Message.id)
                )
            )

    def residue(self) -> dict[str, Any]:
        """Everything that an application may take: compared before and after a cancelled one."""
        with self.database.transaction() as session:
            return {
                "stock": sorted(
                    session.execute(select(StockItem.serial, StockItem.state).where(StockItem.sku == self.sku))
                ),
                "ports": sorted(
                    session.execute(
                        select(NetworkPort.port_no, NetworkPort.state, NetworkPort.profile).where(
                            NetworkPort.node_id == self.node_id
                        )
                    )
                ),
                "visits": session.scalar(select(func.count()).where(Visit.crew_id == self.crew_id)),
                "subscriptions": session.scalar(
                    select(func.count()).where(
                        Subscription.premises_id == self.premises_id, Subscription.status != "cancelled"
                    )
                ),
                "open_tasks": session.scalar(
                    select(func.count()).where(
                        Task.process_id == self.process_id, Task.status == "open", Task.kind != TaskKind.REFUND
                    )
                ),
                "unsigned_documents": session.scalar(
                    select(func.count()).where(
                        Document.process_id == self.process_id, Document.withdrawn_at.is_(None),
                        Document.signed_at.is_(None),
                    )
                ),
            }  # fmt: skip

    def balances(self) -> dict[str, int]:
        """The account's balances by chart account, without zeros."""
        with self.database.transaction() as session:
            rows = session.execute(
                select(LedgerBalance.chart_code, LedgerBalance.balance_minor)
                .join(Account, Account.id == LedgerBalance.account_id)
                .where(Account.account_no == self.account_no, LedgerBalance.balance_minor != 0)
            )
            return dict(rows.all())

    def history(self) -> Any:
        """The process's history, event by event."""
        return self.server.run(self.handle.fetch_history())


def process_workers(
    client: Client, database: Database, queue: str, *, network: NetworkGateway | None = None
) -> Sequence[Worker]:
    """The worker of the processes, as in production, on a queue of the test's own."""
    return [
        Worker(
            client,
            task_queue=queue,
            workflows=WORKFLOWS[PROCESSES_QUEUE],
            activities=process_activities(database, SETTINGS, network=network),
            activity_executor=ThreadPoolExecutor(16),
            interceptors=[FailureBoundary()],
        )
    ]


@contextmanager
def connection_world(
    database: Database, server: TemporalServer, *, network: NetworkGateway | None = None, **furniture: Any
) -> Iterator[World]:
    """A furnished world whose process runs on `server` until the block ends."""
    world = World(database, server, queue=factories.unique("processes"))
    world.furnish(**furniture)
    with server.workers(lambda client: process_workers(client, database, world.queue, network=network)):
        yield world
