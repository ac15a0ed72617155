"""How a part of an invoice is taken back: line by line, so that all parts together are the whole to the tiyn."""

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from models.rules.money import rounded_share


class OpenLine(NamedTuple):
    """A line of an invoice, and what of it is not credited yet, in tiyn."""

    invoice_id: UUID
    line_no: int
    left_minor: int
    is_meant: bool
    """Whether it charges what is to be given back."""


def give_back(amount_minor: int, lines: Sequence[OpenLine]) -> dict[UUID, dict[int, int]]:
    """What is taken back of which line of which invoice, so that the parts add up to the amount, or as near as it goes.

    The lines come invoice by invoice, in the order in which these are to be drawn on: first on what is meant, in all
    invoices, then on the rest of them. No invoice and no line is credited beyond what is left of it; an invoice of
    which nothing is left afterwards is taken back line by line, with those that offset each other.
    """
    invoices = {invoice_id: list(group) for invoice_id, group in groupby(lines, key=lambda line: line.invoice_id)}
    drawn: dict[UUID, dict[bool, int]] = {invoice_id: {} for invoice_id in invoices}
    for is_meant in (True, False):
        for invoice_id, listed in invoices.items():
            part = min(amount_minor, _capacity(listed, is_meant=is_meant))
            drawn[invoice_id][is_meant] = part
            amount_minor -= part
    taken = {invoice_id: _parts(listed, drawn[invoice_id]) for invoice_id, listed in invoices.items()}
    return {invoice_id: parts for invoice_id, parts in taken.items() if parts}


def _capacity(lines: Sequence[OpenLine], *, is_meant: bool) -> int:
    left = max(0, sum(line.left_minor for line in lines))
    meant = min(left, max(0, sum(line.left_minor for line in lines if line.is_meant)))
    return meant if is_meant else left - meant


def _parts(lines: Sequence[OpenLine], drawn: dict[bool, int]) -> dict[int, int]:
    amount_minor = sum(drawn.values())
    if not amount_minor:
        return {}
    if amount_minor == sum(line.left_minor for line in lines):
        return {line.line_no: line.left_minor for line in lines if line.left_minor}
    parts: dict[int, int] = {}
    for is_meant, part in drawn.items():
        alike = [line for line in lines if line.is_meant is is_meant]
        if part:
            shares = split_over_lines(part, [line.left_minor for line in alike])
            parts |= {line.line_no: share for line, share in zip(alike, shares, strict=True) if share}
    return parts


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
