"""The clock of a service level: working time that runs, is paused while somebody else has to act, and has a target.

A target has to be undershot: at the instant at which so much working time is spent, it is breached. So the state always
agrees with `due_at`, also where that is the evening before a free day.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise

from models.rules.working_hours import WorkingHours

_NOTHING = timedelta(0)


class SlaState(StrEnum):
    """Where a clock stands."""

    RUNNING = "running"
    PAUSED = "paused"
    """It waits for somebody else; whether a warning was due before shows in what was spent."""
    WARNED = "warned"
    """It runs, and the time for a warning has come."""
    BREACHED = "breached"
    """Its target is spent, and it has not been stopped; it stays so when it is paused."""
    MET = "met"
    """It was stopped before its target was spent."""
    MISSED = "missed"
    """It was stopped afterwards."""


@dataclass(frozen=True)
class Pause:
    """From an instant until before another one, or until further notice."""

    began_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True)
class SlaClock:
    """A clock as it was started; every change of it gives a new one.

    `target` and `warn_after` are working time. The pauses are in the order of time, and only the last one may be open.

    Raises:
        ValueError: the warning comes after the target, or pauses are out of order.
    """

    hours: WorkingHours
    started_at: datetime
    target: timedelta
    warn_after: timedelta
    pauses: tuple[Pause, ...] = ()
    stopped_at: datetime | None = None

    def __post_init__(self) -> None:
        if not _NOTHING <= self.warn_after <= self.target:
            raise ValueError("the warning comes before the target is spent")
        if any(pause.ended_at is not None and pause.ended_at < pause.began_at for pause in self.pauses):
            raise ValueError("a pause ends after it begins")
        if self.pauses and self.pauses[0].began_at < self.started_at:
            raise ValueError("a clock is paused after it was started")
        if any(
            earlier.ended_at is None or later.began_at < earlier.ended_at for earlier, later in pairwise(self.pauses)
        ):
            raise ValueError("pauses follow one another")

    @property
    def is_paused(self) -> bool:
        """Whether it waits for somebody else."""
        return bool(self.pauses) and self.pauses[-1].ended_at is None

    def paused(self, at: datetime) -> "SlaClock":
        """The clock, waiting from now on; the same where it does already, or is stopped."""
        if self.is_paused or self.stopped_at is not None:
            return self
        return replace(self, pauses=(*self.pauses, Pause(self._not_before(at))))

    def resumed(self, at: datetime) -> "SlaClock":
        """The clock, running again; the same where it runs, or is stopped."""
        if not self.is_paused or self.stopped_at is not None:
            return self
        return replace(self, pauses=(*self.pauses[:-1], Pause(self.pauses[-1].began_at, self._not_before(at))))

    def stopped(self, at: datetime) -> "SlaClock":
        """The clock, stopped; the same where it is already. A pause that is open ends with it."""
        if self.stopped_at is not None:
            return self
        return replace(self.resumed(at), stopped_at=self._not_before(at))

    def reopened(self, at: datetime) -> "SlaClock":
        """The clock, going on with what was spent: from the stop until now it was paused. The same where it runs."""
        if self.stopped_at is None:
            return self
        return replace(self, pauses=(*self.pauses, Pause(self.stopped_at, self._not_before(at))), stopped_at=None)

    def spent(self, at: datetime) -> timedelta:
        """The working time that it has run until an instant, or until it was stopped."""
        until = at if self.stopped_at is None else min(at, self.stopped_at)
        running = (
            self.hours.between(begin, until if end is None else min(end, until)) for begin, end in self._running()
        )
        return sum(running, _NOTHING)

    def due_at(self) -> datetime | None:
        """When its target is or was spent, in UTC; of a stopped clock, when it would have been had it run on.

        None where it is paused before that: nobody knows until it runs again.
        """
        return self._reaches(self.target)

    def warning_at(self) -> datetime | None:
        """When a warning is or was due, by the same rules."""
        return self._reaches(self.warn_after)

    def next_at(self, at: datetime) -> datetime | None:
        """The next instant after this one at which the state changes by itself; None where it does not."""
        if self.stopped_at is not None:
            return None
        return min(
            (event for event in (self.warning_at(), self.due_at()) if event is not None and event > at), default=None
        )

    def state(self, at: datetime) -> SlaState:
        """Where it stands at an instant that is not before its last change."""
        spent = self.spent(at)
        if self.stopped_at is not None:
            return SlaState.MISSED if spent >= self.target else SlaState.MET
        if spent >= self.target:
            return SlaState.BREACHED
        if self.is_paused:
            return SlaState.PAUSED
        return SlaState.WARNED if spent >= self.warn_after else SlaState.RUNNING

    def _reaches(self, amount: timedelta) -> datetime | None:
        left = amount
        for begin, end in self._running():
            runs = None if end is None else self.hours.between(begin, end)
            if runs is None or left <= runs:
                return self.hours.add(begin, left)
            left -= runs
        return None

    def _running(self) -> Iterator[tuple[datetime, datetime | None]]:
        """Stretches in which it runs; the last one is open unless it is paused."""
        begin = self.started_at
        for pause in self.pauses:
            yield begin, pause.began_at
            if pause.ended_at is None:
                return
            begin = pause.ended_at
        yield begin, None

    def _not_before(self, at: datetime) -> datetime:
        """Instants of several machines: a change is never earlier than the one before it."""
        last = self.pauses[-1] if self.pauses else None
        earlier = self.started_at if last is None else last.ended_at or last.began_at
        return max(at, earlier, self.stopped_at or earlier)
