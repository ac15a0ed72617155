"""SMS to a number of nobody known, and answers to SMS that came in: only so many of them a day go to one number."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities import opt_outs, policies
from activities.message_callbacks import wake_delivery
from activities.message_queue import queue_message
from models.contracts.inbound import INBOUND_POLICY, InboundPolicy
from models.contracts.messaging import MessageStatus, Urgency
from models.contracts.people import Language
from models.rules.sms_segments import segment_count
from models.rules.sms_texts import Template, sms_text
from models.tables.messages import Message

TOO_MANY_REASON = "too_many_answers"
"""Why an answer was withdrawn."""
_DAY = timedelta(days=1)


def inbound_policy(session: Session) -> InboundPolicy:
    """How many SMS of one number are taken and answered now."""
    policy = policies.newest(session, INBOUND_POLICY)
    return InboundPolicy() if policy is None else InboundPolicy.model_validate(policy.body)


def queue_to_phone(
    session: Session,
    *,
    key: str,
    template: Template,
    facts: Mapping[str, str],
    urgency: Urgency,
    at: datetime,
    phone: str,
    language: Language,
    process_id: UUID | None = None,
) -> UUID:
    """Ask for one SMS to a number in E.164 that belongs to nobody known; the same key again is the same SMS.

    It is sent by the rules of `activities.message_queue`. Where the number wants no SMS it is kept as withdrawn, and it
    is withdrawn as well where STOP comes before it goes.

    Raises:
        ValueError: a fact that the template needs is missing.
    """
    body = sms_text(template, language, facts)
    withdrawn = None if opt_outs.opted_out_at(session, phone) is None else opt_outs.OPTED_OUT_REASON
    message_id: UUID | None = session.scalar(
        insert(Message)
        .values(
            key=key, recipient=phone, template=template.value, language=language, body=body,
            segments=segment_count(body), urgency=urgency, process_id=process_id, error_code=withdrawn,
            status=MessageStatus.QUEUED if withdrawn is None else MessageStatus.WITHDRAWN, not_before=at, created_at=at,
            settled_at=None if withdrawn is None else at,
        )
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(Message.id)
    )  # fmt: skip
    if message_id is None:
        return session.scalars(select(Message.id).where(Message.key == key)).one()
    if withdrawn is None:
        wake_delivery(session)
    return message_id


def queue_answer(
    session: Session,
    *,
    key: str,
    template: Template,
    facts: Mapping[str, str],
    at: datetime,
    phone: str,
    language: Language,
    subscriber_id: UUID | None = None,
    process_id: UUID | None = None,
) -> UUID:
    """Ask for an automatic answer to an SMS from this number; the same key again is the same answer.

    A subscriber gets it in their language, anybody else in `language`. It goes at once, also in quiet hours: whoever
    asks wants to know. Past so many within 24 hours it is kept as withdrawn.

    Raises:
        Refusal: there is no such subscriber.
        ValueError: a fact that the template needs is missing.
    """
    if subscriber_id is None:
        message_id = queue_to_phone(
            session, key=key, template=template, facts=facts, urgency=Urgency.REQUESTED, at=at, phone=phone,
            language=language, process_id=process_id,
        )  # fmt: skip
    else:
        message_id = queue_message(
            session, key=key, template=template, facts=dict(facts), urgency=Urgency.REQUESTED, at=at,
            subscriber_id=subscriber_id, process_id=process_id,
        )  # fmt: skip
    message = session.scalars(select(Message).where(Message.id == message_id).with_for_update()).one()
    if message.is_answer:
        return message_id
    is_too_many = _answers_since(session, message.recipient, at - _DAY) >= inbound_policy(session).answers_a_day
    message.is_answer = True
    if is_too_many and message.status is MessageStatus.QUEUED:
        message.status, message.error_code, message.settled_at = MessageStatus.WITHDRAWN, TOO_MANY_REASON, at
    session.flush()
    return message_id


def _answers_since(session: Session, phone: str, since: datetime) -> int:
    return session.scalars(
        select(func.count())
        .select_from(Message)
        .where(
            Message.recipient == phone,
            Message.is_answer,
            Message.created_at > since,
            Message.status != MessageStatus.WITHDRAWN,
        )
    ).one()
