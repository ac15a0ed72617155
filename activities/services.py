"""Services: on which tariff and in which state, day by day. What billing charges follows from it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import delete, exists, func, update
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from activities.service_days import change, check_correctable, days_of, get, locked, rewrite, segments
from activities.service_tariffs import change_tariff, undo_tariff_change
from models.contracts.catalogue import ServiceState, SubscriptionStatus
from models.contracts.refusals import conflict
from models.rules.service_days import Segment, covers, cut
from models.tables.billing import InvoiceLine, RecalculationLine
from models.tables.subscriptions import Charge, Discount, ServicePeriod, Subscription

__all__ = [
    "begin",
    "change_tariff",
    "check_correctable",
    "days_of",
    "freeze",
    "get",
    "locked",
    "resume",
    "suspend",
    "terminate",
    "undo_tariff_change",
    "unfreeze",
]


def begin(session: Session, subscription: Subscription, *, on: date) -> None:
    """Let a pending service begin: it is charged from this day on. One that has begun stays as it is."""
    if subscription.status is not SubscriptionStatus.PENDING:
        return
    subscription.status, subscription.active_from = SubscriptionStatus.ACTIVE, on
    session.add(
        ServicePeriod(subscription_id=subscription.id, during=Range(on, None), tariff_id=subscription.tariff_id)
    )


def terminate(session: Session, subscription_id: UUID, *, on: date, today: date) -> None:
    """End a service: `on` is the first day that is no longer charged, and never before the day on which it began.

    Its later days are gone, whatever their state; open charges and discounts end with it, and those that have not
    begun by then are removed unless they stand on a bill. One that has ended stays as it ended. Money is the matter
    of `final_billing.end_service`, which calls this.

    Raises:
        Refusal: there is no such service, it has not begun, or the day is later than tomorrow.
    """
    subscription = locked(session, subscription_id)
    if subscription.status is SubscriptionStatus.TERMINATED:
        return
    if subscription.active_from is None:
        raise conflict("service_not_active", f"This service is {subscription.status}: there is nothing to be ended.")
    if on > today + timedelta(days=1):
        raise conflict("end_in_future", "A service is ended on the day itself: today, or with the end of today.")
    on = max(on, subscription.active_from)
    before = segments(session, subscription_id)
    rewrite(session, subscription_id, before, cut(before, on))
    subscription.status, subscription.active_to, subscription.ending_on = SubscriptionStatus.TERMINATED, on, None
    _end_terms(session, subscription_id, on)
    session.flush()


def _end_terms(session: Session, subscription_id: UUID, on: date) -> None:
    for term in (Charge, Discount):
        lower, upper = func.lower(term.during), func.upper(term.during)
        session.execute(
            update(term)
            .where(term.subscription_id == subscription_id, lower < on, upper.is_(None) | (upper > on))
            .values(during=func.daterange(lower, on))
        )
    session.execute(
        delete(Discount).where(Discount.subscription_id == subscription_id, func.lower(Discount.during) >= on)
    )
    on_a_bill = exists().where(InvoiceLine.charge_id == Charge.id) | exists().where(
        RecalculationLine.charge_id == Charge.id
    )
    session.execute(
        delete(Charge).where(Charge.subscription_id == subscription_id, func.lower(Charge.during) >= on, ~on_a_bill)
    )


def suspend(session: Session, subscription_id: UUID, *, on: date, today: date) -> None:
    """Switch a service off for a debt, from a day on until `resume`. Days that its subscriber froze stay frozen.

    Whether suspended days are charged is the billing policy's. Twice is once.

    Raises:
        Refusal: there is no such service, it is not active, or the day lies in a month that no run will correct any
            more.
    """
    subscription = locked(session, subscription_id)
    if subscription.status is SubscriptionStatus.SUSPENDED:
        return
    if subscription.status is not SubscriptionStatus.ACTIVE:
        raise conflict("service_not_active", f"This service is {subscription.status}: only an active one is suspended.")
    check_correctable(session, subscription.account_id, on, today)
    change(session, subscription_id, on, None, _between(ServiceState.ACTIVE, ServiceState.SUSPENDED))
    subscription.status = SubscriptionStatus.SUSPENDED
    session.flush()


def resume(session: Session, subscription_id: UUID, *, on: date, today: date) -> None:
    """Let a suspended service be active again from a day on; on the day of its suspension, as if it had not been.

    Twice is once.

    Raises:
        Refusal: there is no such service, it has ended or not begun, or the day lies in a month that no run will
            correct any more.
    """
    subscription = locked(session, subscription_id)
    if subscription.status is SubscriptionStatus.ACTIVE:
        return
    if subscription.status is not SubscriptionStatus.SUSPENDED:
        raise conflict("service_not_suspended", f"This service is {subscription.status}: nothing is to be resumed.")
    check_correctable(session, subscription.account_id, on, today)
    change(session, subscription_id, on, None, _between(ServiceState.SUSPENDED, ServiceState.ACTIVE))
    subscription.status = SubscriptionStatus.ACTIVE
    session.flush()


def _between(old: ServiceState, new: ServiceState) -> Callable[[Segment], Segment]:
    return lambda days: replace(days, state=new) if days.state == old else days


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
    met = [segment for segment in segments(session, subscription_id) if segment.meets(from_on, until_on)]
    states = {segment.state for segment in met} if covers(met, from_on, until_on) else set()
    if states == {ServiceState.FROZEN}:
        return
    if states != {ServiceState.ACTIVE}:
        raise conflict(
            "service_not_active",
            "The service is not active on all of these days (not begun, ended, suspended or frozen): look at "
            f"GET /v1/subscriptions/{subscription_id}/periods and choose other days.",
        )
    change(session, subscription_id, from_on, until_on, lambda days: replace(days, state=ServiceState.FROZEN))


def unfreeze(session: Session, subscription_id: UUID, *, on: date, today: date) -> None:
    """Let a frozen service be active again from a day on. A freeze that has not begun by then is given up.

    A service that is suspended by now is suspended on those days.

    Raises:
        Refusal: there is no such service, it is not frozen on that day nor later, or the day lies in a month that no
            run will correct any more.
    """
    subscription = locked(session, subscription_id)
    check_correctable(session, subscription.account_id, on, today)
    frozen = [
        segment
        for segment in segments(session, subscription_id)
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
    is_suspended = subscription.status is SubscriptionStatus.SUSPENDED
    state = ServiceState.SUSPENDED if is_suspended else ServiceState.ACTIVE
    change(session, subscription_id, begins, until_on, lambda days: replace(days, state=state))
