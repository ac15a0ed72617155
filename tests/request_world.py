"""A request as tests drive it: the real process on a real Temporal server, over the real database.

Outages are real ones too, listed and told of without a process of their own. `deliver` is the outbox relay for the
processes that this world knows; the relay itself is tested elsewhere.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from temporalio.service import RPCError, RPCStatusCode

from activities import outage_changes, outage_course
from activities.department_heads import head_of
from activities.gateways.network import LocalNetwork, NetworkGateway
from activities.outage_registration import register_outage
from activities.outbox import is_waiting
from activities.request_acts import answer_request, change_request
from activities.request_closing import reopen_request
from activities.request_registration import register_request
from models.contracts.network import PortState
from models.contracts.outage import NewOutage, OutageChange, OutageKind
from models.contracts.outage_process import OutageStep
from models.contracts.people import Role
from models.contracts.processes import ProcessKind, TaskKind
from models.contracts.request import NewRequest, RequestChange
from models.contracts.request_policy import Calendar, DayHours, RequestPolicy
from models.contracts.request_words import Channel
from models.database import Database
from models.tables.catalogue import Policy
from models.tables.crews import Visit
from models.tables.messages import Message
from models.tables.network import NetworkPort
from models.tables.outbox import Outbox
from models.tables.people import Subscriber
from models.tables.processes import Process, Task, TimelineEntry
from models.tables.requests import Request, RequestLink, RequestPause, RequestText
from models.tables.subscriptions import Subscription
from tests import billing_histories, factories
from tests.connection_paths import REASON
from tests.connection_world import SETTINGS, World, process_workers
from tests.engines import TemporalServer

HOUR = timedelta(hours=1)
ALWAYS = Calendar(days={day: [DayHours(opens="00:00", closes="00:00")] for day in range(1, 8)}, works_on_holidays=True)
"""Every hour is working time, so that a test need not know on which day it runs."""
AROUND_THE_CLOCK = RequestPolicy(calendar=ALWAYS)


def set_policy(database: Database, policy: RequestPolicy) -> int:
    """The operator saves a version of the policy, for requests that are registered from now on."""
    with database.transaction() as session:
        newest = session.scalar(select(func.max(Policy.version)).where(Policy.code == ProcessKind.REQUEST))
        version = (newest or 0) + 1
        factories.policy(session, policy.model_dump(mode="json"), code=ProcessKind.REQUEST, version=version)
        return version


@dataclass
class RequestWorld(World):
    """A subscriber with a service, and what they want."""

    subscriber_id: UUID = field(default_factory=lambda: UUID(int=0))
    subscription_id: UUID = field(default_factory=lambda: UUID(int=0))
    to_code: str = ""
    phone: str = ""
    known: list[UUID] = field(default_factory=list)
    """The processes that are told what the outbox holds for them."""

    # -- the places and things ------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Furnish the world, and let a service run in it."""
        self.furnish(pieces=1, ports=3)
        since = (self.now() - timedelta(days=60)).date()
        with self.database.transaction() as session:
            customer = factories.customer(session, opened_on=since, premises_id=self.premises_id)
            self.subscriber_id, self.phone = customer.subscriber.id, customer.subscriber.phone
            self.account_no, self.iin = customer.account.account_no, customer.subscriber.iin
            old = factories.tariff(session, fee_minor=650_000)
            self.to_code = factories.tariff(session, fee_minor=990_000).code
            self.subscription_id = billing_histories.serve(session, customer.account, old.id, since=since)
            session.get_one(Subscription, self.subscription_id).premises_id = self.premises_id
            port = session.scalars(
                select(NetworkPort).where(NetworkPort.node_id == self.node_id).order_by(NetworkPort.port_no).limit(1)
            ).one()
            port.state, port.subscription_id, port.profile = PortState.ACTIVE, self.subscription_id, "100M"

    # -- what people do -------------------------------------------------------------------------------------------

    def want(
        self, category: str | None = "no_internet", *, text: str = REASON, channel: Channel = Channel.CALL,
        phone: str | None = None, key: str | None = None, **more: Any,
    ) -> UUID:  # fmt: skip
        """The subscriber, or whoever has that phone, wants something."""
        who = {"phone": phone} if phone is not None else {"subscriber_id": self.subscriber_id}
        order = NewRequest(channel=channel, category=category, text=text, **who, **more)
        with self.database.transaction() as session:
            process, _ = register_request(session, order, actor="staff:operator", idempotency_key=key, at=self.now())
            self.process_id = process.id
        self.known.append(self.process_id)
        self.deliver()
        return self.process_id

    def answer(self, text: str = REASON, *, key: str | None = None) -> None:
        """What the subscriber says is written down."""
        with self.database.transaction() as session:
            key = key or factories.unique("answer")
            answer_request(session, self.process_id, text, actor="staff:operator", at=self.now(), key=key)
        self.deliver()

    def change(self, **wanted: Any) -> None:
        """Staff change something about the request."""
        with self.database.transaction() as session:
            change_request(
                session, self.process_id, RequestChange(**wanted), actor="staff:operator", at=self.now()
            )  # fmt: skip
        self.deliver()

    def reopen(self, text: str = REASON, *, key: str | None = None) -> None:
        """The subscriber is not content."""
        with self.database.transaction() as session:
            key = key or factories.unique("reopening")
            reopen_request(session, self.process_id, text, actor="staff:operator", at=self.now(), key=key)
        self.deliver()

    def work(self, outcome: str, **data: Any) -> None:
        """The department completes its task."""
        self.complete(TaskKind.HANDLE_REQUEST, outcome, data)
        self.deliver()

    def solve(self) -> None:
        """The department solves it."""
        self.work("solved", solution=REASON)

    def start(self, kind: str, **order: Any) -> UUID:
        """The department starts another process; answers it."""
        self.work("start", start={"kind": kind, "order": order})
        with self.database.transaction() as session:
            follows_id = session.scalars(
                select(RequestLink.follows_id).where(
                    RequestLink.process_id == self.process_id, RequestLink.ended_at.is_(None)
                )
            ).one()
        self.known.append(follows_id)
        self.deliver()
        return follows_id

    # -- outages --------------------------------------------------------------------------------------------------

    def cut(self, *, ends_in: timedelta = 4 * HOUR, node_id: UUID | None = None) -> UUID:
        """A fibre is cut: an emergency begins, and those affected are listed and told."""
        now = self.now()
        order = NewOutage(
            kind=OutageKind.EMERGENCY, node_ids=[node_id or self.node_id], ends_at=now + ends_in, reason="обрыв кабеля"
        )  # fmt: skip
        with self.database.transaction() as session:
            process, _ = register_outage(session, order, actor="staff:dispatcher", idempotency_key=None, at=now)
            outage_id = process.id
        self.look_at_outage(outage_id)
        return outage_id

    def look_at_outage(self, outage_id: UUID) -> None:
        """What the outage's own process does next."""
        with self.database.transaction() as session:
            outage_course.go_on(session, OutageStep(process_id=outage_id, at=self.now()), SETTINGS)

    def change_outage(self, outage_id: UUID, **change: Any) -> None:
        """The dispatcher moves or ends it."""
        with self.database.transaction() as session:
            outage_changes.change_outage(
                session, outage_id, OutageChange(**change), actor="staff:dispatcher", at=self.now()
            )
        self.deliver()
        self.look_at_outage(outage_id)

    # -- the relay ------------------------------------------------------------------------------------------------

    def deliver(self) -> None:
        """Tell Temporal what the outbox holds for the processes of this world."""
        with self.database.transaction() as session:
            rows = session.scalars(
                select(Outbox)
                .join(Process, Outbox.workflow_id == Process.workflow_id)
                .where(Process.id.in_(self.known), is_waiting())
                .order_by(Outbox.id)
            ).all()
            for row in rows:
                self.server.run(self._tell_unless_ended(row))
                row.delivered_at = datetime.now(UTC)

    async def _tell_unless_ended(self, row: Outbox) -> None:
        try:
            await self._tell(row)
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    # -- what can be seen -----------------------------------------------------------------------------------------

    def request(self, process_id: UUID | None = None) -> Request:
        """The request as the database has it."""
        with self.database.transaction() as session:
            return session.get_one(Request, process_id or self.process_id)

    def pauses(self) -> list[tuple[str, bool]]:
        """Why the clock stood still, and whether it runs again."""
        with self.database.transaction() as session:
            rows = session.scalars(
                select(RequestPause).where(RequestPause.process_id == self.process_id).order_by(RequestPause.number)
            )
            return [(pause.reason.value, pause.ended_at is not None) for pause in rows]

    def texts(self) -> list[str]:
        """What was said, in kinds."""
        with self.database.transaction() as session:
            rows = session.scalars(
                select(RequestText.kind).where(RequestText.process_id == self.process_id).order_by(RequestText.id)
            )
            return [kind.value for kind in rows]

    def links(self, process_id: UUID | None = None) -> list[tuple[str, str | None]]:
        """What it follows or followed, and how that ended."""
        with self.database.transaction() as session:
            rows = session.scalars(
                select(RequestLink)
                .where(RequestLink.process_id == (process_id or self.process_id))
                .order_by(RequestLink.id)
            )
            return [(link.kind.value, link.ended_as and link.ended_as.value) for link in rows]

    def sms(self, process_id: UUID | None = None) -> list[str]:
        """What went to whoever made the request because of it, without what was withdrawn."""
        return self._messages(Message.process_id == (process_id or self.process_id), Message.staff_id.is_(None))

    def sms_of_subscriber(self) -> list[str]:
        """All that goes to the subscriber, of whatever process."""
        return self._messages(Message.subscriber_id == self.subscriber_id)

    def _messages(self, *which: Any) -> list[str]:
        with self.database.transaction() as session:
            told = select(Message.template).where(*which, Message.status != "withdrawn").order_by(Message.id)
            return list(session.scalars(told))

    def left_over(self) -> dict[str, Any]:
        """What a cancelled request must not leave behind."""
        with self.database.transaction() as session:
            of_it = Task.process_id == self.process_id
            return {
                "open tasks": session.scalar(select(func.count()).where(of_it, Task.status == "open")),
                "visits": session.scalar(select(func.count()).where(Visit.process_id == self.process_id)),
                "links": session.scalar(
                    select(func.count()).where(
                        RequestLink.process_id == self.process_id, RequestLink.ended_at.is_(None)
                    )
                ),
                "pauses": session.scalar(
                    select(func.count()).where(
                        RequestPause.process_id == self.process_id, RequestPause.ended_at.is_(None)
                    )
                ),
                "sms to be sent": session.scalar(
                    select(func.count()).where(
                        Message.process_id == self.process_id, Message.status == "queued",
                        Message.template != "request_cancelled",
                    )
                ),
            }  # fmt: skip

    def story(self) -> Sequence[TimelineEntry]:
        """The timeline."""
        with self.database.transaction() as session:
            return session.scalars(
                select(TimelineEntry).where(TimelineEntry.process_id == self.process_id).order_by(TimelineEntry.id)
            ).all()

    def head(self, role: Role) -> UUID:
        """A head of a department, the first who is told."""
        with self.database.transaction() as session:
            known = head_of(session, role)
            return factories.staff(session, role, is_head=True).row.id if known is None else known.id

    def subscriber(self) -> Subscriber:
        """Who it is about."""
        with self.database.transaction() as session:
            return session.get_one(Subscriber, self.subscriber_id)


@contextmanager
def request_world(
    database: Database, server: TemporalServer, *, network: NetworkGateway | None = None,
    policy: RequestPolicy = AROUND_THE_CLOCK,
) -> Iterator[RequestWorld]:  # fmt: skip
    """A served subscriber, whose requests run on `server` until the block ends."""
    set_policy(database, policy)
    world = RequestWorld(database, server, queue=factories.unique("requests"))
    world.serve()
    gateway = network or LocalNetwork(database)
    with server.workers(lambda client: process_workers(client, database, world.queue, network=gateway)):
        yield world
