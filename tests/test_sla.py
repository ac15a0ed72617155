"""The clock of a service level against an oracle that counts its minutes one by one."""

from datetime import UTC, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rules.sla import Pause, SlaClock, SlaState
from models.rules.working_hours import Stretch, WorkingHours
from tests.test_working_hours import ALMATY, HOUR, KAZAKH_HOLIDAYS, MINUTE, OFFICE_DAYS, at, instants, is_working

OFFICE = WorkingHours(ALMATY, OFFICE_DAYS, KAZAKH_HOLIDAYS)
ROUND_THE_CLOCK = WorkingHours(ALMATY, dict.fromkeys(range(7), (Stretch(time(0), time(0)),)))


START = at(24, 10, month=11)


def clock(target: timedelta = 8 * HOUR, warn_after: timedelta = 6 * HOUR, start: datetime = START) -> SlaClock:
    return SlaClock(OFFICE, start, target, warn_after)


@st.composite
def lives(draw: st.DrawFn) -> tuple[SlaClock, list[datetime]]:
    """A clock and the instants at which it was paused and resumed in turn."""
    start = draw(instants)
    gaps = draw(st.lists(st.integers(0, 1500), max_size=5))
    changes, instant = [], start
    for gap in gaps:
        instant += gap * MINUTE
        changes.append(instant)
    target = draw(st.integers(1, 900))
    hours = draw(st.sampled_from([OFFICE, ROUND_THE_CLOCK]))
    fresh = SlaClock(hours, start, target * MINUTE, draw(st.integers(0, target)) * MINUTE)
    return fresh, changes


def lived(fresh: SlaClock, changes: list[datetime]) -> SlaClock:
    for number, change in enumerate(changes):
        fresh = fresh.resumed(change) if number % 2 else fresh.paused(change)
    return fresh


def counted(fresh: SlaClock, changes: list[datetime], until: datetime) -> int:
    """Minutes that the clock ran: working ones, less those in which somebody else had to act."""
    running = [*pairwise([fresh.started_at, *changes, max(until, *changes, fresh.started_at)])][::2]
    return sum(
        is_working(fresh.hours, begin + number * MINUTE)
        for begin, end in running
        for number in range((min(end, until) - begin) // MINUTE)
    )


@settings(max_examples=40, deadline=None)
@given(lives(), st.integers(0, 2000))
def test_what_is_spent_is_what_ran_minute_by_minute(life: tuple[SlaClock, list[datetime]], later: int) -> None:
    fresh, changes = life
    until = max([fresh.started_at, *changes]) + later * MINUTE
    minutes = counted(fresh, changes, until)
    worn = lived(fresh, changes)
    assert worn.spent(until) == minutes * MINUTE
    # Its state follows from that alone.
    if minutes * MINUTE >= fresh.target:
        expected = SlaState.BREACHED
    elif len(changes) % 2:
        expected = SlaState.PAUSED
    else:
        expected = SlaState.WARNED if minutes * MINUTE >= fresh.warn_after else SlaState.RUNNING
    assert worn.state(until) is expected
    assert worn.stopped(until).state(until + 999 * HOUR) is (
        SlaState.MISSED if expected is SlaState.BREACHED else SlaState.MET
    )


@settings(max_examples=40, deadline=None)
@given(lives())
def test_it_is_due_at_the_first_minute_by_which_its_target_is_spent(life: tuple[SlaClock, list[datetime]]) -> None:
    fresh, changes = life
    worn = lived(fresh, changes)
    for reached_at, amount in ((worn.due_at(), worn.target), (worn.warning_at(), worn.warn_after)):
        if reached_at is None:
            assert worn.is_paused
            assert counted(fresh, changes, changes[-1]) * MINUTE < amount
        else:
            assert counted(fresh, changes, reached_at) * MINUTE == amount
            assert amount == timedelta(0) or counted(fresh, changes, reached_at - MINUTE) * MINUTE < amount


@settings(max_examples=100, deadline=None)
@given(lives(), st.timedeltas(timedelta(0), timedelta(days=10)))
def test_between_two_events_of_its_own_it_does_not_change(
    life: tuple[SlaClock, list[datetime]], later: timedelta
) -> None:
    fresh, changes = life
    worn = lived(fresh, changes)
    now = max([fresh.started_at, *changes]) + later
    following = worn.next_at(now)
    if following is None:
        assert worn.state(now) is worn.state(now + timedelta(days=365)) or worn.is_paused
        return
    assert worn.state(following - timedelta(microseconds=1)) is worn.state(now)
    assert worn.state(following) in {SlaState.WARNED, SlaState.BREACHED}


@settings(max_examples=100, deadline=None)
@given(lives(), st.timedeltas(timedelta(0), timedelta(days=3)), st.timedeltas(timedelta(0), timedelta(days=30)))
def test_a_reopened_clock_goes_on_with_what_it_had_spent(
    life: tuple[SlaClock, list[datetime]], solved_after: timedelta, reopened_after: timedelta
) -> None:
    fresh, changes = life
    worn = lived(fresh, changes)
    solved_at = max([fresh.started_at, *changes]) + solved_after
    reopened_at = solved_at + reopened_after
    again = worn.stopped(solved_at).reopened(reopened_at)
    assert again.spent(reopened_at) == worn.spent(solved_at)
    assert again.spent(reopened_at + HOUR) == worn.spent(solved_at) + fresh.hours.between(
        reopened_at, reopened_at + HOUR
    )
    assert not again.is_paused
    assert again.stopped_at is None


def test_it_stands_still_over_a_weekend_and_a_holiday() -> None:
    # Friday 11 December 2026, 16:00; the Wednesday after is Independence Day.
    started = clock(target=20 * HOUR, warn_after=16 * HOUR, start=at(11, 16))
    assert started.warning_at() == at(15, 16)
    assert started.due_at() == at(17, 11)


def test_a_question_moves_the_deadline_by_the_working_time_of_the_answer() -> None:
    asked = clock().paused(at(24, 15, month=11))
    assert (asked.due_at(), asked.warning_at()) == (None, None)
    assert asked.state(at(27, 15, month=11)) is SlaState.PAUSED
    answered = asked.resumed(at(25, 12, month=11))
    assert answered.spent(at(25, 12, month=11)) == 4 * HOUR
    assert answered.due_at() == at(25, 17, month=11)


def test_at_the_instant_of_the_deadline_it_is_too_late() -> None:
    due_at = clock().due_at()
    assert due_at is not None
    assert clock().state(due_at - MINUTE) is SlaState.WARNED
    assert clock().state(due_at) is SlaState.BREACHED
    assert clock().stopped(due_at).state(due_at) is SlaState.MISSED
    assert clock().stopped(due_at - MINUTE).state(due_at + HOUR) is SlaState.MET


def test_a_breach_stays_one_while_the_subscriber_is_asked() -> None:
    late = clock().paused(at(26, 12, month=11))
    assert late.state(at(26, 13, month=11)) is SlaState.BREACHED
    assert late.due_at() == at(25, 10, month=11)


def test_a_pause_ends_with_the_solution() -> None:
    solved = clock().paused(at(24, 11, month=11)).stopped(at(24, 16, month=11))
    assert solved.pauses == (Pause(at(24, 11, month=11), at(24, 16, month=11)),)
    assert solved.spent(at(30, 12, month=11)) == HOUR
    assert solved.next_at(at(24, 17, month=11)) is None


def test_each_change_of_it_counts_once() -> None:
    now, later = at(24, 11, month=11), at(24, 12, month=11)
    paused = clock().paused(now)
    assert paused.paused(later) == paused
    assert clock().resumed(later) == clock()
    assert clock().reopened(later) == clock()
    stopped = clock().stopped(now)
    assert stopped.stopped(later) == stopped
    assert stopped.paused(later) == stopped
    assert stopped.resumed(later) == stopped


def test_an_instant_of_a_clock_that_goes_slow_is_taken_as_the_one_of_the_change_before() -> None:
    early = at(24, 9, month=11)
    assert clock().paused(early).pauses[0].began_at == clock().started_at
    paused = clock().paused(at(24, 12, month=11))
    assert paused.resumed(early).pauses[0].ended_at == at(24, 12, month=11)
    assert paused.stopped(early).reopened(early).pauses[-1].ended_at == at(24, 12, month=11)


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"warn_after": 9 * HOUR}, "warning"),
        ({"target": -HOUR, "warn_after": -HOUR}, "warning"),
        ({"pauses": (Pause(START - HOUR),)}, "after it was started"),
        ({"pauses": (Pause(START + HOUR, START),)}, "ends after"),
        ({"pauses": (Pause(START), Pause(START + HOUR))}, "follow"),
        ({"pauses": (Pause(START, START + 2 * HOUR), Pause(START + HOUR))}, "follow"),
    ],
)
def test_a_clock_that_can_not_be_is_refused(facts: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"hours": OFFICE, "started_at": START, "target": 8 * HOUR, "warn_after": 6 * HOUR}
    with pytest.raises(ValueError, match=message):
        SlaClock(**(given | facts))  # type: ignore[arg-type] # each of them is of its field's type


def test_an_instant_in_utc_will_do() -> None:
    assert clock().spent(datetime(2026, 11, 24, 12, tzinfo=UTC)) == 6 * HOUR
