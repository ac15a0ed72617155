"""Asking for SMS: rows, in the transaction of the step that wants them. `activities.messaging` sends them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, cast, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities.message_callbacks import wake_delivery
from activities.opt_outs import OPTED_OUT_REASON
from models.contracts.messaging import DeliveryFigures, MessageStatus, Urgency
from models.contracts.people import Language
from models.contracts.refusals import not_found
from models.rules.sms_segments import segment_count
from models.rules.sms_texts import Template, sms_text
from models.tables.messages import Message, MessageRecall
from models.tables.people import Staff, Subscriber

NO_PHONE_REASON = "no_phone"

_INSERT = text("""
    INSERT INTO message (key, subscriber_id, staff_id, process_id, recipient, template, language, body, segments,
                         urgency, status, not_before, unless_paid_invoice_id, unless_over_episode_id, error_code,
                         created_at, settled_at)
    VALUES (:key, :subscriber_id, :staff_id, :process_id, :recipient, :template, :language, :body, :segments,
            :urgency, :status, :at, :unless_paid_invoice_id, :unless_over_episode_id, :error_code, :at, :settled_at)
    ON CONFLICT (key) DO NOTHING
    RETURNING id
""")
_OPTIONAL = dict.fromkeys(
    ("subscriber_id", "staff_id", "process_id", "unless_paid_invoice_id", "unless_over_episode_id")
)
# The rows come as arrays, for the same reason as below.
_INSERT_NOTICES = text("""
    INSERT INTO message (key, subscriber_id, unless_paid_invoice_id, error_code, recipient, language, body, segments,
                         process_id, template, urgency, status, not_before, created_at, settled_at)
    SELECT key, subscriber_id, invoice_id, withdrawn, recipient, language, body, segments, :process_id, :template,
           :urgency, CASE WHEN withdrawn IS NULL THEN 'queued' ELSE 'withdrawn' END, :at, :at,
           CASE WHEN withdrawn IS NOT NULL THEN CAST(:at AS timestamptz) END
    FROM unnest(CAST(:key AS text[]), CAST(:subscriber_id AS uuid[]), CAST(:invoice_id AS uuid[]),
                CAST(:withdrawn AS text[]), CAST(:recipient AS text[]), CAST(:language AS text[]),
                CAST(:body AS text[]), CAST(:segments AS bigint[]))
         AS notice (key, subscriber_id, invoice_id, withdrawn, recipient, language, body, segments)
    ON CONFLICT (key) DO NOTHING
    RETURNING error_code
""")
_UNDER_WAY = (MessageStatus.QUEUED, MessageStatus.SENDING, MessageStatus.UNKNOWN)
_COLUMNS = ("key", "subscriber_id", "invoice_id", "withdrawn", "recipient", "language", "body", "segments")


@dataclass(frozen=True)
class Notice:
    """One of many SMS to subscribers that differ in nothing but this."""

    key: str
    subscriber_id: UUID
    facts: Mapping[str, str]
    unless_paid_invoice_id: UUID | None = None


@dataclass(frozen=True)
class _Recipient:
    phone: str = field(repr=False)
    language: Language
    withdrawn: str | None
    """Why there is nothing to send, where that is known beforehand."""


def queue_message(
    session: Session,
    *,
    key: str,
    template: Template,
    facts: dict[str, str],
    urgency: Urgency,
    at: datetime,
    subscriber_id: UUID | None = None,
    staff_id: UUID | None = None,
    process_id: UUID | None = None,
    unless_paid_invoice_id: UUID | None = None,
) -> UUID:
    """Ask for one SMS to a subscriber or a member of staff; asked again with the same key it is the same SMS.

    It is written in the recipient's language and sent once the transaction is committed, notices within the permitted
    hours. Where the recipient opted out or has no number it is kept as withdrawn, with the reason. With
    `unless_paid_invoice_id` it is withdrawn instead of sent once that invoice is settled.

    Raises:
        Refusal: there is no such recipient.
        ValueError: not exactly one recipient, or a fact that the template needs is missing.
    """
    if (subscriber_id is None) == (staff_id is None):
        raise ValueError("an SMS goes to a subscriber or to a member of staff")
    recipient = _staff(session, staff_id) if subscriber_id is None else _subscriber(session, subscriber_id)
    return _queue(
        session, recipient, sms_text(template, recipient.language, facts), key=key, subscriber_id=subscriber_id,
        staff_id=staff_id, process_id=process_id, template=template.value, urgency=urgency, at=at,
        unless_paid_invoice_id=unless_paid_invoice_id,
    )  # fmt: skip


def queue_text(
    session: Session,
    *,
    key: str,
    template: str,
    texts: Mapping[Language, str],
    urgency: Urgency,
    at: datetime,
    subscriber_id: UUID,
    process_id: UUID,
    unless_over_episode_id: UUID | None = None,
) -> UUID:
    """As `queue_message`, with the operator's own text in each language; `template` names the occasion.

    With `unless_over_episode_id` it is withdrawn instead of sent once that dunning episode is over or its debt is paid.

    Raises:
        Refusal: there is no such subscriber.
    """
    recipient = _subscriber(session, subscriber_id)
    return _queue(
        session, recipient, texts[recipient.language], key=key, subscriber_id=subscriber_id, process_id=process_id,
        template=template, urgency=urgency, at=at, unless_over_episode_id=unless_over_episode_id,
    )  # fmt: skip


def _queue(
    session: Session, recipient: _Recipient, body: str, *, key: str, urgency: Urgency, at: datetime, **columns: Any
) -> UUID:
    withdrawn = recipient.withdrawn
    row = _OPTIONAL | _addressed(recipient, body) | columns
    settled = {
        "status": (MessageStatus.QUEUED if withdrawn is None else MessageStatus.WITHDRAWN).value,
        "error_code": withdrawn, "settled_at": None if withdrawn is None else at,
    }  # fmt: skip
    message_id: UUID | None = session.scalar(_INSERT, row | settled | {"key": key, "urgency": urgency.value, "at": at})
    if message_id is None:
        return session.scalars(select(Message.id).where(Message.key == key)).one()
    if withdrawn is None:
        wake_delivery(session)
    return message_id


def queue_notices(
    session: Session,
    notices: Sequence[Notice],
    *,
    template: Template,
    process_id: UUID | None,
    at: datetime,
    urgency: Urgency = Urgency.NOTICE,
) -> int:
    """Ask for many SMS to subscribers at once, by the same rules; answers how many of them are new.

    Each is written in its recipient's language. They are one INSERT, also by the thousand, and the delivery is woken
    once for all of them.

    Raises:
        Refusal: there is no such subscriber.
        ValueError: a fact that the template needs is missing.
    """
    if not notices:
        return 0
    recipients = _subscribers(session, [notice.subscriber_id for notice in notices])
    texts = _Texts(template)
    rows = []
    for notice in notices:
        recipient = recipients.get(notice.subscriber_id)
        if recipient is None:
            raise _subscriber_unknown()
        rows.append((
            notice.key, notice.subscriber_id, notice.unless_paid_invoice_id, recipient.withdrawn, recipient.phone,
            recipient.language.value, *texts.of(recipient.language, notice.facts),
        ))  # fmt: skip
    columns = dict(zip(_COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    constants = {"process_id": process_id, "template": template.value, "urgency": urgency.value, "at": at}
    withdrawn = session.scalars(_INSERT_NOTICES, columns | constants).all()
    if None in withdrawn:
        wake_delivery(session)
    return len(withdrawn)


def withdraw_unsent(session: Session, process_id: UUID, *, at: datetime, reason: str, key_prefix: str = "") -> int:
    """Withdraw what a process has queued and nobody has begun to send; answers how many there were.

    What was claimed for sending goes: see `activities.messaging`. It is not tried again where that fails, or where the
    handset can't be reached. `reason` is a word of ours that the message keeps. With `key_prefix` it is only those
    whose key begins so.
    """
    session.execute(
        insert(MessageRecall).values(process_id=process_id, key_prefix=key_prefix, reason=reason, recalled_at=at)
    )
    chosen = [Message.process_id == process_id, Message.status == MessageStatus.QUEUED]
    if key_prefix:
        chosen.append(Message.key.startswith(key_prefix, autoescape=True))
    withdrawn = session.scalars(
        update(Message)
        .where(*chosen)
        .values(status=MessageStatus.WITHDRAWN, error_code=reason, settled_at=at)
        .returning(Message.id)
        .execution_options(synchronize_session=False)
    )
    return len(withdrawn.all())


def delivery_figures(session: Session, process_id: UUID, *, key_prefix: str = "") -> DeliveryFigures:
    """What became of the SMS that a process has queued; with `key_prefix`, of those whose key begins so."""
    counted = select(Message.status, func.count()).where(Message.process_id == process_id).group_by(Message.status)
    if key_prefix:
        counted = counted.where(Message.key.startswith(key_prefix, autoescape=True))
    count = dict(session.execute(counted).all())
    return DeliveryFigures(
        queued=sum(count.get(status, 0) for status in _UNDER_WAY),
        sent=count.get(MessageStatus.SENT, 0),
        delivered=count.get(MessageStatus.DELIVERED, 0),
        failed=count.get(MessageStatus.FAILED, 0) + count.get(MessageStatus.UNDELIVERED, 0),
        withdrawn=count.get(MessageStatus.WITHDRAWN, 0),
    )


class _Texts:
    """The texts of one template: thousands who are told the same in the same language share one."""

    def __init__(self, template: Template) -> None:
        self._template = template
        self._known: dict[tuple[Language, tuple[tuple[str, str], ...]], tuple[str, int]] = {}

    def of(self, language: Language, facts: Mapping[str, str]) -> tuple[str, int]:
        """The text and how many segments it takes."""
        told = (language, tuple(facts.items()))
        if told not in self._known:
            body = sms_text(self._template, language, facts)
            self._known[told] = (body, segment_count(body))
        return self._known[told]


def _addressed(recipient: _Recipient, body: str) -> dict[str, Any]:
    return {
        "recipient": recipient.phone,
        "language": recipient.language.value,
        "body": body,
        "segments": segment_count(body),
    }


def _subscriber(session: Session, subscriber_id: UUID) -> _Recipient:
    subscriber = session.get(Subscriber, subscriber_id)
    if subscriber is None:
        raise _subscriber_unknown()
    return _served(subscriber.phone, subscriber.language, subscriber.sms_opt_out_at)


def _subscribers(session: Session, ids: Sequence[UUID]) -> dict[UUID, _Recipient]:
    rows = session.execute(
        select(Subscriber.id, Subscriber.phone, Subscriber.language, Subscriber.sms_opt_out_at).where(
            # One array: thousands of single parameters would take longer than all else.
            Subscriber.id == any_(cast(ids, ARRAY(Uuid)))
        )
    )
    return {row.id: _served(row.phone, row.language, row.sms_opt_out_at) for row in rows}


def _served(phone: str, language: Language, opted_out_at: datetime | None) -> _Recipient:
    return _Recipient(phone, language, None if opted_out_at is None else OPTED_OUT_REASON)


def _staff(session: Session, staff_id: UUID | None) -> _Recipient:
    staff = session.get(Staff, staff_id)
    if staff is None:
        raise not_found("staff_unknown", "There is no such member of staff.")
    return _Recipient(staff.phone or "", staff.language, None if staff.phone else NO_PHONE_REASON)


def _subscriber_unknown() -> Exception:
    return not_found("subscriber_unknown", "There is no such subscriber: register them first.")
