"""Installation crews and their visits."""

from datetime import datetime, time
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, func
from sqlalchemy.dialects.postgresql import ARRAY, TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, HasId


class Crew(HasId, Base):
    """A crew and its working day, which is cut into slots of equal length."""

    __tablename__ = "crew"
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    weekdays: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    """ISO weekdays on which the crew works: 1 is Monday."""
    opens_at: Mapped[time]
    closes_at: Mapped[time]
    slot_minutes: Mapped[int]
    __table_args__ = (
        CheckConstraint("closes_at > opens_at", name="day_has_length"),
        CheckConstraint("slot_minutes BETWEEN 15 AND 480", name="slot_has_length"),
    )


class Visit(HasId, Base):
    """A booked slot. The database itself refuses two at once for one crew."""

    __tablename__ = "visit"
    crew_id: Mapped[UUID] = mapped_column(ForeignKey("crew.id"))
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), unique=True)
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    booked_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        ExcludeConstraint(("crew_id", "="), ("during", "&&"), using="gist", name="ex_visit_no_double_booking"),
        CheckConstraint("NOT isempty(during)", name="has_length"),
    )
