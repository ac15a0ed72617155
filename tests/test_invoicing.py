"""Invoices: what they charge, the VAT inside, how they are taken back."""

from datetime import date, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import invoicing, ledger
from models.contracts.billing import InvoiceStatus
from models.contracts.ledger import Chart
from models.contracts.refusals import Refusal
from models.database import Database
from models.rules.money import vat_inside
from models.tables.billing import CreditNote, Invoice, InvoiceLine
from models.tables.ledger import Transfer
from tests import factories
from tests.factories import TODAY

OLD_DAY = date(2025, 12, 31)
slow = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def credit(session: Session, invoice: Invoice) -> CreditNote | None:
    return invoicing.credit_invoice(session, invoice.id, reason="отмена заявки", on=TODAY, actor="process")


def transfers(session: Session, document_id: object) -> list[tuple[str, str, int]]:
    rows = session.execute(
        select(Transfer.debit, Transfer.credit, Transfer.amount_minor)
        .where(Transfer.document_id == document_id)
        .order_by(Transfer.id)
    )
    return [(debit, credit, amount) for debit, credit, amount in rows]


def test_a_connection_invoice_charges_the_fee_each_sku_and_the_first_month(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        tariff = factories.tariff(session, connection_fee_minor=500_000, fee_minor=650_000)
        ont, router = factories.equipment(session), factories.equipment(session, price_minor=990_000)
        invoice = invoicing.issue_connection_invoice(
            session,
            process_id=factories.process(session, account=account).id,
            account_id=account.id,
            tariff_id=tariff.id,
            equipment=[ont.sku, router.sku, ont.sku],
            issued_on=TODAY,
            due_on=TODAY + timedelta(days=10),
        )
        view = invoicing.view(session, invoice.id)
        assert [(line.quantity, line.total.amount_minor) for line in view.lines] == [
            (1, 500_000), (2, 3_000_000), (1, 990_000), (1, 650_000),
        ]  # fmt: skip
        assert view.lines[1].formula == "2 × 15\u00a0000,00\u00a0₸, в том числе НДС 16\u00a0%"
        assert view.total.amount_minor == 5_140_000
        assert view.vat.amount_minor == sum(vat_inside(line.total.amount_minor, 1600) for line in view.lines)
        assert view.number.startswith("СЧ-2026-")
        assert view.account_no == account.account_no
        assert view.status is InvoiceStatus.OPEN
        assert transfers(session, invoice.id) == [
            (Chart.RECEIVABLES, Chart.REVENUE, invoice.net_minor),
            (Chart.RECEIVABLES, Chart.VAT_PAYABLE, invoice.vat_minor),
        ]
        assert ledger.debt_minor(session, account.id) == 5_140_000
        assert ledger.check(session, account_id=account.id) == []


def test_a_process_has_one_connection_invoice_however_often_it_asks(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice = factories.connection_invoice(session, account, 700_000)
        assert invoice.process_id is not None
        again = invoicing.issue_connection_invoice(
            session,
            process_id=invoice.process_id,
            account_id=account.id,
            tariff_id=factories.tariff(session).id,
            equipment=[],
            issued_on=TODAY + timedelta(days=1),
            due_on=TODAY + timedelta(days=2),
        )
        assert again.id == invoice.id
        assert ledger.debt_minor(session, account.id) == 700_000


def test_an_invoice_of_nothing_is_paid_from_the_beginning_and_needs_no_credit_note(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice = factories.connection_invoice(session, account, 0)
        assert invoicing.outstanding_minor(session, invoice.id) == 0
        assert invoicing.view(session, invoice.id).status is InvoiceStatus.PAID
        assert transfers(session, invoice.id) == []
        assert credit(session, invoice) is None


@pytest.mark.parametrize("missing", ["tariff", "equipment", "price", "vat"])
def test_what_has_no_price_is_not_invoiced(database: Database, missing: str) -> None:
    issued_on = TODAY if missing != "vat" else date(2008, 12, 31)
    with database.transaction() as session:
        account = factories.customer(session).account
        tariff = factories.tariff(
            session, fee_minor=None if missing == "price" else 650_000, priced_from=date(2000, 1, 1)
        )
        process_id = factories.process(session, account=account).id
        with pytest.raises(Refusal) as refusal:
            invoicing.issue_connection_invoice(
                session,
                process_id=process_id,
                account_id=account.id,
                tariff_id=uuid4() if missing == "tariff" else tariff.id,
                equipment=["no-such-thing"] if missing == "equipment" else [],
                issued_on=issued_on,
                due_on=issued_on,
            )
    assert refusal.value.slug == {
        "tariff": "tariff_unknown",
        "equipment": "equipment_unknown",
        "price": "tariff_price_missing",
        "vat": "tax_rate_missing",
    }[missing]  # fmt: skip


def test_numbers_of_invoices_follow_each_other_without_a_gap(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        first = factories.connection_invoice(session, account, 100)
    with database.transaction() as session:
        factories.connection_invoice(session, account, 100)
        session.rollback()
    with database.transaction() as session:
        second = factories.connection_invoice(session, account, 100)
    assert int(second.number[-6:]) == int(first.number[-6:]) + 1


def test_what_was_paid_in_advance_covers_a_new_invoice_at_once(database: Database) -> None:
    with database.transaction() as session:
        bank, account = factories.bank(session), factories.customer(session).account
        first = factories.pay(session, bank.row.id, account, 300_000)
        second = factories.pay(session, bank.row.id, account, 300_000)
        invoice = factories.connection_invoice(session, account, 500_000)
        view = invoicing.view(session, invoice.id)
        assert view.status is InvoiceStatus.PAID
        assert [(part.payment_id, part.amount.amount_minor) for part in view.allocations] == [
            (first.payment_id, 300_000), (second.payment_id, 200_000),
        ]  # fmt: skip
        assert ledger.debt_minor(session, account.id) == 0
        assert ledger.advance_minor(session, account.id) == 100_000
        assert ledger.check(session, account_id=account.id) == []


def test_a_credited_invoice_leaves_its_money_to_the_next_invoice_of_the_account(database: Database) -> None:
    with database.transaction() as session:
        bank, account = factories.bank(session), factories.customer(session).account
        wrong = factories.connection_invoice(session, account, 500_000, due_on=TODAY)
        right = factories.connection_invoice(session, account, 400_000, due_on=TODAY + timedelta(days=1))
        factories.pay(session, bank.row.id, account, 500_000)
        assert invoicing.outstanding_minor(session, right.id) == 400_000
        note = credit(session, wrong)
        assert note is not None
        assert note.total_minor == 500_000
        assert invoicing.view(session, wrong.id).status is InvoiceStatus.CREDITED
        assert invoicing.outstanding_minor(session, wrong.id) == 0
        assert invoicing.outstanding_minor(session, right.id) == 0
        assert ledger.balance_minor(session, account.id) == 100_000
        assert ledger.check(session, account_id=account.id) == []


def test_an_invoice_is_credited_once(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice = factories.connection_invoice(session, account, 500_000)
        first = credit(session, invoice)
    with database.transaction() as session:
        again = credit(session, invoice)
        notes = session.scalar(select(func.count()).where(CreditNote.invoice_id == invoice.id))
        assert first is not None
        assert again is not None
        assert again.id == first.id
        assert notes == 1
        assert ledger.balance_minor(session, account.id) == 0
        assert ledger.check(session, account_id=account.id) == []


def test_vat_of_an_old_invoice_stays_twelve_percent_even_when_it_is_credited_today(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        old = factories.connection_invoice(session, account, 1_120_000, issued_on=OLD_DAY)
        new = factories.connection_invoice(session, account, 1_160_000, issued_on=TODAY)
        assert (old.vat_minor, new.vat_minor) == (120_000, 160_000)
        note = credit(session, old)
        assert note is not None
        assert (note.issued_on, note.vat_minor) == (TODAY, 120_000)
        assert transfers(session, note.id) == [
            (Chart.REVENUE, Chart.RECEIVABLES, 1_000_000),
            (Chart.VAT_PAYABLE, Chart.RECEIVABLES, 120_000),
        ]
        assert invoicing.view(session, old.id).lines[0].vat_rate_percent == 12


@slow
@given(
    prices=st.lists(st.integers(0, 10**8), min_size=1, max_size=4),
    quantity=st.integers(1, 3),
    issued_on=st.sampled_from([OLD_DAY, TODAY]),
)
def test_an_invoice_is_the_sum_of_its_stored_lines(
    database: Database, prices: list[int], quantity: int, issued_on: date
) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        models = [factories.equipment(session, price_minor=price) for price in prices]
        invoice = invoicing.issue_connection_invoice(
            session,
            process_id=factories.process(session, account=account).id,
            account_id=account.id,
            tariff_id=factories.tariff(session).id,
            equipment=[model.sku for model in models] * quantity,
            issued_on=issued_on,
            due_on=issued_on,
        )
        lines = session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id)).all()
        rate_bp = 1200 if issued_on == OLD_DAY else 1600
        for line in lines:
            assert line.total_minor == line.quantity * line.unit_minor
            assert line.vat_minor == vat_inside(line.total_minor, rate_bp)
        assert invoice.total_minor == sum(line.total_minor for line in lines)
        assert invoice.vat_minor == sum(line.vat_minor for line in lines)
        assert ledger.check(session, account_id=account.id) == []


def test_an_unknown_invoice_is_said_to_be_unknown(database: Database) -> None:
    with database.transaction() as session:
        for question in (invoicing.outstanding_minor, invoicing.view, invoicing.get):
            with pytest.raises(Refusal, match="no such invoice"):
                question(session, uuid4())
