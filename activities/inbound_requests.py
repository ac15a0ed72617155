"""What becomes of an SMS that wants something: the answer to a question, a reopened request, or a new one.

In this order, and always of the same number, which is a subscriber's present one or that of somebody unknown:

1. A request waits for an answer: this is it. Of several the one that asked last.
2. A request was closed so lately that it may be reopened: it is, where the text says that it comes again or still, or
   names the same fault, and names nothing else. Of several the one that was closed last. Not where an open one may be
   meant, nor while an outage affects the subscriber: a new request is linked to these.
3. It says thanks or agrees, and there is such a request or an open one: told there, and nobody is bothered.
4. Else it is a new request. What it is about is guessed from its words; the rest is sorted by people.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, select, union_all
from sqlalchemy.orm import Session

from activities import request_policies
from activities.outage_lookup import current_outage
from activities.processes import tell
from activities.request_acts import answer_request
from activities.request_closing import reopen_request
from activities.request_messages import answer_sms
from activities.request_registration import register_request
from models.contracts.inbound import InboundOutcome
from models.contracts.processes import ProcessKind
from models.contracts.refusals import Refusal
from models.contracts.request import SUBSCRIBER_ACTOR, NewRequest
from models.contracts.request_words import Channel, Turn
from models.rules.sms_keywords import Keyword, Topic, comes_again, keyword_of, language_of, only_thanks, topic_of
from models.rules.sms_texts import Template
from models.tables.people import Subscriber
from models.tables.processes import Process
from models.tables.requests import Request

_CATEGORIES: Final = {
    Topic.NO_INTERNET: "no_internet",
    Topic.SLOW: "slow",
    Topic.EQUIPMENT: "equipment",
    Topic.PAYMENT: "billing",
    Topic.TARIFF: "tariff",
    Topic.CONNECT: "connection",
    Topic.DISCONNECT: "disconnection",
    Topic.OTHER: None,
}
"""Codes of the policy's first version; where the operator's own has another set, people sort what comes in."""
_FAULTS: Final = frozenset({Topic.NO_INTERNET, Topic.SLOW, Topic.EQUIPMENT})
Dealt = tuple[InboundOutcome, UUID | None]


def take_text(session: Session, *, sid: str, sender: str, body: str, at: datetime) -> Dealt:
    """Hand a text to the requests; answers what became of it, and the process that has it now.

    `sid` is the provider's id of the SMS, `sender` a number in E.164, `body` not empty.
    """
    key = f"sms:{sid}"
    waiting_id = _waiting_for_answer(session, sender)
    if waiting_id is not None and _did(answer_request, session, waiting_id, body, key=key, at=at):
        return InboundOutcome.ANSWERED, waiting_id
    if keyword_of(body) is Keyword.START:
        # It is what starts SMS again, and here there was neither that to do nor a question.
        return InboundOutcome.STARTED, None
    again_id = None if _is_under_outage(session, sender, at) else _coming_again(session, sender, body, at)
    if again_id is not None and _did(reopen_request, session, again_id, body, key=key, at=at):
        request = session.get_one(Request, again_id)
        received = f"request_received:{again_id}:{request.round}"
        answer_sms(session, request, Template.REQUEST_RECEIVED, {}, key=received, at=at)
        return InboundOutcome.REOPENED, again_id
    latest_id = _latest(session, sender, at) if only_thanks(body) else None
    if latest_id is not None:
        tell(session, latest_id, "sms_thanks", key=key, at=at, actor=SUBSCRIBER_ACTOR)
        return InboundOutcome.THANKED, latest_id
    order = NewRequest(
        phone=sender, channel=Channel.SMS, category=_category(session, topic_of(body)), text=body,
        language=language_of(body),
    )  # fmt: skip
    process, _ = register_request(session, order, actor=SUBSCRIBER_ACTOR, idempotency_key=f"sms/{sid}", at=at)
    return InboundOutcome.REGISTERED, process.id


def _did(act: Callable[..., object], session: Session, process_id: UUID, body: str, *, key: str, at: datetime) -> bool:
    """Whether a request takes a text; not where somebody else has just moved it on."""
    try:
        act(session, process_id, body, actor=SUBSCRIBER_ACTOR, at=at, key=key)
    except Refusal:
        return False
    return True


def _category(session: Session, topic: Topic) -> str | None:
    code = _CATEGORIES[topic]
    return code if code in request_policies.newest(session).policy.categories else None


def _waiting_for_answer(session: Session, sender: str) -> UUID | None:
    return session.scalar(
        _theirs(sender)
        .where(Request.turn == Turn.QUESTION)
        .order_by(Request.asked_until.desc(), Request.process_id.desc())
        .limit(1)
    )


def _coming_again(session: Session, sender: str, body: str, at: datetime) -> UUID | None:
    """The request that was closed last of those which the text may mean, while it can be reopened."""
    topic = topic_of(body)
    if not (comes_again(body) or topic in _FAULTS):
        return None
    meant = _theirs(sender)
    if topic is not Topic.OTHER:
        meant = meant.where(Request.category == _CATEGORIES[topic])
    if session.scalar(meant.where(Request.turn != Turn.CLOSED).limit(1)) is not None:
        return None
    reopenable = meant.where(Request.turn == Turn.CLOSED, Request.reopen_until > at)
    return session.scalar(reopenable.order_by(Request.sla_stopped_at.desc(), Request.process_id.desc()).limit(1))


def _is_under_outage(session: Session, sender: str, at: datetime) -> bool:
    found = session.scalars(select(Subscriber.id).where(Subscriber.phone == sender).limit(2)).all()
    return len(found) == 1 and current_outage(session, found[0], at=at) is not None


def _latest(session: Session, sender: str, at: datetime) -> UUID | None:
    return session.scalar(
        _theirs(sender)
        .where((Request.turn != Turn.CLOSED) | (Request.reopen_until > at))
        .order_by(Request.process_id.desc())
        .limit(1)
    )


def _theirs(sender: str) -> Select[UUID]:
    """Requests of the subscribers who have this number now, and those of nobody known that came from it.

    Found by two indexes: of all requests there may be millions.
    """
    strangers = (
        select(Request.process_id)
        .join(Process, Process.id == Request.process_id)
        .where(Request.phone == sender, Process.subscriber_id.is_(None))
    )
    subscribers = (
        select(Process.id)
        .join(Subscriber, Subscriber.id == Process.subscriber_id)
        .where(Subscriber.phone == sender, Process.kind == ProcessKind.REQUEST)
    )
    return select(Request.process_id).where(Request.process_id.in_(union_all(strangers, subscribers)))
