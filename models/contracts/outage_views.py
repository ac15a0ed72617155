"""Outages as staff sees them. Ids and counts; who the people are stands with the subscribers."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel

from models.contracts.messaging import MessageStatus
from models.contracts.money import Money
from models.contracts.outage import OutageKind, OutageProgress, OutageStage
from models.contracts.processes import ProcessStatus
from models.rules.outage_telling import Occasion


class OutageState(StrEnum):
    """Where an outage stands in time."""

    PLANNED = "planned"
    """It lies ahead."""
    CURRENT = "current"
    PAST = "past"
    """It has ended, or does not take place."""


class OutageSummary(BaseModel):
    """An outage. Its id is that of its process."""

    id: UUID
    kind: OutageKind
    state: OutageState
    stage: OutageStage
    status: ProcessStatus
    reason: str
    node_ids: list[UUID]
    """It covers them and everything below them."""
    starts_at: datetime
    ends_at: datetime
    """When the service is expected back."""
    ended_at: datetime | None
    called_off_at: datetime | None
    registered_at: datetime
    announced_at: datetime | None
    closed_at: datetime | None


class OutageFigures(BaseModel):
    """Whom an outage affects and what was done about it. Counts, never people."""

    services: int
    """Affected now, or until it ended."""
    subscribers: int
    told: int
    """SMS on all occasions, without those that were withdrawn before they went."""
    queued: int
    sent: int
    """The provider has them, and has not said yet whether they arrived."""
    delivered: int
    failed: int
    withdrawn: int
    credited: int
    """How many services get something back."""
    credited_sum: Money


class OutageView(OutageSummary):
    """An outage with what was done about it."""

    figures: OutageFigures
    progress: OutageProgress


class AffectedView(BaseModel):
    """A service that an outage affects or affected, and what was said last to whoever has it."""

    subscription_id: UUID
    subscriber_id: UUID
    account_no: str
    from_at: datetime
    until_at: datetime | None
    """None while it lasts."""
    told: Occasion | None
    told_at: datetime | None
    sms: MessageStatus | None
