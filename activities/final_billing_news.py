"""Final billing in a process's timeline."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import invoicing
from activities.processes import tell
from models.contracts.final_billing import FinalBill
from models.tables.billing import CreditNote, Invoice


def tell_bill(session: Session, process_id: UUID, bill: FinalBill, *, at: datetime) -> None:
    """Write the invoice, or what was given back, into the timeline; nothing where it came to nothing."""
    if bill.invoice_id is not None:
        invoice = session.get_one(Invoice, bill.invoice_id)
        facts = {
            "number": invoice.number, "total_minor": invoice.total_minor, "due_on": invoice.due_on.isoformat(),
            "outstanding_minor": invoicing.outstanding_minor(session, invoice.id),
        }  # fmt: skip
        tell(session, process_id, "invoice_issued", key=f"invoice_issued:{invoice.id}", at=at, facts=facts)
    if bill.credit_note_ids:
        numbers = session.scalars(
            select(CreditNote.number).where(CreditNote.id.in_(bill.credit_note_ids)).order_by(CreditNote.number)
        )
        facts = {"credited_minor": bill.credited_minor, "credit_notes": list(numbers)}
        key = f"final_credit_issued:{bill.credit_note_ids[0]}"
        tell(session, process_id, "final_credit_issued", key=key, at=at, facts=facts)
