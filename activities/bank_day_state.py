"""Where a bank's day stands, as its process needs to know it: facts that may stand in histories, so no people."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import bank_settlement, bank_terms, comparison, registries
from activities.reconciliation_news import tell_days
from models.contracts.reconciliation import DifferenceStatus
from models.contracts.reconciliation_process import DayState, DifferenceFound, LookStep, SettlementState
from models.tables.banks import Bank
from models.tables.reconciliation import Reconciliation, ReconciliationDifference

CANDIDATES: Final = 10
"""Lines of statements that a task shows; all others are under GET /v1/bank-statements."""


def day_of(session: Session, process_id: UUID) -> Reconciliation:
    """The day that a process has in its hands, locked."""
    day_id = session.scalars(select(Reconciliation.id).where(Reconciliation.process_id == process_id)).one()
    return comparison.lock(session, day_id)


def look(session: Session, step: LookStep, zone: ZoneInfo) -> DayState:
    """Compare the day, and say what of it is new to the process."""
    day = day_of(session, step.process_id)
    state = DayState(has_registry=day.registry_id is not None)
    doubtful = registries.doubtful_of(session, day)
    if doubtful is not None:
        state.doubtful = doubtful.id
        state.doubtful_facts = {
            "registry_id": str(doubtful.id), "version": doubtful.version, "lines": doubtful.lines,
            "total_minor": doubtful.total_minor, "problems": len(doubtful.problems),
            "look_at": f"/v1/reconciliations/{day.id}",
        }  # fmt: skip
    if day.registry_id is None:
        return state
    state.open = comparison.compare(session, day, at=step.at, zone=zone)
    still_open = select(ReconciliationDifference).where(
        ReconciliationDifference.reconciliation_id == day.id,
        ReconciliationDifference.status == DifferenceStatus.OPEN,
    )
    known = set(step.known)
    state.gone = sorted(known - set(session.scalars(still_open.with_only_columns(ReconciliationDifference.id))))
    state.wanted = wanted(session, day)
    unknown = still_open.where(
        ReconciliationDifference.id.not_in(known),
        ReconciliationDifference.wanted_by.is_(None) | ReconciliationDifference.refusal.is_not(None),
    )
    fresh = session.scalars(unknown.order_by(ReconciliationDifference.id).limit(step.room + 1)).all()
    if len(fresh) <= step.room:
        state.found = [_found(day, difference) for difference in fresh]
    else:
        state.crowd = session.scalars(select(func.count()).select_from(unknown.subquery())).one()
        state.crowd_facts = _crowd_facts(session, day, state.crowd)
    return state


def settlement(session: Session, process_id: UUID, *, at: datetime) -> SettlementState:
    """Settle the bank's days as far as its transfers are there, and say where this one stands."""
    bank_id = session.scalars(select(Reconciliation.bank_id).where(Reconciliation.process_id == process_id)).one()
    settled = bank_settlement.settle_bank(session, bank_id, at=at)
    day = day_of(session, process_id)
    tell_days(session, [day_id for day_id in settled.day_ids if day_id != day.id])
    if day.settled_at is not None:
        return SettlementState(settled=True)
    left = bank_settlement.remaining(session, day)
    asks = any(day.day_on in mismatch.days for mismatch in settled.mismatches)
    return SettlementState(
        settled=False,
        asks=asks,
        facts={
            "gross_minor": left.gross_minor,
            "fee_minor": left.fee_minor,
            "expected_minor": None if left.fee_minor is None else left.gross_minor - left.fee_minor,
            "candidates": _candidates(session, day),
            "look_at": f"/v1/reconciliations/{day.id}",
        },
    )


def _candidates(session: Session, day: Reconciliation) -> list[dict[str, Any]]:
    terms = bank_terms.terms_of(session, day.bank_id)
    if terms is None:
        return []
    lines = bank_settlement.lines_of(session, session.get_one(Bank, day.bank_id), terms, [day.day_on])
    return [
        {"line_id": str(line.id), "booked_on": line.booked_on.isoformat(), "amount_minor": line.amount_minor}
        for line in lines[:CANDIDATES]
    ]


def _found(day: Reconciliation, difference: ReconciliationDifference) -> DifferenceFound:
    proposal = comparison.PROPOSALS[difference.kind]
    return DifferenceFound(
        id=difference.id,
        proposal=proposal,
        facts={
            "difference_id": str(difference.id),
            "kind": difference.kind,
            "proposal": proposal,
            "txn_id": difference.txn_id,
            "registry_minor": difference.registry_minor,
            "posted_minor": difference.posted_minor,
            "standing_minor": difference.standing_minor,
            "other_on": None if difference.other_on is None else difference.other_on.isoformat(),
            "payment_id": None if difference.payment_id is None else str(difference.payment_id),
            "refusal": difference.refusal,
            "look_at": f"/v1/reconciliations/{day.id}/differences",
        },
    )


def _crowd_facts(session: Session, day: Reconciliation, crowd: int) -> dict[str, Any]:
    rows = session.execute(
        select(ReconciliationDifference.kind, func.count())
        .where(
            ReconciliationDifference.reconciliation_id == day.id,
            ReconciliationDifference.status == DifferenceStatus.OPEN,
        )
        .group_by(ReconciliationDifference.kind)
        .order_by(ReconciliationDifference.kind)
    ).all()
    return {
        "differences": crowd,
        "by_kind": {str(kind): times for kind, times in rows},
        "look_at": f"/v1/reconciliations/{day.id}/differences?status=open",
    }


def wanted(session: Session, day: Reconciliation) -> int:
    """Of how many differences the proposed action is wanted, and neither done nor refused."""
    return session.scalars(
        select(func.count()).where(
            ReconciliationDifference.reconciliation_id == day.id,
            ReconciliationDifference.status == DifferenceStatus.OPEN,
            ReconciliationDifference.wanted_by.is_not(None),
            ReconciliationDifference.refusal.is_(None),
        )
    ).one()
