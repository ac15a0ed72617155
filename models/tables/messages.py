"""SMS: what is to be said to whom, and what became of it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.messaging import MessageStatus, Urgency
from models.contracts.people import Language
from models.tables.base import Base, HasId, words


class Message(HasId, Base):
    """One SMS, written in the transaction of the step that wants it and sent afterwards."""

    __tablename__ = "message"
    key: Mapped[str] = mapped_column(unique=True)
    """Made from durable ids: one step asks for one SMS, however often it is repeated."""
    subscriber_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscriber.id"), index=True)
    staff_id: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    process_id: Mapped[UUID | None] = mapped_column(ForeignKey("process.id"), index=True)
    recipient: Mapped[str]
    template: Mapped[str]
    language: Mapped[Language] = mapped_column(words(Language))
    body: Mapped[str]
    segments: Mapped[int]
    urgency: Mapped[Urgency] = mapped_column(words(Urgency))
    status: Mapped[MessageStatus] = mapped_column(words(MessageStatus), server_default="queued")
    not_before: Mapped[datetime] = mapped_column(server_default=func.now())
    unless_paid_invoice_id: Mapped[UUID | None] = mapped_column(ForeignKey("invoice.id"))
    """A reminder: withdrawn instead of sent once this invoice is settled."""
    unless_over_episode_id: Mapped[UUID | None] = mapped_column(ForeignKey("dunning_episode.process_id"))
    """A step of dunning: withdrawn instead of sent once this episode is over, or nothing is owed any more."""
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    provider_sid: Mapped[str | None] = mapped_column(unique=True)
    error_code: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempted_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("length(body) BETWEEN 1 AND 1600", name="body_fits"),
        CheckConstraint("(subscriber_id IS NULL) <> (staff_id IS NULL)", name="one_recipient"),
        Index(
            "ix_message_due",
            "not_before",
            postgresql_where="status IN ('queued', 'sending', 'unknown')",
        ),
    )
