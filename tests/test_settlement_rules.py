"""What a bank keeps, which days its transfer is for, and which line of a statement pays for which days."""

from datetime import date, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contracts.reconciliation import FeeBasis, FeeKind, FeeRule
from models.rules.bank_fee import divided, fee_minor
from models.rules.money import Rounding
from models.rules.purpose_days import days_named
from models.rules.settlement_matching import BankLine, DayShare, Match, Mismatch, Terms, UnsettledDay, match

FRIDAY = date(2026, 11, 20)
MONDAY = FRIDAY + timedelta(days=3)
TERMS = Terms(within_days=5)


def day(offset: int, gross: int = 0, fee: int | None = 0, *, ready: bool = True) -> UnsettledDay:
    return UnsettledDay(on=FRIDAY + timedelta(days=offset), is_ready=ready, gross_minor=gross, fee_minor=fee)


def line(amount: int, *, on: date = MONDAY, number: int = 1, purpose: str = "") -> BankLine:
    return BankLine(id=UUID(int=number), on=on, amount_minor=amount, named=days_named(purpose))


def days_of(found: Match) -> list[int]:
    return [(share.on - FRIDAY).days for share in found.shares]


# -- fees -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "amounts", "fee"),
    [
        (FeeRule(), {10_000: 3}, 0),
        (FeeRule(kind=FeeKind.AS_STATEMENT), {10_000: 3}, None),
        (FeeRule(kind=FeeKind.RULE, percent_bp=95), {10_000: 3}, 285),
        (FeeRule(kind=FeeKind.RULE, percent_bp=95), {}, 0),
        (FeeRule(kind=FeeKind.RULE, percent_bp=95, fixed_minor=7), {}, 0),
        (FeeRule(kind=FeeKind.RULE, percent_bp=95), {10_000: 3, -10_000: 1}, 190),
        (FeeRule(kind=FeeKind.RULE, percent_bp=95, fixed_minor=1000), {10_000: 3}, 1285),
        (FeeRule(kind=FeeKind.RULE, fixed_minor=1000, basis=FeeBasis.PAYMENT), {10_000: 3, -10_000: 2}, 3000),
        (FeeRule(kind=FeeKind.RULE, fixed_minor=1000), {-10_000: 2}, 0),
        # 1.5 tiyn each, or 4.5 together
        (FeeRule(kind=FeeKind.RULE, percent_bp=100, basis=FeeBasis.PAYMENT), {150: 3}, 6),
        (FeeRule(kind=FeeKind.RULE, percent_bp=100), {150: 3}, 5),
        (FeeRule(kind=FeeKind.RULE, percent_bp=100, rounding=Rounding.DOWN), {150: 3}, 4),
        (FeeRule(kind=FeeKind.RULE, percent_bp=100, rounding=Rounding.UP), {110: 1}, 2),
        (FeeRule(kind=FeeKind.RULE, percent_bp=100, rounding=Rounding.DOWN, basis=FeeBasis.PAYMENT), {199: 3}, 3),
    ],
)
def test_a_fee_is_reckoned_as_agreed(rule: FeeRule, amounts: dict[int, int], fee: int | None) -> None:
    assert fee_minor(rule, amounts) == fee


@given(st.integers(-(10**12), 10**12), st.lists(st.integers(0, 10**10), min_size=1, max_size=8))
def test_a_sum_divided_adds_up_to_itself(total: int, weights: list[int]) -> None:
    parts = divided(total, weights)

    assert sum(parts) == total
    assert len(parts) == len(weights)
    if sum(weights):
        assert all(
            abs(part - total * weight / sum(weights)) <= len(weights)
            for part, weight in zip(parts, weights, strict=True)
        )


# -- purposes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("purpose", "days"),
    [
        ("Перечисление платежей физ. лиц за 24.11.2026 по договору 17", ["2026-11-24"]),
        ("за 20.11.2026-22.11.2026, комиссия 0,95%", ["2026-11-20", "2026-11-21", "2026-11-22"]),
        ("за период с 20.11.26 по 22.11.26", ["2026-11-20", "2026-11-21", "2026-11-22"]),
        ("за 20.11.2026г. – 21.11.2026г.", ["2026-11-20", "2026-11-21"]),
        ("за 20-22.11.2026", ["2026-11-20", "2026-11-21", "2026-11-22"]),
        ("registry 2026-11-24", ["2026-11-24"]),
        ("за 20.11.2026, 22.11.2026", ["2026-11-20", "2026-11-22"]),
        ("договор 12.34.5678, ИИК KZ00112420112026", []),
        ("за 31.02.2026 и 99.99.2026", []),
        ("с 01.01.2020 по 01.01.2026", ["2020-01-01", "2026-01-01"]),
        ("22.11.2026 - 20.11.2026", ["2026-11-20", "2026-11-22"]),
        ("0-01.11.2026", ["2026-11-01"]),
        ("", []),
    ],
)
def test_a_purpose_names_days(purpose: str, days: list[str]) -> None:
    assert days_named(purpose) == {date.fromisoformat(one) for one in days}


@given(st.text(max_size=200))
def test_any_purpose_can_be_looked_at(purpose: str) -> None:
    assert all(2000 <= one.year < 2100 for one in days_named(purpose))


# -- lines and days ---------------------------------------------------------------------------------------------------


def test_a_line_pays_for_the_day_whose_payments_less_the_fee_it_is() -> None:
    found = match([day(0, 10_000, 95), day(1, 20_000, 190)], [line(19_810)], TERMS)

    assert found == ([Match(UUID(int=1), (DayShare(FRIDAY + timedelta(days=1), 19_810, 190),))], [])


def test_days_around_a_weekend_are_paid_for_in_one_lump() -> None:
    days = [day(-1, 5_000), day(0, 10_000, 95), day(1, 20_000, 190), day(2, 30_000, 285)]
    ((found,), mismatches) = match(days, [line(60_000 - 570)], TERMS)

    assert (days_of(found), mismatches) == ([0, 1, 2], [])
    assert sum(share.net_minor for share in found.shares) == 60_000 - 570
    assert [share.fee_minor for share in found.shares] == [95, 190, 285]


def test_no_run_reaches_over_a_day_that_is_not_ready() -> None:
    days = [day(0, 10_000), day(1, ready=False), day(2, 30_000)]

    assert match(days, [line(40_000)], TERMS) == ([], [])
    assert days_of(match([*days[:1], day(1, 1), *days[2:]], [line(40_001)], TERMS)[0][0]) == [0, 1, 2]


def test_refunds_that_exceed_a_days_payments_are_kept_back_from_the_next_transfer() -> None:
    ((found,), _) = match([day(0, -3_000), day(1, 10_000)], [line(7_000)], TERMS)

    assert [share.net_minor for share in found.shares] == [-3_000, 10_000]


def test_equal_sums_are_given_to_their_days_in_order() -> None:
    found, _ = match([day(1, 500), day(0, 500)], [line(500, number=2), line(500, number=1)], TERMS)

    assert [(one.line_id.int, days_of(one)) for one in found] == [(1, [0]), (2, [1])]


def test_the_purpose_tells_which_of_equal_days() -> None:
    ((found,), _) = match([day(0, 500), day(1, 500)], [line(500, purpose="за 21.11.2026")], TERMS)

    assert days_of(found) == [1]


def test_a_purpose_that_names_the_day_of_the_registry_too_misleads_nobody() -> None:
    days = [day(0, 10_000, 95), day(3, 777, 0)]
    ((found,), _) = match(days, [line(9_905, purpose="за 20.11.2026, реестр от 23.11.2026")], TERMS)

    assert days_of(found) == [0]


def test_a_line_with_another_sum_than_the_day_that_it_names_is_a_mismatch() -> None:
    found = match([day(0, 10_000, 95), day(1, 10)], [line(9_000, purpose="за 20.11.2026")], TERMS)

    assert found == ([], [Mismatch(UUID(int=1), (FRIDAY,))])
    assert match([day(0, ready=False)], [line(9_000, purpose="за 20.11.2026")], TERMS) == ([], [])


@pytest.mark.parametrize("offset", [-3, 1])
def test_a_line_outside_the_window_pays_for_nothing(offset: int) -> None:
    assert match([day(offset, 500)], [line(500, on=FRIDAY + timedelta(days=0 if offset > 0 else 5))], TERMS) == ([], [])


def test_a_bank_that_reckons_a_little_otherwise_keeps_what_it_says() -> None:
    days = [day(0, 10_000, 95), day(1, 10_000, 95)]

    assert match(days, [line(19_808)], TERMS) == ([], [])
    ((found,), _) = match(days, [line(19_808)], Terms(within_days=5, tolerance_minor=2))
    assert [(share.net_minor, share.fee_minor) for share in found.shares] == [(9_905, 95), (9_903, 97)]
    ((exact,), _) = match([*days, day(2, 9_906)], [line(9_906)], Terms(within_days=5, tolerance_minor=2))
    assert days_of(exact) == [2], "the closest one"


def test_where_the_statement_tells_the_fee_a_line_is_whatever_is_a_little_less_than_a_day() -> None:
    terms = Terms(within_days=5, at_most_bp=300)

    ((found,), _) = match([day(0, 10_000, None), day(1, 20_000, None)], [line(29_400)], terms)
    assert [(share.net_minor, share.fee_minor) for share in found.shares] == [(9_800, 200), (19_600, 400)]
    assert match([day(0, 10_000, None)], [line(9_600)], terms) == ([], [])
    assert match([day(0, 10_000, None)], [line(10_001)], terms) == ([], [])
    two_would_do = [day(0, 10_000, None), day(1, 10_100, None)]
    assert match(two_would_do, [line(9_950)], terms) == ([], [])
    ((told,), _) = match(two_would_do, [line(9_950, purpose="за 21.11.2026")], terms)
    assert days_of(told) == [1]


@given(
    st.lists(st.tuples(st.integers(-5_000, 50_000), st.integers(0, 300), st.booleans()), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(1, 60_000), st.integers(0, 8)), max_size=6),
    st.data(),
)
def test_no_line_and_no_day_is_used_twice_and_shares_add_up(
    facts: list[tuple[int, int, bool]], other_lines: list[tuple[int, int]], data: st.DataObject
) -> None:
    days = [day(number, gross, fee, ready=ready) for number, (gross, fee, ready) in enumerate(facts)]
    ready = [number for number, (_, _, is_ready) in enumerate(facts) if is_ready]
    lines = [
        line(amount, on=FRIDAY + timedelta(days=at), number=number)
        for number, (amount, at) in enumerate(other_lines, start=1)
    ]
    if ready:
        one = days[data.draw(st.sampled_from(ready))]
        net = one.gross_minor - (one.fee_minor or 0)
        if net > 0:
            lines.append(line(net, on=one.on + timedelta(days=1), number=99))
    amounts = {one.id: one.amount_minor for one in lines}
    by_day = {one.on: one for one in days}

    matches, mismatches = match(days, lines, TERMS)

    used = [share.on for found in matches for share in found.shares]
    assert len(used) == len(set(used))
    assert len({found.line_id for found in matches}) == len(matches)
    assert mismatches == []
    for found in matches:
        assert sum(share.net_minor for share in found.shares) == amounts[found.line_id]
        for share in found.shares:
            assert by_day[share.on].is_ready
            assert share.net_minor + share.fee_minor == by_day[share.on].gross_minor
        assert all(later.on > earlier.on for earlier, later in pairwise(found.shares))
