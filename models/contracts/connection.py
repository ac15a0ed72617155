"""The connection of a subscriber: what is ordered, and what its process and its steps say to each other."""

from datetime import timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.contracts.people import NewSubscriber
from models.contracts.processes import TaskDurations
from models.contracts.stock import Sku


class ConnectionStage(StrEnum):
    """The stages of a connection, in their order."""

    APPLICATION = "application"
    STOCK = "stock"
    CONTRACT = "contract"
    PREPAYMENT = "prepayment"
    SCHEDULING = "scheduling"
    INSTALLATION = "installation"
    HANDOVER = "handover"
    ACTIVATION = "activation"
    CLOSED = "closed"


class NewConnection(BaseModel):
    """An application for a connection, by a new subscriber or a known one."""

    model_config = ConfigDict(extra="forbid")
    subscriber: NewSubscriber | None = None
    subscriber_id: UUID | None = None
    premises_id: UUID
    tariff_code: str = Field(min_length=1, max_length=40, examples=["home-100"])
    equipment: list[Sku] = Field(default=[], max_length=20, examples=[["ont-gpon", "router-ax"]])

    @model_validator(mode="after")
    def _names_one_subscriber(self) -> Self:
        if (self.subscriber is None) == (self.subscriber_id is None):
            raise ValueError("give either subscriber (a new one) or subscriber_id (a known one)")
        return self


class ConnectionPolicy(BaseModel):
    """How long a connection waits for what. A process pins the version that it started with."""

    model_config = ConfigDict(extra="forbid")
    prepayment_reminder_after: timedelta = timedelta(days=3)
    prepayment_expires_after: timedelta = timedelta(days=10)
    tasks: TaskDurations = TaskDurations()

    @model_validator(mode="after")
    def _reminds_before_it_expires(self) -> Self:
        if not timedelta(0) < self.prepayment_reminder_after < self.prepayment_expires_after:
            raise ValueError("the reminder must come after the invoice and before the expiry")
        if min(self.tasks.model_dump().values()) <= timedelta(0):
            raise ValueError("each task needs a positive duration")
        return self


class ConnectionInput(BaseModel):
    """Input of the workflow `Connection`."""

    process_id: UUID
    subscriber_id: UUID
    account_no: str
    policy: ConnectionPolicy
