"""What is sold, as it is spoken of outside."""

from datetime import date
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from models.contracts.money import Money
from models.contracts.network import SpeedMbps
from models.contracts.stock import Sku

MAX_FEE_MINOR = 10**11
"""A billion tenge a month: a larger fee is a slip of the finger."""

CalendarDay = Annotated[date, Field(ge=date(2000, 1, 1), lt=date(2100, 1, 1))]
"""Far enough from the ends of the calendar that any period can be reckoned with it."""


class Charging(StrEnum):
    """When a period is charged: at its beginning or at its end."""

    ADVANCE = "advance"
    ARREARS = "arrears"


class VatMode(StrEnum):
    """Whether a price holds its VAT already, or the VAT comes on top of it."""

    INCLUDED = "included"
    ON_TOP = "on_top"


class ServiceState(StrEnum):
    """How a service is during a range of days. Whether a state is charged is the billing policy's rule."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    """Switched off by us, for a debt."""
    FROZEN = "frozen"
    """Switched off because the subscriber wished so."""


class ChargeKind(StrEnum):
    """What a charge beside the tariff's fee is for."""

    RECURRING = "recurring"
    """So much a month, while it lasts."""
    EQUIPMENT = "equipment"
    """The rent of equipment: so much a month, while it lasts."""
    ONE_OFF = "one_off"
    """Once, on a day."""
    CREDIT = "credit"
    """Given back once, for an outage on that day; nobody enters it by hand."""


class SubscriptionStatus(StrEnum):
    """Where a service stands."""

    PENDING = "pending"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"
    CANCELLED = "cancelled"


class TariffView(BaseModel):
    """A tariff with the price that is valid today."""

    id: UUID
    code: str
    title: str
    charging: Charging
    connection_fee: Money
    monthly_fee: Money | None
    """None when no price is valid today."""
    vat_mode: VatMode
    """Of the monthly fee; the connection fee always holds its VAT."""
    first_period_upfront: bool
    speed_mbps: int | None
    """What the port has to carry; none where any port will do."""


class NewTariff(BaseModel):
    """A tariff to be added, with its first price."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{1,39}$")
    title: str = Field(min_length=1, max_length=200)
    charging: Charging
    connection_fee_minor: int = Field(ge=0, le=MAX_FEE_MINOR)
    monthly_fee_minor: int = Field(ge=0, le=MAX_FEE_MINOR)
    valid_from: CalendarDay
    vat_mode: VatMode = VatMode.INCLUDED
    """Of the monthly fee; the connection fee always holds its VAT."""
    first_period_upfront: bool = True
    network_profile: str = Field(min_length=1, max_length=60)
    speed_mbps: SpeedMbps | None = None
    """What the port has to carry; any port will do unless said."""


class TariffEquipment(BaseModel):
    """The models of equipment that a tariff works with.

    Of each kind that is among them the subscriber needs one: the first of the kind is what is mounted, the others do
    where they are mounted already. Kinds that are not among them are not looked at.
    """

    model_config = ConfigDict(extra="forbid")
    equipment: list[Sku] = Field(max_length=50, examples=[["ont-xgs", "router-be"]])


class Fee(Money):
    """A monthly fee; nothing is a fee too."""

    amount_minor: Annotated[int, Field(ge=0, le=MAX_FEE_MINOR, strict=True)]


class NewTariffPrice(BaseModel):
    """A price that holds from a day on; the one before it ends there."""

    model_config = ConfigDict(extra="forbid")
    fee: Fee
    valid_from: CalendarDay


class TariffPriceView(BaseModel):
    """The monthly fee of a tariff for a half-open range of days."""

    id: UUID
    fee: Money
    valid_from: date
    valid_until: date | None
