"""Which outages were reckoned for which services: the guard against giving the same minutes back twice."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, TSTZRANGE, Range
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class CreditedOutage(Base):
    """An outage that was reckoned for a service; what it gives back are the service's charges of the kind `credit`."""

    __tablename__ = "credited_outage"
    outage_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"), primary_key=True, index=True)
    during: Mapped[Range[datetime]] = mapped_column(TSTZRANGE)
    """The interruption, in whole minutes: this outage's time with that of earlier ones that it touches."""
    credited: Mapped[Sequence[Range[datetime]]] = mapped_column(TSTZMULTIRANGE)
    """All its minutes that are credited so far, whether anybody pays for them or not."""
    total_minor: Mapped[int]
    """What it gave back, with VAT."""
    credited_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("NOT isempty(during)", name="during_something"),
        CheckConstraint("total_minor >= 0", name="never_negative"),
    )
