"""Invoices, as they are spoken of outside."""

from datetime import date, datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.contracts.money import MAX_AMOUNT_MINOR, Money, PositiveMoney


class InvoiceKind(StrEnum):
    """What an invoice is for."""

    CONNECTION = "connection"
    RECURRING = "recurring"
    FINAL = "final"
    """What a service costs up to the day on which it is to end."""
    CORRECTION = "correction"
    """What it costs beyond its final invoice: it ended on another day, or went on."""
    EQUIPMENT = "equipment"
    """Equipment that was not given back."""


class RecalculationKind(StrEnum):
    """What made billing take something back."""

    MONTHLY = "monthly"
    FINAL = "final"
    CORRECTION = "correction"
    WITHDRAWAL = "withdrawal"
    """A final invoice that holds no longer: the service goes on."""


class BillingProblem(StrEnum):
    """Why an account could not be billed."""

    NO_PRICE = "no_price"
    """A day of service has no price for its tariff."""
    NO_TAX_RATE = "no_tax_rate"
    """A day of service has no VAT rate."""
    AMOUNT_BEYOND_LIMIT = "amount_beyond_limit"
    """The invoice would be larger than any invoice can be."""
    NEGATIVE_TOTAL = "negative_total"
    """More is to be given back than earlier invoices still hold."""


class InvoiceStatus(StrEnum):
    """Derived from what was allocated, credited and written off, never stored."""

    OPEN = "open"
    PARTLY_PAID = "partly_paid"
    PAID = "paid"
    CREDITED = "credited"
    WRITTEN_OFF = "written_off"
    """What was outstanding will not be paid any more."""


class InvoiceLineView(BaseModel):
    """One charge and the formula that explains it."""

    line_no: int
    description: str
    formula: str
    quantity: int
    unit: Money
    vat_rate_percent: float
    net: Money
    vat: Money
    total: Money
    credited: Money
    """What credit notes took back of it."""


class AllocationView(BaseModel):
    """A part of a payment that covers the invoice; negative where one was undone."""

    payment_id: UUID
    amount: Money
    reason: str
    allocated_at: datetime


class LineAmount(Money):
    """An amount that one line is credited with; negative for the line of a discount."""

    amount_minor: Annotated[int, Field(ge=-MAX_AMOUNT_MINOR, le=MAX_AMOUNT_MINOR, strict=True)]


class CreditedLine(BaseModel):
    """How much of one line is taken back."""

    model_config = ConfigDict(extra="forbid")
    line_no: Annotated[int, Field(ge=1, le=10**6)]
    amount: LineAmount


class NewCreditNote(BaseModel):
    """What of an invoice is taken back, and why. Without amount and lines: all that is left of it."""

    model_config = ConfigDict(extra="forbid")
    amount: PositiveMoney | None = None
    """Divided over the lines in proportion to what is left of each."""
    lines: Annotated[list[CreditedLine], Field(min_length=1, max_length=1000)] | None = None
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]

    @model_validator(mode="after")
    def _says_it_one_way(self) -> Self:
        if self.amount is not None and self.lines is not None:
            raise ValueError("give either amount or lines, or neither for the whole")
        numbers = [line.line_no for line in self.lines or []]
        if len(set(numbers)) < len(numbers):
            raise ValueError("name each line once")
        return self


class CreditNoteLineView(BaseModel):
    """What a credit note takes back of one line."""

    line_no: int
    vat_rate_percent: float
    net: Money
    vat: Money
    total: Money


class ReckoningLine(BaseModel):
    """What is given back and what for: a part of a recalculation of billing."""

    description: str
    formula: str
    vat_rate_percent: float
    net: Money
    vat: Money
    total: Money


class CreditNoteView(BaseModel):
    """What took an invoice back, whole or in part."""

    id: UUID
    number: str
    invoice_id: UUID
    issued_on: date
    net: Money
    vat: Money
    total: Money
    reason: str
    created_by: str
    lines: list[CreditNoteLineView]
    reckoning: list[ReckoningLine] = []
    """How billing came to it; empty where a person of accounting did. Several credit notes may carry out one."""


class InvoiceSummary(BaseModel):
    """An invoice without its lines, as lists show it."""

    id: UUID
    number: str
    kind: InvoiceKind
    status: InvoiceStatus
    account_no: str
    process_id: UUID | None
    period: str | None
    """The month whose billing run issued it, such as 2026-11; none outside a run."""
    issued_on: date
    due_on: date
    net: Money
    vat: Money
    total: Money
    credited: Money
    allocated: Money
    written_off: Money
    outstanding: Money


class InvoiceView(InvoiceSummary):
    """An invoice with lines, tax, totals and what was paid and taken back."""

    lines: list[InvoiceLineView]
    allocations: list[AllocationView]
    credit_notes: list[CreditNoteView]
