"""What services cost in a month, day by day: written apart from the program, from the rules alone, to compare with it.

A line is a longest run of days that have everything in common. Sums are exact fractions until they are rounded.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

NEW_VAT_ON = date(2026, 1, 1)
"""16 % from this day on, 12 % before it."""


@dataclass(frozen=True)
class TariffFacts:
    id: UUID
    title: str
    in_advance: bool
    vat_on_top: bool
    prices: tuple[tuple[date, int], ...]
    """From a day on, a fee in tiyn."""

    def fee_on(self, day: date) -> int:
        return [fee for since, fee in self.prices if since <= day][-1]


@dataclass(frozen=True)
class ChargeFacts:
    id: UUID
    once: bool
    amount_minor: int
    since: date
    until: date
    vat_on_top: bool


@dataclass(frozen=True)
class DiscountFacts:
    id: UUID
    percent_bp: int | None
    amount_minor: int | None
    since: date
    until: date
    position: int


@dataclass
class ServiceFacts:
    id: UUID
    days: dict[date, tuple[TariffFacts, str]] = field(default_factory=dict)
    """Tariff and state of each day of service."""
    charges: list[ChargeFacts] = field(default_factory=list)
    discounts: list[DiscountFacts] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    charge_suspended: bool
    charge_frozen: bool


class Sums(NamedTuple):
    """Net and VAT in tiyn."""

    net: int
    vat: int


class OracleLine(NamedTuple):
    """One line: of which item, over which days, at which rate."""

    item: UUID
    from_day: int
    to_day: int
    rate_bp: int
    sums: Sums


def rounded(exact: Fraction) -> int:
    """Half away from zero."""
    whole = int(abs(exact) + Fraction(1, 2))
    return whole if exact >= 0 else -whole


def month_days(month: date) -> list[date]:
    days = []
    day = month
    while day.month == month.month:
        days.append(day)
        day += timedelta(days=1)
    return days


def lines_of(service: ServiceFacts, month: date, rules: Rules, *, advance_only: bool = False) -> list[OracleLine]:
    """Monthly sums of a month: the fee with its discounts, and the charges beside it; without what is charged once."""
    days = [day for day in month_days(month) if _is_charged(service, day, rules, advance_only=advance_only)]
    found = []
    keys = {day: _fee_key(service, day) for day in days}
    for first, last in _runs(keys):
        found += list(_fee_lines(service, month, first, last))
    for charge in service.charges:
        if charge.once:
            continue
        held = {day: vat_bp(day) for day in days if charge.since <= day < charge.until}
        for first, last in _runs(held):
            amount = _share(charge.amount_minor, month, first, last)
            found.append(_line(charge.id, month, first, last, amount, on_top=charge.vat_on_top))
    return found


def once_lines(service: ServiceFacts, month: date) -> list[OracleLine]:
    return [
        _line(charge.id, month, charge.since, charge.since, charge.amount_minor, on_top=charge.vat_on_top)
        for charge in service.charges
        if charge.once and charge.since.replace(day=1) == month
    ]


@dataclass(frozen=True)
class CreditFacts:
    """What an outage gives back for some days, before VAT on top."""

    since: date
    amount_minor: int
    vat_on_top: bool


def hours_beyond(away: set[int], threshold: int) -> set[int]:
    """Hours of an outage, or of several, for which the service had been away that long."""
    found, length = set(), 0
    for hour in range(min(away), max(away) + 1):
        length = length + 1 if hour in away else 0
        if length > threshold:
            found.add(hour)
    return found


def credits_of(
    service: ServiceFacts, hours: set[int], rules: Rules, *, until: date | None, given: dict[date, int]
) -> list[CreditFacts]:
    """What hours without service give back, counted in UTC: of the fee of their days, never more than a month cost."""
    of_day: dict[date, int] = {}
    for hour in hours:
        day = datetime.fromtimestamp(hour * 3600, UTC).date()
        of_day[day] = of_day.get(day, 0) + 1
    found = []
    for month in sorted({day.replace(day=1) for day in of_day}):
        days = len(month_days(month))
        keys = {
            day: _fee_key(service, day)
            for day in month_days(month)
            if _is_charged(service, day, rules, advance_only=False) and (until is None or day < until)
        }
        runs = list(_runs(keys))
        left = sum(_fee_left(service, first) * (last.day - first.day + 1) // days for first, last in runs)
        left -= given.get(month, 0)
        for first, last in runs:
            own = {day: count for day, count in of_day.items() if first <= day <= last}
            exact = rounded(Fraction(_fee_left(service, first) * sum(own.values()), 24 * days))
            amount = min(exact, left)
            if amount > 0:
                found.append(CreditFacts(min(own), amount, service.days[first][0].vat_on_top))
                left -= amount
    return found


def vat_bp(day: date) -> int:
    return 1600 if day >= NEW_VAT_ON else 1200


def _is_charged(service: ServiceFacts, day: date, rules: Rules, *, advance_only: bool) -> bool:
    if day not in service.days:
        return False
    tariff, state = service.days[day]
    charged = {"active": True, "suspended": rules.charge_suspended, "frozen": rules.charge_frozen}[state]
    return charged and (tariff.in_advance or not advance_only)


def _fee_key(service: ServiceFacts, day: date) -> tuple[object, ...]:
    tariff, _ = service.days[day]
    return tariff.id, tariff.fee_on(day), vat_bp(day), tuple(discount.id for discount in _discounts(service, day))


def _discounts(service: ServiceFacts, day: date) -> list[DiscountFacts]:
    held = [discount for discount in service.discounts if discount.since <= day < discount.until]
    return sorted(held, key=lambda discount: discount.position)


def _runs(keys: dict[date, object] | dict[date, tuple[object, ...]] | dict[date, int]) -> Iterator[tuple[date, date]]:
    """First and last day of each longest run of days with one key."""
    first: date | None = None
    for day, key in keys.items():
        if first is None:
            first = day
        after = day + timedelta(days=1)
        if keys.get(after) != key:
            yield first, day
            first = None


def _fee_lines(service: ServiceFacts, month: date, first: date, last: date) -> Iterator[OracleLine]:
    tariff, _ = service.days[first]
    rate = tariff.fee_on(first)
    yield _line(service.id, month, first, last, _share(rate, month, first, last), on_top=tariff.vat_on_top)
    for discount in _discounts(service, first):
        lower = _reduced(rate, discount)
        less = _share(lower, month, first, last) - _share(rate, month, first, last)
        yield _line(service.id, month, first, last, less, on_top=tariff.vat_on_top)
        rate = lower


def _reduced(rate: int, discount: DiscountFacts) -> int:
    if discount.percent_bp is not None:
        return rate - rounded(Fraction(rate * discount.percent_bp, 10_000))
    assert discount.amount_minor is not None
    return max(0, rate - discount.amount_minor)


def _fee_left(service: ServiceFacts, day: date) -> int:
    rate = service.days[day][0].fee_on(day)
    for discount in _discounts(service, day):
        rate = _reduced(rate, discount)
    return rate


def _share(fee: int, month: date, first: date, last: date) -> int:
    days = len(month_days(month))
    return rounded(Fraction(fee * last.day, days)) - rounded(Fraction(fee * (first.day - 1), days))


def _line(item: UUID, month: date, first: date, last: date, amount: int, *, on_top: bool) -> OracleLine:
    del month
    rate_bp = vat_bp(first)
    if on_top:
        sums = Sums(amount, rounded(Fraction(amount * rate_bp, 10_000)))
    else:
        vat = rounded(Fraction(amount * rate_bp, 10_000 + rate_bp))
        sums = Sums(amount - vat, vat)
    return OracleLine(item, first.day - 1, last.day, rate_bp, sums)
