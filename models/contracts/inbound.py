"""SMS from outside: what becomes of one, and how many of one number are taken."""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

INBOUND_POLICY = "inbound_sms"


class InboundOutcome(StrEnum):
    """What became of an SMS from outside."""

    STOPPED = "stopped"
    """Its number wants no SMS any more."""
    STARTED = "started"
    """Its number wants SMS again."""
    REGISTERED = "registered"
    """It became a request."""
    ANSWERED = "answered"
    """It answered what an open request had asked."""
    REOPENED = "reopened"
    """It reopened a request that was solved lately."""
    THANKED = "thanked"
    """It thanked or agreed, and nothing had been asked: told to the number's newest request, no new one."""
    REFUSED = "refused"
    """Its number has sent too many: counted, and neither taken nor answered."""
    EMPTY = "empty"
    """It says nothing."""


class InboundPolicy(BaseModel):
    """How many SMS of one number are taken and answered; a newer version holds from its day on, for everybody."""

    model_config = ConfigDict(extra="forbid")
    at_most: Annotated[int, Field(ge=1, le=1000)] = 5
    """So many SMS of one number are taken within the window. STOP and START are always obeyed."""
    window: Annotated[timedelta, Field(ge=timedelta(seconds=1), le=timedelta(days=31))] = timedelta(hours=1)
    answers_a_day: Annotated[int, Field(ge=0, le=1000)] = 10
    """So many automatic answers go to one number within 24 hours: two machines must not talk to each other for ever."""
