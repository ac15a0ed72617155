"""Invoices, their lines, credit notes, and the numbers that documents take."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, func
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.billing import BillingProblem, InvoiceKind, RecalculationKind
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
    period_on: Mapped[date | None]
    """The first day of the month whose billing run issued it; none outside a run."""
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
        Index(
            "uq_invoice_one_a_period",
            "account_id",
            "period_on",
            unique=True,
            postgresql_where="period_on IS NOT NULL",
        ),
        CheckConstraint("(kind = 'recurring') = (period_on IS NOT NULL)", name="a_run_issues_recurring_ones"),
    )


class InvoiceLine(HasId, Base):
    """One charge of an invoice, with the formula that explains it."""

    __tablename__ = "invoice_line"
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoice.id"))
    line_no: Mapped[int]
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscription.id"))
    service_month_on: Mapped[date | None]
    """The first day of the month whose service is charged; none for what belongs to no month."""
    charge_id: Mapped[UUID | None] = mapped_column(ForeignKey("charge.id"))
    """The charge beside the tariff that this line bills; none for the tariff's fee and its discounts."""
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
        Index(
            "ix_invoice_line_billed",
            "subscription_id",
            "service_month_on",
            postgresql_where="subscription_id IS NOT NULL",
            postgresql_include=["charge_id", "total_minor", "net_minor"],
        ),
    )


class BillingRun(Base):
    """A run of the monthly billing; its process is the workflow that carries it."""

    __tablename__ = "billing_run"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), primary_key=True)
    period_on: Mapped[date]
    dry_run: Mapped[bool]
    issued_on: Mapped[date]
    due_on: Mapped[date]
    charge_suspended: Mapped[bool]
    charge_frozen: Mapped[bool]
    accounts_total: Mapped[int]
    __table_args__ = (CheckConstraint("extract(day FROM period_on) = 1", name="period_is_a_month"),)


class BillingPartition(Base):
    """A range of accounts that one transaction bills, and what came of it: done means never again."""

    __tablename__ = "billing_partition"
    run_id: Mapped[UUID] = mapped_column(ForeignKey("billing_run.process_id"), primary_key=True)
    first_number: Mapped[int] = mapped_column(primary_key=True)
    last_number: Mapped[int]
    done_at: Mapped[datetime | None]
    accounts: Mapped[int | None]
    invoices: Mapped[int | None]
    invoiced_minor: Mapped[int | None]
    exceptions: Mapped[int | None]
    nothing_due: Mapped[int | None]
    credited: Mapped[int | None]
    """Accounts that got more back than they were charged, by credit notes."""
    credited_minor: Mapped[int | None]
    __table_args__ = (
        CheckConstraint("last_number >= first_number", name="range_not_empty"),
        CheckConstraint(
            "done_at IS NULL OR invoices + exceptions + nothing_due + credited = accounts",
            name="every_account_is_accounted_for",
        ),
    )


class BillingException(HasId, Base):
    """An account that a run could not bill, and why; it never sinks the run."""

    __tablename__ = "billing_exception"
    run_id: Mapped[UUID] = mapped_column(ForeignKey("billing_run.process_id"), index=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscription.id"))
    reason: Mapped[BillingProblem] = mapped_column(words(BillingProblem))
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (UniqueConstraint("run_id", "account_id"),)


class Recalculation(HasId, Base):
    """What billing takes back, with the lines that say why, where they add up to less than an invoice can say.

    Its credit notes take the sum out of earlier invoices; its lines say what it is for, and count as billed. A credit
    note without one is a favour or a correction of accounting: what it takes back is not charged again.
    """

    __tablename__ = "recalculation"
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"))
    """The billing run, or the disconnection."""
    kind: Mapped[RecalculationKind] = mapped_column(words(RecalculationKind))
    issued_on: Mapped[date]
    net_minor: Mapped[int]
    vat_minor: Mapped[int]
    total_minor: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        UniqueConstraint("process_id", "account_id", "kind"),
        CheckConstraint("net_minor + vat_minor = total_minor AND total_minor <= 0", name="total_is_the_sum"),
    )


class RecalculationLine(HasId, Base):
    """One line of a recalculation, in the words of an invoice's."""

    __tablename__ = "recalculation_line"
    recalculation_id: Mapped[UUID] = mapped_column(ForeignKey("recalculation.id"))
    line_no: Mapped[int]
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    service_month_on: Mapped[date]
    charge_id: Mapped[UUID | None] = mapped_column(ForeignKey("charge.id"))
    description: Mapped[str]
    formula: Mapped[str]
    vat_rate_bp: Mapped[int]
    net_minor: Mapped[int]
    vat_minor: Mapped[int]
    total_minor: Mapped[int]
    __table_args__ = (
        CheckConstraint("net_minor + vat_minor = total_minor", name="total_is_the_sum"),
        Index("uq_recalculation_line_recalculation_id_line_no", "recalculation_id", "line_no", unique=True),
        Index("ix_recalculation_line_billed", "subscription_id", "service_month_on"),
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
    recalculation_id: Mapped[UUID | None] = mapped_column(ForeignKey("recalculation.id"), index=True)
    """What billing gives back by it; none for a credit note of accounting."""
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    request_sha256: Mapped[bytes | None]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        CheckConstraint("net_minor + vat_minor = total_minor AND total_minor > 0", name="total_is_the_sum"),
    )


class CreditNoteLine(HasId, Base):
    """What a credit note takes back of one line of its invoice, at that line's VAT rate."""

    __tablename__ = "credit_note_line"
    credit_note_id: Mapped[UUID] = mapped_column(ForeignKey("credit_note.id"))
    line_no: Mapped[int]
    """Of the invoice."""
    vat_rate_bp: Mapped[int]
    net_minor: Mapped[int]
    vat_minor: Mapped[int]
    total_minor: Mapped[int]
    __table_args__ = (
        CheckConstraint("net_minor + vat_minor = total_minor", name="total_is_the_sum"),
        Index("uq_credit_note_line_credit_note_id_line_no", "credit_note_id", "line_no", unique=True),
    )


class WriteOff(HasId, Base):
    """What of an invoice nobody will pay any more; a negative amount takes an earlier one back."""

    __tablename__ = "write_off"
    key: Mapped[str]
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoice.id"), index=True)
    amount_minor: Mapped[int]
    reason: Mapped[str]
    approved_by: Mapped[str | None]
    """Whoever decided it; none where a debt is owed again."""
    written_on: Mapped[date]
    created_by: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        UniqueConstraint("key", "invoice_id"),
        CheckConstraint("amount_minor <> 0", name="amount_not_zero"),
        CheckConstraint("amount_minor < 0 OR approved_by IS NOT NULL", name="approved_by_somebody"),
    )
