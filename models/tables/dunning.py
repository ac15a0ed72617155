"""Dunning: episodes with their rounds and steps, what they keep services at, and what they wait for."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.dunning_words import (
    DisputeOutcome,
    Ending,
    HoldReason,
    PromiseStatus,
    Restriction,
    Rule,
    StepKind,
)
from models.contracts.people import Segment
from models.tables.base import Base, HasId, words


class DunningEpisode(Base):
    """A debt of an account from the day on which it is dunned to its end; its process carries it.

    The round, and what is waited for, are how the process stood when it looked last.
    """

    __tablename__ = "dunning_episode"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    number: Mapped[int]
    """The how-manieth of its account, counted from 1."""
    policy_id: Mapped[UUID] = mapped_column(ForeignKey("policy.id"))
    segment: Mapped[Segment] = mapped_column(words(Segment))
    """The subscriber's at the opening: the ladder does not change under way."""
    opened_at: Mapped[datetime]
    opened_minor: Mapped[int]
    """What was due then."""
    round: Mapped[int] = mapped_column(server_default=text("1"))
    looked_at: Mapped[datetime]
    waits_for: Mapped[Rule | None] = mapped_column(words(Rule))
    wakes_at: Mapped[datetime | None]
    """When it looks again by itself; none where it waits for somebody."""
    ended_at: Mapped[datetime | None]
    ended_as: Mapped[Ending | None] = mapped_column(words(Ending))
    forgives_until_on: Mapped[date | None]
    """Of a cancelled one: what was due by this day is not dunned any more."""
    __table_args__ = (
        UniqueConstraint("account_id", "number"),
        CheckConstraint("(ended_at IS NULL) = (ended_as IS NULL)", name="ends_for_a_reason"),
        Index("uq_dunning_episode_one_open", "account_id", unique=True, postgresql_where="ended_at IS NULL"),
    )


class DunningRound(Base):
    """A climb of the ladder: the first, or one begun anew after a reversal or when a service was given back."""

    __tablename__ = "dunning_round"
    episode_id: Mapped[UUID] = mapped_column(ForeignKey("dunning_episode.process_id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    began_at: Mapped[datetime]
    first_position: Mapped[int]
    """The step with which it began; those before it were taken earlier and are not taken again."""
    is_resumed: Mapped[bool]
    rule: Mapped[Rule | None] = mapped_column(words(Rule))
    """Why it was begun anew."""


class DunningStep(HasId, Base):
    """A step that was taken, and why: each once in a round."""

    __tablename__ = "dunning_step"
    episode_id: Mapped[UUID]
    round: Mapped[int]
    position: Mapped[int]
    kind: Mapped[StepKind] = mapped_column(words(StepKind))
    due_at: Mapped[datetime]
    taken_at: Mapped[datetime]
    owed_minor: Mapped[int]
    facts: Mapped[dict[str, Any]]
    """What was known when it was taken."""
    message_id: Mapped[UUID | None] = mapped_column(ForeignKey("message.id"), index=True)
    __table_args__ = (
        ForeignKeyConstraint(["episode_id", "round"], ["dunning_round.episode_id", "dunning_round.number"]),
        UniqueConstraint("episode_id", "round", "position"),
    )


class DunningRestriction(HasId, Base):
    """A service that dunning keeps throttled or suspended, from a step on until it is lifted."""

    __tablename__ = "dunning_restriction"
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    episode_id: Mapped[UUID] = mapped_column(ForeignKey("dunning_episode.process_id"), index=True)
    step_id: Mapped[UUID] = mapped_column(ForeignKey("dunning_step.id"))
    kind: Mapped[Restriction] = mapped_column(words(Restriction))
    since_at: Mapped[datetime]
    switched_at: Mapped[datetime | None]
    """When the network was made to follow."""
    lifted_at: Mapped[datetime | None]
    lifted_by: Mapped[str | None]
    """The rule or the ending for which."""
    restored_at: Mapped[datetime | None]
    """When the network was made to follow that."""
    __table_args__ = (
        CheckConstraint("(lifted_at IS NULL) = (lifted_by IS NULL)", name="lifted_for_a_reason"),
        CheckConstraint("restored_at IS NULL OR lifted_at IS NOT NULL", name="restored_when_lifted"),
        Index(
            "uq_dunning_restriction_one_a_service",
            "subscription_id",
            unique=True,
            postgresql_where="lifted_at IS NULL",
        ),
    )


class Promise(HasId, Base):
    """A subscriber's word to pay a sum by a day: dunning waits for it."""

    __tablename__ = "promise"
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    amount_minor: Mapped[int]
    until_on: Mapped[date]
    """The last day on which it may be paid."""
    expires_at: Mapped[datetime]
    """The instant at which that day is over."""
    status: Mapped[PromiseStatus] = mapped_column(words(PromiseStatus), server_default="open")
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    decided_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint("(status = 'open') = (decided_at IS NULL)", name="open_means_undecided"),
        Index("uq_promise_one_open", "account_id", unique=True, postgresql_where="status = 'open'"),
    )


class Dispute(HasId, Base):
    """An invoice that the subscriber does not agree with, whole or in part: that part is not dunned meanwhile."""

    __tablename__ = "dispute"
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoice.id"), index=True)
    amount_minor: Mapped[int | None]
    """None: all that is unpaid of the invoice."""
    reason: Mapped[str]
    opened_by: Mapped[str]
    opened_at: Mapped[datetime]
    outcome: Mapped[DisputeOutcome | None] = mapped_column(words(DisputeOutcome))
    note: Mapped[str | None]
    decided_by: Mapped[str | None]
    decided_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("amount_minor > 0", name="amount_positive"),
        CheckConstraint(
            "(outcome IS NULL) = (decided_at IS NULL) AND (outcome IS NULL) = (decided_by IS NULL)",
            name="decided_by_somebody",
        ),
        Index("uq_dispute_one_open", "invoice_id", unique=True, postgresql_where="outcome IS NULL"),
    )


class DunningExclusion(HasId, Base):
    """An account that is not dunned for a while, for a reason."""

    __tablename__ = "dunning_exclusion"
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    reason: Mapped[str]
    until_on: Mapped[date]
    """The first day on which it is dunned again."""
    expires_at: Mapped[datetime]
    """The instant at which that day begins, or the exclusion was ended before."""
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    ended_by: Mapped[str | None]
    ended_at: Mapped[datetime | None]
    __table_args__ = (CheckConstraint("(ended_at IS NULL) = (ended_by IS NULL)", name="ended_by_somebody"),)


class DunningHold(HasId, Base):
    """Another process that dunning waits for on an account, such as an outage: placed and released by that process."""

    __tablename__ = "dunning_hold"
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    reason: Mapped[HoldReason] = mapped_column(words(HoldReason))
    source_id: Mapped[UUID]
    """The process, or whatever else has an id, that placed it."""
    since_at: Mapped[datetime]
    until_at: Mapped[datetime | None]
    released_at: Mapped[datetime | None]
    __table_args__ = (
        Index(
            "uq_dunning_hold_one_a_source",
            "account_id",
            "source_id",
            unique=True,
            postgresql_where="released_at IS NULL",
        ),
        Index("ix_dunning_hold_source_id", "source_id", postgresql_where="released_at IS NULL"),
    )
