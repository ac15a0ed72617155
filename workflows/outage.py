"""An outage: from its registration to the day on which everybody knows that it is over."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from typing import Final

from temporalio import workflow

from workflows.looking_process import LookingProcess
from workflows.staff_process import OUTAGE_RETRIES, Cancelled

with workflow.unsafe.imports_passed_through():
    from activities.outage import OutageActivities
    from models.contracts.engine import ANOTHER_OUTAGE_CHANGED, OUTAGE, PROGRESS
    from models.contracts.outage import OutageProgress, OutageStage
    from models.contracts.outage_process import EndWanted, OutageInput, OutageLook, OutageStep
    from models.contracts.processes import (
        ProcessKind,
        ProcessOutcome,
        ProcessStatus,
        TaskKind,
    )

PIECE_WITHIN: Final = timedelta(minutes=5)
ALIVE_WITHIN: Final = timedelta(seconds=15)


@workflow.defn(name=OUTAGE)
class Outage(LookingProcess):
    """It has the next piece of work done, until there is none, and sleeps until there is some again.

    What that is stands in the database: whoever moves or ends the outage writes it there and wakes the process. The
    dispatcher is asked for a new end beside it, and an answer is news like any other.
    """

    @workflow.init
    def __init__(self, order: OutageInput) -> None:
        super().__init__()
        self._order = order
        self._others_changed = False
        self._asked_for = order.asked_for_end
        self._end_wanted: EndWanted | None = None
        self._question: asyncio.Task[None] | None = None
        self._progress = OutageProgress()

    @workflow.run
    async def run(self, order: OutageInput) -> ProcessOutcome:
        """Carry the outage to its end."""
        self.begin(order.process_id, ProcessKind.OUTAGE, subscriber_id=None, account_no=None)
        last = await self.carry(self._go_on(), call_off=self._call_off)
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
                await self.until_news(seen, look.wakes_at, summary="until something is due")
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
        await self.step(OutageActivities.call_off, self.closing(wish), summary="call the outage off")
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

    @workflow.signal(name=ANOTHER_OUTAGE_CHANGED, description="Another outage of the same people has changed")
    def another_outage_changed(self, *_: object) -> None:
        """Look at what these people are to know now."""
        self._others_changed = True
        self._news += 1


WORKFLOWS = [Outage]
