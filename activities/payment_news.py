"""Payments in a process's timeline, in the name of the bank that reported them."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.payment_taking import receipt
from activities.processes import get_process, tell
from models.contracts.bank import PaymentStatus
from models.contracts.steps import PaymentStep
from models.tables.billing import Invoice
from models.tables.payments import Allocation, Payment
from models.tables.people import Bank


def tell_payments(session: Session, step: PaymentStep, invoice: Invoice) -> None:
    """Write the payments that led here, and those that the invoice got since the process began, into the timeline.

    Called after what is outstanding was read, so that whatever that counts is told: a payment's own signal may come
    when nobody waits for money any more.
    """
    covering = select(Allocation.payment_id).where(Allocation.invoice_id == invoice.id)
    payments = session.execute(
        select(Payment, Bank.code)
        .join(Bank, Bank.id == Payment.bank_id)
        .where(
            Payment.id.in_(step.payment_ids)
            | (Payment.id.in_(covering) & (Payment.received_at >= get_process(session, step.process_id).opened_at))
        )
    )
    for payment, bank_code in sorted(payments, key=lambda row: row[0].id):
        reversed_ = payment.status is PaymentStatus.REVERSED
        event = "payment_reversed" if reversed_ else "payment_received"
        facts = {"amount_minor": payment.amount_minor, "receipt_no": receipt(payment.receipt_no)}
        tell(
            session, step.process_id, event, key=f"{event}:{payment.id}", at=step.at, actor=f"bank:{bank_code}",
            facts=facts,
        )  # fmt: skip
