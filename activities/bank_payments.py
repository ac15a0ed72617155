"""A bank's own payments, found by what the bank knows of them. Those of another bank are unknown to it."""

from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from models.contracts.refusals import not_found
from models.tables.payments import Payment

_BIGGEST_RECEIPT_NO = 2**63 - 1


def is_taken(session: Session, *, bank_id: UUID, txn_id: str) -> bool:
    """Whether a payment was taken for this transaction: then it has an answer, whatever has changed since."""
    statement = select(exists().where(Payment.bank_id == bank_id, Payment.txn_id == txn_id))
    return bool(session.scalar(statement))


def txn_id_of_receipt(session: Session, *, bank_id: UUID, receipt_no: int) -> str:
    """Which of the bank's transactions has this receipt number.

    Raises:
        Refusal: none of this bank's.
    """
    statement = select(Payment.txn_id).where(Payment.receipt_no == receipt_no, Payment.bank_id == bank_id)
    txn_id = session.scalar(statement) if receipt_no <= _BIGGEST_RECEIPT_NO else None
    if txn_id is None:
        raise not_found("payment_unknown", "This bank has reported no payment with this receipt number.")
    return txn_id
