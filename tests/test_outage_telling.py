"""What somebody is told about their outages: one clear message, once, and only what is news."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations
from uuid import UUID

from hypothesis import given, note
from hypothesis import strategies as st

from models.rules.outage_telling import Known, Occasion, Phase, Saying, Standing, Window, what_to_say

START = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
NEWS_OF_SOMETHING_KNOWN = {Occasion.MOVED, Occasion.NEW_END, Occasion.CALLED_OFF, Occasion.RESTORED}
ENDS = {Occasion.CALLED_OFF, Occasion.RESTORED}


def hour(number: float) -> datetime:
    return START + timedelta(hours=number)


def window(starts: float, ends: float) -> Window:
    return Window(hour(starts), hour(ends))


def outage(
    number: int, starts: float, ends: float, phase: Phase = Phase.ON, *, known: Window | None = None,
    planned: bool = False, may_be_told: bool = True, overruns: int = 0, known_overruns: int = 0,
) -> Standing:  # fmt: skip
    return Standing(
        outage_id=UUID(int=number), is_emergency=not planned, phase=phase, window=window(starts, ends),
        may_be_told=may_be_told, known=None if known is None else Known(known, known_overruns), overruns=overruns,
    )  # fmt: skip


def said(own: Standing, *others: Standing, at: float) -> tuple[Occasion, Window] | None:
    saying = what_to_say(own, others, hour(at))
    return None if saying is None else (saying.occasion, saying.window)


# --- one outage -------------------------------------------------------------------------------------------------------


def test_planned_works_are_announced_when_it_is_time_and_not_before() -> None:
    works = outage(1, 10, 12, Phase.AHEAD, planned=True)
    assert said(works, at=0) == (Occasion.ANNOUNCED, window(10, 12))
    assert said(replace(works, may_be_told=False), at=0) is None
    assert said(replace(works, known=Known(window(10, 12))), at=0) is None


def test_a_fault_is_told_at_once_and_its_new_end_once() -> None:
    fault = outage(1, 0, 4)
    saying = what_to_say(fault, [], hour(1))
    assert saying is not None
    assert (saying.occasion, saying.is_urgent) == (Occasion.EMERGENCY, True)
    assert said(replace(fault, known=Known(window(0, 4))), at=1) is None
    assert said(replace(fault, known=Known(window(0, 3))), at=1) == (Occasion.NEW_END, window(0, 4))


def test_works_that_somebody_comes_under_after_their_start_are_told_as_begun() -> None:
    assert said(outage(1, 0, 4, planned=True), at=1) == (Occasion.BEGUN, window(0, 4))


def test_moved_works_are_told_to_those_who_know_the_old_time() -> None:
    works = outage(1, 20, 22, Phase.AHEAD, planned=True, known=window(10, 12))
    assert said(works, at=1) == (Occasion.MOVED, window(20, 22))


def test_the_end_is_told_to_those_who_know_of_the_beginning_and_to_nobody_else() -> None:
    over = outage(1, 0, 4, Phase.ENDED, known=window(0, 4))
    off = outage(1, 10, 12, Phase.CALLED_OFF, known=window(10, 12))
    assert said(over, at=3) == (Occasion.RESTORED, window(0, 4))
    assert said(off, at=3) == (Occasion.CALLED_OFF, window(10, 12))
    assert said(replace(over, known=None), at=3) is None
    assert said(replace(off, known=None), at=3) is None


def test_an_overrun_is_told_as_often_as_it_is_wanted() -> None:
    late = outage(1, 0, 4, known=window(0, 4))
    assert said(late, at=5) is None
    assert said(replace(late, overruns=1), at=5) == (Occasion.OVERRUN, window(0, 4))
    assert said(replace(late, overruns=1, known=Known(window(0, 4), overruns=1)), at=5) is None
    assert said(replace(late, overruns=1, known=None), at=5) == (Occasion.OVERRUN, window(0, 4))


# --- several ----------------------------------------------------------------------------------------------------------


def test_a_second_fault_is_told_only_where_it_changes_the_end() -> None:
    first = outage(1, 0, 6, known=window(0, 6))
    assert said(outage(2, 1, 5), first, at=1) is None
    assert said(outage(2, 1, 8), first, at=1) == (Occasion.NEW_END, window(0, 8))


def test_nobody_hears_that_the_service_is_back_while_another_outage_keeps_it_away() -> None:
    first, second = outage(1, 0, 6, Phase.ENDED, known=window(0, 6)), outage(2, 1, 8, known=window(0, 8))
    assert said(first, second, at=5) is None
    assert said(replace(second, phase=Phase.ENDED), first, at=7) == (Occasion.RESTORED, window(0, 8))


def test_who_waits_for_the_longer_of_two_hears_of_the_shorter_one_when_the_longer_is_over() -> None:
    longer, shorter = outage(1, 0, 8, Phase.ENDED, known=window(0, 8)), outage(2, 1, 6)
    saying = what_to_say(longer, [shorter], hour(3))
    assert saying is not None
    assert (saying.occasion, saying.window) == (Occasion.NEW_END, window(1, 6))
    assert (saying.about, saying.settles) == ((shorter.outage_id,), (longer.outage_id,))


def test_a_fault_that_lasts_until_the_works_that_were_announced_is_news() -> None:
    works = outage(1, 8, 9, Phase.AHEAD, known=window(8, 9), planned=True)
    fault = outage(2, 0, 7, known=window(0, 7))
    assert said(outage(3, 0, 8), works, fault, at=1) == (Occasion.NEW_END, window(0, 9))


def test_works_at_one_time_are_announced_together() -> None:
    first, second = (outage(n, 9 + n, 11 + n, Phase.AHEAD, planned=True) for n in (1, 2))
    saying = what_to_say(first, [second], hour(0))
    assert saying is not None
    assert (saying.window, set(saying.about)) == (window(10, 13), {first.outage_id, second.outage_id})


def test_works_that_are_called_off_leave_what_remains() -> None:
    off = outage(1, 10, 12, Phase.CALLED_OFF, known=window(10, 13))
    stays = outage(2, 11, 13, Phase.AHEAD, known=window(10, 13), planned=True)
    assert said(off, stays, at=0) == (Occasion.MOVED, window(11, 13))


def test_a_fault_of_today_does_not_hide_that_the_works_of_tomorrow_are_off() -> None:
    off = outage(1, 30, 32, Phase.CALLED_OFF, known=window(30, 32), planned=True)
    assert said(off, outage(2, 0, 4, known=window(0, 4)), at=1) == (Occasion.CALLED_OFF, window(30, 32))


def test_works_of_tonight_do_not_hide_that_the_service_is_back_now() -> None:
    over = outage(1, 0, 4, Phase.ENDED, known=window(0, 4))
    tonight = outage(2, 4, 6, Phase.AHEAD, known=window(4, 6), planned=True)
    assert said(over, tonight, at=3) == (Occasion.RESTORED, window(0, 4))


# --- whatever happens -------------------------------------------------------------------------------------------------


@dataclass
class Happening:
    """An outage of somebody's life."""

    number: int
    is_emergency: bool
    window: Window
    announced_at: datetime
    is_affected: bool = True
    ended: bool = False
    called_off: bool = False
    overruns: int = 0
    known: Known | None = None

    def phase(self, at: datetime) -> Phase:
        if self.called_off:
            return Phase.CALLED_OFF
        if self.ended:
            return Phase.ENDED
        if at >= self.window.starts_at:
            return Phase.ON if self.is_affected else Phase.ENDED
        return Phase.AHEAD if self.is_affected else Phase.CALLED_OFF

    def standing(self, at: datetime) -> Standing:
        return Standing(
            UUID(int=self.number), self.is_emergency, self.phase(at), self.window, self.may_be_told(at), self.known,
            self.overruns,
        )  # fmt: skip

    def may_be_told(self, at: datetime) -> bool:
        return at >= min(self.announced_at, self.window.starts_at)


@dataclass
class Life:
    """Somebody's outages, and what they are told of them."""

    at: datetime = START
    outages: list[Happening] = field(default_factory=list)
    heard: list[tuple[datetime, Saying]] = field(default_factory=list)

    def keeps_away(self) -> list[Happening]:
        return [one for one in self.outages if one.phase(self.at) is Phase.ON]

    def round(self, order: Sequence[int]) -> list[Saying]:
        """Each outage looks at this person once."""
        told = []
        for index in order:
            own = self.outages[index]
            others = [other.standing(self.at) for other in self.outages if other is not own]
            saying = what_to_say(own.standing(self.at), others, self.at)
            if saying is not None:
                self._hear(saying)
                told.append(saying)
        return told

    def _hear(self, saying: Saying) -> None:
        self.heard.append((self.at, saying))
        for one in self.outages:
            if UUID(int=one.number) in saying.about:
                one.known = Known(saying.window, saying.overruns)
            elif UUID(int=one.number) in saying.settles:
                one.known = None


@st.composite
def lives(draw: st.DrawFn) -> Iterator[tuple[Life, list[Saying]]]:
    """A life after each thing that happened, once everybody concerned has looked; with what was said for it."""

    def run() -> Iterator[tuple[Life, list[Saying]]]:
        life = Life()
        for _ in range(draw(st.integers(1, 14))):
            _happen(draw, life)
            order = draw(st.permutations(range(len(life.outages))))
            told = life.round(order) + life.round(order) + life.round(order)
            note(f"{life}\nwas told {told}")
            yield life, told
            assert life.round(draw(st.permutations(range(len(life.outages))))) == [], "said twice"

    return run()


def _happen(draw: st.DrawFn, life: Life) -> None:
    life.at += timedelta(minutes=draw(st.integers(0, 240)))
    live = [one for one in life.outages if not (one.ended or one.called_off)]
    act = draw(st.sampled_from(["register", "end", "call_off", "move", "leave", "join", "overrun", "nothing"]))
    if act == "register" and len(life.outages) < 4:
        _register(draw, life)
    elif live:
        one = draw(st.sampled_from(live))
        begun = life.at >= one.window.starts_at
        if act == "end" and begun:
            one.ended = True
        elif act == "call_off":
            one.called_off = True
        elif act == "move":
            starts_at = one.window.starts_at if begun else life.at + timedelta(hours=draw(st.integers(1, 20)))
            one.window = Window(starts_at, max(starts_at, life.at) + timedelta(hours=draw(st.integers(1, 8))))
        elif act == "overrun" and life.at > one.window.ends_at:
            one.overruns += 1
        elif act in {"leave", "join"}:
            one.is_affected = act == "join"


def _register(draw: st.DrawFn, life: Life) -> None:
    is_emergency = draw(st.booleans())
    starts_at = life.at if is_emergency else life.at + timedelta(hours=draw(st.integers(1, 20)))
    announced_at = life.at if is_emergency else starts_at - timedelta(hours=draw(st.integers(0, 12)))
    ends_at = starts_at + timedelta(hours=draw(st.integers(1, 8)))
    life.outages.append(Happening(len(life.outages) + 1, is_emergency, Window(starts_at, ends_at), announced_at))


@given(lives())
def test_a_person_is_never_left_in_a_wrong_belief(story: Iterator[tuple[Life, list[Saying]]]) -> None:
    for life, _ in story:
        away = life.keeps_away()
        believed = [one.known.window for one in life.outages if one.known is not None]
        begun = [one for one in believed if one.starts_at <= life.at]
        assert bool(away) == bool(begun), "knows whether there is service now"
        ends_at = max((one.window.ends_at for one in away), default=life.at)
        if ends_at > life.at:
            assert max(one.ends_at for one in begun) >= ends_at
        for one in life.outages:
            if one.phase(life.at) is Phase.AHEAD and one.may_be_told(life.at):
                assert any(b.starts_at <= one.window.starts_at and one.window.ends_at <= b.ends_at for b in believed)


@given(lives())
def test_nobody_hears_of_the_end_of_what_they_never_heard_of_nor_too_early(
    story: Iterator[tuple[Life, list[Saying]]],
) -> None:
    believes = False
    for life, told in story:
        for saying in told:
            if not believes:
                assert saying.occasion not in NEWS_OF_SOMETHING_KNOWN
            if saying.occasion is Occasion.RESTORED:
                assert not life.keeps_away()
            believes = believes or bool(saying.about)
        believes = any(one.known is not None for one in life.outages)


@given(lives())
def test_one_thing_that_happens_is_one_message_about_one_time(story: Iterator[tuple[Life, list[Saying]]]) -> None:
    for _, told in story:
        for one, other in combinations(told, 2):
            assert one.occasion != other.occasion or not one.window.meets(other.window), "two SMS for one thing"
