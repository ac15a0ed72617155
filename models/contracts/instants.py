"""Instants that people and other systems send in."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime

_EARLIEST, _LATEST = 2000, 2100


def _plausible(instant: datetime) -> datetime:
    if not _EARLIEST <= instant.year < _LATEST:
        raise ValueError(f"choose a time between {_EARLIEST} and {_LATEST}")
    return instant


PlausibleInstant = Annotated[AwareDatetime, AfterValidator(_plausible)]
"""With a zone, and far enough from the ends of the calendar that any zone and any deadline can be reckoned with it."""
