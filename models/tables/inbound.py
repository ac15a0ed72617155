"""SMS from outside, as far as they have to be remembered: which came when, and what became of them. Not their texts."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.inbound import InboundOutcome
from models.tables.base import Base, HasId, words


class InboundSms(HasId, Base):
    """One SMS that was taken. What it said is kept by the request that it opened, answered or reopened."""

    __tablename__ = "inbound_sms"
    sid: Mapped[str] = mapped_column(unique=True)
    """The provider's id: what it sends again is known by it."""
    sender: Mapped[str]
    received_at: Mapped[datetime]
    outcome: Mapped[InboundOutcome] = mapped_column(words(InboundOutcome))
    process_id: Mapped[UUID | None] = mapped_column(ForeignKey("process.id"))
    refused_after: Mapped[int] = mapped_column(server_default=text("0"))
    """How many more came from this number after it and before the next one, over the limit: counted, not taken."""
    __table_args__ = (
        CheckConstraint("refused_after >= 0", name="refused_after_not_negative"),
        Index("ix_inbound_sms_sender_received_at", "sender", "received_at"),
    )
