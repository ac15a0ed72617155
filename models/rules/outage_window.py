"""Which windows an outage may have: in order, not absurdly long, long ago or far ahead."""

from collections.abc import Mapping
from datetime import datetime, timedelta

TOLERANCE = timedelta(minutes=5)
"""Between the clock of whoever registers it and ours."""
LONGEST = timedelta(days=31)
FARTHEST_AHEAD = timedelta(days=366)
LONGEST_AGO = timedelta(days=7)
"""An older emergency is not news to anybody: credits for it are given by hand."""


def problems_of(
    starts_at: datetime, ends_at: datetime, *, has_begun: bool, at: datetime, was: datetime | None = None
) -> Mapping[str, str]:
    """What is wrong with a window, by field; nothing where it will do.

    `has_begun`: an emergency, or planned works whose start has passed; their start can be corrected, but lies in the
    past. `was` is the start that it has already: it may stay, however long ago it was.
    """
    problems: dict[str, str] = {}
    if starts_at != was:
        if has_begun and starts_at > at + TOLERANCE:
            problems["starts_at"] = "it has begun already: its start can't lie ahead"
        elif has_begun and starts_at < at - LONGEST_AGO:
            problems["starts_at"] = "more than seven days ago"
        elif not has_begun and starts_at < at - TOLERANCE:
            problems["starts_at"] = "in the past: register what is under way as an emergency"
        elif starts_at > at + FARTHEST_AHEAD:
            problems["starts_at"] = "more than a year ahead"
    if ends_at <= starts_at:
        problems["ends_at"] = "must come after starts_at"
    elif ends_at <= at:
        problems["ends_at"] = "has passed: give the time at which the service is expected back"
    elif ends_at - max(starts_at, at) > LONGEST:
        problems["ends_at"] = "more than 31 days later"
    return problems
