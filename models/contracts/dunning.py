"""Dunning as it is spoken of outside: promises, disputes, exclusions, episodes and why something was done."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from models.contracts.catalogue import CalendarDay
from models.contracts.dunning_words import DisputeOutcome, Ending, PromiseStatus, Restriction, Rule, StepKind
from models.contracts.money import Money, PositiveMoney
from models.contracts.people import Segment

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class NewPromise(BaseModel):
    """The subscriber promises to pay. `until` is the last day on which it may be paid."""

    model_config = ConfigDict(extra="forbid")
    amount: PositiveMoney | None = None
    """All that is owed unless said."""
    until: CalendarDay


class PromiseView(BaseModel):
    """A promise to pay, and what became of it."""

    id: UUID
    amount: Money
    until: date
    status: PromiseStatus
    created_by: str
    created_at: datetime
    decided_at: datetime | None


class NewDispute(BaseModel):
    """The subscriber does not agree with an invoice, or with a part of it."""

    model_config = ConfigDict(extra="forbid")
    invoice_id: UUID
    amount: PositiveMoney | None = None
    """What is disputed of it; all of it unless said."""
    reason: Words


class DisputeDecision(BaseModel):
    """How a dispute is decided, in words that the subscriber may be told."""

    model_config = ConfigDict(extra="forbid")
    outcome: DisputeOutcome
    note: Words


class DisputeView(BaseModel):
    """A dispute about an invoice."""

    id: UUID
    invoice_id: UUID
    amount: Money | None
    reason: str
    opened_by: str
    opened_at: datetime
    outcome: DisputeOutcome | None
    note: str | None
    decided_by: str | None
    decided_at: datetime | None


class NewExclusion(BaseModel):
    """The account is not dunned for a while. `until` is the first day on which it is dunned again."""

    model_config = ConfigDict(extra="forbid")
    until: CalendarDay
    reason: Words


class ExclusionView(BaseModel):
    """A time in which an account is not dunned."""

    id: UUID
    until: date
    reason: str
    created_by: str
    created_at: datetime
    ended_by: str | None
    ended_at: datetime | None


class StepView(BaseModel):
    """A step that was taken, and why."""

    id: UUID
    episode_id: UUID
    round: int
    position: int
    step: StepKind
    due_at: datetime
    taken_at: datetime
    owed: Money
    message_id: UUID | None
    why: str
    """A sentence for a person."""
    facts: dict[str, Any]


class RestrictionView(BaseModel):
    """A service that was throttled or suspended."""

    subscription_id: UUID
    restriction: Restriction
    step_id: UUID
    since_at: datetime
    lifted_at: datetime | None
    lifted_by: str | None


class EpisodeSummary(BaseModel):
    """A debt of an account from the day on which it was dunned to its end."""

    id: UUID
    """Of its process as well."""
    account_no: str
    subscriber_id: UUID
    number: int
    segment: Segment
    policy_version: int
    opened_at: datetime
    opened_with: Money
    owed: Money
    """What is due today, disputed or not."""
    round: int
    last_step: StepKind | None
    waits_for: Rule | None
    wakes_at: datetime | None
    ended_at: datetime | None
    ended_as: Ending | None


class EpisodeView(EpisodeSummary):
    """An episode with its steps and what it keeps services at."""

    steps: list[StepView]
    restrictions: list[RestrictionView]
    waits_because: str | None
    """A sentence for a person."""


class Why(BaseModel):
    """Why an SMS was sent, a service was cut or given back, or a step was taken."""

    episode_id: UUID
    process_id: UUID
    step: StepView | None
    policy_code: str
    policy_version: int
    rule: str
    who: str
    at: datetime
    why: str
    facts: dict[str, Any]


class ForecastRequest(BaseModel):
    """What would happen from a day to another: with a version of the policy, or with a draft of one."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    policy_version: Annotated[int, Field(ge=1)] | None = None
    """The newest one unless said."""
    policy: dict[str, Any] | None = None
    """A draft: the body of a version that is not saved."""
    from_on: CalendarDay = Field(alias="from")
    until_on: CalendarDay = Field(alias="until")
    """The day after the last one; at most a year later."""


class ForecastCounts(BaseModel):
    """How often what would happen."""

    opened: int = 0
    """New episodes."""
    sms: int = 0
    calls: int = 0
    throttled: int = 0
    suspended: int = 0
    disconnected: int = 0


class ForecastDay(ForecastCounts):
    """What would happen on a day, if nobody paid."""

    on: date
    dunned: int
    """Episodes that are open at the end of the day."""
    debt: Money
    """What these owe then."""


class Forecast(BaseModel):
    """What a policy would do on today's real balances, if nobody paid. Nothing is written.

    New debts go by the policy that was asked for; open episodes by the version that each of them pins.
    """

    model_config = ConfigDict(populate_by_name=True)
    from_on: date = Field(alias="from")
    until_on: date = Field(alias="until")
    policy_version: int | None
    """None for a draft."""
    debtors: int
    """Accounts that have or would get an episode."""
    days: list[ForecastDay]
    total: ForecastCounts


class RecoveredByStep(BaseModel):
    """Money that came after a step of dunning and before the next one."""

    step: StepKind | None
    """None: before the first step."""
    payments: int
    amount: Money


class RecoveryReport(BaseModel):
    """Which step brought which money: payments of accounts while they were dunned."""

    model_config = ConfigDict(populate_by_name=True)
    from_on: date = Field(alias="from")
    until_on: date = Field(alias="until")
    items: list[RecoveredByStep]
    total: Money


class OpenByStep(BaseModel):
    """Open episodes by their last step and their age in days."""

    step: StepKind | None
    """None: no step yet."""
    days_0_30: int
    days_31_60: int
    days_61_90: int
    days_over_90: int
    episodes: int
    debt: Money


class OpenEpisodesReport(BaseModel):
    """What is under way."""

    items: list[OpenByStep]
    episodes: int
    debt: Money


class PromiseReport(BaseModel):
    """Promises that were made from one day to another, and what became of them."""

    model_config = ConfigDict(populate_by_name=True)
    from_on: date = Field(alias="from")
    until_on: date = Field(alias="until")
    made: int
    open: int
    kept: int
    broken: int
    withdrawn: int
    promised: Money
    kept_amount: Money
    kept_percent: float | None
    """Of those that were kept or broken."""
