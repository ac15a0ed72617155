"""SMS to whoever made a request: a subscriber, or somebody of whom only the number is known."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.message_queue import queue_message
from activities.phone_messages import queue_answer, queue_to_phone
from activities.processes import get_process
from models.contracts.messaging import MessageStatus, Urgency
from models.rules.sms_texts import Template
from models.tables.messages import Message
from models.tables.requests import Request

NOT_HEARD = (MessageStatus.WITHDRAWN, MessageStatus.FAILED, MessageStatus.UNDELIVERED)
"""What nobody has read; outages count alike, see `activities.outage_standings`."""


def say_to_requester(
    session: Session, request: Request, template: Template, facts: Mapping[str, str], *, key: str, at: datetime
) -> UUID:
    """Queue an SMS that goes at once, as what somebody asked for does; the same key is the same SMS. Answers its id."""
    subscriber_id = get_process(session, request.process_id).subscriber_id
    if subscriber_id is not None:
        return queue_message(
            session, key=key, template=template, facts=dict(facts), urgency=Urgency.REQUESTED, at=at,
            subscriber_id=subscriber_id, process_id=request.process_id,
        )  # fmt: skip
    return queue_to_phone(
        session, key=key, template=template, facts=facts, urgency=Urgency.REQUESTED, at=at, phone=request.phone,
        language=request.language, process_id=request.process_id,
    )  # fmt: skip


def has_heard(session: Session, process_id: UUID) -> bool:
    """Whether whoever made a request got, or is about to get, any SMS because of it."""
    theirs = select(Message.id).where(
        Message.process_id == process_id, Message.staff_id.is_(None), Message.status.not_in(NOT_HEARD)
    )
    return bool(session.scalar(select(theirs.exists())))


def answer_sms(
    session: Session, request: Request, template: Template, facts: Mapping[str, str], *, key: str, at: datetime
) -> UUID:
    """The same as the automatic answer to an SMS: only so many a day go to one number."""
    return queue_answer(
        session, key=key, template=template, facts=facts, at=at, phone=request.phone, language=request.language,
        subscriber_id=get_process(session, request.process_id).subscriber_id, process_id=request.process_id,
    )  # fmt: skip
