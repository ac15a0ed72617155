"""Requests of subscribers: what is registered, how it may change, and how it is shown."""

from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.contracts.people import AnyPhone, Language, Role
from models.contracts.processes import ProcessKind, ProcessStatus, Reason
from models.contracts.request_policy import CategoryCode
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
from models.contracts.texts import Storable
from models.rules.sla import SlaState

SUBSCRIBER_ACTOR = "subscriber"
"""The actor of what a subscriber does by themselves, such as by SMS."""
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]


class NewRequest(Storable):
    """What somebody wants, by whom it was said, and how it came in."""

    model_config = ConfigDict(extra="forbid")
    subscriber_id: UUID | None = None
    phone: AnyPhone | None = Field(default=None, examples=["+77011234567"])
    """Where to answer, for somebody who is not a subscriber; of exactly one subscriber, it is theirs."""
    channel: Channel
    category: CategoryCode | None = Field(default=None, examples=["no_internet"])
    """A code of the policy `request`; without one it is sorted by triage."""
    text: Words = Field(examples=["Интернет пропал вечером, на терминале горит красная лампочка"])
    priority: Priority | None = None
    """The category's unless said."""
    language: Language = Language.RU
    """In which somebody unknown is written to."""

    @model_validator(mode="after")
    def _says_who(self) -> Self:
        if self.subscriber_id is None and self.phone is None:
            raise ValueError("name the subscriber_id or the phone")
        return self


class RequestChange(Storable):
    """What staff change about an open request; what is not named stays. Another owner takes it on at once."""

    model_config = ConfigDict(extra="forbid")
    category: CategoryCode | None = None
    priority: Priority | None = None
    owner: Role | None = None
    subscriber_id: UUID | None = None
    """Whose it is, where nobody knew."""
    reason: Reason | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if all(value is None for value in (self.category, self.priority, self.owner, self.subscriber_id)):
            raise ValueError("name what changes")
        return self


class NewAnswer(Storable):
    """What the subscriber answered, or added without being asked."""

    model_config = ConfigDict(extra="forbid")
    text: Words


class Reopening(Storable):
    """Why the subscriber is not content with the solution."""

    model_config = ConfigDict(extra="forbid")
    text: Words


class TextView(BaseModel):
    """What somebody said."""

    kind: TextKind
    text: str
    at: datetime
    actor: str


class LinkView(BaseModel):
    """A process that a request follows or followed, or a request that follows it."""

    kind: LinkKind
    process_id: UUID
    process_kind: ProcessKind
    process_status: ProcessStatus
    linked_at: datetime
    ended_at: datetime | None
    ended_as: LinkEnding | None


class PauseView(BaseModel):
    """A time in which the clock stood still."""

    reason: PauseReason
    began_at: datetime
    ended_at: datetime | None


class ClockView(BaseModel):
    """The clock of a request. Durations are working time of its policy's calendar."""

    state: SlaState
    started_at: datetime
    target: timedelta
    warn_after: timedelta
    spent: timedelta
    warn_at: datetime | None
    due_at: datetime | None
    """None while it stands still."""
    stopped_at: datetime | None
    warned_at: datetime | None
    breached_at: datetime | None
    pauses: list[PauseView]


class RequestView(BaseModel):
    """Everything about a request."""

    process_id: UUID
    status: ProcessStatus
    stage: str
    turn: Turn
    """Who is to do something about it."""
    subscriber_id: UUID | None
    phone: str
    language: Language
    channel: Channel
    category: str
    category_title: str
    priority: Priority
    owner: Role
    round: int
    """1, and one more with every reopening."""
    asked_until: datetime | None
    ended_as: RequestEnding | None
    reopen_until: datetime | None
    policy_version: int
    clock: ClockView
    texts: list[TextView]
    follows: list[LinkView]
    followed_by: list[LinkView]
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None
