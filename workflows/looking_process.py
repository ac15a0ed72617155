"""What processes share that look and decide: what is due stands in the database, they have it done, and sleep."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

from workflows.staff_process import Cancelled, StaffProcess

with workflow.unsafe.imports_passed_through():
    from models.contracts.engine import LOOK_AGAIN
    from models.contracts.processes import CancelRequest

Last = TypeVar("Last")


class LookingProcess(StaffProcess):
    """A process that looks at the facts, does what is due, and sleeps until something may have changed."""

    def __init__(self) -> None:
        super().__init__()
        self._news = 0
        """How often it was told that something may have changed."""

    async def carry(self, way: Awaitable[Last], *, call_off: Callable[[Cancelled], Awaitable[Last]]) -> Last:
        """What the way ends with; where the process is cancelled on it, what `call_off` ends with."""
        try:
            return await way
        except Cancelled as wish:
            return await call_off(wish)
        except (asyncio.CancelledError, FailureError) as failure:
            if not is_cancelled_exception(failure):
                raise
            # «Request cancellation» in the Temporal UI is the same wish, said otherwise.
            self._cancellation = self._cancellation or CancelRequest(reason="cancelled in the Temporal UI")
            return await call_off(Cancelled("cancelled", self._cancellation))

    async def until_news(self, seen: int, wakes_at: datetime | None, *, summary: str) -> None:
        """Sleep until there is more news than was seen, or a moment has come.

        Raises:
            Cancelled: the process was cancelled meanwhile.
        """
        within = None if wakes_at is None else max(wakes_at - workflow.now(), timedelta(0))
        if within == timedelta(0):
            self._stop_if_cancelled()
            return
        with suppress(TimeoutError):
            await self.until(lambda: self._news > seen, within=within, summary=summary)

    @workflow.signal(name=LOOK_AGAIN, description="Something that the process goes by has changed in the database")
    def look_again(self, *_: object) -> None:
        """Look at the facts, which stand in the database."""
        self._news += 1
