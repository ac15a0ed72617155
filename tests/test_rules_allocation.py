"""Which money covers which invoice, and how VAT is taken out of a price."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from models.rules.allocation import Advance, AllocationRule, OpenInvoice, allocate, divided_over_accounts
from models.rules.money import vat_inside

amounts = st.integers(1, 10**9)
invoices = st.lists(
    st.builds(
        OpenInvoice, st.uuids(), st.dates(date(2024, 1, 1), date(2027, 1, 1)), amounts
    ),
    max_size=8, unique_by=lambda invoice: invoice.id,
)  # fmt: skip
advances = st.lists(
    st.builds(Advance, st.uuids(), st.datetimes(timezones=st.just(UTC)), amounts),
    max_size=8, unique_by=lambda advance: advance.payment_id,
)  # fmt: skip


rules = st.sampled_from(AllocationRule)


@given(advances, invoices, rules)
def test_either_the_money_or_the_invoices_are_used_up(
    money: list[Advance], due: list[OpenInvoice], rule: AllocationRule
) -> None:
    shared = sum(share.amount_minor for share in allocate(money, due, rule))
    assert shared == min(
        sum(advance.unallocated_minor for advance in money), sum(invoice.outstanding_minor for invoice in due)
    )


@given(advances, invoices, rules)
def test_nothing_is_covered_or_spent_twice(money: list[Advance], due: list[OpenInvoice], rule: AllocationRule) -> None:
    shares = allocate(money, due, rule)
    assert all(share.amount_minor > 0 for share in shares)
    assert len({(share.payment_id, share.invoice_id) for share in shares}) == len(shares)
    for advance in money:
        spent = sum(share.amount_minor for share in shares if share.payment_id == advance.payment_id)
        assert spent <= advance.unallocated_minor
    for invoice in due:
        covered = sum(share.amount_minor for share in shares if share.invoice_id == invoice.id)
        assert covered <= invoice.outstanding_minor


ORDERS: dict[AllocationRule, Callable[[OpenInvoice], Any]] = {
    AllocationRule.OLDEST_DUE: lambda invoice: (invoice.due_on, invoice.id),
    AllocationRule.NEWEST_DUE: lambda invoice: (-invoice.due_on.toordinal(), invoice.id),
    AllocationRule.SMALLEST_FIRST: lambda invoice: (invoice.outstanding_minor, invoice.due_on, invoice.id),
}


def covered_by(money: list[Advance], due: list[OpenInvoice], rule: AllocationRule) -> dict[UUID, int]:
    covered: dict[UUID, int] = {}
    for share in allocate(money, due, rule):
        covered[share.invoice_id] = covered.get(share.invoice_id, 0) + share.amount_minor
    return covered


@given(advances, invoices, st.sampled_from(list(ORDERS)))
def test_an_invoice_gets_money_only_after_all_that_the_rule_puts_before_it(
    money: list[Advance], due: list[OpenInvoice], rule: AllocationRule
) -> None:
    covered = covered_by(money, due, rule)
    in_order = sorted(due, key=ORDERS[rule])
    full = [covered.get(invoice.id, 0) == invoice.outstanding_minor for invoice in in_order]
    first_open = full.index(False) if False in full else len(full)
    assert all(invoice.id not in covered for invoice in in_order[first_open + 1 :])


@given(advances, invoices)
def test_in_proportion_each_invoice_gets_its_part_to_the_tiyn(money: list[Advance], due: list[OpenInvoice]) -> None:
    covered = covered_by(money, due, AllocationRule.PROPORTIONAL)
    owed = sum(invoice.outstanding_minor for invoice in due)
    spent = min(sum(advance.unallocated_minor for advance in money), owed)
    for invoice in due:
        assert abs(covered.get(invoice.id, 0) * owed - invoice.outstanding_minor * spent) <= owed


@given(advances, invoices, rules, st.randoms())
def test_the_order_of_the_input_does_not_matter(
    money: list[Advance], due: list[OpenInvoice], rule: AllocationRule, random: Random
) -> None:
    before = allocate(money, due, rule)
    random.shuffle(money)
    random.shuffle(due)
    assert allocate(money, due, rule) == before


@given(advances, invoices, rules)
def test_one_payment_at_a_time_closes_no_more_than_all_of_them_at_once(
    money: list[Advance], due: list[OpenInvoice], rule: AllocationRule
) -> None:
    """What is owed in the end does not depend on how the money came."""
    left = {invoice.id: invoice for invoice in due}
    for advance in sorted(money, key=lambda advance: (advance.received_at, advance.payment_id)):
        for share in allocate([advance], list(left.values()), rule):
            one = left[share.invoice_id]
            left[share.invoice_id] = replace(one, outstanding_minor=one.outstanding_minor - share.amount_minor)
    together = covered_by(money, due, rule)
    assert sum(one.outstanding_minor for one in left.values()) == sum(
        invoice.outstanding_minor - together.get(invoice.id, 0) for invoice in due
    )


@given(st.integers(1, 10**9), st.lists(st.tuples(st.sampled_from([UUID(int=1), UUID(int=2), UUID(int=3)]), st.builds(
    OpenInvoice, st.uuids(), st.dates(date(2024, 1, 1), date(2027, 1, 1)), amounts
)), max_size=8, unique_by=lambda pair: pair[1].id))  # fmt: skip
def test_a_payment_for_several_accounts_covers_them_as_if_they_were_one(
    amount_minor: int, due: list[tuple[UUID, OpenInvoice]]
) -> None:
    parts = divided_over_accounts(amount_minor, due)
    payment = Advance(UUID(int=9), datetime(2026, 1, 1, tzinfo=UTC), amount_minor)
    together = covered_by([payment], [invoice for _, invoice in due], AllocationRule.OLDEST_DUE)
    account_of = {invoice.id: account_id for account_id, invoice in due}
    expected: dict[UUID, int] = {}
    for invoice_id, covered in together.items():
        expected[account_of[invoice_id]] = expected.get(account_of[invoice_id], 0) + covered
    assert parts == expected


def test_the_oldest_money_covers_the_oldest_due_invoice_first() -> None:
    early, late = uuid4(), uuid4()
    now = datetime(2026, 11, 24, tzinfo=UTC)
    money = [Advance(late, now, 700), Advance(early, now - timedelta(days=1), 500)]
    march = OpenInvoice(uuid4(), date(2026, 3, 1), 600)
    april = OpenInvoice(uuid4(), date(2026, 4, 1), 900)
    assert allocate(money, [april, march]) == [
        (early, march.id, 500), (late, march.id, 100), (late, april.id, 600),
    ]  # fmt: skip


@given(st.integers(0, 10**12), st.sampled_from([0, 1200, 1600]))
def test_vat_and_net_make_up_the_price_to_the_tiyn(gross_minor: int, rate_bp: int) -> None:
    vat = vat_inside(gross_minor, rate_bp)
    net = gross_minor - vat
    assert 0 <= vat <= gross_minor
    assert abs(net * rate_bp - vat * 10_000) <= (10_000 + rate_bp) / 2
