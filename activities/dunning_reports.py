"""What dunning achieved: money by step, what is open by step and age, promises and what became of them."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from activities import dunning_facts
from models.contracts.dunning import (
    OpenByStep,
    OpenEpisodesReport,
    PromiseReport,
    RecoveredByStep,
    RecoveryReport,
)
from models.contracts.dunning_words import PromiseStatus, StepKind
from models.contracts.money import kzt
from models.rules.dunning_calendar import Calendar
from models.rules.dunning_ladder import owed_on
from models.tables.dunning import Promise

# A payment belongs to the last step that was taken before it, in the episode that was open when it came. What was taken
# back again brought nothing.
_RECOVERED = text("""
    SELECT step.kind, count(*) AS payments, coalesce(sum(payment.amount_minor - payment.refunded_minor), 0) AS amount
    FROM payment
    JOIN dunning_episode AS episode ON episode.account_id = payment.account_id
        AND payment.received_at >= episode.opened_at
        AND (episode.ended_at IS NULL OR payment.received_at <= episode.ended_at)
    LEFT JOIN LATERAL (
        SELECT kind FROM dunning_step
        WHERE episode_id = episode.process_id AND taken_at <= payment.received_at
        ORDER BY taken_at DESC, position DESC LIMIT 1
    ) AS step ON true
    WHERE payment.status = 'posted' AND payment.received_at >= :from_at AND payment.received_at < :until_at
    GROUP BY step.kind
""")
_OPEN = text("""
    SELECT episode.account_id, episode.opened_at, step.kind
    FROM dunning_episode AS episode
    LEFT JOIN LATERAL (
        SELECT kind FROM dunning_step WHERE episode_id = episode.process_id ORDER BY round DESC, position DESC LIMIT 1
    ) AS step ON true
    WHERE episode.ended_at IS NULL
    ORDER BY episode.process_id
""")
_ORDER: dict[StepKind | None, int] = {None: -1, **{kind: number for number, kind in enumerate(StepKind)}}
_AGES = (30, 60, 90)
_AT_ONCE = 2000


def recovered(session: Session, from_on: date, until_on: date, calendar: Calendar) -> RecoveryReport:
    """Money that came from accounts while they were dunned, by the step before it."""
    instants = {"from_at": calendar.start_of(from_on), "until_at": calendar.start_of(until_on)}
    items = [
        RecoveredByStep(
            step=None if row.kind is None else StepKind(row.kind), payments=row.payments, amount=kzt(int(row.amount))
        )
        for row in session.execute(_RECOVERED, instants)
    ]
    return RecoveryReport(
        from_on=from_on,
        until_on=until_on,
        items=sorted(items, key=lambda item: _ORDER[item.step]),
        total=kzt(sum(item.amount.amount_minor for item in items)),
    )


def open_episodes(session: Session, *, now: datetime, calendar: Calendar) -> OpenEpisodesReport:
    """Episodes that are open, by their last step and their age, with what is due on them today."""
    rows = session.execute(_OPEN).all()
    today = calendar.day_of(now)
    owed: dict[Any, int] = {}
    for first in range(0, len(rows), _AT_ONCE):
        ids = [row.account_id for row in rows[first : first + _AT_ONCE]]
        for account_id, debts in dunning_facts.debts_of(session, ids).items():
            owed[account_id] = owed_on(debts, today).total_minor
    by_step: dict[StepKind | None, list[Any]] = {}
    for row in rows:
        by_step.setdefault(None if row.kind is None else StepKind(row.kind), []).append(row)
    items = [_open_by_step(step, group, owed, now) for step, group in by_step.items()]
    return OpenEpisodesReport(
        items=sorted(items, key=lambda item: _ORDER[item.step]),
        episodes=len(rows),
        debt=kzt(sum(item.debt.amount_minor for item in items)),
    )


def promises(session: Session, from_on: date, until_on: date, calendar: Calendar) -> PromiseReport:
    """Promises that were made in a range of days, and what became of them."""
    rows = session.execute(
        select(Promise.status, func.count(), func.coalesce(func.sum(Promise.amount_minor), 0))
        .where(Promise.created_at >= calendar.start_of(from_on), Promise.created_at < calendar.start_of(until_on))
        .group_by(Promise.status)
    ).all()
    counts = {status: count for status, count, _ in rows}
    sums = {status: int(amount) for status, _, amount in rows}
    kept, broken = counts.get(PromiseStatus.KEPT, 0), counts.get(PromiseStatus.BROKEN, 0)
    return PromiseReport(
        from_on=from_on,
        until_on=until_on,
        made=sum(counts.values()),
        open=counts.get(PromiseStatus.OPEN, 0),
        kept=kept,
        broken=broken,
        withdrawn=counts.get(PromiseStatus.WITHDRAWN, 0),
        promised=kzt(sum(sums.values())),
        kept_amount=kzt(sums.get(PromiseStatus.KEPT, 0)),
        kept_percent=round(kept * 100 / (kept + broken), 1) if kept + broken else None,
    )


def _open_by_step(step: StepKind | None, rows: Sequence[Any], owed: dict[Any, int], now: datetime) -> OpenByStep:
    ages = [(now - row.opened_at).days for row in rows]
    bounds = (-1, *_AGES)
    columns = [sum(low < age <= high for age in ages) for low, high in zip(bounds, _AGES, strict=False)]
    return OpenByStep(
        step=step,
        days_0_30=columns[0],
        days_31_60=columns[1],
        days_61_90=columns[2],
        days_over_90=len(ages) - sum(columns),
        episodes=len(ages),
        debt=kzt(sum(owed.get(row.account_id, 0) for row in rows)),
    )
