"""Money as the contract writes it."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_AMOUNT_MINOR = 10**13
"""A hundred billion tenge: a larger sum is a mistake, not a payment."""

MAX_BALANCE_MINOR = 10**17
"""A balance is a sum of amounts: a payment must never fail because the balance that answers it is too large."""

AmountMinor = Annotated[int, Field(ge=-MAX_BALANCE_MINOR, le=MAX_BALANCE_MINOR, strict=True)]


class Money(BaseModel):
    """An amount in minor units: 500000 is 5 000,00 ₸ (100 tiyn to a tenge)."""

    model_config = ConfigDict(
        frozen=True, json_schema_extra={"examples": [{"amount_minor": 500000, "currency": "KZT"}]}
    )

    amount_minor: AmountMinor
    currency: Literal["KZT"] = "KZT"


class PositiveMoney(Money):
    """An amount that is paid or charged: more than nothing."""

    amount_minor: Annotated[int, Field(gt=0, le=MAX_AMOUNT_MINOR, strict=True)]


def kzt(amount_minor: int) -> Money:
    """Tiyn as money."""
    return Money(amount_minor=amount_minor)
