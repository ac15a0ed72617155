"""When planned works are announced, which windows an outage may have, and what its SMS look like."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.contracts.outage import NewOutage, OutageChange, OutagePolicy
from models.contracts.people import Language
from models.rules.outage_sentences import OUTAGE_EVENTS
from models.rules.outage_telling import Occasion
from models.rules.outage_texts import OUTAGE_TEXTS
from models.rules.outage_timing import TalkingHours, announce_at
from models.rules.outage_window import problems_of
from models.rules.quiet_hours import next_allowed
from models.rules.sms_segments import segment_count
from models.rules.sms_texts import Template, facts_of

ZONE = ZoneInfo("Asia/Almaty")
HOLIDAY = date(2026, 12, 16)
AT = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def hours(quiet_from: time = time(21), quiet_until: time = time(9), *, weekdays_only: bool = True) -> TalkingHours:
    return TalkingHours(ZONE, quiet_from, quiet_until, weekdays_only, {HOLIDAY})


def local(day: int, hour: int, minute: int = 0, month: int = 12) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=ZONE)


@pytest.mark.parametrize(
    ("starts_at", "sending", "expected"),
    [
        pytest.param(local(3, 14), 0, local(2, 14), id="a day before, at the same hour"),
        pytest.param(local(3, 2), 0, local(1, 21), id="by night: the evening before"),
        pytest.param(local(3, 7), 0, local(1, 21), id="before the hours begin: the evening before"),
        pytest.param(local(7, 14), 0, local(4, 21), id="on a Monday: the Friday before"),
        pytest.param(local(17, 14), 0, local(15, 21), id="after a holiday: the day before it"),
        pytest.param(local(3, 14), 60, local(2, 13), id="all are told in time, however long that takes"),
        pytest.param(local(3, 2), 120, local(1, 19), id="before the night falls"),
        pytest.param(local(3, 9, 30), 60, local(1, 20), id="not half of them on the next morning"),
        pytest.param(local(3, 14), 2000, local(2, 9), id="longer than a day: from its morning on"),
    ],
)
def test_works_are_announced_in_time_and_by_day(starts_at: datetime, sending: int, expected: datetime) -> None:
    found = announce_at(starts_at, notice=DAY, sending=timedelta(minutes=sending), hours=hours())
    assert found == expected


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 6, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - gets its zone
    st.timedeltas(timedelta(0), timedelta(days=5)),
    st.timedeltas(timedelta(0), timedelta(hours=6)),
    st.times(), st.times(), st.booleans(),
)  # fmt: skip
def test_whenever_works_begin_their_notice_may_go_at_once_and_is_not_late(  # noqa: PLR0917 - as many as are drawn
    starts_at: datetime, notice: timedelta, sending: timedelta, quiet_from: time, quiet_until: time, weekdays_only: bool
) -> None:
    found = announce_at(
        starts_at, notice=notice, sending=sending, hours=hours(quiet_from, quiet_until, weekdays_only=weekdays_only)
    )
    assert found <= starts_at - notice
    may_go_at = next_allowed(
        found, zone=ZONE, quiet_from=quiet_from, quiet_until=quiet_until, weekdays_only=weekdays_only,
        holidays={HOLIDAY},
    )  # fmt: skip
    assert may_go_at == found or sending == timedelta(0), "the end of a stretch is where its last notice goes"


def test_no_day_to_write_on_is_as_if_there_were_no_quiet_hours() -> None:
    never = TalkingHours(ZONE, time(21), time(9), True, _EveryDay())
    assert announce_at(AT, notice=DAY, sending=HOUR, hours=never) == AT - DAY - HOUR


class _EveryDay:
    def __contains__(self, day: object) -> bool:
        return True


# --- windows ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("starts", "ends", "has_begun", "fields"),
    [
        (2 * DAY, 3 * DAY, False, set()),
        (timedelta(minutes=-4), HOUR, False, set()),
        (-HOUR, HOUR, False, {"starts_at"}),
        (370 * DAY, 371 * DAY, False, {"starts_at"}),
        (2 * DAY, 1 * DAY, False, {"ends_at"}),
        (2 * DAY, 2 * DAY, False, {"ends_at"}),
        (2 * DAY, 40 * DAY, False, {"ends_at"}),
        (-2 * DAY, HOUR, True, set()),
        (-2 * DAY, -HOUR, True, {"ends_at"}),
        (-8 * DAY, HOUR, True, {"starts_at"}),
        (HOUR, 2 * HOUR, True, {"starts_at"}),
    ],
)
def test_a_window_is_in_order_and_not_absurd(
    starts: timedelta, ends: timedelta, *, has_begun: bool, fields: set[str]
) -> None:
    assert set(problems_of(AT + starts, AT + ends, has_begun=has_begun, at=AT)) == fields


def test_the_start_that_an_outage_has_may_stay_however_long_ago_it_was() -> None:
    was = AT - 20 * DAY
    assert problems_of(was, AT + HOUR, has_begun=True, at=AT, was=was) == {}


NODE = "019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071"


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "planned", "node_ids": [NODE], "reason": "works"},
        {"kind": "planned", "node_ids": [NODE], "reason": "works", "starts_at": AT},
        {"kind": "emergency", "node_ids": [], "reason": "a fault"},
        {"kind": "emergency", "node_ids": [NODE] * 501, "reason": "a fault"},
        {"kind": "emergency", "node_ids": [NODE], "reason": "a fault", "starts_at": "2026-11-24T10:00:00"},
        {"kind": "emergency", "node_ids": [NODE], "reason": "x"},
        {"kind": "storm", "node_ids": [NODE], "reason": "a fault"},
    ],
)
def test_an_order_that_can_not_be_is_refused(order: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        NewOutage.model_validate(order)


@pytest.mark.parametrize(
    "change", [{}, {"ended": False}, {"ended": True, "ends_at": AT}, {"ended_at": AT, "reason": "why"}]
)
def test_a_change_says_one_thing(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OutageChange.model_validate(change)


@pytest.mark.parametrize(
    "body",
    [
        {"credit": {"threshold": "PT90S"}}, {"credit": {"cap_percent": 0}}, {"credit": {"cap_percent": 101}},
        {"notice": "-PT1H"}, {"overrun_every": "PT0S"}, {"overruns_at_most": -1}, {"what": 1},
    ],
)  # fmt: skip
def test_a_policy_that_can_not_work_is_refused(body: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OutagePolicy.model_validate(body)


# --- words ------------------------------------------------------------------------------------------------------------


def test_each_occasion_has_a_text_and_a_sentence_in_each_language() -> None:
    assert {f"outage_{occasion}" for occasion in Occasion} == set(OUTAGE_TEXTS)
    for name, texts in OUTAGE_TEXTS.items():
        assert set(texts) == set(Language)
        assert set(OUTAGE_EVENTS[f"outage_told_{name.removeprefix('outage_')}"]) == set(Language)
        for language, text in texts.items():
            assert facts_of(Template(name), language) <= {"from", "until"}
            filled = text.format_map({"from": "24.11 10:00", "until": "24.11 18:30"})
            assert segment_count(filled) <= 2, (name, language, len(filled))


def test_an_announcement_says_when_and_an_end_says_no_time_that_could_be_wrong() -> None:
    assert facts_of(Template.OUTAGE_ANNOUNCED) == facts_of(Template.OUTAGE_MOVED) == {"from", "until"}
    assert facts_of(Template.OUTAGE_EMERGENCY) == facts_of(Template.OUTAGE_NEW_END) == {"until"}
    assert facts_of(Template.OUTAGE_RESTORED) == facts_of(Template.OUTAGE_OVERRUN) == frozenset()
