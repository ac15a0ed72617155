"""Invoices of many lines, and a database of its own, for tests of what accounting does."""

from collections.abc import Sequence
from datetime import date
from itertools import count
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import insert
from sqlalchemy.orm import Session

from activities import ledger, settlement
from activities.ledger import Posting
from models.contracts.billing import InvoiceKind
from models.contracts.ledger import Chart
from models.rules.money import tenge, vat_inside
from models.tables.billing import Invoice, InvoiceLine
from models.tables.people import Account
from tests.factories import TODAY

_numbers = count(10**8)
"""Of more digits than a series has, so that they are nobody else's; each is given once."""


class Line(NamedTuple):
    """A line that holds its VAT; a discount is negative."""

    total_minor: int
    rate_bp: int = 1600
    description: str = "Абонентская плата, Домашний 100, ноябрь 2026"
    formula: str = "6 500,00 ₸ × 17/30 дней"
    subscription_id: UUID | None = None
    month_on: date | None = None
    charge_id: UUID | None = None


def invoice_of(
    session: Session,
    account: Account,
    lines: Sequence[Line],
    *,
    period_on: date | None = None,
    issued_on: date = TODAY,
    due_on: date | None = None,
) -> Invoice:
    """An issued and posted invoice of these lines; a month's one where a period is given."""
    vats = [vat_inside(line.total_minor, line.rate_bp) for line in lines]
    total, vat = sum(line.total_minor for line in lines), sum(vats)
    invoice = Invoice(
        number=f"СЧ-2026-{next(_numbers)}",
        kind=InvoiceKind.FINAL if period_on is None else InvoiceKind.RECURRING,
        account_id=account.id,
        period_on=period_on,
        issued_on=issued_on,
        due_on=due_on or issued_on,
        net_minor=total - vat,
        vat_minor=vat,
        total_minor=total,
    )
    session.add(invoice)
    session.flush()
    session.execute(
        insert(InvoiceLine),
        [
            {
                "invoice_id": invoice.id, "line_no": number, "description": line.description, "formula": line.formula,
                "quantity": 1, "unit_minor": line.total_minor, "vat_rate_bp": line.rate_bp,
                "net_minor": line.total_minor - line_vat, "vat_minor": line_vat, "total_minor": line.total_minor,
                "subscription_id": line.subscription_id, "service_month_on": line.month_on,
                "charge_id": line.charge_id,
            }
            for number, (line, line_vat) in enumerate(zip(lines, vats, strict=True), start=1)
        ],
    )  # fmt: skip
    ledger.post_all(
        session,
        [
            Posting(
                key=f"invoice/{invoice.id}/{part}", debit=Chart.RECEIVABLES, credit=credit, amount_minor=amount_minor,
                account_id=account.id, document_kind="invoice", document_id=invoice.id,
                reason=f"счёт {invoice.number}", effective_on=issued_on,
            )
            for part, credit, amount_minor in (
                ("net", Chart.REVENUE, total - vat), ("vat", Chart.VAT_PAYABLE, vat),
            )
        ],
    )  # fmt: skip
    settlement.settle(session, account.id, reason=tenge(total), on=issued_on)
    return invoice
