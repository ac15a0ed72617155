"""What an outage gives back: minutes beyond the threshold, once, never more than the fee, by the local calendar."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import permutations
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from models.rules.outage_credit import CreditTerms, Interruption, OutageCredit, PaidDays, Span, credit, span_of

ALMATY, HAVANA, NEW_YORK = ZoneInfo("Asia/Almaty"), ZoneInfo("America/Havana"), ZoneInfo("America/New_York")
NOVEMBER, DECEMBER = date(2026, 11, 1), date(2026, 12, 1)
FEE = 650_000
DAY = 24 * 60
HOUR = CreditTerms(threshold_minutes=60, cap_bp=10_000)
ALL = CreditTerms(threshold_minutes=0, cap_bp=10_000)


def days(month_on: date, from_day: int = 0, to_day: int | None = None, **facts: object) -> PaidDays:
    following = (month_on + timedelta(days=31)).replace(day=1)
    return PaidDays(
        month_on, from_day, (following - month_on).days if to_day is None else to_day,
        **{"fee_minor": FEE, "vat_rate_bp": 1600, "is_vat_on_top": False, **facts},  # type: ignore[arg-type]
    )  # fmt: skip


def local(day: date, hour: int = 0, minute: int = 0, *, zone: ZoneInfo = ALMATY) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)


def credited(
    outage: Span,
    paid: Sequence[PaidDays],
    *,
    terms: CreditTerms = HOUR,
    known: Sequence[Interruption] = (),
    given_minor: dict[date, int] | None = None,
    zone: ZoneInfo = ALMATY,
) -> OutageCredit:
    return credit(outage, known=known, paid=paid, given_minor=given_minor or {}, terms=terms, zone=zone)


def amount(one: OutageCredit) -> int:
    return sum(line.amount_minor for line in one.lines)


def minutes(spans: Sequence[Span]) -> set[int]:
    return {minute for span in spans for minute in range(span.start, span.end)}


# --- By example -------------------------------------------------------------------------------------------------------


def test_minutes_beyond_the_threshold_are_given_back_with_a_formula() -> None:
    outage = span_of(local(date(2026, 11, 24), 9), local(date(2026, 11, 24), 15, 12))
    [line] = credited(outage, [days(NOVEMBER)]).lines
    assert (line.first_on, line.last_on) == (date(2026, 11, 24), date(2026, 11, 24))
    assert line.amount_minor == round(FEE * 312 / 43_200)
    assert line.formula == "6\u00a0500,00\u00a0₸ × (372 − 60)/43\u00a0200 минут"


def test_up_to_the_threshold_nothing_is_given_back() -> None:
    start = local(date(2026, 11, 24), 9)
    assert credited(span_of(start, start + timedelta(minutes=60)), [days(NOVEMBER)]).lines == ()
    assert len(credited(span_of(start, start + timedelta(minutes=61)), [days(NOVEMBER)]).lines) == 1


def test_seconds_are_cut_off_so_that_two_outages_share_no_minute() -> None:
    start = local(date(2026, 11, 24), 9)
    assert span_of(start + timedelta(seconds=59), start + timedelta(minutes=3, seconds=1)) == span_of(
        start, start + timedelta(minutes=3)
    )


def test_a_cap_says_so() -> None:
    outage = span_of(local(NOVEMBER), local(DECEMBER))
    [line] = credited(outage, [days(NOVEMBER)], terms=CreditTerms(60, 5_000)).lines
    assert (line.amount_minor, line.formula) == (
        FEE // 2,
        "6\u00a0500,00\u00a0₸ × (43\u00a0200 − 60)/43\u00a0200 минут, не больше 3\u00a0250,00\u00a0₸",
    )
    assert (
        credited(outage, [days(NOVEMBER)], terms=CreditTerms(60, 5_000), given_minor={NOVEMBER: FEE // 2}).lines == ()
    )


def test_a_whole_month_without_service_gives_the_fee_back_and_no_tiyn_more() -> None:
    outage = span_of(local(NOVEMBER), local(DECEMBER))
    assert amount(credited(outage, [days(NOVEMBER)], terms=ALL)) == FEE


def test_an_outage_over_the_end_of_a_year_is_a_line_a_month_each_at_its_vat_rate() -> None:
    december, january = date(2025, 12, 1), date(2026, 1, 1)
    outage = span_of(local(date(2025, 12, 31), 22), local(january, 4))
    first, second = credited(outage, [days(december, vat_rate_bp=1200), days(january)]).lines
    assert (first.vat_rate_bp, first.formula) == (1200, "6\u00a0500,00\u00a0₸ × (120 − 60)/44\u00a0640 минут")
    assert (second.vat_rate_bp, second.formula) == (1600, "6\u00a0500,00\u00a0₸ × 240/44\u00a0640 минут")
    assert [first.last_on, second.first_on] == [date(2025, 12, 31), january]


def test_only_days_that_are_charged_give_something_back() -> None:
    outage = span_of(local(date(2026, 11, 10)), local(date(2026, 11, 20)))
    paid = [days(NOVEMBER, 0, 11), days(NOVEMBER, 14, 16, fee_minor=300_000)]
    first, second = credited(outage, paid, terms=ALL).lines
    assert (first.first_on, first.last_on) == (date(2026, 11, 10), date(2026, 11, 11))
    assert first.amount_minor == round(FEE * 2 * DAY / 43_200)
    assert (second.first_on, second.last_on) == (date(2026, 11, 15), date(2026, 11, 16))
    assert second.amount_minor == round(300_000 * 2 * DAY / 43_200)
    assert credited(outage, []).lines == ()


def test_vat_on_top_comes_on_top_of_what_is_given_back() -> None:
    outage = span_of(local(NOVEMBER), local(DECEMBER))
    one = credited(outage, [days(NOVEMBER, is_vat_on_top=True)], terms=ALL)
    assert (amount(one), one.total_minor) == (FEE, FEE + FEE * 16 // 100)


@pytest.mark.parametrize(
    ("zone", "month_on", "length"),
    [
        (NEW_YORK, date(2026, 3, 1), 31 * DAY - 60),
        (NEW_YORK, date(2026, 11, 1), 30 * DAY + 60),
        (HAVANA, date(2026, 3, 1), 31 * DAY - 60),
        (ALMATY, date(2024, 2, 1), 29 * DAY + 60),
        (ALMATY, date(2024, 3, 1), 31 * DAY),
    ],
)  # fmt: skip
def test_a_month_is_as_long_as_the_clocks_made_it(zone: ZoneInfo, month_on: date, length: int) -> None:
    """Almaty moved from UTC+6 to UTC+5 at the end of 29.02.2024."""
    following = (month_on + timedelta(days=31)).replace(day=1)
    outage = span_of(local(month_on, zone=zone), local(following, zone=zone))
    assert outage.end - outage.start == length
    [line] = credited(outage, [days(month_on)], terms=ALL, zone=zone).lines
    assert line.amount_minor == FEE
    assert f"{length:,}/{length:,}".replace(",", "\u00a0") in line.formula


def test_an_outage_that_continues_another_has_the_threshold_once() -> None:
    start = span_of(local(date(2026, 11, 24), 9), local(date(2026, 11, 24), 9)).start
    first = credited(Span(start, start + 40), [days(NOVEMBER)])
    assert first.lines == ()
    second = credited(Span(start + 40, start + 100), [days(NOVEMBER)], known=[first.interruption])
    assert amount(second) == round(FEE * 40 / 43_200)
    apart = credited(Span(start + 41, start + 101), [days(NOVEMBER)], known=[first.interruption])
    assert apart.lines == ()


# --- By property ------------------------------------------------------------------------------------------------------

any_time = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])

BASE = span_of(datetime(2026, 2, 10, tzinfo=UTC), datetime(2026, 2, 10, tzinfo=UTC)).start
SPANS = st.builds(
    lambda start, length: Span(BASE + start, BASE + start + length),
    st.integers(0, 60 * DAY), st.integers(1, 45 * DAY),
)  # fmt: skip
SHORT_SPANS = st.builds(
    lambda start, length: Span(BASE + start, BASE + start + length), st.integers(0, 600), st.integers(1, 300)
)
TERMS = st.builds(CreditTerms, st.integers(0, 3 * DAY), st.integers(100, 10_000))
ZONES = st.sampled_from([ALMATY, NEW_YORK, HAVANA])
MONTHS = [date(2026, month, 1) for month in range(1, 8)]


@st.composite
def services(draw: st.DrawFn) -> list[PaidDays]:
    """Some days of some months, with a fee for each part."""
    paid = []
    for month_on in MONTHS:
        length = ((month_on + timedelta(days=31)).replace(day=1) - month_on).days
        cuts = sorted(draw(st.sets(st.integers(0, length), max_size=6)))
        for from_day, to_day in zip(cuts[::2], cuts[1::2], strict=False):
            paid.append(days(month_on, from_day, to_day, fee_minor=draw(st.integers(0, 10**7))))
    return paid


def cost_minor(paid: Sequence[PaidDays], month_on: date) -> int:
    """What bills say of a month at the least: each part rounded cumulatively, as `billing_share` does it."""
    length = ((month_on + timedelta(days=31)).replace(day=1) - month_on).days

    def upto(one: PaidDays, day: int) -> int:
        return (2 * one.fee_minor * day + length) // (2 * length)

    return sum(upto(one, one.to_day) - upto(one, one.from_day) for one in paid if one.month_on == month_on)


@any_time
@given(outage=SPANS, paid=services(), terms=TERMS, zone=ZONES)
def test_never_negative_never_above_the_cap_or_the_fee(
    outage: Span, paid: list[PaidDays], terms: CreditTerms, zone: ZoneInfo
) -> None:
    one = credited(outage, paid, terms=terms, zone=zone)
    assert all(line.amount_minor > 0 for line in one.lines)
    for month_on in MONTHS:
        given_back = sum(line.amount_minor for line in one.lines if line.first_on.replace(day=1) == month_on)
        assert given_back * 10_000 <= cost_minor(paid, month_on) * terms.cap_bp


@any_time
@given(
    outage=SPANS, paid=services(), terms=TERMS, zone=ZONES,
    more=st.tuples(st.integers(0, 5 * DAY), st.integers(0, 5 * DAY)),
)  # fmt: skip
def test_a_longer_outage_never_gives_less(
    outage: Span, paid: list[PaidDays], terms: CreditTerms, zone: ZoneInfo, more: tuple[int, int]
) -> None:
    longer = Span(outage.start - more[0], outage.end + more[1])
    assert amount(credited(longer, paid, terms=terms, zone=zone)) >= amount(
        credited(outage, paid, terms=terms, zone=zone)
    )


@any_time
@given(outage=SPANS, paid=services(), zone=ZONES, terms=TERMS)
def test_whose_days_are_named_are_days_of_the_outage_that_are_charged(
    outage: Span, paid: list[PaidDays], zone: ZoneInfo, terms: CreditTerms
) -> None:
    charged = {
        one.month_on + timedelta(days=day) for one in paid for day in range(one.from_day, one.to_day) if one.fee_minor
    }
    first, last = (datetime.fromtimestamp(minute * 60, zone).date() for minute in (outage.start, outage.end - 1))
    for line in credited(outage, paid, terms=terms, zone=zone).lines:
        assert first <= line.first_on <= line.last_on <= last
        assert {line.first_on, line.last_on} <= charged


@any_time
@given(outages=st.lists(SHORT_SPANS, min_size=1, max_size=4), threshold=st.integers(0, 200))
def test_in_whichever_order_outages_are_credited_no_minute_counts_twice_and_all_count_as_one(
    outages: list[Span], threshold: int
) -> None:
    terms = CreditTerms(threshold, 10_000)
    wanted = _beyond_threshold(outages, threshold)
    for order in permutations(outages):
        known: list[Interruption] = []
        counted: list[int] = []
        for outage in order:
            one = credited(outage, [], terms=terms, known=known)
            known.append(one.interruption)
            counted += sorted(minutes(one.counted))
        assert len(counted) == len(set(counted))
        assert set(counted) == wanted
        assert {minute for one in known for minute in minutes(one.credited)} == wanted


def _beyond_threshold(outages: Sequence[Span], threshold: int) -> set[int]:
    """Minute by minute: those without service for which it had been away that long."""
    away = minutes(outages)
    found, length = set(), 0
    for minute in range(min(away), max(away) + 1):
        length = length + 1 if minute in away else 0
        if length > threshold:
            found.add(minute)
    return found


@any_time
@given(
    first=SPANS, second=SPANS, paid=services(), terms=TERMS, zone=ZONES,
)  # fmt: skip
def test_two_outages_together_stay_below_the_cap(
    first: Span, second: Span, paid: list[PaidDays], terms: CreditTerms, zone: ZoneInfo
) -> None:
    assume(paid)
    one = credited(first, paid, terms=terms, zone=zone)
    given_minor: dict[date, int] = {}
    for line in one.lines:
        month_on = line.first_on.replace(day=1)
        given_minor[month_on] = given_minor.get(month_on, 0) + line.amount_minor
    other = credited(second, paid, terms=terms, zone=zone, known=[one.interruption], given_minor=given_minor)
    for month_on in MONTHS:
        both = [line.amount_minor for line in (*one.lines, *other.lines) if line.first_on.replace(day=1) == month_on]
        assert sum(both) * 10_000 <= cost_minor(paid, month_on) * terms.cap_bp
