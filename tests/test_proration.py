"""Proration: a part of a month to the tiyn, with the sentence that explains it; previews and runs say the same."""

from datetime import date, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import Range

from activities.proration import proration_preview
from models.contracts.billing_run import ProrationPreview, ProrationPreviewRequest
from models.contracts.catalogue import VatMode
from models.contracts.refusals import Refusal
from models.database import Database
from models.rules.money import rounded_share, tenge, vat_inside, vat_on_top
from models.tables.catalogue import TariffPrice
from models.tables.subscriptions import Discount
from tests import factories
from tests.billing_histories import LONG_AGO, bill, invoice_lines, next_month, serve
from tests.billing_oracle import DiscountFacts, Rules, ServiceFacts, Sums, TariffFacts, lines_of, month_days

slow = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MONTHS = [date(2024, 2, 1), date(2025, 2, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 11, 1)]
FEES = st.integers(1, 10**8)


def preview(database: Database, **asked: Any) -> ProrationPreview:
    with database.transaction() as session:
        return proration_preview(session, ProrationPreviewRequest.model_validate(asked))


def money(amount_minor: int) -> dict[str, int]:
    return {"amount_minor": amount_minor}


def sums(answer: ProrationPreview) -> list[Sums]:
    return [Sums(line.net.amount_minor, line.vat.amount_minor) for line in answer.lines]


def test_seventeen_days_of_november_say_how_they_are_counted(database: Database) -> None:
    answer = preview(database, period="2026-11", fee=money(650_000), active=["2026-11-14", None])
    [line] = answer.lines
    assert line.formula == "6\u00a0500,00\u00a0₸ × 17/30 дней"
    assert line.description == "Абонентская плата, ноябрь 2026 (14–30)"
    assert (line.total.amount_minor, line.vat_rate_percent) == (368_333, 16)
    assert answer.total.amount_minor == answer.net.amount_minor + answer.vat.amount_minor == 368_333


@pytest.mark.parametrize(("period", "days"), [("2024-02", 29), ("2025-02", 28), ("2026-04", 30), ("2026-12", 31)])
def test_the_days_are_those_of_the_month_itself(database: Database, period: str, days: int) -> None:
    answer = preview(database, period=period, fee=money(100_000), active=["2020-01-01", None])
    assert answer.lines[0].formula == f"1\u00a0000,00\u00a0₸ × {days}/{days} дней"
    assert answer.total.amount_minor == 100_000
    last = date.fromisoformat(f"{period}-{days}")
    alone = preview(database, period=period, fee=money(100_000), active=[str(last), str(last + timedelta(days=1))])
    assert alone.lines[0].formula.endswith(f" × 1/{days} дней")
    assert alone.total.amount_minor == 100_000 - rounded_share(100_000, days - 1, days)


@slow
@given(fee=FEES, month=st.sampled_from(MONTHS), cuts=st.sets(st.integers(1, 27), max_size=5))
def test_a_month_split_anywhere_adds_up_to_the_whole(database: Database, fee: int, month: date, cuts: set[int]) -> None:
    edges = [month, *(month + timedelta(days=cut) for cut in sorted(cuts)), next_month(month)]
    with database.transaction() as session:
        parts = [
            proration_preview(
                session,
                ProrationPreviewRequest.model_validate(
                    {"period": f"{month:%Y-%m}", "fee": money(fee), "active": [since, until]}
                ),
            ).total.amount_minor
            for since, until in pairwise(edges)
        ]
    assert sum(parts) == fee


@slow
@given(
    fee=FEES,
    month=st.sampled_from(MONTHS),
    from_day=st.integers(0, 13),
    to_day=st.integers(14, 28),
    mode=st.sampled_from(VatMode),
    discounts=st.lists(
        st.tuples(
            st.one_of(
                st.integers(1, 10_000).map(lambda share: (share, None)),
                st.integers(1, 10**8).map(lambda amount: (None, amount)),
            ),
            st.integers(0, 27),
            st.integers(1, 28),
        ),
        max_size=4,
    ),
)
def test_a_preview_says_what_the_oracle_says_day_by_day(
    *,
    database: Database,
    fee: int,
    month: date,
    from_day: int,
    to_day: int,
    mode: VatMode,
    discounts: list[tuple[tuple[int | None, int | None], int, int]],
) -> None:
    tariff = TariffFacts(uuid4(), "", True, mode is VatMode.ON_TOP, ((LONG_AGO, fee),))
    service = ServiceFacts(uuid4(), dict.fromkeys(month_days(month)[from_day:to_day], (tariff, "active")))
    asked = []
    for position, ((percent, amount), first, length) in enumerate(discounts):
        since, until = month + timedelta(days=first), month + timedelta(days=first + length)
        service.discounts.append(DiscountFacts(uuid4(), percent, amount, since, until, position))
        sized = {"percent_bp": percent} if percent is not None else {"amount": money(amount or 0)}
        asked.append({"title": "Акция", **sized, "active": [since, until]})
    answer = preview(
        database, period=f"{month:%Y-%m}", fee=money(fee), vat_mode=mode, discounts=asked,
        active=[month + timedelta(days=from_day), month + timedelta(days=to_day)],
    )  # fmt: skip
    should = [line.sums for line in lines_of(service, month, Rules(False, False))]
    assert sums(answer) == [line for line in should if line != (0, 0)]
    assert answer.total.amount_minor >= 0


def test_discounts_apply_in_their_order_each_to_what_is_left(database: Database) -> None:
    percent = {"title": "Новосёл", "percent_bp": 1000}
    amount = {"title": "Пенсионер", "amount": money(100_000)}
    first = preview(database, period="2026-11", fee=money(650_000), discounts=[percent, amount])
    assert [line.total.amount_minor for line in first.lines] == [650_000, -65_000, -100_000]
    assert first.lines[1].description == "Скидка «Новосёл», ноябрь 2026"
    assert first.lines[1].formula == "(5\u00a0850,00\u00a0₸ − 6\u00a0500,00\u00a0₸) × 30/30 дней"
    second = preview(database, period="2026-11", fee=money(650_000), discounts=[amount, percent])
    assert [line.total.amount_minor for line in second.lines] == [650_000, -100_000, -55_000]
    beyond = preview(database, period="2026-11", fee=money(50_000), discounts=[amount, percent])
    assert [line.total.amount_minor for line in beyond.lines] == [50_000, -50_000]


def test_a_change_of_tariff_is_prorated_on_both_sides(database: Database) -> None:
    with database.transaction() as session:
        slow_one, fast_one = factories.tariff(session, fee_minor=650_000), factories.tariff(session, fee_minor=990_000)
    change = {"from_tariff": slow_one.code, "to_tariff": fast_one.code, "on": "2026-11-11"}
    answer = preview(database, period="2026-11", tariff_change=change)
    assert [(line.formula, line.total.amount_minor) for line in answer.lines] == [
        ("6\u00a0500,00\u00a0₸ × 10/30 дней", 216_667),
        ("9\u00a0900,00\u00a0₸ × 20/30 дней", 660_000),
    ]
    from_the_first = preview(database, period="2026-11", tariff_change={**change, "on": "2026-11-01"})
    assert [line.total.amount_minor for line in from_the_first.lines] == [990_000]


@slow
@given(
    fees=st.lists(FEES, min_size=1, max_size=4),
    month=st.sampled_from(MONTHS),
    percent=st.integers(1, 9_999),
    mode=st.sampled_from(VatMode),
)
def test_a_preview_is_what_the_run_then_issues(
    database: Database, fees: list[int], month: date, percent: int, mode: VatMode
) -> None:
    with database.transaction() as session:
        accounts, previews = [], []
        for fee in fees:
            account = factories.customer(session).account
            tariff = factories.tariff(session, fee_minor=fee)
            tariff.vat_mode = mode
            service = serve(session, account, tariff.id, since=month)
            session.add(
                Discount(
                    subscription_id=service, title="Акция", percent_bp=percent, during=Range(LONG_AGO, None),
                    position=1, created_by="test",
                )
            )  # fmt: skip
            session.flush()
            asked = {
                "period": f"{month:%Y-%m}", "fee": money(fee), "vat_mode": mode,
                "discounts": [{"title": "Акция", "percent_bp": percent}],
            }  # fmt: skip
            accounts.append(account)
            previews.append(proration_preview(session, ProrationPreviewRequest.model_validate(asked)))
        bill(session, accounts, month)
        for account, answer in zip(accounts, previews, strict=True):
            lines = invoice_lines(session, account, month)
            assert [(line.formula, line.net_minor, line.vat_minor) for line in lines] == [
                (line.formula, line.net.amount_minor, line.vat.amount_minor) for line in answer.lines
            ]
        session.rollback()


@pytest.mark.parametrize(
    ("asked", "slug"),
    [
        ({"active": ["2026-12-01", None]}, "no_day_in_period"),
        ({"active": ["2026-01-01", "2026-11-01"]}, "no_day_in_period"),
        ({"period": "2008-11"}, "tax_rate_missing"),
        ({"fee": None, "tariff_change": {"from_tariff": "no-such", "to_tariff": "x", "on": "2026-11-02"}},
         "tariff_unknown"),
        ({"fee": None, "tariff_change": {"from_tariff": "x", "to_tariff": "x", "on": "2026-12-01"}},
         "change_outside_of_period"),
    ],
)  # fmt: skip
def test_what_cant_be_computed_is_refused_with_what_to_do(database: Database, asked: dict[str, Any], slug: str) -> None:
    with pytest.raises(Refusal) as refusal:
        preview(database, **{"period": "2026-11", "fee": money(1), **asked})
    assert refusal.value.slug == slug


@pytest.mark.parametrize("fee_minor", [None, 9 * 10**18])
def test_a_tariff_without_a_usable_price_is_refused(database: Database, fee_minor: int | None) -> None:
    with database.transaction() as session:
        good, bad = factories.tariff(session), factories.tariff(session, fee_minor=None)
        if fee_minor is not None:
            session.add(TariffPrice(tariff_id=bad.id, valid=Range(LONG_AGO, None), fee_minor=fee_minor))
    with pytest.raises(Refusal) as refusal:
        preview(
            database, period="2026-11",
            tariff_change={"from_tariff": good.code, "to_tariff": bad.code, "on": "2026-11-20"},
        )  # fmt: skip
    assert refusal.value.slug == ("tariff_price_missing" if fee_minor is None else "amount_beyond_limit")


@pytest.mark.parametrize(
    "asked",
    [
        {"period": "2026-13"},
        {"fee": money(-1)},
        {"fee": money(10**13 + 1)},
        {"active": ["2026-11-14", "2026-11-14"]},
        {"fee": None},
        {"tariff_change": {"from_tariff": "a", "to_tariff": "b", "on": "2026-11-02"}},
        {"discounts": [{"title": "x", "percent_bp": -1000}]},
        {"discounts": [{"title": "x", "percent_bp": 10_001}]},
        {"discounts": [{"title": "x", "amount": money(-5)}]},
        {"discounts": [{"title": "x"}]},
    ],
)
def test_bad_input_never_reaches_the_arithmetic(asked: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ProrationPreviewRequest.model_validate({"period": "2026-11", "fee": money(1), **asked})


@slow
@given(amount=st.integers(-(10**13), 10**13), rate=st.integers(0, 10_000), days=st.integers(28, 31))
def test_the_database_rounds_and_writes_money_as_the_program_does(
    database: Database, amount: int, rate: int, days: int
) -> None:
    with database.transaction() as session:
        row = session.execute(
            text("""
                SELECT billing_vat(:amount, 'included', :rate) AS inside,
                       billing_vat(:amount, 'on_top', :rate) AS on_top,
                       billing_share(:amount, 0, 17, :days) AS share, billing_tenge(:amount) AS tenge
            """),
            {"amount": amount, "rate": rate, "days": days},
        ).one()
    assert row.inside == vat_inside(amount, rate)
    assert row.on_top == vat_on_top(amount, rate)
    assert row.share == rounded_share(amount, 17, days)
    assert row.tenge == tenge(amount)
