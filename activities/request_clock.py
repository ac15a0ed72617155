"""The clock of a request: kept with what follows from it, stopped, paused and warned of."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from activities.department_heads import head_of
from activities.message_queue import queue_message
from activities.processes import get_process, tell
from activities.request_policies import Terms, terms_of
from models.contracts.messaging import Urgency
from models.contracts.request_words import PauseReason, Priority
from models.rules.sla import Pause, SlaClock
from models.rules.sms_texts import Template
from models.rules.working_hours import WorkingHours
from models.tables.requests import Request, RequestPause


def start(request: Request, terms: Terms, *, at: datetime) -> None:
    """Start the clock of a request that is about to be written."""
    target, warn_after = _times(terms, request.category, request.priority)
    request.sla_started_at = at
    _keep(request, SlaClock(terms.hours, at, target, warn_after), at)


def clock_of(session: Session, request: Request, hours: WorkingHours | None = None) -> SlaClock:
    """The clock as it stands, with its pauses; `hours` are those of the pinned policy."""
    pauses = session.scalars(_pauses(request)).all()
    return SlaClock(
        hours=hours or terms_of(session, get_process(session, request.process_id).policy_id).hours,
        started_at=request.sla_started_at, target=request.sla_target, warn_after=request.sla_warn_after,
        pauses=tuple(Pause(pause.began_at, pause.ended_at) for pause in pauses), stopped_at=request.sla_stopped_at,
    )  # fmt: skip


def pause(session: Session, request: Request, reason: PauseReason, *, at: datetime) -> None:
    """Let it stand still from now on; nothing where it does."""
    clock = clock_of(session, request)
    _change(session, request, clock, clock.paused(at), at=at, reason=reason)


def resume(session: Session, request: Request, *, at: datetime) -> None:
    """Let it run again; nothing where it runs."""
    clock = clock_of(session, request)
    _change(session, request, clock, clock.resumed(at), at=at)


def stop(session: Session, request: Request, *, at: datetime) -> None:
    """Stop it: the request is closed."""
    clock = clock_of(session, request)
    _change(session, request, clock, clock.stopped(at), at=at)


def reopen(session: Session, request: Request, *, at: datetime) -> None:
    """Let it go on with what was spent: in between it stood still."""
    clock = clock_of(session, request)
    _change(session, request, clock, clock.reopened(at), at=at, reason=PauseReason.CLOSED)


def retarget(session: Session, request: Request, terms: Terms, *, at: datetime) -> None:
    """Give it the target of the request's present category and priority, from its start on."""
    target, warn_after = _times(terms, request.category, request.priority)
    clock = clock_of(session, request, terms.hours)
    _keep(request, replace(clock, target=target, warn_after=warn_after), at)


def next_telling_at(request: Request) -> datetime | None:
    """When the head of the department is to be told of it next; none while that is not known, or no more."""
    if request.sla_stopped_at is not None or request.sla_breached_at is not None:
        return None
    warn_at = request.sla_warn_at if request.sla_warned_at is None else None
    return min((at for at in (warn_at, request.sla_due_at) if at is not None), default=None)


def tell_what_is_due(session: Session, request: Request, *, at: datetime) -> None:
    """Tell the head of the department that little time is left, or none; each once, however often it is reopened."""
    due = next_telling_at(request)
    if due is None or due > at:
        return
    is_breached = request.sla_due_at is not None and request.sla_due_at <= at
    request.sla_warned_at = request.sla_warned_at or at
    if is_breached:
        request.sla_breached_at = at
    event = "request_breached" if is_breached else "request_warned"
    facts = {"department": request.owner.value}
    if request.sla_due_at is not None:
        facts["due_at"] = request.sla_due_at.isoformat()
    tell(session, request.process_id, event, at=at, facts=facts)
    head = head_of(session, request.owner)
    if head is not None:
        title = terms_of(session, get_process(session, request.process_id).policy_id).category(request.category).titles
        queue_message(
            session, key=f"{event}:{request.process_id}",
            template=Template.REQUEST_BREACHED if is_breached else Template.REQUEST_WARNED,
            facts={"category": title.of(head.language), "process": str(request.process_id)}, urgency=Urgency.NOTICE,
            at=at, staff_id=head.id, process_id=request.process_id,
        )  # fmt: skip


def _times(terms: Terms, category: str, priority: Priority) -> tuple[timedelta, timedelta]:
    target = terms.category(category).targets.of(priority)
    return target, target * terms.policy.warn_percent / 100


def _change(
    session: Session, request: Request, before: SlaClock, after: SlaClock, *, at: datetime,
    reason: PauseReason | None = None,
) -> None:  # fmt: skip
    """Keep a changed clock; a pause that it has more gets the reason, one that it ended ends."""
    if after is before:
        return
    if len(after.pauses) > len(before.pauses):
        assert reason is not None, "whoever pauses it says why"
        pause = after.pauses[-1]
        session.add(
            RequestPause(
                process_id=request.process_id, number=len(after.pauses), reason=reason, began_at=pause.began_at,
                ended_at=pause.ended_at,
            )
        )  # fmt: skip
    elif before.is_paused and not after.is_paused:
        last = session.scalars(_pauses(request).where(RequestPause.number == len(before.pauses))).one()
        last.ended_at = after.pauses[-1].ended_at
    _keep(request, after, at)


def _keep(request: Request, clock: SlaClock, at: datetime) -> None:
    request.sla_target, request.sla_warn_after = clock.target, clock.warn_after
    request.sla_stopped_at = clock.stopped_at
    request.sla_spent = clock.spent(at)
    request.sla_warn_at, request.sla_due_at = clock.warning_at(), clock.due_at()
    request.sla_paused_at = clock.pauses[-1].began_at if clock.is_paused else None


def _pauses(request: Request) -> Select[RequestPause]:
    return select(RequestPause).where(RequestPause.process_id == request.process_id).order_by(RequestPause.number)
