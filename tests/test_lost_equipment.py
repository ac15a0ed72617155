"""Equipment that was not given back costs what it is still worth."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from activities import final_billing, invoicing, ledger
from models.contracts.billing import InvoiceKind
from models.contracts.billing_run import BillingPolicy
from models.contracts.processes import ProcessKind
from models.contracts.refusals import Refusal
from models.database import Database
from models.rules.depreciation import Depreciation, full_months, residual
from models.rules.invoice_words import in_language
from models.tables.billing import Invoice
from models.tables.people import Account
from models.tables.stock import StockItem
from tests import factories
from tests.factories import TODAY

RULE = Depreciation(life_months=36, floor_bp=1000)
PRICE = 1_500_000


@pytest.mark.parametrize(
    ("from_on", "until_on", "months"),
    [
        (date(2026, 1, 15), date(2026, 2, 14), 0),
        (date(2026, 1, 15), date(2026, 2, 15), 1),
        (date(2024, 2, 29), date(2025, 2, 28), 11),
        (date(2024, 2, 29), date(2025, 3, 1), 12),
        (date(2025, 12, 31), date(2026, 1, 1), 0),
        (date(2026, 5, 1), date(2026, 4, 30), 0),
    ],
)
def test_only_whole_months_of_use_count(from_on: date, until_on: date, months: int) -> None:
    assert full_months(from_on, until_on) == months


@pytest.mark.parametrize(
    ("used", "left", "formula"),
    [
        (0, PRICE, "15\u00a0000,00\u00a0₸ × 36/36 мес. службы"),
        (14, 916_667, "15\u00a0000,00\u00a0₸ × 22/36 мес. службы"),
        (32, 166_667, "15\u00a0000,00\u00a0₸ × 4/36 мес. службы"),
        (33, 150_000, "15\u00a0000,00\u00a0₸ × 10\u00a0%, наименьшая стоимость"),
        (500, 150_000, "15\u00a0000,00\u00a0₸ × 10\u00a0%, наименьшая стоимость"),
    ],
)
def test_a_piece_loses_an_equal_part_each_month_down_to_a_floor(used: int, left: int, formula: str) -> None:
    assert (residual(PRICE, used, RULE).amount_minor, residual(PRICE, used, RULE).formula) == (left, formula)


@given(price=st.integers(0, 10**10), used=st.integers(0, 300), life=st.integers(1, 240), floor=st.integers(0, 10_000))
def test_a_piece_never_costs_more_with_time_nor_more_than_new(price: int, used: int, life: int, floor: int) -> None:
    rule = Depreciation(life, floor)
    now, later = residual(price, used, rule).amount_minor, residual(price, used + 1, rule).amount_minor
    assert 0 <= later <= now <= price
    assert now * 10_000 >= price * floor - 5_000


class Loss:
    """A subscriber who lost pieces of equipment, and the process that bills them."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.account: Account = factories.customer(session).account
        self.process_id = factories.process(session, kind=ProcessKind.DISCONNECTION, account=self.account).id
        self.model = factories.equipment(session, price_minor=PRICE)

    def piece(self, *, used_from: datetime | None) -> tuple[str, str]:
        received_at = datetime(2024, 11, 24, tzinfo=UTC)
        row = StockItem(
            serial=factories.unique("SN").upper(), sku=self.model.sku, received_at=received_at, first_used_at=used_from
        )
        self.session.add(row)
        self.session.flush()
        return row.serial, row.sku

    def bill(self, *items: tuple[str, str]) -> Invoice | None:
        return final_billing.bill_lost_equipment(
            self.session, process_id=self.process_id, account_id=self.account.id, items=items, issued_on=TODAY,
            due_on=TODAY,
        )  # fmt: skip


def lines_of(session: Session, invoice_id: UUID) -> list[Any]:
    view = invoicing.view(session, invoice_id)
    return [(line.description, line.formula, line.total.amount_minor) for line in view.lines]


def test_each_piece_is_billed_by_its_age_since_it_was_first_used_or_else_received(database: Database) -> None:
    with database.transaction() as session:
        loss = Loss(session)
        used = loss.piece(used_from=datetime(2025, 9, 24, 8, tzinfo=UTC))
        never = loss.piece(used_from=None)
        invoice = loss.bill(used, never)
        assert invoice is not None
        assert loss.bill(never) == invoice, "one invoice for a process"
        assert lines_of(session, invoice.id) == [
            (f"Невозвращённое оборудование: ONT GPON, № {used[0]}",
             "15\u00a0000,00\u00a0₸ × 22/36 мес. службы, в том числе НДС 16\u00a0%", 916_667),
            (f"Невозвращённое оборудование: ONT GPON, № {never[0]}",
             "15\u00a0000,00\u00a0₸ × 12/36 мес. службы, в том числе НДС 16\u00a0%", 500_000),
        ]  # fmt: skip
        assert (invoice.kind, invoice.process_id) == (InvoiceKind.EQUIPMENT, loss.process_id)
        assert ledger.debt_minor(session, loss.account.id) == 1_416_667
        assert ledger.check(session, account_id=loss.account.id) == []


def test_an_advance_covers_what_was_lost(database: Database) -> None:
    with database.transaction() as session:
        loss = Loss(session)
        factories.pay(session, factories.bank(session).row.id, loss.account, PRICE)
        invoice = loss.bill(loss.piece(used_from=None))
        assert invoice is not None
        assert invoicing.outstanding_minor(session, invoice.id) == 0


def test_the_policy_says_how_fast_equipment_ages(database: Database) -> None:
    with database.transaction() as session:
        loss = Loss(session)
        policy = BillingPolicy(equipment_life_months=12, equipment_floor_bp=0)
        factories.policy(session, policy.model_dump(mode="json"), code="billing", version=10**6)
        assert loss.bill(loss.piece(used_from=None)) is None, "nothing is left of it, so nothing is to be paid"
        session.rollback()


def test_a_piece_that_is_not_in_the_books_is_refused(database: Database) -> None:
    with database.transaction() as session:
        loss = Loss(session)
        serial, _ = loss.piece(used_from=None)
        for item in ((serial, "another-sku"), ("SN-NOWHERE", loss.model.sku)):
            with pytest.raises(Refusal) as refused:
                loss.bill(item)
            assert refused.value.slug == "serial_unknown"


def test_the_words_of_such_a_line_are_printed_in_each_language() -> None:
    line = "Невозвращённое оборудование: ONT GPON, № SN-1"
    formula = "15\u00a0000,00\u00a0₸ × 22/36 мес. службы, в том числе НДС 16\u00a0%"
    assert in_language(line, "en") == "Equipment not returned: ONT GPON, № SN-1"
    assert in_language(line, "kk") == "Қайтарылмаған жабдық: ONT GPON, № SN-1"
    assert in_language(formula, "en") == "15\u00a0000,00\u00a0₸ × 22/36 months of use, including VAT 16\u00a0%"
