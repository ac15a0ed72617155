"""The billing run: from the accounts of a month to its invoices and the notices about them."""

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel
from temporalio import workflow
from temporalio.common import SearchAttributeKey
from temporalio.exceptions import ActivityError, ApplicationError

from workflows.staff_process import OUTAGE_RETRIES, Cancelled, StaffProcess

with workflow.unsafe.imports_passed_through():
    from activities.billing_steps import BillingActivities
    from models.contracts.billing_process import (
        BillingStage,
        MonthlyOrder,
        MonthlyRun,
        NoticeBatch,
        NoticeOrder,
        RunClosing,
        RunPlan,
    )
    from models.contracts.billing_run import (
        BillingRunInput,
        PartitionFigures,
        PartitionOrder,
        RunOrder,
        RunProgress,
        RunResult,
        first_day_of,
    )
    from models.contracts.engine import BILLING_RUN, OPEN_MONTHLY_BILLING, PROGRESS
    from models.contracts.money import kzt
    from models.contracts.processes import CancelRequest, ProcessKind, ProcessStatus
    from models.rules.money import tenge

PARTITIONS_AT_ONCE: Final = 2
"""Beside a database that also takes payments and answers debts."""
PIECE_WITHIN: Final = timedelta(minutes=30)
ALIVE_WITHIN: Final = timedelta(seconds=15)
"""After this without a sign of life, another worker takes a partition over."""
SCHEDULED_AT: Final = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


@workflow.defn(name=BILLING_RUN)
class BillingRun(StaffProcess):
    """Bills partition by partition, several at once, each in one transaction; then queues the notices.

    The database knows which partitions are done, so the run may be killed anywhere and goes on where it stood. It is
    cancelled between partitions: what is issued stays issued.
    """

    @workflow.init
    def __init__(self, order: BillingRunInput) -> None:
        super().__init__()
        self._order = order
        self._progress = RunProgress(
            subscribers_total=0, subscribers_done=0, invoices_issued=0, invoiced=kzt(0), exceptions=0, nothing_due=0
        )
        self._notices = 0

    @workflow.run
    async def run(self, order: BillingRunInput) -> RunResult:
        """Bill the month."""
        self.begin(order.process_id, ProcessKind.BILLING_RUN, subscriber_id=None, account_no=None)
        closing = RunClosing(process_id=order.process_id, at=workflow.now(), status=ProcessStatus.COMPLETED)
        failure: ActivityError | None = None
        try:
            if not await self._with_every_wish_to_cancel(self._bill_the_month):
                await workflow.wait_condition(workflow.all_handlers_finished)
                self._stop_if_cancelled()
                workflow.continue_as_new(self._order)
        except Cancelled as wish:
            closing = _as_cancelled(closing, wish)
        except ActivityError as final:
            failure = final
            reason = final.cause.type if isinstance(final.cause, ApplicationError) else None
            closing = closing.model_copy(update={"status": ProcessStatus.FAILED, "reason": reason})
        await self._close(closing)
        await workflow.wait_condition(workflow.all_handlers_finished)
        if failure is not None:
            raise failure
        return RunResult(
            run_id=order.process_id, period=order.period, dry_run=order.dry_run, status=closing.status,
            **self._progress.model_dump(),
        )  # fmt: skip

    async def _bill_the_month(self) -> bool:
        """Answers whether all is done; else the run goes on in a new history."""
        self._stand_in(BillingStage.PLANNING)
        plan = await self._plan()
        self._stand_in(BillingStage.BILLING)
        partitions = deque(plan.partitions)
        lanes = [self._bill_one_after_the_other(partitions) for _ in range(PARTITIONS_AT_ONCE)]
        for outcome in await asyncio.gather(*lanes, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome
        self._stop_if_cancelled()
        if partitions:
            return False
        if plan.send_notices and not self._order.dry_run:
            self._stand_in(BillingStage.NOTICES)
            if not await self._queue_notices():
                return False
        self.no_way_back()
        return True

    async def _plan(self) -> RunPlan:
        order = RunOrder(
            run_id=self._order.process_id, period_on=first_day_of(self._order.period), dry_run=self._order.dry_run,
            at=workflow.now(),
        )  # fmt: skip
        plan: RunPlan = await self._piece(BillingActivities.plan_run, order, summary="Divide the accounts into parts")
        self._progress = plan.progress
        return plan

    async def _bill_one_after_the_other(self, partitions: deque[int]) -> None:
        while partitions and not self._is_cancelled() and not workflow.info().is_continue_as_new_suggested():
            order = PartitionOrder(run_id=self._order.process_id, first_number=partitions.popleft(), at=workflow.now())
            try:
                figures: PartitionFigures = await self._piece(
                    BillingActivities.bill_partition, order, summary=f"Bill the accounts from {order.first_number} on"
                )
            except ActivityError:
                # What is refused once would be refused again: the other lanes end with what they are at.
                partitions.clear()
                raise
            self._count(figures)

    def _count(self, figures: PartitionFigures) -> None:
        so_far = self._progress
        self._progress = RunProgress(
            subscribers_total=so_far.subscribers_total,
            subscribers_done=so_far.subscribers_done + figures.accounts,
            invoices_issued=so_far.invoices_issued + figures.invoices,
            invoiced=kzt(so_far.invoiced.amount_minor + figures.invoiced_minor),
            exceptions=so_far.exceptions + figures.exceptions,
            nothing_due=so_far.nothing_due + figures.nothing_due,
            subscribers_credited=so_far.subscribers_credited + figures.credited,
            credited=kzt(so_far.credited.amount_minor + figures.credited_minor),
        )
        self._show()

    async def _queue_notices(self) -> bool:
        after: int | None = self._order.notified_to
        while after is not None:
            self._order = self._order.model_copy(update={"notified_to": after})
            if workflow.info().is_continue_as_new_suggested():
                return False
            order = NoticeOrder(run_id=self._order.process_id, after_number=after, at=workflow.now())
            batch: NoticeBatch = await self._piece(
                BillingActivities.queue_notices, order, summary=f"Queue notices to the accounts after {after}"
            )
            self._notices += batch.queued
            self._show()
            after = batch.next_number
        return True

    async def _close(self, closing: RunClosing) -> None:
        self._cancellable = False
        closing = closing.model_copy(update={"at": workflow.now()})
        self._progress = await self.step(BillingActivities.close_run, closing, summary="Write down how the run ended")
        self.end(closing.status, BillingStage.CLOSED)
        self._show()

    async def _piece(self, activity: Callable[..., Any], argument: BaseModel, *, summary: str) -> Any:
        """Have a piece of work done, wholly or not at all.

        A cancelled run waits for an attempt that is under way, but not for the end of an outage.

        Raises:
            Cancelled: the run was cancelled, and this piece was not done.
        """
        handle = workflow.start_activity_method(
            activity, argument, start_to_close_timeout=PIECE_WITHIN, heartbeat_timeout=ALIVE_WITHIN,
            retry_policy=OUTAGE_RETRIES, summary=summary,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )  # fmt: skip
        await workflow.wait_condition(lambda: handle.done() or self._is_cancelled())
        if not handle.done():
            handle.cancel()
        try:
            return await handle
        except ActivityError as failure:
            self._stop_if_cancelled(failure)
            raise

    async def _with_every_wish_to_cancel(self, work: Callable[[], Any]) -> bool:
        """Do the work; «Request cancellation» in the Temporal UI is a wish like any other, and breaks no piece off."""
        task: asyncio.Task[bool] = asyncio.create_task(work())
        while not task.done():
            try:
                await workflow.wait_condition(task.done)
            except asyncio.CancelledError:
                self._cancellation = self._cancellation or CancelRequest(reason="cancelled in the Temporal UI")
        return task.result()

    @workflow.query(name=PROGRESS, description="How far the run has come")
    def progress(self) -> RunProgress:
        """How far the run has come."""
        return self._progress

    def _stand_in(self, stage: BillingStage) -> None:
        self.stand_in(stage)
        self._show()

    def _show(self) -> None:
        so_far = self._progress
        what = f"{'Preview of' if self._order.dry_run else 'Billing'} {self._order.period}"
        details = f"**{what}**: {self._stage}, {self._status}\n\n"
        details += f"{so_far.subscribers_done} of {so_far.subscribers_total} subscribers done: "
        details += f"{so_far.invoices_issued} invoices for {tenge(so_far.invoiced.amount_minor)}, "
        details += f"{so_far.subscribers_credited} given back {tenge(so_far.credited.amount_minor)}, "
        details += f"{so_far.exceptions} exceptions, {so_far.nothing_due} with nothing due"
        if self._notices:
            details += f"\n\n{self._notices} notices queued"
        workflow.set_current_details(details)


def _as_cancelled(closing: RunClosing, wish: Cancelled) -> RunClosing:
    request = wish.request or CancelRequest()
    return closing.model_copy(
        update={
            "status": ProcessStatus.CANCELLED,
            "actor": request.actor,
            "request_id": request.request_id,
            "reason": request.reason or wish.reason,
        }
    )


@workflow.defn(name=OPEN_MONTHLY_BILLING)
class OpenMonthlyBilling:
    """What the schedule starts: opens the run of the month, once a month."""

    @workflow.run
    async def run(self) -> MonthlyRun:
        """Open the run; its own process does all else."""
        now = workflow.now()
        # After an outage this is the time at which it should have started.
        scheduled_at = workflow.info().typed_search_attributes.get(SCHEDULED_AT) or now
        return await workflow.execute_activity_method(
            BillingActivities.open_monthly_run,
            MonthlyOrder(scheduled_at=scheduled_at, at=now),
            # One small transaction; a worker that went away with it is missed soon.
            start_to_close_timeout=timedelta(seconds=20),
            retry_policy=OUTAGE_RETRIES,
            summary="Open the run of the month",
        )


WORKFLOWS = [BillingRun, OpenMonthlyBilling]
