"""Where each SMS stands, in rows: claimed before the call, settled after it, and never lost track of between."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import ARRAY, Uuid, any_, cast, select, text, update
from sqlalchemy.orm import Session

from activities import opt_outs
from activities.gateways.sms import Accepted, NotSent, OutgoingSms, SendOutcome
from models.contracts.messaging import MessageStatus
from models.rules.sms_failures import OPTED_OUT, FailureClass, retry_at
from models.tables.messages import Message

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


class Outcome(NamedTuple):
    """What a call came to."""

    sms: OutgoingSms
    outcome: SendOutcome


class Found(NamedTuple):
    """What a look-up found: the provider's ids, newest first."""

    unknown: UnknownSms
    sids: Sequence[str]


class Settled(NamedTuple):
    """A message whose result was written down. `attempt` and `code` only where it was not sent."""

    message_id: UUID
    status: MessageStatus
    attempt: int | None = None
    code: str | None = None


_SETTLE_SENT: Final = text("""
    UPDATE message SET status = 'sent', provider_sid = sid, error_code = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS bigint[]), CAST(:sids AS text[]))
         AS sent (sent_id, attempt, sid)
    WHERE id = sent_id AND attempts = attempt AND status IN ('sending', 'unknown')
    RETURNING id
""")


def lose_track(session: Session, *, now: datetime) -> int:
    """Turn what a crash left in `sending` into `unknown`; answers how many there were."""
    lost = session.execute(
        update(Message)
        .where(Message.status == MessageStatus.SENDING, Message.attempted_at < now - LEASE)
        .values(status=MessageStatus.UNKNOWN, not_before=now)
        .returning(Message.id)
    )
    return len(lost.all())


def settle(session: Session, outcomes: Sequence[Outcome], *, now: datetime) -> list[Settled]:
    """Write down what became of calls; what a callback of the provider settled faster is believed and left out."""
    accepted = [(sms, outcome.sid) for sms, outcome in outcomes if isinstance(outcome, Accepted)]
    missed = {sms.message_id: outcome for sms, outcome in outcomes if isinstance(outcome, NotSent)}
    settled: list[Settled] = []
    if accepted:
        columns = {
            "ids": [sms.message_id for sms, _ in accepted],
            "attempts": [sms.attempt for sms, _ in accepted],
            "sids": [sid for _, sid in accepted],
        }
        sent = session.scalars(_SETTLE_SENT, columns)
        settled += [Settled(message_id, MessageStatus.SENT) for message_id in sent]
    for message in _still_open(session, [sms for sms, outcome in outcomes if isinstance(outcome, NotSent)]):
        failed = missed[message.id]
        if failed.failure is FailureClass.UNKNOWN:
            message.status, message.error_code = MessageStatus.UNKNOWN, failed.code
            message.not_before = now + _LOOK_UP_AFTER
        else:
            record_failure(session, message, failed.failure, failed.code, now=now)
        settled.append(Settled(message.id, message.status, message.attempts, failed.code))
    return settled


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
    if code == str(OPTED_OUT):
        opt_outs.remember(session, message.recipient, at=now)
    if failure is FailureClass.CONFIGURATION:
        _configuration_errors.labels(code).inc()
        _log.error("sms_configuration_error", code=code, message_id=str(message.id), process_id=str(message.process_id))
    again_at = retry_at(failure, message.attempts, now)
    if again_at is None:
        message.status, message.settled_at = final, now
    else:
        message.status, message.not_before, message.provider_sid = MessageStatus.QUEUED, again_at, None


def to_look_up(session: Session, *, now: datetime, limit: int) -> list[UnknownSms]:
    """What is to be looked for at the provider by now, the longest due first."""
    rows = session.execute(
        select(Message.id, Message.attempts, Message.attempted_at, Message.recipient, Message.body)
        .where(Message.status == MessageStatus.UNKNOWN, Message.not_before <= now)
        .order_by(Message.not_before, Message.id)
        .limit(limit)
    )
    return [UnknownSms(row.id, row.attempts, row.attempted_at, row.recipient, row.body) for row in rows]


def record_found(session: Session, found: Sequence[Found], *, now: datetime) -> list[Settled]:
    """Write down what look-ups found: sent; or not there, and after the grace period certainly not there.

    Of the provider's ids the first counts that no other message has: the same text may have gone to the same number
    before.
    """
    listed = {sid for _, sids in found for sid in sids}
    sids_of = {unknown.message_id: sids for unknown, sids in found}
    messages = _still_open(session, [unknown for unknown, _ in found])
    taken = set(session.scalars(select(Message.provider_sid).where(Message.provider_sid.in_(listed))))
    for message in messages:
        assert message.attempted_at is not None, "a message becomes unknown by an attempt"
        sid = next((sid for sid in sids_of[message.id] if sid not in taken), None)
        if sid is not None:
            taken.add(sid)
            message.status, message.provider_sid, message.error_code = MessageStatus.SENT, sid, None
        elif now < message.attempted_at + GRACE:
            message.not_before = now + _LOOK_AGAIN_AFTER
        else:
            record_failure(session, message, FailureClass.UNKNOWN, message.error_code or "lost", now=now)
    return [Settled(message.id, message.status, message.attempts, message.error_code) for message in messages]


def postpone_look_ups(session: Session, unknown: Sequence[UnknownSms], *, now: datetime) -> None:
    """The provider could not be asked: ask again, the later the longer it has been away."""
    for message in _still_open(session, unknown):
        assert message.attempted_at is not None, "a message becomes unknown by an attempt"
        wait = max(_LOOK_AGAIN_AFTER, min((now - message.attempted_at) / 2, _LONGEST_WAIT_FOR_PROVIDER))
        message.not_before = now + wait


def _still_open(session: Session, attempts: Sequence[OutgoingSms | UnknownSms]) -> Sequence[Message]:
    """The messages of these attempts whose result nobody has written down yet, locked."""
    if not attempts:
        return []
    attempt_of = {attempt.message_id: attempt.attempt for attempt in attempts}
    locked = session.scalars(
        select(Message)
        .where(
            Message.id == any_(cast(list(attempt_of), ARRAY(Uuid))),
            Message.status.in_((MessageStatus.SENDING, MessageStatus.UNKNOWN)),
        )
        # In one order, for whoever else locks several of them.
        .order_by(Message.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    return [message for message in locked if message.attempts == attempt_of[message.id]]
