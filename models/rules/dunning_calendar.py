"""When a debtor may be spoken to, and when a service may be cut.

Nobody is called or written to in quiet hours. Nobody is cut off on a weekend, a holiday or the day before one, nor at
an hour when no one could help: whoever is cut off can pay, and reach a person, on the same day.
"""

from collections.abc import Callable, Container
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from models.rules.quiet_hours import next_allowed

_SATURDAY = 5
_DAY = timedelta(days=1)
_KNOWN_AT_MOST = 10_000


@dataclass(frozen=True)
class Calendar:
    """Local hours of `zone`; a range of hours whose ends are equal is the whole day."""

    zone: ZoneInfo
    quiet_from: time = time(21)
    quiet_until: time = time(9)
    talk_on_days_off: bool = False
    cut_from: time = time(9)
    cut_until: time = time(17)
    cut_on_days_off: bool = False
    cut_before_days_off: bool = False
    never_cut_on: frozenset[date] = frozenset()
    holidays: Container[date] = field(default=frozenset(), repr=False, compare=False)
    _known: dict[tuple[str, datetime], datetime] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Thousands of debtors ask the same: what is due on one day is due at one instant. At most `_KNOWN_AT_MOST`."""

    def day_of(self, instant: datetime) -> date:
        """The local day of an instant."""
        return instant.astimezone(self.zone).date()

    def start_of(self, day: date) -> datetime:
        """The instant, in UTC, at which a local day begins."""
        return datetime.combine(day, time.min, self.zone).astimezone(UTC)

    def next_talk(self, instant: datetime) -> datetime:
        """The first instant from this one on at which somebody may be called or written to."""
        return self._first("talk", instant, self._find_talk)

    def next_cut(self, instant: datetime) -> datetime:
        """The first instant from this one on at which a service may be cut."""
        return self._first("cut", instant, self._find_cut)

    def is_day_off(self, day: date) -> bool:
        """Whether a day is a Saturday, a Sunday or a holiday."""
        return day.weekday() >= _SATURDAY or day in self.holidays

    def may_cut_on(self, day: date) -> bool:
        """Whether services are cut on a day at all."""
        if day in self.never_cut_on:
            return False
        if not self.cut_on_days_off and self.is_day_off(day):
            return False
        return self.cut_before_days_off or self.cut_on_days_off or not self.is_day_off(day + _DAY)

    def _first(self, what: str, instant: datetime, find: Callable[[datetime], datetime]) -> datetime:
        known = self._known.get((what, instant))
        if known is None:
            if len(self._known) >= _KNOWN_AT_MOST:
                self._known.clear()
            known = self._known[what, instant] = find(instant)
        return known

    def _find_talk(self, instant: datetime) -> datetime:
        return next_allowed(
            instant, zone=self.zone, quiet_from=self.quiet_from, quiet_until=self.quiet_until,
            weekdays_only=not self.talk_on_days_off, holidays=self.holidays,
        )  # fmt: skip

    def _find_cut(self, instant: datetime) -> datetime:
        # The hours for cutting are the quiet hours the other way round.
        day = self.day_of(instant)
        while True:
            found = next_allowed(
                max(instant, self.start_of(day)), zone=self.zone, quiet_from=self.cut_until, quiet_until=self.cut_from,
                weekdays_only=False, holidays=frozenset(),
            )  # fmt: skip
            day = self.day_of(found)
            if self.may_cut_on(day):
                return found
            day = self._next_day_for_cuts(day)

    def _next_day_for_cuts(self, day: date) -> date:
        for ahead in range(1, 400):
            if self.may_cut_on(day + ahead * _DAY):
                return day + ahead * _DAY
        raise ValueError("no day is open for cuts: too many holidays")
