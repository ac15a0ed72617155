"""A disconnection as tests drive it: somebody is connected first, and leaves then, on a real Temporal server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from activities import services
from activities.disconnection_request import register_disconnection
from activities.gateways.network import LocalNetwork, NetworkGateway
from models.contracts.disconnection import DisconnectionPolicy, NewDisconnection
from models.contracts.people import Role
from models.contracts.processes import ProcessKind, ProcessOutcome, TaskKind
from models.database import Database
from models.tables.billing import Invoice
from models.tables.catalogue import Tariff
from models.tables.disconnection import DisconnectionRequest
from models.tables.outbox import Outbox
from models.tables.payments import Payment
from models.tables.people import Account, Subscriber
from models.tables.processes import Process
from models.tables.subscriptions import ServicePeriod, Subscription
from tests import factories
from tests.connection_world import SETTINGS, World, process_workers
from tests.engines import TemporalServer

REASON = "moves to another town"
IN_TIME = DisconnectionPolicy()


@dataclass
class LeavingWorld(World):
    """Somebody who is connected, and everybody who has to do with their leaving."""

    subscription_id: UUID = field(default_factory=lambda: UUID(int=0))
    connection_id: UUID = field(default_factory=lambda: UUID(int=0))
    slots_taken: int = 0

    # -- before ---------------------------------------------------------------------------------------------------

    def connect(self, *, equipment: int = 1, upfront: bool = False) -> None:
        """Connect somebody. With `upfront` the first month is paid already: leaving then gives money back."""
        with self.database.transaction() as session:
            session.execute(update(Tariff).where(Tariff.code == self.tariff_code).values(first_period_upfront=upfront))
        self.total_minor = 500_000 + equipment * 1_500_000 + upfront * 650_000
        self.apply(equipment=equipment)
        self.wait_for_stage("prepayment")
        self.pay(self.total_minor)
        self.complete(
            TaskKind.ASSIGN_CREW,
            "assigned",
            {**self.next_slot(), "starts_at": self.slot(days=self.slots_taken, hour=17)["starts_at"]},
        )
        self.complete(TaskKind.INSTALL, "installed", {"serials": self.serials()})
        self.complete(TaskKind.SIGN_ACT, "signed")
        self.outcome()
        subscription_id = self.process().subscription_id
        assert subscription_id is not None
        self.connection_id, self.subscription_id = self.process_id, subscription_id

    def owe(self, amount_minor: int = 650_000, *, days_late: int = 10) -> None:
        """Let an invoice be overdue by so many days."""
        today = self.today()
        with self.database.transaction() as session:
            process = session.get_one(Process, self.connection_id)
            account = session.get_one(Account, process.account_id)
            factories.connection_invoice(
                session, account, amount_minor, issued_on=today - timedelta(days=days_late + 10),
                due_on=today - timedelta(days=days_late),
            )  # fmt: skip

    def suspend(self) -> None:
        """Switch the service off for a debt, as dunning does."""
        with self.database.transaction() as session:
            services.suspend(session, self.subscription_id, on=self.today(), today=self.today())
        LocalNetwork(self.database).switch_off(self.subscription_id)

    def today(self) -> date:
        """The day at the operator's."""
        return self.now().astimezone(SETTINGS.zone).date()

    # -- the wish -------------------------------------------------------------------------------------------------

    def leave(
        self, *, in_days: int = 5, policy: DisconnectionPolicy = IN_TIME, key: str | None = None,
        for_debt: bool = False, reason: str = REASON,
    ) -> UUID:  # fmt: skip
        """An operator registers the wish to leave, or dunning orders the disconnection, and its process starts."""
        order = NewDisconnection(
            subscription_id=self.subscription_id, reason=reason, requested_on=self.today() + timedelta(days=in_days)
        )
        with self.database.transaction() as session:
            dunning = self.dunning(session) if for_debt else None
            process, _ = register_disconnection(
                session, order, actor="staff:operator", idempotency_key=key, at=self.now(), zone=SETTINGS.zone,
                dunning_process_id=dunning,
            )  # fmt: skip
            self.process_id = process.id
            start = session.scalars(select(Outbox).where(Outbox.workflow_id == process.workflow_id)).one()
            assert start.start_input is not None
            start.start_input = {**start.start_input, "policy": policy.model_dump(mode="json")}
        self.deliver()
        return self.process_id

    def dunning(self, session: Session) -> UUID:
        """A dunning of this account; nothing runs for it."""
        account = session.get_one(Subscription, self.subscription_id).account_id
        process = factories.process(
            session, kind=ProcessKind.DUNNING, stage="disconnection",
            account=session.get_one(Account, account),
        )  # fmt: skip
        return process.id

    # -- what people do -------------------------------------------------------------------------------------------

    def accountant(self, *, is_head: bool = False) -> str:
        """Somebody of accounting, as an actor."""
        with self.database.transaction() as session:
            return f"staff:{factories.staff(session, Role.ACCOUNTING, is_head=is_head).row.id}"

    def another_place(self) -> UUID:
        """Premises on the same node where nobody is connected yet."""
        with self.database.transaction() as session:
            return factories.premises(session, node_id=self.node_id).id

    def another_account_no(self) -> str:
        """A second account of the same subscriber."""
        with self.database.transaction() as session:
            account = session.get_one(Account, session.get_one(Subscription, self.subscription_id).account_id)
            return factories.another_account(session, session.get_one(Subscriber, account.subscriber_id)).account_no

    def next_slot(self) -> dict[str, Any]:
        """A slot that nobody has taken."""
        self.slots_taken += 1
        return self.slot(days=self.slots_taken, hour=9)

    def found(self, condition: str = "tested_ok") -> dict[str, Any]:
        """The data of a dismantling in which every piece was found so."""
        return {"equipment": [{"serial": serial, "condition": condition} for serial in self.serials()]}

    def owed(self) -> int:
        """What is to be paid on this account."""
        return self.balances().get("1210", 0)

    # -- whole stretches of the way -------------------------------------------------------------------------------

    def to_control(self) -> None:
        """Connected, and leaving in some days with something to pay: accounting is asked."""
        self.connect()
        self.leave()
        self.task(TaskKind.SETTLE_ACCOUNT)

    def to_settlement(self) -> None:
        """The final invoice is out."""
        self.to_control()
        self.complete(TaskKind.SETTLE_ACCOUNT, "invoiced")
        self.wait_for_stage("settlement")

    def to_approval(self) -> None:
        """Somebody asked to write it off."""
        self.to_control()
        self.complete(TaskKind.SETTLE_ACCOUNT, "written_off", {"reason": REASON}, actor=self.accountant())
        self.task(TaskKind.APPROVE_WRITE_OFF)

    def to_written_off(self) -> None:
        """And a head of accounting approved."""
        self.to_approval()
        self.complete(TaskKind.APPROVE_WRITE_OFF, "approved", actor=self.accountant(is_head=True))
        self.task(TaskKind.ASSIGN_CREW)

    def to_leaving_visit(self) -> None:
        """Paid: the dispatcher is asked."""
        self.to_settlement()
        self.pay(self.owed())
        self.task(TaskKind.ASSIGN_CREW)

    def to_dismantling(self) -> None:
        """A crew is on its way."""
        self.to_leaving_visit()
        self.complete(TaskKind.ASSIGN_CREW, "assigned", self.slot(days=5))
        self.task(TaskKind.DISMANTLE)

    def to_return(self) -> None:
        """The equipment is dismantled, on the wished day."""
        self.to_dismantling()
        self.sleep(timedelta(days=5))
        self.complete(TaskKind.DISMANTLE, "dismantled", self.found())
        self.task(TaskKind.SIGN_ACT)

    def disconnected(self) -> ProcessOutcome:
        """The service has ended."""
        self.to_return()
        self.complete(TaskKind.SIGN_ACT, "signed")
        return self.outcome()

    # -- what can be seen -----------------------------------------------------------------------------------------

    def request(self) -> DisconnectionRequest:
        """What the disconnection knows beside its process."""
        with self.database.transaction() as session:
            return session.get_one(DisconnectionRequest, self.process_id)

    def subscription(self) -> Subscription:
        """The service."""
        with self.database.transaction() as session:
            return session.get_one(Subscription, self.subscription_id)

    def invoice(self, kind: str) -> Invoice:
        """The invoice of this kind that the disconnection issued."""
        with self.database.transaction() as session:
            return session.scalars(
                select(Invoice).where(Invoice.process_id == self.process_id, Invoice.kind == kind)
            ).one()

    def paid_in(self) -> int:
        """What was paid since the wish to leave was registered."""
        with self.database.transaction() as session:
            process = session.get_one(Process, self.process_id)
            paid = select(func.coalesce(func.sum(Payment.amount_minor), 0)).where(
                Payment.account_id == process.account_id, Payment.received_at >= process.opened_at
            )
            return int(session.execute(paid).scalar_one())

    def stock(self) -> dict[str, str]:
        """Where each piece is."""
        return {serial: str(state) for serial, state in self.residue()["stock"]}

    def world_around(self) -> dict[str, Any]:
        """Everything that a disconnection may change: compared before and after one that was given up."""
        shared = self.residue()
        with self.database.transaction() as session:
            subscription = session.get_one(Subscription, self.subscription_id)
            days = session.scalars(
                select(ServicePeriod)
                .where(ServicePeriod.subscription_id == self.subscription_id)
                .order_by(ServicePeriod.during)
            )
            return {
                **{name: shared[name] for name in ("stock", "ports", "visits", "subscriptions")},
                "serials": self.serials(),
                "service": {column.key: getattr(subscription, column.key) for column in subscription.__table__.columns},
                "days": [(row.during, row.state, row.tariff_id) for row in days],
                "balances": self.balances(),
            }

    def left_behind(self) -> tuple[int, int]:
        """Open tasks and unsigned documents of the disconnection."""
        found = self.residue()
        return found["open_tasks"], found["unsigned_documents"]


@contextmanager
def leaving_world(
    database: Database, server: TemporalServer, *, network: NetworkGateway | None = None, **furniture: Any
) -> Iterator[LeavingWorld]:
    """A furnished world whose processes run on `server` until the block ends."""
    world = LeavingWorld(database, server, queue=factories.unique("processes"))
    world.furnish(**furniture)
    with server.workers(lambda client: process_workers(client, database, world.queue, network=network)):
        yield world
