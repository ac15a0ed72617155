"""Invoices as they are spoken of outside: one with everything about it, or a list."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, case, select
from sqlalchemy.orm import Session

from activities import credit_notes, settlement
from activities.credit_notes import unknown_invoice
from models.contracts.billing import (
    AllocationView,
    InvoiceLineView,
    InvoiceStatus,
    InvoiceSummary,
    InvoiceView,
)
from models.contracts.money import kzt
from models.tables.billing import CreditNote, Invoice, InvoiceLine
from models.tables.payments import Allocation
from models.tables.people import Account


def get(session: Session, invoice_id: UUID) -> Invoice:
    """The invoice.

    Raises:
        Refusal: there is no such invoice.
    """
    invoice = session.get(Invoice, invoice_id)
    if invoice is None:
        raise unknown_invoice()
    return invoice


def view(session: Session, invoice_id: UUID) -> InvoiceView:
    """An invoice with its lines, what was credited and paid, and the status that follows from it.

    Raises:
        Refusal: there is no such invoice.
    """
    row = session.execute(_listed().where(Invoice.id == invoice_id)).one_or_none()
    if row is None:
        raise unknown_invoice()
    lines = session.scalars(
        select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.line_no)
    )
    allocations = session.scalars(
        select(Allocation).where(Allocation.invoice_id == invoice_id).order_by(Allocation.id)
    ).all()
    notes = session.scalars(select(CreditNote).where(CreditNote.invoice_id == invoice_id).order_by(CreditNote.id)).all()
    credited = credit_notes.credited_of_lines(session, invoice_id) if notes else {}
    return InvoiceView(
        **_summary_of(row).model_dump(),
        lines=[_line_view(line, credited.get(line.line_no, 0)) for line in lines],
        allocations=[
            AllocationView(
                payment_id=allocation.payment_id,
                amount=kzt(allocation.amount_minor),
                reason=allocation.reason,
                allocated_at=allocation.allocated_at,
            )
            for allocation in allocations
        ],
        credit_notes=credit_notes.views(session, notes),
    )


def page(
    session: Session,
    *,
    subscriber_id: UUID | None = None,
    account_no: str | None = None,
    status: InvoiceStatus | None = None,
    period_on: date | None = None,
    limit: int,
    before: UUID | None = None,
) -> tuple[list[InvoiceSummary], UUID | None]:
    """Invoices, newest first, and where the next page starts. `period_on` is the first day of a billed month."""
    statement = _listed().order_by(Invoice.id.desc()).limit(limit + 1)
    if subscriber_id is not None:
        statement = statement.where(Account.subscriber_id == subscriber_id)
    if account_no is not None:
        statement = statement.where(Account.account_no == account_no)
    if period_on is not None:
        statement = statement.where(Invoice.period_on == period_on)
    if status is not None:
        statement = statement.where(_status() == status.value)
    if status is InvoiceStatus.CREDITED:
        # Says nothing new, but lets the database begin with the few that have a credit note.
        statement = statement.where(Invoice.id.in_(select(CreditNote.invoice_id)))
    if before is not None:
        statement = statement.where(Invoice.id < before)
    rows: Sequence[Row[Any]] = session.execute(statement).all()
    shown = [_summary_of(row) for row in rows[:limit]]
    return shown, shown[-1].id if len(rows) > limit else None


def _listed() -> Select[Any]:
    return select(
        Invoice,
        Account.account_no,
        settlement.credited_of_invoice().label("credited_minor"),
        settlement.allocated_to_invoice().label("allocated_minor"),
        settlement.written_off_of_invoice().label("written_off_minor"),
        _status().label("status"),
    ).join(Account, Account.id == Invoice.account_id)


def _status() -> Any:
    """The status that follows from what was credited, paid and written off; an invoice of nothing is paid."""
    credited, allocated = settlement.credited_of_invoice(), settlement.allocated_to_invoice()
    is_settled = settlement.outstanding_of_invoice() <= 0
    return case(
        (and_(Invoice.total_minor > 0, credited >= Invoice.total_minor), InvoiceStatus.CREDITED.value),
        (and_(is_settled, settlement.written_off_of_invoice() > 0), InvoiceStatus.WRITTEN_OFF.value),
        (is_settled, InvoiceStatus.PAID.value),
        (allocated > 0, InvoiceStatus.PARTLY_PAID.value),
        else_=InvoiceStatus.OPEN.value,
    )


def _summary_of(row: Row[Any]) -> InvoiceSummary:
    invoice: Invoice = row.Invoice
    credited_minor, allocated_minor = int(row.credited_minor), int(row.allocated_minor)
    written_off_minor = int(row.written_off_minor)
    return InvoiceSummary(
        id=invoice.id,
        number=invoice.number,
        kind=invoice.kind,
        status=InvoiceStatus(row.status),
        account_no=row.account_no,
        process_id=invoice.process_id,
        period=None if invoice.period_on is None else f"{invoice.period_on:%Y-%m}",
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        net=kzt(invoice.net_minor),
        vat=kzt(invoice.vat_minor),
        total=kzt(invoice.total_minor),
        credited=kzt(credited_minor),
        allocated=kzt(allocated_minor),
        written_off=kzt(written_off_minor),
        outstanding=kzt(max(0, invoice.total_minor - credited_minor - allocated_minor - written_off_minor)),
    )


def _line_view(line: InvoiceLine, credited_minor: int) -> InvoiceLineView:
    return InvoiceLineView(
        line_no=line.line_no,
        description=line.description,
        formula=line.formula,
        quantity=line.quantity,
        unit=kzt(line.unit_minor),
        vat_rate_percent=line.vat_rate_bp / 100,
        net=kzt(line.net_minor),
        vat=kzt(line.vat_minor),
        total=kzt(line.total_minor),
        credited=kzt(credited_minor),
    )
