"""What the process of an outage and its steps say to each other."""

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel

from models.contracts.outage import OutageProgress, OutageStage
from models.contracts.processes import ProcessStatus
from models.contracts.steps import ProcessStep


class OutageInput(BaseModel):
    """Input of the workflow `Outage`."""

    process_id: UUID
    asked_for_end: int = 0
    """The window for whose end the dispatcher was asked last, in an earlier history."""


class OutageStep(ProcessStep):
    """Go on with an outage."""

    is_news: bool = False
    """Whether another outage of the same people has changed: what they are to be told may be something else now."""


class EndWanted(BaseModel):
    """The expected end has passed: the dispatcher is to say what is."""

    window: int
    """Which of the outage's windows it is about, counted from 1."""
    within: timedelta


class OutageLook(BaseModel):
    """What came of going on with an outage: where it stands, and whether there is more to do."""

    stage: OutageStage
    waiting_for: str | None = None
    has_more: bool = False
    """There is another piece of work at once."""
    wakes_at: datetime | None = None
    """When to look again where there is none; none where somebody has to say something first."""
    end_wanted: EndWanted | None = None
    is_over: bool = False
    """It has ended or does not take place: nothing can be changed or cancelled any more."""
    ended_as: ProcessStatus | None = None
    progress: OutageProgress
