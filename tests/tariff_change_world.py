"""A tariff change as tests drive it: a subscriber who is served already, and wants another tariff.

The service is there as a connection leaves it; the connection itself is tested elsewhere.
"""

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as clock_time
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from activities import services
from activities.gateways.network import LocalNetwork, NetworkGateway
from activities.tariff_change_request import register_tariff_change
from models.contracts.network import PortState
from models.contracts.processes import ProcessOutcome, TaskKind
from models.contracts.refusals import conflict
from models.contracts.services import ServicePeriodView
from models.contracts.stock import EquipmentKind, StockState
from models.contracts.tariff_change import NewTariffChange, TariffChangePolicy
from models.database import Database
from models.tables.billing import Invoice, InvoiceLine
from models.tables.catalogue import EquipmentModel, Tariff, TariffEquipment
from models.tables.messages import Message
from models.tables.network import NetworkPort
from models.tables.outbox import Outbox
from models.tables.people import Account
from models.tables.processes import Process, Task, TimelineEntry
from models.tables.stock import StockItem
from models.tables.subscriptions import ServicePeriod, Subscription
from tests import billing_histories, factories
from tests.connection_paths import REASON
from tests.connection_world import SETTINGS, World, process_workers
from tests.engines import TemporalServer

OLD_FEE, NEW_FEE = 650_000, 990_000
ON_TIME = TariffChangePolicy()
DAY = timedelta(days=1)


class WaryNetwork(LocalNetwork):
    """Equipment that is away for a while, says no for good to some profiles, or changes the speed without a word."""

    def __init__(
        self, database: Database, *, outages: int = 0, refuses: Collection[str] = (), silent: bool = False,
        when_asked: Callable[[Database, str], object] = lambda *_: None,
    ) -> None:  # fmt: skip
        super().__init__(database)
        self._own = database
        self.outages, self.refuses, self.when_asked = outages, refuses, when_asked
        self.asked_for: list[str] = []
        self.entered, self.answers = threading.Event(), threading.Event()
        if not silent:
            self.answers.set()

    def change_profile(self, subscription_id: UUID, profile: str) -> None:
        self.asked_for.append(profile)
        if self.outages:
            self.outages -= 1
            raise ConnectionError(f"no route: {REASON}")
        if profile in self.refuses:
            raise conflict("profile_unknown", "The network has no such profile: ask operations to enter it.")
        super().change_profile(subscription_id, profile)
        self.when_asked(self._own, profile)
        self.entered.set()
        self.answers.wait(100)


@dataclass
class TariffWorld(World):
    """One service, the tariff that it is on and the one that is wanted, and everybody who has to do with it."""

    subscription_id: UUID = field(default_factory=lambda: UUID(int=0))
    account: Account = field(default_factory=Account)
    to_code: str = ""
    to_sku: str = ""

    # -- the places and things ------------------------------------------------------------------------------------

    def serve(
        self, *, needs_equipment: bool = False, new_pieces: int = 1, needs_mbps: int | None = None,
        fast_ports: int = 0, mounted: bool = True,
    ) -> None:  # fmt: skip
        """Furnish the world, and let a service run in it since the month before this one."""
        self.furnish(pieces=1, ports=3)
        since = self.first_day(months=-1)
        with self.database.transaction() as session:
            customer = factories.customer(session, opened_on=since, premises_id=self.premises_id)
            self.account, self.account_no = customer.account, customer.account.account_no
            self.iin = customer.subscriber.iin
            old = session.scalars(select(Tariff).where(Tariff.code == self.tariff_code)).one()
            new = factories.tariff(session, fee_minor=NEW_FEE)
            new.title, new.network_profile, new.speed_mbps = "Домашний 1000", "1G", needs_mbps
            self.to_code = new.code
            self.subscription_id = billing_histories.serve(session, customer.account, old.id, since=since)
            session.get_one(Subscription, self.subscription_id).premises_id = self.premises_id
            self._equip(session, new, needs_equipment=needs_equipment, new_pieces=new_pieces, mounted=mounted)
            port = session.scalars(
                select(NetworkPort).where(NetworkPort.node_id == self.node_id).order_by(NetworkPort.port_no).limit(1)
            ).one()
            port.state, port.subscription_id, port.profile = PortState.ACTIVE, self.subscription_id, "100M"
            port.max_mbps = 500
            session.execute(
                update(NetworkPort)
                .where(
                    NetworkPort.node_id == self.node_id, NetworkPort.port_no > 1, NetworkPort.port_no > 1 + fast_ports
                )
                .values(max_mbps=500)
            )

    def _equip(self, session: Session, new: Tariff, *, needs_equipment: bool, new_pieces: int, mounted: bool) -> None:
        session.get_one(EquipmentModel, self.sku).kind = EquipmentKind.ONT
        if mounted:
            piece = session.scalars(select(StockItem).where(StockItem.sku == self.sku)).one()
            piece.state, piece.subscription_id, piece.first_used_at = (
                StockState.INSTALLED, self.subscription_id, self.now() - 400 * DAY,
            )  # fmt: skip
        better = factories.equipment(session, price_minor=3_400_000, pieces=new_pieces)
        better.kind, self.to_sku = EquipmentKind.ONT, better.sku
        if needs_equipment:
            session.add(TariffEquipment(tariff_id=new.id, sku=better.sku, place=1))

    def today(self) -> date:
        """The day where the operator is, by the server's time."""
        return self.now().astimezone(SETTINGS.zone).date()

    def sleep_until(self, day: date) -> None:
        """Let time pass until a day has begun where the operator is."""
        self.sleep(datetime.combine(day, clock_time(0, 1), SETTINGS.zone) - self.now())

    def first_day(self, *, months: int = 0) -> date:
        """The first day of this month, or of one before or after it."""
        day = self.today().replace(day=1)
        for _ in range(abs(months)):
            day = (day + 31 * DAY).replace(day=1) if months > 0 else (day - DAY).replace(day=1)
        return day

    # -- what people do -------------------------------------------------------------------------------------------

    def ask_for(
        self, effective: Literal["now", "next_period"] | date = "now", *, policy: TariffChangePolicy = ON_TIME,
        key: str | None = None, tariff_code: str | None = None,
    ) -> UUID:  # fmt: skip
        """An operator registers the wish, and its process starts."""
        now = self.now()
        order = NewTariffChange(
            subscription_id=self.subscription_id, tariff_code=tariff_code or self.to_code, effective=effective
        )
        with self.database.transaction() as session:
            process, _ = register_tariff_change(
                session, order, actor="staff:operator", idempotency_key=key, at=now, on=self.today()
            )
            self.process_id = process.id
            start = session.scalars(select(Outbox).where(Outbox.workflow_id == process.workflow_id)).one()
            assert start.start_input is not None
            start.start_input = {**start.start_input, "policy": policy.model_dump(mode="json")}
        self.deliver()
        return self.process_id

    def bill(self, period_on: date, *, issued_on: date | None = None) -> None:
        """The billing run of a month comes to this account."""
        with self.database.transaction() as session:
            billing_histories.bill(session, [self.account], period_on, issued_on=issued_on)

    def owe(self) -> int:
        """The subscriber gets this month's invoice, and does not pay it yet; answers its sum."""
        self.bill(self.first_day())
        with self.database.transaction() as session:
            return session.scalars(
                select(Invoice.total_minor).where(
                    Invoice.account_id == self.account.id, Invoice.period_on == self.first_day()
                )
            ).one()

    def freeze(self, from_on: date, until_on: date | None = None) -> None:
        """The subscriber wants no service for a while."""
        with self.database.transaction() as session:
            services.freeze(session, self.subscription_id, from_on=from_on, until_on=until_on, today=self.today())

    def suspend(self) -> None:
        """Dunning switches the service off."""
        with self.database.transaction() as session:
            services.suspend(session, self.subscription_id, on=self.today(), today=self.today())
            port = session.scalars(select(NetworkPort).where(NetworkPort.subscription_id == self.subscription_id)).one()
            port.state, port.profile = PortState.SUSPENDED, None

    def replaced(self, **facts: Any) -> dict[str, Any]:
        """The installer's form: what is reserved is mounted, what is there is taken back in order."""
        with self.database.transaction() as session:
            pieces = session.execute(
                select(StockItem.serial, StockItem.state)
                .where(StockItem.subscription_id == self.subscription_id)
                .order_by(StockItem.serial)
            ).all()
        return {
            "serials": [serial for serial, state in pieces if state is StockState.RESERVED],
            "equipment": [
                {"serial": serial, "condition": "tested_ok"}
                for serial, state in pieces
                if state is StockState.INSTALLED
            ],
            **facts,
        }  # fmt: skip

    # -- whole stretches of the way -------------------------------------------------------------------------------

    def to_debt_control(self) -> int:
        """Asked for by somebody who owes this month's invoice; answers what is owed."""
        debt_minor = self.owe()
        self.ask_for()
        self.task(TaskKind.CONTROL_DEBT)
        return debt_minor

    def to_purchase(self) -> None:
        """The new equipment is out of stock."""
        self.ask_for()
        self.task(TaskKind.PURCHASE)

    def to_scheduling(self) -> None:
        """The new equipment is reserved."""
        self.ask_for()
        self.task(TaskKind.ASSIGN_CREW)

    def to_replacement(self) -> None:
        """A crew is on its way."""
        self.to_scheduling()
        self.complete(TaskKind.ASSIGN_CREW, "assigned", self.slot())
        self.task(TaskKind.REPLACE)

    def to_act(self) -> None:
        """Replaced."""
        self.to_replacement()
        self.complete(TaskKind.REPLACE, "replaced", self.replaced())
        self.task(TaskKind.SIGN_ACT)

    def to_effective_day(self) -> date:
        """All is ready, weeks before the day; answers the day."""
        day = self.today() + 40 * DAY
        self.ask_for(day)
        self.wait_for_stage("effective_day")
        return day

    def changed(self) -> ProcessOutcome:
        """A change for which nobody has to go there."""
        self.ask_for()
        return self.outcome()

    # -- what can be seen -----------------------------------------------------------------------------------------

    def tariff_code_of_service(self) -> str:
        """The tariff that the service is on."""
        with self.database.transaction() as session:
            return session.scalars(
                select(Tariff.code).join(Subscription).where(Subscription.id == self.subscription_id)
            ).one()

    def days(self) -> list[ServicePeriodView]:
        """The service day by day."""
        with self.database.transaction() as session:
            return services.days_of(session, self.subscription_id).periods

    def port(self) -> tuple[int, str, str | None]:
        """Number, state and profile of the port that the service is on."""
        with self.database.transaction() as session:
            port = session.scalars(
                select(NetworkPort).where(
                    NetworkPort.subscription_id == self.subscription_id, NetworkPort.kept_for.is_(None)
                )
            ).one()
            return port.port_no, port.state.value, port.profile

    def facts_of(self, event: str) -> dict[str, Any]:
        """What the timeline says of an event."""
        with self.database.transaction() as session:
            facts: dict[str, Any] = session.scalars(
                select(TimelineEntry.facts).where(
                    TimelineEntry.process_id == self.process_id, TimelineEntry.event == event
                )
            ).one()
            return facts

    def sms(self, template: str) -> str:
        """The text of the SMS of a template."""
        with self.database.transaction() as session:
            return session.scalars(
                select(Message.body).where(Message.process_id == self.process_id, Message.template == template)
            ).one()

    def invoiced_minor(self, month_on: date) -> int:
        """What all invoices charge for the service in a month, credits included."""
        with self.database.transaction() as session:
            return session.scalars(
                select(func.coalesce(func.sum(InvoiceLine.total_minor), 0)).where(
                    InvoiceLine.subscription_id == self.subscription_id, InvoiceLine.service_month_on == month_on
                )
            ).one()

    def residue(self) -> dict[str, Any]:
        """Everything that a change may take or alter: compared before and after a cancelled one."""
        with self.database.transaction() as session:
            mine: dict[str, Any] = {
                **super().residue(),
                "new_stock": sorted(
                    session.execute(select(StockItem.serial, StockItem.state).where(StockItem.sku == self.to_sku))
                ),
                "kept_ports": session.scalar(
                    select(func.count()).where(NetworkPort.node_id == self.node_id, NetworkPort.kept_for.is_not(None))
                ),
                "days": [
                    (row.during.lower, row.during.upper, row.tariff_id, row.state)
                    for row in session.scalars(
                        select(ServicePeriod)
                        .where(ServicePeriod.subscription_id == self.subscription_id)
                        .order_by(ServicePeriod.during)
                    )
                ],
                "service": session.execute(
                    select(Subscription.tariff_id, Subscription.status).where(Subscription.id == self.subscription_id)
                ).one(),
                "open_processes": session.scalar(
                    select(func.count()).where(
                        Process.subscription_id == self.subscription_id, Process.status == "open"
                    )
                ),
            }
            return mine

    def open_kinds(self) -> list[str]:
        """The kinds of the tasks that are open."""
        with self.database.transaction() as session:
            return list(
                session.scalars(select(Task.kind).where(Task.process_id == self.process_id, Task.status == "open"))
            )


@contextmanager
def tariff_world(
    database: Database, server: TemporalServer, *, network: NetworkGateway | None = None, **furniture: Any
) -> Iterator[TariffWorld]:
    """A world with a running service, whose process runs on `server` until the block ends."""
    world = TariffWorld(database, server, queue=factories.unique("processes"))
    world.serve(**furniture)
    with server.workers(lambda client: process_workers(client, database, world.queue, network=network)):
        yield world
