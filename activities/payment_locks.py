"""Locking what a change of a payment touches, in the order that all code keeps: accounts by number, then payments."""

from collections.abc import Collection, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from models.contracts.refusals import Refusal, conflict, not_found
from models.tables.payments import Payment
from models.tables.people import Account


def unknown_payment() -> Refusal:
    """What whoever names a payment that does not exist is told."""
    return not_found("payment_unknown", "There is no such payment: look it up under GET /v1/payments.")


def lock_accounts(session: Session, account_ids: Collection[UUID | None]) -> None:
    """Wait for whoever else changes these accounts' money, one after the other, as everybody does it."""
    known = {account_id for account_id in account_ids if account_id is not None}
    if known:
        locked = select(Account.id).where(Account.id.in_(known)).order_by(Account.number)
        session.execute(locked.with_for_update(key_share=True)).all()


def lock_payment(session: Session, payment_id: UUID) -> Payment:
    """The payment, locked. Its account must be locked already, where it has one.

    Raises:
        Refusal: there is no such payment.
    """
    payment = session.get(Payment, payment_id, with_for_update={"key_share": True}, populate_existing=True)
    if payment is None:
        raise unknown_payment()
    return payment


def lock_parts(
    session: Session, parts: ColumnElement[bool], *, and_accounts: Collection[UUID | None] = ()
) -> Sequence[Payment]:
    """All payments of a condition with their accounts, and further accounts if need be, locked; part after part.

    Raises:
        Refusal: somebody gave one of them to another account just now, or there are none.
    """
    account_ids = set(session.scalars(select(Payment.account_id).where(parts)))
    lock_accounts(session, account_ids | set(and_accounts))
    payments = session.scalars(
        select(Payment)
        .where(parts)
        .order_by(Payment.part)
        .with_for_update(key_share=True)
        .execution_options(populate_existing=True)
    ).all()
    if not payments:
        raise unknown_payment()
    if not {payment.account_id for payment in payments} <= account_ids:
        raise conflict("payment_moved", "This payment has just been given to an account: try again.")
    return payments
