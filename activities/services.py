"""Services: on which tariff and in which state, day by day. What billing charges follows from it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from activities import settlement
from models.contracts.catalogue import ServiceState, SubscriptionStatus
from models.contracts.refusals import conflict, not_found
from models.contracts.services import ServiceDays, ServicePeriodView
from models.rules.service_days import Segment, changed, covers
from models.tables.billing import Invoice
from models.tables.catalogue import Tariff
from models.tables.subscriptions import ServicePeriod, Subscription


def begin(session: Session, subscription: Subscription, *, on: date) -> None:
    """Let a pending service begin: it is charged from this day on. One that has begun stays as it is."""
    if subscription.status is not SubscriptionStatus.PENDING:
        return
    subscription.status, subscription.active_from = SubscriptionStatus.ACTIVE, on
    session.add(
        ServicePeriod(subscription_id=subscription.id, during=Range(on, None), tariff_id=subscription.tariff_id)
    )


def freeze(session: Session, subscription_id: UUID, *, from_on: date, until_on: date | None, today: date) -> None:
    """Freeze an active service for [from_on, until_on), as its subscriber wishes; without an end until `unfreeze`.

    What is frozen on exactly those days already stays so. Whether frozen days are charged is the billing policy's.

    Raises:
        Refusal: there is no such service, it is not active, not active on all of those days, or the days lie in
            months that no run will correct any more.
    """
    subscription = locked(session, subscription_id)
    if subscription.status is not SubscriptionStatus.ACTIVE:
        raise conflict("service_not_active", f"This service is {subscription.status}: only an active one is frozen.")
    check_correctable(session, subscription.account_id, from_on, today)
    met = [segment for segment in _segments(session, subscription_id) if segment.meets(from_on, until_on)]
    states = {segment.state for segment in met} if covers(met, from_on, until_on) else set()
    if states == {ServiceState.FROZEN}:
        return
    if states != {ServiceState.ACTIVE}:
        raise conflict(
            "service_not_active",
            "The service is not active on all of these days (not begun, ended, suspended or frozen): look at "
            f"GET /v1/subscriptions/{subscription_id}/periods and choose other days.",
        )
    _change(session, subscription_id, from_on, until_on, lambda days: replace(days, state=ServiceState.FROZEN))


def unfreeze(session: Session, subscription_id: UUID, *, on: date, today: date) -> None:
    """Let a frozen service be active again from a day on. A freeze that has not begun by then is given up.

    Raises:
        Refusal: there is no such service, it is not frozen on that day nor later, or the day lies in a month that no
            run will correct any more.
    """
    subscription = locked(session, subscription_id)
    check_correctable(session, subscription.account_id, on, today)
    frozen = [
        segment
        for segment in _segments(session, subscription_id)
        if segment.state == ServiceState.FROZEN and segment.meets(on, None)
    ]
    if not frozen:
        raise conflict("service_not_frozen", f"The service is frozen neither on {on} nor later.")
    until_on = frozen[0].until_on
    for segment in frozen[1:]:
        # A tariff change inside a freeze splits it; it is one freeze all the same.
        if segment.from_on == until_on:
            until_on = segment.until_on
    begins = max(on, frozen[0].from_on)
    _change(session, subscription_id, begins, until_on, lambda days: replace(days, state=ServiceState.ACTIVE))


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


def check_correctable(session: Session, account_id: UUID, on: date, today: date) -> None:
    """Refuse a change of days that no billing run will look at again.

    A run charges its month and corrects the month before it. So the newest month that the account was billed for is
    corrected by the next run, and what lies before it stays; an account not billed yet is open from the previous
    month on.

    Raises:
        Refusal: the day lies before that.
    """
    previous_month_on = (today.replace(day=1) - timedelta(days=1)).replace(day=1)
    billed_on = session.scalar(select(func.max(Invoice.period_on)).where(Invoice.account_id == account_id))
    open_from = max(previous_month_on, billed_on) if billed_on is not None else previous_month_on
    if on < open_from:
        raise conflict(
            "month_closed",
            f"The months before {open_from} are billed and closed: choose a day from then on, and mend earlier ones "
            "by a credit note.",
        )


def _segments(session: Session, subscription_id: UUID) -> list[Segment]:
    rows = session.scalars(
        select(ServicePeriod)
        .where(ServicePeriod.subscription_id == subscription_id)
        .order_by(func.lower(ServicePeriod.during))
    )
    return [_segment(row) for row in rows]


def _segment(row: ServicePeriod) -> Segment:
    assert row.during.lower is not None, "the table says so"
    return Segment(row.during.lower, row.during.upper, row.tariff_id, row.state)


def _change(
    session: Session, subscription_id: UUID, from_on: date, until_on: date | None, change: Callable[[Segment], Segment]
) -> None:
    """Write what a change makes of a service's days; rows that it doesn't touch stay."""
    before = set(_segments(session, subscription_id))
    after = set(changed(before, from_on, until_on, change))
    gone = [Range(segment.from_on, segment.until_on) for segment in before - after]
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
        for segment in sorted(after - before, key=lambda one: one.from_on)
    )
    session.flush()
