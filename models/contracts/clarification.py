"""Questions about money that a person of accounting has to answer, one process each."""

from datetime import timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, model_validator

from models.contracts.processes import TaskKind


class Question(StrEnum):
    """What has to be found out. A new one is a word here, a task, and what its answers do."""

    UNKNOWN_PAYEE = "unknown_payee"
    """Nobody is known for what the bank named: whose money is it?"""
    PAYMENT_CONFLICT = "payment_conflict"
    """The bank reported one transaction id with two meanings: which of them is right?"""


TASK_OF: dict[Question, TaskKind] = {
    Question.UNKNOWN_PAYEE: TaskKind.FIND_PAYER,
    Question.PAYMENT_CONFLICT: TaskKind.REVIEW_CONFLICT,
}
"""What accounting is asked to do."""


class ClarificationStage(StrEnum):
    """The stages of a clarification, in their order."""

    ASKED = "asked"
    CLOSED = "closed"


class ClarificationDurations(BaseModel):
    """How long each task may take before it is escalated to the head of accounting."""

    model_config = ConfigDict(extra="forbid")
    find_payer: timedelta = timedelta(days=3)
    review_conflict: timedelta = timedelta(days=1)


class ClarificationPolicy(BaseModel):
    """How long a clarification waits for what. A process pins the version that it started with."""

    model_config = ConfigDict(extra="forbid")
    tasks: ClarificationDurations = ClarificationDurations()

    @model_validator(mode="after")
    def _takes_time(self) -> Self:
        if min(self.tasks.model_dump().values()) <= timedelta(0):
            raise ValueError("each task needs a positive duration")
        return self

    def within(self, task: TaskKind) -> timedelta:
        """How long a task may take."""
        duration: timedelta = getattr(self.tasks, task)
        return duration


class ClarificationInput(BaseModel):
    """Input of the workflow `Clarification`. Facts are sums and ids, never people: they stand in its history."""

    process_id: UUID
    question: Question
    facts: dict[str, Any]
    policy: ClarificationPolicy


class StillAsked(BaseModel):
    """Whether the question is still to be answered; something else may have answered it."""

    is_open: bool
