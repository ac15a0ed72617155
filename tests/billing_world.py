"""A month's billing as tests drive it: the real process on a real Temporal server, over a database of the test's own.

A run bills every account of its database, so no two tests share one. `deliver` is the outbox relay for this one
process; the relay itself is tested elsewhere.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select
from sqlalchemy.dialects.postgresql import Range
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError
from temporalio.worker import Worker

from activities import opt_outs
from activities.billing_opening import progress_of, register_billing_run
from activities.billing_steps import BillingActivities
from activities.failures import FailureBoundary
from activities.tasks import TaskActivities
from models.contracts.billing_process import NoticeBatch, NoticeOrder
from models.contracts.billing_run import (
    BillingPolicy,
    NewBillingRun,
    PartitionFigures,
    PartitionOrder,
    RunProgress,
    RunResult,
    period_of,
)
from models.contracts.catalogue import Charging, SubscriptionStatus
from models.contracts.engine import CANCEL_PROCESS
from models.contracts.processes import CancelRequest, ProcessState
from models.database import Database
from models.tables.billing import BillingException, Invoice
from models.tables.catalogue import TariffPrice
from models.tables.ledger import LedgerBalance, Transfer
from models.tables.messages import Message
from models.tables.outbox import Outbox
from models.tables.people import Account, Subscriber
from models.tables.processes import Process, TimelineEntry
from models.tables.subscriptions import ServicePeriod
from settings import Settings
from tests import factories
from tests.databases import copy_of, database_of_its_own
from tests.engines import TemporalServer
from workers.registry import activities_of
from workflows import billing_run
from workflows.billing_run import BillingRun

FEE_MINOR = 650_000
PARTITION = 5
"""Accounts, so that a few dozen make several partitions."""


class Obstacles(BillingActivities):
    """The steps of a run, and whatever a test wants to happen before and after them."""

    def __init__(self, database: Database, settings: Settings) -> None:
        super().__init__(database, settings)
        self.before_partition: Callable[[PartitionOrder], object] = lambda _: None
        self.after_partition: Callable[[PartitionOrder], object] = lambda _: None
        self.after_notices: Callable[[NoticeBatch], object] = lambda _: None

    @activity.defn(name="billing.bill_partition", no_thread_cancel_exception=True)
    def bill_partition(self, order: PartitionOrder) -> PartitionFigures:
        self.before_partition(order)
        figures = super().bill_partition(order)
        self.after_partition(order)
        return figures

    @activity.defn(name="billing.queue_notices", no_thread_cancel_exception=True)
    def queue_notices(self, order: NoticeOrder) -> NoticeBatch:
        batch = super().queue_notices(order)
        self.after_notices(batch)
        return batch


@dataclass
class Month:
    """Subscribers who are to be billed for the present month, and the run that does it."""

    database: Database
    server: TemporalServer
    settings: Settings
    queue: str
    steps: Obstacles
    process_id: UUID = field(default_factory=lambda: UUID(int=0))
    tariff_id: UUID = field(default_factory=lambda: UUID(int=0))

    @property
    def today(self) -> date:
        return datetime.now(self.settings.zone).date()

    @property
    def first_day(self) -> date:
        return self.today.replace(day=1)

    @property
    def period(self) -> str:
        return period_of(self.first_day)

    # -- who is there ---------------------------------------------------------------------------------------------

    def furnish(self, subscribers: int, *, priced: bool = True, **facts: Any) -> list[Account]:
        """So many more subscribers, each with a service that began with the month, charged in advance."""
        self.tariff_id, accounts = furnish(self.database, subscribers, on=self.first_day, priced=priced, **facts)
        return accounts

    def mend_price(self) -> None:
        """Give the tariff that was furnished last its price."""
        with self.database.transaction() as session:
            price = TariffPrice(tariff_id=self.tariff_id, valid=Range(date(2020, 1, 1), None), fee_minor=FEE_MINOR)
            session.add(price)

    def policy(self, **terms: Any) -> None:
        """The operator sets a policy for the runs to come."""
        with self.database.transaction() as session:
            body = BillingPolicy.model_validate(terms).model_dump(mode="json")
            factories.policy(session, body, code="billing", version=2)

    def opt_out(self, account: Account) -> None:
        """The subscriber wants no SMS."""
        with self.database.transaction() as session:
            opt_outs.remember(session, session.get_one(Subscriber, account.subscriber_id).phone, at=datetime.now(UTC))

    def pay(self, account: Account, amount_minor: int) -> None:
        """The subscriber pays."""
        with self.database.transaction() as session:
            factories.pay(session, factories.bank(session).row.id, account, amount_minor)

    # -- what is done ---------------------------------------------------------------------------------------------

    def open(self, *, dry_run: bool = False, key: str | None = None) -> UUID:
        """Accounting asks for the run of the month, and its process starts."""
        now = datetime.now(UTC)
        with self.database.transaction() as session:
            process, _ = register_billing_run(
                session, NewBillingRun(period=self.period, dry_run=dry_run), actor="staff:accounting",
                idempotency_key=key, at=now, on=self.today,
            )  # fmt: skip
            self.process_id = process.id
        self.deliver()
        return self.process_id

    def deliver(self) -> None:
        """Tell Temporal what the outbox holds for the process."""
        with self.database.transaction() as session:
            rows = session.scalars(
                select(Outbox).where(Outbox.workflow_type == "BillingRun", Outbox.delivered_at.is_(None))
            )
            for row in rows:
                self.server.run(
                    self.server.client.start_workflow(
                        "BillingRun", row.start_input, id=row.workflow_id, task_queue=self.queue,
                        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    )
                )  # fmt: skip
                row.delivered_at = datetime.now(UTC)

    def run(self, *, dry_run: bool = False) -> RunResult:
        """A whole run, to its end."""
        self.open(dry_run=dry_run)
        return self.result()

    def cancel(self, reason: str = "wrong prices") -> ProcessState:
        """Somebody cancels the run."""
        request = CancelRequest(actor="staff:ops", reason=reason)
        return self.server.update(self.handle, CANCEL_PROCESS, request, ProcessState)

    # -- what can be seen -----------------------------------------------------------------------------------------

    @property
    def workflow_id(self) -> str:
        return self.process().workflow_id

    @property
    def handle(self) -> WorkflowHandle[Any, RunResult]:
        return self.server.client.get_workflow_handle_for(BillingRun.run, self.workflow_id)

    def result(self) -> RunResult:
        return self.server.run(self.handle.result())

    def process(self) -> Process:
        with self.database.transaction() as session:
            return session.get_one(Process, self.process_id)

    def progress(self) -> RunProgress:
        """The figures that the database has."""
        with self.database.transaction() as session:
            return progress_of(session, self.process_id)

    def events(self) -> list[str]:
        """The timeline's events, oldest first."""
        return [entry.event for entry in self.timeline()]

    def timeline(self) -> Sequence[TimelineEntry]:
        with self.database.transaction() as session:
            return session.scalars(
                select(TimelineEntry)
                .where(TimelineEntry.process_id == self.process_id)
                .order_by(TimelineEntry.at, TimelineEntry.id)
            ).all()

    def invoices(self) -> list[Invoice]:
        """The month's invoices, by number."""
        with self.database.transaction() as session:
            statement = select(Invoice).where(Invoice.period_on == self.first_day).order_by(Invoice.number)
            return list(session.scalars(statement))

    def exceptions(self) -> list[BillingException]:
        with self.database.transaction() as session:
            of_run = BillingException.run_id == self.process_id
            return list(session.scalars(select(BillingException).where(of_run).order_by(BillingException.id)))

    def messages(self) -> list[Message]:
        with self.database.transaction() as session:
            statement = select(Message).where(Message.template == "invoice_issued").order_by(Message.id)
            return list(session.scalars(statement))

    def wake_ups(self) -> int:
        """How often the delivery of SMS was woken."""
        with self.database.transaction() as session:
            return session.scalars(
                select(func.count()).select_from(Outbox).where(Outbox.workflow_type == "MessageDelivery")
            ).one()

    def ledger(self) -> dict[str, int]:
        """The balances of all accounts together, by chart account, without zeros."""
        with self.database.transaction() as session:
            rows: Sequence[Row[str, int]] = session.execute(
                select(LedgerBalance.chart_code, func.sum(LedgerBalance.balance_minor)).group_by(
                    LedgerBalance.chart_code
                )
            ).all()
            return {code: int(balance) for code, balance in rows if balance}

    def transfers(self) -> int:
        with self.database.transaction() as session:
            return session.scalars(select(func.count()).select_from(Transfer)).one()

    def numbers(self) -> list[int]:
        """The running numbers of the month's invoices."""
        return [int(invoice.number.rpartition("-")[2]) for invoice in self.invoices()]


@contextmanager
def month_of_billing(
    template_url: str, server: TemporalServer, *, queue: str | None = None, **settings: Any
) -> Iterator[Month]:
    """The subscribers of a template, in a database of their own, and a worker that bills them until the block ends."""
    chosen = Settings.model_validate({"billing_partition_size": PARTITION, **settings})
    with copy_of(template_url) as database:
        month = Month(database, server, chosen, queue or factories.unique("billing"), Obstacles(database, chosen))
        with server.workers(lambda client: billing_workers(client, month)):
            try:
                yield month
            finally:
                _end_what_runs(month)


@contextmanager
def template_of(postgres_url: str, *, subscribers: int) -> Iterator[str]:
    """A database with so many subscribers, to be copied; answers its address. Nobody may be connected to it."""
    with database_of_its_own(postgres_url) as database:
        furnish(database, subscribers, on=datetime.now(Settings().zone).date().replace(day=1))
        database.close()
        yield database.url


def furnish(
    database: Database, subscribers: int, *, on: date, priced: bool = True, until: date | None = None, **facts: Any
) -> tuple[UUID, list[Account]]:
    """So many subscribers, each with a service from a day on, on one tariff charged in advance; answers the tariff."""
    with database.transaction() as session:
        tariff = factories.tariff(
            session, fee_minor=FEE_MINOR if priced else None, first_period_upfront=False, charging=Charging.ADVANCE
        )
        place = factories.premises(session)
        accounts = []
        for _ in range(subscribers):
            account = factories.customer(session, **facts).account
            service = factories.subscription(session, account, tariff_id=tariff.id, premises_id=place.id)
            service.status, service.active_from = SubscriptionStatus.ACTIVE, on
            session.add(ServicePeriod(subscription_id=service.id, during=Range(on, until), tariff_id=tariff.id))
            accounts.append(account)
        return tariff.id, accounts


def billing_workers(client: Client, month: Month) -> list[Worker]:
    """The worker of billing, as in production, on a queue of the test's own."""
    return [
        Worker(
            client,
            task_queue=month.queue,
            workflows=billing_run.WORKFLOWS,
            activities=activities_of(month.steps, TaskActivities(month.database, month.settings)),
            activity_executor=ThreadPoolExecutor(8),
            interceptors=[FailureBoundary()],
        )
    ]


def _end_what_runs(month: Month) -> None:
    with month.database.transaction() as session:
        names = list(session.scalars(select(Process.workflow_id)))
    for name in names:
        try:
            month.server.run(month.server.client.get_workflow_handle(name).terminate("the test is over"))
        except RPCError:
            continue
