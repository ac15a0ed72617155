"""Dunning: from an overdue debt to its payment, or to the disconnection of the service."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, FailureError, is_cancelled_exception

from workflows.looking_process import LookingProcess
from workflows.staff_process import OUTAGE_RETRIES, OUTSIDE_WITHIN, STEP_WITHIN, Cancelled, refusal_in

with workflow.unsafe.imports_passed_through():
    from activities.dunning import DunningActivities, DunningRoundActivities
    from models.contracts.dunning_process import (
        CallWanted,
        DailyRound,
        DunningInput,
        Look,
        NetworkRefused,
        RoundInput,
        RoundPart,
    )
    from models.contracts.dunning_words import DunningStage, Ending, Restriction
    from models.contracts.engine import DUNNING, OPEN_DUNNING, PAYMENT_RECEIVED
    from models.contracts.processes import (
        ProcessKind,
        ProcessOutcome,
        ProcessStatus,
        TaskKind,
    )
    from models.contracts.steps import ProcessStep

LOOK_RETRIES = RetryPolicy(initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_attempts=6)
"""Some seconds. A look that the database holds up for longer is given up: its time would be a past one, and somebody
could be cut off at night."""
LOOK_AGAIN_AFTER = timedelta(seconds=5)
"""Then twice as long each time, up to five minutes."""
MEND_WITHIN = timedelta(hours=4)
"""How long what the network refuses may be undone until the head of operations is told."""
PART_WITHIN = timedelta(minutes=10)
ALIVE_WITHIN = timedelta(seconds=15)


@workflow.defn(name=DUNNING)
class Dunning(LookingProcess):
    """One for each debt. It looks at the facts, does what is due, and sleeps until something may have changed.

    What is done and when, the ladder's rules decide in each look, in one transaction. The network follows, and a
    department calls, beside the ladder: neither holds it up, least of all a payment that gives the service back.
    """

    @workflow.init
    def __init__(self, order: DunningInput) -> None:
        super().__init__()
        self._order = order
        self._switches_wanted = 0
        self._switches_done = 0
        self._called: set[UUID] = set()
        self._beside: list[asyncio.Task[None]] = []
        """What people do meanwhile: calls, and what the network can't."""
        self._is_over = False
        self._opened[TaskKind.CALL_DEBTOR] = order.calls_made
        self._opened[TaskKind.MEND_NETWORK] = order.mends_made

    @workflow.run
    async def run(self, order: DunningInput) -> ProcessOutcome:
        """Carry the debt to its end."""
        self.begin(
            order.process_id, ProcessKind.DUNNING, subscriber_id=order.subscriber_id, account_no=order.account_no
        )
        network = asyncio.create_task(self._let_network_follow())
        last = await self.carry(self._climb(), call_off=self._cancel)
        self._is_over, self._cancellable = True, False
        await network
        await asyncio.gather(*self._beside)
        status = ProcessStatus.CANCELLED if last.ended_as is Ending.CANCELLED else ProcessStatus.COMPLETED
        self.end(status, DunningStage.CLOSED)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return ProcessOutcome(process_id=order.process_id, status=status)

    async def _climb(self) -> Look:
        """Look, and look again whenever something may have changed, until the episode has ended."""
        self._stage, self._waiting_for = self._order.stage, "payment"
        seen, missed, wakes_at = 0, 0, self._order.wakes_at
        while True:
            await self.until_news(seen, wakes_at, summary="until the next step is due")
            seen = self._news
            look = await self._look()
            if look is None:
                wakes_at = workflow.now() + LOOK_AGAIN_AFTER * 2 ** min(missed, 6)
                missed += 1
                continue
            missed = 0
            self._follow(look)
            if look.ended_as is not None:
                return look
            wakes_at = look.wakes_at
            if workflow.info().is_continue_as_new_suggested() and self._is_at_rest(seen):
                await self._go_on_in_a_new_history(wakes_at)

    async def _look(self) -> Look | None:
        """Look by the clock of now; None where the database is away for so long that it would be another one."""
        try:
            look: Look = await workflow.execute_local_activity_method(
                DunningActivities.look, self._now(), start_to_close_timeout=STEP_WITHIN, retry_policy=LOOK_RETRIES,
                summary="look at the debt",
            )  # fmt: skip
        except FailureError as failure:
            if is_cancelled_exception(failure) or refusal_in(failure) is not None:
                raise
            return None
        return look

    def _follow(self, look: Look) -> None:
        """Show where it stands, and have done beside the ladder what the look asks for."""
        waiting_for = None if look.ended_as else look.waits_for or "payment"
        if look.stage != self._stage and look.ended_as is None:
            self.stand_in(look.stage, waiting_for=waiting_for)
        self._waiting_for = waiting_for
        if look.is_network_behind:
            self._switches_wanted += 1
        for call in look.calls:
            if call.step_id not in self._called:
                self._called.add(call.step_id)
                self._beside.append(asyncio.create_task(self._call(call)))

    async def _call(self, call: CallWanted) -> None:
        """Have the subscriber called; the ladder does not wait for it."""
        facts = {"step_id": str(call.step_id), "debt_minor": call.debt_minor}
        with suppress(Cancelled):
            await self.staff_task(
                TaskKind.CALL_DEBTOR, stage=None, within=call.within, facts=facts, or_when=lambda: self._is_over
            )
        self._news += 1

    async def _let_network_follow(self) -> None:
        """Have the network do what the database says, whenever that has changed.

        An earlier call that hangs is left to itself: whichever call is last makes sure that the network is as wanted.
        """
        while True:
            await workflow.wait_condition(lambda: self._switches_wanted > self._switches_done or self._is_over)
            if self._switches_wanted == self._switches_done:
                return
            wanted = self._switches_wanted
            handle = workflow.start_activity_method(
                DunningActivities.let_network_follow, self._now(), start_to_close_timeout=OUTSIDE_WITHIN,
                retry_policy=OUTAGE_RETRIES, summary="let the network follow",
                cancellation_type=workflow.ActivityCancellationType.ABANDON,
            )  # fmt: skip
            await workflow.wait_condition(_either(handle.done, self._switched_after(wanted)))
            if handle.done():
                refused: NetworkRefused | None = await handle
                self._switches_done = wanted
                if refused is not None:
                    self._beside.append(asyncio.create_task(self._mend(refused, wanted)))
            else:
                handle.cancel()
                with suppress(ActivityError, asyncio.CancelledError):
                    await handle

    async def _mend(self, refused: NetworkRefused, wanted: int) -> None:
        """Have people do what the network can't, until something else is wanted of it."""
        facts = {"to_do": _TO_DO[refused.to], "refused": refused.detail}

        def is_needless() -> bool:
            return self._switches_wanted > wanted or (self._is_over and refused.to is not None)

        with suppress(Cancelled):
            await self.staff_task(
                TaskKind.MEND_NETWORK, stage=None, within=MEND_WITHIN, facts=facts, or_when=is_needless
            )  # fmt: skip

    def _switched_after(self, seen: int) -> Callable[[], bool]:
        return lambda: self._switches_wanted > seen

    async def _cancel(self, wish: Cancelled) -> Look:
        """Somebody wants no dunning: what it took is given back, and the debts of today are not dunned any more."""
        # Whoever waits for a call hears of it as well, before the task is taken back.
        await asyncio.gather(*self._beside)
        await self.give_back(self._now)
        closing = self.closing(wish)
        look: Look = await self.step(DunningActivities.cancel, closing, summary="end dunning, give the service back")
        self._follow(look)
        return look

    def _is_at_rest(self, seen: int) -> bool:
        return (
            self._news == seen
            and self._cancellation is None
            and self._switches_wanted == self._switches_done
            and all(done is not None for done in self._tasks.values())
            and workflow.all_handlers_finished()
        )

    async def _go_on_in_a_new_history(self, wakes_at: datetime | None) -> None:
        calls, mends = self._opened[TaskKind.CALL_DEBTOR], self._opened[TaskKind.MEND_NETWORK]
        stands = {"wakes_at": wakes_at, "calls_made": calls, "mends_made": mends, "stage": self._stage}
        workflow.continue_as_new(self._order.model_copy(update=stands))

    def _now(self) -> ProcessStep:
        return ProcessStep(process_id=self._order.process_id, at=workflow.now())

    @workflow.signal(name=PAYMENT_RECEIVED, description="The ledger has money for this account, or has it no more")
    def payment_received(self, *_: Any) -> None:
        """Look at the ledger, which alone knows the sum."""
        self._news += 1


_TO_DO = {
    None: "switch the service on as its tariff wants it",
    Restriction.THROTTLE: "slow the service down",
    Restriction.SUSPEND: "suspend the service",
}


def _either(one: Callable[[], bool], other: Callable[[], bool]) -> Callable[[], bool]:
    return lambda: one() or other()


@workflow.defn(name=OPEN_DUNNING)
class OpenDunning:
    """The daily round: what the schedule starts. New debts get a process each, in batches."""

    @workflow.run
    async def run(self) -> DailyRound:
        """Go through all accounts that owe."""
        await self._part(DunningRoundActivities.begin_round, 0, "Decide promises that are over")
        woken = await self._all(DunningRoundActivities.wake_part, "Wake episodes after account")
        opened = await self._all(DunningRoundActivities.open_part, "Open episodes after account")
        return DailyRound(woken=sum(part.woken for part in woken), opened=sum(part.opened for part in opened))

    async def _all(self, activity: Callable[..., Any], summary: str) -> list[RoundPart]:
        parts: list[RoundPart] = []
        after: int | None = 0
        while after is not None:
            part = await self._part(activity, after, f"{summary} {after}")
            parts.append(part)
            after = part.next_number
        return parts

    async def _part(self, activity: Callable[..., Any], after: int, summary: str) -> RoundPart:
        part: RoundPart = await workflow.execute_activity_method(
            activity,
            RoundInput(after_number=after, at=workflow.now()),
            start_to_close_timeout=PART_WITHIN,
            heartbeat_timeout=ALIVE_WITHIN,
            retry_policy=OUTAGE_RETRIES,
            summary=summary,
        )
        return part


WORKFLOWS = [Dunning]
DAILY_WORKFLOWS = [OpenDunning]
