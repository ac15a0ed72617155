"""A service on another tariff from a day on; and as if that had not been."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import charging
from activities.service_days import change, check_correctable, locked, segments
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.refusals import conflict, not_found
from models.rules.service_days import Segment
from models.tables.catalogue import Tariff
from models.tables.subscriptions import Subscription


def change_tariff(session: Session, subscription_id: UUID, tariff_id: UUID, *, on: date, today: date) -> UUID:
    """Put a service on another tariff from a day on; its later days keep their states. Answers the tariff before.

    The days are written at once, a future day's too. The service itself (`subscription.tariff_id`) follows when that
    day has come and the same call is repeated, so that until then it is shown on the tariff that it is on. Twice is
    once.

    Raises:
        Refusal: there is no such service or tariff; the tariff is sold no more or has no price on the day; the
            service has not begun or has ended, or its final invoice is out; the month is closed; another change is
            written for a later day; the account has a service on that tariff at this place.
    """
    subscription = locked(session, subscription_id)
    if subscription.status not in {SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED}:
        raise conflict("service_not_active", f"This service is {subscription.status}: its tariff can't be changed.")
    if subscription.ending_on is not None:
        raise conflict("service_ending", "A final invoice is out for this service: give up its disconnection first.")
    days = segments(session, subscription_id)
    before = _tariff_of(days, on, tariff_id)
    if before != tariff_id:
        _check_sold(session, tariff_id, on)
        check_correctable(session, subscription.account_id, on, today)
        _check_free_at_place(session, subscription, tariff_id)
        change(session, subscription_id, on, None, lambda segment: replace(segment, tariff_id=tariff_id))
    else:
        the_day_before = on - timedelta(days=1)
        before = next((day.tariff_id for day in days if day.meets(the_day_before, on)), tariff_id)
    if on <= today:
        _follow(session, subscription, tariff_id)
    return before


def undo_tariff_change(
    session: Session, subscription_id: UUID, *, from_tariff_id: UUID, to_tariff_id: UUID, on: date, today: date
) -> None:
    """Take a change back: days from `on` on that are on `to_tariff_id` are on `from_tariff_id`, in their states.

    Where there are none, nothing is done.

    Raises:
        Refusal: there is no such service, the month is closed, or the account has taken another service on the
            earlier tariff at this place meanwhile.
    """
    subscription = locked(session, subscription_id)
    changed = [day for day in segments(session, subscription_id) if day.meets(on, None)]
    if any(day.tariff_id == to_tariff_id for day in changed):
        check_correctable(session, subscription.account_id, on, today)
        change(
            session, subscription_id, on, None,
            lambda day: replace(day, tariff_id=from_tariff_id) if day.tariff_id == to_tariff_id else day,
        )  # fmt: skip
    if subscription.tariff_id == to_tariff_id:
        _follow(session, subscription, from_tariff_id)


def _tariff_of(days: Sequence[Segment], on: date, unless: UUID) -> UUID:
    """The one tariff of all days from `on` on; `unless` where there are none."""
    later = {day.tariff_id for day in days if day.meets(on, None)}
    if len(later) > 1:
        raise conflict(
            "tariff_change_ahead", "Its tariff changes on a later day already: take that change back first."
        )  # fmt: skip
    return later.pop() if later else unless


def _follow(session: Session, subscription: Subscription, tariff_id: UUID) -> None:
    if subscription.tariff_id == tariff_id:
        return
    _check_free_at_place(session, subscription, tariff_id)
    subscription.tariff_id = tariff_id
    session.flush()


def _check_sold(session: Session, tariff_id: UUID, on: date) -> None:
    tariff = session.get(Tariff, tariff_id)
    if tariff is None:
        raise not_found("tariff_unknown", "There is no such tariff: take one from GET /v1/tariffs.")
    if not tariff.active:
        raise conflict("tariff_closed", "This tariff is sold no more: take one from GET /v1/tariffs.")
    charging.monthly_fee_minor(session, tariff_id, on)


def _check_free_at_place(session: Session, subscription: Subscription, tariff_id: UUID) -> None:
    """The database refuses two services of an account on one tariff at one place; say so to a person."""
    another = session.scalar(
        select(Subscription.id)
        .where(
            Subscription.account_id == subscription.account_id,
            Subscription.premises_id == subscription.premises_id,
            Subscription.tariff_id == tariff_id,
            Subscription.id != subscription.id,
            Subscription.status.in_(
                [SubscriptionStatus.PENDING, SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED]
            ),
        )
        .limit(1)
    )
    if another is not None:
        raise conflict(
            "tariff_at_place", "The account has another service on that tariff at this place: choose another tariff."
        )
