"""What all processes share: steps, staff tasks, waiting, cancelling, and giving back what was taken.

A process is written as a paragraph of `await self.step(…)`, `await self.staff_task(…)` and `await self.until(…)`.
Every wait ends at once when the process is cancelled; then the undo steps run in reverse order.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from temporalio import workflow
from temporalio.common import RetryPolicy, SearchAttributeKey, SearchAttributeUpdate
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from activities.failures import as_application_error
    from activities.tasks import DEPARTMENT, TaskActivities
    from models.contracts.engine import (
        CANCEL_PROCESS,
        CLAIM_TASK,
        COMPLETE_TASK,
        COMPLETE_TASK_SIGNAL,
        STATE,
        STEP_UNAVAILABLE,
    )
    from models.contracts.people import Role
    from models.contracts.processes import (
        PROCESS_ACTOR,
        CancelRequest,
        ProcessState,
        ProcessStatus,
        RefusedAct,
        TaskAct,
        TaskActOrder,
        TaskClaim,
        TaskDone,
        TaskKind,
        TaskOpened,
        TaskOrder,
        TaskTime,
    )
    from models.contracts.refusals import conflict, not_found
    from models.contracts.steps import ClosingStep

Told = TypeVar("Told", bound=BaseModel)

PROCESS_KIND = SearchAttributeKey.for_keyword("ProcessKind")
STAGE = SearchAttributeKey.for_keyword("Stage")
DEPARTMENT_NAME = SearchAttributeKey.for_keyword("Department")
SUBSCRIBER_ID = SearchAttributeKey.for_keyword("SubscriberId")
ACCOUNT_NO = SearchAttributeKey.for_keyword("AccountNo")

OUTAGE_RETRIES = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=2, maximum_interval=timedelta(seconds=10)
)
"""An outage is retried until it is over; a refusal says itself that it is final."""
STEP_WITHIN = timedelta(seconds=30)
OUTSIDE_WITHIN = timedelta(minutes=1)
ANSWER_WITHIN = timedelta(seconds=8)
"""Whoever asks by Update waits a little longer than that."""
OPENED_AGAIN_WITHIN = timedelta(minutes=1)


class Cancelled(Exception):  # noqa: N818 - not an error: somebody, or a deadline, ends the process
    """The process ends before its goal, for a reason."""

    def __init__(self, reason: str, request: CancelRequest | None = None, *, detail: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.request = request
        self.detail = detail
        """The sentence of a refusal that ends it."""


class StaffProcess:
    """A durable process in which departments take turns."""

    def __init__(self) -> None:
        self.process_id: UUID | None = None
        self._kind = ""
        self._stage = ""
        self._department: Role | None = None
        self._not_shown_yet: list[SearchAttributeUpdate[str]] = []
        self._status = ProcessStatus.OPEN
        self._waiting_for: str | None = None
        self._tasks: dict[UUID, TaskDone | None] = {}
        self._opened: Counter[TaskKind] = Counter()
        self._one_act_at_a_time = asyncio.Lock()
        self._cancellation: CancelRequest | None = None
        self._cancellable = True
        self._undo: list[Callable[..., Any]] = []

    # -- what a process is made of -------------------------------------------------------------------------------

    def begin(self, process_id: UUID, kind: str, *, subscriber_id: UUID | None, account_no: str | None) -> None:
        """Say who this is about, for the lists of the Temporal UI; they show it with the first stage."""
        self.process_id, self._kind = process_id, kind
        self._not_shown_yet.append(PROCESS_KIND.value_set(kind))
        if subscriber_id is not None:
            self._not_shown_yet.append(SUBSCRIBER_ID.value_set(str(subscriber_id)))
        if account_no is not None:
            self._not_shown_yet.append(ACCOUNT_NO.value_set(account_no))

    def stand_in(self, stage: str, *, waiting_for: str | None = None, department: Role | None = None) -> None:
        """Show the stage in the Temporal UI, together with whatever else changed: each time is an event."""
        self._stage, self._waiting_for = stage, waiting_for
        if department != self._department:
            self._department = department
            self._not_shown_yet.append(
                DEPARTMENT_NAME.value_unset() if department is None else DEPARTMENT_NAME.value_set(department.value)
            )
        workflow.upsert_search_attributes([STAGE.value_set(stage), *self._not_shown_yet])
        self._not_shown_yet.clear()
        workflow.set_current_details(f"**{self._kind}**: {stage}, waiting for {waiting_for or 'nothing'}")

    async def step(
        self,
        activity: Callable[..., Any],
        argument: BaseModel,
        *,
        summary: str | None = None,
        within: timedelta | None = None,
    ) -> Any:
        """Have a short database step done. It is local to the worker: one event instead of three.

        Without a summary the Temporal UI shows the step's own name: «reserve equipment».
        """
        return await workflow.execute_local_activity_method(
            activity,
            argument,
            start_to_close_timeout=STEP_WITHIN,
            schedule_to_close_timeout=within,
            retry_policy=OUTAGE_RETRIES,
            summary=summary or activity.__name__.replace("_", " "),
        )

    async def outside(self, activity: Callable[..., Any], argument: BaseModel, *, summary: str) -> Any:
        """Have something done that leaves the machine. A cancelled process waits no longer for it."""
        handle = workflow.start_activity_method(
            activity, argument, start_to_close_timeout=OUTSIDE_WITHIN, retry_policy=OUTAGE_RETRIES, summary=summary
        )
        await workflow.wait_condition(lambda: handle.done() or self._is_cancelled())
        if not handle.done():
            handle.cancel()
        try:
            return await handle
        except ActivityError as failure:
            self._stop_if_cancelled(failure)
            raise

    async def until(
        self, fact: Callable[[], bool], *, within: timedelta | None = None, summary: str | None = None
    ) -> None:
        """Wait for a fact.

        Raises:
            TimeoutError: it did not come true in time.
            Cancelled: the process was cancelled meanwhile.
        """
        await workflow.wait_condition(lambda: fact() or self._is_cancelled(), timeout=within, timeout_summary=summary)
        self._stop_if_cancelled()

    async def staff_task(
        self,
        kind: TaskKind,
        *,
        stage: str | None,
        within: timedelta,
        facts: dict[str, Any] | None = None,
        or_when: Callable[[], bool] = lambda: False,
        name: str | None = None,
        department: Role | None = None,
    ) -> TaskDone | None:
        """Ask a department for something, and wait for it; None when `or_when` came true instead.

        The department is that of the kind unless said. A process that asks for several things of one kind side by side
        names each by what it is about.
        Once the task is overdue, the department's head is told, and the waiting goes on.
        """
        assert self.process_id is not None
        now, asked = workflow.now(), department or DEPARTMENT[kind]
        self._opened[kind] += 1
        # The id differs when this is done again after a crash, since it carries the time; the ordinal does not.
        order = TaskOrder(
            task_id=workflow.uuid7(), process_id=self.process_id, ordinal=self._opened[kind], stage=stage, kind=kind,
            at=now, due_at=now + within, facts=facts or {}, name=name, department=department,
        )  # fmt: skip
        if stage is not None:
            self.stand_in(stage, waiting_for=f"task:{kind}", department=asked)
        opened: TaskOpened = await self.step(TaskActivities.open, order, summary=f"{kind} for {asked}")
        task_id = opened.task_id
        self._tasks[task_id] = None

        def answered() -> bool:
            return self._tasks[task_id] is not None or or_when()

        try:
            await self.until(answered, within=within, summary=f"{kind} is due at {order.due_at:%Y-%m-%d %H:%M} UTC")
        except TimeoutError:
            await self.step(TaskActivities.escalate, self._moment(task_id), summary=f"tell the head of {asked}")
            await self.until(answered)
        # Somebody may be at it in this very moment: what they do counts.
        async with self._one_act_at_a_time:
            done = self._tasks[task_id]
            if done is None:
                await self._withdraw(task_id)
        return done

    def to_undo(self, activity: Callable[..., Any]) -> None:
        """Register how to give back what the next step takes. Undo steps may find nothing to undo."""
        if activity not in self._undo:
            self._undo.append(activity)

    async def give_back(self, argument: Callable[[], BaseModel]) -> None:
        """Run the undo steps, last first, after taking back the open tasks. From here on nothing stops them."""
        self._cancellable = False
        await self.wish_is_recorded("from here on everything is given back")
        await self.take_back_open_tasks()
        while self._undo:
            await self.undo(self._undo.pop(), argument())

    async def wish_is_recorded(self, summary: str) -> None:
        """Return once whatever was wished is in the history for good.

        A wish is an Update, or was concluded in this moment from what a step found: a timer's way into the history
        takes it along, so that no crash can make the process forget what it is about to do.
        """
        await workflow.sleep(timedelta(milliseconds=1), summary=summary)

    async def take_back_open_tasks(self) -> None:
        """Withdraw the tasks that nobody has completed."""
        for task_id in [task_id for task_id, done in self._tasks.items() if done is None]:
            await self._withdraw(task_id)

    async def undo(self, activity: Callable[..., Any], argument: BaseModel) -> None:
        """Run one undo step; a process whose undoing leaves the machine says how by overriding this."""
        await self.step(activity, argument)

    def closing(self, wish: Cancelled) -> ClosingStep:
        """What the step is told that closes a cancelled process: who wanted it, and why."""
        assert self.process_id is not None
        request = wish.request
        return ClosingStep(
            process_id=self.process_id,
            at=workflow.now(),
            actor=PROCESS_ACTOR if request is None else request.actor,
            request_id=None if request is None else request.request_id,
            reason=(request.reason if request is not None else None) or wish.reason,
            detail=wish.detail,
        )

    def no_way_back(self) -> None:
        """From here on the process can't be cancelled any more.

        Raises:
            Cancelled: somebody did so just before.
        """
        self._stop_if_cancelled()
        self._cancellable = False

    def end(self, status: ProcessStatus, stage: str) -> None:
        """Say that the process has ended."""
        self._status, self._cancellable = status, False
        self.stand_in(stage)

    # -- what others ask of it -----------------------------------------------------------------------------------

    @workflow.query(name=STATE, description="Where the process stands")
    def state(self) -> ProcessState:
        """Where the process stands."""
        return ProcessState(
            stage=self._stage,
            status=self._status,
            waiting_for=self._waiting_for,
            open_tasks=[task_id for task_id, done in self._tasks.items() if done is None],
        )

    @workflow.update(name=COMPLETE_TASK, description="Complete a staff task; answers or refuses at once")
    async def complete_task(self, act: TaskAct) -> TaskDone:
        """Complete a task. A refusal leaves the task open and the process as it was."""
        return await self._act(act, within=ANSWER_WITHIN)

    @complete_task.validator
    def _may_complete(self, act: TaskAct) -> None:
        self._refuse_unfit(act)

    @workflow.signal(name=COMPLETE_TASK_SIGNAL, description="The same from the Temporal UI: task_id, outcome, data")
    async def complete_task_signal(self, *payloads: Any) -> None:
        """Complete a task; what can't be done is written into the timeline and fails nothing."""
        try:
            act = self._payload(payloads, TaskAct)
            await self._task_is_opened_again(act)
            self._refuse_unfit(act)
            await self._act(act, within=None)
        except ApplicationError as refusal:
            await self._note_refused(refusal.message)

    @workflow.update(name=CLAIM_TASK, description="Take a staff task on")
    async def claim_task(self, claim: TaskClaim) -> TaskClaim:
        """Let a person take a task on."""
        claimed = claim.model_copy(update={"at": workflow.now()})
        await self._refusable(TaskActivities.claim, claimed, "somebody takes the task on")
        return claim

    @claim_task.validator
    def _may_claim(self, claim: TaskClaim) -> None:
        done = self._tasks.get(claim.task_id, _MISSING)
        if done is _MISSING:
            raise as_application_error(not_found("task_unknown", "This process has no such task."))
        if done is not None:
            raise as_application_error(conflict("task_not_open", "This task is not open any more."))

    @workflow.update(name=CANCEL_PROCESS, description="Cancel the process; what it took is given back")
    async def cancel_by_update(self, request: CancelRequest) -> ProcessState:
        """Cancel the process."""
        self._cancellation = self._cancellation or request
        return self.state()

    @cancel_by_update.validator
    def _may_cancel(self, request: CancelRequest) -> None:
        del request
        if not self._cancellable:
            raise as_application_error(
                conflict("too_late_to_cancel", "This process has reached its goal or its end: it can't be cancelled.")
            )

    @workflow.signal(name=CANCEL_PROCESS, description="The same from the Temporal UI: reason")
    async def cancel_process(self, *payloads: Any) -> None:
        """Cancel the process; too late or badly said, it is written into the timeline and fails nothing."""
        try:
            request = self._payload(payloads, CancelRequest)
            self._may_cancel(request)
            self._cancellation = self._cancellation or request
        except ApplicationError as refusal:
            await self._note_refused(refusal.message)

    # -- how it does it ------------------------------------------------------------------------------------------

    async def _task_is_opened_again(self, act: TaskAct) -> None:
        """Give a process that a crash made forget its task the time to open it again, before a reminder is refused."""
        if act.submission_id is None or act.task_id in self._tasks:
            return
        with suppress(TimeoutError):
            await workflow.wait_condition(
                lambda: act.task_id in self._tasks,
                timeout=OPENED_AGAIN_WITHIN,
                timeout_summary="somebody acted on a task that is not known",
            )

    async def _act(self, act: TaskAct, *, within: timedelta | None) -> TaskDone:
        async with self._one_act_at_a_time:
            assert self.process_id is not None
            order = TaskActOrder(act=act, process_id=self.process_id, at=workflow.now())
            done: TaskDone = await self._refusable(TaskActivities.complete, order, "complete the task", within=within)
            self._tasks[act.task_id] = done
            return done

    async def _refusable(
        self,
        activity: Callable[..., Any],
        argument: BaseModel,
        summary: str,
        *,
        within: timedelta | None = ANSWER_WITHIN,
    ) -> Any:
        """A step whose refusal is the answer to whoever asked, and leaves the process as it was.

        A person who waits is told within a time that it can't be done at the moment; nobody's fault holds others up.
        """
        try:
            return await self.step(activity, argument, summary=summary, within=within)
        except FailureError as failure:
            if is_cancelled_exception(failure):
                raise
            refusal = refusal_in(failure)
            if refusal is not None:
                raise refusal from None
            raise ApplicationError("The database does not answer.", type=STEP_UNAVAILABLE, non_retryable=True) from None

    def _refuse_unfit(self, act: TaskAct) -> None:
        done = self._tasks.get(act.task_id, _MISSING)
        if done is _MISSING:
            raise as_application_error(not_found("task_unknown", "This process has no such task."))
        if isinstance(done, TaskDone) and done.outcome != act.outcome:
            raise as_application_error(
                conflict("task_not_open", f"This task was completed with the outcome {done.outcome}.")
            )
        if done is None and self._cancellation is not None and self._status is ProcessStatus.OPEN:
            raise as_application_error(conflict("process_cancelled", "This process is being cancelled."))

    def _payload(self, payloads: Sequence[Any], kind: type[Told]) -> Told:
        """What somebody typed into the Temporal UI, or a refusal that says what is wrong with it.

        Signal handlers take whatever comes: a handler that can't be called would stop the process until it is mended.
        """
        try:
            (value,) = payloads or ({},)
            return kind.model_validate(value)
        except ValidationError as failure:
            problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'payload'}: {e['msg']}" for e in failure.errors())
            self._refuse_payload(problems[:300])
        except ValueError:
            self._refuse_payload("send exactly one JSON object")

    def _refuse_payload(self, why: str) -> NoReturn:
        raise as_application_error(conflict("payload_invalid", f"The signal's payload can't be used: {why}.")) from None

    async def _note_refused(self, detail: str) -> None:
        assert self.process_id is not None
        now = workflow.now()
        refused = RefusedAct(process_id=self.process_id, key=f"act_refused:{workflow.uuid4()}", at=now, detail=detail)
        await self.step(TaskActivities.note_refused_act, refused, summary="note an act that was refused")

    async def _withdraw(self, task_id: UUID) -> None:
        await self.step(TaskActivities.withdraw, self._moment(task_id), summary="withdraw the task")
        self._tasks.pop(task_id, None)

    def _moment(self, task_id: UUID) -> TaskTime:
        return TaskTime(task_id=task_id, at=workflow.now())

    def _is_cancelled(self) -> bool:
        return self._cancellable and self._cancellation is not None

    def _stop_if_cancelled(self, cause: BaseException | None = None) -> None:
        if self._is_cancelled():
            raise Cancelled("cancelled", self._cancellation) from cause


def refusal_in(failure: FailureError) -> ApplicationError | None:
    """The refusal of the business in a step's failure; none where it is anything else."""
    # A step that leaves the machine wraps it, a local one does not.
    cause = failure.cause if isinstance(failure, ActivityError) else failure
    return cause if isinstance(cause, ApplicationError) and cause.details else None


_MISSING: Any = object()
