"""How a service was and is, day by day: segments that follow each other, and what a change makes of them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import Any


@dataclass(frozen=True, order=True)
class Segment:
    """Days [from_on, until_on) on one tariff and in one state; without `until_on` it has no end."""

    from_on: date
    until_on: date | None
    tariff_id: Any
    state: str

    def meets(self, from_on: date, until_on: date | None) -> bool:
        """Whether it has a day in common with [from_on, until_on)."""
        return (until_on is None or self.from_on < until_on) and (self.until_on is None or from_on < self.until_on)


def changed(
    segments: Iterable[Segment], from_on: date, until_on: date | None, change: Callable[[Segment], Segment]
) -> list[Segment]:
    """The segments with `change` applied to the days of [from_on, until_on); neighbours that are alike become one."""
    days: list[Segment] = []
    for segment in sorted(segments, key=lambda one: one.from_on):
        if not segment.meets(from_on, until_on):
            days.append(segment)
            continue
        begins = max(segment.from_on, from_on)
        ends = _earlier(segment.until_on, until_on)
        if segment.from_on < begins:
            days.append(replace(segment, until_on=begins))
        days.append(change(replace(segment, from_on=begins, until_on=ends)))
        if ends is not None and ends != segment.until_on:
            days.append(replace(segment, from_on=ends))
    return _joined(days)


def cut(segments: Iterable[Segment], on: date) -> list[Segment]:
    """The segments without the days from `on` on."""
    return [
        replace(segment, until_on=_earlier(segment.until_on, on))
        for segment in sorted(segments, key=lambda one: one.from_on)
        if segment.from_on < on
    ]


def covers(segments: Iterable[Segment], from_on: date, until_on: date | None) -> bool:
    """Whether the segments hold every day of [from_on, until_on)."""
    reached = from_on
    for segment in sorted(segments, key=lambda one: one.from_on):
        if segment.from_on > reached:
            break
        if segment.until_on is None:
            return True
        reached = max(reached, segment.until_on)
    return until_on is not None and reached >= until_on


def _earlier(one: date | None, other: date | None) -> date | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _joined(days: Iterable[Segment]) -> list[Segment]:
    joined: list[Segment] = []
    for segment in days:
        last = joined[-1] if joined else None
        if (
            last
            and last.until_on == segment.from_on
            and (last.tariff_id, last.state)
            == (
                segment.tariff_id,
                segment.state,
            )
        ):
            joined[-1] = replace(last, until_on=segment.until_on)
        else:
            joined.append(segment)
    return joined
