"""Equipment in stock, as it is spoken of outside."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Serial = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{2,59}$")]
Sku = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class StockState(StrEnum):
    """Where a piece of equipment is."""

    IN_STOCK = "in_stock"
    RESERVED = "reserved"
    INSTALLED = "installed"
    SCRAPPED = "scrapped"
    LOST = "lost"


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
