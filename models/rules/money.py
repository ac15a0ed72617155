"""Arithmetic of money in whole minor units (tiyn), with one rounding rule: half away from zero.

Only what a bank keeps for itself is rounded as that bank rounds.
"""

from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal
from enum import StrEnum

BASIS_POINTS = 10_000


class Rounding(StrEnum):
    """How a part of a tiyn is rounded."""

    HALF_UP = "half_up"
    """Half a tiyn away from zero."""
    DOWN = "down"
    """Towards zero."""
    UP = "up"
    """Away from zero."""


_DECIMAL_ROUNDING = {Rounding.HALF_UP: ROUND_HALF_UP, Rounding.DOWN: ROUND_DOWN, Rounding.UP: ROUND_UP}


def rounded_share(amount_minor: int, numerator: int, denominator: int, rounding: Rounding = Rounding.HALF_UP) -> int:
    """`amount · numerator / denominator`, to a whole tiyn: half away from zero, unless told otherwise.

    Raises:
        ValueError: the denominator is not positive.
    """
    if denominator <= 0:
        raise ValueError("a share needs a positive denominator")
    exact = Decimal(amount_minor) * numerator / denominator
    return int(exact.quantize(Decimal(1), rounding=_DECIMAL_ROUNDING[rounding]))


def vat_inside(gross_minor: int, rate_bp: int) -> int:
    """The VAT contained in a price that includes it, for a rate in basis points (1600 is 16 %).

    Tax Code of Kazakhstan: 16 % from 2026-01-01, 12 % before; the rate of the document's day applies for ever.
    """
    return rounded_share(gross_minor, rate_bp, BASIS_POINTS + rate_bp)


def vat_on_top(net_minor: int, rate_bp: int) -> int:
    """The VAT that comes on top of a price without it, for a rate in basis points (1600 is 16 %)."""
    return rounded_share(net_minor, rate_bp, BASIS_POINTS)


def tenge(amount_minor: int) -> str:
    """A sum for a person: `6 500,00 ₸` (thin grouping by no-break spaces, comma, sign of the tenge)."""
    sign = "−" if amount_minor < 0 else ""
    whole, tiyn = divmod(abs(amount_minor), 100)
    grouped = f"{whole:,}".replace(",", "\u00a0")
    return f"{sign}{grouped},{tiyn:02d}\u00a0₸"
