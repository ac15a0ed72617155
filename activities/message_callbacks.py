"""What the SMS provider answers: where each message stands."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.message_log import record_failure
from activities.outbox import wake_workflow
from models.contracts.engine import MESSAGE_DELIVERY, MESSAGE_DELIVERY_ID, MESSAGES_QUEUED, MESSAGING_QUEUE
from models.contracts.messaging import MessageStatus
from models.rules.sms_failures import listed_class
from models.tables.messages import Message

_STATUSES = {
    "accepted": MessageStatus.SENT,
    "scheduled": MessageStatus.SENT,
    "queued": MessageStatus.SENT,
    "sending": MessageStatus.SENT,
    "sent": MessageStatus.SENT,
    "delivered": MessageStatus.DELIVERED,
    "read": MessageStatus.DELIVERED,
    "undelivered": MessageStatus.UNDELIVERED,
    "failed": MessageStatus.FAILED,
    "canceled": MessageStatus.FAILED,
}
_PROGRESS = {
    MessageStatus.SENDING: 0,
    MessageStatus.UNKNOWN: 0,
    MessageStatus.SENT: 1,
    MessageStatus.UNDELIVERED: 2,
    MessageStatus.FAILED: 2,
    MessageStatus.DELIVERED: 3,
}
"""A status is only ever replaced by a later one; callbacks come unordered and repeatedly."""


@dataclass(frozen=True)
class StatusReport:
    """A status callback. `message_id` and `attempt` come from the callback's address, which we made."""

    sid: str
    status: str
    error_code: int | None = None
    message_id: UUID | None = None
    attempt: int | None = None


def record_status(session: Session, report: StatusReport, *, at: datetime) -> MessageStatus | None:
    """Take over a status that is news; None where the message is unknown or already further on."""
    status = _STATUSES.get(report.status)
    message = _reported(session, report)
    if status is None or message is None or _PROGRESS[status] <= _PROGRESS.get(message.status, len(_PROGRESS)):
        return None
    message.provider_sid = report.sid
    failure = listed_class(report.error_code)
    if status in {MessageStatus.UNDELIVERED, MessageStatus.FAILED} and failure is not None:
        record_failure(session, message, failure, str(report.error_code), now=at, final=status)
    else:
        message.status = status
        message.error_code = None if report.error_code is None else str(report.error_code)
        message.settled_at = None if status is MessageStatus.SENT else at
    if message.status is MessageStatus.QUEUED:
        wake_delivery(session)
    return message.status


def wake_delivery(session: Session) -> None:
    """Let the delivery look at the queue once this transaction is committed."""
    wake_workflow(
        session,
        workflow_type=MESSAGE_DELIVERY,
        workflow_id=MESSAGE_DELIVERY_ID,
        task_queue=MESSAGING_QUEUE,
        signal=MESSAGES_QUEUED,
    )


def _reported(session: Session, report: StatusReport) -> Message | None:
    by_sid = session.scalar(select(Message).where(Message.provider_sid == report.sid).with_for_update())
    if by_sid is not None or report.message_id is None:
        return by_sid
    # The callback overtook the answer to our call, or the answer was lost: the address says which message it is. How it
    # stands is looked at once it is locked: while that was waited for, the answer may have been written down.
    message = session.scalar(select(Message).where(Message.id == report.message_id).with_for_update())
    if message is None or message.attempts != report.attempt:
        return None
    is_open = message.provider_sid is None and message.status in {MessageStatus.SENDING, MessageStatus.UNKNOWN}
    return message if is_open or message.provider_sid == report.sid else None
