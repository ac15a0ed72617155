"""A process about a service, with whom and what it is about, read in one statement."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.tables.catalogue import Tariff
from models.tables.network import Premises
from models.tables.people import Account, Subscriber
from models.tables.processes import Process
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


def case_of(session: Session, process_id: UUID) -> Case | None:
    """The process's case, read once a transaction; none where the process is about no service.

    As long as the transaction lasts, whoever gets one of its parts by id needs no statement for it.
    """
    cases: dict[UUID, Case] = session.info.setdefault("cases", {})
    if process_id not in cases:
        row = session.execute(
            select(Process, Subscriber, Account, Subscription, Tariff, Premises)
            .join(Subscriber, Process.subscriber_id == Subscriber.id)
            .join(Account, Process.account_id == Account.id)
            .join(Subscription, Process.subscription_id == Subscription.id)
            .join(Tariff, Subscription.tariff_id == Tariff.id)
            .join(Premises, Subscription.premises_id == Premises.id)
            .where(Process.id == process_id)
        ).one_or_none()
        if row is None:
            return None
        cases[process_id] = Case(*row)
    return cases[process_id]


def get_case(session: Session, process_id: UUID) -> Case:
    """The case of a process that is about a service.

    Raises:
        ValueError: it is about none.
    """
    case = case_of(session, process_id)
    if case is None:
        raise ValueError("the process is about no service")
    return case
