"""What people do about a request from outside of its tasks: answer it, change it. Its process is told to look."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import request_clock, subscribers
from activities.outbox import signal_workflow
from activities.processes import get_process, tell
from activities.request_policies import terms_of
from activities.request_state import give_turn, is_said, locked, write_down
from models.contracts.engine import REQUEST_CHANGED
from models.contracts.people import Language, Role
from models.contracts.processes import PROCESS_ACTOR
from models.contracts.refusals import conflict
from models.contracts.request import RequestChange
from models.contracts.request_words import TextKind, Turn
from models.tables.processes import Process
from models.tables.requests import Request


def answer_request(session: Session, process_id: UUID, body: str, *, actor: str, at: datetime, key: str) -> bool:
    """Keep what the subscriber says; what was asked is answered by it, and the clock runs again. Whether it is new.

    Said without being asked it is kept as a note. The same key again changes nothing.

    Raises:
        Refusal: there is no such request, or it is closed.
    """
    request = locked(session, process_id)
    if is_said(session, request, body, key=key):
        return False
    _check_open(request)
    is_awaited = request.turn is Turn.QUESTION
    write_down(session, request, TextKind.ANSWER if is_awaited else TextKind.NOTE, body, key=key, at=at, actor=actor)
    if is_awaited:
        back_to_work(session, request, at=at)
    tell(
        session,
        process_id,
        "request_answered" if is_awaited else "request_noted",
        key=f"said:{key}",
        at=at,
        actor=actor,
    )
    _have_it_looked_at(session, process_id)
    return True


def back_to_work(session: Session, request: Request, *, at: datetime) -> None:
    """Give a request back to its department, with its clock running again."""
    give_turn(request, Turn.WORK)
    session.flush()
    request_clock.resume(session, request, at=at)


def ask(
    session: Session, request: Request, question: str, *, key: str, at: datetime, actor: str, within: timedelta
) -> None:  # fmt: skip
    """Wait for an answer of the subscriber: the clock stands still until it comes, or the time is over."""
    write_down(session, request, TextKind.QUESTION, question, key=key, at=at, actor=actor)
    give_turn(request, Turn.QUESTION, asked_until=at + within)
    session.flush()


def change_request(session: Session, process_id: UUID, change: RequestChange, *, actor: str, at: datetime) -> None:
    """Change what is named of an open request. Another priority or category moves its target, not its clock.

    Raises:
        Refusal: there is no such request, subscriber or category; it is closed; its subscriber is another one.
    """
    request = locked(session, process_id)
    _check_open(request)
    terms = terms_of(session, get_process(session, process_id).policy_id)
    if change.subscriber_id is not None:
        identify(session, request, change.subscriber_id, actor=actor, at=at)
    category, priority = change.category or request.category, change.priority or request.priority
    if (category, priority) != (request.category, request.priority):
        titles = terms.category(category).titles
        request.category, request.priority = category, priority
        request.revision += 1
        request_clock.retarget(session, request, terms, at=at)
        facts: dict[str, Any] = {"priority": priority.value, "category": category}
        facts |= {f"title_{language}": titles.of(language) for language in Language}
        tell(
            session, process_id, "request_changed", key=f"request_changed:{request.revision}", at=at, actor=actor,
            facts=facts,
        )  # fmt: skip
    if change.owner is not None and change.owner is not request.owner:
        hand_over(session, request, change.owner, change.reason, actor=actor, at=at)
    session.flush()
    _have_it_looked_at(session, process_id)


def hand_over(
    session: Session, request: Request, owner: Role, reason: str | None, *, actor: str, at: datetime
) -> None:  # fmt: skip
    """Make it another department's. What waits for triage is that department's work now."""
    give_turn(
        request, Turn.WORK if request.turn is Turn.TRIAGE else request.turn, owner=owner,
        asked_until=request.asked_until,
    )  # fmt: skip
    session.flush()
    facts = {"department": owner.value, "note": f" {reason}" if reason else ""}
    key = f"request_handed_over:{request.revision}"
    tell(session, request.process_id, "request_handed_over", key=key, at=at, actor=actor, facts=facts)


def identify(session: Session, request: Request, subscriber_id: UUID, *, actor: str, at: datetime) -> None:
    """Say whose a request is that came from an unknown number.

    Raises:
        Refusal: there is no such subscriber, or it is another one's.
    """
    process = get_process(session, request.process_id)
    if process.subscriber_id == subscriber_id:
        return
    if process.subscriber_id is not None:
        raise conflict("request_of_another", "This request is another subscriber's: register a new one.")
    account = subscribers.account_of(session, subscribers.get(session, subscriber_id).id)
    process.subscriber_id, process.account_id = subscriber_id, account.id
    request.revision += 1
    session.flush()
    tell(
        session, request.process_id, "request_identified", at=at, actor=actor, facts={"account_no": account.account_no}
    )


def give_up_waiting(session: Session, request: Request, *, at: datetime) -> None:
    """Go on without the answer, if none has come by now."""
    if request.turn is Turn.QUESTION and request.asked_until is not None and request.asked_until <= at:
        back_to_work(session, request, at=at)
        key = f"request_unanswered:{request.turns}"
        tell(session, request.process_id, "request_unanswered", key=key, at=at, actor=PROCESS_ACTOR)


def _check_open(request: Request) -> None:
    if request.turn is Turn.CLOSED:
        raise conflict("request_closed", "This request is closed: reopen it, or register a new one.")


def _have_it_looked_at(session: Session, process_id: UUID) -> None:
    workflow_id = session.scalars(select(Process.workflow_id).where(Process.id == process_id)).one()
    signal_workflow(session, workflow_id=workflow_id, signal=REQUEST_CHANGED)
