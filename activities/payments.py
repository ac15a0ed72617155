"""Payments that banks report: what a bank asks beforehand, and what is done with a payment after it was taken."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from activities import ledger, settlement
from activities.payment_taking import WAITING_FOR_MONEY, receipt, signal_payment, take_payment
from activities.settlement import PAYMENT_DOCUMENT
from models.contracts.bank import (
    CustomerAccount,
    CustomerInfo,
    PaymentCancellation,
    PaymentStatus,
    PaymentView,
)
from models.contracts.ledger import Chart
from models.contracts.money import kzt
from models.contracts.processes import ProcessStatus
from models.contracts.refusals import Refusal, conflict, not_found
from models.rules.names import masked_name
from models.tables.ledger import LedgerBalance
from models.tables.payments import Payment
from models.tables.people import Account, Bank, Subscriber
from models.tables.processes import Process

__all__ = [
    "allocate_suspense",
    "cancel_by_bank",
    "customer_info",
    "page",
    "receipt",
    "refund_advance",
    "reverse_payment",
    "take_payment",
    "view",
]


def customer_info(session: Session, iin: str) -> CustomerInfo:
    """What a bank shows a payer: the accounts of a person and what is due on them. Writes nothing.

    Raises:
        Refusal: nobody with this IIN is served.
    """
    rows = session.execute(
        select(Account.account_no, Subscriber.full_name, func.coalesce(LedgerBalance.balance_minor, 0))
        .join(Subscriber, Subscriber.id == Account.subscriber_id)
        .outerjoin(
            LedgerBalance,
            (LedgerBalance.account_id == Account.id) & (LedgerBalance.chart_code == Chart.RECEIVABLES.value),
        )
        .where(Subscriber.iin == iin)
        .order_by(Account.number)
    ).all()
    if not rows:
        raise not_found("customer_unknown", "Nobody with this IIN is served: ask the payer to check it.")
    accounts = [
        CustomerAccount(account_no=account_no, debt=kzt(max(0, debt_minor))) for account_no, _, debt_minor in rows
    ]
    return CustomerInfo(
        iin=iin,
        account_no=accounts[0].account_no,
        name_masked=masked_name(rows[0].full_name),
        debt=kzt(sum(account.debt.amount_minor for account in accounts)),
        accounts=accounts,
    )


def reverse_payment(session: Session, payment_id: UUID, *, reason: str, on: date, at: datetime, actor: str) -> Payment:
    """Take a payment back: its postings are reversed, its invoices open again, waiting processes are told.

    Twice is once. Other advances of the account cover the invoices that open again.

    Raises:
        Refusal: there is no such payment, or part of its money was paid back to the subscriber already.
    """
    payment = _locked_with_account(session, payment_id)
    if payment.status == PaymentStatus.REVERSED:
        return payment
    if payment.refunded_minor > 0:
        raise conflict(
            "payment_refunded",
            "Money of this payment was paid back to the subscriber: settle it with them and the bank by hand.",
        )
    because = f"отмена оплаты {receipt(payment.receipt_no)}: {reason}"
    settlement.forget(session, settlement.shares_of_payment(session, payment_id), reason=because)
    ledger.reverse(session, document_id=payment_id, reason=because, effective_on=on)
    payment.status = PaymentStatus.REVERSED
    payment.reversed_at, payment.reversed_by, payment.reversal_reason = at, actor, reason
    session.flush()
    if payment.account_id is not None:
        settlement.settle(session, payment.account_id, reason=because, on=on)
        _signal_account(session, payment.account_id, payment_id)
    return payment


def cancel_by_bank(
    session: Session, *, bank_id: UUID, txn_id: str, on: date, at: datetime, actor: str
) -> PaymentCancellation:
    """A bank takes its own payment back; the answer is the same for ever.

    Raises:
        Refusal: the bank has reported no such transaction, or its money was paid back to the subscriber.
    """
    payment_id = session.scalar(select(Payment.id).where(Payment.bank_id == bank_id, Payment.txn_id == txn_id))
    if payment_id is None:
        raise _unknown()
    payment = reverse_payment(session, payment_id, reason="отмена банком", on=on, at=at, actor=actor)
    assert payment.reversed_at is not None
    return PaymentCancellation(payment_id=payment.id, status=payment.status, reversed_at=payment.reversed_at)


def allocate_suspense(session: Session, payment_id: UUID, account_no: str, *, on: date, actor: str) -> Payment:
    """Give money that nobody was known for to its account; it then covers invoices like any payment.

    Repeated for the same account it changes nothing.

    Raises:
        Refusal: no such payment or account, or the payment isn't in suspense any more.
    """
    account = session.scalar(select(Account).where(Account.account_no == account_no).with_for_update(key_share=True))
    if account is None:
        raise not_found("account_unknown", "There is no account of this number: check its last digit.")
    payment = _locked(session, payment_id)
    if payment.status == PaymentStatus.POSTED and payment.account_id == account.id:
        return payment
    if payment.status != PaymentStatus.SUSPENSE:
        raise conflict(
            "payment_not_in_suspense", f"This payment is {payment.status}: reverse it first if it is misplaced."
        )
    payment.account_id, payment.status = account.id, PaymentStatus.POSTED
    session.flush()
    because = f"невыясненная оплата {receipt(payment.receipt_no)} отнесена на счёт ({actor})"
    ledger.post(
        session,
        key=f"payment/{payment_id}/from-suspense",
        debit=Chart.SUSPENSE,
        credit=Chart.ADVANCES,
        amount_minor=payment.amount_minor,
        account_id=account.id,
        document_kind=PAYMENT_DOCUMENT,
        document_id=payment_id,
        reason=because,
        effective_on=on,
    )
    settlement.settle(session, account.id, reason=because, on=on)
    _signal_account(session, account.id, payment_id)
    return payment


def refund_advance(
    session: Session,
    *,
    account_id: UUID,
    amount_minor: int,
    key: str,
    document_id: UUID,
    reason: str,
    on: date,
) -> None:
    """Pay an advance back by a payment order, out of the oldest payments first; once for its key.

    Raises:
        Refusal: the account has less than that in advance.
    """
    settlement.lock_account(session, account_id)
    is_new = ledger.post(
        session,
        key=key,
        debit=Chart.ADVANCES,
        credit=Chart.BANK,
        amount_minor=amount_minor,
        account_id=account_id,
        document_kind="refund",
        document_id=document_id,
        reason=reason,
        effective_on=on,
    )
    if not is_new:
        return
    left = amount_minor
    for advance in sorted(settlement.advances_of(session, account_id), key=lambda one: one.received_at):
        part = min(left, advance.unallocated_minor)
        payment = session.get_one(Payment, advance.payment_id, populate_existing=True)
        payment.refunded_minor += part
        left -= part
    if left > 0:
        raise conflict("advance_too_small", "The account has less in advance than that: look at its balance.")
    session.flush()


def view(session: Session, payment_id: UUID) -> PaymentView:
    """A payment as staff sees it.

    Raises:
        Refusal: there is no such payment.
    """
    row = session.execute(_listed().where(Payment.id == payment_id)).one_or_none()
    if row is None:
        raise _unknown()
    return _view_of(row)


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
    views = [_view_of(row) for row in rows[:limit]]
    return views, views[-1].id if len(rows) > limit else None


def _listed() -> Select[Any]:
    return (
        select(Payment, Bank.code, Account.account_no, settlement.allocated_of_payment().label("allocated_minor"))
        .join(Bank, Bank.id == Payment.bank_id)
        .outerjoin(Account, Account.id == Payment.account_id)
    )


def _view_of(row: Row[Any]) -> PaymentView:
    payment: Payment = row.Payment
    is_gone = payment.status == PaymentStatus.REVERSED
    left_minor = 0 if is_gone else payment.amount_minor - payment.refunded_minor - int(row.allocated_minor)
    return PaymentView(
        id=payment.id,
        bank=row.code,
        txn_id=payment.txn_id,
        account_no=row.account_no,
        amount=kzt(payment.amount_minor),
        unallocated=kzt(left_minor),
        paid_at=payment.paid_at,
        received_at=payment.received_at,
        receipt_no=receipt(payment.receipt_no),
        status=payment.status,
    )


def _signal_account(session: Session, account_id: UUID, payment_id: UUID) -> None:
    waiting = session.scalars(
        select(Process.workflow_id)
        .where(
            Process.account_id == account_id,
            Process.status == ProcessStatus.OPEN,
            Process.kind.in_(WAITING_FOR_MONEY),
        )
        .order_by(Process.workflow_id)
    )
    signal_payment(session, waiting.all(), payment_id)


def _locked(session: Session, payment_id: UUID) -> Payment:
    payment = session.get(Payment, payment_id, with_for_update={"key_share": True}, populate_existing=True)
    if payment is None:
        raise _unknown()
    return payment


def _locked_with_account(session: Session, payment_id: UUID) -> Payment:
    """The payment and its account, locked in the order that all code keeps: the account first."""
    account_id = session.scalar(select(Payment.account_id).where(Payment.id == payment_id))
    if account_id is not None:
        settlement.lock_account(session, account_id)
    payment = _locked(session, payment_id)
    if payment.account_id != account_id:
        raise conflict("payment_moved", "This payment has just been given to an account: try again.")
    return payment


def _unknown() -> Refusal:
    return not_found("payment_unknown", "There is no such payment: look it up under GET /v1/payments.")
