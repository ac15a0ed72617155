"""What dunning would do with a debtor who never pays: the ladder's own rule, asked again at later instants."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from models.contracts.dunning_words import StepKind
from models.rules.dunning_calendar import Calendar
from models.rules.dunning_ladder import Act, End, Ladder, Restart, Standing, after, decide, is_to_be_opened, restarted

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Happening:
    """Something that would happen: an episode is opened, or a step of it is taken."""

    at: datetime
    step: StepKind | None
    """None: the episode is opened."""


def life_of(
    ladder: Ladder, calendar: Calendar, standing: Standing, *, now: datetime, until: datetime
) -> Iterator[Happening]:
    """The steps of an open episode from now on, before `until`."""
    at = now
    while at < until:
        verdict = decide(ladder, calendar, standing, at)
        if isinstance(verdict, Act):
            yield Happening(at, verdict.kind)
            standing = after(standing, verdict, at)
            if verdict.kind is StepKind.DISCONNECT:
                return
        elif isinstance(verdict, Restart):
            standing = restarted(standing, verdict, at)
        elif isinstance(verdict, End) or verdict.until is None:
            return
        else:
            at = verdict.until
            if standing.is_warning_unsent:
                standing = replace(standing, is_warning_unsent=False)


def opens_at(
    ladder: Ladder, calendar: Calendar, standing: Standing, *, now: datetime, until: datetime, round_hour: int
) -> datetime | None:
    """When the daily round would open an episode for an account that has none."""
    for day in _days_that_change(calendar, standing, now):
        at = _round_on(calendar, day, round_hour)
        if at < now:
            at = _round_on(calendar, day + _DAY, round_hour)
        if at >= until:
            return None
        if is_to_be_opened(ladder, standing, calendar.day_of(at), at):
            return at
    return None


def _days_that_change(calendar: Calendar, standing: Standing, now: datetime) -> list[date]:
    """Today, and the days on which more is due or an exclusion is over."""
    today = calendar.day_of(now)
    days = {today} | {debt.due_on for debt in standing.debts if debt.due_on > today}
    if standing.excluded_until is not None and standing.excluded_until > now:
        days.add(calendar.day_of(standing.excluded_until))
    return sorted(days)


def _round_on(calendar: Calendar, day: date, hour: int) -> datetime:
    return calendar.start_of(day) + (datetime.combine(day, time(hour)) - datetime.combine(day, time.min))
