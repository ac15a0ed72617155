"""Requests in lists, by department, owner, age and clock; and figures of them by category."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Select, case, exists, literal, select, text
from sqlalchemy.orm import Session

from models.contracts.people import Role
from models.contracts.processes import ProcessStatus, TaskStatus
from models.contracts.request_lists import CategoryFigures, RequestFigures, RequestSummary
from models.contracts.request_words import Channel, Priority, Turn
from models.rules.sla import SlaState
from models.tables.processes import Process, Task
from models.tables.requests import Request, RequestLink

# A clock that was stopped keeps what it spent, and one that runs on is breached from its due time on.
_FIGURES = text("""
    SELECT request.category, count(*) AS count,
           count(*) FILTER (WHERE turn <> 'closed') AS open,
           count(*) FILTER (WHERE ended_as IN ('solved', 'declined')) AS solved,
           count(*) FILTER (WHERE ended_as IN ('outage_over', 'with_duplicate', 'process_done')) AS closed_with_others,
           count(*) FILTER (WHERE ended_as IN ('rejected', 'cancelled')) AS dropped,
           count(*) FILTER (WHERE sla_due_at <= coalesce(sla_stopped_at, :now)) AS breached,
           count(*) FILTER (WHERE round > 1) AS reopened,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY sla_spent) FILTER (WHERE ended_as IN ('solved', 'declined'))
               AS median_to_solve,
           avg(sla_spent) FILTER (WHERE ended_as IN ('solved', 'declined')) AS average_to_solve
    FROM request
    WHERE sla_started_at >= :from_at AND sla_started_at < :until_at
    GROUP BY GROUPING SETS ((request.category), ())
    ORDER BY request.category NULLS LAST
""")


@dataclass(frozen=True)
class Wanted:
    """Which requests a list shows: those that are all of what is named."""

    department: Role | None = None
    owner: UUID | None = None
    """Who of the staff took the open task on."""
    status: ProcessStatus | None = None
    turn: Turn | None = None
    category: str | None = None
    priority: Priority | None = None
    channel: Channel | None = None
    subscriber_id: UUID | None = None
    sla: SlaState | None = None
    older_than: timedelta | None = None


def sla_state(now: datetime) -> ColumnElement[str]:
    """The state of a request's clock at an instant, as `models.rules.sla` says it, in SQL."""
    is_spent = Request.sla_due_at <= case(
        (Request.sla_stopped_at.is_not(None), Request.sla_stopped_at), else_=literal(now)
    )
    return case(
        (Request.sla_stopped_at.is_not(None), case((is_spent, SlaState.MISSED.value), else_=SlaState.MET.value)),
        (is_spent, SlaState.BREACHED.value),
        (Request.sla_paused_at.is_not(None), SlaState.PAUSED.value),
        (Request.sla_warn_at <= now, SlaState.WARNED.value),
        else_=SlaState.RUNNING.value,
    )


def listed(wanted: Wanted, *, now: datetime) -> Select[Request]:
    """The statement of a list, to be put in order and cut into pages by `Request.process_id`."""
    statement = select(Request)
    for column, value in (
        (Request.owner, wanted.department), (Request.turn, wanted.turn), (Request.category, wanted.category),
        (Request.priority, wanted.priority), (Request.channel, wanted.channel),
    ):  # fmt: skip
        if value is not None:
            statement = statement.where(column == value)
    if wanted.owner is not None:
        statement = statement.where(exists().where(_is_at_work(wanted.owner)))
    if wanted.older_than is not None:
        statement = statement.where(Request.sla_started_at <= now - wanted.older_than)
    if wanted.sla is not None:
        statement = statement.where(_is_one_of_them(wanted.sla), sla_state(now) == wanted.sla.value)
    if wanted.status is not None or wanted.subscriber_id is not None:
        statement = statement.join(Process, Process.id == Request.process_id)
    if wanted.status is not None:
        is_open = wanted.status is ProcessStatus.OPEN
        # Whose turn it is says the same, and the index of those that are open knows it.
        turns = Request.turn != Turn.CLOSED if is_open else Request.turn == Turn.CLOSED
        statement = statement.where(turns, Process.status == wanted.status)
    if wanted.subscriber_id is not None:
        statement = statement.where(Process.subscriber_id == wanted.subscriber_id)
    return statement


def _is_at_work(owner: UUID) -> ColumnElement[bool]:
    return (Task.process_id == Request.process_id) & (Task.status == TaskStatus.OPEN) & (Task.claimed_by == owner)


def _is_one_of_them(sla: SlaState) -> ColumnElement[bool]:
    is_ended = sla in {SlaState.MET, SlaState.MISSED}
    return Request.turn == Turn.CLOSED if is_ended else Request.turn != Turn.CLOSED


def summaries(session: Session, requests: Sequence[Request], *, now: datetime) -> list[RequestSummary]:
    """Requests of a list with their owners and states, in a fixed number of statements."""
    ids = [request.process_id for request in requests]
    processes = {process.id: process for process in session.scalars(select(Process).where(Process.id.in_(ids)))}
    owners = dict(
        session.execute(
            select(Task.process_id, Task.claimed_by)
            .where(Task.process_id.in_(ids), Task.status == TaskStatus.OPEN, Task.claimed_by.is_not(None))
            .order_by(Task.id)
        ).all()
    )
    states = dict(session.execute(select(Request.process_id, sla_state(now)).where(Request.process_id.in_(ids))).all())
    follows = dict(
        session.execute(
            select(RequestLink.process_id, RequestLink.follows_id).where(
                RequestLink.process_id.in_(ids), RequestLink.ended_at.is_(None)
            )
        ).all()
    )
    return [
        RequestSummary(
            process_id=request.process_id,
            status=process.status,
            turn=request.turn,
            subscriber_id=process.subscriber_id,
            channel=request.channel,
            category=request.category,
            priority=request.priority,
            department=request.owner,
            owner=owners.get(process.id),
            sla=SlaState(states[process.id]),
            due_at=request.sla_due_at,
            follows_id=follows.get(process.id),
            age=(process.closed_at or now) - process.opened_at,
            opened_at=process.opened_at,
            closed_at=process.closed_at,
            ended_as=request.ended_as,
        )
        for request in requests
        for process in [processes[request.process_id]]
    ]


def figures(session: Session, from_on: date, until_on: date, *, zone: ZoneInfo, now: datetime) -> RequestFigures:
    """Requests that were registered from one day until before another, by category."""
    instants = {
        "from_at": datetime.combine(from_on, time.min, zone),
        "until_at": datetime.combine(until_on, time.min, zone),
    }
    rows = session.execute(_FIGURES, {**instants, "now": now}).mappings().all()
    *items, total = [CategoryFigures.model_validate(dict(row)) for row in rows]
    return RequestFigures(from_on=from_on, until_on=until_on, items=items, total=total)
