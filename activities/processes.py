"""The projection of a process: its stage, its timeline, its end. Written by the process itself."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.contracts.processes import PROCESS_ACTOR, ProcessStatus
from models.contracts.refusals import not_found
from models.tables.processes import Process, ProcessStage, TimelineEntry


def get_process(session: Session, process_id: UUID) -> Process:
    """The process.

    Raises:
        Refusal: there is none with this id.
    """
    process = session.get(Process, process_id)
    if process is None:
        raise not_found("process_unknown", "There is no such process: take its id from GET /v1/processes.")
    return process


def tell(
    session: Session,
    process_id: UUID,
    event: str,
    *,
    at: datetime,
    key: str | None = None,
    actor: str = PROCESS_ACTOR,
    facts: dict[str, Any] | None = None,
) -> bool:
    """Write an event into the timeline, once: a repeated step with the same key adds nothing.

    `event` names a sentence of `models/rules/timeline_texts.py`, `facts` fill it. Answers whether it was new.
    """
    statement = (
        insert(TimelineEntry)
        .values(process_id=process_id, key=key or event, event=event, at=at, actor=actor, facts=facts or {})
        .on_conflict_do_nothing(index_elements=["process_id", "key"])
        .returning(TimelineEntry.id)
    )
    return session.scalar(statement) is not None


def enter_stage(
    session: Session, process_id: UUID, stage: str, *, at: datetime, waiting_for: str | None = None
) -> None:
    """Say that the process stands in `stage` now, and what it waits for."""
    session.execute(update(Process).where(Process.id == process_id).values(stage=stage, waiting_for=waiting_for))
    session.execute(
        insert(ProcessStage)
        .values(process_id=process_id, name=stage, entered_at=at)
        .on_conflict_do_update(index_elements=["process_id", "name"], set_={"entered_at": at})
    )


def close(
    session: Session, process_id: UUID, status: ProcessStatus, *, at: datetime, reason: str | None = None
) -> None:
    """Say that the process has ended; the first end stands."""
    session.execute(
        update(Process)
        .where(Process.id == process_id, Process.status == ProcessStatus.OPEN)
        .values(status=status, closed_at=at, close_reason=reason, waiting_for=None)
    )


def workflow_id_of(session: Session, process_id: UUID) -> str:
    """The id under which the process runs on Temporal."""
    return session.execute(select(Process.workflow_id).where(Process.id == process_id)).scalar_one()


def request_cancellation(session: Session, process_id: UUID, *, reason: str, actor: str, at: datetime) -> UUID:
    """Keep who wants to cancel and why, for the process to refer to: its history then carries only the id."""
    entry = TimelineEntry(
        process_id=process_id, key=f"cancel_requested:{at.isoformat()}", event="cancel_requested", at=at, actor=actor,
        facts={"reason": reason},
    )  # fmt: skip
    session.add(entry)
    session.flush()
    return entry.id
