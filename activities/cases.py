"""A process about a service, with whom and what it is about, read in one statement."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from activities.once import once
from models.tables.catalogue import Tariff
from models.tables.network import Premises
from models.tables.people import Account, Subscriber
from models.tables.processes import ConnectionApplication, Process
from models.tables.subscriptions import Subscription


@dataclass(frozen=True)
class Case:
    """Whom and what a process is about."""

    process: Process
    subscriber: Subscriber
    account: Account
    subscription: Subscription
    tariff: Tariff
    premises: Premises
    application: ConnectionApplication | None
    """What was ordered, where the process connects somebody."""


_CASE = (
    select(Process, Subscriber, Account, Subscription, Tariff, Premises, ConnectionApplication)
    .join(Subscriber, Process.subscriber_id == Subscriber.id)
    .join(Account, Process.account_id == Account.id)
    .join(Subscription, Process.subscription_id == Subscription.id)
    .join(Tariff, Subscription.tariff_id == Tariff.id)
    .join(Premises, Subscription.premises_id == Premises.id)
    .outerjoin(ConnectionApplication, ConnectionApplication.process_id == Process.id)
    .where(Process.id == bindparam("process_id"))
)


def case_of(session: Session, process_id: UUID) -> Case | None:
    """The process's case, read once a transaction; none where the process is about no service.

    As long as the transaction lasts, whoever gets one of its parts by id needs no statement for it.
    """

    def read() -> Case | None:
        row = session.execute(_CASE, {"process_id": process_id}).one_or_none()
        return None if row is None else Case(*row)

    return once(session, "case", process_id, read=read)


def get_case(session: Session, process_id: UUID) -> Case:
    """The case of a process that is about a service.

    Raises:
        ValueError: it is about none.
    """
    case = case_of(session, process_id)
    if case is None:
        raise ValueError("the process is about no service")
    return case
