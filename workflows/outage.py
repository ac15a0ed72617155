"""An outage: from its registration to the day on which everybody knows that it is over."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Final

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from workflows.staff_process import OUTAGE_RETRIES, Cancelled, StaffProcess

with workflow.unsafe.imports_passed_through():
    from activities.outage import OutageActivities
    from models.contracts.engine import ANOTHER_OUTAGE_CHANGED, LOOK_AGAIN, OUTAGE, PROGRESS
    from models.contracts.outage import OutageProgress, OutageStage
    from models.contracts.outage_process import EndWanted, OutageInput, OutageLook, OutageStep
    from models.contracts.processes import (
        PROCESS_ACTOR,
        CancelRequest,
        ProcessKind,
        ProcessOutcome,
        ProcessStatus,
        TaskKind,
    )
    from models.contracts.steps import ClosingStep

PIECE_WITHIN: Final = timedelta(minutes=5)
ALIVE_WITHIN: Final = timedelta(seconds=15)


@workflow.defn(name=OUTAGE)
class Outage(StaffProcess):
    """It has the next piece of work done, until there is none, and sleeps until there is some again.

    What that is stands in the database: whoever moves or ends the outage writes it there and wakes the process. The
    dispatcher is asked for a new end beside it, and an answer is news like any other.
    """

    @workflow.init
    def __init__(self, order: OutageInput) -> None:
        super().__init__()
        self._order = order
        self._news = 0
        self._others_changed = False
        self._asked_for = order.asked_for_end
        self._end_wanted: EndWanted | None = None
        self._question: asyncio.Task[None] | None = None
        self._progress = OutageProgress()

    @workflow.run
    async def run(self, order: OutageInput) -> ProcessOutcome:
        """Carry the outage to its end."""
        self.begin(order.process_id, ProcessKind.OUTAGE, subscriber_id=None, account_no=None)
        try:
            last = await self._go_on()
        except Cancelled as wish:
            last = await self._call_off(wish)
        except (asyncio.CancelledError, ActivityError) as failure:
            if not is_cancelled_exception(failure):
                raise
            # «Request cancellation» in the Temporal UI is the same wish, said otherwise.
            self._cancellation = self._cancellation or CancelRequest(reason="cancelled in the Temporal UI")
            last = await self._call_off(Cancelled("cancelled", self._cancellation))
        assert last.ended_as is not None, "it is closed"
        self.end(last.ended_as, OutageStage.CLOSED)
        self._show()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return ProcessOutcome(process_id=order.process_id, status=last.ended_as)

    async def _go_on(self) -> OutageLook:
        """Do what is due, and wait for news, until the outage is closed."""
        while True:
            seen, others_changed = self._news, self._others_changed
            self._others_changed = False
            look = await self._piece(is_news=others_changed)
            self._follow(look)
            if look.ended_as is not None:
                await self._question_is_answered()
                return look
            self._stop_if_cancelled()
            if not look.has_more:
                await self._until_news(seen, look.wakes_at)
            if workflow.info().is_continue_as_new_suggested() and self._is_at_rest():
                workflow.continue_as_new(self._order.model_copy(update={"asked_for_end": self._asked_for}))

    async def _piece(self, *, is_news: bool) -> OutageLook:
        assert self.process_id is not None
        step = OutageStep(process_id=self.process_id, at=workflow.now(), is_news=is_news)
        look: OutageLook = await workflow.execute_activity_method(
            OutageActivities.go_on, step, start_to_close_timeout=PIECE_WITHIN, heartbeat_timeout=ALIVE_WITHIN,
            retry_policy=OUTAGE_RETRIES, summary="list, tell, hold or credit: the next of those affected",
        )  # fmt: skip
        return look

    async def _until_news(self, seen: int, wakes_at: datetime | None) -> None:
        within = None if wakes_at is None else max(wakes_at - workflow.now(), timedelta(0))
        if within == timedelta(0):
            self._stop_if_cancelled()
            return
        with suppress(TimeoutError):
            await self.until(lambda: self._news > seen, within=within, summary="until something is due")

    def _follow(self, look: OutageLook) -> None:
        """Show where it stands, and have the dispatcher asked where the expected end has passed."""
        self._progress = look.progress
        self._end_wanted = look.end_wanted
        if look.is_over:
            self._cancellable = False
        if look.stage != self._stage and look.ended_as is None:
            self.stand_in(look.stage, waiting_for=look.waiting_for)
        self._show()
        if look.end_wanted is not None and look.end_wanted.window > self._asked_for:
            self._asked_for = look.end_wanted.window
            self._question = asyncio.create_task(self._ask(look.end_wanted, self._question))

    async def _ask(self, wanted: EndWanted, earlier: asyncio.Task[None] | None) -> None:
        """Ask the dispatcher for a new end, or whether it is over; nothing waits for the answer."""
        if earlier is not None:
            await earlier
        with suppress(Cancelled):
            await self.staff_task(
                TaskKind.GIVE_OUTAGE_END, stage=None, within=wanted.within, name=str(wanted.window),
                or_when=lambda: self._end_wanted is None or self._end_wanted.window != wanted.window,
            )  # fmt: skip
        self._news += 1

    async def _question_is_answered(self) -> None:
        self._end_wanted = None
        if self._question is not None:
            await self._question

    async def _call_off(self, wish: Cancelled) -> OutageLook:
        """It does not take place: those who were told hear so, and all else goes on as if it had never been."""
        await self._question_is_answered()
        await self.give_back(lambda: OutageStep(process_id=self._order.process_id, at=workflow.now()))
        request = wish.request
        closing = ClosingStep(
            process_id=self._order.process_id,
            at=workflow.now(),
            actor=PROCESS_ACTOR if request is None else request.actor,
            request_id=None if request is None else request.request_id,
            reason=(request.reason if request is not None else None) or wish.reason,
        )
        await self.step(OutageActivities.call_off, closing, summary="call the outage off")
        return await self._go_on()

    def _is_at_rest(self) -> bool:
        is_asked = any(done is None for done in self._tasks.values())
        return not (is_asked or self._others_changed) and workflow.all_handlers_finished()

    def _show(self) -> None:
        so_far = self._progress
        details = f"**Outage**: {self._stage}, {self._status}\n\n{so_far.listed} services listed, "
        details += f"{so_far.looked_at} looked at, {so_far.told} SMS asked for in this round"
        if self._status is not ProcessStatus.OPEN or self._stage == OutageStage.SETTLEMENT:
            details += f"; {so_far.credited} credited"
        workflow.set_current_details(details)

    @workflow.query(name=PROGRESS, description="How far the process has come with those affected")
    def progress(self) -> OutageProgress:
        """How far the process has come with those affected."""
        return self._progress

    @workflow.signal(name=LOOK_AGAIN, description="The outage was moved, covers other nodes, or is over")
    def look_again(self, *_: object) -> None:
        """Look at the outage, which stands in the database."""
        self._news += 1

    @workflow.signal(name=ANOTHER_OUTAGE_CHANGED, description="Another outage of the same people has changed")
    def another_outage_changed(self, *_: object) -> None:
        """Look at what these people are to know now."""
        self._others_changed = True
        self._news += 1


WORKFLOWS = [Outage]
