"""The projection of the processes: for lists and search. Temporal is where they live."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, Text, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.people import Role
from models.contracts.processes import ProcessKind, ProcessStatus, TaskStatus
from models.tables.base import Base, HasId, words


class Process(HasId, Base):
    """One process of a subscriber or of the operator, from its opening to its end."""

    __tablename__ = "process"
    kind: Mapped[ProcessKind] = mapped_column(words(ProcessKind))
    workflow_id: Mapped[str] = mapped_column(unique=True)
    status: Mapped[ProcessStatus] = mapped_column(words(ProcessStatus), server_default="open")
    stage: Mapped[str]
    waiting_for: Mapped[str | None]
    subscriber_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscriber.id"), index=True)
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"))
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscription.id"))
    policy_id: Mapped[UUID | None] = mapped_column(ForeignKey("policy.id"))
    sole_key: Mapped[str | None]
    """What an open process has to itself, such as the month of a billing run; none where others may be beside it."""
    idempotency_key: Mapped[str | None] = mapped_column(unique=True)
    request_sha256: Mapped[bytes | None]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime] = mapped_column(server_default=func.now())
    closed_at: Mapped[datetime | None]
    close_reason: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("(status = 'open') = (closed_at IS NULL)", name="open_means_not_closed"),
        Index("ix_process_kind_status_stage", "kind", "status", "stage"),
        Index("ix_process_open_by_account", "account_id", postgresql_where="status = 'open'"),
        Index(
            "uq_process_sole_key",
            "sole_key",
            unique=True,
            postgresql_where="status = 'open' AND sole_key IS NOT NULL",
        ),
        Index(
            "uq_process_one_open_a_subscription",
            "subscription_id",
            unique=True,
            postgresql_where="status = 'open' AND kind IN ('connection', 'disconnection', 'tariff_change')",
        ),
    )


class ProcessStage(Base):
    """When a process last entered a stage."""

    __tablename__ = "process_stage"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    entered_at: Mapped[datetime]


class TimelineEntry(HasId, Base):
    """What happened, when, by whom and why; rendered into a sentence when it is read."""

    __tablename__ = "timeline_entry"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"))
    key: Mapped[str]
    """Tells a repeated step from a new event."""
    event: Mapped[str]
    at: Mapped[datetime]
    actor: Mapped[str]
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    __table_args__ = (UniqueConstraint("process_id", "key"),)


class ConnectionApplication(Base):
    """What the applicant ordered; the facts of a connection beside its process."""

    __tablename__ = "connection_application"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), primary_key=True)
    equipment: Mapped[list[str]] = mapped_column(ARRAY(Text))
    """SKUs; one that stands twice is wanted twice."""


class Task(HasId, Base):
    """A staff task: what a department is asked to do, and what came of it."""

    __tablename__ = "task"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), index=True)
    kind: Mapped[str]
    department: Mapped[Role] = mapped_column(ForeignKey("department.code"))
    status: Mapped[TaskStatus] = mapped_column(words(TaskStatus), server_default="open")
    facts: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """What the form shows beforehand, such as the serial numbers that are reserved."""
    opened_at: Mapped[datetime]
    due_at: Mapped[datetime]
    escalated_at: Mapped[datetime | None]
    claimed_by: Mapped[UUID | None] = mapped_column(ForeignKey("staff.id"))
    outcome: Mapped[str | None]
    data: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    completed_at: Mapped[datetime | None]
    completed_by: Mapped[str | None]
    __table_args__ = (
        CheckConstraint(
            "(status = 'done') = (outcome IS NOT NULL AND completed_at IS NOT NULL AND completed_by IS NOT NULL)",
            name="done_means_by_somebody",
        ),
        Index("ix_task_department_status_due_at", "department", "status", "due_at"),
        Index("ix_task_claimed", "claimed_by", postgresql_where="status = 'open'"),
    )


class TaskSubmission(HasId, Base):
    """What a person sent in for a task, kept before the process sees it: histories carry only its id."""

    __tablename__ = "task_submission"
    task_id: Mapped[UUID] = mapped_column(ForeignKey("task.id"), index=True)
    outcome: Mapped[str]
    data: Mapped[dict[str, Any]]
    actor: Mapped[str]
    source: Mapped[str]
    """Where it came from: the API with the caller's address, or the Temporal UI."""
    submitted_at: Mapped[datetime] = mapped_column(server_default=func.now())
