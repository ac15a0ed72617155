"""When a notification may be sent: not at night, and, where the operator says so, on working days only.

Source: the rule that aggregators of Kazakhstan relay, weekdays 09:00-21:00; the hours and days are settings. One-time
codes, information that was asked for, and emergencies are exempt; that is decided by whoever calls.
"""

from collections.abc import Container
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

_FARTHEST_DAYS = 400
_SATURDAY = 5


def next_allowed(
    now: datetime,
    *,
    zone: ZoneInfo,
    quiet_from: time,
    quiet_until: time,
    weekdays_only: bool,
    holidays: Container[date],
) -> datetime:
    """The first instant from `now` on, in UTC, at which a notification may go; `now` itself where it may.

    The quiet hours begin at `quiet_from` and end before `quiet_until`, local times of `zone`; they may span midnight,
    and there are none where both are equal. With `weekdays_only` Saturdays, Sundays and `holidays` are quiet all day.

    Raises:
        ValueError: no day within the next 400 is open.
    """

    def open_on(day: date) -> bool:
        return not (weekdays_only and (day.weekday() >= _SATURDAY or day in holidays))

    def open_at(instant: datetime) -> bool:
        local = instant.astimezone(zone)
        return open_on(local.date()) and not is_quiet(local.time(), quiet_from, quiet_until)

    now = now.astimezone(UTC)
    if open_at(now):
        return now
    today = now.astimezone(zone).date()
    for day in (today + timedelta(days=ahead) for ahead in range(_FARTHEST_DAYS)):
        # A stretch of open time begins where the quiet hours end, or with a day that follows a closed one.
        for opening in (time.min, quiet_until):
            instant = datetime.combine(day, opening, zone).astimezone(UTC)
            if instant > now and open_at(instant):
                return instant
    raise ValueError("no day is open: too many holidays")


def is_quiet(at: time, quiet_from: time, quiet_until: time) -> bool:
    """Whether a local time lies within the quiet hours."""
    if quiet_from <= quiet_until:
        return quiet_from <= at < quiet_until
    return at >= quiet_from or at < quiet_until


def quiet_begins(now: datetime, *, zone: ZoneInfo, quiet_from: time) -> datetime:
    """The next instant after `now`, in UTC, at which the quiet hours begin: a notification still on its way is late."""
    local = now.astimezone(zone)
    start = datetime.combine(local.date(), quiet_from, zone)
    if start <= local:
        start = datetime.combine(local.date() + timedelta(days=1), quiet_from, zone)
    return start.astimezone(UTC)
