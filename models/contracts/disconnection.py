"""The disconnection of a service: what is asked for, and what its process and its steps say to each other."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.contracts.catalogue import CalendarDay
from models.contracts.processes import Reason, TaskDurations


class DisconnectionStage(StrEnum):
    """The stages of a disconnection, in their order."""

    REQUEST = "request"
    CONTROL = "control"
    SETTLEMENT = "settlement"
    SCHEDULING = "scheduling"
    DISMANTLING = "dismantling"
    RETURN = "return"
    TERMINATION = "termination"
    REFUND = "refund"
    CLOSED = "closed"


DEBT_PAID = "debt_paid"
"""Why a disconnection for a debt ends before its goal, and the refusal of a dismantling that would come after."""


class NewDisconnection(BaseModel):
    """A subscriber's wish to leave."""

    model_config = ConfigDict(extra="forbid")
    subscription_id: UUID
    reason: Reason = Field(examples=["moves to another town"])
    requested_on: CalendarDay
    """The first day without the service, today or later: it is charged up to the day before."""


class DisconnectionPolicy(BaseModel):
    """How long a disconnection waits for what. A process pins the version that it started with."""

    model_config = ConfigDict(extra="forbid")
    accepted_ahead: timedelta = timedelta(days=366)
    """How far away the wished day may be."""
    starts_ahead: timedelta = timedelta(days=7)
    """How long before the wished day accounting and then the dispatcher are asked."""
    payment_reminder_after: timedelta = timedelta(days=3)
    payment_expires_after: timedelta = timedelta(days=10)
    """Within what time the final invoice, and one for equipment that is not given back, is to be paid."""
    tasks: TaskDurations = TaskDurations()

    @model_validator(mode="after")
    def _reminds_before_it_expires(self) -> Self:
        if not timedelta(0) < self.payment_reminder_after < self.payment_expires_after:
            raise ValueError("the reminder must come after the invoice and before the expiry")
        if min(self.accepted_ahead, self.starts_ahead) < timedelta(0):
            raise ValueError("days ahead can't be negative")
        if min(self.tasks.model_dump().values()) <= timedelta(0):
            raise ValueError("each task needs a positive duration")
        return self


class DisconnectionInput(BaseModel):
    """Input of the workflow `Disconnection`."""

    process_id: UUID
    subscriber_id: UUID
    account_no: str
    starts_at: datetime
    """When it is time to act."""
    ends_at: datetime
    """When the wished day begins in the operator's zone."""
    for_debt: bool
    """Started by dunning: nothing is asked of accounting, and a full payment ends it."""
    policy: DisconnectionPolicy


class Settlement(BaseModel):
    """Result of accounting's control: what is to be paid before anybody goes there, and what of it is new."""

    outstanding_minor: int
    """With the final invoice, less what the account has in advance."""
    final_minor: int
    """The final invoice, VAT included; negative where more is given back than charged."""
    is_invoiced: bool


class PiecesToTakeBack(BaseModel):
    """How many pieces of equipment a crew has to dismantle."""

    pieces: int


class Fate(BaseModel):
    """Whether a disconnection goes on to its end, because it came to the point of no return first."""

    is_irrevocable: bool


class Termination(BaseModel):
    """Whether the service has ended, or a payment of the debt was there before it could."""

    is_terminated: bool
