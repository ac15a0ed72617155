"""How a part of an invoice is taken back: line by line, so that all parts together are the whole to the tiyn."""

from collections.abc import Sequence

from models.rules.money import rounded_share


def split_over_lines(amount_minor: int, left_minor: Sequence[int]) -> list[int]:
    """Divide an amount over lines in proportion to what is left of each; the parts add up to the amount.

    No part exceeds what is left of its line, and the whole rest divides into exactly what is left. A discount's line
    is negative and gets a negative part.

    Raises:
        ValueError: the amount is not within (0, sum of what is left].
    """
    whole = sum(left_minor)
    if not 0 < amount_minor <= whole:
        raise ValueError("an amount to be divided lies within what is left")
    # Positive lines first: the running sum then never crosses zero, where rounding half away from zero changes its
    # direction and a part could come out one tiyn too large.
    order = sorted(range(len(left_minor)), key=lambda index: left_minor[index] < 0)
    parts = [0] * len(left_minor)
    running = given = 0
    for index in order:
        running += left_minor[index]
        upto = rounded_share(amount_minor, running, whole)
        parts[index] = upto - given
        given = upto
    return parts


def vat_of_part(part_minor: int, *, before_minor: int, line_total_minor: int, line_vat_minor: int) -> int:
    """The VAT in a part of a line of which `before_minor` were taken back earlier, at the line's own rate.

    Cumulative: however a line is divided, the VAT of all its parts is the line's VAT.
    """
    if line_total_minor == 0:
        return 0
    size = abs(line_total_minor)
    sign = 1 if line_total_minor > 0 else -1
    upto = rounded_share(line_vat_minor, sign * (before_minor + part_minor), size)
    return upto - rounded_share(line_vat_minor, sign * before_minor, size)
