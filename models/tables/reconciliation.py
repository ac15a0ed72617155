"""A bank's days: its registries, how they differ from the books, and which money settled them."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.reconciliation import DifferenceKind, DifferenceStatus, PaymentEvent, RegistryState
from models.tables.base import Base, HasId, words


class BankTerms(HasId, Base):
    """One version of what was agreed with a bank about registries and settlement; the newest is in force."""

    __tablename__ = "bank_terms"
    bank_id: Mapped[UUID] = mapped_column(ForeignKey("bank.id"))
    version: Mapped[int]
    body: Mapped[dict[str, Any]]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("bank_id", "version"),)


class BankRegistry(HasId, Base):
    """A file in which a bank lists a day's payments, as it came. Another content is another version."""

    __tablename__ = "bank_registry"
    bank_id: Mapped[UUID] = mapped_column(ForeignKey("bank.id"))
    day_on: Mapped[date]
    version: Mapped[int]
    state: Mapped[RegistryState] = mapped_column(words(RegistryState))
    sha256: Mapped[bytes]
    media_type: Mapped[str]
    content: Mapped[bytes] = mapped_column(deferred=True)
    """Kept, as it is the bank's word against ours."""
    lines: Mapped[int]
    total_minor: Mapped[int]
    """Of the lines that could be read, refunds taken off."""
    problems: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    received_at: Mapped[datetime]
    received_from: Mapped[str]
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    decision_reason: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("bank_id", "day_on", "version"),
        UniqueConstraint("bank_id", "day_on", "sha256"),
        CheckConstraint("(decided_at IS NULL) = (decided_by IS NULL)", name="decided_by_somebody"),
    )


class BankRegistryRow(Base):
    """A line of a registry: a payment, or a refund where the sum is negative."""

    __tablename__ = "bank_registry_row"
    registry_id: Mapped[UUID] = mapped_column(ForeignKey("bank_registry.id"), primary_key=True)
    line_no: Mapped[int] = mapped_column(primary_key=True)
    txn_id: Mapped[str]
    paid_on: Mapped[date]
    paid_at: Mapped[datetime | None]
    """Where the bank gives a time of day."""
    subscriber: Mapped[str]
    amount_minor: Mapped[int]
    __table_args__ = (
        CheckConstraint("amount_minor <> 0", name="amount_not_zero"),
        Index("ix_bank_registry_row_registry_id_txn_id", "registry_id", "txn_id"),
    )


class Reconciliation(HasId, Base):
    """A day of a bank, from its opening to its settlement. Figures are those of the newest comparison."""

    __tablename__ = "reconciliation"
    bank_id: Mapped[UUID] = mapped_column(ForeignKey("bank.id"))
    day_on: Mapped[date]
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), unique=True)
    """The process that has the day in its hands, or had it last."""
    registry_id: Mapped[UUID | None] = mapped_column(ForeignKey("bank_registry.id"))
    """The version in force."""
    compared_at: Mapped[datetime | None]
    lines: Mapped[int] = mapped_column(server_default=text("0"))
    gross_minor: Mapped[int] = mapped_column(server_default=text("0"))
    """What the registry adds up to."""
    posted_minor: Mapped[int] = mapped_column(server_default=text("0"))
    """What the books have for the day."""
    fee_minor: Mapped[int | None]
    """By the rule that was agreed; none where only the statement tells it."""
    ready_at: Mapped[datetime | None]
    """Since when no difference is open, so that the bank's transfer can be recognised."""
    settled_at: Mapped[datetime | None]
    """When the books had the bank's transfer, or accounting decided not to wait for it."""
    __table_args__ = (
        UniqueConstraint("bank_id", "day_on"),
        Index("ix_reconciliation_unsettled", "bank_id", "day_on", postgresql_where="settled_at IS NULL"),
    )


class ReconciliationDifference(HasId, Base):
    """A transaction in which the registry and the books differ, and what came of it."""

    __tablename__ = "reconciliation_difference"
    reconciliation_id: Mapped[UUID] = mapped_column(ForeignKey("reconciliation.id"))
    txn_id: Mapped[str]
    kind: Mapped[DifferenceKind] = mapped_column(words(DifferenceKind))
    fingerprint: Mapped[str]
    """All of its facts: another one is another difference."""
    registry_minor: Mapped[int | None]
    """What the registry has for the transaction on this day, refunds taken off; none where it isn't in it."""
    posted_minor: Mapped[int | None]
    """What the books have for it on this day, reversals taken off."""
    standing_minor: Mapped[int] = mapped_column(server_default=text("0"))
    """What is posted of the transaction on all days and not reversed."""
    payment_id: Mapped[UUID | None] = mapped_column(ForeignKey("payment.id"))
    subscriber: Mapped[str | None]
    """As the registry names who was paid for."""
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    """Who that is, where somebody is known."""
    other_on: Mapped[date | None]
    """The other day on which it is in the books."""
    status: Mapped[DifferenceStatus] = mapped_column(words(DifferenceStatus), server_default="open")
    wanted_by: Mapped[str | None]
    """Who has decided, together with others, that the proposed action is carried out."""
    refusal: Mapped[str | None]
    """Why that could not be done."""
    found_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    reason: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="open_means_not_closed"),
        Index(
            "uq_reconciliation_difference_stands",
            "reconciliation_id",
            "txn_id",
            "fingerprint",
            unique=True,
            postgresql_where="status IN ('open', 'left')",
        ),
        Index("ix_reconciliation_difference_reconciliation_id_status_id", "reconciliation_id", "status", "id"),
    )


class PaymentBankDay(Base):
    """The bank's day that a payment, or its reversal, counts for, where it isn't the day of its own date."""

    __tablename__ = "payment_bank_day"
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), primary_key=True)
    event: Mapped[PaymentEvent] = mapped_column(words(PaymentEvent), primary_key=True)
    bank_id: Mapped[UUID] = mapped_column(ForeignKey("bank.id"))
    counts_on: Mapped[date]
    set_by: Mapped[str]
    set_at: Mapped[datetime]
    __table_args__ = (Index("ix_payment_bank_day_bank_id_counts_on", "bank_id", "counts_on"),)
