"""Payments in a process's timeline, in the name of the bank that reported them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from activities.payment_taking import receipt
from activities.processes import Told, tell_all
from models.contracts.bank import PaymentStatus
from models.contracts.steps import PaymentStep
from models.tables.banks import Bank
from models.tables.billing import Invoice
from models.tables.payments import Allocation, Payment
from models.tables.processes import Process


def tell_payments(session: Session, step: PaymentStep, invoice: Invoice, *, also: Sequence[Told] = ()) -> None:
    """Write the payments that led here, and those that the invoice got since the process began, into the timeline.

    `also` is told after them.

    Called after what is outstanding was read, so that whatever that counts is told: a payment's own signal may come
    when nobody waits for money any more.
    """
    covering = select(Allocation.payment_id).where(Allocation.invoice_id == invoice.id)
    _tell(session, step, Payment.id.in_(covering), also)


def tell_payments_to(session: Session, step: PaymentStep, account_id: UUID) -> None:
    """The same of whatever was paid to an account since the process began."""
    _tell(session, step, Payment.account_id == account_id)


def _tell(session: Session, step: PaymentStep, counted: ColumnElement[bool], also: Sequence[Told] = ()) -> None:
    opened_at = select(Process.opened_at).where(Process.id == step.process_id).scalar_subquery()
    payments = session.execute(
        select(Payment.id, Payment.status, Payment.amount_minor, Payment.receipt_no, Bank.code)
        .join(Bank, Bank.id == Payment.bank_id)
        .where(Payment.id.in_(step.payment_ids) | (counted & (Payment.received_at >= opened_at)))
        .order_by(Payment.id)
    )
    told = []
    for payment in payments:
        event = "payment_reversed" if payment.status is PaymentStatus.REVERSED else "payment_received"
        facts = {"amount_minor": payment.amount_minor, "receipt_no": receipt(payment.receipt_no)}
        told.append(Told(event, facts, key=f"{event}:{payment.id}", actor=f"bank:{payment.code}"))
    told += also
    if told:
        tell_all(session, step.process_id, told, at=step.at)
