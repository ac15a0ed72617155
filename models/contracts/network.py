"""The network, as it is spoken of outside."""

from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

SpeedMbps = Annotated[int, Field(ge=1, le=1_000_000)]


class NodeKind(StrEnum):
    """What a node of the network tree is."""

    SITE = "site"
    OLT = "olt"
    DISTRIBUTION = "distribution"
    BUILDING = "building"


class PortState(StrEnum):
    """Where a port stands."""

    FREE = "free"
    RESERVED = "reserved"
    ACTIVE = "active"
    SUSPENDED = "suspended"


class NodeView(BaseModel):
    """A node of the network tree."""

    id: UUID
    code: str
    name: str
    kind: NodeKind
    parent_id: UUID | None
    ports_free: int


class NewNode(BaseModel):
    """A node to be added, with its ports."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(min_length=1, max_length=60)
    name: str = Field(min_length=1, max_length=200)
    kind: NodeKind
    parent_id: UUID | None = None
    ports: int = Field(default=0, ge=0, le=1024)
    port_mbps: SpeedMbps | None = None
    """The highest speed that each of its ports carries; any speed unless said."""


class PremisesView(BaseModel):
    """A place that a node reaches."""

    id: UUID
    address: str
    node_id: UUID


class NewPremises(BaseModel):
    """A place to be added."""

    model_config = ConfigDict(extra="forbid")
    address: str = Field(min_length=3, max_length=300)
    node_id: UUID
