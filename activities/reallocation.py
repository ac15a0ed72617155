"""Which invoices a payment covers, decided by a person instead of the account's rule."""

from collections.abc import Mapping
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities import settlement
from activities.idempotency import fingerprint
from activities.payment_locks import lock_accounts, lock_payment, unknown_payment
from activities.payment_posting import receipt, signal_payment
from activities.payment_taking import waiting_on
from models.contracts.bank import PaymentStatus
from models.contracts.payments import NewReallocation
from models.contracts.refusals import conflict, invalid, not_found
from models.rules.allocation import Share
from models.rules.money import tenge
from models.tables.billing import Invoice
from models.tables.payments import Payment, Reallocation


def reallocate(
    session: Session,
    payment_id: UUID,
    order: NewReallocation,
    *,
    on: date,
    at: datetime,
    actor: str,
    idempotency_key: str | None = None,
) -> Payment:
    """Let a payment cover these invoices, each by that much, instead of what it covers now.

    Nothing is changed, only undone and allocated anew, through the subscriber's advance. What is left of the payment
    follows the account's rule, because an advance and a debt never stand side by side. Asked for what is so already,
    or again with the same key, it changes nothing.

    Raises:
        Refusal: no such payment, it stands on no account, an invoice is not its account's or is due for less than
            that, the sums are more than the payment has, or the key was used for another order.
    """
    payment = _locked(session, payment_id)
    digest = fingerprint(order)
    if idempotency_key is not None and _is_done(session, payment_id, idempotency_key, digest):
        return payment
    if payment.status is not PaymentStatus.POSTED or payment.account_id is None:
        raise conflict(
            "payment_not_posted", f"This payment is {payment.status}: only one on an account covers invoices."
        )
    wanted = {one.invoice_id: one.amount.amount_minor for one in order.allocations}
    covered = {share.invoice_id: share.amount_minor for share in settlement.shares_of_payment(session, payment_id)}
    if wanted == covered:
        return payment
    _check(session, payment, wanted, covered)
    decision = Reallocation(
        payment_id=payment_id, reason=order.reason, decided_by=actor, decided_at=at, idempotency_key=idempotency_key,
        request_sha256=digest,
    )  # fmt: skip
    session.add(decision)
    session.flush()
    because = f"перенос оплаты {receipt(payment.receipt_no)}: {order.reason}"
    account_of = dict.fromkeys({**wanted, **covered}, payment.account_id)
    changes = _changes(payment_id, wanted, covered)
    settlement.cover(session, account_of, changes, reason=because, on=on, reallocation_id=decision.id)
    settlement.settle(session, payment.account_id, reason=because, on=on)
    signal_payment(session, waiting_on(session, payment.account_id), payment_id)
    return payment


def _locked(session: Session, payment_id: UUID) -> Payment:
    found = session.execute(select(Payment.account_id).where(Payment.id == payment_id)).one_or_none()
    if found is None:
        raise unknown_payment()
    lock_accounts(session, [found.account_id])
    payment = lock_payment(session, payment_id)
    if payment.account_id != found.account_id:
        raise conflict("payment_moved", "This payment has just been given to an account: try again.")
    return payment


def _is_done(session: Session, payment_id: UUID, idempotency_key: str, digest: bytes) -> bool:
    # Two requests with one key wait here for each other, so that the second finds what the first has done.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 3))"), {"key": idempotency_key})
    earlier = session.scalar(select(Reallocation).where(Reallocation.idempotency_key == idempotency_key))
    if earlier is None:
        return False
    if (earlier.payment_id, earlier.request_sha256) != (payment_id, digest):
        raise conflict("idempotency_key_reused", "This Idempotency-Key was used for another request: take a fresh one.")
    return True


def _check(session: Session, payment: Payment, wanted: Mapping[UUID, int], covered: Mapping[UUID, int]) -> None:
    available = payment.amount_minor - payment.refunded_minor
    if sum(wanted.values()) > available:
        raise invalid("payment_too_small", f"This payment has {tenge(available)} to cover invoices with.")
    rows = session.execute(
        select(Invoice.id, Invoice.number, settlement.outstanding_of_invoice().label("outstanding_minor")).where(
            Invoice.id.in_(wanted), Invoice.account_id == payment.account_id
        )
    )
    open_invoices = {row.id: row for row in rows}
    for invoice_id, amount_minor in wanted.items():
        invoice = open_invoices.get(invoice_id)
        if invoice is None:
            raise not_found("invoice_unknown", "An invoice is not one of this payment's account: look at its invoices.")
        at_most = max(0, int(invoice.outstanding_minor)) + covered.get(invoice_id, 0)
        if amount_minor > at_most:
            raise conflict(
                "invoice_covered",
                f"Of invoice {invoice.number} only {tenge(at_most)} can be covered by this payment: reallocate the "
                "payment that covers the rest first.",
            )


def _changes(payment_id: UUID, wanted: Mapping[UUID, int], covered: Mapping[UUID, int]) -> list[Share]:
    """What is undone and what is covered anew; an invoice that keeps its sum is not touched."""
    moved = [invoice_id for invoice_id in {**wanted, **covered} if wanted.get(invoice_id) != covered.get(invoice_id)]
    undone = settlement.undone([Share(payment_id, one, covered[one]) for one in moved if one in covered])
    return undone + [Share(payment_id, one, wanted[one]) for one in moved if one in wanted]
