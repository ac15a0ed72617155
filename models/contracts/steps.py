"""What a process tells its steps, and what steps of several processes answer."""

from datetime import datetime
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


class PaymentStep(ProcessStep):
    """A look at the ledger, because of these payments."""

    payment_ids: list[UUID] = []


class Outstanding(BaseModel):
    """What is still to be paid on the invoice that a process waits for."""

    outstanding_minor: int


class Residue(BaseModel):
    """What a process leaves on the subscriber's balance when it ends, to be refunded or kept."""

    advance_minor: int
