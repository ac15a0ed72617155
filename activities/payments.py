"""Payments that banks report: taken, taken back, given to their owners, paid back."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import clarifications, ledger, settlement
from activities.customer_lookup import customer_info
from activities.payment_locks import lock_payment
from activities.payment_posting import receipt, signal_payment
from activities.payment_reversal import cancel_by_bank, check_came_in, correct_payment, reverse_payment
from activities.payment_taking import take_payment, waiting_on
from activities.payment_views import detail, page, view
from activities.reallocation import reallocate
from activities.settlement import PAYMENT_DOCUMENT
from models.contracts.bank import PaymentAnswer, PaymentNotice, PaymentStatus
from models.contracts.ledger import Chart
from models.contracts.payments import PaymentSource
from models.contracts.refusals import conflict, not_found
from models.tables.payments import Payment
from models.tables.people import Account, Subscriber

__all__ = [
    "allocate_suspense",
    "cancel_by_bank",
    "check_came_in",
    "correct_payment",
    "customer_info",
    "detail",
    "page",
    "post_missing",
    "reallocate",
    "receipt",
    "refund_advance",
    "reverse_payment",
    "take_payment",
    "view",
]


def post_missing(
    session: Session,
    *,
    bank_id: UUID,
    notice: PaymentNotice,
    received_at: datetime,
    on: date,
    accounting_on: date | None = None,
) -> tuple[PaymentAnswer, bool]:
    """Take a payment that stands in the bank's registry and was never reported; answers whether it was new.

    When the bank reports it late after all, with the same payee and sum, it gets this answer: a registry may know the
    day better than the minute.

    Raises:
        TxnReused: the transaction was reported, with another meaning.
    """
    return take_payment(
        session, bank_id=bank_id, notice=notice, received_at=received_at, on=on, accounting_on=accounting_on,
        source=PaymentSource.REGISTRY,
    )  # fmt: skip


def allocate_suspense(session: Session, payment_id: UUID, account_no: str, *, on: date, actor: str) -> Payment:
    """Give money that nobody was known for to its account; it then covers invoices like any payment.

    Repeated for the same account it changes nothing.

    Raises:
        Refusal: no such payment or account, or the payment isn't in suspense any more.
    """
    account = session.scalar(select(Account).where(Account.account_no == account_no).with_for_update(key_share=True))
    if account is None:
        raise not_found("account_unknown", "There is no account of this number: check its last digit.")
    payment = lock_payment(session, payment_id)
    if payment.status == PaymentStatus.POSTED and payment.account_id == account.id:
        return payment
    if payment.status != PaymentStatus.SUSPENSE:
        raise conflict(
            "payment_not_in_suspense", f"This payment is {payment.status}: reverse it first if it is misplaced."
        )
    payment.account_id, payment.status = account.id, PaymentStatus.POSTED
    payment.payer_name = session.scalar(select(Subscriber.full_name).where(Subscriber.id == account.subscriber_id))
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
    signal_payment(session, waiting_on(session, account.id), payment_id)
    clarifications.tell_of(session, [payment_id])
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
