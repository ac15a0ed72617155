"""What the process of dunning and its steps say to each other."""

from datetime import datetime, timedelta
from uuid import UUID

from pydantic import BaseModel

from models.contracts.dunning_words import DunningStage, Ending, Restriction, Rule


class DunningInput(BaseModel):
    """Input of the workflow `Dunning`."""

    process_id: UUID
    subscriber_id: UUID
    account_no: str
    wakes_at: datetime | None
    """When it has something to do for the first time; none where it waits for somebody."""
    stage: DunningStage = DunningStage.DUE
    """In which it stands at the start: shown in the lists without an event of its own."""
    calls_made: int = 0
    """Call tasks of its earlier histories."""
    mends_made: int = 0
    """Likewise, of what the network refused."""


class CallWanted(BaseModel):
    """A step that asks a department to call the subscriber."""

    step_id: UUID
    debt_minor: int
    within: timedelta


class Look(BaseModel):
    """What came of looking at an episode: where it stands, and when to look again."""

    stage: DunningStage
    ended_as: Ending | None = None
    waits_for: Rule | None = None
    wakes_at: datetime | None = None
    is_network_behind: bool = False
    calls: list[CallWanted] = []
    """Calls to be made, also those that a task is open for."""


class NetworkRefused(BaseModel):
    """What the network can't do, so that people have to."""

    to: Restriction | None
    """None: the service is to be on as before."""
    detail: str


class RoundInput(BaseModel):
    """A part of the daily round: accounts from a number on."""

    after_number: int = 0
    at: datetime


class RoundPart(BaseModel):
    """What a part of the round did; where the next part begins, if there is one."""

    opened: int = 0
    woken: int = 0
    next_number: int | None = None


class DailyRound(BaseModel):
    """What the daily round did."""

    opened: int
    woken: int
