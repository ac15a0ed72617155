"""What a tariff change knows beside its process."""

from datetime import date
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.tariff_change import Timing
from models.tables.base import Base, words


class TariffChange(Base):
    """From which tariff to which, and when."""

    __tablename__ = "tariff_change"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), primary_key=True)
    from_tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariff.id"))
    to_tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariff.id"))
    timing: Mapped[Timing] = mapped_column(words(Timing))
    planned_on: Mapped[date]
    """The day that was meant when it was asked for; it may become a later one, never an earlier one."""
    equipment: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{}'"))
    """SKUs to be mounted in place of what does not fit; none where all fits."""
    changed_on: Mapped[date | None]
    """The first day on the new tariff, once it is."""
    __table_args__ = (CheckConstraint("from_tariff_id <> to_tariff_id", name="changes_something"),)
