"""Payments as accounting sees them."""

from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.orm import Session

from activities import settlement
from activities.payment_locks import unknown_payment
from activities.payment_posting import receipt
from models.contracts.bank import PaymentDetail, PaymentStatus, PaymentView
from models.contracts.money import kzt
from models.contracts.payments import AllocationRow
from models.tables.banks import Bank
from models.tables.billing import Invoice
from models.tables.payments import Allocation, Payment, Reallocation
from models.tables.people import Account


def view(session: Session, payment_id: UUID) -> PaymentView:
    """A payment in a line.

    Raises:
        Refusal: there is no such payment.
    """
    row = session.execute(_listed().where(Payment.id == payment_id)).one_or_none()
    if row is None:
        raise unknown_payment()
    return PaymentView(**_facts(row))


def detail(session: Session, payment_id: UUID) -> PaymentDetail:
    """A payment with everything that became of it, and the other parts of its transaction.

    Raises:
        Refusal: there is no such payment.
    """
    row = session.execute(_listed().where(Payment.id == payment_id)).one_or_none()
    if row is None:
        raise unknown_payment()
    payment: Payment = row.Payment
    others = session.scalars(
        select(Payment.id)
        .where(Payment.bank_id == payment.bank_id, Payment.txn_id == payment.txn_id, Payment.id != payment.id)
        .order_by(Payment.part)
    ).all()
    return PaymentDetail(
        **_facts(row),
        refunded=kzt(payment.refunded_minor),
        reversed_at=payment.reversed_at,
        reversed_by=payment.reversed_by,
        reversal_reason=payment.reversal_reason,
        other_parts=list(others),
        allocations=_allocations(session, payment_id),
    )


def page(
    session: Session,
    *,
    subscriber_id: UUID | None = None,
    status: PaymentStatus | None = None,
    limit: int,
    before: UUID | None = None,
) -> tuple[list[PaymentView], UUID | None]:
    """Payments, newest first, and where the next page starts."""
    statement = _listed().order_by(Payment.id.desc()).limit(limit + 1)
    if subscriber_id is not None:
        statement = statement.where(Account.subscriber_id == subscriber_id)
    if status is not None:
        statement = statement.where(Payment.status == status)
    if before is not None:
        statement = statement.where(Payment.id < before)
    rows = session.execute(statement).all()
    views = [PaymentView(**_facts(row)) for row in rows[:limit]]
    return views, views[-1].id if len(rows) > limit else None


def _listed() -> Select[Any]:
    return (
        select(Payment, Bank.code, Account.account_no, settlement.allocated_of_payment().label("allocated_minor"))
        .join(Bank, Bank.id == Payment.bank_id)
        .outerjoin(Account, Account.id == Payment.account_id)
    )


def _facts(row: Row[Any]) -> dict[str, Any]:
    payment: Payment = row.Payment
    is_gone = payment.status == PaymentStatus.REVERSED
    left_minor = 0 if is_gone else payment.amount_minor - payment.refunded_minor - int(row.allocated_minor)
    return {
        "id": payment.id, "bank": row.code, "txn_id": payment.txn_id, "part": payment.part, "source": payment.source,
        "account_no": row.account_no, "named_iin": payment.named_iin, "named_account_no": payment.named_account_no,
        "amount": kzt(payment.amount_minor), "unallocated": kzt(left_minor), "paid_at": payment.paid_at,
        "received_at": payment.received_at, "receipt_no": receipt(payment.receipt_no), "status": payment.status,
    }  # fmt: skip


def _allocations(session: Session, payment_id: UUID) -> list[AllocationRow]:
    rows = session.execute(
        select(Allocation, Invoice.number, Reallocation.decided_by)
        .join(Invoice, Invoice.id == Allocation.invoice_id)
        .outerjoin(Reallocation, Reallocation.id == Allocation.reallocation_id)
        .where(Allocation.payment_id == payment_id)
        .order_by(Allocation.id)
    )
    return [
        AllocationRow(
            id=allocation.id, invoice_id=allocation.invoice_id, invoice_number=number,
            amount=kzt(allocation.amount_minor), reason=allocation.reason, allocated_at=allocation.allocated_at,
            decided_by=decided_by,
        )
        for allocation, number, decided_by in rows
    ]  # fmt: skip
