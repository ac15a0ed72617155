"""What the process of a request and its steps say to each other: ids, words and times, never people."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from models.contracts.people import Role
from models.contracts.processes import TaskKind
from models.contracts.request_policy import TaskTimes
from models.contracts.request_words import LinkKind, Priority, Turn
from models.contracts.steps import ProcessStep


class RequestInput(BaseModel):
    """Input of the workflow `Request`: one run for each round, so that reopening never lengthens a history."""

    process_id: UUID
    subscriber_id: UUID | None
    account_no: str | None
    round: int = 1
    tasks: TaskTimes
    tasks_opened: dict[TaskKind, int] = {}
    """By earlier rounds."""


class RequestLook(ProcessStep):
    """A look at how a request stands."""

    begins_turn: bool = False
    """Whether the process is about to do what the turn asks for, and has no task open."""


class RequestStand(BaseModel):
    """How a request stands: answer of every look at it."""

    revision: int
    """A look with a higher one is newer."""
    round: int
    turn: Turn
    turns: int
    """Counts the turns: a task of another one is not needed any more."""
    owner: Role
    category: str
    priority: Priority
    follows: LinkKind | None = None
    followed_id: UUID | None = None
    asked_until: datetime | None = None
    clock_at: datetime | None = None
    """When the clock has something to say next."""
