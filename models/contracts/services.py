"""What a service costs beside its tariff, and how it is day by day: discounts, charges, freezes.

Ranges of days are half-open: `until` is the first day that is no longer in it.
"""

from datetime import date
from decimal import Decimal
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.contracts.catalogue import MAX_FEE_MINOR, CalendarDay, ChargeKind, ServiceState, SubscriptionStatus, VatMode
from models.contracts.money import Money

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class MonthlySum(Money):
    """A sum a month, or of one time: more than nothing."""

    amount_minor: Annotated[int, Field(gt=0, le=MAX_FEE_MINOR, strict=True)]


class _Range(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    from_on: CalendarDay = Field(alias="from")
    until_on: CalendarDay | None = Field(default=None, alias="until")

    @model_validator(mode="after")
    def _holds_a_day(self) -> Self:
        if self.until_on is not None and self.until_on <= self.from_on:
            raise ValueError("until is the first day that is not in the range: it must come after from")
        return self


class NewDiscount(_Range):
    """A reduction of the tariff's fee: so many percent, or a sum a month."""

    title: Title
    percent: Annotated[Decimal, Field(gt=0, le=100, decimal_places=2)] | None = None
    amount: MonthlySum | None = None
    position: Annotated[int, Field(ge=1, le=1000)] | None = None
    """Several apply in this order, each to what the earlier ones left; the last one unless said."""

    @model_validator(mode="after")
    def _is_one_discount(self) -> Self:
        if (self.percent is None) == (self.amount is None):
            raise ValueError("give either percent or amount")
        return self


class DiscountView(BaseModel):
    """A discount of a service."""

    model_config = ConfigDict(populate_by_name=True)
    id: UUID
    title: str
    percent: float | None
    amount: Money | None
    from_on: date = Field(alias="from")
    until_on: date | None = Field(alias="until")
    position: int
    created_by: str


class NewCharge(_Range):
    """Something that is charged beside the tariff's fee. A one-off charge has a day (`from`) and no end."""

    kind: ChargeKind
    description: Title
    amount: MonthlySum
    vat_mode: VatMode = VatMode.INCLUDED

    @model_validator(mode="after")
    def _is_entered_by_hand(self) -> Self:
        if self.kind is ChargeKind.CREDIT:
            raise ValueError("a credit comes of an outage by itself: give a discount, or credit an invoice")
        return self

    @model_validator(mode="after")
    def _once_has_no_end(self) -> Self:
        if self.kind is ChargeKind.ONE_OFF and self.until_on is not None:
            raise ValueError("a one-off charge has a day and no end: leave out until")
        return self


class ChargeView(BaseModel):
    """A charge of a service."""

    model_config = ConfigDict(populate_by_name=True)
    id: UUID
    kind: ChargeKind
    description: str
    amount: Money
    """Less than nothing for a credit."""
    vat_mode: VatMode
    from_on: date = Field(alias="from")
    until_on: date | None = Field(alias="until")
    created_by: str
    outage_id: UUID | None
    """The outage that a credit is for."""
    formula: str | None
    """How a credit was reckoned."""


class Freeze(_Range):
    """The days on which a subscriber wants no service; without `until` it lasts until it is ended."""


class Unfreeze(BaseModel):
    """The first day on which the service is wanted again."""

    model_config = ConfigDict(extra="forbid")
    on: CalendarDay


class ServicePeriodView(BaseModel):
    """How a service is from one day to another."""

    model_config = ConfigDict(populate_by_name=True)
    from_on: date = Field(alias="from")
    until_on: date | None = Field(alias="until")
    tariff_code: str
    state: ServiceState


class ServiceDays(BaseModel):
    """A service day by day."""

    subscription_id: UUID
    status: SubscriptionStatus
    periods: list[ServicePeriodView]
