"""A final invoice that holds no longer: credited whole, and what it charged counts as billed no more."""

from datetime import date
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from activities import credit_notes
from models.contracts.billing import InvoiceKind, RecalculationKind
from models.tables.billing import Invoice, InvoiceLine, Recalculation, RecalculationLine

_LINES = text("""
    INSERT INTO recalculation_line (recalculation_id, line_no, subscription_id, service_month_on, charge_id,
                                    description, formula, vat_rate_bp, net_minor, vat_minor, total_minor)
    SELECT :recalculation_id, line_no, line.subscription_id, line.service_month_on, line.charge_id, line.description,
           'выставлено ранее: ' || billing_tenge(part.total_minor), line.vat_rate_bp, part.vat_minor - part.total_minor,
           -part.vat_minor, -part.total_minor
    FROM unnest(CAST(:line_nos AS bigint[]), CAST(:vats_minor AS bigint[]), CAST(:totals_minor AS bigint[]))
         AS part (line_no, vat_minor, total_minor)
    JOIN invoice_line AS line USING (line_no)
    WHERE line.invoice_id = :invoice_id
""")


def first_month_of(session: Session, process_id: UUID) -> date | None:
    """The earliest month that a process billed or gave back by its final invoice."""
    billed = session.scalar(
        select(func.min(InvoiceLine.service_month_on))
        .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
        .where(Invoice.process_id == process_id, Invoice.kind == InvoiceKind.FINAL)
    )
    given_back = session.scalar(
        select(func.min(RecalculationLine.service_month_on))
        .join(Recalculation, Recalculation.id == RecalculationLine.recalculation_id)
        .where(Recalculation.process_id == process_id, Recalculation.kind == RecalculationKind.FINAL)
    )
    return min((month_on for month_on in (billed, given_back) if month_on is not None), default=None)


def withdraw_invoice(session: Session, process_id: UUID, *, on: date, actor: str) -> None:
    """Credit what is left of a process's final invoice, once.

    One that gave something back instead stays: the next bill charges that again.
    """
    invoice = session.scalar(
        select(Invoice).where(Invoice.process_id == process_id, Invoice.kind == InvoiceKind.FINAL)
    )  # fmt: skip
    parts = [] if invoice is None else credit_notes.rest_of(session, invoice.id)
    if invoice is None or sum(part.total_minor for part in parts) <= 0:
        return
    given_back = Recalculation(
        account_id=invoice.account_id, process_id=process_id, kind=RecalculationKind.WITHDRAWAL, issued_on=on,
        net_minor=-sum(part.net_minor for part in parts), vat_minor=-sum(part.vat_minor for part in parts),
        total_minor=-sum(part.total_minor for part in parts),
    )  # fmt: skip
    session.add(given_back)
    session.flush()
    session.execute(
        _LINES,
        {
            "recalculation_id": given_back.id, "invoice_id": invoice.id,
            "line_nos": [part.line_no for part in parts], "vats_minor": [part.vat_minor for part in parts],
            "totals_minor": [part.total_minor for part in parts],
        },
    )  # fmt: skip
    credit_notes.credit_invoice(
        session, invoice.id, reason="услуга остаётся подключённой", on=on, actor=actor,
        recalculation_id=given_back.id,
    )  # fmt: skip
