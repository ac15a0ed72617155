"""Disconnection: from the wish to leave, or a debt, to a service that has ended and an account that is settled."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from workflows.staff_process import Cancelled
from workflows.subscriber_process import SubscriberProcess

with workflow.unsafe.imports_passed_through():
    from activities.disconnection import DisconnectionActivities
    from activities.disconnection_control import ControlActivities
    from activities.network import NetworkActivities
    from models.contracts.disconnection import (
        DEBT_PAID,
        DisconnectionInput,
        DisconnectionStage,
        Fate,
        PiecesToTakeBack,
        Settlement,
        Termination,
    )
    from models.contracts.engine import DISCONNECTION
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
    from models.contracts.steps import InvoiceStep, Outstanding, Residue

Stage = DisconnectionStage


@workflow.defn(name=DISCONNECTION)
class Disconnection(SubscriberProcess):
    """Accounting's control, crew, dismantling, signed act, end of the service, balance.

    Until the equipment is dismantled (or, where there is none, until the service ends) it can be given up, and for a
    debt it ends by itself when that is paid.
    """

    @workflow.init
    def __init__(self, order: DisconnectionInput) -> None:
        super().__init__(order.process_id, order.policy.tasks)
        self._order = order
        self._is_dismantled = False

    @workflow.run
    async def run(self, order: DisconnectionInput) -> ProcessOutcome:
        """Carry the disconnection to its end."""
        self.begin(
            order.process_id, ProcessKind.DISCONNECTION, subscriber_id=order.subscriber_id, account_no=order.account_no
        )
        return await self.carry(self._disconnect(), close_as_cancelled=DisconnectionActivities.close_as_cancelled)

    def now(self) -> InvoiceStep:
        """What every step is told: the process, its time, and within what time an invoice is to be paid."""
        return InvoiceStep(
            process_id=self.process_id, at=workflow.now(), pay_within=self._order.policy.payment_expires_after
        )

    async def _disconnect(self) -> None:
        try:
            await self._until_there_is_no_way_back()
        except (Cancelled, asyncio.CancelledError):
            if not await self._came_too_late():
                raise
            # Whoever dismantled it was faster, and the process, away at that moment, was not told.
            await self.take_back_open_tasks()
        if self._is_cancelled():
            await self._came_too_late()
        self._cancellable, self._cancellation, self._visit_booked = False, None, False
        if self._is_dismantled:
            await self.act_is_signed(DisconnectionActivities.draw_up_act, stage=Stage.RETURN, or_not=True)
            await self.step(DisconnectionActivities.terminate, self.now())
        await self._service_is_off()
        await self.step(DisconnectionActivities.close, self.now())
        self.end(ProcessStatus.COMPLETED, Stage.CLOSED)

    async def _until_there_is_no_way_back(self) -> None:
        if self._order.for_debt:
            watch = asyncio.create_task(self._end_when_the_debt_is_paid())
            try:
                self.to_undo(NetworkActivities.resume)
                self.to_undo(DisconnectionActivities.resume_service)
                await self._equipment_is_taken_back()
            finally:
                watch.cancel()
        else:
            await self._day_comes(self._order.starts_at, stage=Stage.REQUEST)
            await self._account_is_settled()
            await self._equipment_is_taken_back()

    async def _equipment_is_taken_back(self) -> None:
        """A crew dismantles it. Where there is nothing to dismantle, the service ends on the wished day."""
        equipment: PiecesToTakeBack = await self.step(DisconnectionActivities.look_for_equipment, self.now())
        if equipment.pieces:
            self._is_dismantled = True
            await self.crew_visits(
                TaskKind.DISMANTLE, within=self.tasks.dismantle, scheduling=Stage.SCHEDULING,
                visiting=Stage.DISMANTLING,
            )  # fmt: skip
            return
        await self._day_comes(self._order.ends_at, stage=Stage.TERMINATION)
        ended: Termination = await self.step(DisconnectionActivities.terminate, self.now())
        if not ended.is_terminated:
            raise Cancelled(DEBT_PAID)

    async def _account_is_settled(self) -> None:
        """Nothing is owed any more: it never was, it was paid, or it was written off."""
        self.to_undo(ControlActivities.take_back_billing)
        self.stand_in(Stage.CONTROL)
        while True:
            self._looked = self._payments
            account: Settlement = await self.unless_refused(self.step(ControlActivities.control_account, self.now()))
            if not account.outstanding_minor:
                return
            facts = {"outstanding_minor": account.outstanding_minor, "final_minor": account.final_minor}
            decision = await self._accounting_decides(TaskKind.SETTLE_ACCOUNT, self.tasks.settle_account, facts)
            if decision is not None and decision.outcome == "written_off":
                await self._accounting_decides(TaskKind.APPROVE_WRITE_OFF, self.tasks.approve_write_off, facts)
            elif decision is not None:
                await self._payment_is_awaited()

    async def _accounting_decides(
        self, kind: TaskKind, within: timedelta, facts: dict[str, Any]
    ) -> TaskDone | None:  # fmt: skip
        """What accounting decides; None where the money came before."""
        money = asyncio.create_task(self.money_has_come(ControlActivities.check_settlement))
        try:
            return await self.staff_task(kind, stage=Stage.CONTROL, within=within, facts=facts, or_when=money.done)
        finally:
            money.cancel()

    async def _payment_is_awaited(self) -> None:
        self._looked = self._payments
        invoice: Outstanding = await self.unless_refused(self.step(ControlActivities.send_final_invoice, self.now()))
        self.stand_in(Stage.SETTLEMENT, waiting_for="payment")
        await self.invoice_is_paid(
            invoice.outstanding_minor,
            check=ControlActivities.check_settlement,
            remind=ControlActivities.remind_of_settlement,
            remind_after=self._order.policy.payment_reminder_after,
            expires_after=self._order.policy.payment_expires_after,
        )

    async def _service_is_off(self) -> None:
        self.stand_in(Stage.TERMINATION, waiting_for="network")
        await self.network_or_people_do(NetworkActivities.switch_off, self.now())
        residue: Residue = await self.step(DisconnectionActivities.free_port, self.now())
        if residue.advance_minor:
            await self.advance_is_settled(residue, stage=Stage.REFUND)

    async def _end_when_the_debt_is_paid(self) -> None:
        await self.money_has_come(DisconnectionActivities.check_debt)
        self._cancellation = self._cancellation or CancelRequest(actor=PROCESS_ACTOR, reason=DEBT_PAID)

    async def _came_too_late(self) -> bool:
        """Give the disconnection up in the database, which knows whether it still can be."""
        await self.wish_is_recorded("it is given up, unless it is too late")
        fate: Fate = await self.step(DisconnectionActivities.give_up, self.now())
        return fate.is_irrevocable

    async def _day_comes(self, moment: datetime, *, stage: Stage) -> None:
        if workflow.now() < moment:
            self.stand_in(stage, waiting_for="date")
            await self.sleep_until(moment, summary="the day comes")

    async def _act(self, act: TaskAct, *, within: timedelta | None) -> TaskDone:
        try:
            return await super()._act(act, within=within)
        except ApplicationError as refusal:
            if refusal.type == DEBT_PAID:
                # The ledger knows before the process is told, or of what nobody tells, such as a credit note.
                self._payments += 1
            raise


WORKFLOWS = [Disconnection]
