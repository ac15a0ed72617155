"""SMS from outside: STOP and START, and what people write who want something.

An SMS is taken once, however often the provider sends it: its id decides. Nothing here needs the workflow engine: what
it has to be told waits in the outbox. Each SMS of a number waits for the one before it, and past so many within the
window of the policy they are counted and not taken; STOP and START are always obeyed.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog
from prometheus_client import Counter
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from activities import inbound_requests, opt_outs
from activities.phone_messages import inbound_policy
from activities.processes import tell
from models.contracts.inbound import InboundOutcome
from models.contracts.processes import ProcessStatus
from models.rules.sms_keywords import Keyword, keyword_of
from models.tables.inbound import InboundSms
from models.tables.processes import Process

_log = structlog.get_logger()
_taken = Counter("abonent_inbound_sms", "SMS from outside by what became of them", ["outcome"])
_LONGEST_TEXT = 1600
"""Characters; no SMS of a provider is longer."""


@dataclass(frozen=True)
class IncomingSms:
    """An SMS from outside. `sender` is a number in E.164."""

    sid: str
    """The provider's id of it."""
    sender: str = field(repr=False)
    body: str = field(repr=False)
    opt_out_type: str = ""
    """The provider's own reading of the text, where it manages the opt-outs."""


def take(session: Session, sms: IncomingSms, *, at: datetime) -> InboundOutcome:
    """Take an SMS: do what it asks for, or hand it to the requests.

    The same id again changes nothing and answers what became of it.
    """
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:sender, 9))"), {"sender": sms.sender})
    known = session.scalar(select(InboundSms.outcome).where(InboundSms.sid == sms.sid))
    if known is not None:
        return known
    is_too_much = _is_too_much(session, sms.sender, at)
    outcome, process_id = _done(session, sms, at=at, is_too_much=is_too_much)
    if not is_too_much:
        session.add(InboundSms(sid=sms.sid, sender=sms.sender, received_at=at, outcome=outcome, process_id=process_id))
        session.flush()
    _taken.labels(outcome.value).inc()
    _log.info("sms_received", sid=sms.sid, outcome=outcome, process_id=None if process_id is None else str(process_id))
    return outcome


def _done(session: Session, sms: IncomingSms, *, at: datetime, is_too_much: bool) -> tuple[InboundOutcome, UUID | None]:
    keyword = keyword_of(sms.opt_out_type) or keyword_of(sms.body)
    if keyword is Keyword.STOP:
        opt_outs.remember(session, sms.sender, at=at)
        return InboundOutcome.STOPPED, None
    if keyword is Keyword.START and opt_outs.lift(session, sms.sender):
        return InboundOutcome.STARTED, None
    if is_too_much:
        _count(session, sms.sender, at)
        return InboundOutcome.REFUSED, None
    body = readable(sms.body)
    if not body:
        return InboundOutcome.EMPTY, None
    return inbound_requests.take_text(session, sid=sms.sid, sender=sms.sender, body=body, at=at)


def readable(body: str) -> str:
    """A text without characters that nobody can read and PostgreSQL can't keep, such as NUL; at most one SMS long."""
    kept = "".join(char if char.isprintable() or char == "\n" else " " for char in body)
    return kept.strip()[:_LONGEST_TEXT].rstrip()


def _is_too_much(session: Session, sender: str, at: datetime) -> bool:
    policy = inbound_policy(session)
    taken = session.scalars(
        select(func.count())
        .select_from(InboundSms)
        .where(InboundSms.sender == sender, InboundSms.received_at > at - policy.window)
    ).one()
    return taken >= policy.at_most


def _count(session: Session, sender: str, at: datetime) -> None:
    """Count one more beside the last SMS that was taken; the first of them is told in the request that has that."""
    last = session.scalars(
        select(InboundSms).where(InboundSms.sender == sender).order_by(InboundSms.received_at.desc()).limit(1)
    ).one()
    last.refused_after += 1
    if last.refused_after == 1 and last.process_id is not None:
        process = session.get_one(Process, last.process_id)
        if process.status is ProcessStatus.OPEN:
            tell(session, process.id, "sms_flood", at=at, key=f"sms_flood/{last.id}")
