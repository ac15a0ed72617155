"""SMS about the invoices of a month: in batches of accounts, once for each invoice whatever happens."""

from datetime import date, datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from activities.message_queue import Notice, queue_notices
from activities.settlement import outstanding_of_invoice
from models.contracts.billing_process import NoticeBatch
from models.rules.money import tenge
from models.rules.sms_texts import Template
from models.tables.billing import BillingPartition, BillingRun, Invoice
from models.tables.people import Account

ACCOUNTS_A_BATCH: Final = 5000


def queue_batch(session: Session, run_id: UUID, *, after_number: int, at: datetime) -> NoticeBatch:
    """Queue the notices of one batch of a run's accounts: one for each invoice of its month with a sum to pay.

    The invoices are the month's, whichever run issued them: what a cancelled run left unsaid, the next one says.
    """
    run = session.get_one(BillingRun, run_id)
    last: int | None = session.scalar(
        select(func.max(BillingPartition.last_number)).where(BillingPartition.run_id == run_id)
    )
    to_number = after_number + ACCOUNTS_A_BATCH
    of_batch = Account.number.between(after_number + 1, to_number)
    notices = [_notice(row) for row in session.execute(_to_pay(run.period_on).where(of_batch))]
    queued = queue_notices(session, notices, template=Template.INVOICE_ISSUED, process_id=run_id, at=at)
    return NoticeBatch(queued=queued, next_number=None if last is None or to_number >= last else to_number)


def queue_of_invoice(session: Session, run_id: UUID, invoice_id: UUID, *, at: datetime) -> int:
    """Queue the notice of one invoice, billed alone; answers how many are new."""
    run = session.get_one(BillingRun, run_id)
    notices = [_notice(row) for row in session.execute(_to_pay(run.period_on).where(Invoice.id == invoice_id))]
    return queue_notices(session, notices, template=Template.INVOICE_ISSUED, process_id=run_id, at=at)


def _to_pay(period_on: date) -> Select[UUID, date, str, UUID, int]:
    outstanding = outstanding_of_invoice()
    return (
        select(
            Invoice.id,
            Invoice.due_on,
            Account.account_no,
            Account.subscriber_id,
            outstanding.label("outstanding_minor"),
        )
        .join(Account, Account.id == Invoice.account_id)
        .where(Invoice.period_on == period_on, outstanding > 0)
    )


def _notice(row: Row[UUID, date, str, UUID, int]) -> Notice:
    return Notice(
        key=f"invoice_issued:{row.id}",
        subscriber_id=row.subscriber_id,
        facts={
            "sum": tenge(int(row.outstanding_minor)),
            "due_on": f"{row.due_on:%d.%m.%Y}",
            "account_no": row.account_no,
        },
        unless_paid_invoice_id=row.id,
    )
