"""Invoices and what takes them back."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from activities import ledger, settlement
from activities.charging import Charge, connection_charges, priced_line, vat_rate_bp
from activities.ledger import Posting
from activities.numbering import next_number
from models.contracts.billing import AllocationView, InvoiceKind, InvoiceLineView, InvoiceStatus, InvoiceView
from models.contracts.ledger import Chart
from models.contracts.money import kzt
from models.contracts.refusals import not_found
from models.tables.billing import CreditNote, Invoice, InvoiceLine
from models.tables.payments import Allocation
from models.tables.people import Account

INVOICE_DOCUMENT = "invoice"
CREDIT_NOTE_DOCUMENT = "credit_note"


def issue_connection_invoice(
    session: Session,
    *,
    process_id: UUID,
    account_id: UUID,
    tariff_id: UUID,
    equipment: Sequence[str],
    issued_on: date,
    due_on: date,
) -> Invoice:
    """Invoice a connection: its fee, the equipment by SKU, and the first month where the tariff asks for it upfront.

    One invoice for a process, however often it is asked for. Prices include VAT at the rate of `issued_on`, rounded
    for each line; the total is the sum of the lines. What the account has paid in advance covers it at once.

    Raises:
        Refusal: the tariff, a SKU, the tariff's price or the VAT rate of that day is missing.
    """
    settlement.lock_account(session, account_id)
    earlier = session.scalar(
        select(Invoice).where(Invoice.process_id == process_id, Invoice.kind == InvoiceKind.CONNECTION)
    )
    if earlier is not None:
        return earlier
    invoice = _issue(
        session,
        kind=InvoiceKind.CONNECTION,
        account_id=account_id,
        process_id=process_id,
        charges=connection_charges(session, tariff_id, equipment, issued_on),
        issued_on=issued_on,
        due_on=due_on,
    )
    settlement.settle(session, account_id, reason=f"зачёт аванса в счёт {invoice.number}", on=issued_on)
    return invoice


def _issue(
    session: Session,
    *,
    kind: InvoiceKind,
    account_id: UUID,
    process_id: UUID | None,
    charges: Sequence[Charge],
    issued_on: date,
    due_on: date,
) -> Invoice:
    rate_bp = vat_rate_bp(session, issued_on)
    lines = [priced_line(number, charge, rate_bp) for number, charge in enumerate(charges, start=1)]
    net, vat = sum(line["net_minor"] for line in lines), sum(line["vat_minor"] for line in lines)
    number = next_number(session, INVOICE_DOCUMENT, issued_on.year)
    invoice = Invoice(
        number=f"СЧ-{issued_on.year}-{number:06d}",
        kind=kind,
        account_id=account_id,
        process_id=process_id,
        issued_on=issued_on,
        due_on=due_on,
        net_minor=net,
        vat_minor=vat,
        total_minor=net + vat,
    )
    session.add(invoice)
    session.flush()
    if lines:
        session.execute(insert(InvoiceLine), [{**line, "invoice_id": invoice.id} for line in lines])
    _post_invoice(session, invoice)
    return invoice


def _post_invoice(session: Session, invoice: Invoice) -> None:
    ledger.post_all(
        session,
        [
            Posting(
                key=f"invoice/{invoice.id}/{part}",
                debit=Chart.RECEIVABLES,
                credit=credit,
                amount_minor=amount_minor,
                account_id=invoice.account_id,
                document_kind=INVOICE_DOCUMENT,
                document_id=invoice.id,
                reason=f"счёт {invoice.number}",
                effective_on=invoice.issued_on,
            )
            for part, credit, amount_minor in (
                ("net", Chart.REVENUE, invoice.net_minor),
                ("vat", Chart.VAT_PAYABLE, invoice.vat_minor),
            )
        ],
    )


def outstanding_minor(session: Session, invoice_id: UUID) -> int:
    """What is still to be paid on an invoice, in tiyn: total − credited − allocated, never negative.

    Raises:
        Refusal: there is no such invoice.
    """
    outstanding = session.scalar(select(settlement.outstanding_of_invoice()).where(Invoice.id == invoice_id))
    if outstanding is None:
        raise _unknown()
    return max(0, int(outstanding))


def credit_invoice(
    session: Session, invoice_id: UUID, *, reason: str, on: date, actor: str, key: str
) -> CreditNote | None:
    """Take an invoice back wholly, with the VAT that it was issued with; the first credit note stands.

    What was paid on it becomes the subscriber's advance, and then covers their other open invoices. An invoice of
    nothing needs no credit note. `key` is the durable id of the step that asks; the ledger's keys begin with it.

    Raises:
        Refusal: there is no such invoice.
    """
    invoice = get(session, invoice_id)
    settlement.lock_account(session, invoice.account_id)
    earlier = session.scalar(select(CreditNote).where(CreditNote.invoice_id == invoice_id))
    if earlier is not None or invoice.total_minor == 0:
        return earlier
    number = next_number(session, CREDIT_NOTE_DOCUMENT, on.year)
    note = CreditNote(
        number=f"КН-{on.year}-{number:06d}",
        invoice_id=invoice_id,
        issued_on=on,
        net_minor=invoice.net_minor,
        vat_minor=invoice.vat_minor,
        total_minor=invoice.total_minor,
        reason=reason,
        created_by=actor,
    )
    session.add(note)
    session.flush()
    because = f"отмена счёта {invoice.number}: {reason}"
    settlement.release(
        session,
        settlement.shares_of_invoice(session, invoice_id),
        invoice.account_id,
        reason=because,
        on=on,
    )
    ledger.reverse(
        session,
        document_id=invoice_id,
        reason=because,
        effective_on=on,
        by_kind=CREDIT_NOTE_DOCUMENT,
        by_id=note.id,
        key=key,
    )
    settlement.settle(session, invoice.account_id, reason=because, on=on)
    return note


def get(session: Session, invoice_id: UUID) -> Invoice:
    """The invoice.

    Raises:
        Refusal: there is no such invoice.
    """
    invoice = session.get(Invoice, invoice_id)
    if invoice is None:
        raise _unknown()
    return invoice


def view(session: Session, invoice_id: UUID) -> InvoiceView:
    """An invoice with its lines, what was credited and paid, and the status that follows from it.

    Raises:
        Refusal: there is no such invoice.
    """
    invoice = get(session, invoice_id)
    account_no = session.execute(select(Account.account_no).where(Account.id == invoice.account_id)).scalar_one()
    lines = session.scalars(
        select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.line_no)
    )
    allocations = session.scalars(
        select(Allocation).where(Allocation.invoice_id == invoice_id).order_by(Allocation.id)
    ).all()
    credited = session.scalar(select(func.sum(CreditNote.total_minor)).where(CreditNote.invoice_id == invoice_id))
    credited_minor = int(credited or 0)
    allocated_minor = sum(allocation.amount_minor for allocation in allocations)
    return InvoiceView(
        id=invoice.id,
        number=invoice.number,
        kind=invoice.kind,
        status=_status(invoice.total_minor, credited_minor, allocated_minor),
        account_no=account_no,
        process_id=invoice.process_id,
        issued_on=invoice.issued_on,
        due_on=invoice.due_on,
        lines=[_line_view(line) for line in lines],
        net=kzt(invoice.net_minor),
        vat=kzt(invoice.vat_minor),
        total=kzt(invoice.total_minor),
        credited=kzt(credited_minor),
        allocated=kzt(allocated_minor),
        outstanding=kzt(max(0, invoice.total_minor - credited_minor - allocated_minor)),
        allocations=[
            AllocationView(
                payment_id=allocation.payment_id,
                amount=kzt(allocation.amount_minor),
                reason=allocation.reason,
                allocated_at=allocation.allocated_at,
            )
            for allocation in allocations
        ],
    )


def _line_view(line: InvoiceLine) -> InvoiceLineView:
    return InvoiceLineView(
        description=line.description,
        formula=line.formula,
        quantity=line.quantity,
        unit=kzt(line.unit_minor),
        vat_rate_percent=line.vat_rate_bp / 100,
        net=kzt(line.net_minor),
        vat=kzt(line.vat_minor),
        total=kzt(line.total_minor),
    )


def _status(total_minor: int, credited_minor: int, allocated_minor: int) -> InvoiceStatus:
    if 0 < total_minor <= credited_minor:
        return InvoiceStatus.CREDITED
    if total_minor - credited_minor - allocated_minor <= 0:
        return InvoiceStatus.PAID
    return InvoiceStatus.PARTLY_PAID if allocated_minor > 0 else InvoiceStatus.OPEN


def _unknown() -> Exception:
    return not_found("invoice_unknown", "There is no such invoice: take its id from the process or the ledger.")
