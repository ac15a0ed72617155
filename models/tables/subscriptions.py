"""What a subscriber has: one service on one tariff at one place."""

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.catalogue import SubscriptionStatus
from models.tables.base import Base, HasId, words


class Subscription(HasId, Base):
    """A service from its application (`pending`) to its end."""

    __tablename__ = "subscription"
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    premises_id: Mapped[UUID] = mapped_column(ForeignKey("premises.id"))
    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariff.id"))
    status: Mapped[SubscriptionStatus] = mapped_column(words(SubscriptionStatus))
    active_from: Mapped[date | None]
    """First day that is charged."""
    active_to: Mapped[date | None]
    """First day that is no longer charged."""
    __table_args__ = (
        CheckConstraint("(status IN ('pending', 'cancelled')) = (active_from IS NULL)", name="charged_from_activation"),
        CheckConstraint("(status = 'terminated') = (active_to IS NOT NULL)", name="ends_with_termination"),
        Index(
            "uq_subscription_one_at_a_place",
            "account_id",
            "premises_id",
            "tariff_id",
            unique=True,
            postgresql_where="status IN ('pending', 'active', 'suspended')",
        ),
    )
