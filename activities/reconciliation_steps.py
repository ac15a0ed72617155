"""The steps of a bank's day, each one transaction. Repeating a step changes nothing."""

from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from temporalio import activity

from activities import bank_day_state, differences_together
from activities.bank_day_opening import open_missed_days
from activities.processes import close, enter_stage, reason_of, tell
from activities.tasks import withdraw_forgotten
from models.contracts.processes import ProcessStatus
from models.contracts.reconciliation_process import (
    CarriedOut,
    DayClosed,
    DayState,
    LookStep,
    OpenedDays,
    OpeningOrder,
    ReconciliationStage,
    SettlementState,
)
from models.contracts.steps import ClosingStep, ProcessStep
from models.database import Database
from models.tables.bank_statements import BankSettlementDay
from models.tables.processes import Process
from models.tables.reconciliation import Reconciliation
from settings import Settings

PIECE: Final = 200
"""Differences of which the proposed action is carried out in one transaction."""


class ReconciliationActivities:
    """What the workflows `Reconciliation` and `OpenReconciliations` have done for them."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name="reconciliation.open_days")
    def open_days(self, order: OpeningOrder) -> OpenedDays:
        """Open all days that no process has looked at, up to yesterday."""
        with self._database.transaction() as session:
            return OpenedDays(process_ids=open_missed_days(session, at=order.at, zone=self._settings.zone))

    @activity.defn(name="reconciliation.look")
    def look(self, step: LookStep) -> DayState:
        """Compare registry and books; the process stands in its differences while there are some."""
        with self._database.transaction() as session:
            state = bank_day_state.look(session, step, self._settings.zone)
            if state.open or state.doubtful is not None:
                _stand_in(session, step, ReconciliationStage.DIFFERENCES, waiting_for="accounting")
            return state

    @activity.defn(name="reconciliation.carry_out_wanted", no_thread_cancel_exception=True)
    def carry_out_wanted(self, step: ProcessStep) -> CarriedOut:
        """Carry out a piece of what accounting decided about many differences together."""
        with self._database.transaction() as session:
            day = bank_day_state.day_of(session, step.process_id)
            done, refused = differences_together.carry_out_wanted(
                session, day, at=step.at, zone=self._settings.zone, limit=PIECE
            )
            left = bank_day_state.wanted(session, day)
            return CarriedOut(done=done, refused=refused, left=left)

    @activity.defn(name="reconciliation.settle")
    def settle(self, step: ProcessStep) -> SettlementState:
        """Look for the bank's transfer; the process stands in its settlement until it is there."""
        with self._database.transaction() as session:
            _stand_in(session, step, ReconciliationStage.SETTLEMENT, waiting_for="bank transfer")
            return bank_day_state.settlement(session, step.process_id, at=step.at)

    @activity.defn(name="reconciliation.close")
    def close(self, step: ProcessStep) -> DayClosed:
        """Close the day with its figures, unless registry and books differ again."""
        with self._database.transaction() as session:
            day = bank_day_state.day_of(session, step.process_id)
            look = LookStep(process_id=step.process_id, at=step.at, room=0)
            state = bank_day_state.look(session, look, self._settings.zone)
            if not state.agrees or day.settled_at is None:
                return DayClosed(closed=False)
            tell(session, step.process_id, "bank_day_closed", at=step.at, facts=_figures(session, day))
            _end(session, step, ProcessStatus.COMPLETED)
            return DayClosed(closed=True)

    @activity.defn(name="reconciliation.close_as_cancelled")
    def close_as_cancelled(self, step: ClosingStep) -> None:
        """End the day's process before its goal: what is posted stays posted, and nothing more is done by itself."""
        with self._database.transaction() as session:
            day = bank_day_state.day_of(session, step.process_id)
            differences_together.want_no_more(session, day)
            reason = reason_of(session, step)
            tell(session, step.process_id, "bank_day_cancelled", at=step.at, actor=step.actor, facts={"reason": reason})
            _end(session, step, ProcessStatus.CANCELLED, reason=reason)


def _stand_in(session: Session, step: ProcessStep, stage: ReconciliationStage, *, waiting_for: str) -> None:
    """Enter a stage, unless the process stands in it."""
    if session.scalars(select(Process.stage).where(Process.id == step.process_id)).one() != stage:
        enter_stage(session, step.process_id, stage, at=step.at, waiting_for=waiting_for)


def _end(session: Session, step: ProcessStep, status: ProcessStatus, *, reason: str | None = None) -> None:
    withdraw_forgotten(session, step.process_id, at=step.at)
    enter_stage(session, step.process_id, ReconciliationStage.CLOSED, at=step.at)
    close(session, step.process_id, status, at=step.at, reason=reason)


def _figures(session: Session, day: Reconciliation) -> dict[str, Any]:
    net_minor, fee_minor = session.execute(
        select(
            func.coalesce(func.sum(BankSettlementDay.net_minor), 0),
            func.coalesce(func.sum(BankSettlementDay.fee_minor), 0),
        ).where(BankSettlementDay.reconciliation_id == day.id)
    ).one()
    return {
        "lines": day.lines, "gross_minor": day.gross_minor, "posted_minor": day.posted_minor,
        "net_minor": int(net_minor), "fee_minor": int(fee_minor),
        "in_transit_minor": day.posted_minor - int(net_minor) - int(fee_minor),
    }  # fmt: skip
