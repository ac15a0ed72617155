"""A request is registered: whose it is, what it is about, and whether something at work already is its answer."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from activities import request_clock, request_following, request_outages, request_policies, subscribers
from activities.idempotency import fingerprint, process_of_key
from activities.processes import enter_stage, tell
from activities.request_closing import start_round
from activities.request_messages import answer_sms
from activities.request_policies import Terms
from activities.request_state import write_down
from models.contracts.outage import CurrentOutage
from models.contracts.people import Language
from models.contracts.processes import ProcessKind
from models.contracts.request import NewRequest
from models.contracts.request_words import Channel, LinkKind, RequestStage, TextKind, Turn
from models.rules.sms_texts import Template
from models.tables.people import Subscriber
from models.tables.processes import Process
from models.tables.requests import Request, RequestLink


@dataclass(frozen=True)
class Party:
    """Who wants something: a subscriber, or a number of nobody known."""

    subscriber: Subscriber | None
    phone: str = field(repr=False)
    language: Language


def register_request(
    session: Session, order: NewRequest, *, actor: str, idempotency_key: str | None, at: datetime
) -> tuple[Process, bool]:
    """Register a request and let its process start by itself; answers whether it is new.

    Where the same person has an open one of the same category, it follows that one; else, where an outage affects the
    subscriber and explains the category, it follows the outage and is answered by SMS with the expected end. Whatever
    came in by SMS is answered in any case. The same idempotency key with the same order is the same request, in
    parallel too.

    Raises:
        Refusal: the key was used for another order; there is no such subscriber or category.
    """
    known = process_of_key(session, idempotency_key, order)
    if known is not None:
        return known, False
    party, terms = party_of(session, order), request_policies.newest(session)
    _one_at_a_time(session, party)
    process = _open(session, order, party, terms, idempotency_key=idempotency_key, actor=actor, at=at)
    request = _write(session, order, party, terms, process, at=at)
    titles = terms.category(request.category).titles
    facts = {"channel": order.channel.value, "priority": request.priority.value, "department": request.owner.value}
    facts |= {f"title_{language}": titles.of(language) for language in Language}
    tell(session, process.id, "request_registered", at=at, actor=actor, facts=facts)
    write_down(session, request, TextKind.WISH, order.text, key="wish", at=at, actor=actor)
    _follow_what_answers_it(session, request, order, terms, party, at=at)
    start_round(session, process, request)
    return process, True


def party_of(session: Session, order: NewRequest) -> Party:
    """Whom an order is of. A number that several subscribers have says nothing.

    Raises:
        Refusal: there is no such subscriber.
    """
    if order.subscriber_id is not None:
        subscriber = subscribers.get(session, order.subscriber_id)
        return Party(subscriber, order.phone or subscriber.phone, subscriber.language)
    assert order.phone is not None, "the order says who"
    found = session.scalars(select(Subscriber).where(Subscriber.phone == order.phone).limit(2)).all()
    if len(found) == 1:
        return Party(found[0], order.phone, found[0].language)
    return Party(None, order.phone, order.language)


def _one_at_a_time(session: Session, party: Party) -> None:
    """Two requests of one person wait here for each other, so that the second finds the first."""
    keys = {f"phone:{party.phone}"}
    if party.subscriber is not None:
        keys.add(f"subscriber:{party.subscriber.id}")
    for key in sorted(keys):
        session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 6))"), {"key": key})


def _open(
    session: Session, order: NewRequest, party: Party, terms: Terms, *, idempotency_key: str | None, actor: str,
    at: datetime,
) -> Process:  # fmt: skip
    account = None if party.subscriber is None else subscribers.account_of(session, party.subscriber.id)
    process_id = session.scalars(select(func.uuidv7())).one()
    process = Process(
        id=process_id, kind=ProcessKind.REQUEST, workflow_id=f"request/{process_id}", stage=RequestStage.REGISTRATION,
        subscriber_id=None if party.subscriber is None else party.subscriber.id,
        account_id=None if account is None else account.id, policy_id=terms.policy_id, idempotency_key=idempotency_key,
        request_sha256=fingerprint(order), opened_by=actor, opened_at=at,
    )  # fmt: skip
    session.add(process)
    session.flush()
    enter_stage(session, process.id, RequestStage.REGISTRATION, at=at)
    return process


def _write(
    session: Session, order: NewRequest, party: Party, terms: Terms, process: Process, *, at: datetime
) -> Request:  # fmt: skip
    category = order.category or terms.policy.unsorted
    kind = terms.category(category)
    is_certain = kind.is_certain and order.category is not None
    request = Request(
        process_id=process.id, phone=party.phone, language=party.language, channel=order.channel, category=category,
        priority=order.priority or kind.priority, owner=kind.department, turn=Turn.WORK if is_certain else Turn.TRIAGE,
        turns=1, revision=0, round=1,
    )  # fmt: skip
    request_clock.start(request, terms, at=at)
    session.add(request)
    session.flush()
    return request


def _follow_what_answers_it(
    session: Session, request: Request, order: NewRequest, terms: Terms, party: Party, *, at: datetime
) -> None:
    first_id = _open_one_alike(session, request, party, terms)
    outage = None
    is_explained = request_outages.is_explained(terms, request.category, is_unsorted=order.category is None)
    if party.subscriber is not None and is_explained:
        outage = request_outages.outage_held(session, party.subscriber.id, at=at)
    if first_id is not None:
        request_following.begin(session, request, LinkKind.DUPLICATE, first_id, at=at)
        tell(session, request.process_id, "request_joins_another", at=at, facts={"follows": str(first_id)})
        facts = {"process": str(request.process_id)}
        tell(session, first_id, "request_asked_again", key=f"asked_again:{request.process_id}", at=at, facts=facts)
    elif outage is not None:
        request_outages.join(session, request, outage, at=at)
    _answer(session, request, outage, at)


def _open_one_alike(session: Session, request: Request, party: Party, terms: Terms) -> UUID | None:
    """The first open request of the same person about the same, which stays open until this transaction ends."""
    if not terms.category(request.category).joins_open:
        return None
    is_duplicate = (
        select(RequestLink.id)
        .where(
            RequestLink.process_id == Request.process_id, RequestLink.kind == LinkKind.DUPLICATE,
            RequestLink.ended_at.is_(None),
        )
        .exists()
    )  # fmt: skip
    is_theirs = Request.phone == party.phone
    if party.subscriber is not None:
        is_theirs = is_theirs | (Process.subscriber_id == party.subscriber.id)
    found = session.scalars(
        select(Request.process_id)
        .join(Process, Process.id == Request.process_id)
        .where(
            is_theirs, Request.process_id != request.process_id, Request.category == request.category,
            Request.turn != Turn.CLOSED, ~is_duplicate,
        )
        .order_by(Request.process_id)
    ).all()  # fmt: skip
    return next((process_id for process_id in found if request_following.holds_open(session, process_id)), None)


def _answer(session: Session, request: Request, outage: CurrentOutage | None, at: datetime) -> None:
    if outage is not None:
        request_outages.answer(session, request, outage, at=at)
    elif request.channel is Channel.SMS:
        key = f"request_received:{request.process_id}"
        answer_sms(session, request, Template.REQUEST_RECEIVED, {}, key=key, at=at)
