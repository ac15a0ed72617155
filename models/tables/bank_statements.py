"""Statements of the operator's bank accounts, and what their lines settled."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, HasId


class BankStatement(HasId, Base):
    """A file 1CClientBankExchange that accounting has brought in, as it came."""

    __tablename__ = "bank_statement"
    sha256: Mapped[bytes] = mapped_column(unique=True)
    content: Mapped[bytes] = mapped_column(deferred=True)
    accounts: Mapped[list[str]] = mapped_column(ARRAY(Text))
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]
    documents: Mapped[int]
    new_lines: Mapped[int]
    """The others stood in earlier statements."""
    problems: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    received_at: Mapped[datetime]
    received_from: Mapped[str]


class BankSettlement(HasId, Base):
    """Money that a bank has passed on for one day or several: a line of a statement, or what accounting says."""

    __tablename__ = "bank_settlement"
    bank_id: Mapped[UUID] = mapped_column(ForeignKey("bank.id"), index=True)
    amount_minor: Mapped[int]
    received_on: Mapped[date]
    settled_at: Mapped[datetime]
    settled_by: Mapped[str]
    reference: Mapped[str | None]
    """The paper that accounting has for it, where no statement was brought in."""
    reason: Mapped[str | None]


class BankSettlementDay(HasId, Base):
    """What of such money is for one day: the document of its postings 1030 and 7210."""

    __tablename__ = "bank_settlement_day"
    settlement_id: Mapped[UUID] = mapped_column(ForeignKey("bank_settlement.id"), index=True)
    reconciliation_id: Mapped[UUID] = mapped_column(ForeignKey("reconciliation.id"), index=True)
    net_minor: Mapped[int]
    fee_minor: Mapped[int]


class BankStatementLine(HasId, Base):
    """One movement of money on an account of the operator, once, however many statements show it."""

    __tablename__ = "bank_statement_line"
    statement_id: Mapped[UUID] = mapped_column(ForeignKey("bank_statement.id"), index=True)
    sha256: Mapped[bytes] = mapped_column(unique=True)
    """Of what makes a document the same: account, direction, number, day, sum, the other account."""
    account: Mapped[str]
    """The operator's."""
    is_incoming: Mapped[bool]
    number: Mapped[str]
    issued_on: Mapped[date | None]
    booked_on: Mapped[date]
    amount_minor: Mapped[int]
    party_name: Mapped[str]
    """The other side, as with what follows."""
    party_id_no: Mapped[str]
    party_account: Mapped[str]
    purpose: Mapped[str]
    purpose_code: Mapped[str]
    settlement_id: Mapped[UUID | None] = mapped_column(ForeignKey("bank_settlement.id"), index=True)
    """What it settled."""
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("is_incoming OR settlement_id IS NULL", name="only_income_settles"),
        Index(
            "ix_bank_statement_line_booked_on", "booked_on", postgresql_where="is_incoming AND settlement_id IS NULL"
        ),
    )
