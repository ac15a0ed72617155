"""Requests of subscribers: what is wanted, what was said, what each follows, and its clock."""

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.people import Language, Role
from models.contracts.request_words import (
    Channel,
    LinkEnding,
    LinkKind,
    PauseReason,
    Priority,
    RequestEnding,
    TextKind,
    Turn,
)
from models.tables.base import Base, HasId, words


class Request(Base):
    """A request beside its process, which knows the subscriber (if any), the status and the pinned policy.

    The `sla_` columns are the clock of `models.rules.sla`, kept together with what follows from it, so that lists need
    not reckon: they are written anew whenever the clock is changed. At an instant `t` its state is, in this order:
    stopped: missed where `sla_due_at <= sla_stopped_at`, else met; breached where `sla_due_at <= t`; paused where
    `sla_paused_at` is set; warned where `sla_warn_at <= t`; else running.
    """

    __tablename__ = "request"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), primary_key=True)
    phone: Mapped[str]
    """In E.164: where it came from, or the subscriber's number at that time. Personal."""
    language: Mapped[Language] = mapped_column(words(Language))
    """In which somebody unknown is written to; subscribers have a language of their own."""
    channel: Mapped[Channel] = mapped_column(words(Channel))
    category: Mapped[str]
    """A code of the pinned policy."""
    priority: Mapped[Priority] = mapped_column(words(Priority))
    owner: Mapped[Role] = mapped_column(words(Role))
    """The department whose it is."""
    turn: Mapped[Turn] = mapped_column(words(Turn))
    turns: Mapped[int] = mapped_column(server_default=text("1"))
    """Counts whose turn it was: its tasks are told apart by it."""
    revision: Mapped[int] = mapped_column(server_default=text("0"))
    """Grows with every change, so that the process knows which of two looks is the newer one."""
    round: Mapped[int] = mapped_column(server_default=text("1"))
    """Grows with every reopening."""
    asked_until: Mapped[datetime | None]
    """While a question is open: until when its answer is waited for."""
    ended_as: Mapped[RequestEnding | None] = mapped_column(words(RequestEnding))
    reopen_until: Mapped[datetime | None]
    """Of a closed one: until when the subscriber may reopen it."""
    sla_started_at: Mapped[datetime]
    sla_target: Mapped[timedelta]
    """Working time."""
    sla_warn_after: Mapped[timedelta]
    """Working time."""
    sla_stopped_at: Mapped[datetime | None]
    sla_spent: Mapped[timedelta] = mapped_column(server_default=text("'0'::interval"))
    """Working time spent by the last change: of a stopped clock, the time that the solution took."""
    sla_warn_at: Mapped[datetime | None]
    sla_due_at: Mapped[datetime | None]
    """None while it is paused before that."""
    sla_paused_at: Mapped[datetime | None]
    sla_warned_at: Mapped[datetime | None]
    """When the head of the department was told that little time is left; once."""
    sla_breached_at: Mapped[datetime | None]
    """When the head of the department was told that it is spent; once."""
    __table_args__ = (
        CheckConstraint(r"phone ~ '^\+[1-9][0-9]{6,14}$'", name="phone_is_e164"),
        CheckConstraint("(turn = 'closed') = (ended_as IS NOT NULL)", name="closed_for_a_reason"),
        CheckConstraint("(turn = 'closed') = (sla_stopped_at IS NOT NULL)", name="closed_stops_the_clock"),
        CheckConstraint("(turn = 'question') = (asked_until IS NOT NULL)", name="asked_until_some_time"),
        Index("ix_request_phone", "phone"),
        Index("ix_request_category", "category"),
        Index("ix_request_open", "process_id", postgresql_where="turn <> 'closed'"),
        Index("ix_request_sla_started_at", "sla_started_at"),
        Index("ix_request_owner_open", "owner", "sla_due_at", postgresql_where="turn <> 'closed'"),
    )


class RequestText(HasId, Base):
    """What somebody said. Personal: it reaches neither a history nor a log."""

    __tablename__ = "request_text"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("request.process_id"))
    key: Mapped[str]
    """Tells a repeated step from a new text."""
    kind: Mapped[TextKind] = mapped_column(words(TextKind))
    body: Mapped[str]
    at: Mapped[datetime]
    actor: Mapped[str]
    """Whoever wrote it down; `subscriber` for what came from outside by itself."""
    __table_args__ = (UniqueConstraint("process_id", "key"),)


class RequestPause(Base):
    """From when to when the clock stood still, and why."""

    __tablename__ = "request_pause"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("request.process_id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[PauseReason] = mapped_column(words(PauseReason))
    began_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    __table_args__ = (CheckConstraint("began_at <= ended_at", name="ends_after_it_begins"),)


class RequestLink(HasId, Base):
    """A process that a request follows or followed; one at a time."""

    __tablename__ = "request_link"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("request.process_id"), index=True)
    follows_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), index=True)
    kind: Mapped[LinkKind] = mapped_column(words(LinkKind))
    linked_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ended_as: Mapped[LinkEnding | None] = mapped_column(words(LinkEnding))
    __table_args__ = (
        CheckConstraint("process_id <> follows_id", name="follows_another"),
        CheckConstraint("(ended_at IS NULL) = (ended_as IS NULL)", name="ends_for_a_reason"),
        Index("uq_request_link_one_at_a_time", "process_id", unique=True, postgresql_where="ended_at IS NULL"),
    )
