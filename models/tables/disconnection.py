"""What a disconnection knows beside its process."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class DisconnectionRequest(Base):
    """Why and from when on a service is not wanted any more, and whether that can still be taken back.

    Of the dismantling (or the termination, where there is nothing to dismantle) and the wish to give it up, one is
    first: it writes its time into this row, and the other finds it there.
    """

    __tablename__ = "disconnection_request"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), primary_key=True)
    reason: Mapped[str]
    requested_on: Mapped[date]
    """The first day without the service."""
    dunning_process_id: Mapped[UUID | None] = mapped_column(ForeignKey("process.id"))
    """The dunning whose last step this is; none where the subscriber wished it."""
    irrevocable_at: Mapped[datetime | None]
    given_up_at: Mapped[datetime | None]
    __table_args__ = (CheckConstraint("irrevocable_at IS NULL OR given_up_at IS NULL", name="given_up_or_irrevocable"),)
