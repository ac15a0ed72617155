"""Which line of a bank statement pays for which days of payments.

A bank passes a day's payments on as one sum, its fee taken off, and several days together after a weekend or a
holiday. A line belongs to the days that its purpose names, or else to a run of neighbouring days that amount to it. A
day that is not ready (its registry is missing, or differs) has no known sum, so no run reaches over it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from models.rules.bank_fee import divided
from models.rules.money import BASIS_POINTS


@dataclass(frozen=True, kw_only=True)
class UnsettledDay:
    """A day for which the bank has yet to pay: in tiyn, less whatever it has paid before."""

    on: date
    is_ready: bool
    gross_minor: int = 0
    fee_minor: int | None = None
    """None where the statement tells it."""


@dataclass(frozen=True, kw_only=True)
class BankLine:
    """A line of a statement that is this bank's, and pays for nothing yet."""

    id: UUID
    on: date
    amount_minor: int
    named: frozenset[date]
    """The days that its purpose names."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What was agreed: see `models.contracts.reconciliation`."""

    within_days: int
    tolerance_minor: int = 0
    at_most_bp: int = 0


@dataclass(frozen=True)
class DayShare:
    """What of a transfer is for one day, and what the bank kept of that day."""

    on: date
    net_minor: int
    fee_minor: int


@dataclass(frozen=True)
class Match:
    """A line and the days that it pays for; their nets are its amount."""

    line_id: UUID
    shares: tuple[DayShare, ...]


@dataclass(frozen=True)
class Mismatch:
    """A line that says for which days it is, all of them ready, and has another sum."""

    line_id: UUID
    days: tuple[date, ...]


def match(days: Sequence[UnsettledDay], lines: Sequence[BankLine], terms: Terms) -> tuple[list[Match], list[Mismatch]]:
    """Give lines to days, the oldest first.

    Equal sums are given in their order. Where a fee is not agreed, and a line would do for several runs of days, it is
    left to a person. `days` are all unsettled days of one bank.
    """
    left = {day.on: day for day in sorted(days, key=lambda day: day.on)}
    matches, mismatches = [], []
    for line in sorted(lines, key=lambda line: (line.on, line.id)):
        window = [day for day in left.values() if timedelta(0) <= line.on - day.on <= timedelta(days=terms.within_days)]
        named = [day for day in window if day.on in line.named]
        found = _days_of(line, named, window, terms)
        if found is not None:
            matches.append(found)
            for share in found.shares:
                del left[share.on]
        elif named and all(day.is_ready for day in named):
            mismatches.append(Mismatch(line.id, tuple(day.on for day in named)))
    return matches, mismatches


def _days_of(
    line: BankLine, named: Sequence[UnsettledDay], window: Sequence[UnsettledDay], terms: Terms
) -> Match | None:
    """All days that it names; or else some of them: a purpose may name the day of the registry as well; or others."""
    found = _fitting(line, named, terms) if named else None
    if found is None:
        found = _best(line, named, terms)
    # Where the fee is not agreed any day would do that is a little larger: then its purpose has the last word.
    if found is None and not (named and _is_open(window)):
        found = _best(line, window, terms)
    return found


def _best(line: BankLine, days: Sequence[UnsettledDay], terms: Terms) -> Match | None:
    found = [run for run in (_fitting(line, run, terms) for run in _runs(days)) if run is not None]
    if _is_open(days):
        return found[0] if len(found) == 1 else None
    agreed = {day.on: day.gross_minor - (day.fee_minor or 0) for day in days}
    return min(
        found, key=lambda run: abs(line.amount_minor - sum(agreed[share.on] for share in run.shares)), default=None
    )


def _is_open(days: Sequence[UnsettledDay]) -> bool:
    return any(day.fee_minor is None for day in days if day.is_ready)


def _runs(window: Sequence[UnsettledDay]) -> Iterator[Sequence[UnsettledDay]]:
    """All runs of neighbouring ready days, the oldest first and short ones before long ones."""
    for first in range(len(window)):
        for last in range(first, len(window)):
            if not window[last].is_ready:
                break
            yield window[first : last + 1]


def _fitting(line: BankLine, days: Sequence[UnsettledDay], terms: Terms) -> Match | None:
    """The days' shares, if the line's amount is theirs."""
    if not all(day.is_ready for day in days):
        return None
    gross_minor = sum(day.gross_minor for day in days)
    fees = [day.fee_minor for day in days]
    whole_fee = gross_minor - line.amount_minor
    if None in fees:
        if not 0 <= whole_fee * BASIS_POINTS <= gross_minor * terms.at_most_bp:
            return None
        shares = divided(whole_fee, [max(0, day.gross_minor) for day in days])
    else:
        agreed = [fee for fee in fees if fee is not None]
        if abs(whole_fee - sum(agreed)) > terms.tolerance_minor:
            return None
        shares = [*agreed[:-1], agreed[-1] + whole_fee - sum(agreed)]
    return Match(
        line.id,
        tuple(DayShare(day.on, day.gross_minor - fee, fee) for day, fee in zip(days, shares, strict=True)),
    )
