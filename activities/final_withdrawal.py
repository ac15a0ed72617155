"""A final invoice that holds no longer: credited whole, or what it gave back is charged again."""

from datetime import date
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from activities import credit_notes
from models.contracts.billing import InvoiceKind, NewCreditNote, RecalculationKind
from models.contracts.final_billing import FinalBill
from models.contracts.money import PositiveMoney
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

# As a run takes back what was billed before: here that is less than nothing. What outages gave back stays given.
_CHARGE_AGAIN = text("""
    INSERT INTO bill_line (account_id, subscription_id, item_id, charge_id, kind, title, month_on, month_days, from_day,
                           to_day, place, fee_minor, left_minor, vat_rate_bp, net_minor, vat_minor)
    SELECT account_id, subscription_id, coalesce(charge_id, subscription_id), charge_id, 'reversal', title, month_on,
           days, 0, days, -1, total_minor, total_minor, vat_rate_bp, -net_minor, -vat_minor
    FROM (
        SELECT given_back.account_id, line.subscription_id, line.charge_id,
               coalesce(charge.description, tariff.title) AS title, line.service_month_on AS month_on,
               (line.service_month_on + interval '1 month')::date - line.service_month_on AS days, line.vat_rate_bp,
               sum(line.total_minor)::bigint AS total_minor, sum(line.net_minor)::bigint AS net_minor,
               sum(line.vat_minor)::bigint AS vat_minor
        FROM recalculation AS given_back
        JOIN recalculation_line AS line ON line.recalculation_id = given_back.id
        JOIN subscription ON subscription.id = line.subscription_id
        JOIN tariff ON tariff.id = subscription.tariff_id
        LEFT JOIN charge ON charge.id = line.charge_id
        WHERE given_back.process_id = :process_id AND given_back.kind = :kind AND line.service_month_on >= :from_on
          AND charge.kind IS DISTINCT FROM 'credit'
        GROUP BY 1, 2, 3, 4, 5, 6, 7
    ) AS item
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
    """Credit what is left of a process's final invoice, once."""
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


def charge_again(session: Session, process_id: UUID, *, from_on: date) -> None:
    """Stage what a process's final invoice gave back for the months from a day on, to be charged as before."""
    facts = {"process_id": process_id, "kind": RecalculationKind.FINAL, "from_on": from_on}
    session.execute(_CHARGE_AGAIN, facts)


def keep_favour(session: Session, invoice_id: UUID, given_back: FinalBill, *, on: date, actor: str) -> None:
    """What accounting had given back before, so that the final invoice could not, is not to be paid now either."""
    uncovered_minor = min(
        -given_back.total_minor - given_back.credited_minor,
        sum(part.total_minor for part in credit_notes.rest_of(session, invoice_id)),
    )
    if uncovered_minor > 0:
        order = NewCreditNote(
            amount=PositiveMoney(amount_minor=uncovered_minor), reason="возвращено кредит-нотой ранее"
        )  # fmt: skip
        credit_notes.issue(session, invoice_id, order, on=on, actor=actor, limit_minor=None)
