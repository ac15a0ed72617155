"""A part of the network with people on it, and outages there, at a time that tests turn; without an engine.

`go_on` does what the processes do: the next pieces of work until there are none, for every outage that was told
something or whose time has come; `pass_until` lets the time pass; `deliver_sms` is the delivery of SMS. The process
itself is tested elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select, update

from activities import outage_course
from activities.outage_changes import change_outage
from activities.outage_registration import register_outage
from activities.outage_state import call_off, locked
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.engine import ANOTHER_OUTAGE_CHANGED
from models.contracts.messaging import MessageStatus
from models.contracts.network import NodeKind, PortState
from models.contracts.outage import NewOutage, OutageChange, OutageKind
from models.contracts.outage_process import OutageLook, OutageStep
from models.database import Database
from models.tables.dunning import DunningHold
from models.tables.messages import Message
from models.tables.network import NetworkPort
from models.tables.outages import Outage, OutageAffected
from models.tables.outbox import Outbox
from models.tables.processes import Process, TimelineEntry
from settings import Settings
from tests import factories

SETTINGS = Settings(environment="local")
ZONE = SETTINGS.zone
HOUR = timedelta(hours=1)
MORNING = datetime(2026, 11, 24, 10, 0, tzinfo=ZONE).astimezone(UTC)
"""A Tuesday."""
REASON = "обрыв кабеля у дома Сейткали Армана Болатовича"
"""What people type, and must never be found in a history."""


class Served(NamedTuple):
    """Somebody with a service."""

    subscriber_id: UUID
    account_id: UUID
    subscription_id: UUID
    phone: str


@dataclass
class Town:
    """A site with an OLT and two buildings; people live in the buildings."""

    database: Database
    now: datetime = MORNING
    site_id: UUID = field(default_factory=lambda: UUID(int=0))
    olt_id: UUID = field(default_factory=lambda: UUID(int=0))
    houses: list[UUID] = field(default_factory=list)
    people: list[Served] = field(default_factory=list)
    outages: list[UUID] = field(default_factory=list)
    wakes: dict[UUID, datetime | None] = field(default_factory=dict)
    piece: int = outage_course.PIECE

    def __post_init__(self) -> None:
        with self.database.transaction() as session:
            self.site_id = factories.node(session, kind=NodeKind.SITE).id
            self.olt_id = factories.node(session, kind=NodeKind.OLT, parent_id=self.site_id).id
            self.houses = [factories.node(session, parent_id=self.olt_id).id for _ in range(2)]
            self._tariff_id = factories.tariff(session).id

    # -- who lives there --------------------------------------------------------------------------------------------

    def live(
        self, house: int = 0, *, phone: str | None = None, status: SubscriptionStatus = SubscriptionStatus.ACTIVE,
        port_on: UUID | None = None, **facts: Any,
    ) -> Served:  # fmt: skip
        """Somebody moves in: a service whose port is on a node, or no port at all."""
        with self.database.transaction() as session:
            customer = factories.customer(session, phone=phone, **facts)
            premises = factories.premises(session, node_id=self.houses[house])
            service = factories.subscription(
                session, customer.account, tariff_id=self._tariff_id, premises_id=premises.id, status=status,
                active_from=None if status is SubscriptionStatus.PENDING else factories.TODAY.replace(day=1),
            )  # fmt: skip
            if port_on is not None:
                used = session.scalars(select(NetworkPort.port_no).where(NetworkPort.node_id == port_on)).all()
                session.add(
                    NetworkPort(
                        node_id=port_on, port_no=len(used) + 1, state=PortState.ACTIVE, profile="100M",
                        subscription_id=service.id,
                    )
                )  # fmt: skip
            served = Served(customer.subscriber.id, customer.account.id, service.id, customer.subscriber.phone)
        self.people.append(served)
        return served

    # -- what happens -----------------------------------------------------------------------------------------------

    def register(
        self, kind: OutageKind = OutageKind.EMERGENCY, *nodes: UUID, starts: float | None = None,
        ends: float | None = None, key: str | None = None,
    ) -> UUID:  # fmt: skip
        """The dispatcher registers an outage; times in hours from now."""
        order = NewOutage(
            kind=kind, node_ids=list(nodes or [self.olt_id]), reason=REASON,
            starts_at=None if starts is None else self.now + starts * HOUR,
            ends_at=None if ends is None else self.now + ends * HOUR,
        )  # fmt: skip
        with self.database.transaction() as session:
            process, _ = register_outage(
                session, order, actor="staff:dispatcher", idempotency_key=key, at=self.now
            )  # fmt: skip
        self.outages.append(process.id)
        self.go_on()
        return process.id

    def pin(self, outage_id: UUID, **body: Any) -> None:
        """Let an outage have begun under another policy."""
        with self.database.transaction() as session:
            session.get_one(Process, outage_id).policy_id = factories.policy(session, body).id
        self.wakes.pop(outage_id, None)
        self.go_on()

    def planned(self, *nodes: UUID, starts: float, ends: float) -> UUID:
        """Works that lie ahead."""
        return self.register(OutageKind.PLANNED, *nodes, starts=starts, ends=ends)

    def change(self, outage_id: UUID, **what: Any) -> None:
        """The dispatcher changes or ends it."""
        with self.database.transaction() as session:
            change_outage(session, outage_id, OutageChange(**what), actor="staff:dispatcher", at=self.now)
        self.go_on()

    def cancel(self, outage_id: UUID) -> None:
        """Somebody cancels the process."""
        with self.database.transaction() as session:
            call_off(locked(session, outage_id), at=self.now)
        self.step(outage_id)
        self.go_on()

    def go_on(self) -> None:
        """Let every process do what it was told to look at, or what its time has brought."""
        while True:
            told = self._signals()
            due = {one for one, wakes_at in self.wakes.items() if wakes_at is not None and wakes_at <= self.now}
            due |= {one for one in self.outages if one not in self.wakes}
            if not told and not due:
                return
            for outage_id in sorted(due | set(told)):
                self.step(outage_id, is_news=ANOTHER_OUTAGE_CHANGED in told.get(outage_id, []))

    def _signals(self) -> dict[UUID, list[str]]:
        """What the outbox holds for these outages."""
        names = {f"outage/{one}": one for one in self.outages}
        told: dict[UUID, list[str]] = {}
        with self.database.transaction() as session:
            rows = session.scalars(
                select(Outbox).where(
                    Outbox.workflow_id.in_(names), Outbox.signal.is_not(None), Outbox.delivered_at.is_(None)
                )
            ).all()
            for row in rows:
                row.delivered_at = datetime.now(UTC)
                told.setdefault(names[row.workflow_id], []).append(str(row.signal))
        return told

    def pass_until(self, at: datetime) -> None:
        """Let the time pass; whatever is due meanwhile is done when it is due."""
        while True:
            ahead = [wakes_at for wakes_at in self.wakes.values() if wakes_at is not None and wakes_at > self.now]
            if not ahead or min(ahead) > at:
                break
            self.now = min(ahead)
            self.go_on()
        self.now = at
        self.go_on()

    def sleep(self, hours: float) -> None:
        """Let some hours pass."""
        self.pass_until(self.now + hours * HOUR)

    def deliver_sms(self) -> None:
        """All that is queued goes, and arrives."""
        with self.database.transaction() as session:
            session.execute(
                update(Message)
                .where(Message.process_id.in_(self.outages), Message.status == MessageStatus.QUEUED)
                .values(status=MessageStatus.DELIVERED, attempted_at=self.now, settled_at=self.now)
            )

    def step(self, outage_id: UUID, *, is_news: bool = False) -> OutageLook:
        """One process works until it has nothing to do."""
        while True:
            look = self.one_piece(outage_id, is_news=is_news)
            is_news = False
            if not look.has_more:
                self.wakes[outage_id] = look.wakes_at
                return look

    def one_piece(self, outage_id: UUID, *, is_news: bool = False) -> OutageLook:
        """One step of a process, as after a crash it may be the last one."""
        step = OutageStep(process_id=outage_id, at=self.now, is_news=is_news)
        with self.database.transaction() as session:
            return outage_course.go_on(session, step, SETTINGS, piece=self.piece)

    # -- what can be seen -------------------------------------------------------------------------------------------

    def outage(self, outage_id: UUID) -> Outage:
        """Its row."""
        with self.database.transaction() as session:
            return session.get_one(Outage, outage_id)

    def process(self, outage_id: UUID) -> Process:
        """Its projection."""
        with self.database.transaction() as session:
            return session.get_one(Process, outage_id)

    def affected(self, outage_id: UUID) -> set[UUID]:
        """The services that it affects now."""
        with self.database.transaction() as session:
            rows = select(OutageAffected.subscription_id).where(
                OutageAffected.outage_id == outage_id, OutageAffected.until_at.is_(None)
            )
            return set(session.scalars(rows))

    def rows(self, outage_id: UUID) -> Sequence[OutageAffected]:
        """Its list, in the order of its positions."""
        with self.database.transaction() as session:
            rows = select(OutageAffected).where(OutageAffected.outage_id == outage_id)
            return session.scalars(rows.order_by(OutageAffected.position)).all()

    def messages(self, *people: Served, all_of_them: bool = False) -> list[Message]:
        """The SMS that these people, or all, were to get, without those that were withdrawn."""
        with self.database.transaction() as session:
            rows = select(Message).where(Message.process_id.in_(self.outages), Message.subscriber_id.is_not(None))
            if people:
                rows = rows.where(Message.subscriber_id.in_([one.subscriber_id for one in people]))
            if not all_of_them:
                rows = rows.where(Message.status != MessageStatus.WITHDRAWN)
            return list(session.scalars(rows.order_by(Message.id)))

    def heard(self, *people: Served) -> list[str]:
        """The occasions on which these people, or all, were written to."""
        return [one.template.removeprefix("outage_") for one in self.messages(*people)]

    def held(self) -> set[UUID]:
        """The accounts whose dunning waits for one of these outages."""
        with self.database.transaction() as session:
            rows = select(DunningHold.account_id).where(
                DunningHold.source_id.in_(self.outages), DunningHold.released_at.is_(None)
            )
            return set(session.scalars(rows))

    def events(self, outage_id: UUID) -> list[str]:
        """Its timeline, oldest first."""
        with self.database.transaction() as session:
            rows = select(TimelineEntry.event).where(TimelineEntry.process_id == outage_id)
            return list(session.scalars(rows.order_by(TimelineEntry.at, TimelineEntry.id)))
