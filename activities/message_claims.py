"""From the queue to the claim: which SMS go next, and whether there is still a reason for each.

A claim is committed before the call: what was claimed and has no result in `activities.message_log` may have gone.
"""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Uuid,
    any_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from activities import dunning_facts, opt_outs, settlement
from activities.gateways.sms import LONGEST_VALIDITY, OutgoingSms
from activities.message_log import LEASE
from models.contracts.messaging import MessageStatus, Urgency
from models.tables.billing import Invoice
from models.tables.messages import Message, MessageRecall
from models.tables.opt_outs import PhoneOptOut
from models.tables.people import Staff, Subscriber

PAID_REASON = "paid"


class Claimed(NamedTuple):
    """What became of messages that were due."""

    sms: list[OutgoingSms]
    """To be sent, in their order."""
    withdrawn: int
    postponed: int
    """Notices that wait for the end of the quiet hours."""


# Written out, and not as parameters: only so can PostgreSQL know that the index of the queue fits.
_QUEUED: Final[ColumnElement[bool]] = literal_column("message.status = 'queued'")
_IS_NOTICE: Final[ColumnElement[bool]] = literal_column("message.urgency = 'notice'")

# The number that the recipient has now: the one at the time of queueing may be a stranger's by now.
_NUMBER: Final = func.coalesce(Subscriber.phone, func.nullif(Staff.phone, ""), Message.recipient)
_OUTSTANDING: Final = (
    select(settlement.outstanding_of_invoice())
    .where(Invoice.id == Message.unless_paid_invoice_id)
    .correlate(Message)
    .scalar_subquery()
)
_RECALLED: Final = (
    select(MessageRecall.reason)
    .where(
        MessageRecall.process_id == Message.process_id,
        MessageRecall.recalled_at > Message.created_at,
        func.starts_with(Message.key, MessageRecall.key_prefix),
    )
    .order_by(MessageRecall.recalled_at)
    .limit(1)
    .correlate(Message)
    .scalar_subquery()
)
_TO_CLAIM: Final = (
    select(
        Message.id,
        Message.attempts,
        Message.urgency,
        Message.body,
        Message.unless_over_episode_id,
        _NUMBER.label("number"),
        (Message.staff_id.is_(None) & exists().where(PhoneOptOut.phone == _NUMBER)).label("is_opted_out"),
        func.coalesce(_OUTSTANDING <= 0, False).label("is_paid"),
        _RECALLED.label("recalled"),
    )
    .outerjoin(Subscriber, Subscriber.id == Message.subscriber_id)
    .outerjoin(Staff, Staff.id == Message.staff_id)
    .where(
        Message.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
        _QUEUED,
        Message.not_before <= bindparam("now", type_=DateTime(timezone=True)),
    )
    .with_for_update(of=Message, skip_locked=True)
)
_CLAIM: Final = text("""
    UPDATE message SET status = 'sending', recipient = number, attempts = attempts + 1, attempted_at = :now
    FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS text[])) AS claimed (claimed_id, number) WHERE id = claimed_id
""")
_GIVE_BACK: Final = text("""
    UPDATE message SET status = 'queued', attempts = attempts - 1, attempted_at = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:attempts AS bigint[])) AS claimed (claimed_id, attempt)
    WHERE id = claimed_id AND attempts = attempt AND status = 'sending'
""")
# Two look-ups of the first entry of an index, and the few whose result is not known.
_NEXT_DUE: Final = text("""
    SELECT least(
        (SELECT not_before FROM message WHERE status = 'queued' ORDER BY urgency = 'notice', not_before, id LIMIT 1),
        (SELECT not_before FROM message WHERE status = 'queued' AND urgency = 'notice'
         ORDER BY urgency = 'notice', not_before, id LIMIT 1),
        (SELECT min(CASE status WHEN 'sending' THEN attempted_at + CAST(:lease AS interval) ELSE not_before END)
         FROM message WHERE status IN ('sending', 'unknown')))
""")


def hold_notices(session: Session, *, now: datetime, until: datetime) -> int:
    """Let all notices that are due wait for the end of the quiet hours; answers how many there were."""
    due = (
        select(Message.id)
        .where(_QUEUED, _IS_NOTICE, Message.not_before <= now)
        .correlate(None)
        # It waits for nobody who is at a message, so nobody can wait for it in a circle.
        .with_for_update(skip_locked=True)
    )
    held = session.execute(update(Message).where(Message.id.in_(due)).values(not_before=until).returning(Message.id))
    return len(held.all())


def due_ids(session: Session, *, now: datetime, limit: int) -> list[UUID]:
    """Queued messages whose time has come: what can't wait before notices, then the longest due first."""
    return list(
        session.scalars(
            select(Message.id)
            .where(_QUEUED, Message.not_before <= now)
            .order_by(_IS_NOTICE, Message.not_before, Message.id)
            .limit(limit)
        )
    )


def claim(
    session: Session,
    message_ids: Sequence[UUID],
    *,
    now: datetime,
    today: date,
    notices_from: datetime,
    notice_validity: timedelta,
) -> Claimed:
    """Take queued messages on for sending, once the transaction is committed; their reasons are checked again first.

    Two statements for all of them, and three more where steps of dunning are among them. What somebody else has is
    left out. `today` is the day of `now` in the operator's zone: what is owed is what is due by then.
    """
    rows = session.execute(_TO_CLAIM, {"ids": list(message_ids), "now": now}).all()
    episodes = {row.unless_over_episode_id for row in rows} - {None}
    over = dunning_facts.over_among(session, list(episodes), today) if episodes else set()
    gone: dict[str, list[UUID]] = {}
    held: list[UUID] = []
    taken: dict[UUID, OutgoingSms] = {}
    for row in rows:
        is_notice = row.urgency == Urgency.NOTICE
        if row.is_opted_out:
            gone.setdefault(opt_outs.OPTED_OUT_REASON, []).append(row.id)
        elif row.is_paid or row.unless_over_episode_id in over:
            gone.setdefault(PAID_REASON, []).append(row.id)
        elif row.recalled is not None:
            gone.setdefault(row.recalled, []).append(row.id)
        elif is_notice and notices_from > now:
            held.append(row.id)
        else:
            valid_for = notice_validity if is_notice else LONGEST_VALIDITY
            taken[row.id] = OutgoingSms(row.id, row.attempts + 1, row.number, row.body, valid_for)
    for reason, ids in gone.items():
        withdrawn = {"status": MessageStatus.WITHDRAWN, "error_code": reason, "settled_at": now}
        session.execute(update(Message).where(Message.id.in_(ids)).values(withdrawn))
    if held:
        session.execute(update(Message).where(Message.id.in_(held)).values(not_before=notices_from))
    if taken:
        numbers = [sms.to for sms in taken.values()]
        session.execute(_CLAIM, {"ids": list(taken), "numbers": numbers, "now": now})
    in_their_order = [taken[message_id] for message_id in message_ids if message_id in taken]
    return Claimed(in_their_order, withdrawn=sum(map(len, gone.values())), postponed=len(held))


def give_back(session: Session, claimed: Sequence[OutgoingSms]) -> None:
    """Queue again what was claimed and never called: it was no attempt."""
    if not claimed:
        return
    attempts = {"ids": [sms.message_id for sms in claimed], "attempts": [sms.attempt for sms in claimed]}
    session.execute(_GIVE_BACK, attempts)


def next_due(session: Session) -> datetime | None:
    """When the next message has to be looked at, at the latest; None where nothing is left to do."""
    earliest: datetime | None = session.scalar(_NEXT_DUE, {"lease": LEASE})
    return earliest
