"""What the processes about a subscriber's service share: crews that visit, acts, money that is waited for, an end."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError

from workflows.staff_process import Cancelled, StaffProcess, refusal_in

with workflow.unsafe.imports_passed_through():
    from activities.failures import as_application_error
    from activities.network import NetworkActivities
    from activities.visits import VisitActivities
    from models.contracts.bank import PaymentReceived
    from models.contracts.engine import PAYMENT_RECEIVED, RESCHEDULE_VISIT
    from models.contracts.processes import (
        ProcessOutcome,
        ProcessState,
        ProcessStatus,
        Rescheduling,
        TaskDone,
        TaskDurations,
        TaskKind,
    )
    from models.contracts.refusals import conflict
    from models.contracts.steps import Outstanding, PaymentStep, ProcessStep, Residue

OUTSIDE = {
    NetworkActivities.switch_on: "switch the service on",
    NetworkActivities.switch_off: "switch the service off",
    NetworkActivities.resume: "switch the service on again",
    NetworkActivities.restore_profile: "give the service the speed that it had",
}
"""Undo steps that leave the machine; all others are steps in the database."""


class SubscriberProcess(StaffProcess):
    """A process about one service of a subscriber."""

    def __init__(self, process_id: UUID, tasks: TaskDurations) -> None:
        super().__init__()
        self.process_id: UUID = process_id
        self.tasks = tasks
        self._visit_booked = False
        self._payments = 0
        self._looked = 0
        """How many payments had been told of when the ledger was last asked: one more, and it is asked again."""
        self._payment_ids: list[UUID] = []

    def now(self) -> ProcessStep:
        """What a step is told that needs no more than the process and its time."""
        return ProcessStep(process_id=self.process_id, at=workflow.now())

    async def carry(self, way: Coroutine[Any, Any, None], *, close_as_cancelled: Callable[..., Any]) -> ProcessOutcome:
        """Go the way to its end; cancelled on it, give back what was taken and close.

        `close_as_cancelled` is the step that closes the process, and answers what of the subscriber's money is left
        with us: that becomes a task for accounting.
        """
        try:
            await way
            status = ProcessStatus.COMPLETED
        except Cancelled as wish:
            await self._give_everything_back(wish, close_as_cancelled)
            status = ProcessStatus.CANCELLED
        except asyncio.CancelledError:
            # «Request cancellation» in the Temporal UI is the same wish, said otherwise.
            await self._give_everything_back(Cancelled("cancelled in the Temporal UI"), close_as_cancelled)
            status = ProcessStatus.CANCELLED
        await workflow.wait_condition(workflow.all_handlers_finished)
        return ProcessOutcome(process_id=self.process_id, status=status)

    async def crew_visits(
        self, visit: TaskKind, *, within: timedelta, scheduling: str, visiting: str,
        facts: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """A dispatcher books a crew; the crew does its task there. Whoever was not at home gets another visit.

        Raises:
            Cancelled: it can't be done, or the process was cancelled.
        """
        self.to_undo(VisitActivities.free_visit)
        while True:
            assignment = await self.staff_task(TaskKind.ASSIGN_CREW, stage=scheduling, within=self.tasks.assign_crew)
            if assignment is not None and assignment.resume_at is not None:
                await self.sleep_until(assignment.resume_at, summary="postponed")
                continue
            self._visit_booked = True
            answer = await self.staff_task(visit, stage=visiting, within=within, facts=facts)
            self._visit_booked = False
            self.stop_if_impossible(answer)
            if answer is not None and answer.outcome != "absent":
                return

    async def act_is_signed(self, draw_up: Callable[..., Any], *, stage: str, or_not: bool = False) -> None:
        """The act is drawn up and signed; with `or_not` it goes on where the subscriber doesn't sign.

        Raises:
            Cancelled: the subscriber doesn't sign, or the process was cancelled.
        """
        await self.step(draw_up, self.now())
        signing = await self.staff_task(TaskKind.SIGN_ACT, stage=stage, within=self.tasks.sign_act)
        if not or_not:
            self.stop_if_impossible(signing)

    async def invoice_is_paid(
        self, outstanding_minor: int, *, check: Callable[..., Any], remind: Callable[..., Any],
        remind_after: timedelta, expires_after: timedelta, or_when: Callable[[], bool] = lambda: False,
    ) -> bool:  # fmt: skip
        """Wait until what is outstanding is paid, reminding once; whether it was paid in time, before `or_when`.

        `check` asks the ledger, which alone knows; `remind` tells the subscriber.
        """
        reminder_at, expires_at = workflow.now() + remind_after, workflow.now() + expires_after
        reminded = False
        while outstanding_minor:
            seen = self._looked
            deadline, what = (expires_at, "payment expires") if reminded else (reminder_at, "remind of payment")
            try:
                await self.until(
                    self._payment_after(seen, or_when),
                    within=max(deadline - workflow.now(), timedelta(0)),
                    summary=what,
                )
            except TimeoutError:
                if not reminded:
                    await self.step(remind, self.now())
                    reminded = True
                    continue
                # The last look before it hurts: money may be in the ledger whose signal is still on its way.
                return await self._outstanding(check) == 0
            if or_when():
                return False
            outstanding_minor = await self._outstanding(check)
        return True

    async def money_has_come(self, check: Callable[..., Any]) -> None:
        """Return once nothing is outstanding, asking the ledger after each payment: for a wait beside another one."""
        while True:
            await workflow.wait_condition(lambda: self._payments > self._looked)
            if not await self._outstanding(check):
                return

    async def paid_or_decided(
        self, decision: TaskKind, outstanding_minor: int, *, stage: str, within: timedelta, facts: dict[str, Any],
        check: Callable[..., Any], remind: Callable[..., Any], remind_after: timedelta, expires_after: timedelta,
    ) -> TaskDone | None:  # fmt: skip
        """Wait for the money, while a department may decide that it is not waited for; None where it was paid.

        Raises:
            Cancelled: neither came in time, or the process was cancelled.
        """
        is_over = False

        async def department_decides() -> TaskDone | None:
            nonlocal is_over
            try:
                return await self.staff_task(decision, stage=stage, within=within, facts=facts, or_when=lambda: is_over)
            finally:
                is_over = True

        async def money_comes() -> bool:
            nonlocal is_over
            try:
                return await self.invoice_is_paid(
                    outstanding_minor, check=check, remind=remind, remind_after=remind_after,
                    expires_after=expires_after, or_when=lambda: is_over,
                )  # fmt: skip
            finally:
                is_over = True

        # Both have ended before anything else is done, whatever made them end.
        decided, paid = await asyncio.gather(department_decides(), money_comes(), return_exceptions=True)
        for outcome in (decided, paid):
            if isinstance(outcome, BaseException):
                raise outcome
        assert not isinstance(decided, BaseException)
        if decided is None and not paid:
            raise Cancelled("payment_expired")
        return decided

    async def unless_refused(self, effect: Awaitable[Any]) -> Any:
        """What the effect answers. Where it is refused for good, the process ends before its goal, for that reason.

        Raises:
            Cancelled: it is refused, or the process was cancelled.
        """
        try:
            return await effect
        except FailureError as failure:
            refusal = refusal_in(failure)
            if refusal is None:
                raise
            raise Cancelled(refusal.type or "refused", detail=refusal.message) from failure

    async def sleep_until(self, moment: datetime, *, summary: str) -> None:
        """Wait for a moment; one that has passed is not waited for.

        Raises:
            Cancelled: the process was cancelled meanwhile.
        """
        try:
            await self.until(lambda: False, within=max(moment - workflow.now(), timedelta(0)), summary=summary)
        except TimeoutError:
            return

    def stop_if_impossible(self, done: TaskDone | None) -> None:
        """End the process where its task can't be done.

        Raises:
            Cancelled: that is so.
        """
        if done is not None and done.outcome in {"refused", "impossible"}:
            raise Cancelled(f"task_{done.outcome}")

    async def undo(self, activity: Callable[..., Any], argument: BaseModel) -> None:
        """Run one undo step, outside or in the database."""
        if activity in OUTSIDE:
            await self.network_or_people_do(activity, argument)
        else:
            await super().undo(activity, argument)

    async def network_or_people_do(self, activity: Callable[..., Any], argument: BaseModel) -> None:
        """Have the network do what there is no way round: what it refuses for good, people do by hand."""
        try:
            await self.outside(activity, argument, summary=OUTSIDE[activity])
        except ActivityError as failure:
            refusal = refusal_in(failure)
            if refusal is None:
                raise
            facts = {"to_do": OUTSIDE[activity], "refused": refusal.message}
            await self.staff_task(TaskKind.MEND_NETWORK, stage=None, within=self.tasks.mend_network, facts=facts)

    @workflow.signal(name=PAYMENT_RECEIVED, description="The ledger has money for this account")
    def payment_received(self, *payloads: Any) -> None:
        """Look at the ledger, which alone knows the sum: being told twice, or of a reversal, does no harm."""
        try:
            (payload,) = payloads
            self._payment_ids.append(PaymentReceived.model_validate(payload).payment_id)
        except ValueError:
            workflow.logger.warning("a payment was signalled that names no payment")
        self._payments += 1

    @workflow.update(name=RESCHEDULE_VISIT, description="Move the booked visit to another slot")
    async def reschedule_visit(self, order: Rescheduling) -> ProcessState:
        """Move the visit; a refusal leaves it where it was."""
        move = order.model_copy(update={"at": workflow.now()})
        await self._refusable(VisitActivities.move_visit, move, "move the visit")
        return self.state()

    @reschedule_visit.validator
    def _may_reschedule(self, order: Rescheduling) -> None:
        del order
        if not self._visit_booked:
            raise as_application_error(
                conflict("no_visit_booked", "There is no visit to move: assign a crew and a time first.")
            )

    def _payment_after(self, seen: int, or_when: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: self._payments > seen or or_when()

    async def _outstanding(self, check: Callable[..., Any]) -> int:
        look = PaymentStep(
            process_id=self.process_id, at=workflow.now(), payment_ids=list(dict.fromkeys(self._payment_ids))
        )
        self._payment_ids.clear()
        self._looked = self._payments
        answer: Outstanding = await self.step(check, look)
        return answer.outstanding_minor

    async def _give_everything_back(self, wish: Cancelled, close_as_cancelled: Callable[..., Any]) -> None:
        await self.give_back(self.now)
        residue: Residue = await self.step(close_as_cancelled, self.closing(wish))
        self.end(ProcessStatus.CANCELLED, "closed")
        if residue.act_unsigned:
            # What changed hands has done so: its paper is signed even where nothing else comes of it.
            await self.staff_task(TaskKind.SIGN_ACT, stage=None, within=self.tasks.sign_act)
        if residue.advance_minor:
            await self.advance_is_settled(residue)

    async def advance_is_settled(self, residue: Residue, *, stage: str | None = None) -> None:
        """Accounting refunds the subscriber's money, moves it to another account of theirs, or keeps it."""
        await self.staff_task(
            TaskKind.REFUND, stage=stage, within=self.tasks.refund, facts={"advance_minor": residue.advance_minor}
        )
