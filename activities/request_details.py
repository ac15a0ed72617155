"""Everything about one request, for whoever has to do something about it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import InstrumentedAttribute, Session

from activities import request_clock
from activities.processes import get_process
from activities.request_policies import terms_of
from models.contracts.people import Language
from models.contracts.refusals import not_found
from models.contracts.request import ClockView, LinkView, PauseView, RequestView, TextView
from models.tables.processes import Process
from models.tables.requests import Request, RequestLink, RequestPause, RequestText


def get_request(session: Session, process_id: UUID) -> Request:
    """The request.

    Raises:
        Refusal: there is none with this id.
    """
    request = session.get(Request, process_id)
    if request is None:
        raise not_found("request_unknown", "There is no such request: take its id from GET /v1/requests.")
    return request


def details(session: Session, request: Request, language: Language, *, at: datetime) -> RequestView:
    """A request with its texts, what it follows and what follows it, and its clock at an instant."""
    process = get_process(session, request.process_id)
    terms = terms_of(session, process.policy_id)
    return RequestView(
        process_id=process.id,
        status=process.status,
        stage=process.stage,
        turn=request.turn,
        subscriber_id=process.subscriber_id,
        phone=request.phone,
        language=request.language,
        channel=request.channel,
        category=request.category,
        category_title=terms.category(request.category).titles.of(language),
        priority=request.priority,
        owner=request.owner,
        round=request.round,
        asked_until=request.asked_until,
        ended_as=request.ended_as,
        reopen_until=request.reopen_until,
        policy_version=terms.version,
        clock=_clock(session, request, at),
        texts=_texts(session, request.process_id),
        follows=_links(session, RequestLink.process_id, RequestLink.follows_id, request.process_id),
        followed_by=_links(session, RequestLink.follows_id, RequestLink.process_id, request.process_id),
        opened_at=process.opened_at,
        opened_by=process.opened_by,
        closed_at=process.closed_at,
    )


def _clock(session: Session, request: Request, at: datetime) -> ClockView:
    clock = request_clock.clock_of(session, request)
    pauses = session.scalars(
        select(RequestPause).where(RequestPause.process_id == request.process_id).order_by(RequestPause.number)
    )
    return ClockView(
        state=clock.state(at),
        started_at=clock.started_at,
        target=clock.target,
        warn_after=clock.warn_after,
        spent=clock.spent(at),
        warn_at=clock.warning_at(),
        due_at=clock.due_at(),
        stopped_at=clock.stopped_at,
        warned_at=request.sla_warned_at,
        breached_at=request.sla_breached_at,
        pauses=[PauseView.model_validate(pause, from_attributes=True) for pause in pauses],
    )


def _texts(session: Session, process_id: UUID) -> list[TextView]:
    texts = session.scalars(
        select(RequestText).where(RequestText.process_id == process_id).order_by(RequestText.at, RequestText.id)
    )
    return [TextView(kind=text.kind, text=text.body, at=text.at, actor=text.actor) for text in texts]


def _links(
    session: Session, mine: InstrumentedAttribute[UUID], others: InstrumentedAttribute[UUID], process_id: UUID
) -> list[LinkView]:
    rows = session.execute(
        select(RequestLink, Process)
        .join(Process, Process.id == others)
        .where(mine == process_id)
        .order_by(RequestLink.id)
    ).all()
    return [
        LinkView(
            kind=link.kind,
            process_id=process.id,
            process_kind=process.kind,
            process_status=process.status,
            linked_at=link.linked_at,
            ended_at=link.ended_at,
            ended_as=link.ended_as,
        )
        for link, process in rows
    ]
