"""Disputes about invoices: what is disputed is not dunned until somebody decides."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import invoicing, settlement
from activities.dunning_news import look_again, tell_episode
from models.contracts.dunning import DisputeDecision, DisputeView, NewDispute
from models.contracts.money import kzt
from models.contracts.refusals import conflict, invalid, not_found
from models.rules.money import tenge
from models.tables.billing import Invoice
from models.tables.dunning import Dispute


def open_dispute(session: Session, account_id: UUID, new: NewDispute, *, at: datetime, actor: str) -> Dispute:
    """Note that an invoice is disputed, whole or in part. Asked for again with the same sum it is the same dispute.

    Raises:
        Refusal: the account has no such invoice, nothing of it is unpaid, more is disputed than that, or it is
            disputed already.
    """
    settlement.lock_account(session, account_id)
    invoice = session.get(Invoice, new.invoice_id)
    if invoice is None or invoice.account_id != account_id:
        raise not_found("invoice_unknown", "The subscriber has no such invoice: take its id from GET /v1/invoices.")
    amount_minor = None if new.amount is None else new.amount.amount_minor
    known = session.scalar(select(Dispute).where(Dispute.invoice_id == invoice.id, Dispute.outcome.is_(None)))
    if known is not None:
        if known.amount_minor == amount_minor:
            return known
        raise conflict("dispute_open", "This invoice is disputed already: decide that dispute first.")
    unpaid_minor = invoicing.outstanding_minor(session, invoice.id)
    if unpaid_minor == 0:
        raise conflict("nothing_unpaid", "Nothing of this invoice is unpaid: correct it by a credit note.")
    if amount_minor is not None and amount_minor > unpaid_minor:
        raise invalid(
            "dispute_too_large", f"At most what is unpaid can be disputed: {tenge(unpaid_minor)}.",
            {"amount": "more than is unpaid"},
        )  # fmt: skip
    dispute = Dispute(
        account_id=account_id, invoice_id=invoice.id, amount_minor=amount_minor, reason=new.reason, opened_by=actor,
        opened_at=at,
    )  # fmt: skip
    session.add(dispute)
    session.flush()
    facts = {"number": invoice.number, "reason": new.reason}
    tell_episode(
        session, account_id, "dispute_opened", key=f"dispute_opened:{dispute.id}", at=at, actor=actor, facts=facts
    )
    look_again(session, [account_id])
    return dispute


def decide_dispute(
    session: Session, dispute_id: UUID, decision: DisputeDecision, *, at: datetime, actor: str
) -> Dispute:
    """Decide a dispute: from now on the whole invoice counts again. Decided alike before, it stays as it is.

    Where the subscriber was right, accounting credits the invoice first.

    Raises:
        Refusal: there is no such dispute, or it was decided otherwise.
    """
    found = session.get(Dispute, dispute_id)
    if found is None:
        raise not_found("dispute_unknown", "There is no such dispute: list those of the subscriber.")
    settlement.lock_account(session, found.account_id)
    dispute = session.get_one(Dispute, dispute_id, populate_existing=True)
    if dispute.outcome is not None:
        if dispute.outcome is not decision.outcome:
            raise conflict("dispute_decided", f"This dispute was decided already: {dispute.outcome}.")
        return dispute
    dispute.outcome, dispute.note = decision.outcome, decision.note
    dispute.decided_by, dispute.decided_at = actor, at
    session.flush()
    event = f"dispute_{decision.outcome}"
    facts = {"number": session.get_one(Invoice, dispute.invoice_id).number, "note": decision.note}
    tell_episode(
        session, dispute.account_id, event, key=f"{event}:{dispute.id}", at=at, actor=actor, facts=facts
    )  # fmt: skip
    look_again(session, [dispute.account_id])
    return dispute


def view(dispute: Dispute) -> DisputeView:
    """A dispute as staff sees it."""
    return DisputeView(
        id=dispute.id,
        invoice_id=dispute.invoice_id,
        amount=None if dispute.amount_minor is None else kzt(dispute.amount_minor),
        reason=dispute.reason,
        opened_by=dispute.opened_by,
        opened_at=dispute.opened_at,
        outcome=dispute.outcome,
        note=dispute.note,
        decided_by=dispute.decided_by,
        decided_at=dispute.decided_at,
    )
