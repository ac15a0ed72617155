"""What an outage gives back of a service's fee: minutes beyond a threshold, up to a cap, and how that was reckoned.

Time is counted in whole minutes since 1970, so that no two outages can count one minute twice, and a month is as long
as it really was: with the hour that a change of the clocks adds or takes, or that a country's move to another zone
does. Ranges are half-open.

Outages of a service that overlap or follow each other without a gap are one interruption to its subscriber, whatever
they are to the operator: it has the threshold once, and all their credits together are what one outage over that whole
time would have given, in whichever order they are credited.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from models.rules.money import BASIS_POINTS, Rounding, rounded_share, tenge, vat_on_top

_SECONDS = 60


class Span(NamedTuple):
    """Minutes from one until another, the latter not in it."""

    start: int
    end: int


@dataclass(frozen=True)
class CreditTerms:
    """The operator's rule."""

    threshold_minutes: int
    """How long an interruption may last before anything is given back; only what lies beyond it is."""
    cap_bp: int
    """The share of what a service costs in a month that its outages may give back of it, in basis points."""


@dataclass(frozen=True)
class PaidDays:
    """Days of a month that are charged alike: [from_day, to_day), counted from its first."""

    month_on: date
    from_day: int
    to_day: int
    fee_minor: int
    """The fee of a whole month, after discounts."""
    vat_rate_bp: int
    is_vat_on_top: bool


@dataclass(frozen=True)
class Interruption:
    """A time without service, of one outage or several in a row, and all its minutes that are credited so far."""

    during: Span
    credited: tuple[Span, ...]


@dataclass(frozen=True)
class CreditLine:
    """What is given back for some days of a month: a sum in tiyn, priced as their fee is, and its formula."""

    first_on: date
    last_on: date
    amount_minor: int
    vat_rate_bp: int
    is_vat_on_top: bool
    formula: str

    @property
    def total_minor(self) -> int:
        """The sum with its VAT."""
        return self.amount_minor + (vat_on_top(self.amount_minor, self.vat_rate_bp) if self.is_vat_on_top else 0)


@dataclass(frozen=True)
class OutageCredit:
    """What an outage gives back to one service."""

    interruption: Interruption
    """Together with the earlier ones that it touches."""
    counted: tuple[Span, ...]
    """The minutes that this outage adds to those that were credited, whether anybody pays for them or not."""
    lines: tuple[CreditLine, ...]

    @property
    def total_minor(self) -> int:
        """All lines, with VAT."""
        return sum(line.total_minor for line in self.lines)


def minute_of(instant: datetime) -> int:
    """The minute in which an instant lies."""
    return int(instant.timestamp() // _SECONDS)


def span_of(from_at: datetime, until_at: datetime) -> Span:
    """The minutes between two instants; none where they are not in order."""
    start = minute_of(from_at)
    return Span(start, max(start, minute_of(until_at)))


def credit(
    outage: Span,
    *,
    known: Iterable[Interruption],
    paid: Iterable[PaidDays],
    given_minor: Mapping[date, int],
    terms: CreditTerms,
    zone: ZoneInfo,
) -> OutageCredit:
    """What an outage gives back to a service.

    `known` are the interruptions of the service that were found before, by other outages; `paid` its days that are
    charged, for all months in which it was interrupted; `given_minor` what was given back before, by month. Nothing is
    given back for time that nobody pays for, nor beyond the cap.
    """
    before = [one for one in known if _touch(one.during, outage)]
    start = min([outage.start, *(one.during.start for one in before)])
    whole = Span(start, max([outage.end, *(one.during.end for one in before)]))
    free = Span(whole.start, min(whole.end, whole.start + terms.threshold_minutes))
    credited = _joined(span for one in before for span in one.credited)
    counted = _without(Span(free.end, whole.end), credited)
    lines: list[CreditLine] = []
    months: dict[date, list[PaidDays]] = {}
    for days in sorted(paid, key=lambda one: (one.month_on, one.from_day)):
        months.setdefault(days.month_on, []).append(days)
    for month_on, in_month in months.items():
        left_minor = _cap(in_month, terms) - given_minor.get(month_on, 0)
        for days in in_month:
            line = _line(days, counted, None if before else free, left_minor, zone)
            if line is not None:
                lines.append(line)
                left_minor -= line.amount_minor
    return OutageCredit(Interruption(whole, tuple(_joined([*credited, *counted]))), tuple(counted), tuple(lines))


def _touch(one: Span, other: Span) -> bool:
    return one.start <= other.end and other.start <= one.end


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The same minutes in as few spans as it takes, in order."""
    joined: list[Span] = []
    for span in sorted(spans):
        if joined and _touch(joined[-1], span):
            joined[-1] = Span(joined[-1].start, max(joined[-1].end, span.end))
        else:
            joined.append(span)
    return joined


def _without(span: Span, taken: Iterable[Span]) -> list[Span]:
    """The parts of a span that none of the others holds; these are in order."""
    left: list[Span] = []
    start = span.start
    for other in taken:
        if start < min(other.start, span.end):
            left.append(Span(start, min(other.start, span.end)))
        start = max(start, other.end)
    return [*left, Span(start, span.end)] if start < span.end else left


def _cap(days: Iterable[PaidDays], terms: CreditTerms) -> int:
    """The most that a month gives back: rounded down day by day, it is never more than what a bill says."""
    cost_minor = sum(
        rounded_share(one.fee_minor, one.to_day - one.from_day, _days_of(one.month_on), Rounding.DOWN) for one in days
    )
    return rounded_share(cost_minor, terms.cap_bp, BASIS_POINTS, Rounding.DOWN)


def _line(
    days: PaidDays, counted: Sequence[Span], free: Span | None, left_minor: int, zone: ZoneInfo
) -> CreditLine | None:
    shared = [_common(span, _minutes(days.month_on, days.from_day, days.to_day, zone)) for span in counted]
    shared = [span for span in shared if span.start < span.end]
    if not shared:
        return None
    minutes = sum(span.end - span.start for span in shared)
    month = _minutes(days.month_on, 0, _days_of(days.month_on), zone)
    exact_minor = rounded_share(days.fee_minor, minutes, month.end - month.start)
    amount_minor = min(exact_minor, left_minor)
    if amount_minor <= 0:
        return None
    spared = _common(free, _minutes(days.month_on, days.from_day, days.to_day, zone)) if free else Span(0, 0)
    spared_minutes = max(0, spared.end - spared.start)
    counted_minutes = _number(minutes)
    if spared_minutes:
        counted_minutes = f"({_number(minutes + spared_minutes)} − {_number(spared_minutes)})"
    formula = f"{tenge(days.fee_minor)} × {counted_minutes}/{_number(month.end - month.start)} минут"
    return CreditLine(
        first_on=_local_day(shared[0].start, zone),
        last_on=_local_day(shared[-1].end - 1, zone),
        amount_minor=amount_minor,
        vat_rate_bp=days.vat_rate_bp,
        is_vat_on_top=days.is_vat_on_top,
        formula=formula if amount_minor == exact_minor else f"{formula}, не больше {tenge(amount_minor)}",
    )


def _common(one: Span, other: Span) -> Span:
    return Span(max(one.start, other.start), min(one.end, other.end))


def _minutes(month_on: date, from_day: int, to_day: int, zone: ZoneInfo) -> Span:
    """Days of a month as minutes, by the local clock."""
    first, last = (datetime.combine(month_on + timedelta(days=day), time(), zone) for day in (from_day, to_day))
    return Span(minute_of(first), minute_of(last))


def _local_day(minute: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(minute * _SECONDS, zone).date()


def _days_of(month_on: date) -> int:
    return ((month_on + timedelta(days=31)).replace(day=1) - month_on).days


def _number(minutes: int) -> str:
    return f"{minutes:,}".replace(",", "\u00a0")
