"""Numbers that want no SMS: remembered from STOP until START, for subscribers of now, of later, and for nobody's."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ARRAY, Text, any_, cast, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.tables.opt_outs import PhoneOptOut

OPTED_OUT_REASON = "opted_out"
"""Why an SMS to such a number was withdrawn."""


def remember(session: Session, phone: str, *, at: datetime) -> bool:
    """Whoever has this number wants no SMS since `at`; the first STOP keeps its time. Answers whether that is news."""
    added = session.execute(
        insert(PhoneOptOut)
        .values(phone=phone, opted_out_at=at)
        .on_conflict_do_nothing(index_elements=["phone"])
        .returning(PhoneOptOut.phone)
    )
    return added.one_or_none() is not None


def lift(session: Session, phone: str) -> bool:
    """They want SMS again; answers whether that is news."""
    removed = session.execute(delete(PhoneOptOut).where(PhoneOptOut.phone == phone).returning(PhoneOptOut.phone))
    return removed.one_or_none() is not None


def opted_out_at(session: Session, phone: str) -> datetime | None:
    """Since when this number wants no SMS; None where it takes them."""
    return session.scalar(select(PhoneOptOut.opted_out_at).where(PhoneOptOut.phone == phone))


def opted_out(session: Session, phones: Sequence[str]) -> set[str]:
    """Those of many numbers that want no SMS."""
    return set(session.scalars(select(PhoneOptOut.phone).where(PhoneOptOut.phone == any_(cast(phones, ARRAY(Text))))))
