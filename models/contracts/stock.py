"""Equipment in stock, as it is spoken of outside."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from models.contracts.money import Money, PositiveMoney

Serial = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{2,59}$")]
Sku = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


STOCK_STAGE = "stock"
"""The stage in which a process waits for equipment: a delivery of it wakes the process."""


class StockState(StrEnum):
    """Where a piece of equipment is."""

    IN_STOCK = "in_stock"
    RESERVED = "reserved"
    INSTALLED = "installed"
    SCRAPPED = "scrapped"
    LOST = "lost"


class EquipmentKind(StrEnum):
    """What a model of equipment is at a subscriber's: of each kind one does."""

    ONT = "ont"
    ROUTER = "router"
    SWITCH = "switch"
    STB = "stb"
    OTHER = "other"


class Equipment(BaseModel):
    """Result of the reservation: what is missing in stock, by SKU; nothing when all of it is reserved."""

    missing: list[str]


class EquipmentCondition(StrEnum):
    """How a piece is found that a subscriber gives back."""

    TESTED_OK = "tested_ok"
    """It goes back into stock."""
    BROKEN = "broken"
    """It is scrapped."""
    LOST = "lost"
    """The subscriber does not have it any more, and pays what it is still worth."""


class NewEquipmentModel(BaseModel):
    """A model to be added."""

    model_config = ConfigDict(extra="forbid")
    sku: Sku
    title: str = Field(min_length=1, max_length=200)
    kind: EquipmentKind
    price: PositiveMoney


class EquipmentModelView(BaseModel):
    """A model of equipment; the price of one piece includes VAT."""

    sku: str
    title: str
    kind: EquipmentKind
    price: Money


class StockItemView(BaseModel):
    """One piece of equipment."""

    serial: str
    sku: str
    state: StockState


class Delivery(BaseModel):
    """Pieces that arrived."""

    model_config = ConfigDict(extra="forbid")
    sku: Sku
    serials: list[Serial] = Field(min_length=1, max_length=1000)
