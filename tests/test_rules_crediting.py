"""Out of which invoices something is given back: what is meant first, never more than there is."""

from uuid import UUID, uuid5

from hypothesis import given
from hypothesis import strategies as st

from models.rules.crediting import OpenLine, give_back

SOME = UUID(int=0)


def invoices_of(sizes: list[list[tuple[int, bool]]]) -> list[OpenLine]:
    return [
        OpenLine(uuid5(SOME, str(number)), line_no, left, is_meant)
        for number, lines in enumerate(sizes)
        for line_no, (left, is_meant) in enumerate(lines, start=1)
    ]


@given(
    sizes=st.lists(
        st.lists(st.tuples(st.integers(-(10**5), 10**6), st.booleans()), min_size=1, max_size=5), max_size=5
    ),
    amount=st.integers(1, 3 * 10**6),
)
def test_parts_add_up_to_the_amount_as_far_as_invoices_go(sizes: list[list[tuple[int, bool]]], amount: int) -> None:
    lines = invoices_of(sizes)
    taken = give_back(amount, lines)
    left = {invoice: sum(line.left_minor for line in lines if line.invoice_id == invoice) for invoice, *_ in lines}
    assert sum(sum(parts.values()) for parts in taken.values()) == min(
        amount, sum(max(0, one) for one in left.values())
    )
    by_line = {(line.invoice_id, line.line_no): line for line in lines}
    for invoice_id, parts in taken.items():
        assert 0 < sum(parts.values()) <= left[invoice_id]
        for line_no, part in parts.items():
            line = by_line[invoice_id, line_no]
            assert part * line.left_minor > 0
            assert abs(part) <= abs(line.left_minor)
        if sum(parts.values()) == left[invoice_id]:
            whole = {
                line.line_no: line.left_minor for line in lines if line.invoice_id == invoice_id and line.left_minor
            }
            assert parts == whole, "an invoice that is used up has no line left open"


def test_what_is_meant_is_drawn_on_before_anything_newer() -> None:
    newest, older = invoices_of([[(500, False)], [(300, True), (400, False)]])[0].invoice_id, uuid5(SOME, "1")
    lines = invoices_of([[(500, False)], [(300, True), (400, False)]])
    assert give_back(200, lines) == {older: {1: 200}}
    assert give_back(700, lines) == {newest: {1: 400}, older: {1: 300}}
    assert give_back(2_000, lines) == {newest: {1: 500}, older: {1: 300, 2: 400}}


def test_a_line_and_its_discount_are_taken_back_together() -> None:
    [line, *_] = lines = invoices_of([[(6_500, True), (-650, True), (900, False)]])
    assert give_back(2_925, lines) == {line.invoice_id: {1: 3_250, 2: -325}}
