"""Aged receivables: who owed what at the end of a day, by the days since it was due, from the facts of that day."""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from models.contracts.money import kzt
from models.contracts.reports import AgedAccount, AgedSums

_BUCKETS = """
    coalesce(sum(open_minor) FILTER (WHERE days <= 0), 0)::bigint AS current_minor,
    coalesce(sum(open_minor) FILTER (WHERE days BETWEEN 1 AND 30), 0)::bigint AS days_1_30_minor,
    coalesce(sum(open_minor) FILTER (WHERE days BETWEEN 31 AND 60), 0)::bigint AS days_31_60_minor,
    coalesce(sum(open_minor) FILTER (WHERE days BETWEEN 61 AND 90), 0)::bigint AS days_61_90_minor,
    coalesce(sum(open_minor) FILTER (WHERE days > 90), 0)::bigint AS days_over_90_minor,
    coalesce(sum(open_minor), 0)::bigint AS total_minor
"""

# Account by account along its index, so that a page costs what it shows and a file is read as it is sent.
_BY_ACCOUNT = text(f"""
    SELECT account.id AS account_id, account.account_no, subscriber.full_name, aged.*
    FROM account
    JOIN subscriber ON subscriber.id = account.subscriber_id
    CROSS JOIN LATERAL (
        SELECT {_BUCKETS}
        FROM (
            SELECT CAST(:as_of AS date) - invoice.due_on AS days,
                   invoice.total_minor
                   - (SELECT coalesce(sum(note.total_minor), 0) FROM credit_note AS note
                      WHERE note.invoice_id = invoice.id AND note.issued_on <= :as_of)
                   - (SELECT coalesce(sum(allocation.amount_minor), 0) FROM allocation
                      WHERE allocation.invoice_id = invoice.id AND allocation.allocated_at < :ends_at)
                   - (SELECT coalesce(sum(write_off.amount_minor), 0) FROM write_off
                      WHERE write_off.invoice_id = invoice.id AND write_off.written_on <= :as_of) AS open_minor
            FROM invoice
            WHERE invoice.account_id = account.id AND invoice.issued_on <= :as_of
        ) AS owed
        WHERE open_minor > 0
    ) AS aged
    WHERE aged.total_minor > 0 AND (CAST(:after AS uuid) IS NULL OR account.id > :after)
    ORDER BY account.id
    LIMIT CAST(:limit AS bigint)
""")  # noqa: S608 - made of the constant above

_TOTAL = text(f"""
    WITH credited AS (
        SELECT invoice_id, sum(total_minor) AS amount_minor FROM credit_note WHERE issued_on <= :as_of
        GROUP BY invoice_id
    ), allocated AS (
        SELECT invoice_id, sum(amount_minor) AS amount_minor FROM allocation WHERE allocated_at < :ends_at
        GROUP BY invoice_id
    ), written_off AS (
        SELECT invoice_id, sum(amount_minor) AS amount_minor FROM write_off WHERE written_on <= :as_of
        GROUP BY invoice_id
    ), owed AS (
        SELECT CAST(:as_of AS date) - invoice.due_on AS days,
               invoice.total_minor - coalesce(credited.amount_minor, 0) - coalesce(allocated.amount_minor, 0)
               - coalesce(written_off.amount_minor, 0) AS open_minor
        FROM invoice
        LEFT JOIN credited ON credited.invoice_id = invoice.id
        LEFT JOIN allocated ON allocated.invoice_id = invoice.id
        LEFT JOIN written_off ON written_off.invoice_id = invoice.id
        WHERE invoice.issued_on <= :as_of
    )
    SELECT {_BUCKETS} FROM owed WHERE open_minor > 0
""")  # noqa: S608 - made of the constant above

_STREAMED_ROWS = 500


def page(
    session: Session, as_of: date, zone: ZoneInfo, *, limit: int, after: UUID | None
) -> tuple[list[AgedAccount], UUID | None]:
    """Accounts that owed something at the end of a day, and where the next page starts.

    Invoices, credit notes and write-offs count by their dates, allocations by the date on which they were made: what
    came later was not known then.
    """
    rows = session.execute(_BY_ACCOUNT, {**_day(as_of, zone), "after": after, "limit": limit + 1}).all()
    shown = [_account(row) for row in rows[:limit]]
    return shown, shown[-1].account_id if len(rows) > limit else None


def stream(session: Session, as_of: date, zone: ZoneInfo) -> Iterator[AgedAccount]:
    """All accounts that owed something at the end of a day, read while they are used up."""
    options = {"stream_results": True, "yield_per": _STREAMED_ROWS}
    parameters = {**_day(as_of, zone), "after": None, "limit": None}
    for row in session.execute(_BY_ACCOUNT, parameters, execution_options=options):
        yield _account(row)


def total(session: Session, as_of: date, zone: ZoneInfo) -> AgedSums:
    """What all accounts together owed at the end of a day."""
    return AgedSums(**_sums(session.execute(_TOTAL, _day(as_of, zone)).one()))


def _day(as_of: date, zone: ZoneInfo) -> dict[str, Any]:
    ends_at = datetime.combine(as_of + timedelta(days=1), time(), zone)
    return {"as_of": as_of, "ends_at": ends_at}


def _account(row: Row[Any]) -> AgedAccount:
    return AgedAccount(
        account_id=row.account_id, account_no=row.account_no, full_name=row.full_name, **_sums(row)
    )  # fmt: skip


def _sums(row: Row[Any]) -> dict[str, Any]:
    return {name: kzt(getattr(row, f"{name}_minor")) for name in AgedSums.model_fields}
