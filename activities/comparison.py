"""Comparing a bank's registry with the books: in one statement for a whole day, or for one transaction.

Both sides are sums for each transaction on the bank's day. The registry's are its lines, refunds taken off. The books'
are payments that were taken on that day less payments that were taken back on it, so that a refund of a later day is
the later day's. A transaction with another sum on the other side is a difference; what is known of it on other days
says which kind, and so what is proposed. Carrying a proposal out changes the day's sum of the books by exactly what
they differ, whatever happened to the transaction before.
"""

from datetime import date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from activities import bank_terms
from activities.comparison_sql import COMPARE, FIND_ONE, POSTED
from models.contracts.reconciliation import DifferenceKind, FeeRule, Proposal
from models.rules.bank_fee import fee_minor
from models.tables.reconciliation import Reconciliation

PROPOSALS: Final[dict[DifferenceKind, Proposal]] = {
    DifferenceKind.MISSING_HERE: Proposal.POST,
    DifferenceKind.UNKNOWN_ACCOUNT: Proposal.POST,
    DifferenceKind.REVERSED_HERE: Proposal.POST,
    DifferenceKind.EXTRA_HERE: Proposal.REVERSE,
    DifferenceKind.REFUNDED_AT_BANK: Proposal.REVERSE,
    DifferenceKind.OTHER_SUM: Proposal.CORRECT,
    DifferenceKind.OTHER_ACCOUNT: Proposal.CORRECT,
    DifferenceKind.OTHER_DATE: Proposal.ACCEPT_DATE,
    DifferenceKind.OTHER_REVERSAL_DATE: Proposal.ACCEPT_DATE,
    DifferenceKind.REFUND_UNKNOWN: Proposal.EXPLAIN,
    DifferenceKind.REVERSAL_UNKNOWN_TO_BANK: Proposal.EXPLAIN,
    DifferenceKind.IN_TWO_REGISTRIES: Proposal.EXPLAIN,
}

_AMOUNTS: Final = text(
    "SELECT amount_minor, count(*) AS times FROM bank_registry_row WHERE registry_id = :registry_id "
    "GROUP BY amount_minor"
)
_OPEN: Final = text(
    "SELECT count(*) FROM reconciliation_difference WHERE reconciliation_id = :reconciliation_id AND status = 'open'"
)
# The process learns of it by itself; a task that it forgot in a crash must not stand for ever.
_WITHDRAW: Final = text("""
    WITH needless AS (
        SELECT task.id FROM task
        WHERE task.process_id = :process_id AND task.status = 'open' AND task.facts ? 'difference_id'
          AND EXISTS (SELECT FROM reconciliation_difference AS difference
                      WHERE difference.id = CAST(task.facts ->> 'difference_id' AS uuid)
                        AND difference.status <> 'open')
        FOR UPDATE SKIP LOCKED
    ), withdrawn AS (
        UPDATE task SET status = 'withdrawn' FROM needless WHERE task.id = needless.id RETURNING task.id, task.kind
    )
    INSERT INTO timeline_entry (process_id, key, event, at, actor, facts)
    SELECT :process_id, 'task_withdrawn:' || id, 'task_withdrawn', :at, 'process', jsonb_build_object('task', kind)
    FROM withdrawn
    ON CONFLICT (process_id, key) DO NOTHING
""")


def lock(session: Session, reconciliation_id: UUID) -> Reconciliation:
    """The day, and nobody else compares or changes it until the transaction ends."""
    return session.get_one(Reconciliation, reconciliation_id, with_for_update=True, populate_existing=True)


def compare(session: Session, day: Reconciliation, *, at: datetime, zone: ZoneInfo) -> int:
    """Bring the differences and the figures of a day up to date; answers how many are open.

    The day must be locked, and have a registry in force. Repeated, it changes nothing.
    """
    facts = _facts(day, zone)
    session.execute(COMPARE, {**facts, "reconciliation_id": day.id, "at": at})
    session.execute(_WITHDRAW, {"process_id": day.process_id, "at": at})
    still_open: int = session.execute(_OPEN, {"reconciliation_id": day.id}).scalar_one()
    amounts = {row.amount_minor: row.times for row in session.execute(_AMOUNTS, facts)}
    terms = bank_terms.terms_of(session, day.bank_id)
    day.lines, day.gross_minor = sum(amounts.values()), sum(amount * times for amount, times in amounts.items())
    day.fee_minor = fee_minor(FeeRule() if terms is None else terms.fee, amounts)
    day.posted_minor = session.execute(POSTED, facts).scalar_one()
    day.compared_at = at
    day.ready_at = None if still_open else (day.ready_at or at)
    session.flush()
    return still_open


def find_one(session: Session, day: Reconciliation, txn_id: str, zone: ZoneInfo) -> Row[Any] | None:
    """How registry and books differ in one transaction now; None where they don't."""
    return session.execute(FIND_ONE, {**_facts(day, zone), "txn_id": txn_id}).one_or_none()


def paid_at_of(session: Session, day: Reconciliation, txn_id: str, zone: ZoneInfo) -> datetime:
    """When the registry says that a transaction was paid: noon of its day where it gives no time."""
    row = session.execute(
        text(
            "SELECT paid_on, paid_at FROM bank_registry_row WHERE registry_id = :registry_id AND txn_id = :txn_id "
            "ORDER BY amount_minor < 0, line_no LIMIT 1"
        ),
        {"registry_id": day.registry_id, "txn_id": txn_id},
    ).one()
    paid_at: datetime = row.paid_at or datetime.combine(row.paid_on, time(12), zone)
    return paid_at


def bounds(day_on: date, zone: ZoneInfo) -> dict[str, datetime]:
    """When a day begins and ends in the operator's zone."""
    return {
        "starts_at": datetime.combine(day_on, time(), zone),
        "ends_at": datetime.combine(day_on + timedelta(days=1), time(), zone),
    }


def _facts(day: Reconciliation, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "bank_id": day.bank_id, "day_on": day.day_on, "registry_id": day.registry_id, "zone": zone.key,
        **bounds(day.day_on, zone),
    }  # fmt: skip
