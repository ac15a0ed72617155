"""Requests and outages: which of them an outage explains, and what becomes of them when it changes or is over."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from activities.outage_lookup import current_outage
from activities.outage_state import is_over
from activities.processes import get_process, tell
from activities.request_closing import close_request
from activities.request_following import begin, end, followed_by, go_on_alone
from activities.request_messages import NOT_HEARD, answer_sms, say_to_requester
from activities.request_policies import Terms, terms_of
from models.contracts.outage import CurrentOutage, OutageKind
from models.contracts.request_words import Channel, LinkEnding, LinkKind, RequestEnding, Turn
from models.rules.outage_telling import Occasion
from models.rules.sms_texts import Template
from models.tables.messages import Message
from models.tables.outages import Outage, OutageAffected, OutageNotice
from models.tables.people import Subscriber
from models.tables.processes import TimelineEntry
from models.tables.requests import Request, RequestLink

_EXPECTED_IN = ("request_joins_outage", "request_other_outage", "request_outage_expected")
"""The entries of the timeline that say when the outage is expected to end."""


def is_explained(terms: Terms, category: str, *, is_unsorted: bool) -> bool:
    """Whether a request of somebody whom an outage affects is about that outage."""
    if is_unsorted:
        return terms.policy.outage_explains_unsorted
    return terms.category(category).outage_explains


def outage_held(session: Session, subscriber_id: UUID, *, at: datetime) -> CurrentOutage | None:
    """The outage that affects a subscriber now; until this transaction ends it stays as it is."""
    found = current_outage(session, subscriber_id, at=at)
    while found is not None:
        _hold_outage(session, found.process_id)
        # It may have changed while that was waited for.
        again = current_outage(session, subscriber_id, at=at)
        if again is None or again.process_id == found.process_id:
            return again
        found = again
    return None


def join(session: Session, request: Request, outage: CurrentOutage, *, at: datetime) -> None:
    """Let a request follow an outage that is held."""
    begin(session, request, LinkKind.OUTAGE, outage.process_id, at=at)
    facts = {"follows": str(outage.process_id), "ends_at": outage.ends_at.isoformat()}
    tell(
        session, request.process_id, "request_joins_outage", key=f"request_joins_outage:{outage.process_id}", at=at,
        facts=facts,
    )  # fmt: skip


def answer(session: Session, request: Request, outage: CurrentOutage, *, at: datetime) -> None:
    """Tell whoever made the request when the outage is expected to end, by SMS.

    The outage gets to know that they have heard of it: it will not say so again, and will tell them of its end.
    """
    key = f"request_outage:{request.process_id}"
    process = get_process(session, request.process_id)
    template, facts = _expected_end(outage, terms_of(session, process.policy_id), at)
    say = answer_sms if request.channel is Channel.SMS else say_to_requester
    say(session, request, template, facts, key=key, at=at)
    assert process.subscriber_id is not None, "an outage affects subscribers"
    overruns = session.scalars(select(Outage.overruns).where(Outage.process_id == outage.process_id)).one()
    session.add(
        OutageNotice(
            message_key=key, outage_id=outage.process_id, subscriber_id=process.subscriber_id, at=at,
            occasion=Occasion.EMERGENCY if outage.kind is OutageKind.EMERGENCY else Occasion.BEGUN,
            starts_at=outage.starts_at, ends_at=outage.ends_at, overruns=overruns, is_over=False,
        )
    )  # fmt: skip
    session.flush()


def _expected_end(outage: CurrentOutage, terms: Terms, at: datetime) -> tuple[Template, dict[str, str]]:
    """To the minute, and never too early; what has passed already is not promised."""
    if outage.ends_at <= at:
        return Template.REQUEST_OUTAGE_OVERRUN, {}
    ends_at = outage.ends_at.astimezone(terms.hours.zone)
    if ends_at.second or ends_at.microsecond:
        ends_at = ends_at.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return Template.REQUEST_OUTAGE, {"until": f"{ends_at:%d.%m %H:%M}"}


def join_if_it_came_first(session: Session, request: Request, *, at: datetime) -> None:
    """Let a request follow an outage that was registered after it: who calls first often tells of the outage."""
    process = get_process(session, request.process_id)
    if process.subscriber_id is None or request.turn not in {Turn.TRIAGE, Turn.WORK} or request.round > 1:
        return
    terms = terms_of(session, process.policy_id)
    is_unsorted = request.turn is Turn.TRIAGE and request.category == terms.policy.unsorted
    if not is_explained(terms, request.category, is_unsorted=is_unsorted):
        return
    outage = outage_held(session, process.subscriber_id, at=at)
    if outage is not None and process.opened_at >= outage.starts_at - terms.policy.outage_explains_earlier:
        join(session, request, outage, at=at)
        if not _knows_of(session, outage.process_id, session.get_one(Subscriber, process.subscriber_id).phone):
            answer(session, request, outage, at=at)


def look(session: Session, request: Request, *, at: datetime) -> None:
    """Do what follows from how the outage stands now that a request follows: go on, close with it, or go on alone."""
    link = followed_by(session, request)
    subscriber_id = get_process(session, request.process_id).subscriber_id
    assert subscriber_id is not None, "an outage affects subscribers"
    outage = _hold_outage(session, link.follows_id)
    if not is_over(outage) and _affects(session, outage.process_id, subscriber_id):
        _tell_expected_end(session, link, outage, at)
        return
    other = outage_held(session, subscriber_id, at=at)
    if other is not None:
        # The service stays away for another reason.
        end(session, link, LinkEnding.LEFT, at=at)
        begin(session, request, LinkKind.OUTAGE, other.process_id, at=at)
        facts = {"follows": str(other.process_id), "ends_at": other.ends_at.isoformat()}
        key = f"request_other_outage:{link.id}"
        tell(session, request.process_id, "request_other_outage", key=key, at=at, facts=facts)
    elif outage.called_off_at is not None:
        go_on_alone(session, request, LinkEnding.CAME_TO_NOTHING, "request_outage_called_off", {}, at=at)
    else:
        # It has ended, or does for those whose nodes were taken out of it.
        _outage_is_over(session, request, link, subscriber_id, at=at)


def _tell_expected_end(session: Session, link: RequestLink, outage: Outage, at: datetime) -> None:
    expected = outage.ends_at.isoformat()
    told = session.scalar(
        select(TimelineEntry.facts)
        .where(TimelineEntry.process_id == link.process_id, TimelineEntry.event.in_(_EXPECTED_IN))
        .order_by(TimelineEntry.id.desc())
        .limit(1)
    )
    if told is None or told["ends_at"] != expected:
        key = f"request_outage_expected:{link.id}:{outage.window}"
        facts = {"ends_at": expected}
        tell(session, link.process_id, "request_outage_expected", key=key, at=at, facts=facts)


def _hold_outage(session: Session, outage_id: UUID) -> Outage:
    return session.get_one(Outage, outage_id, with_for_update={"read": True}, populate_existing=True)


def _affects(session: Session, outage_id: UUID, subscriber_id: UUID) -> bool:
    affected = exists().where(
        OutageAffected.outage_id == outage_id, OutageAffected.subscriber_id == subscriber_id,
        OutageAffected.until_at.is_(None),
    )  # fmt: skip
    return bool(session.scalar(select(affected)))


def _outage_is_over(
    session: Session, request: Request, link: RequestLink, subscriber_id: UUID, *, at: datetime
) -> None:
    end(session, link, LinkEnding.CLOSED_WITH, at=at)
    if not _knows_of(session, link.follows_id, session.get_one(Subscriber, subscriber_id).phone):
        say_to_requester(session, request, Template.REQUEST_RESTORED, {}, key=f"request_restored:{link.id}", at=at)
    close_request(session, request, RequestEnding.OUTAGE_OVER, event="request_outage_over", at=at)


def _knows_of(session: Session, outage_id: UUID, phone: str) -> bool:
    """Whether somebody has heard of an outage: then it tells them of its end too."""
    told = (
        select(OutageNotice.outage_id)
        .join(Subscriber, Subscriber.id == OutageNotice.subscriber_id)
        .join(Message, Message.key == OutageNotice.message_key)
        .where(OutageNotice.outage_id == outage_id, Subscriber.phone == phone, Message.status.not_in(NOT_HEARD))
    )
    return bool(session.scalar(select(told.exists())))
