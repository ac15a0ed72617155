"""What a process tells its steps, and what steps of several processes answer."""

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel


class ProcessStep(BaseModel):
    """Input of a step: which process, and the process's own time."""

    process_id: UUID
    at: datetime


class ClosingStep(ProcessStep):
    """The end of a process before its goal: who wanted it, and why."""

    actor: str
    request_id: UUID | None = None
    reason: str
    detail: str | None = None
    """The sentence of a refusal that ends it."""


class InvoiceStep(ProcessStep):
    """An invoice, and within what time it is to be paid."""

    pay_within: timedelta


class PaymentStep(ProcessStep):
    """A look at the ledger, because of these payments."""

    payment_ids: list[UUID] = []


class Outstanding(BaseModel):
    """What is still to be paid on the invoice that a process waits for."""

    outstanding_minor: int


class Residue(BaseModel):
    """What a process leaves open when it ends before its goal."""

    advance_minor: int
    """Money on the subscriber's balance, to be refunded or kept."""
    act_unsigned: bool = False
    """An act about equipment that has changed hands, still to be signed."""
