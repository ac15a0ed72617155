"""Arithmetic of money in whole minor units (tiyn), with one rounding rule: half away from zero."""

from decimal import ROUND_HALF_UP, Decimal

BASIS_POINTS = 10_000


def rounded_share(amount_minor: int, numerator: int, denominator: int) -> int:
    """`amount · numerator / denominator`, half away from zero to a whole tiyn.

    Raises:
        ValueError: the denominator is not positive.
    """
    if denominator <= 0:
        raise ValueError("a share needs a positive denominator")
    exact = Decimal(amount_minor) * numerator / denominator
    return int(exact.quantize(Decimal(1), rounding=ROUND_HALF_UP))


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
