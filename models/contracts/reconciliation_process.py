"""What the process of a bank's day and its steps say to each other. Histories keep it: ids and sums, never people."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.contracts.processes import TaskKind
from models.contracts.reconciliation import Proposal
from models.contracts.steps import ProcessStep


class ReconciliationStage(StrEnum):
    """The stages of a bank's day, in their order."""

    REGISTRY = "registry"
    """The bank's registry is waited for."""
    DIFFERENCES = "differences"
    """Registry and books differ, and accounting settles how."""
    SETTLEMENT = "settlement"
    """The bank's transfer is waited for."""
    CLOSED = "closed"


TASK_OF: Final[dict[Proposal, TaskKind]] = {
    Proposal.POST: TaskKind.POST_PAYMENT,
    Proposal.REVERSE: TaskKind.REVERSE_PAYMENT,
    Proposal.CORRECT: TaskKind.CORRECT_PAYMENT,
    Proposal.ACCEPT_DATE: TaskKind.ACCEPT_DATE,
    Proposal.EXPLAIN: TaskKind.EXPLAIN_DIFFERENCE,
}
"""What accounting is asked to do about a difference: the proposed action is the usual outcome of its form."""


class ReconciliationDurations(BaseModel):
    """How long each kind of task may take before it is escalated to the head of accounting."""

    model_config = ConfigDict(extra="forbid")
    get_registry: timedelta = timedelta(hours=4)
    check_registry: timedelta = timedelta(hours=4)
    differences: timedelta = timedelta(days=2)
    settlement: timedelta = timedelta(days=2)


class ReconciliationPolicy(BaseModel):
    """How long a bank's day waits for what. A process pins the version that it started with."""

    model_config = ConfigDict(extra="forbid")
    registry_grace: timedelta = timedelta(hours=2)
    """How long after its time a registry may come before accounting is asked to get it."""
    settlement_grace: timedelta = timedelta(hours=12)
    """How long after the last day that was agreed the bank's transfer is waited for."""
    look_again_every: timedelta = timedelta(hours=6)
    """How often the books are looked at although nobody has said that they changed."""
    most_tasks: int = Field(default=100, ge=1, le=200)
    """Differences beyond so many have one task together."""
    tasks: ReconciliationDurations = ReconciliationDurations()

    @model_validator(mode="after")
    def _takes_time(self) -> "ReconciliationPolicy":
        if min(self.look_again_every, *self.tasks.model_dump().values()) <= timedelta(0):
            raise ValueError("each task, and look_again_every, needs a positive duration")
        if min(self.registry_grace, self.settlement_grace) < timedelta(0):
            raise ValueError("a grace is nothing or more")
        return self


class ReconciliationInput(BaseModel):
    """Input of the workflow `Reconciliation`: one bank, one day."""

    process_id: UUID
    reconciliation_id: UUID
    bank_code: str
    day_on: date
    registry_due_at: datetime
    settlement_due_at: datetime
    policy: ReconciliationPolicy


class LookStep(ProcessStep):
    """Look at the day: compare again, and say what is new to the process."""

    known: list[UUID] = Field(default=[])
    """Differences that it has a task for."""
    room: int
    """How many more it takes tasks on for."""


class DifferenceFound(BaseModel):
    """A difference that needs a task of its own."""

    id: UUID
    proposal: Proposal
    facts: dict[str, Any]


class DayState(BaseModel):
    """Where a day stands, as the database knows it."""

    has_registry: bool
    doubtful: UUID | None = None
    """A version that accounting has to decide about."""
    doubtful_facts: dict[str, Any] = {}
    found: list[DifferenceFound] = []
    """Differences that are new to the process, as many as it has room for."""
    gone: list[UUID] = []
    """Differences that it has a task for, and that are settled or went by themselves."""
    crowd: int = 0
    """Open differences for which there is no room: they have one task together."""
    crowd_facts: dict[str, Any] = {}
    wanted: int = 0
    """Differences whose proposed action accounting wants to be carried out."""
    open: int = 0

    @property
    def agrees(self) -> bool:
        """Whether nothing is left to settle between registry and books."""
        return self.has_registry and self.doubtful is None and not self.open


class SettlementState(BaseModel):
    """Whether the bank's transfer is in the books."""

    settled: bool
    asks: bool = False
    """Whether a transfer came that accounting has to look at at once."""
    facts: dict[str, Any] = {}


class DayClosed(BaseModel):
    """Whether the day could be closed: the books may have changed in the last moment."""

    closed: bool


class CarriedOut(BaseModel):
    """How much of what accounting decided at once is done."""

    done: int
    refused: int
    left: int


class OpeningOrder(BaseModel):
    """When the schedule wanted the days opened, and when it is."""

    scheduled_at: datetime
    at: datetime


class OpenedDays(BaseModel):
    """Which days the schedule opened."""

    process_ids: list[UUID]
