"""Where a request stands: whose turn it is, what was said, and what its process learns of it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities import request_clock
from models.contracts.people import Role
from models.contracts.refusals import conflict, not_found
from models.contracts.request_process import RequestStand
from models.contracts.request_words import TextKind, Turn
from models.tables.requests import Request, RequestLink, RequestText


def locked(session: Session, process_id: UUID) -> Request:
    """The request; whoever changes it waits.

    Raises:
        Refusal: there is none with this id.
    """
    request = session.get(Request, process_id, with_for_update=True, populate_existing=True)
    if request is None:
        raise not_found("request_unknown", "There is no such request: take its id from GET /v1/requests.")
    return request


def in_turn(session: Session, process_id: UUID, turn: Turn) -> Request:
    """The request, locked, as long as it is this turn's.

    Raises:
        Refusal: it has moved on.
    """
    request = locked(session, process_id)
    if request.turn is not turn:
        raise conflict("request_moved_on", "This request has moved on: read it again, its task is withdrawn by itself.")
    return request


def give_turn(request: Request, turn: Turn, *, owner: Role | None = None, asked_until: datetime | None = None) -> None:
    """Say whose turn it is from now on, and of which department the request is."""
    wanted = owner or request.owner
    if (turn, wanted) != (request.turn, request.owner):
        request.turns += 1
    request.turn, request.owner, request.asked_until = turn, wanted, asked_until
    request.revision += 1


def write_down(
    session: Session, request: Request, kind: TextKind, body: str, *, key: str, at: datetime, actor: str
) -> None:
    """Keep what somebody said; with the same key it is kept once."""
    session.execute(
        insert(RequestText)
        .values(process_id=request.process_id, key=key, kind=kind, body=body, at=at, actor=actor)
        .on_conflict_do_nothing(index_elements=["process_id", "key"])
    )


def is_said(session: Session, request: Request, body: str, *, key: str) -> bool:
    """Whether this was kept before.

    Raises:
        Refusal: something else was, with the same key.
    """
    said = session.scalar(
        select(RequestText.body).where(RequestText.process_id == request.process_id, RequestText.key == key)
    )
    if said is not None and said != body:
        raise conflict("idempotency_key_reused", "This Idempotency-Key was used for another text: take a fresh one.")
    return said is not None


def link_of(session: Session, process_id: UUID) -> RequestLink | None:
    """What the request follows now."""
    return session.scalar(
        select(RequestLink).where(RequestLink.process_id == process_id, RequestLink.ended_at.is_(None))
    )


def stand_of(session: Session, request: Request) -> RequestStand:
    """How the request stands, as its process needs to know it."""
    link = link_of(session, request.process_id) if request.turn is Turn.FOLLOWING else None
    return RequestStand(
        revision=request.revision,
        round=request.round,
        turn=request.turn,
        turns=request.turns,
        owner=request.owner,
        category=request.category,
        priority=request.priority,
        follows=None if link is None else link.kind,
        followed_id=None if link is None else link.follows_id,
        asked_until=request.asked_until,
        clock_at=request_clock.next_telling_at(request),
    )
