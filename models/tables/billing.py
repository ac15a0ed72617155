"""Invoices, their lines, credit notes, and the numbers that documents take."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.billing import InvoiceKind
from models.tables.base import Base, HasId, words


class NumberSeries(Base):
    """The last number given in a series and year; taken in the document's transaction, so without gaps."""

    __tablename__ = "number_series"
    series: Mapped[str] = mapped_column(primary_key=True)
    year: Mapped[int] = mapped_column(primary_key=True)
    last: Mapped[int]


class Invoice(HasId, Base):
    """A demand for payment. Never edited: a correction is a credit note."""

    __tablename__ = "invoice"
    number: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[InvoiceKind] = mapped_column(words(InvoiceKind))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    process_id: Mapped[UUID | None] = mapped_column(ForeignKey("process.id"))
    issued_on: Mapped[date]
    due_on: Mapped[date]
    currency: Mapped[str] = mapped_column(server_default="KZT")
    net_minor: Mapped[int]
    vat_minor: Mapped[int]
    total_minor: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        CheckConstraint("net_minor + vat_minor = total_minor AND total_minor >= 0", name="total_is_the_sum"),
        CheckConstraint("due_on >= issued_on", name="due_after_issue"),
        Index(
            "uq_invoice_one_connection_invoice",
            "process_id",
            "kind",
            unique=True,
            postgresql_where="process_id IS NOT NULL",
        ),
    )


class InvoiceLine(HasId, Base):
    """One charge of an invoice, with the formula that explains it."""

    __tablename__ = "invoice_line"
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoice.id"))
    line_no: Mapped[int]
    description: Mapped[str]
    formula: Mapped[str]
    quantity: Mapped[int]
    unit_minor: Mapped[int]
    vat_rate_bp: Mapped[int]
    net_minor: Mapped[int]
    vat_minor: Mapped[int]
    total_minor: Mapped[int]
    __table_args__ = (
        CheckConstraint("net_minor + vat_minor = total_minor", name="total_is_the_sum"),
        Index("uq_invoice_line_invoice_id_line_no", "invoice_id", "line_no", unique=True),
    )


class CreditNote(HasId, Base):
    """Takes back an invoice, whole or in part."""

    __tablename__ = "credit_note"
    number: Mapped[str] = mapped_column(unique=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoice.id"), index=True)
    issued_on: Mapped[date]
    net_minor: Mapped[int]
    vat_minor: Mapped[int]
    total_minor: Mapped[int]
    reason: Mapped[str]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        CheckConstraint("net_minor + vat_minor = total_minor AND total_minor > 0", name="total_is_the_sum"),
    )
