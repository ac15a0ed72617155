"""Working time against an oracle that looks at the clock on the wall, minute by minute."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.rules.working_hours import Stretch, WorkingHours

ALMATY = ZoneInfo("Asia/Almaty")
KAZAKH_HOLIDAYS = holidays.country_holidays("KZ")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OFFICE = (Stretch(time(9), time(13)), Stretch(time(14), time(18)))
OFFICE_DAYS = dict.fromkeys(range(5), OFFICE)
EVERY_HOUR = dict.fromkeys(range(7), (Stretch(time(0), time(0)),))


def office(zone: ZoneInfo = ALMATY) -> WorkingHours:
    return WorkingHours(zone, OFFICE_DAYS, KAZAKH_HOLIDAYS)


def at(day: int, hour: int, minute: int = 0, *, month: int = 12, year: int = 2026) -> datetime:
    return datetime(year, month, day, hour, minute, tzinfo=ALMATY)


def is_working(hours: WorkingHours, instant: datetime) -> bool:
    """The definition: what the clock on the wall shows lies in a stretch of that day."""
    local = instant.astimezone(hours.zone)
    if local.date() in hours.holidays:
        return False
    return any(
        stretch.opens <= local.time() and (stretch.closes == time(0) or local.time() < stretch.closes)
        for stretch in hours.days.get(local.weekday(), ())
    )


def minutes(begin: datetime, end: datetime) -> Iterator[datetime]:
    instant = begin.astimezone(UTC)
    while instant < end.astimezone(UTC):
        yield instant
        instant += MINUTE


# Calendars of whole minutes, so that the oracle's minutes are exact.
times_of_day = st.builds(time, st.integers(0, 23), st.sampled_from([0, 0, 15, 30, 59]))


@st.composite
def stretches_of_a_day(draw: st.DrawFn) -> tuple[Stretch, ...]:
    bounds = sorted(draw(st.sets(times_of_day, max_size=6)))
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    until_midnight = [(bounds[-1], time(0))] if len(bounds) % 2 else []
    return tuple(Stretch(opens, closes) for opens, closes in pairs + until_midnight)


zones = st.sampled_from([ALMATY, ALMATY, ZoneInfo("Asia/Qyzylorda"), ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")])
calendars = st.builds(
    WorkingHours,
    zones,
    st.dictionaries(st.integers(0, 6), stretches_of_a_day(), min_size=1).filter(lambda days: any(days.values())),
    st.just(KAZAKH_HOLIDAYS),
) | st.builds(WorkingHours, zones, st.sampled_from([OFFICE_DAYS, EVERY_HOUR]), st.just(KAZAKH_HOLIDAYS))

# Weekends, holidays (New Year, Nauryz, May, December), ends of months and years, leap days, and changed clocks:
# Almaty on 1 March 2024, Berlin in March and October.
EVENTFUL = [
    date(2026, 12, 30), date(2027, 1, 1), date(2026, 3, 20), date(2026, 4, 30), date(2026, 5, 8), date(2026, 12, 15),
    date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1), date(2026, 2, 27), date(2026, 3, 28), date(2026, 10, 24),
    date(2026, 11, 30), date(2026, 11, 24),
]  # fmt: skip
instants = st.builds(
    lambda day, minute: datetime.combine(day, time.min, UTC) + minute * MINUTE,
    st.sampled_from(EVENTFUL) | st.dates(date(2023, 1, 1), date(2028, 12, 31)),
    st.integers(-1440, 2880),
)


@settings(max_examples=60, deadline=None)
@given(calendars, instants, st.integers(0, 4 * 1440))
@example(WorkingHours(ALMATY, EVERY_HOUR), datetime(2024, 2, 28, tzinfo=UTC), 4 * 1440)
@example(WorkingHours(ZoneInfo("Europe/Berlin"), EVERY_HOUR), datetime(2026, 10, 24, tzinfo=UTC), 3 * 1440)
@example(office(), datetime(2026, 12, 30, tzinfo=UTC), 7 * 1440)
def test_the_time_between_two_instants_is_what_the_clock_on_the_wall_says(
    hours: WorkingHours, begin: datetime, length: int
) -> None:
    end = begin + length * MINUTE
    worked = sum(is_working(hours, minute) for minute in minutes(begin, end))
    assert hours.between(begin, end) == worked * MINUTE


@settings(max_examples=60, deadline=None)
@given(calendars, instants, st.integers(0, 600))
@example(office(), at(31, 17, 30).astimezone(UTC), 60)
def test_adding_working_time_comes_to_the_first_instant_by_which_it_has_passed(
    hours: WorkingHours, start: datetime, length: int
) -> None:
    end = hours.add(start, length * MINUTE)
    assert hours.between(start, end) == length * MINUTE
    if length:
        # The minute before it was working time: nothing shorter would do.
        assert is_working(hours, end - MINUTE)
        assert hours.between(start, end - MINUTE) == (length - 1) * MINUTE
    else:
        assert end == start


@settings(max_examples=100, deadline=None)
@given(calendars, instants, st.timedeltas(timedelta(0), timedelta(days=20)), st.timedeltas(timedelta(0), DAY * 20))
def test_the_time_of_two_spans_is_the_time_of_both_together(
    hours: WorkingHours, begin: datetime, first: timedelta, second: timedelta
) -> None:
    middle, end = begin + first, begin + first + second
    assert hours.between(begin, middle) + hours.between(middle, end) == hours.between(begin, end)
    assert hours.between(end, begin) == timedelta(0) or begin == end


@settings(max_examples=100, deadline=None)
@given(calendars, instants, st.timedeltas(timedelta(0), timedelta(hours=60)), st.timedeltas(timedelta(0), HOUR * 60))
def test_time_may_be_added_at_once_or_in_parts(
    hours: WorkingHours, start: datetime, first: timedelta, second: timedelta
) -> None:
    assert hours.add(hours.add(start, first), second) == hours.add(start, first + second)


def test_eight_hours_from_friday_evening_end_on_monday_evening() -> None:
    assert office().add(at(20, 17, month=11), 8 * HOUR) == at(23, 17, month=11)


def test_holidays_are_free_and_so_is_the_turn_of_the_year() -> None:
    # Independence Day, 16 December 2026, is a Wednesday. New Year, 1 and 2 January 2027, is a Friday and a
    # Saturday, for which the Monday is free.
    assert office().add(at(15, 17), 2 * HOUR) == at(17, 10)
    assert office().add(at(31, 17), 2 * HOUR) == at(5, 10, month=1, year=2027)


def test_working_time_is_used_up_at_the_end_of_a_day_rather_than_at_the_beginning_of_the_next() -> None:
    assert office().add(at(20, 9, month=11), 8 * HOUR) == at(20, 18, month=11)


def test_a_night_shift_is_two_stretches() -> None:
    shift = (Stretch(time(0), time(6)), Stretch(time(22), time(0)))
    hours = WorkingHours(ALMATY, dict.fromkeys(range(7), shift))
    assert hours.add(at(1, 23), 5 * HOUR) == at(2, 4)
    assert hours.between(at(1, 12), at(2, 12)) == 8 * HOUR


def test_an_hour_that_the_clock_shows_twice_counts_twice() -> None:
    # On 1 March 2024 the clocks of Almaty were put back from 00:00 to 23:00.
    late = WorkingHours(ALMATY, dict.fromkeys(range(7), (Stretch(time(22), time(23, 30)),)))
    noon = datetime(2024, 2, 29, 12, tzinfo=ALMATY)
    assert late.between(noon, noon + DAY) == 2 * HOUR


def test_instants_of_any_zone_are_the_same_instants() -> None:
    begin, end = at(24, 10, month=11), at(26, 16, month=11)
    assert office().between(begin.astimezone(UTC), end) == office().between(begin, end.astimezone(UTC)) == 21 * HOUR


@pytest.mark.parametrize(
    "days",
    [
        {},
        {0: ()},
        {0: (Stretch(time(9), time(13)), Stretch(time(12), time(18)))},
        {0: (Stretch(time(9), time(0)), Stretch(time(22), time(23)))},
    ],
    ids=["none", "empty", "overlap", "overlap at midnight"],
)
def test_a_calendar_without_hours_or_with_hours_twice_is_refused(days: dict[int, tuple[Stretch, ...]]) -> None:
    with pytest.raises(ValueError, match="working hours"):
        WorkingHours(ALMATY, days)


@pytest.mark.parametrize(("opens", "closes"), [(time(18), time(9)), (time(9), time(9))])
def test_hours_end_after_they_begin(opens: time, closes: time) -> None:
    with pytest.raises(ValueError, match="two stretches"):
        Stretch(opens, closes)


class EveryDay:
    def __contains__(self, day: object) -> bool:
        return isinstance(day, date)


def test_where_every_day_is_a_holiday_nothing_is_added_for_ever() -> None:
    with pytest.raises(ValueError, match="too many holidays"):
        WorkingHours(ALMATY, OFFICE_DAYS, EveryDay()).add(at(1, 9), HOUR)


def test_time_is_not_taken_away() -> None:
    with pytest.raises(ValueError, match="only goes on"):
        office().add(at(1, 9), -HOUR)
