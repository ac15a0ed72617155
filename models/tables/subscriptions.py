"""What a subscriber has: one service on one tariff at one place."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.dialects.postgresql import DATERANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.catalogue import ChargeKind, ServiceState, SubscriptionStatus, VatMode
from models.tables.base import Base, HasId, words


class Subscription(HasId, Base):
    """A service from its application (`pending`) to its end."""

    __tablename__ = "subscription"
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    premises_id: Mapped[UUID] = mapped_column(ForeignKey("premises.id"), index=True)
    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariff.id"))
    status: Mapped[SubscriptionStatus] = mapped_column(words(SubscriptionStatus))
    active_from: Mapped[date | None]
    """First day that is charged."""
    active_to: Mapped[date | None]
    """First day that is no longer charged."""
    ending_on: Mapped[date | None]
    """The same day as a final invoice has it, from its issue until the service has ended or goes on after all."""
    __table_args__ = (
        CheckConstraint("ending_on IS NULL OR status IN ('active', 'suspended')", name="ending_while_it_lasts"),
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


class ServicePeriod(HasId, Base):
    """On which tariff and in which state a service was or is, day by day: what billing charges.

    Half-open; the last one of a service has no end. Two on one day are impossible.
    """

    __tablename__ = "service_period"
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    during: Mapped[Range[date]] = mapped_column(DATERANGE)
    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariff.id"))
    state: Mapped[ServiceState] = mapped_column(words(ServiceState), server_default="active")
    __table_args__ = (
        ExcludeConstraint(("subscription_id", "="), ("during", "&&"), using="gist", name="ex_service_period_one_a_day"),
        CheckConstraint("NOT isempty(during) AND NOT lower_inf(during)", name="has_a_beginning"),
        Index("ix_service_period_subscription_id", "subscription_id"),
    )


class Charge(HasId, Base):
    """What a service costs beside its tariff: rent of equipment, another recurring sum, or something once.

    What an outage gives back is one too: less than nothing, once.
    """

    __tablename__ = "charge"
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), index=True)
    kind: Mapped[ChargeKind] = mapped_column(words(ChargeKind))
    description: Mapped[str]
    amount_minor: Mapped[int]
    """A month's sum, or the sum of the one time."""
    during: Mapped[Range[date]] = mapped_column(DATERANGE)
    """For a one-off charge or a credit its day alone."""
    vat_mode: Mapped[VatMode] = mapped_column(words(VatMode), server_default="included")
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    outage_id: Mapped[UUID | None] = mapped_column(ForeignKey("process.id"))
    """The outage that a credit is for."""
    formula: Mapped[str | None]
    """How a credit was reckoned, as its line says it; of other charges the line's formula follows from the sum."""
    __table_args__ = (
        CheckConstraint(
            "amount_minor <> 0 AND (amount_minor < 0) = (kind = 'credit')", name="only_a_credit_gives_back"
        ),
        CheckConstraint(
            "(outage_id IS NOT NULL) = (kind = 'credit') AND (formula IS NOT NULL) = (kind = 'credit')",
            name="a_credit_is_for_an_outage",
        ),
        CheckConstraint("NOT isempty(during) AND NOT lower_inf(during)", name="has_a_beginning"),
        CheckConstraint(
            "kind NOT IN ('one_off', 'credit') OR upper(during) = lower(during) + 1", name="once_is_one_day"
        ),
        Index("ix_charge_credit", "subscription_id", postgresql_where="kind = 'credit'"),
    )


class Discount(HasId, Base):
    """A reduction of the tariff's fee. Several apply in the order of `position`, each to what the earlier ones left."""

    __tablename__ = "discount"
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    title: Mapped[str]
    percent_bp: Mapped[int | None]
    """Basis points of the fee that is left: 1000 is 10 %."""
    amount_minor: Mapped[int | None]
    """Or a sum a month, at most the fee that is left."""
    during: Mapped[Range[date]] = mapped_column(DATERANGE)
    position: Mapped[int]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        ExcludeConstraint(
            ("subscription_id", "="),
            ("position", "="),
            ("during", "&&"),
            using="gist",
            name="ex_discount_one_at_a_position",
        ),
        CheckConstraint("(percent_bp IS NULL) <> (amount_minor IS NULL)", name="percent_or_amount"),
        CheckConstraint("percent_bp BETWEEN 1 AND 10000", name="percent_is_a_share"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("NOT isempty(during) AND NOT lower_inf(during)", name="has_a_beginning"),
        Index("ix_discount_subscription_id", "subscription_id"),
    )
