"""What the process of a billing run and its steps say to each other."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel

from models.contracts.billing_run import Period, RunProgress
from models.contracts.processes import PROCESS_ACTOR, ProcessStatus


class BillingStage(StrEnum):
    """The stages of a billing run, in their order. A dry run has no notices."""

    PLANNING = "planning"
    BILLING = "billing"
    NOTICES = "notices"
    CLOSED = "closed"


class RunPlan(BaseModel):
    """What is left to bill, and what was billed before."""

    partitions: list[int]
    """Those not done yet, each named by its first account number."""
    progress: RunProgress
    send_notices: bool


class NoticeOrder(BaseModel):
    """Notices for the invoices of the accounts after a number."""

    run_id: UUID
    after_number: int
    at: datetime


class NoticeBatch(BaseModel):
    """How many notices were queued, and after which number to go on; none where all are."""

    queued: int
    next_number: int | None


class RunClosing(BaseModel):
    """How a run ends."""

    process_id: UUID
    at: datetime
    status: ProcessStatus
    actor: str = PROCESS_ACTOR
    request_id: UUID | None = None
    reason: str | None = None


class MonthlyOrder(BaseModel):
    """The schedule's wish: the run of the month in which it was to begin."""

    scheduled_at: datetime
    at: datetime


class MonthlyRun(BaseModel):
    """What came of it: the process of the month's run, or none where a person's run of that month is at work."""

    period: Period
    process_id: UUID | None
