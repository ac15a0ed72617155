"""Invoices and what takes them back."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from activities import ledger, settlement
from activities.charging import Charge, connection_charges, priced_line, vat_rate_bp
from activities.credit_notes import CREDIT_NOTE_DOCUMENT, credit_invoice, unknown_invoice
from activities.invoice_views import get, view
from activities.ledger import Posting
from activities.numbering import next_number
from activities.processes import get_process
from models.contracts.billing import InvoiceKind
from models.contracts.ledger import Chart
from models.tables.billing import Invoice, InvoiceLine

__all__ = [
    "CREDIT_NOTE_DOCUMENT",
    "INVOICE_DOCUMENT",
    "credit_invoice",
    "get",
    "issue_connection_invoice",
    "issue_invoice",
    "outstanding_minor",
    "view",
]

INVOICE_DOCUMENT = "invoice"

# Made once: to make it takes longer than to have it answered.
_OUTSTANDING = select(settlement.outstanding_of_invoice()).where(Invoice.id == bindparam("invoice_id"))
_CONNECTION_INVOICE = select(Invoice, settlement.outstanding_of_invoice()).where(
    Invoice.process_id == bindparam("process_id"), Invoice.kind == InvoiceKind.CONNECTION
)


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

    One invoice for a process, however often it is asked for. VAT is at the rate of `issued_on`, rounded for each
    line; the total is the sum of the lines. What the account has paid in advance covers it at once.

    Raises:
        Refusal: the tariff, a SKU, the tariff's price or the VAT rate of that day is missing.
    """
    settlement.lock_account(session, account_id)
    earlier = session.scalar(
        select(Invoice).where(Invoice.process_id == process_id, Invoice.kind == InvoiceKind.CONNECTION)
    )
    if earlier is not None:
        return earlier
    invoice = issue_invoice(
        session,
        kind=InvoiceKind.CONNECTION,
        account_id=account_id,
        process_id=process_id,
        charges=connection_charges(
            session,
            tariff_id,
            equipment,
            issued_on,
            subscription_id=get_process(session, process_id).subscription_id,
        ),
        issued_on=issued_on,
        due_on=due_on,
    )
    settlement.settle(session, account_id, reason=f"зачёт аванса в счёт {invoice.number}", on=issued_on)
    return invoice


def issue_invoice(
    session: Session,
    *,
    kind: InvoiceKind,
    account_id: UUID,
    process_id: UUID | None,
    charges: Sequence[Charge],
    issued_on: date,
    due_on: date,
) -> Invoice:
    """Issue and post an invoice of these charges. The account is locked; whoever calls settles it afterwards.

    Raises:
        Refusal: the VAT rate of the day is missing.
    """
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
        session.execute(insert(InvoiceLine).values([{**line, "invoice_id": invoice.id} for line in lines]))
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


class Owed(NamedTuple):
    """An invoice, and what is still to be paid on it, in tiyn."""

    invoice: Invoice
    outstanding_minor: int


def connection_invoice(session: Session, process_id: UUID) -> Owed:
    """The invoice that a connection has got, and what is still to be paid on it, as `outstanding_minor` says."""
    invoice, outstanding = session.execute(_CONNECTION_INVOICE, {"process_id": process_id}).one()
    return Owed(invoice, max(0, int(outstanding)))


def outstanding_minor(session: Session, invoice_id: UUID) -> int:
    """What is still to be paid on an invoice, in tiyn: total − credited − allocated, never negative.

    Raises:
        Refusal: there is no such invoice.
    """
    outstanding = session.scalar(_OUTSTANDING, {"invoice_id": invoice_id})
    if outstanding is None:
        raise unknown_invoice()
    return max(0, int(outstanding))
