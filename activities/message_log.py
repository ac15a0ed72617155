"""Where each SMS stands, in rows: claimed before the call, settled after it, and never lost track of between."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from activities import dunning_facts
from activities.gateways.sms import Accepted, OutgoingSms, SendOutcome
from activities.invoicing import outstanding_minor
from models.contracts.messaging import MessageStatus, Urgency
from models.rules.sms_failures import OPTED_OUT, FailureClass, retry_at
from models.tables.messages import Message
from models.tables.people import Staff, Subscriber

OPTED_OUT_REASON = "opted_out"
PAID_REASON = "paid"
LEASE = timedelta(minutes=2)
"""A call ends well within it; a row that is still `sending` afterwards was left by a crash."""
GRACE = timedelta(minutes=5)
"""After this a message that the provider does not list is certainly not there."""
_LOOK_UP_AFTER = timedelta(seconds=10)
_LOOK_AGAIN_AFTER = timedelta(seconds=30)
_LONGEST_WAIT_FOR_PROVIDER = timedelta(hours=1)

_log = structlog.get_logger()
_configuration_errors = Counter(
    "abonent_sms_configuration_errors",
    "SMS refused because the operator's account or sender is wrong: somebody must act",
    ["code"],
)


@dataclass(frozen=True)
class UnknownSms:
    """An SMS that the provider may have."""

    message_id: UUID
    attempt: int
    attempted_at: datetime
    to: str = field(repr=False)
    body: str = field(repr=False)


def lose_track(session: Session, *, now: datetime) -> int:
    """Turn what a crash left in `sending` into `unknown`; answers how many there were."""
    lost = session.execute(
        update(Message)
        .where(Message.status == MessageStatus.SENDING, Message.attempted_at < now - LEASE)
        .values(status=MessageStatus.UNKNOWN, not_before=now)
        .returning(Message.id)
    )
    return len(lost.all())


def hold_notices(session: Session, *, now: datetime, until: datetime) -> int:
    """Let all notices that are due wait for the end of the quiet hours; answers how many there were."""
    held = session.execute(
        update(Message)
        .where(
            Message.status == MessageStatus.QUEUED,
            Message.urgency == Urgency.NOTICE,
            Message.not_before <= now,
        )
        .values(not_before=until)
        .returning(Message.id)
    )
    return len(held.all())


def due_ids(session: Session, status: MessageStatus, *, now: datetime, limit: int) -> list[UUID]:
    """Messages in this status whose time has come: what can't wait before notices, then the longest due first."""
    return list(
        session.scalars(
            select(Message.id)
            .where(Message.status == status, Message.not_before <= now)
            .order_by(Message.urgency == Urgency.NOTICE, Message.not_before, Message.id)
            .limit(limit)
        )
    )


def claim(
    session: Session,
    message_id: UUID,
    *,
    now: datetime,
    today: date,
    notices_from: datetime,
    notice_validity: timedelta,
) -> OutgoingSms | MessageStatus | None:
    """Take one queued message on for sending, once the transaction is committed; its reason is checked again first.

    `today` is the day of `now` in the operator's zone: what is owed is what is due by then.

    Answers the SMS to send; or the status that the message got instead, withdrawn or still queued until
    `notices_from`; or None where somebody else has it.
    """
    message = session.scalar(
        select(Message)
        .where(Message.id == message_id, Message.status == MessageStatus.QUEUED, Message.not_before <= now)
        .with_for_update(skip_locked=True)
    )
    if message is None:
        return None
    gone = _reason_gone(session, message, today)
    if gone is not None:
        message.status, message.error_code, message.settled_at = MessageStatus.WITHDRAWN, gone, now
        return MessageStatus.WITHDRAWN
    is_notice = message.urgency == Urgency.NOTICE
    if is_notice and notices_from > now:
        message.not_before = notices_from
        return MessageStatus.QUEUED
    message.recipient = _present_number(session, message)
    message.status, message.attempts, message.attempted_at = MessageStatus.SENDING, message.attempts + 1, now
    sms = OutgoingSms(message.id, message.attempts, message.recipient, message.body)
    return sms if not is_notice else OutgoingSms(sms.message_id, sms.attempt, sms.to, sms.body, notice_validity)


def record_outcome(session: Session, sms: OutgoingSms, outcome: SendOutcome, *, now: datetime) -> MessageStatus | None:
    """Write down what became of a call; None where a callback of the provider was faster and is believed."""
    message = _still_open(session, sms.message_id, sms.attempt)
    if message is None:
        return None
    if isinstance(outcome, Accepted):
        message.status, message.provider_sid, message.error_code = MessageStatus.SENT, outcome.sid, None
    elif outcome.failure is FailureClass.UNKNOWN:
        message.status, message.error_code = MessageStatus.UNKNOWN, outcome.code
        message.not_before = now + _LOOK_UP_AFTER
    else:
        record_failure(session, message, outcome.failure, outcome.code, now=now)
    return message.status


def record_failure(
    session: Session,
    message: Message,
    failure: FailureClass,
    code: str,
    *,
    now: datetime,
    final: MessageStatus = MessageStatus.FAILED,
) -> None:
    """Let a message that was not sent wait for another try, or end as `final` where none has sense."""
    message.error_code = code
    if code == str(OPTED_OUT) and message.subscriber_id is not None:
        set_opt_out(session, message.recipient, at=now)
    if failure is FailureClass.CONFIGURATION:
        _configuration_errors.labels(code).inc()
        _log.error("sms_configuration_error", code=code, message_id=str(message.id), process_id=str(message.process_id))
    again_at = retry_at(failure, message.attempts, now)
    if again_at is None:
        message.status, message.settled_at = final, now
    else:
        message.status, message.not_before, message.provider_sid = MessageStatus.QUEUED, again_at, None


def set_opt_out(session: Session, phone: str, *, at: datetime | None) -> int:
    """Remember that whoever has this number wants no SMS, since `at`; with None, that they want them again.

    Answers for how many subscribers that is news.
    """
    is_news = Subscriber.sms_opt_out_at.is_(None) if at is not None else Subscriber.sms_opt_out_at.is_not(None)
    changed = session.execute(
        update(Subscriber).where(Subscriber.phone == phone, is_news).values(sms_opt_out_at=at).returning(Subscriber.id)
    )
    return len(changed.all())


def to_look_up(session: Session, message_id: UUID) -> UnknownSms | None:
    """What to look for at the provider; None where the result has become known."""
    message = session.scalar(select(Message).where(Message.id == message_id, Message.status == MessageStatus.UNKNOWN))
    if message is None:
        return None
    assert message.attempted_at is not None, "a message becomes unknown by an attempt"
    return UnknownSms(message.id, message.attempts, message.attempted_at, message.recipient, message.body)


def record_found(session: Session, unknown: UnknownSms, sids: Sequence[str], *, now: datetime) -> MessageStatus | None:
    """Write down what a look-up found: sent; or not there, and after the grace period certainly not there.

    Of `sids` the first counts that no other message has: the same text may have gone to the same number before.
    """
    message = _still_open(session, unknown.message_id, unknown.attempt)
    if message is None:
        return None
    taken = set(session.scalars(select(Message.provider_sid).where(Message.provider_sid.in_(sids))))
    sid = next((sid for sid in sids if sid not in taken), None)
    if sid is not None:
        message.status, message.provider_sid, message.error_code = MessageStatus.SENT, sid, None
    elif now < unknown.attempted_at + GRACE:
        message.not_before = now + _LOOK_AGAIN_AFTER
    else:
        record_failure(session, message, FailureClass.UNKNOWN, message.error_code or "lost", now=now)
    return message.status


def postpone_look_up(session: Session, unknown: UnknownSms, *, now: datetime) -> None:
    """The provider could not be asked: ask again, the later the longer it has been away."""
    message = _still_open(session, unknown.message_id, unknown.attempt)
    if message is not None:
        wait = max(_LOOK_AGAIN_AFTER, min((now - unknown.attempted_at) / 2, _LONGEST_WAIT_FOR_PROVIDER))
        message.not_before = now + wait


def next_due(session: Session) -> datetime | None:
    """When the next message has to be looked at, at the latest; None where nothing is left to do."""
    looked_at = case((Message.status == MessageStatus.SENDING, Message.attempted_at + LEASE), else_=Message.not_before)
    pending = (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.UNKNOWN)
    earliest: datetime | None = session.scalar(select(func.min(looked_at)).where(Message.status.in_(pending)))
    return earliest


def _still_open(session: Session, message_id: UUID, attempt: int) -> Message | None:
    return session.scalar(
        select(Message)
        .where(
            Message.id == message_id,
            Message.attempts == attempt,
            Message.status.in_((MessageStatus.SENDING, MessageStatus.UNKNOWN)),
        )
        .with_for_update()
    )


def _reason_gone(session: Session, message: Message, today: date) -> str | None:
    if message.subscriber_id is not None:
        opted_out_at = session.scalar(select(Subscriber.sms_opt_out_at).where(Subscriber.id == message.subscriber_id))
        if opted_out_at is not None:
            return OPTED_OUT_REASON
    invoice_id = message.unless_paid_invoice_id
    if invoice_id is not None and outstanding_minor(session, invoice_id) == 0:
        return PAID_REASON
    episode_id = message.unless_over_episode_id
    if episode_id is not None and dunning_facts.is_over(session, episode_id, today):
        return PAID_REASON
    return None


def _present_number(session: Session, message: Message) -> str:
    """The number that the recipient has now: the one at the time of queueing may be a stranger's by now."""
    if message.subscriber_id is not None:
        found = session.scalar(select(Subscriber.phone).where(Subscriber.id == message.subscriber_id))
    else:
        found = session.scalar(select(Staff.phone).where(Staff.id == message.staff_id))
    return found or message.recipient
