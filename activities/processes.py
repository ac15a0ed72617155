"""The projection of a process: its stage, its timeline, its end. Written by the process itself."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session

from activities.request_links import tell_followers
from models.contracts.processes import PROCESS_ACTOR, ProcessStatus
from models.contracts.refusals import not_found
from models.contracts.steps import ClosingStep
from models.tables.processes import Process, TimelineEntry

# Every step of every process says where it stands and what it did: in as few statements as that needs.
_TELL = text("""
    INSERT INTO timeline_entry (process_id, key, event, at, actor, facts)
    VALUES (:process_id, :key, :event, :at, :actor, :facts)
    ON CONFLICT (process_id, key) DO NOTHING
    RETURNING id
""").bindparams(bindparam("facts", type_=JSONB))
_TELL_ALL = text("""
    WITH told (key, event, actor, facts) AS (
        SELECT * FROM unnest(CAST(:keys AS text[]), CAST(:events AS text[]), CAST(:actors AS text[]),
                             CAST(:facts AS jsonb[]))
    ), entered AS (
        INSERT INTO process_stage (process_id, name, entered_at)
        SELECT :process_id, name, :at FROM unnest(CAST(:stages AS text[])) AS stage (name)
        ON CONFLICT (process_id, name) DO UPDATE SET entered_at = excluded.entered_at
    ), moved AS (
        UPDATE process SET stage = :stage, waiting_for = :waiting_for
        WHERE id = :process_id AND CAST(:stage AS text) IS NOT NULL
    )
    INSERT INTO timeline_entry (process_id, key, event, at, actor, facts)
    SELECT :process_id, key, event, :at, actor, facts FROM told
    ON CONFLICT (process_id, key) DO NOTHING
""")
_ENTER_STAGE = text("""
    WITH moved AS (UPDATE process SET stage = :stage, waiting_for = :waiting_for WHERE id = :process_id)
    INSERT INTO process_stage (process_id, name, entered_at) VALUES (:process_id, :stage, :at)
    ON CONFLICT (process_id, name) DO UPDATE SET entered_at = excluded.entered_at
""")
_LOCK = text("SELECT id FROM process WHERE id = :process_id FOR NO KEY UPDATE")
_CLOSE = text("""
    UPDATE process SET status = :status, closed_at = :at, close_reason = :reason, waiting_for = NULL
    WHERE id = :process_id AND status = 'open'
    RETURNING id
""")


@dataclass(frozen=True)
class Told:
    """Something to be told in a timeline, as `tell` says."""

    event: str
    facts: dict[str, Any] = field(default_factory=dict)
    key: str | None = None
    actor: str = PROCESS_ACTOR


def get_process(session: Session, process_id: UUID) -> Process:
    """The process.

    Raises:
        Refusal: there is none with this id.
    """
    process = session.get(Process, process_id)
    if process is None:
        raise not_found("process_unknown", "There is no such process: take its id from GET /v1/processes.")
    return process


def lock_process(session: Session, process_id: UUID) -> bool:
    """Keep others who lock the process waiting until the transaction ends; answers whether there is such a one."""
    return session.scalar(_LOCK, {"process_id": process_id}) is not None


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

    `event` names a sentence of `models/rules/sentences.py`, `facts` fill it. Answers whether it was new.
    """
    entry = {
        "process_id": process_id, "key": key or event, "event": event, "at": at, "actor": actor, "facts": facts or {}
    }  # fmt: skip
    return session.scalar(_TELL, entry) is not None


def tell_all(
    session: Session, process_id: UUID, told: Sequence[Told], *, at: datetime, stages: Sequence[str] = (),
    waiting_for: str | None = None,
) -> None:  # fmt: skip
    """Tell several events and enter stages in one statement: the process stands in the last of them then."""
    entry = {
        "process_id": process_id, "at": at, "keys": [one.key or one.event for one in told],
        "events": [one.event for one in told], "actors": [one.actor for one in told],
        "facts": [json.dumps(one.facts, ensure_ascii=False) for one in told], "stages": [str(name) for name in stages],
        "stage": str(stages[-1]) if stages else None, "waiting_for": waiting_for,
    }  # fmt: skip
    session.execute(_TELL_ALL, entry)


def enter_stage(
    session: Session, process_id: UUID, stage: str, *, at: datetime, waiting_for: str | None = None
) -> None:
    """Say that the process stands in `stage` now, and what it waits for.

    A `Process` that the session has read already keeps what it read.
    """
    session.execute(_ENTER_STAGE, {"process_id": process_id, "stage": str(stage), "waiting_for": waiting_for, "at": at})


def close(
    session: Session, process_id: UUID, status: ProcessStatus, *, at: datetime, reason: str | None = None
) -> None:
    """Say that the process has ended, and tell the requests that follow it; the first end stands."""
    ending = {"process_id": process_id, "status": status.value, "at": at, "reason": reason}
    if session.scalar(_CLOSE, ending) is not None:
        tell_followers(session, process_id)


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


def tell_refusal(session: Session, step: ClosingStep) -> None:
    """Write into the timeline what was refused for good, where that is why a process ends."""
    if step.detail is not None:
        tell(session, step.process_id, "refused_for_good", at=step.at, facts={"detail": step.detail})


def reason_of(session: Session, step: ClosingStep) -> str:
    """Why a process ends: the words of whoever asked stand in the timeline, so that histories carry none."""
    if step.request_id is None:
        return step.reason
    return str(session.get_one(TimelineEntry, step.request_id).facts["reason"])
