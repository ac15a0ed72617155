"""The days of a service as they are kept: read, changed, and how far back a change may reach."""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import delete, exists, func, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from activities import settlement
from models.contracts.catalogue import ServiceState
from models.contracts.refusals import conflict, not_found
from models.contracts.services import ServiceDays, ServicePeriodView
from models.rules.service_days import Segment, changed
from models.tables.billing import BillingException, BillingPartition, BillingRun, Invoice
from models.tables.catalogue import Tariff
from models.tables.people import Account
from models.tables.subscriptions import ServicePeriod, Subscription


def get(session: Session, subscription_id: UUID) -> Subscription:
    """The service.

    Raises:
        Refusal: there is none with this id.
    """
    subscription = session.get(Subscription, subscription_id)
    if subscription is None:
        raise not_found("subscription_unknown", "There is no such service: take its id from its subscriber.")
    return subscription


def locked(session: Session, subscription_id: UUID) -> Subscription:
    """The service with its account locked, so that no run bills it meanwhile and nobody else changes its days.

    Raises:
        Refusal: there is none with this id.
    """
    settlement.lock_account(session, get(session, subscription_id).account_id)
    return session.get_one(Subscription, subscription_id, populate_existing=True)


def days_of(session: Session, subscription_id: UUID) -> ServiceDays:
    """A service day by day.

    Raises:
        Refusal: there is no such service.
    """
    subscription = get(session, subscription_id)
    rows = session.execute(
        select(ServicePeriod.during, ServicePeriod.state, Tariff.code)
        .join(Tariff, Tariff.id == ServicePeriod.tariff_id)
        .where(ServicePeriod.subscription_id == subscription_id)
        .order_by(func.lower(ServicePeriod.during))
    )
    return ServiceDays(
        subscription_id=subscription.id,
        status=subscription.status,
        periods=[
            ServicePeriodView(
                from_on=row.during.lower, until_on=row.during.upper, tariff_code=row.code, state=row.state
            )
            for row in rows
        ],
    )


def check_correctable(session: Session, account_id: UUID, on: date, today: date) -> None:
    """Refuse a change of days that no billing run will look at again.

    Raises:
        Refusal: the day lies in a month that is closed.
    """
    open_from = open_from_on(session, account_id, today)
    if on < open_from:
        raise conflict(
            "month_closed",
            f"The months before {open_from} are billed and closed: choose a day from then on, and mend earlier ones "
            "by a credit note.",
        )


def open_from_on(session: Session, account_id: UUID, today: date) -> date:
    """The first day of an account that a billing run still looks at.

    A run charges its month and corrects the month before it. So the newest month that the account was billed for is
    corrected by the next run, and what lies before it stays; an account not billed yet is open from the previous
    month on. It was billed for a month as well where the month's run found nothing due.
    """
    previous_month_on = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    invoiced_on = session.scalar(select(func.max(Invoice.period_on)).where(Invoice.account_id == account_id))
    floor = max(previous_month_on, invoiced_on or previous_month_on)
    account = session.get_one(Account, account_id)
    is_excepted = exists().where(
        BillingException.run_id == BillingRun.process_id, BillingException.account_id == account_id
    )
    run_on = session.scalar(
        select(func.max(BillingRun.period_on))
        .join(BillingPartition, BillingPartition.run_id == BillingRun.process_id)
        .where(
            BillingRun.period_on > floor,
            BillingRun.dry_run.is_(False),
            BillingRun.issued_on >= account.opened_on,
            BillingPartition.done_at.is_not(None),
            BillingPartition.first_number <= account.number,
            BillingPartition.last_number >= account.number,
            ~is_excepted,
        )
    )
    return max(floor, run_on or floor)


def segments(session: Session, subscription_id: UUID) -> list[Segment]:
    """The days of a service, oldest first."""
    rows = session.scalars(
        select(ServicePeriod)
        .where(ServicePeriod.subscription_id == subscription_id)
        .order_by(func.lower(ServicePeriod.during))
    )
    return [_segment(row) for row in rows]


def _segment(row: ServicePeriod) -> Segment:
    assert row.during.lower is not None, "the table says so"
    return Segment(row.during.lower, row.during.upper, row.tariff_id, row.state)


def change(
    session: Session, subscription_id: UUID, from_on: date, until_on: date | None, how: Callable[[Segment], Segment]
) -> None:
    """Write what a change makes of a service's days."""
    before = segments(session, subscription_id)
    rewrite(session, subscription_id, before, changed(before, from_on, until_on, how))


def rewrite(session: Session, subscription_id: UUID, before: Iterable[Segment], after: Iterable[Segment]) -> None:
    """Let a service have other days than it had; rows that stay the same stay."""
    was, now = set(before), set(after)
    gone = [Range(segment.from_on, segment.until_on) for segment in was - now]
    session.execute(
        delete(ServicePeriod).where(
            ServicePeriod.subscription_id == subscription_id, ServicePeriod.during.in_(gone)
        )
    )  # fmt: skip
    session.add_all(
        ServicePeriod(
            subscription_id=subscription_id,
            during=Range(segment.from_on, segment.until_on),
            tariff_id=segment.tariff_id,
            state=ServiceState(segment.state),
        )
        for segment in sorted(now - was, key=lambda one: one.from_on)
    )
    session.flush()
