"""What the tests of messaging stand on: a database of their own, a clock they turn, a gateway that fails on order."""

from collections import deque
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session
from temporalio.testing import ActivityEnvironment

from activities.gateways.local_sms import LocalSmsGateway
from activities.gateways.sms import LookUpFailedError, NotSent, OutgoingSms, SendOutcome, SmsGateway
from activities.message_queue import queue_message
from activities.messaging import DeliveryBatch, MessagingActivities
from models.contracts.bank import PaymentStatus
from models.contracts.billing import InvoiceKind
from models.contracts.messaging import MessageStatus, Urgency
from models.database import Database
from models.rules.sms_texts import Template
from models.tables.billing import Invoice
from models.tables.messages import Message
from models.tables.outbox import Outbox
from models.tables.payments import Allocation, Payment
from models.tables.people import Subscriber
from settings import Settings
from tests import factories

OPEN_ALL_DAY: dict[str, Any] = {"sms_quiet_from": time(0), "sms_quiet_until": time(0), "sms_weekdays_only": False}
FACTS = {"tariff": "Домашний 100", "account_no": "1000019"}


class Clock:
    """Stands still until it is turned."""

    def __init__(self, now: datetime | None = None) -> None:
        self.now = now or datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, by: timedelta) -> None:
        self.now += by


class OrderedGateway:
    """The local gateway, except for what it is ordered to do at the coming calls."""

    def __init__(self, folder: Path) -> None:
        self.local = LocalSmsGateway(folder)
        self.orders: deque[NotSent | Callable[[OutgoingSms], SendOutcome]] = deque()
        self.calls: list[OutgoingSms] = []
        self.is_away = False

    def send(self, sms: OutgoingSms) -> SendOutcome:
        self.calls.append(sms)
        if not self.orders:
            return self.local.send(sms)
        order = self.orders.popleft()
        return order if isinstance(order, NotSent) else order(sms)

    def find(self, *, to: str, body: str, since: datetime) -> list[str]:
        if self.is_away:
            raise LookUpFailedError("away")
        return self.local.find(to=to, body=body, since=since)

    def bodies_to(self, number: str) -> list[str]:
        """What reached this number."""
        return [sms.body for sms in self.local.sent() if sms.to == number]


class World:
    """A database with a queue, a clock, a gateway, and the activity that works on them."""

    def __init__(self, database: Database, folder: Path, **settings: Any) -> None:
        self.database = database
        self.clock = Clock()
        self.gateway = OrderedGateway(folder)
        self.settings = Settings.model_validate(
            {"local_dir": folder, "sms_gateway": "local", "sms_per_second": 1000, **OPEN_ALL_DAY, **settings}
        )

    def activities(self, gateway: SmsGateway | None = None) -> MessagingActivities:
        return MessagingActivities(self.database, gateway or self.gateway, self.settings, self.clock)

    def batch(self, gateway: SmsGateway | None = None) -> DeliveryBatch:
        """One attempt of the activity."""
        return ActivityEnvironment().run(self.activities(gateway).send_due)

    def subscriber(self, **facts: Any) -> Subscriber:
        with self.database.transaction() as session:
            return factories.customer(session, **facts).subscriber

    def queue(self, subscriber: Subscriber, *, urgency: Urgency = Urgency.REQUESTED, **more: Any) -> UUID:
        """Queue «connected» for a subscriber, due now."""
        with self.database.transaction() as session:
            given: dict[str, Any] = {
                "key": factories.unique("sms"),
                "template": Template.CONNECTED,
                "facts": FACTS,
                "at": self.clock.now,
            }
            return queue_message(session, subscriber_id=subscriber.id, urgency=urgency, **(given | more))

    def row(self, message_id: UUID) -> Message:
        with self.database.transaction() as session:
            return session.scalars(select(Message).where(Message.id == message_id)).one()

    def status(self, message_id: UUID) -> MessageStatus:
        return self.row(message_id).status

    def opted_out_at(self, subscriber: Subscriber) -> datetime | None:
        with self.database.transaction() as session:
            return session.scalar(select(Subscriber.sms_opt_out_at).where(Subscriber.id == subscriber.id))

    def wake_ups(self) -> int:
        with self.database.transaction() as session:
            return len(session.scalars(select(Outbox)).all())

    def empty_queue(self) -> None:
        with self.database.transaction() as session:
            session.execute(text("DELETE FROM message"))
            session.execute(text("DELETE FROM outbox"))


def invoice_of(session: Session, *, total_minor: int = 500_000) -> Invoice:
    """An open invoice of a new customer."""
    account = factories.customer(session).account
    invoice = Invoice(
        number=factories.unique("INV"), kind=InvoiceKind.RECURRING, account_id=account.id, issued_on=date(2026, 11, 1),
        due_on=date(2026, 11, 20), net_minor=total_minor, vat_minor=0, total_minor=total_minor,
    )  # fmt: skip
    session.add(invoice)
    session.flush()
    return invoice


def pay(session: Session, invoice: Invoice, amount_minor: int) -> None:
    """A payment that is allocated to the invoice."""
    payment = Payment(
        bank_id=factories.bank(session).row.id, txn_id=factories.unique("txn"), request_sha256=bytes(32),
        account_id=invoice.account_id, amount_minor=amount_minor, paid_at=datetime.now(UTC),
        status=PaymentStatus.POSTED, answer={},
    )  # fmt: skip
    session.add(payment)
    session.flush()
    session.add(Allocation(payment_id=payment.id, invoice_id=invoice.id, amount_minor=amount_minor, reason="test"))
    session.flush()
