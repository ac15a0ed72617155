"""Clarification: a question about money that a person of accounting has to answer."""

import asyncio
from typing import Any

from temporalio import workflow

from workflows.staff_process import StaffProcess

with workflow.unsafe.imports_passed_through():
    from activities.clarification_steps import ClarificationActivities
    from models.contracts.clarification import TASK_OF, ClarificationInput, ClarificationStage, StillAsked
    from models.contracts.engine import CLARIFICATION, PAYMENT_RECEIVED
    from models.contracts.processes import ENGINE_UI_ACTOR, ProcessKind, ProcessOutcome, ProcessStatus
    from models.contracts.steps import ClosingStep, ProcessStep

Stage = ClarificationStage


@workflow.defn(name=CLARIFICATION)
class Clarification(StaffProcess):
    """Accounting is asked, until it answers or something else does."""

    @workflow.init
    def __init__(self, order: ClarificationInput) -> None:
        super().__init__()
        self._order = order
        self._is_settled = False

    @workflow.run
    async def run(self, order: ClarificationInput) -> ProcessOutcome:
        """Carry the question to its answer."""
        self.begin(order.process_id, ProcessKind.CLARIFICATION, subscriber_id=None, account_no=None)
        # Money is not forgotten because somebody is tired of the question.
        self.no_way_back()
        try:
            await self._accounting_answers()
            await self.step(ClarificationActivities.close, self._now())
            status = ProcessStatus.COMPLETED
        except asyncio.CancelledError:
            closing = ClosingStep(
                process_id=order.process_id, at=workflow.now(), actor=ENGINE_UI_ACTOR,
                reason="cancelled in the Temporal UI",
            )  # fmt: skip
            await self.step(ClarificationActivities.abandon, closing)
            status = ProcessStatus.CANCELLED
        self.end(status, Stage.CLOSED)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return ProcessOutcome(process_id=order.process_id, status=status)

    async def _accounting_answers(self) -> None:
        task = TASK_OF[self._order.question]
        await self.staff_task(
            task,
            stage=Stage.ASKED,
            within=self._order.policy.within(task),
            facts=self._order.facts,
            or_when=lambda: self._is_settled,
        )

    @workflow.signal(name=PAYMENT_RECEIVED, description="Something became of the payment in question")
    async def payment_received(self, *_: Any) -> None:
        """Look whether the question has been answered elsewhere: by the API, by the bank, by reconciliation."""
        answer: StillAsked = await self.step(ClarificationActivities.look, self._now())
        self._is_settled = self._is_settled or not answer.is_open

    def _now(self) -> ProcessStep:
        return ProcessStep(process_id=self._order.process_id, at=workflow.now())


WORKFLOWS = [Clarification]
