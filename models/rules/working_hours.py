"""Working time of a calendar: hours of each weekday, holidays, zone.

An instant is working time where the clock on the wall of that zone then shows an hour of that day's stretches. So a day
on which clocks are changed has an hour more or less, an hour that is shown twice counts twice, and one that is skipped
does not count.
"""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

_DAY = timedelta(days=1)
_NOTHING = timedelta(0)
_FARTHEST_DAYS = 400


@dataclass(frozen=True)
class Stretch:
    """Local hours of one day, from `opens` until before `closes`; midnight as `closes` is the end of the day.

    Raises:
        ValueError: it ends before it begins.
    """

    opens: time
    closes: time

    def __post_init__(self) -> None:
        if self.closes != time.min and self.closes <= self.opens:
            raise ValueError("working hours end after they begin: hours over midnight are two stretches")

    @property
    def ends_before(self) -> time:
        """The end, for comparing with the beginning of another: midnight is the latest of all."""
        return time.max if self.closes == time.min else self.closes


Span = tuple[datetime, datetime]
"""Two instants in UTC, from the first until before the second."""


@dataclass(frozen=True)
class WorkingHours:
    """Stretches by weekday (Monday is 0); a weekday that is missing is free, and so is every one of `holidays`.

    Raises:
        ValueError: no weekday has working hours, or stretches of a day overlap.
    """

    zone: ZoneInfo
    days: Mapping[int, tuple[Stretch, ...]]
    holidays: Container[date] = field(default=frozenset(), repr=False, compare=False)
    _known: dict[date, tuple[Span, ...]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """A list of requests asks for the same days again and again."""

    def __post_init__(self) -> None:
        if not any(self.days.values()):
            raise ValueError("a calendar needs working hours on at least one weekday")
        for stretches in self.days.values():
            ordered = sorted(stretches, key=lambda stretch: stretch.opens)
            if any(later.opens < earlier.ends_before for earlier, later in pairwise(ordered)):
                raise ValueError("the working hours of a day must not overlap")

    def add(self, start: datetime, duration: timedelta) -> datetime:
        """The first instant, in UTC, by which so much working time has passed since `start`.

        That is the end of a stretch rather than the beginning of the next one; no time at all passes by `start` itself.

        Raises:
            ValueError: the duration is negative, or 400 days in a row have no working time.
        """
        if duration < _NOTHING:
            raise ValueError("working time only goes on")
        start = start.astimezone(UTC)
        if duration == _NOTHING:
            return start
        left = duration
        for begin, end in self._spans_from(start):
            if left <= end - begin:
                return begin + left
            left -= end - begin
        raise ValueError("no day has working hours: too many holidays")

    def between(self, begin: datetime, end: datetime) -> timedelta:
        """The working time from `begin` until before `end`; none where the end comes first."""
        begin, end = begin.astimezone(UTC), end.astimezone(UTC)
        passed = _NOTHING
        if end <= begin:
            return passed
        for opens, closes in self._spans_from(begin):
            if opens >= end:
                break
            passed += min(closes, end) - opens
        return passed

    def _spans_from(self, start: datetime) -> Iterator[Span]:
        """The working time from an instant on; ends after so many days without any."""
        day, idle = start.astimezone(self.zone).date(), 0
        # Where the clock is put back at midnight, the day before comes back for an hour.
        day -= _DAY
        while idle < _FARTHEST_DAYS:
            idle += 1
            for begin, end in self._spans_on(day):
                if end > start:
                    idle = 0
                    yield max(begin, start), end
            day += _DAY

    def _spans_on(self, day: date) -> tuple[Span, ...]:
        known = self._known.get(day)
        if known is None:
            is_free = day in self.holidays
            stretches = () if is_free else self.days.get(day.weekday(), ())
            known = self._known[day] = tuple(sorted(self._found(day, stretches)))
        return known

    def _found(self, day: date, stretches: tuple[Stretch, ...]) -> Iterator[Span]:
        for offset, since, until in self._offsets_around(day):
            for stretch in stretches:
                last = day + _DAY if stretch.closes == time.min else day
                begin = max(datetime.combine(day, stretch.opens, UTC) - offset, since)
                end = min(datetime.combine(last, stretch.closes, UTC) - offset, until)
                if begin < end:
                    yield begin, end

    def _offsets_around(self, day: date) -> Iterator[tuple[timedelta, datetime, datetime]]:
        """The offsets from UTC that the zone has on a day, each with the instants between which it does."""
        first = datetime.combine(day, time.min, UTC) - _DAY
        last = first + 3 * _DAY
        before, after = self._offset_at(first), self._offset_at(last)
        if before == after:
            yield before, first, last
            return
        change = self._change_between(first, last)
        yield before, first, change
        yield after, change, last

    def _change_between(self, first: datetime, last: datetime) -> datetime:
        before = self._offset_at(first)
        while last - first > timedelta(seconds=1):
            middle = (first + (last - first) / 2).replace(microsecond=0)
            first, last = (middle, last) if self._offset_at(middle) == before else (first, middle)
        return last

    def _offset_at(self, instant: datetime) -> timedelta:
        offset = instant.astimezone(self.zone).utcoffset()
        assert offset is not None, "a zone has an offset at every instant"
        return offset
