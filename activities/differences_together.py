"""Deciding about many differences between a registry and the books together, and carrying that out piece by piece."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from activities import comparison
from activities.difference_actions import Decision, carry_out
from models.contracts.reconciliation import DifferenceKind, DifferenceStatus, Proposal
from models.contracts.refusals import Refusal
from models.tables.reconciliation import Reconciliation, ReconciliationDifference


def leave_all(
    session: Session, day: Reconciliation, kinds: Collection[DifferenceKind], but_not: Collection[UUID],
    decision: Decision,
) -> int:  # fmt: skip
    """Leave all open differences of these kinds but those named; answers how many."""
    left = session.scalars(
        update(ReconciliationDifference)
        .where(_together(day, kinds, but_not))
        .values(status=DifferenceStatus.LEFT, closed_at=decision.at, closed_by=decision.actor, reason=decision.reason)
        .returning(ReconciliationDifference.id)
    ).all()
    return len(left)


def want_all(
    session: Session, day: Reconciliation, kinds: Collection[DifferenceKind], but_not: Collection[UUID],
    decision: Decision,
) -> int:  # fmt: skip
    """Want the proposed action for all open differences of these kinds but those named; answers how many.

    They are carried out piece by piece afterwards (`carry_out_wanted`). What has no action is left out.
    """
    actionable = {kind for kind, proposal in comparison.PROPOSALS.items() if proposal is not Proposal.EXPLAIN}
    wanted = session.scalars(
        update(ReconciliationDifference)
        .where(_together(day, (set(kinds) or actionable) & actionable, but_not))
        .values(wanted_by=decision.actor, refusal=None)
        .returning(ReconciliationDifference.id)
    ).all()
    return len(wanted)


def want_no_more(session: Session, day: Reconciliation) -> None:
    """Forget what was wanted together and has not been done."""
    session.execute(
        update(ReconciliationDifference)
        .where(
            ReconciliationDifference.reconciliation_id == day.id,
            ReconciliationDifference.status == DifferenceStatus.OPEN,
        )
        .values(wanted_by=None)
    )


def carry_out_wanted(
    session: Session, day: Reconciliation, *, at: datetime, zone: ZoneInfo, limit: int
) -> tuple[int, int]:
    """Carry out some of what was wanted together; answers how many were done, and how many refused.

    What is refused needs a person: the sentence stays with it.
    """
    wanted = session.scalars(
        select(ReconciliationDifference)
        .where(
            ReconciliationDifference.reconciliation_id == day.id,
            ReconciliationDifference.status == DifferenceStatus.OPEN,
            ReconciliationDifference.wanted_by.is_not(None),
            ReconciliationDifference.refusal.is_(None),
        )
        .order_by(ReconciliationDifference.id)
        .limit(limit)
    ).all()
    refused = 0
    for difference in wanted:
        assert difference.wanted_by is not None
        try:
            with session.begin_nested():
                carry_out(session, difference.id, Decision(difference.wanted_by, at, zone))
        except Refusal as refusal:
            difference.refusal = refusal.detail
            session.flush()
            refused += 1
    return len(wanted) - refused, refused


def _together(day: Reconciliation, kinds: Collection[DifferenceKind], but_not: Collection[UUID]) -> Any:
    condition = (
        (ReconciliationDifference.reconciliation_id == day.id)
        & (ReconciliationDifference.status == DifferenceStatus.OPEN)
        & ReconciliationDifference.id.not_in(but_not)
    )
    return condition & ReconciliationDifference.kind.in_(kinds) if kinds else condition
