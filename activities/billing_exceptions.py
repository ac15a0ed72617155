"""Accounts that a run could not bill, billed alone once what was wrong is mended."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import billing_notices, billing_run
from activities.billing_opening import policy_of
from activities.processes import tell
from models.contracts.billing_run import BilledAccount
from models.contracts.refusals import not_found
from models.tables.billing import BillingException, Invoice
from models.tables.people import Account
from models.tables.processes import Process, TimelineEntry


def bill_listed_account(
    session: Session, run_id: UUID, exception_id: UUID, *, actor: str, at: datetime, on: date
) -> BilledAccount:
    """Bill the account of an entry of a run's exception list, with today (`on`) as the day of issue, and tell of it.

    Its subscriber gets the notice of the month as all others do. Repeated, it answers as the first time.

    Raises:
        Refusal: there is no such entry; it was a dry run; the account still can't be billed.
    """
    # Two who bill the same entry wait here for each other, so that the second finds what the first did.
    session.execute(select(Process.id).where(Process.id == run_id).with_for_update(key_share=True))
    entry = session.get(BillingException, exception_id)
    if entry is None or entry.run_id != run_id:
        return _billed_before(session, run_id, exception_id)
    billed = billing_run.bill_account(session, run_id, entry.account_id, on=on)
    facts: dict[str, Any] = {
        "account_no": session.get_one(Account, billed.account_id).account_no,
        "billed": billed.model_dump(mode="json"),
    }
    event = "exception_has_nothing_due"
    if billed.invoice_id is not None:
        invoice = session.get_one(Invoice, billed.invoice_id)
        event, facts = "exception_billed", facts | {"number": invoice.number, "total_minor": invoice.total_minor}
        if policy_of(session, session.get_one(Process, run_id)).send_notices:
            billing_notices.queue_of_invoice(session, run_id, invoice.id, at=at)
    tell(session, run_id, event, key=_key(exception_id), at=at, actor=actor, facts=facts)
    return billed


def _billed_before(session: Session, run_id: UUID, exception_id: UUID) -> BilledAccount:
    told = session.scalar(
        select(TimelineEntry).where(TimelineEntry.process_id == run_id, TimelineEntry.key == _key(exception_id))
    )
    if told is None:
        raise not_found(
            "billing_exception_unknown", "The run has no such exception: take its id from the run's exception list."
        )
    return BilledAccount.model_validate(told.facts["billed"])


def _key(exception_id: UUID) -> str:
    return f"exception_billed:{exception_id}"
