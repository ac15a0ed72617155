"""Payments that banks report, and what they were allocated to."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Sequence, UniqueConstraint, func, text
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.bank import PaymentStatus
from models.tables.base import Base, HasId, words

receipt_no_sequence = Sequence("receipt_no_seq", metadata=Base.metadata, start=1)


class Payment(HasId, Base):
    """One payment. (bank, txn_id) is unique, and the answer given once is given for ever."""

    __tablename__ = "payment"
    bank_id: Mapped[UUID] = mapped_column(ForeignKey("bank.id"))
    txn_id: Mapped[str]
    request_sha256: Mapped[bytes]
    """Of the request's meaning: the same transaction with another meaning is refused."""
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(server_default="KZT")
    paid_at: Mapped[datetime]
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    receipt_no: Mapped[int] = mapped_column(receipt_no_sequence, unique=True)
    status: Mapped[PaymentStatus] = mapped_column(words(PaymentStatus))
    answer: Mapped[dict[str, Any]]
    refunded_minor: Mapped[int] = mapped_column(server_default=text("0"))
    """What of it was paid back to the subscriber by payment orders."""
    reversed_at: Mapped[datetime | None]
    reversed_by: Mapped[str | None]
    reversal_reason: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("bank_id", "txn_id"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunds_fit"),
        CheckConstraint(
            "(status = 'reversed') = (reversed_at IS NOT NULL AND reversed_by IS NOT NULL)",
            name="reversed_by_somebody",
        ),
        CheckConstraint("status = 'reversed' OR (status = 'suspense') = (account_id IS NULL)", name="suspense"),
        Index("ix_payment_account_id_received_at", "account_id", "received_at"),
    )


class Allocation(HasId, Base):
    """A part of a payment that covers an invoice; a negative amount undoes an earlier one."""

    __tablename__ = "allocation"
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), index=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoice.id"), index=True)
    amount_minor: Mapped[int]
    reason: Mapped[str]
    allocated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (CheckConstraint("amount_minor <> 0", name="amount_not_zero"),)
