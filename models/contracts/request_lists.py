"""Requests in lists, and figures of them by category."""

from datetime import date, datetime, timedelta
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from models.contracts.people import Role
from models.contracts.processes import ProcessStatus
from models.contracts.request_words import Channel, Priority, RequestEnding, Turn
from models.rules.sla import SlaState


class RequestSummary(BaseModel):
    """A request in a list. Durations are ISO 8601."""

    process_id: UUID
    status: ProcessStatus
    turn: Turn
    """Who is to do something about it."""
    subscriber_id: UUID | None
    """None where only the number is known."""
    channel: Channel
    category: str
    priority: Priority
    department: Role
    """Whose it is."""
    owner: UUID | None
    """Who of the staff took its open task on."""
    sla: SlaState
    due_at: datetime | None
    """None while the clock stands still."""
    follows_id: UUID | None
    """The outage, request or process that decides about it now."""
    age: timedelta
    """Since it was registered, by the clock on the wall; of a closed one, until it was closed."""
    opened_at: datetime
    closed_at: datetime | None
    ended_as: RequestEnding | None


class CategoryFigures(BaseModel):
    """Requests of one category that were registered in a range of days."""

    category: str | None
    """None for all of them together."""
    count: int
    open: int
    solved: int
    """Solved or declined by people; the times to solve are theirs."""
    closed_with_others: int
    """With an outage, with an earlier request about the same, with a process that was started."""
    dropped: int
    """Cancelled, or no requests at all."""
    breached: int
    """Whose target was spent, closed or not."""
    reopened: int
    median_to_solve: timedelta | None
    average_to_solve: timedelta | None
    """Working time, without the pauses; None where nothing is solved."""


class RequestFigures(BaseModel):
    """Figures of the requests that were registered in a range of days."""

    model_config = ConfigDict(populate_by_name=True)
    from_on: date = Field(alias="from")
    until_on: date = Field(alias="until")
    """The first day that is not in it."""
    items: list[CategoryFigures]
    total: CategoryFigures
