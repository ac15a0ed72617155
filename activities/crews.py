"""Crews: the slots of their working day, and the visits that are booked into them."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import psycopg.errors
from sqlalchemy import bindparam, delete, func, select, text
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models.contracts.crews import SlotView
from models.contracts.refusals import conflict, invalid, not_found
from models.tables.crews import Crew, Visit

Slot = tuple[datetime, datetime]

_BOOK = text("""
    INSERT INTO visit (crew_id, process_id, during, booked_at)
    VALUES (:crew_id, :process_id, tstzrange(:starts_at, :ends_at), :at)
    ON CONFLICT (process_id) DO UPDATE
    SET crew_id = excluded.crew_id, during = excluded.during, booked_at = excluded.booked_at
""")
_VISIT = (
    select(Crew, func.lower(Visit.during), func.upper(Visit.during))
    .join(Visit, Visit.crew_id == Crew.id)
    .where(Visit.process_id == bindparam("process_id"))
)


def get_crew(session: Session, crew_id: UUID) -> Crew:
    """The crew.

    Raises:
        Refusal: there is none with this id.
    """
    crew = session.get(Crew, crew_id)
    if crew is None:
        raise not_found("crew_unknown", "There is no such crew: take its id from GET /v1/crews.")
    return crew


def day_slots(crew: Crew, on: date, zone: ZoneInfo) -> Iterator[Slot]:
    """The slots of a crew's day in the operator's zone, as instants; none on a day off."""
    if on.isoweekday() not in crew.weekdays:
        return
    starts, closes = (datetime.combine(on, edge, zone) for edge in (crew.opens_at, crew.closes_at))
    length = timedelta(minutes=crew.slot_minutes)
    while starts + length <= closes:
        yield starts, starts + length
        starts += length


def slots(session: Session, crews: Sequence[Crew], days: Sequence[date], zone: ZoneInfo) -> list[SlotView]:
    """All slots of these crews on these days, each with whether it is free."""
    if not crews or not days:
        return []
    window = Range(
        datetime.combine(min(days), datetime.min.time(), zone),
        datetime.combine(max(days) + timedelta(days=1), datetime.min.time(), zone),
    )
    booked = session.execute(
        select(Visit.crew_id, func.lower(Visit.during), func.upper(Visit.during)).where(
            Visit.crew_id.in_([crew.id for crew in crews]), Visit.during.op("&&")(window)
        )
    ).all()
    return [
        SlotView(
            crew_id=crew.id,
            starts_at=starts,
            ends_at=ends,
            free=not any(who == crew.id and begin < ends and starts < end for who, begin, end in booked),
        )
        for on in days
        for crew in crews
        for starts, ends in day_slots(crew, on, zone)
    ]


def free_slots(session: Session, *, after: datetime, zone: ZoneInfo, days: int = 3, limit: int = 10) -> list[SlotView]:
    """The next free slots of all crews, earliest first."""
    crews = session.scalars(select(Crew).order_by(Crew.code)).all()
    first = after.astimezone(zone).date()
    found = slots(session, crews, [first + timedelta(days=step) for step in range(days + 1)], zone)
    return sorted((slot for slot in found if slot.free and slot.starts_at > after), key=lambda slot: slot.starts_at)[
        :limit
    ]


def book(
    session: Session, process_id: UUID, *, crew_id: UUID, starts_at: datetime, at: datetime, zone: ZoneInfo
) -> tuple[Crew, Slot]:
    """Book a slot for a process, in place of the one that it had.

    Raises:
        Refusal: no such crew or slot, a slot in the past, or one that somebody else has.
    """
    crew = get_crew(session, crew_id)
    slot = next((s for s in day_slots(crew, starts_at.astimezone(zone).date(), zone) if s[0] == starts_at), None)
    if slot is None:
        raise invalid(
            "slot_unknown",
            f"Take a slot from GET /v1/crews/{crew_id}/slots?on=…: the crew has none at that time.",
            {"starts_at": "not the beginning of a slot"},
        )
    if starts_at <= at:
        raise invalid("slot_past", "Choose a slot in the future.", {"starts_at": "in the past"})
    visit = {"crew_id": crew_id, "process_id": process_id, "starts_at": slot[0], "ends_at": slot[1], "at": at}
    try:
        session.execute(_BOOK, visit)
    except IntegrityError as failure:
        if isinstance(failure.orig, psycopg.errors.ExclusionViolation):
            raise conflict("slot_taken", "Somebody has just taken this slot: choose another one.") from None
        raise
    return crew, slot


def release(session: Session, process_id: UUID) -> bool:
    """Free the slot of a process, if it has one."""
    deleted = session.execute(delete(Visit).where(Visit.process_id == process_id).returning(Visit.id))
    return deleted.first() is not None


def visit_of(session: Session, process_id: UUID) -> tuple[Crew, Slot] | None:
    """The crew and slot that are booked for a process."""
    row = session.execute(_VISIT, {"process_id": process_id}).one_or_none()
    return None if row is None else (row[0], (row[1], row[2]))
