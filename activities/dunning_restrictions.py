"""What dunning keeps services at: throttled or suspended for a debt, and given back.

The days that billing charges change in the transaction that cuts or gives back. The network follows afterwards, by a
call that leaves the machine: what it is to do is read from here at every attempt, so that whichever call comes last
leaves a service as the database has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from activities import dunning_policies, services
from activities.processes import tell
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.dunning_words import Restriction
from models.contracts.refusals import Refusal
from models.tables.catalogue import Tariff
from models.tables.dunning import DunningEpisode, DunningRestriction
from models.tables.subscriptions import Subscription


@dataclass(frozen=True)
class Wanted:
    """How a service is to be on the network."""

    subscription_id: UUID
    restriction: Restriction | None
    profile: str | None
    """The speed that it has: the tariff's, or that of throttled services. None where the service has ended: then it is
    not to be touched."""


def impose(
    session: Session, account_id: UUID, kind: Restriction, *, episode_id: UUID, step_id: UUID, at: datetime, on: date
) -> int:
    """Throttle or suspend the services of an account that are on; answers how many. The account must be locked.

    A suspension takes the place of a throttling. What can't be suspended stays on, and the timeline tells why.
    """
    imposed = 0
    on_now = [SubscriptionStatus.ACTIVE]
    statement = select(Subscription).where(Subscription.account_id == account_id, Subscription.status.in_(on_now))
    for subscription in session.scalars(statement.order_by(Subscription.id)).all():
        if kind is Restriction.SUSPEND and not _suspend(session, subscription.id, episode_id, at=at, on=on):
            continue
        _lift(session, [subscription.id], reason="replaced", at=at, is_replaced=True)
        session.add(
            DunningRestriction(
                subscription_id=subscription.id, episode_id=episode_id, step_id=step_id, kind=kind, since_at=at
            )
        )
        session.flush()
        imposed += 1
    return imposed


def lift(session: Session, account_id: UUID, *, reason: str, at: datetime, on: date) -> int:
    """Give back what dunning took of an account's services; answers how many. The account must be locked."""
    restricted = session.execute(
        select(DunningRestriction.subscription_id, DunningRestriction.kind, Subscription.status)
        .join(Subscription, Subscription.id == DunningRestriction.subscription_id)
        .where(Subscription.account_id == account_id, DunningRestriction.lifted_at.is_(None))
        .order_by(Subscription.id)
    ).all()
    for row in restricted:
        if row.kind is Restriction.SUSPEND and row.status is SubscriptionStatus.SUSPENDED:
            services.resume(session, row.subscription_id, on=on, today=on)
    _lift(session, [row.subscription_id for row in restricted], reason=reason, at=at)
    return len(restricted)


def is_network_behind(session: Session, account_id: UUID) -> bool:
    """Whether the network has yet to follow."""
    return bool(_behind(session, account_id))


def wanted(session: Session, account_id: UUID, touched: Sequence[UUID]) -> list[Wanted]:
    """How services are to be on the network that it has not followed yet, and those that were touched."""
    ids = sorted({*touched, *_behind(session, account_id)})
    return [_wanted(session, subscription_id) for subscription_id in ids]


def note_followed(session: Session, done: Wanted, *, at: datetime) -> None:
    """Write down that the network is as it was wanted; what has changed since then stays to be done."""
    of_service = DunningRestriction.subscription_id == done.subscription_id
    if done.restriction is not None:
        is_this = DunningRestriction.kind == done.restriction
        session.execute(
            update(DunningRestriction)
            .where(
                of_service, is_this, DunningRestriction.lifted_at.is_(None), DunningRestriction.switched_at.is_(None)
            )
            .values(switched_at=at)
        )
    else:
        session.execute(
            update(DunningRestriction)
            .where(of_service, DunningRestriction.lifted_at.is_not(None), DunningRestriction.restored_at.is_(None))
            .values(restored_at=at)
        )


def _suspend(session: Session, subscription_id: UUID, episode_id: UUID, *, at: datetime, on: date) -> bool:
    try:
        with session.begin_nested():
            services.suspend(session, subscription_id, on=on, today=on)
    except Refusal as refusal:
        tell(
            session, episode_id, "dunning_suspension_impossible", key=f"suspension_impossible:{subscription_id}:{at}",
            at=at, facts={"detail": refusal.detail},
        )  # fmt: skip
        return False
    return True


def _lift(
    session: Session, subscription_ids: Sequence[UUID], *, reason: str, at: datetime, is_replaced: bool = False
) -> None:
    session.execute(
        update(DunningRestriction)
        .where(DunningRestriction.subscription_id.in_(subscription_ids), DunningRestriction.lifted_at.is_(None))
        # What takes its place is what the network is to follow.
        .values(lifted_at=at, lifted_by=reason, **({"restored_at": at} if is_replaced else {}))
    )


def _behind(session: Session, account_id: UUID) -> list[UUID]:
    return list(
        session.scalars(
            select(DunningRestriction.subscription_id)
            .distinct()
            .join(Subscription, Subscription.id == DunningRestriction.subscription_id)
            .where(
                Subscription.account_id == account_id,
                or_(
                    DunningRestriction.lifted_at.is_(None) & DunningRestriction.switched_at.is_(None),
                    DunningRestriction.lifted_at.is_not(None) & DunningRestriction.restored_at.is_(None),
                ),
            )
        )
    )


def _wanted(session: Session, subscription_id: UUID) -> Wanted:
    imposed = session.execute(
        select(DunningRestriction.kind, DunningEpisode.policy_id)
        .join(DunningEpisode, DunningEpisode.process_id == DunningRestriction.episode_id)
        .where(DunningRestriction.subscription_id == subscription_id, DunningRestriction.lifted_at.is_(None))
    ).one_or_none()
    kind = None if imposed is None else imposed.kind
    subscription = session.get_one(Subscription, subscription_id, populate_existing=True)
    # A freeze is a matter of billing: the network knows nothing of it, and nobody tells it when it is over.
    if subscription.status not in {SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED}:
        return Wanted(subscription_id, kind, None)
    if imposed is not None and kind is Restriction.THROTTLE:
        throttled = dunning_policies.policy_of(session, imposed.policy_id).throttle_profile
        return Wanted(subscription_id, kind, throttled)
    profile = session.scalars(select(Tariff.network_profile).where(Tariff.id == subscription.tariff_id)).one()
    return Wanted(subscription_id, kind, profile)
