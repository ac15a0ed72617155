"""What a request follows: an earlier request about the same, or a process that it started; outages stand beside."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import request_clock
from activities.processes import get_process, tell
from activities.request_closing import close_request
from activities.request_policies import terms_of
from activities.request_state import give_turn, link_of
from models.contracts.processes import PROCESS_ACTOR, ProcessStatus
from models.contracts.request_words import LinkEnding, LinkKind, PauseReason, RequestEnding, Turn
from models.tables.processes import Process
from models.tables.requests import Request, RequestLink

_COMES_TO_NOTHING = {
    LinkKind.DUPLICATE: "request_original_cancelled",
    LinkKind.STARTED: "request_started_cancelled",
}
_DONE = {
    LinkKind.DUPLICATE: ("request_closed_with_original", RequestEnding.WITH_DUPLICATE),
    LinkKind.STARTED: ("request_process_done", RequestEnding.PROCESS_DONE),
}


def holds_open(session: Session, process_id: UUID) -> bool:
    """Whether a process is open; as long as this transaction lasts it stays so. Its end then finds who follows it."""
    status = session.scalar(select(Process.status).where(Process.id == process_id).with_for_update(read=True))
    return status is ProcessStatus.OPEN


def begin(session: Session, request: Request, kind: LinkKind, followed_id: UUID, *, at: datetime) -> None:
    """Let a request follow a process that is held open: its clock stands still meanwhile."""
    session.add(RequestLink(process_id=request.process_id, follows_id=followed_id, kind=kind, linked_at=at))
    give_turn(request, Turn.FOLLOWING)
    session.flush()
    request_clock.pause(session, request, PauseReason.FOLLOWING, at=at)


def followed_by(session: Session, request: Request) -> RequestLink:
    """What a request follows that follows something."""
    link = link_of(session, request.process_id)
    assert link is not None, "a request that follows has a link"
    return link


def look(session: Session, request: Request, *, at: datetime) -> None:
    """Do what follows from how the followed process stands now: go on following, close with it, or go on alone."""
    link = followed_by(session, request)
    followed = session.execute(select(Process.status, Process.kind).where(Process.id == link.follows_id)).one()
    if followed.status is ProcessStatus.OPEN:
        return
    facts = {"follows": str(link.follows_id), "started": followed.kind.value}
    if followed.status is ProcessStatus.COMPLETED and not _is_rejected(session, link.follows_id):
        event, ending = _DONE[link.kind]
        end(session, link, LinkEnding.CLOSED_WITH, at=at)
        # Whoever made it was told by the process that it followed.
        close_request(session, request, ending, event=event, at=at, facts=facts)
    else:
        go_on_alone(session, request, LinkEnding.CAME_TO_NOTHING, _COMES_TO_NOTHING[link.kind], facts, at=at)


def go_on_alone(
    session: Session, request: Request, ending: LinkEnding, event: str, facts: dict[str, Any], *, at: datetime,
    actor: str = PROCESS_ACTOR,
) -> None:  # fmt: skip
    """Let a request that followed something go on by itself, with its clock running again."""
    link = followed_by(session, request)
    end(session, link, ending, at=at)
    tell(session, request.process_id, event, key=f"{event}:{link.id}", at=at, actor=actor, facts=facts)
    give_turn(request, _first_turn(session, request, link.kind))
    request_clock.resume(session, request, at=at)


def leave(session: Session, request: Request, *, at: datetime) -> None:
    """End the following of a request that ends itself."""
    link = link_of(session, request.process_id)
    if link is not None:
        end(session, link, LinkEnding.LEFT, at=at)


def _first_turn(session: Session, request: Request, followed: LinkKind | None = None) -> Turn:
    """Triage, unless its category is certain or somebody has had it before."""
    terms = terms_of(session, get_process(session, request.process_id).policy_id)
    is_certain = terms.category(request.category).is_certain or request.round > 1 or followed is LinkKind.STARTED
    return Turn.WORK if is_certain else Turn.TRIAGE


def _is_rejected(session: Session, process_id: UUID) -> bool:
    """Whether it was a request that was found to be none: nobody was answered then."""
    ended_as = session.scalar(select(Request.ended_as).where(Request.process_id == process_id))
    return ended_as is RequestEnding.REJECTED


def end(session: Session, link: RequestLink, ending: LinkEnding, *, at: datetime) -> None:
    """Write down how a following ended."""
    link.ended_at, link.ended_as = at, ending
    session.flush()
