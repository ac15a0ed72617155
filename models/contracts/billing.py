"""Invoices, as they are spoken of outside."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel

from models.contracts.money import Money


class InvoiceKind(StrEnum):
    """What an invoice is for."""

    CONNECTION = "connection"
    RECURRING = "recurring"
    FINAL = "final"


class BillingProblem(StrEnum):
    """Why an account could not be billed."""

    NO_PRICE = "no_price"
    """A day of service has no price for its tariff."""
    NO_TAX_RATE = "no_tax_rate"
    """A day of service has no VAT rate."""
    AMOUNT_BEYOND_LIMIT = "amount_beyond_limit"
    """The invoice would be larger than any invoice can be."""
    NEGATIVE_TOTAL = "negative_total"
    """More is to be given back than is charged: it takes a credit note by accounting."""


class InvoiceStatus(StrEnum):
    """Derived from what was allocated and credited, never stored."""

    OPEN = "open"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    CREDITED = "credited"


class InvoiceLineView(BaseModel):
    """One charge and the formula that explains it."""

    description: str
    formula: str
    quantity: int
    unit: Money
    vat_rate_percent: float
    net: Money
    vat: Money
    total: Money


class AllocationView(BaseModel):
    """A part of a payment that covers the invoice; negative where one was undone."""

    payment_id: UUID
    amount: Money
    reason: str
    allocated_at: datetime


class InvoiceView(BaseModel):
    """An invoice with lines, tax, totals and what was paid."""

    id: UUID
    number: str
    kind: InvoiceKind
    status: InvoiceStatus
    account_no: str
    process_id: UUID | None
    issued_on: date
    due_on: date
    lines: list[InvoiceLineView]
    net: Money
    vat: Money
    total: Money
    credited: Money
    allocated: Money
    outstanding: Money
    allocations: list[AllocationView]
