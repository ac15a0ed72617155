"""Advances that were moved from one account of a subscriber to another."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, func
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, HasId


class BalanceTransfer(HasId, Base):
    """An advance that was moved. On the other account it is a payment of its own."""

    __tablename__ = "balance_transfer"
    key: Mapped[str] = mapped_column(unique=True)
    from_account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    to_account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    amount_minor: Mapped[int]
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), unique=True)
    """What the other account was paid by it; reversed once the money was moved back."""
    reason: Mapped[str]
    moved_on: Mapped[date]
    taken_back_on: Mapped[date | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        CheckConstraint("from_account_id <> to_account_id", name="to_another_account"),
        CheckConstraint("amount_minor > 0", name="amount_positive"),
    )


class BalanceTransferSource(Base):
    """How much of it came out of which payment."""

    __tablename__ = "balance_transfer_source"
    balance_transfer_id: Mapped[UUID] = mapped_column(ForeignKey("balance_transfer.id"), primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"), primary_key=True)
    amount_minor: Mapped[int]
    __table_args__ = (CheckConstraint("amount_minor > 0", name="amount_positive"),)
