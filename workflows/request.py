"""Request: from what somebody wants to its solution; reopened, it runs once more."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow

from workflows.subscriber_process import SubscriberProcess

with workflow.unsafe.imports_passed_through():
    from activities.requests import RequestActivities
    from models.contracts.engine import REQUEST, REQUEST_CHANGED
    from models.contracts.processes import ProcessKind, ProcessOutcome, ProcessStatus, TaskDurations, TaskKind
    from models.contracts.request_process import RequestInput, RequestLook, RequestStand
    from models.contracts.request_words import RequestStage, Turn

Stage = RequestStage


@workflow.defn(name=REQUEST)
class Request(SubscriberProcess):
    """Triage, the owner's work with questions to the subscriber and visits of crews, solution; one run for a round.

    Whose turn it is, the database decides in the transaction of whatever decides it: a task, an answer, the end of an
    outage. The process looks, and does what the turn asks for until it is another one's. Beside it, it watches the
    clock.
    """

    @workflow.init
    def __init__(self, order: RequestInput) -> None:
        super().__init__(order.process_id, TaskDurations(assign_crew=order.tasks.assign_crew))
        self._order = order
        self._opened.update(order.tasks_opened)
        self._stand: RequestStand | None = None
        self._is_over = False

    @workflow.run
    async def run(self, order: RequestInput) -> ProcessOutcome:
        """Carry the request to its end."""
        self.begin(
            order.process_id, ProcessKind.REQUEST, subscriber_id=order.subscriber_id, account_no=order.account_no
        )
        clock = asyncio.create_task(self._watch_the_clock())
        outcome = await self.carry(self._handle(), close_as_cancelled=RequestActivities.close_as_cancelled)
        self._is_over = True
        await clock
        return outcome

    async def _handle(self) -> None:
        while True:
            stand = await self._look(begins_turn=True)
            if stand.turn is Turn.CLOSED or stand.round > self._order.round:
                break
            if stand.turn is Turn.FOLLOWING:
                await self._what_it_follows_is_awaited(stand)
            elif stand.turn is Turn.TRIAGE:
                await self._it_is_sorted(stand)
            elif stand.turn is Turn.WORK:
                await self._its_department_works(stand)
            elif stand.turn is Turn.QUESTION:
                await self._an_answer_is_awaited(stand)
            else:
                await self._a_crew_goes_there(stand)
        self.end(ProcessStatus.COMPLETED, Stage.CLOSED)

    async def _what_it_follows_is_awaited(self, stand: RequestStand) -> None:
        self.stand_in(Stage.FOLLOWING, waiting_for=stand.follows)
        await self.until(self._turn_has_passed(stand))

    async def _it_is_sorted(self, stand: RequestStand) -> None:
        await self.staff_task(
            TaskKind.TRIAGE_REQUEST, stage=Stage.TRIAGE, within=self._order.tasks.triage_request,
            facts=_facts(stand), name=str(stand.turns), or_when=self._turn_has_passed(stand),
        )  # fmt: skip

    async def _its_department_works(self, stand: RequestStand) -> None:
        await self.staff_task(
            TaskKind.HANDLE_REQUEST, stage=Stage.WORK, within=self._order.tasks.handle_request,
            facts=_facts(stand), name=str(stand.turns), department=stand.owner,
            or_when=self._turn_has_passed(stand),
        )  # fmt: skip

    async def _an_answer_is_awaited(self, stand: RequestStand) -> None:
        assert stand.asked_until is not None, "a question has its time"
        self.stand_in(Stage.QUESTION, waiting_for="answer")
        try:
            await self.until(
                self._turn_has_passed(stand), within=_from_now(stand.asked_until), summary="the subscriber's answer"
            )
        except TimeoutError:
            self._note(await self.step(RequestActivities.give_up_waiting, self.now()))

    async def _a_crew_goes_there(self, stand: RequestStand) -> None:
        await self.crew_visits(
            TaskKind.REPAIR, within=self._order.tasks.repair, scheduling=Stage.SCHEDULING, visiting=Stage.VISIT,
            facts=_facts(stand),
        )  # fmt: skip

    async def _watch_the_clock(self) -> None:
        """Have the head of the department told when little time is left, and when none is."""
        while not self._is_over:
            at = self._clock_at()
            try:
                await workflow.wait_condition(
                    self._clock_has_changed(at), timeout=None if at is None else _from_now(at),
                    timeout_summary="the clock of the request has something to say",
                )  # fmt: skip
            except TimeoutError:
                self._note(await self.step(RequestActivities.watch_clock, self.now()))

    async def _look(self, *, begins_turn: bool = False) -> RequestStand:
        look = RequestLook(process_id=self.process_id, at=workflow.now(), begins_turn=begins_turn)
        return self._note(await self.step(RequestActivities.look, look, summary="look how the request stands"))

    def _note(self, stand: RequestStand) -> RequestStand:
        """Keep the newer one of two looks, and answer it."""
        if self._stand is None or stand.revision >= self._stand.revision:
            self._stand = stand
        return self._stand

    def _turn_has_passed(self, stand: RequestStand) -> Callable[[], bool]:
        return lambda: self._stand is not None and self._stand.turns != stand.turns

    def _clock_at(self) -> datetime | None:
        return None if self._stand is None else self._stand.clock_at

    def _clock_has_changed(self, at: datetime | None) -> Callable[[], bool]:
        return lambda: self._is_over or self._clock_at() != at

    @workflow.signal(name=REQUEST_CHANGED, description="An answer, another owner, news of what the request follows")
    async def request_changed(self, *_: Any) -> None:
        """Look how the request stands."""
        await self._look()


def _facts(stand: RequestStand) -> dict[str, Any]:
    return {"category": stand.category, "priority": stand.priority, "turn": stand.turns}


def _from_now(moment: datetime) -> timedelta:
    return max(moment - workflow.now(), timedelta(0))


WORKFLOWS = [Request]
