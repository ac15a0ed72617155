"""The ledger: an append-only list of transfers («проводки») and the balances that follow from it.

Triggers made by the migration refuse UPDATE, DELETE and TRUNCATE of `transfer`, and add each new transfer to
`ledger_balance` within the same statement, so a balance can't differ from the sum of its transfers.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.ledger import ChartKind
from models.tables.base import Base, HasId, words


class ChartAccount(Base):
    """An account of the chart of accounts, such as 1210 trade receivables."""

    __tablename__ = "chart_account"
    code: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    kind: Mapped[ChartKind] = mapped_column(words(ChartKind))


class Transfer(HasId, Base):
    """An amount that goes from the credited account to the debited one: balanced by construction."""

    __tablename__ = "transfer"
    key: Mapped[str] = mapped_column(unique=True)
    """Made from durable ids: posting the same thing twice is impossible."""
    debit: Mapped[str] = mapped_column(ForeignKey("chart_account.code"))
    credit: Mapped[str] = mapped_column(ForeignKey("chart_account.code"))
    amount_minor: Mapped[int]
    currency: Mapped[str] = mapped_column(server_default="KZT")
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    """The subscriber's account; none while money is in suspense."""
    document_kind: Mapped[str]
    document_id: Mapped[UUID]
    reason: Mapped[str]
    effective_on: Mapped[date]
    posted_at: Mapped[datetime] = mapped_column(server_default=func.now())
    reverses_id: Mapped[UUID | None] = mapped_column(ForeignKey("transfer.id"), unique=True)
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("debit <> credit", name="two_accounts"),
        Index("ix_transfer_account_id_id", "account_id", "id"),
        Index("ix_transfer_document_id", "document_id"),
    )


class LedgerBalance(HasId, Base):
    """Debits minus credits of one chart account for one subscriber's account."""

    __tablename__ = "ledger_balance"
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    chart_code: Mapped[str] = mapped_column(ForeignKey("chart_account.code"))
    balance_minor: Mapped[int]
    __table_args__ = (UniqueConstraint("account_id", "chart_code", postgresql_nulls_not_distinct=True),)
