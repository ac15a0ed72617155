"""Telling the workflow engine something in the transaction that makes it true; the relay delivers it."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import ColumnElement, and_, bindparam, case, delete, func, or_, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from models.tables.outbox import Outbox

_MESSAGE = JSONB(none_as_null=True)
# Nearly every step tells something: it speaks SQL, made once.
_TELL = text("""
    INSERT INTO outbox (workflow_id, workflow_type, task_queue, start_input, signal, signal_input)
    VALUES (:workflow_id, :workflow_type, :task_queue, :start_input, :signal, :signal_input)
""").bindparams(bindparam("start_input", type_=_MESSAGE), bindparam("signal_input", type_=_MESSAGE))
_REMIND = text("""
    INSERT INTO outbox (workflow_id, signal, signal_input, next_attempt_at)
    VALUES (:workflow_id, :signal, :signal_input, clock_timestamp() + :after)
    RETURNING id
""").bindparams(bindparam("signal_input", type_=_MESSAGE))
_FORGET = delete(Outbox).where(Outbox.id == bindparam("reminder_id"), Outbox.delivered_at.is_(None))


def start_workflow(
    session: Session, *, workflow_type: str, workflow_id: str, task_queue: str, start_input: BaseModel
) -> None:
    """Ask for a workflow to be started; started twice with one id it is one process."""
    _tell(
        session, workflow_id, workflow_type=workflow_type, task_queue=task_queue,
        start_input=start_input.model_dump(mode="json"),
    )  # fmt: skip


def signal_workflow(session: Session, *, workflow_id: str, signal: str, signal_input: BaseModel | None = None) -> None:
    """Ask for a signal; one that nobody is left to hear is noted and dropped."""
    _tell(session, workflow_id, signal=signal, signal_input=_json(signal_input))


def remind_workflow(
    session: Session, *, workflow_id: str, signal: str, signal_input: BaseModel, after: timedelta
) -> UUID:
    """Have a workflow told something in a while, unless `forget` takes the reminder away before; answers its id."""
    reminder = {"workflow_id": workflow_id, "signal": signal, "signal_input": _json(signal_input), "after": after}
    reminder_id: UUID = session.execute(_REMIND, reminder).scalar_one()
    return reminder_id


def forget(session: Session, reminder_id: UUID) -> None:
    """Take a reminder away: what it was for has happened."""
    session.execute(_FORGET, {"reminder_id": reminder_id})


def is_waiting() -> ColumnElement[bool]:
    """What is to be told now, or was tried in vain; reminders whose time has not come hold nothing up."""
    is_due = or_(Outbox.attempts > 0, Outbox.next_attempt_at <= func.clock_timestamp())
    return and_(Outbox.delivered_at.is_(None), is_due)


@dataclass(frozen=True)
class Backlog:
    """How much waits to be told, and for how long the oldest of it."""

    waiting: int
    lag_seconds: float


def backlog(session: Session) -> Backlog:
    """What the workflow engine was not told yet, for people who watch over the product."""
    # A reminder that nobody has tried yet is late since its own time, not since it was written.
    since = func.min(case((Outbox.attempts == 0, Outbox.next_attempt_at), else_=Outbox.created_at))
    lag = func.extract("epoch", func.clock_timestamp() - since)
    waiting, lag_seconds = session.execute(select(func.count(), lag).select_from(Outbox).where(is_waiting())).one()
    return Backlog(waiting, max(float(lag_seconds or 0), 0.0))


def wake_workflow(session: Session, *, workflow_type: str, workflow_id: str, task_queue: str, signal: str) -> None:
    """Ask for a signal that starts the workflow where it isn't running."""
    _tell(session, workflow_id, workflow_type=workflow_type, task_queue=task_queue, signal=signal)


def _tell(
    session: Session, workflow_id: str, *, workflow_type: str | None = None, task_queue: str | None = None,
    start_input: dict[str, Any] | None = None, signal: str | None = None, signal_input: dict[str, Any] | None = None,
) -> None:  # fmt: skip
    row = {
        "workflow_id": workflow_id, "workflow_type": workflow_type, "task_queue": task_queue,
        "start_input": start_input, "signal": signal, "signal_input": signal_input,
    }  # fmt: skip
    session.execute(_TELL, row)


def _json(message: BaseModel | None) -> dict[str, Any] | None:
    return None if message is None else message.model_dump(mode="json")
