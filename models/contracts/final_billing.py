"""What a service costs up to its end, as it is spoken of outside."""

from datetime import date
from uuid import UUID

from pydantic import BaseModel

from models.contracts.billing_run import ProrationPreviewLine
from models.contracts.money import Money


class FinalPreview(BaseModel):
    """What a final invoice would say. A negative total is given back."""

    subscription_id: UUID
    end_on: date
    """The first day that is no longer charged."""
    lines: list[ProrationPreviewLine]
    net: Money
    vat: Money
    total: Money


class FinalBill(BaseModel):
    """What came of it. A positive total is an invoice; a negative one went back by credit notes, as far as it could."""

    total_minor: int
    invoice_id: UUID | None = None
    recalculation_id: UUID | None = None
    credit_note_ids: list[UUID] = []
    credited_minor: int = 0
    """Less than the total only where credit notes of accounting had given a part of it back before."""
