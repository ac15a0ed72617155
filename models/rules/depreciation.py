"""What a used piece of equipment is still worth: straight-line depreciation down to a floor.

The straight-line method of IAS 16 «Property, Plant and Equipment», paragraphs 60-62: an asset loses an equal part of
its value in each month of its useful life, from the day on which it is put to use. Useful life and the share that is
left at its end are the operator's accounting policy.
"""

from dataclasses import dataclass
from datetime import date

from models.rules.money import BASIS_POINTS, rounded_share, tenge


@dataclass(frozen=True)
class Depreciation:
    """The operator's rule: how many months a piece serves, and which share of its price is always left."""

    life_months: int
    floor_bp: int


@dataclass(frozen=True)
class Residual:
    """What is left of a price in tiyn, and how that was reckoned, in Russian as lines are kept."""

    amount_minor: int
    formula: str


def full_months(from_on: date, until_on: date) -> int:
    """Whole months from one day to another; a month that has begun doesn't count, nor does a day before the first."""
    months = (until_on.year - from_on.year) * 12 + until_on.month - from_on.month
    return max(0, months - (until_on.day < from_on.day))


def residual(price_minor: int, used_months: int, rule: Depreciation) -> Residual:
    """The residual price after so many months of use; half a tiyn is rounded away from zero."""
    left_months = max(0, rule.life_months - used_months)
    by_months = rounded_share(price_minor, left_months, rule.life_months)
    floor = rounded_share(price_minor, rule.floor_bp, BASIS_POINTS)
    if floor > by_months:
        percent = f"{rule.floor_bp / 100:g}".replace(".", ",")
        return Residual(floor, f"{tenge(price_minor)} × {percent}\u00a0%, наименьшая стоимость")
    return Residual(by_months, f"{tenge(price_minor)} × {left_months}/{rule.life_months} мес. службы")
