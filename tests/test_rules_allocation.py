"""Which money covers which invoice, and how VAT is taken out of a price."""

from datetime import UTC, date, datetime, timedelta
from random import Random
from uuid import UUID, uuid4

from hypothesis import given
from hypothesis import strategies as st

from models.rules.allocation import Advance, OpenInvoice, allocate
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


@given(advances, invoices)
def test_either_the_money_or_the_invoices_are_used_up(money: list[Advance], due: list[OpenInvoice]) -> None:
    shared = sum(share.amount_minor for share in allocate(money, due))
    assert shared == min(
        sum(advance.unallocated_minor for advance in money), sum(invoice.outstanding_minor for invoice in due)
    )


@given(advances, invoices)
def test_nothing_is_covered_or_spent_twice(money: list[Advance], due: list[OpenInvoice]) -> None:
    shares = allocate(money, due)
    assert all(share.amount_minor > 0 for share in shares)
    assert len({(share.payment_id, share.invoice_id) for share in shares}) == len(shares)
    for advance in money:
        spent = sum(share.amount_minor for share in shares if share.payment_id == advance.payment_id)
        assert spent <= advance.unallocated_minor
    for invoice in due:
        covered = sum(share.amount_minor for share in shares if share.invoice_id == invoice.id)
        assert covered <= invoice.outstanding_minor


@given(advances, invoices)
def test_an_invoice_gets_money_only_after_all_that_were_due_earlier(
    money: list[Advance], due: list[OpenInvoice]
) -> None:
    covered: dict[UUID, int] = {}
    for share in allocate(money, due):
        covered[share.invoice_id] = covered.get(share.invoice_id, 0) + share.amount_minor
    in_order = sorted(due, key=lambda invoice: (invoice.due_on, invoice.id))
    full = [covered.get(invoice.id, 0) == invoice.outstanding_minor for invoice in in_order]
    first_open = full.index(False) if False in full else len(full)
    assert all(invoice.id not in covered for invoice in in_order[first_open + 1 :])


@given(advances, invoices, st.randoms())
def test_the_order_of_the_input_does_not_matter(money: list[Advance], due: list[OpenInvoice], random: Random) -> None:
    before = allocate(money, due)
    random.shuffle(money)
    random.shuffle(due)
    assert allocate(money, due) == before


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
