"""Money in transit (1020), explained: whose, of which day, and why it is still there."""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Row, func, select, text
from sqlalchemy.orm import Session

from activities import bank_settlement
from activities.comparison_sql import REVERSED_ON, TAKEN_ON
from models.contracts.money import kzt
from models.contracts.processes import ProcessStatus
from models.contracts.reconciliation import DifferenceStatus
from models.contracts.reconciliation_views import TransitDay, UnsettledDay
from models.tables.banks import Bank
from models.tables.processes import Process
from models.tables.reconciliation import Reconciliation, ReconciliationDifference

# Every transfer of 1020 belongs to a payment, to a settled day, or to nobody's day; by the dates of the postings. An
# advance that is moved between accounts passes through 1020 as well, to and fro: that is no bank's money.
_TRANSIT: Final = text(f"""
    SELECT bank.code AS bank, day_on,
           CAST(sum(taken) AS bigint) AS taken_minor, CAST(sum(reversed) AS bigint) AS reversed_minor,
           CAST(sum(received) AS bigint) AS received_minor, CAST(sum(fee) AS bigint) AS fee_minor,
           CAST(sum(balance) AS bigint) AS balance_minor
    FROM (
        SELECT payment.bank_id,
               CASE WHEN debit = '1020' THEN {TAKEN_ON} ELSE {REVERSED_ON} END AS day_on,
               CASE WHEN debit = '1020' THEN transfer.amount_minor ELSE 0 END AS taken,
               CASE WHEN debit = '1020' THEN 0 ELSE transfer.amount_minor END AS reversed,
               0 AS received, 0 AS fee,
               CASE WHEN debit = '1020' THEN transfer.amount_minor ELSE -transfer.amount_minor END AS balance
        FROM transfer
        JOIN payment ON payment.id = transfer.document_id AND payment.source <> 'balance_transfer'
        WHERE '1020' IN (debit, credit) AND effective_on <= :as_of
        UNION ALL
        SELECT day.bank_id, day.day_on, 0, 0,
               CASE WHEN '1030' = debit THEN amount_minor WHEN '1030' = credit THEN -amount_minor ELSE 0 END,
               CASE WHEN '7210' = debit THEN amount_minor WHEN '7210' = credit THEN -amount_minor ELSE 0 END,
               CASE WHEN debit = '1020' THEN amount_minor ELSE -amount_minor END
        FROM transfer
        JOIN bank_settlement_day AS settled ON settled.id = transfer.document_id
        JOIN reconciliation AS day ON day.id = settled.reconciliation_id
        WHERE '1020' IN (debit, credit) AND effective_on <= :as_of
        UNION ALL
        SELECT NULL, NULL, 0, 0, 0, 0, CASE WHEN debit = '1020' THEN amount_minor ELSE -amount_minor END
        FROM transfer
        WHERE '1020' IN (debit, credit) AND effective_on <= :as_of
          AND NOT EXISTS (SELECT FROM payment
                          WHERE payment.id = transfer.document_id AND payment.source <> 'balance_transfer')
          AND NOT EXISTS (SELECT FROM bank_settlement_day AS settled WHERE settled.id = transfer.document_id)
    ) AS moved
    LEFT JOIN bank ON bank.id = moved.bank_id
    GROUP BY bank.code, day_on
    HAVING CAST(:with_settled AS boolean) OR sum(balance) <> 0
    ORDER BY day_on NULLS LAST, bank.code
""")  # noqa: S608 - made of constants


def in_transit(session: Session, as_of: date, zone: ZoneInfo, *, with_settled: bool) -> list[TransitDay]:
    """Money in transit at the end of a day by bank and bank's day; all balances together are that of 1020.

    Days that came to nothing are left out unless they are asked for.
    """
    rows = session.execute(_TRANSIT, {"as_of": as_of, "zone": zone.key, "with_settled": with_settled})
    return [
        TransitDay(
            bank=row.bank, date=row.day_on, taken=kzt(row.taken_minor), reversed=kzt(row.reversed_minor),
            received=kzt(row.received_minor), fee=kzt(row.fee_minor), balance=kzt(row.balance_minor),
        )
        for row in rows
    ]  # fmt: skip


def unsettled(session: Session, as_of: date, zone: ZoneInfo) -> list[UnsettledDay]:
    """Days up to `as_of` that the bank has yet to pay for, or that have money in transit all the same."""
    transit = {
        (day.bank, day.date): day.balance.amount_minor
        for day in in_transit(session, as_of, zone, with_settled=False)
        if day.bank is not None and day.date is not None
    }
    known = {(row.code, row.Reconciliation.day_on): row for row in _reconciliations(session, as_of)}
    asked_for = [
        key
        for key in {*transit, *known}
        if key in transit or known[key].Reconciliation.settled_at is None or known[key].status is ProcessStatus.OPEN
    ]
    differences = _open_differences(session, [known[key].Reconciliation.id for key in asked_for if key in known])
    return [
        _unsettled(session, key, as_of, known.get(key), in_transit_minor=transit.get(key, 0), differences=differences)
        for key in sorted(asked_for, key=lambda key: (key[1] or date.min, key[0] or ""))
    ]


def _reconciliations(session: Session, as_of: date) -> Sequence[Any]:
    return session.execute(
        select(Reconciliation, Bank.code, Process.status, Process.stage)
        .join(Bank, Bank.id == Reconciliation.bank_id)
        .join(Process, Process.id == Reconciliation.process_id)
        .where(Reconciliation.day_on <= as_of)
    ).all()


def _open_differences(session: Session, day_ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = session.execute(
        select(ReconciliationDifference.reconciliation_id, func.count())
        .where(
            ReconciliationDifference.reconciliation_id.in_(day_ids),
            ReconciliationDifference.status == DifferenceStatus.OPEN,
        )
        .group_by(ReconciliationDifference.reconciliation_id)
    )
    return dict(rows.all())


def _unsettled(
    session: Session,
    key: tuple[str, date],
    as_of: date,
    row: Row[Any] | None,
    *,
    in_transit_minor: int,
    differences: dict[UUID, int],
) -> UnsettledDay:
    bank, on = key
    day: Reconciliation | None = None if row is None else row.Reconciliation
    expected_minor = None
    if day is not None and day.settled_at is None and day.ready_at is not None:
        left = bank_settlement.remaining(session, day)
        expected_minor = None if left.fee_minor is None else left.gross_minor - left.fee_minor
    return UnsettledDay(
        bank=bank,
        date=on,
        days_since=(as_of - on).days,
        in_transit=kzt(in_transit_minor),
        reconciliation_id=None if day is None else day.id,
        process_id=None if day is None else day.process_id,
        status=None if row is None else row.status,
        stage=None if row is None else row.stage,
        has_registry=day is not None and day.registry_id is not None,
        open_differences=0 if day is None else differences.get(day.id, 0),
        expected=None if expected_minor is None else kzt(expected_minor),
    )
