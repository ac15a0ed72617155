"""When planned works are announced: long enough before, within the hours in which one may write."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_FARTHEST_DAYS = 60
_SATURDAY = 5


@dataclass(frozen=True)
class TalkingHours:
    """When notifications may go: not from `quiet_from` to `quiet_until`, local times, which may span midnight."""

    zone: ZoneInfo
    quiet_from: time
    quiet_until: time
    weekdays_only: bool
    holidays: Container[date]

    def stretches_of(self, day: date) -> Iterator[tuple[datetime, datetime]]:
        """The parts of a local day in which one may write, the last first; half-open, in UTC."""
        if self.weekdays_only and (day.weekday() >= _SATURDAY or day in self.holidays):
            return
        midnight, next_midnight = self._at(day, time()), self._at(day + timedelta(days=1), time())
        begins, ends = self._at(day, self.quiet_from), self._at(day, self.quiet_until)
        if self.quiet_from == self.quiet_until:
            parts = [(midnight, next_midnight)]
        elif self.quiet_from < self.quiet_until:
            parts = [(ends, next_midnight), (midnight, begins)]
        else:
            parts = [(ends, begins)]
        yield from ((start, end) for start, end in parts if start < end)

    def _at(self, day: date, clock: time) -> datetime:
        return datetime.combine(day, clock, self.zone).astimezone(UTC)


def announce_at(starts_at: datetime, *, notice: timedelta, sending: timedelta, hours: TalkingHours) -> datetime:
    """The latest instant at which all can still be told in time, and by day.

    `sending` is how long it takes to write to all of them. All of it lies within one stretch of permitted hours, so
    that nobody's notice waits for the next morning; where it takes longer than a stretch, it begins with one. No day
    of the last sixty may be written on: it is as if there were no quiet hours.
    """
    known_by = starts_at - notice
    last = known_by.astimezone(hours.zone).date()
    for day in (last - timedelta(days=back) for back in range(_FARTHEST_DAYS)):
        for opens_at, closes_at in hours.stretches_of(day):
            if opens_at <= known_by - sending or (opens_at <= known_by and closes_at - opens_at <= sending):
                return max(opens_at, min(known_by, closes_at) - sending).astimezone(UTC)
    return (known_by - sending).astimezone(UTC)
