"""What somebody is told about the outages that affect them: one clear message, once, and only what is news.

To the operator outages are separate; to a person, those that overlap are one time without service. So the rule
compares two pictures: the time without service that is true now, and the one that they believe in after all they were
told. Where both are the same nothing is said, however many outages there are. Nobody hears of the end of what they
never heard of, and nobody hears that the service is back while another outage still keeps it away.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class Occasion(StrEnum):
    """Why somebody is written to."""

    ANNOUNCED = "announced"
    """There will be no service."""
    BEGUN = "begun"
    """There is none, because of works that they were not told of beforehand."""
    EMERGENCY = "emergency"
    """There is none, because of a fault."""
    MOVED = "moved"
    """There will be none at another time than they know."""
    NEW_END = "new_end"
    """It will be back at another time than they know."""
    OVERRUN = "overrun"
    """It is not back at the time that they know, and nobody knows when it will be."""
    CALLED_OFF = "called_off"
    """There will be, or was, no outage after all."""
    RESTORED = "restored"
    """It is back."""


class Phase(StrEnum):
    """Where an outage stands for somebody; for one who is not among those affected any more it is over."""

    AHEAD = "ahead"
    ON = "on"
    ENDED = "ended"
    CALLED_OFF = "called_off"


class Window(NamedTuple):
    """A time without service, half-open."""

    starts_at: datetime
    ends_at: datetime

    def meets(self, other: "Window") -> bool:
        """Whether both are one time without service: they overlap, or one begins where the other ends."""
        return self.starts_at <= other.ends_at and other.starts_at <= self.ends_at


@dataclass(frozen=True)
class Known:
    """What somebody believes of an outage, after the last SMS that may have reached them."""

    window: Window
    overruns: int = 0


@dataclass(frozen=True)
class Standing:
    """An outage as it is for somebody, and what they know of it."""

    outage_id: UUID
    is_emergency: bool
    phase: Phase
    window: Window
    """Until the expected end."""
    may_be_told: bool
    """Whether it is time to speak of it."""
    known: Known | None
    """None: nothing, or that it is over."""
    overruns: int = 0

    @property
    def is_live(self) -> bool:
        """Whether it keeps, or will keep, the service away."""
        return self.phase in {Phase.AHEAD, Phase.ON}

    def lasts(self, at: datetime) -> Window:
        """Its window; one that is under way lasts until now at least."""
        ends_at = max(self.window.ends_at, at) if self.phase is Phase.ON else self.window.ends_at
        return Window(self.window.starts_at, ends_at)


@dataclass(frozen=True)
class Saying:
    """A message: why, with which window, and what the person knows from it."""

    occasion: Occasion
    window: Window
    overruns: int
    about: tuple[UUID, ...]
    """The outages that keep the service away in this window."""
    settles: tuple[UUID, ...]
    """Those of which there is nothing more to say to this person."""
    is_urgent: bool
    """An emergency: it does not wait for the morning."""


def what_to_say(own: Standing, others: Sequence[Standing], at: datetime) -> Saying | None:
    """What to tell somebody now, when the outage `own` has changed or another one of theirs has; None: nothing.

    `others` are all other outages that affect or affected this person while `own` lasted.
    """
    live = [one for one in (own, *others) if one.is_live and (one.may_be_told or one.known is not None)]
    stale = [one for one in (own, *others) if not one.is_live and one.known is not None]
    if own.is_live:
        if own not in live:
            return None
        return _of_time_without_service(_joined([own], live, at), stale, at)
    # Another outage may have left it to this one to say that the service is back.
    heard = [own] if own.known is not None else _alike(stale, own.window, at)
    if not heard:
        return None
    believed = _hull(_known(heard))
    seeds = [one for one in live if _keeps_away(one, believed, at)]
    if seeds:
        return _of_time_without_service(_joined(seeds, live, at), stale, at, heard=heard)
    return _of_the_end([*heard, *_alike(stale, believed, at)], at)


def _keeps_away(live: Standing, believed: Window, at: datetime) -> bool:
    """Whether an outage keeps the service away at the time, or at the moment, that another one was believed to."""
    return _begun(live.window, at) if _begun(believed, at) else live.window.meets(believed)


def _of_time_without_service(
    live: Sequence[Standing], stale: Iterable[Standing], at: datetime, *, heard: Sequence[Standing] = ()
) -> Saying | None:
    """What to say of outages that are one time without service; `heard` are those whose end may be news."""
    window = _hull(one.window for one in live)
    past = _distinct([*heard, *_alike(stale, window, at)])
    knowing = [one for one in (*live, *past) if one.known is not None]
    overruns = max(one.overruns for one in live)
    is_lost = window.ends_at <= at
    """Its end has passed, and nobody knows another one."""
    occasion = _news(live, window, _known(knowing), at, is_lost=is_lost)
    if is_lost and knowing and overruns > max(one.known.overruns for one in knowing if one.known is not None):
        occasion = Occasion.OVERRUN
    if occasion is None:
        return None
    return Saying(
        occasion, window, overruns, about=tuple(one.outage_id for one in live),
        settles=tuple(one.outage_id for one in past), is_urgent=any(one.is_emergency for one in (*live, *past)),
    )  # fmt: skip


def _news(
    live: Sequence[Standing], window: Window, believed: Sequence[Window], at: datetime, *, is_lost: bool
) -> Occasion | None:
    begun = _begun(window, at)
    if not believed:
        if not begun:
            return Occasion.ANNOUNCED
        if is_lost:
            return Occasion.OVERRUN
        return Occasion.EMERGENCY if any(one.is_emergency for one in live) else Occasion.BEGUN
    known = _hull(believed)
    if not begun:
        return Occasion.MOVED if known != window or _has_gap(believed, at) else None
    if is_lost:
        return None
    is_news = known.ends_at != window.ends_at or not _begun(known, at) or _has_gap(believed, at)
    return Occasion.NEW_END if is_news else None


def _has_gap(windows: Iterable[Window], at: datetime) -> bool:
    """Whether there is a time between them, from now on, at which nobody is thought to be without service."""
    reach: datetime | None = None
    for window in sorted(windows):
        if reach is not None and window.starts_at > max(reach, at):
            return True
        reach = window.ends_at if reach is None else max(reach, window.ends_at)
    return False


def _of_the_end(over: Iterable[Standing], at: datetime) -> Saying:
    past = _distinct(over)
    window = _hull(_known(past))
    is_back = _begun(window, at) and any(one.phase is Phase.ENDED for one in past)
    return Saying(
        Occasion.RESTORED if is_back else Occasion.CALLED_OFF, window, overruns=0, about=(),
        settles=tuple(one.outage_id for one in past), is_urgent=any(one.is_emergency for one in past),
    )  # fmt: skip


def _joined(seeds: Sequence[Standing], live: Sequence[Standing], at: datetime) -> list[Standing]:
    """The outages that are one time without service with some of them."""
    joined, left = list(seeds), [one for one in live if one not in seeds]
    while True:
        touching = [one for one in left if any(one.lasts(at).meets(other.lasts(at)) for other in joined)]
        if not touching:
            return joined
        joined += touching
        left = [one for one in left if one not in touching]


def _alike(stale: Iterable[Standing], window: Window, at: datetime) -> list[Standing]:
    return [one for one in stale if _is_alike(one, window, at)]


def _is_alike(stale: Standing, window: Window, at: datetime) -> bool:
    """Whether what they still believe of an outage that is over is about the same time.

    Who believes that they have no service now is told once that they have, or why not; what lies ahead is another
    matter.
    """
    assert stale.known is not None, "somebody believes in it"
    believed = stale.known.window
    begun = _begun(believed, at)
    return begun == _begun(window, at) and (begun or believed.meets(window))


def _begun(window: Window, at: datetime) -> bool:
    return window.starts_at <= at


def _known(standings: Iterable[Standing]) -> list[Window]:
    return [one.known.window for one in standings if one.known is not None]


def _distinct(standings: Iterable[Standing]) -> list[Standing]:
    return list({one.outage_id: one for one in standings}.values())


def _hull(windows: Iterable[Window]) -> Window:
    several = list(windows)
    return Window(min(one.starts_at for one in several), max(one.ends_at for one in several))
