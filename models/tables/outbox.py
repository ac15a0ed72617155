"""What the workflow engine is to be told, written in the transaction that makes it true."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, Index, func, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base, HasId


class Outbox(HasId, Base):
    """A workflow to start, to signal, or to signal with a start."""

    __tablename__ = "outbox"
    workflow_id: Mapped[str]
    workflow_type: Mapped[str | None]
    task_queue: Mapped[str | None]
    start_input: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    signal: Mapped[str | None]
    signal_input: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    attempts: Mapped[int] = mapped_column(server_default=text("0"))
    next_attempt_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_error: Mapped[str | None]
    delivered_at: Mapped[datetime | None]
    """Told, or found to have nobody left who would listen (then `last_error` says so)."""
    __table_args__ = (
        CheckConstraint("workflow_type IS NOT NULL OR signal IS NOT NULL", name="says_something"),
        CheckConstraint("(workflow_type IS NULL) = (task_queue IS NULL)", name="a_start_has_a_queue"),
        Index("ix_outbox_waiting", "id", postgresql_where="delivered_at IS NULL"),
    )
