"""Processes of all kinds: lists, one with its stages, its timeline, and cancelling it."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

from activities.processes import get_process, request_cancellation, tell
from api.access import StaffCaller, staff
from api.context import Ctx
from api.engine import EngineAway
from api.headers import AskedLanguage
from api.pages import Page, PageQuery
from api.problems import PROBLEMS
from api.process_views import process_view, process_views, timeline_views
from models.contracts.connection import ConnectionStage
from models.contracts.disconnection import DisconnectionStage
from models.contracts.engine import CANCEL_PROCESS, RESCHEDULE_VISIT
from models.contracts.instants import PlausibleInstant
from models.contracts.people import Role
from models.contracts.processes import (
    CancelRequest,
    ProcessKind,
    ProcessState,
    ProcessStatus,
    ProcessView,
    Reason,
    Rescheduling,
    TimelineView,
)
from models.contracts.refusals import Refusal, conflict
from models.contracts.request_words import RequestStage
from models.contracts.tariff_change import TariffChangeStage
from models.tables.processes import Process, TimelineEntry

router = APIRouter(prefix="/v1/processes", tags=["processes"], responses=PROBLEMS)

AnyStaff = Annotated[StaffCaller, Depends(staff())]
VISITING = {
    ConnectionStage.INSTALLATION, DisconnectionStage.DISMANTLING, TariffChangeStage.REPLACEMENT, RequestStage.VISIT,
}  # fmt: skip
"""The stages in which a visit is booked."""


class Cancellation(BaseModel):
    """Why a process is cancelled."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason


class NewVisitTime(BaseModel):
    """Where a booked visit is moved to."""

    model_config = ConfigDict(extra="forbid")
    crew_id: UUID
    starts_at: PlausibleInstant


@router.get("")
def list_processes(
    ctx: Ctx,
    caller: AnyStaff,
    page: Annotated[PageQuery, Depends()],
    kind: ProcessKind | None = None,
    stage: str | None = None,
    status: ProcessStatus | None = None,
    subscriber_id: UUID | None = None,
) -> Page[ProcessView]:
    """Processes, newest first."""
    statement = select(Process)
    for column, wanted in (
        (Process.kind, kind), (Process.stage, stage), (Process.status, status), (Process.subscriber_id, subscriber_id),
    ):  # fmt: skip
        if wanted is not None:
            statement = statement.where(column == wanted)
    if page.cursor is not None:
        statement = statement.where(Process.id < page.cursor)
    with ctx.database.transaction() as session:
        rows = session.scalars(statement.order_by(Process.id.desc()).limit(page.limit + 1)).all()
        shown = rows[: page.limit]
        views = process_views(session, shown, ctx.settings, caller.language, datetime.now(UTC))
        return Page(items=views, next_cursor=str(shown[-1].id) if len(rows) > page.limit else None)


@router.get("/{process_id}")
def read_process(process_id: UUID, ctx: Ctx, caller: AnyStaff) -> ProcessView:
    """One process with its stages and tasks."""
    with ctx.database.transaction() as session:
        process = get_process(session, process_id)
        return process_view(session, process, ctx.settings, caller.language, datetime.now(UTC))


@router.get("/{process_id}/timeline")
def read_timeline(process_id: UUID, ctx: Ctx, caller: AnyStaff, lang: AskedLanguage = None) -> Page[TimelineView]:
    """What happened, when, by whom and why, oldest first."""
    with ctx.database.transaction() as session:
        get_process(session, process_id)
        entries = session.scalars(
            select(TimelineEntry)
            .where(TimelineEntry.process_id == process_id)
            .order_by(TimelineEntry.at, TimelineEntry.id)
        ).all()
        return Page(items=timeline_views(session, entries, ctx.settings, lang or caller.language))


@router.post("/{process_id}/cancel")
def cancel_process(
    process_id: UUID,
    cancellation: Cancellation,
    ctx: Ctx,
    caller: Annotated[StaffCaller, Depends(staff(Role.OPERATOR, Role.OPS))],
) -> ProcessView:
    """Cancel a process: it gives back what it took, in reverse order. Its last SMS tells the subscriber."""
    ctx.engine.probe()
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        process = get_process(session, process_id)
        _check_open(process)
        request_id = request_cancellation(session, process_id, reason=cancellation.reason, actor=caller.actor, at=now)
    request = CancelRequest(actor=caller.actor, request_id=request_id)
    try:
        ctx.engine.update(process.workflow_id, CANCEL_PROCESS, request, ProcessState)
    except Refusal as refusal:
        # The timeline must not leave it at somebody cancelling what goes on.
        with ctx.database.transaction() as session:
            facts = {"detail": refusal.detail}
            tell(session, process_id, "cancel_refused", key=f"cancel_refused:{request_id}", at=now, facts=facts)
        raise
    return read_process(process_id, ctx, caller)


def _check_open(process: Process) -> None:
    if process.status is not ProcessStatus.OPEN:
        raise conflict("process_ended", f"This process is {process.status} already.")


@router.post("/{process_id}/reschedule")
def reschedule_visit(
    process_id: UUID,
    order: NewVisitTime,
    ctx: Ctx,
    caller: Annotated[StaffCaller, Depends(staff(Role.DISPATCHER))],
) -> ProcessView:
    """Move a booked visit to another slot; a refusal leaves it where it was."""
    with ctx.database.transaction() as session:
        process = get_process(session, process_id)
        _check_open(process)
    move = Rescheduling(process_id=process_id, crew_id=order.crew_id, starts_at=order.starts_at, actor=caller.actor)
    try:
        ctx.engine.update(process.workflow_id, RESCHEDULE_VISIT, move, ProcessState)
    except Refusal as refusal:
        if refusal.slug == "no_visit_booked" and process.stage in VISITING:
            # It stands there already, as far as the database knows: after a crash it is about to get there again.
            raise EngineAway from refusal
        raise
    return read_process(process_id, ctx, caller)
