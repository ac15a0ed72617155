"""Reconciliation: a bank's day, from its registry over the differences to the money that it passes on."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from workflows.staff_process import OUTAGE_RETRIES, Cancelled, StaffProcess

with workflow.unsafe.imports_passed_through():
    from activities.reconciliation_steps import ReconciliationActivities
    from models.contracts.engine import BANK_DAY_CHANGED, OPEN_RECONCILIATIONS, RECONCILIATION
    from models.contracts.people import Role
    from models.contracts.processes import (
        PROCESS_ACTOR,
        CancelRequest,
        ProcessKind,
        ProcessOutcome,
        ProcessStatus,
        TaskAct,
        TaskDone,
        TaskKind,
    )
    from models.contracts.reconciliation_process import (
        TASK_OF,
        CarriedOut,
        DayClosed,
        DayState,
        LookStep,
        OpenedDays,
        OpeningOrder,
        ReconciliationInput,
        ReconciliationStage,
        SettlementState,
    )
    from models.contracts.steps import ClosingStep, ProcessStep

Stage = ReconciliationStage

LOOK_WITHIN: Final = timedelta(minutes=2)
"""A day of a hundred thousand payments is compared within seconds."""
SCHEDULED_AT: Final = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")
CROWD: Final = "crowd"


@workflow.defn(name=RECONCILIATION)
class Reconciliation(StaffProcess):
    """Waits for the registry, has the differences settled, waits for the money, and closes with the figures.

    Beside that a watch looks at the day whenever something may have changed, compares it again, and keeps the tasks
    at what it finds: so a difference that goes by itself takes its task away.
    """

    @workflow.init
    def __init__(self, order: ReconciliationInput) -> None:
        super().__init__()
        self._order = order
        self._policy = order.policy
        self._day = DayState(has_registry=False)
        self._settlement = SettlementState(settled=False)
        self._changes = 1
        self._looked_at = 0
        """How many changes had been told of when the day was last looked at."""
        self._one_look_at_a_time = asyncio.Lock()
        self._is_closed = False
        self._asked: dict[UUID | str, asyncio.Task[None]] = {}
        """What accounting is asked about side by side: differences, doubtful registries, the crowd."""
        self._gone: set[UUID] = set()
        self._individual_tasks = 0

    @workflow.run
    async def run(self, order: ReconciliationInput) -> ProcessOutcome:
        """Carry the day to its close."""
        self.begin(order.process_id, ProcessKind.RECONCILIATION, subscriber_id=None, account_no=None)
        self._watch = asyncio.create_task(self._look_whenever_something_changes())
        try:
            await self._reconcile()
            status = ProcessStatus.COMPLETED
        except Cancelled as wish:
            await self._stop(wish)
            status = ProcessStatus.CANCELLED
        except asyncio.CancelledError:
            # «Request cancellation» in the Temporal UI is the same wish, said otherwise.
            self._cancellation = self._cancellation or CancelRequest(reason="cancelled in the Temporal UI")
            await self._stop(Cancelled("cancelled", self._cancellation))
            status = ProcessStatus.CANCELLED
        await workflow.wait_condition(workflow.all_handlers_finished)
        return ProcessOutcome(process_id=order.process_id, status=status)

    async def _reconcile(self) -> None:
        await self._until(lambda: self._looked_at > 0)
        while True:
            await self._registry_comes()
            await self._differences_are_settled()
            if await self._money_arrives() and await self._closes():
                return

    async def _registry_comes(self) -> None:
        if self._registry_is_here():
            return
        self.stand_in(Stage.REGISTRY, waiting_for="registry")
        try:
            await self._until(
                self._registry_is_here, within=self._left_until(self._order.registry_due_at), summary="registry is due"
            )
        except TimeoutError:
            await self.staff_task(
                TaskKind.GET_REGISTRY,
                stage=Stage.REGISTRY,
                within=self._policy.tasks.get_registry,
                facts={"bank": self._order.bank_code, "day_on": self._order.day_on.isoformat()},
                or_when=self._or_broken(self._registry_is_here),
            )
            await self._until(self._registry_is_here)

    async def _differences_are_settled(self) -> None:
        if self._day.agrees:
            return
        self.stand_in(Stage.DIFFERENCES, waiting_for="accounting", department=Role.ACCOUNTING)
        await self._until(lambda: self._day.agrees or not self._registry_is_here())

    async def _money_arrives(self) -> bool:
        """Whether the day is settled; else its registry or its books changed."""
        if not self._is_over():
            self.stand_in(Stage.SETTLEMENT, waiting_for="bank transfer")
            with suppress(TimeoutError):  # it is asked for below, as one with another sum is
                await self._until(
                    lambda: self._is_over() or self._settlement.asks,
                    within=self._left_until(self._order.settlement_due_at),
                    summary="the bank's transfer is due",
                )
        if not self._is_over():
            await self.staff_task(
                TaskKind.SETTLE_BANK_DAY,
                stage=Stage.SETTLEMENT,
                within=self._policy.tasks.settlement,
                facts=self._settlement.facts,
                or_when=self._or_broken(self._is_over),
            )
            await self._until(self._is_over)
        return self._day.agrees and self._settlement.settled

    async def _closes(self) -> bool:
        """Close the day in the transaction that looks at it for the last time."""
        self.no_way_back()
        async with self._one_look_at_a_time:
            closed: DayClosed = await self.step(
                ReconciliationActivities.close, self._now(), summary="close the day with its figures"
            )
            self._is_closed = closed.closed
        if self._is_closed:
            self.end(ProcessStatus.COMPLETED, Stage.CLOSED)
            return True
        self._cancellable = True
        self._changes += 1
        news = self._changes
        await self._until(lambda: self._looked_at >= news)
        return False

    async def _stop(self, wish: Cancelled) -> None:
        """End before the goal: nothing that was posted is undone; whatever was asked is asked no longer."""
        await asyncio.gather(self._watch, *self._asked.values(), return_exceptions=True)
        await self.give_back(self._now)
        request = wish.request
        closing = ClosingStep(
            process_id=self._order.process_id,
            at=workflow.now(),
            actor=PROCESS_ACTOR if request is None else request.actor,
            request_id=None if request is None else request.request_id,
            reason=(request.reason if request is not None else None) or wish.reason,
        )
        await self.step(ReconciliationActivities.close_as_cancelled, closing)
        self.end(ProcessStatus.CANCELLED, Stage.CLOSED)

    # -- the watch -----------------------------------------------------------------------------------------------

    async def _look_whenever_something_changes(self) -> None:
        while True:
            async with self._one_look_at_a_time:
                if self._is_closed:
                    return
                await self._look()
            try:
                await self.until(
                    lambda: self._changes > self._looked_at or self._is_closed,
                    within=self._policy.look_again_every,
                    summary="look at the books again",
                )
            except TimeoutError:
                continue

    async def _look(self) -> None:
        news = self._changes
        step = LookStep(
            process_id=self._order.process_id,
            at=workflow.now(),
            known=[about for about in self._asked if isinstance(about, UUID)],
            room=max(0, self._policy.most_tasks - self._individual_tasks),
        )
        day: DayState = await self._step_of_a_large_day(
            ReconciliationActivities.look, step, "compare registry and books"
        )
        if day.wanted:
            await self._carry_out_what_is_wanted()
            self._changes += 1
            return
        if day.agrees:
            self._settlement = await self.step(
                ReconciliationActivities.settle, self._now(), summary="look for the bank's transfer"
            )
        self._day, self._looked_at = day, news
        self._gone.update(day.gone)
        self._ask_accounting()

    def _ask_accounting(self) -> None:
        """Have a task for whatever is new, side by side."""
        for found in self._day.found:
            self._individual_tasks += 1
            self._ask(
                found.id, TASK_OF[found.proposal], self._policy.tasks.differences, found.facts,
                is_needless=partial(self._gone.__contains__, found.id),
            )  # fmt: skip
        registry_id = self._day.doubtful
        if registry_id is not None and str(registry_id) not in self._asked:
            self._ask(
                str(registry_id), TaskKind.CHECK_REGISTRY, self._policy.tasks.check_registry, self._day.doubtful_facts,
                is_needless=lambda: self._day.doubtful != registry_id,
            )  # fmt: skip
        if self._day.crowd and CROWD not in self._asked:
            self._ask(
                CROWD, TaskKind.RESOLVE_DIFFERENCES, self._policy.tasks.differences, self._day.crowd_facts,
                is_needless=lambda: not self._day.crowd,
            )  # fmt: skip

    def _ask(
        self,
        about: UUID | str,
        kind: TaskKind,
        within: timedelta,
        facts: dict[str, Any],
        *,
        is_needless: Callable[[], bool],
    ) -> None:
        async def ask() -> None:
            try:
                name = None if about == CROWD else str(about)
                await self.staff_task(kind, stage=None, within=within, facts=facts, or_when=is_needless, name=name)
            finally:
                del self._asked[about]

        self._asked[about] = asyncio.create_task(ask())

    async def _carry_out_what_is_wanted(self) -> None:
        while True:
            piece: CarriedOut = await self.outside(
                ReconciliationActivities.carry_out_wanted, self._now(), summary="carry out what was decided together"
            )
            if not piece.left:
                return

    async def _step_of_a_large_day(self, activity: Callable[..., Any], argument: LookStep, summary: str) -> DayState:
        """A step that may take longer than others where a bank has very many payments."""
        day: DayState = await workflow.execute_local_activity_method(
            activity, argument, start_to_close_timeout=LOOK_WITHIN, retry_policy=OUTAGE_RETRIES, summary=summary
        )
        return day

    async def _act(self, act: TaskAct, *, within: timedelta | None) -> TaskDone:
        """Whatever was decided, or refused because something had changed: look again."""
        try:
            return await super()._act(act, within=within)
        finally:
            self._changes += 1

    @workflow.signal(name=BANK_DAY_CHANGED, description="A registry, a statement, a late payment or a reversal came")
    def bank_day_changed(self, *_: Any) -> None:
        """Look at the day again: the database knows what there is, so being told twice does no harm."""
        self._changes += 1

    # -- waiting -------------------------------------------------------------------------------------------------

    def _registry_is_here(self) -> bool:
        return self._day.has_registry or self._day.doubtful is not None

    def _is_over(self) -> bool:
        """Whether the money is there, or is waited for in vain: registry and books differ again."""
        return self._settlement.settled or not self._day.agrees

    async def _until(
        self, fact: Callable[[], bool], *, within: timedelta | None = None, summary: str | None = None
    ) -> None:
        await self.until(self._or_broken(fact), within=within, summary=summary)
        if self._watch.done():
            self._watch.result()

    def _or_broken(self, fact: Callable[[], bool]) -> Callable[[], bool]:
        """A watch that failed must not leave the process waiting for ever."""
        return lambda: fact() or self._watch.done()

    def _left_until(self, moment: datetime) -> timedelta:
        return max(moment - workflow.now(), timedelta(0))

    def _now(self) -> ProcessStep:
        return ProcessStep(process_id=self._order.process_id, at=workflow.now())


@workflow.defn(name=OPEN_RECONCILIATIONS)
class OpenReconciliations:
    """What the schedule starts: opens yesterday for each bank, and whatever days were missed."""

    @workflow.run
    async def run(self) -> OpenedDays:
        """Open the days; their own processes do all else."""
        now = workflow.now()
        scheduled_at = workflow.info().typed_search_attributes.get(SCHEDULED_AT) or now
        return await workflow.execute_activity_method(
            ReconciliationActivities.open_days,
            OpeningOrder(scheduled_at=scheduled_at, at=now),
            start_to_close_timeout=timedelta(minutes=2),
            retry_policy=OUTAGE_RETRIES,
            summary="Open the days that no process has looked at",
        )


WORKFLOWS = [Reconciliation, OpenReconciliations]
