"""Payments in a process's timeline, in the name of the bank that reported them."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, bindparam, func, select, union
from sqlalchemy.orm import Session

from activities.payment_taking import receipt
from activities.processes import Told, tell_all
from models.contracts.bank import PaymentStatus
from models.contracts.steps import PaymentStep
from models.tables.banks import Bank
from models.tables.billing import Invoice
from models.tables.payments import Allocation, Payment
from models.tables.processes import Process

_Payments = Select[UUID, PaymentStatus, int, int, str]


def _payments(counted: ColumnElement[bool]) -> _Payments:
    """Those named, and those counted since the process began; a union, so that each half is found by an index."""
    opened_at = select(Process.opened_at).where(Process.id == bindparam("process_id")).scalar_subquery()
    told = union(
        select(func.unnest(bindparam("payment_ids", type_=ARRAY(Uuid)))),
        select(Payment.id).where(counted, Payment.received_at >= opened_at),
    )
    return (
        select(Payment.id, Payment.status, Payment.amount_minor, Payment.receipt_no, Bank.code)
        .join(Bank, Bank.id == Payment.bank_id)
        .where(Payment.id.in_(told))
        .order_by(Payment.id)
    )


_OF_INVOICE = _payments(
    Payment.id.in_(select(Allocation.payment_id).where(Allocation.invoice_id == bindparam("invoice_id")))
)
_OF_ACCOUNT = _payments(Payment.account_id == bindparam("account_id"))


def tell_payments(session: Session, step: PaymentStep, invoice: Invoice, *, also: Sequence[Told] = ()) -> None:
    """Write the payments that led here, and those that the invoice got since the process began, into the timeline.

    `also` is told after them.

    Called after what is outstanding was read, so that whatever that counts is told: a payment's own signal may come
    when nobody waits for money any more.
    """
    _tell(session, step, [*_news(session, step, _OF_INVOICE, invoice_id=invoice.id), *also])


def tell_payments_to(session: Session, step: PaymentStep, account_id: UUID) -> None:
    """The same of whatever was paid to an account since the process began."""
    _tell(session, step, _news(session, step, _OF_ACCOUNT, account_id=account_id))


def _news(session: Session, step: PaymentStep, payments: _Payments, **counted: UUID) -> list[Told]:
    named = {"process_id": step.process_id, "payment_ids": step.payment_ids}
    told = []
    for payment in session.execute(payments, named | counted):
        event = "payment_reversed" if payment.status is PaymentStatus.REVERSED else "payment_received"
        facts = {"amount_minor": payment.amount_minor, "receipt_no": receipt(payment.receipt_no)}
        told.append(Told(event, facts, key=f"{event}:{payment.id}", actor=f"bank:{payment.code}"))
    return told


def _tell(session: Session, step: PaymentStep, told: Sequence[Told]) -> None:
    if told:
        tell_all(session, step.process_id, told, at=step.at)
