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
    """A number. With neither a subscriber nor staff it is somebody's who is not known."""
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
    is_answer: Mapped[bool] = mapped_column(server_default=text("false"))
    """An automatic answer to an SMS that came in: only so many a day go to one number."""
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    provider_sid: Mapped[str | None] = mapped_column(unique=True)
    error_code: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempted_at: Mapped[datetime | None]
    settled_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("length(body) BETWEEN 1 AND 1600", name="body_fits"),
        CheckConstraint("num_nonnulls(subscriber_id, staff_id) <= 1", name="one_recipient"),
        # What can't wait comes before notices, and the longest due first: the order in which the delivery takes them.
        Index(
            "ix_message_queued", text("(urgency = 'notice')"), "not_before", "id", postgresql_where="status = 'queued'"
        ),
        Index("ix_message_in_doubt", "not_before", postgresql_where="status IN ('sending', 'unknown')"),
        Index("ix_message_answer", "recipient", "created_at", postgresql_where="is_answer"),
    )


class MessageRecall(HasId, Base):
    """A process has taken back what it had asked for by then: what comes back to the queue is not tried again."""

    __tablename__ = "message_recall"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), index=True)
    key_prefix: Mapped[str]
    """How the keys of these SMS begin; all of the process's where it is empty."""
    reason: Mapped[str]
    recalled_at: Mapped[datetime]
