"""An outage of the network: what is registered, how it may change, and the policy that it pins."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.contracts.instants import PlausibleInstant
from models.contracts.processes import Reason
from models.contracts.texts import Storable

MOST_NODES = 500
"""An outage of more is one of the node above them."""
_LONGEST = timedelta(days=60)
Duration = Annotated[timedelta, Field(ge=timedelta(0), le=_LONGEST)]
"""ISO 8601, such as PT4H or P3D; at most sixty days."""
_Positive = Annotated[timedelta, Field(gt=timedelta(0), le=_LONGEST)]
_Nodes = Annotated[list[UUID], Field(min_length=1, max_length=MOST_NODES)]


class OutageKind(StrEnum):
    """Whether it was known beforehand."""

    PLANNED = "planned"
    EMERGENCY = "emergency"


class OutageStage(StrEnum):
    """The stages of an outage, in their order."""

    LISTING = "listing"
    """Those affected are written down."""
    WAITING = "waiting"
    """Planned: it is not time yet to say so."""
    ANNOUNCED = "announced"
    UNDER_WAY = "under_way"
    SETTLEMENT = "settlement"
    """It is over: those who were told are told so, dunning goes on, credits are given."""
    CLOSED = "closed"


class CreditRule(BaseModel):
    """What an outage gives back of the monthly fee: a share of it for each minute beyond the threshold."""

    model_config = ConfigDict(extra="forbid")
    threshold: Duration = timedelta(hours=1)
    """How long a service may be interrupted before anything is given back, in whole minutes."""
    cap_percent: Annotated[int, Field(ge=1, le=100)] = 100
    """The most that the outages of a month give back of a service's fee for it."""
    credits_planned: bool = False
    """Whether works that were announced are credited too."""

    @model_validator(mode="after")
    def _is_in_minutes(self) -> Self:
        if self.threshold % timedelta(minutes=1):
            raise ValueError("the threshold is in whole minutes")
        return self


class OutagePolicy(BaseModel):
    """When who is told of an outage, and what it gives back. An outage pins the version that it began with."""

    model_config = ConfigDict(extra="forbid")
    notice: Duration = timedelta(hours=24)
    """How long before planned works those affected are to know of them; it is never less for quiet hours."""
    emergency_lasts: _Positive = timedelta(hours=4)
    """The expected end of an emergency for which nobody gave one."""
    new_end_within: _Positive = timedelta(minutes=30)
    """How long the dispatcher has for a new end once the expected one has passed, until their head is told."""
    overrun_after: _Positive = timedelta(minutes=30)
    """How long after the expected end those affected are told that it takes longer."""
    overrun_every: _Positive = timedelta(hours=4)
    """After how long they are told so again while there is no new end."""
    overruns_at_most: Annotated[int, Field(ge=0, le=20)] = 2
    """How often they are told so for one expected end."""
    figures_within: Duration = timedelta(days=1)
    """How long after the end the process waits at most for what becomes of its SMS, before it closes."""
    receipts_within: Duration = timedelta(minutes=5)
    """How long the last SMS that was sent may wait for the provider's receipt."""
    credit: CreditRule = CreditRule()


class NewOutage(Storable):
    """An outage to be registered. It covers its nodes and everything below them."""

    model_config = ConfigDict(extra="forbid")
    kind: OutageKind
    node_ids: _Nodes
    starts_at: PlausibleInstant | None = None
    """When the service is away from; an emergency begins now unless said."""
    ends_at: PlausibleInstant | None = None
    """When it is expected back; for an emergency the policy's usual duration unless said."""
    reason: Reason = Field(examples=["замена магистрального кабеля"])
    """For the staff; subscribers are not told."""

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.kind is OutageKind.PLANNED and (self.starts_at is None or self.ends_at is None):
            raise ValueError("planned works need starts_at and ends_at")
        return self


class OutageChange(Storable):
    """What changes about an outage; what is not named stays. One that ends can't change otherwise with it."""

    model_config = ConfigDict(extra="forbid")
    starts_at: PlausibleInstant | None = None
    ends_at: PlausibleInstant | None = None
    node_ids: _Nodes | None = None
    """All nodes from now on."""
    reason: Reason | None = None
    ended: bool = False
    """It is over now."""
    ended_at: PlausibleInstant | None = None
    """It was over at that time. Before its start it does not take place at all."""

    @property
    def is_end(self) -> bool:
        """Whether it says that the outage is over."""
        return self.ended or self.ended_at is not None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        others = (self.starts_at, self.ends_at, self.node_ids, self.reason)
        if self.is_end and any(value is not None for value in others):
            raise ValueError("say that it ended and nothing else")
        if not self.is_end and all(value is None for value in others):
            raise ValueError("name what changes")
        return self


class OutageProgress(BaseModel):
    """How far the process has come: answer of the query `progress`."""

    listed: int = 0
    """Services written down so far."""
    looked_at: int = 0
    """Of these, for how many it was decided in the present round what their subscribers are told."""
    told: int = 0
    """SMS asked for in the present round."""
    credit_looked_at: int = 0
    credited: int = 0
    credited_minor: int = 0


class CurrentOutage(BaseModel):
    """An outage that affects somebody now."""

    model_config = ConfigDict(frozen=True)
    process_id: UUID
    kind: OutageKind
    starts_at: datetime
    ends_at: datetime
    """When the service is expected back."""
