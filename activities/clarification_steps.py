"""The steps of a clarification, each one transaction."""

from sqlalchemy import select
from sqlalchemy.orm import Session
from temporalio import activity

from activities.processes import close, enter_stage, tell
from activities.tasks import withdraw_forgotten
from models.contracts.bank import PaymentStatus
from models.contracts.clarification import ClarificationStage, Question, StillAsked
from models.contracts.processes import ProcessStatus, TaskStatus
from models.contracts.steps import ClosingStep, ProcessStep
from models.database import Database
from models.tables.payments import Clarification, Payment
from models.tables.processes import Task

STILL_ASKED: dict[Question, frozenset[PaymentStatus]] = {
    Question.UNKNOWN_PAYEE: frozenset({PaymentStatus.SUSPENSE}),
    # A payment that was taken back can't be the wrong one any more.
    Question.PAYMENT_CONFLICT: frozenset({PaymentStatus.SUSPENSE, PaymentStatus.POSTED}),
}
"""How the payment stands while the question about it is open."""


class ClarificationActivities:
    """What the workflow `Clarification` has done for it. Repeating a step changes nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @activity.defn(name="clarification.look")
    def look(self, step: ProcessStep) -> StillAsked:
        """See whether anything but its task has answered the question: the API, the bank, reconciliation."""
        with self._database.transaction() as session:
            return StillAsked(is_open=_is_open(session, session.get_one(Clarification, step.process_id)))

    @activity.defn(name="clarification.close")
    def close(self, step: ProcessStep) -> None:
        """End the process: accounting has answered, or the question has gone."""
        with self._database.transaction() as session:
            withdraw_forgotten(session, step.process_id, at=step.at)
            answered = session.scalar(
                select(Task.id).where(Task.process_id == step.process_id, Task.status == TaskStatus.DONE).limit(1)
            )
            enter_stage(session, step.process_id, ClarificationStage.CLOSED, at=step.at)
            tell(
                session, step.process_id,
                "clarification_closed" if answered is not None else "clarification_settled_elsewhere", at=step.at,
            )  # fmt: skip
            close(session, step.process_id, ProcessStatus.COMPLETED, at=step.at)

    @activity.defn(name="clarification.abandon")
    def abandon(self, step: ClosingStep) -> None:
        """End the process without an answer: the money stays where it is, and on accounting's list."""
        with self._database.transaction() as session:
            withdraw_forgotten(session, step.process_id, at=step.at)
            enter_stage(session, step.process_id, ClarificationStage.CLOSED, at=step.at)
            tell(session, step.process_id, "clarification_abandoned", at=step.at, actor=step.actor)
            close(session, step.process_id, ProcessStatus.CANCELLED, at=step.at, reason=step.reason)


def _is_open(session: Session, clarification: Clarification) -> bool:
    status = session.scalars(select(Payment.status).where(Payment.id == clarification.payment_id)).one()
    return status in STILL_ASKED[clarification.question]
