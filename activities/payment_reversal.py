"""Payments that are taken back: by the bank, by accounting, by reconciliation; or set right where they were wrong."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from activities import clarifications, ledger, payment_posting, settlement
from activities.payment_locks import lock_parts
from activities.payment_posting import Part, Report, receipt, signal_payment
from activities.payment_taking import waiting_on
from activities.reconciliation_news import bank_days_changed
from models.contracts.bank import PaymentCancellation, PaymentStatus
from models.contracts.clarification import Question
from models.contracts.payments import PaymentSource
from models.contracts.refusals import conflict, invalid, not_found
from models.rules.allocation import Advance, AllocationRule, Share, allocate
from models.tables.payments import Payment, receipt_no_sequence
from models.tables.people import Account


def reverse_payment(session: Session, payment_id: UUID, *, reason: str, on: date, at: datetime, actor: str) -> Payment:
    """Take a payment back, with all its parts: postings are reversed, invoices open again, processes are told.

    Twice is once. Other advances of the accounts cover the invoices that open again.

    Raises:
        Refusal: there is no such payment, or part of its money was paid back to the subscriber already.
    """
    parts = lock_parts(session, _same_receipt(payment_id))
    _reverse(session, parts, reason=reason, on=on, at=at, actor=actor)
    return next(part for part in parts if part.id == payment_id)


def cancel_by_bank(
    session: Session, *, bank_id: UUID, txn_id: str, on: date, at: datetime, actor: str
) -> PaymentCancellation:
    """A bank takes its own transaction back; the answer is the same for ever.

    Raises:
        Refusal: the bank has reported no such transaction, or its money was paid back to the subscriber.
    """
    parts = lock_parts(session, (Payment.bank_id == bank_id) & (Payment.txn_id == txn_id))
    _reverse(session, parts, reason="отмена банком", on=on, at=at, actor=actor)
    first = parts[0]
    assert first.reversed_at is not None
    return PaymentCancellation(payment_id=first.id, status=first.status, reversed_at=first.reversed_at)


def correct_payment(
    session: Session,
    payment_id: UUID,
    *,
    amount_minor: int,
    account_no: str | None = None,
    reason: str,
    on: date,
    at: datetime,
    actor: str,
) -> Payment:
    """Post a payment anew under its transaction: with another sum, or for another account.

    Without `account_no` it stays on its account, or in suspense. What the bank was answered stays as it was.

    Raises:
        Refusal: no such payment or account, it was taken back already or its money paid back to the subscriber, or it
            is for several accounts and none was named.
    """
    check_came_in(session, payment_id)
    account = _account(session, account_no)
    transaction = _same_transaction(payment_id)
    parts = lock_parts(session, transaction, and_accounts=[] if account is None else [account.id])
    wrong = [part for part in parts if part.receipt_no == _asked(parts, payment_id).receipt_no]
    if any(part.status is PaymentStatus.REVERSED for part in wrong):
        raise conflict("payment_reversed", "This payment was taken back already: there is nothing to correct.")
    if account is None and len(wrong) > 1:
        raise invalid("account_needed", "This payment is for several accounts: name the one that the new one is for.")
    _reverse(session, wrong, reason=reason, on=on, at=at, actor=actor)
    account_id = wrong[0].account_id if account is None else account.id
    return _post_anew(session, wrong[0], parts, account_id, amount_minor, on=on, at=at)


def post_again(
    session: Session, payment_id: UUID, *, amount_minor: int, account_no: str | None = None, on: date, at: datetime
) -> Payment:
    """Post a transaction anew all of whose payments were taken back, where the bank has it after all.

    Without `account_no` it is for the account that the payment named was for, or in suspense as that was.

    Raises:
        Refusal: no such payment or account, or a payment of the transaction stands.
    """
    account = _account(session, account_no)
    transaction = _same_transaction(payment_id)
    parts = lock_parts(session, transaction, and_accounts=[] if account is None else [account.id])
    if any(part.status is not PaymentStatus.REVERSED for part in parts):
        raise conflict("payment_stands", "A payment of this transaction stands: correct that one.")
    like = _asked(parts, payment_id)
    return _post_anew(
        session, like, parts, like.account_id if account is None else account.id, amount_minor, on=on, at=at
    )


def check_came_in(session: Session, payment_id: UUID) -> None:
    """Whether a bank sent this money, so that it can be given back to one.

    Raises:
        Refusal: it was moved from another account.
    """
    source = session.scalar(select(Payment.source).where(Payment.id == payment_id))
    if source is PaymentSource.BALANCE_TRANSFER:
        raise conflict("balance_moved", "No bank sent this money: it was moved from another account. Move it back.")


def _account(session: Session, account_no: str | None) -> Account | None:
    if account_no is None:
        return None
    account = session.scalar(select(Account).where(Account.account_no == account_no))
    if account is None:
        raise not_found("account_unknown", "There is no account of this number: check its last digit.")
    return account


def _asked(parts: Sequence[Payment], payment_id: UUID) -> Payment:
    return next(part for part in parts if part.id == payment_id)


def _same_receipt(payment_id: UUID) -> ColumnElement[bool]:
    """The parts of what was reported as one payment."""
    return Payment.receipt_no == select(Payment.receipt_no).where(Payment.id == payment_id).scalar_subquery()


def _same_transaction(payment_id: UUID) -> ColumnElement[bool]:
    """The same, and what was posted in its place."""
    first = select(Payment.bank_id, Payment.txn_id).where(Payment.id == payment_id).subquery()
    return (Payment.bank_id == select(first.c.bank_id).scalar_subquery()) & (
        Payment.txn_id == select(first.c.txn_id).scalar_subquery()
    )


def _reverse(session: Session, parts: Sequence[Payment], *, reason: str, on: date, at: datetime, actor: str) -> None:
    """Take back the parts that still stand. They and their accounts are locked."""
    standing = [part for part in parts if part.status is not PaymentStatus.REVERSED]
    if any(part.refunded_minor > 0 for part in standing):
        raise conflict(
            "payment_refunded",
            "Money of this payment was paid back to the subscriber: settle it with them and the bank by hand.",
        )
    for part in standing:
        because = f"отмена оплаты {receipt(part.receipt_no)}: {reason}"
        settlement.forget(session, settlement.shares_of_payment(session, part.id), reason=because)
        ledger.reverse(session, document_id=part.id, reason=because, effective_on=on)
        part.status = PaymentStatus.REVERSED
        part.reversed_at, part.reversed_by, part.reversal_reason = at, actor, reason
        session.flush()
        if part.account_id is not None:
            settlement.settle(session, part.account_id, reason=because, on=on)
            signal_payment(session, waiting_on(session, part.account_id), part.id)
    clarifications.tell_of(session, [part.id for part in standing])
    if standing:
        days = {part.accounting_on or part.paid_at.date() for part in standing}
        bank_days_changed(session, standing[0].bank_id, *days, on)


def _post_anew(
    session: Session,
    wrong: Payment,
    parts: Sequence[Payment],
    account_id: UUID | None,
    amount_minor: int,
    *,
    on: date,
    at: datetime,
) -> Payment:
    receipt_no: int = session.execute(receipt_no_sequence.next_value().select()).scalar_one()
    new_id: UUID = session.scalars(select(func.uuidv7())).one()
    shares = [] if account_id is None else _covered(session, account_id, Advance(new_id, at, amount_minor))
    report = Report(
        bank_id=wrong.bank_id,
        txn_id=wrong.txn_id,
        source=PaymentSource.CORRECTION,
        paid_at=wrong.paid_at,
        accounting_on=wrong.accounting_on,
        received_at=at,
        receipt_no=receipt_no,
        named_iin=wrong.named_iin,
        named_account_no=wrong.named_account_no,
        first_part=max(part.part for part in parts) + 1,
    )
    payment_posting.write(session, report, [Part(new_id, account_id, amount_minor, shares)], on=on)
    if account_id is None:
        clarifications.open_clarification(session, question=Question.UNKNOWN_PAYEE, payment_id=new_id, key="", at=at)
    else:
        signal_payment(session, waiting_on(session, account_id), new_id)
    return session.get_one(Payment, new_id)


def _covered(session: Session, account_id: UUID, advance: Advance) -> list[Share]:
    rule: AllocationRule = session.scalars(select(Account.allocation_rule).where(Account.id == account_id)).one()
    return allocate([advance], settlement.open_invoices_of(session, account_id), rule)
