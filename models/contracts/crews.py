"""Crews and their slots, as they are spoken of outside."""

from datetime import datetime, time
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class CrewView(BaseModel):
    """An installation crew."""

    id: UUID
    code: str
    name: str


class NewCrew(BaseModel):
    """A crew to be added, with its working day."""

    model_config = ConfigDict(extra="forbid")
    code: str = Field(min_length=1, max_length=60)
    name: str = Field(min_length=1, max_length=200)
    weekdays: list[Annotated[int, Field(ge=1, le=7)]] = Field(default=[1, 2, 3, 4, 5, 6], min_length=1, max_length=7)
    """1 is Monday."""
    opens_at: time = time(9)
    closes_at: time = time(19)
    slot_minutes: int = Field(default=120, ge=15, le=480)


class SlotView(BaseModel):
    """A part of a crew's working day."""

    crew_id: UUID
    starts_at: datetime
    ends_at: datetime
    free: bool
