"""Payments that banks report, and what they were allocated to."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Sequence, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.bank import PaymentStatus
from models.contracts.clarification import Question
from models.contracts.payments import PaymentSource
from models.tables.base import Base, HasId, words

receipt_no_sequence = Sequence("receipt_no_seq", metadata=Base.metadata, start=1)


class Payment(HasId, Base):
    """What one account got of a bank's transaction, which is nearly always all of it.

    (bank, txn_id, part) is unique, and the answer that the first part holds is given for ever. Parts that belong to one
    receipt are one payment order; what makes that up never changes (a trigger sees to it).
    """

    __tablename__ = "payment"
    bank_id: Mapped[UUID] = mapped_column(ForeignKey("bank.id"))
    txn_id: Mapped[str]
    part: Mapped[int] = mapped_column(server_default=text("1"))
    source: Mapped[PaymentSource] = mapped_column(words(PaymentSource), server_default="online")
    request_sha256: Mapped[bytes | None]
    """Of the request's meaning: the same transaction with another meaning is refused."""
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(server_default="KZT")
    paid_at: Mapped[datetime]
    accounting_on: Mapped[date | None]
    """The bank's accounting date, as it wrote it; where its dialect has one."""
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    receipt_no: Mapped[int] = mapped_column(receipt_no_sequence)
    named_iin: Mapped[str | None]
    named_account_no: Mapped[str | None]
    """The payee as the bank named it; the more telling, the less is known of who was meant."""
    payer_name: Mapped[str | None]
    """The subscriber's name on the day; none until somebody is known."""
    payee_iik: Mapped[str | None]
    """The operator's account with the bank on the day."""
    status: Mapped[PaymentStatus] = mapped_column(words(PaymentStatus))
    answer: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    refunded_minor: Mapped[int] = mapped_column(server_default=text("0"))
    """What of it was paid back to the subscriber by payment orders."""
    reversed_at: Mapped[datetime | None]
    reversed_by: Mapped[str | None]
    reversal_reason: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("bank_id", "txn_id", "part"),
        UniqueConstraint("receipt_no", "part"),
        CheckConstraint("part > 0", name="part_positive"),
        CheckConstraint(
            "(part = 1 AND source IN ('online', 'registry')) = (answer IS NOT NULL AND request_sha256 IS NOT NULL)",
            name="first_part_answers",
        ),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunds_fit"),
        CheckConstraint(
            "(status = 'reversed') = (reversed_at IS NOT NULL AND reversed_by IS NOT NULL)",
            name="reversed_by_somebody",
        ),
        CheckConstraint("status = 'reversed' OR (status = 'suspense') = (account_id IS NULL)", name="suspense"),
        Index("ix_payment_account_id_received_at", "account_id", "received_at"),
        # Rows stand in the order in which they came, so this one costs a payment nothing.
        Index("ix_payment_received_at", "received_at", postgresql_using="brin"),
        Index("ix_payment_paid_at", "paid_at", postgresql_using="brin"),
        Index("ix_payment_accounting_on", "accounting_on", postgresql_using="brin"),
        Index("ix_payment_reversed_at", "reversed_at", postgresql_where="reversed_at IS NOT NULL"),
        Index("ix_payment_in_suspense", "id", postgresql_where="status = 'suspense'"),
    )


class Allocation(HasId, Base):
    """A part of a payment that covers an invoice; a negative amount undoes an earlier one."""

    __tablename__ = "allocation"
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), index=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoice.id"), index=True)
    amount_minor: Mapped[int]
    reason: Mapped[str]
    allocated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    reallocation_id: Mapped[UUID | None] = mapped_column(ForeignKey("reallocation.id"))
    """Who decided it; none where the account's rule did."""
    __table_args__ = (CheckConstraint("amount_minor <> 0", name="amount_not_zero"),)


class Reallocation(HasId, Base):
    """Somebody's decision which invoices a payment covers."""

    __tablename__ = "reallocation"
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), index=True)
    reason: Mapped[str]
    decided_by: Mapped[str]
    decided_at: Mapped[datetime]
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    request_sha256: Mapped[bytes]


class Clarification(Base):
    """What a clarification is about, beside its process."""

    __tablename__ = "clarification"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), primary_key=True)
    question: Mapped[Question] = mapped_column(words(Question))
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), index=True)
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
