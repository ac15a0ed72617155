"""Services: on which tariff and in which state, day by day. What billing charges follows from it."""

from datetime import date

from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from models.contracts.catalogue import SubscriptionStatus
from models.tables.subscriptions import ServicePeriod, Subscription


def begin(session: Session, subscription: Subscription, *, on: date) -> None:
    """Let a pending service begin: it is charged from this day on. One that has begun stays as it is."""
    if subscription.status is not SubscriptionStatus.PENDING:
        return
    subscription.status, subscription.active_from = SubscriptionStatus.ACTIVE, on
    session.add(
        ServicePeriod(subscription_id=subscription.id, during=Range(on, None), tariff_id=subscription.tariff_id)
    )
