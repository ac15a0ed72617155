"""The change of a service's tariff: what is asked for, and what its process and its steps say to each other."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.contracts.catalogue import CalendarDay
from models.contracts.processes import TaskDurations
from models.contracts.steps import ProcessStep


class TariffChangeStage(StrEnum):
    """The stages of a tariff change, in their order."""

    REQUEST = "request"
    DEBT_CONTROL = "debt_control"
    STOCK = "stock"
    SCHEDULING = "scheduling"
    REPLACEMENT = "replacement"
    ACT = "act"
    EFFECTIVE_DAY = "effective_day"
    SWITCHING = "switching"
    CLOSED = "closed"


class Timing(StrEnum):
    """When a change is to take effect."""

    NOW = "now"
    """As soon as everything is ready."""
    NEXT_PERIOD = "next_period"
    """On the first day of a month: of the next one, or of the first one for which everything is ready."""
    ON_DATE = "on_date"
    """On a day, or as soon as everything is ready after it."""


class NewTariffChange(BaseModel):
    """A subscriber's wish for another tariff."""

    model_config = ConfigDict(extra="forbid")
    subscription_id: UUID
    tariff_code: str = Field(min_length=1, max_length=40, examples=["home-500"])
    effective: Literal["now", "next_period"] | CalendarDay = Field(
        examples=["now", "next_period", "2026-12-15"],
        description="As soon as it can be; from the first of the next month on; or from a day on.",
    )

    @property
    def timing(self) -> Timing:
        """Which of the three it is."""
        return Timing.ON_DATE if isinstance(self.effective, date) else Timing(self.effective)


class TariffChangePolicy(BaseModel):
    """How long a tariff change waits for what. A process pins the version that it started with."""

    model_config = ConfigDict(extra="forbid")
    debt_reminder_after: timedelta = timedelta(days=3)
    debt_expires_after: timedelta = timedelta(days=10)
    furthest_ahead: timedelta = timedelta(days=92)
    """How far in the future the day of a change may lie."""
    tasks: TaskDurations = TaskDurations()

    @model_validator(mode="after")
    def _reminds_before_it_expires(self) -> Self:
        if not timedelta(0) < self.debt_reminder_after < self.debt_expires_after:
            raise ValueError("the reminder must come after the request and before the expiry")
        if self.furthest_ahead < timedelta(0):
            raise ValueError("a change lies in the future")
        if min(self.tasks.model_dump().values()) <= timedelta(0):
            raise ValueError("each task needs a positive duration")
        return self


class TariffChangeInput(BaseModel):
    """Input of the workflow `TariffChange`."""

    process_id: UUID
    subscriber_id: UUID
    account_no: str
    policy: TariffChangePolicy


class DebtStep(ProcessStep):
    """The control of what is owed, and within what time it is to be paid."""

    pay_within: timedelta


class Compatibility(BaseModel):
    """Whether the new tariff works with what the subscriber has."""

    needs_visit: bool
    mount: list[str]
    """SKUs that are to be mounted; none where only the port does not fit."""
    take_back: list[str]
    """Serial numbers of the pieces that make room for them."""


class EffectiveDay(BaseModel):
    """When the change takes effect: a day, and when it begins where the operator is."""

    on: date
    starts_at: datetime
