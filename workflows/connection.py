"""Connection: from a subscriber's application to a service that works and is paid for."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from temporalio import workflow

from workflows.staff_process import Cancelled, StaffProcess

with workflow.unsafe.imports_passed_through():
    from activities.connection import ConnectionActivities
    from activities.failures import as_application_error
    from activities.network import NetworkActivities
    from models.contracts.bank import PaymentReceived
    from models.contracts.connection import (
        ClosingStep,
        ConnectionInput,
        ConnectionOutcome,
        ConnectionPolicy,
        ConnectionStage,
        ConnectionStep,
        Equipment,
        InvoiceStep,
        PaymentStep,
        Prepayment,
        Residue,
    )
    from models.contracts.engine import CONNECTION, PAYMENT_RECEIVED, RESCHEDULE_VISIT, STOCK_ARRIVED
    from models.contracts.processes import (
        PROCESS_ACTOR,
        ProcessKind,
        ProcessState,
        ProcessStatus,
        Rescheduling,
        TaskDone,
        TaskKind,
    )
    from models.contracts.refusals import conflict

Stage = ConnectionStage


@workflow.defn(name=CONNECTION)
class Connection(StaffProcess):
    """Stock or procurement, contract and invoice, prepayment, crew, installation, signed act, activation."""

    @workflow.init
    def __init__(self, order: ConnectionInput) -> None:
        super().__init__()
        self._order = order
        self._policy: ConnectionPolicy = order.policy
        self._deliveries = 0
        self._payments = 0
        self._payment_ids: list[UUID] = []

    @workflow.run
    async def run(self, order: ConnectionInput) -> ConnectionOutcome:
        """Carry the application to its end."""
        self.begin(
            order.process_id, ProcessKind.CONNECTION, subscriber_id=order.subscriber_id, account_no=order.account_no
        )
        try:
            await self._connect()
            status = ProcessStatus.COMPLETED
        except Cancelled as wish:
            await self._give_everything_back(wish)
            status = ProcessStatus.CANCELLED
        except asyncio.CancelledError:
            # «Request cancellation» in the Temporal UI is the same wish, said otherwise.
            await self._give_everything_back(Cancelled("cancelled in the Temporal UI"))
            status = ProcessStatus.CANCELLED
        await workflow.wait_condition(workflow.all_handlers_finished)
        return ConnectionOutcome(process_id=order.process_id, status=status)

    async def _connect(self) -> None:
        self.to_undo(ConnectionActivities.withdraw_application)
        await self._equipment_is_reserved()
        await self._contract_and_invoice_are_sent()
        await self._prepayment_comes_in()
        await self._equipment_is_installed()
        await self._act_is_signed()
        await self._service_is_activated()

    async def _equipment_is_reserved(self) -> None:
        self.to_undo(ConnectionActivities.release_equipment)
        while True:
            seen = self._deliveries
            equipment: Equipment = await self.step(ConnectionActivities.reserve_equipment, self._now())
            if not equipment.missing:
                return
            purchase = await self.staff_task(
                TaskKind.PURCHASE,
                stage=Stage.STOCK,
                within=self._policy.tasks.purchase,
                facts={"missing": equipment.missing},
                or_when=self._delivery_after(seen),
            )
            self._stop_if_impossible(purchase)

    async def _contract_and_invoice_are_sent(self) -> None:
        self.to_undo(ConnectionActivities.take_back_contract_and_invoice)
        order = InvoiceStep(
            process_id=self._order.process_id, at=workflow.now(), pay_within=self._policy.prepayment_expires_after
        )
        invoice: Prepayment = await self.step(ConnectionActivities.send_contract_and_invoice, order)
        self._outstanding_minor = invoice.outstanding_minor

    async def _prepayment_comes_in(self) -> None:
        if self._outstanding_minor:
            self.stand_in(Stage.PREPAYMENT, waiting_for="payment")
        reminder_at = workflow.now() + self._policy.prepayment_reminder_after
        expires_at = workflow.now() + self._policy.prepayment_expires_after
        reminded = False
        while self._outstanding_minor:
            seen = self._payments
            deadline, what = (expires_at, "prepayment expires") if reminded else (reminder_at, "remind of prepayment")
            try:
                await self.until(
                    self._payment_after(seen),
                    within=max(deadline - workflow.now(), timedelta(0)),
                    summary=what,
                )
            except TimeoutError:
                if not reminded:
                    await self.step(ConnectionActivities.remind_of_prepayment, self._now())
                    reminded = True
                    continue
                # The last look before it hurts: money may be in the ledger whose signal is still on its way.
                await self._ask_the_ledger()
                if self._outstanding_minor:
                    raise Cancelled("prepayment_expired") from None
            else:
                await self._ask_the_ledger()

    async def _ask_the_ledger(self) -> None:
        look = PaymentStep(
            process_id=self._order.process_id, at=workflow.now(), payment_ids=list(dict.fromkeys(self._payment_ids))
        )
        self._payment_ids.clear()
        prepayment: Prepayment = await self.step(ConnectionActivities.check_prepayment, look)
        self._outstanding_minor = prepayment.outstanding_minor

    async def _equipment_is_installed(self) -> None:
        self.to_undo(ConnectionActivities.free_visit)
        while True:
            assignment = await self.staff_task(
                TaskKind.ASSIGN_CREW, stage=Stage.SCHEDULING, within=self._policy.tasks.assign_crew
            )
            if assignment is not None and assignment.resume_at is not None:
                await self._sleep_until_resumed(assignment)
                continue
            visit = await self.staff_task(TaskKind.INSTALL, stage=Stage.INSTALLATION, within=self._policy.tasks.install)
            self._stop_if_impossible(visit)
            if visit is not None and visit.outcome == "installed":
                return

    async def _sleep_until_resumed(self, assignment: TaskDone) -> None:
        assert assignment.resume_at is not None
        try:
            await self.until(
                lambda: False, within=max(assignment.resume_at - workflow.now(), timedelta(0)), summary="postponed"
            )
        except TimeoutError:
            return

    async def _act_is_signed(self) -> None:
        await self.step(ConnectionActivities.draw_up_act, self._now())
        signing = await self.staff_task(TaskKind.SIGN_ACT, stage=Stage.HANDOVER, within=self._policy.tasks.sign_act)
        self._stop_if_impossible(signing)

    async def _service_is_activated(self) -> None:
        self.stand_in(Stage.ACTIVATION, waiting_for="network")
        self.to_undo(NetworkActivities.switch_off)
        await self.outside(NetworkActivities.switch_on, self._now(), summary="switch the service on")
        self.no_way_back()
        await self.step(ConnectionActivities.close, self._now())
        self.end(ProcessStatus.COMPLETED, Stage.CLOSED)

    async def _give_everything_back(self, wish: Cancelled) -> None:
        await self.give_back(self._now)
        request = wish.request
        closing = ClosingStep(
            process_id=self._order.process_id,
            at=workflow.now(),
            actor=PROCESS_ACTOR if request is None else request.actor,
            request_id=None if request is None else request.request_id,
            reason=(request.reason if request is not None else None) or wish.reason,
        )
        residue: Residue = await self.step(ConnectionActivities.close_as_cancelled, closing)
        self.end(ProcessStatus.CANCELLED, Stage.CLOSED)
        if residue.advance_minor:
            await self.staff_task(
                TaskKind.REFUND,
                stage=None,
                within=self._policy.tasks.refund,
                facts={"advance_minor": residue.advance_minor},
            )

    async def undo(self, activity: Callable[..., Any], argument: BaseModel) -> None:
        """The network is outside; all else is a step in the database."""
        if activity is NetworkActivities.switch_off:
            await self.outside(activity, argument, summary="switch the service off")
        else:
            await super().undo(activity, argument)

    @workflow.signal(name=PAYMENT_RECEIVED, description="The ledger has money for this account")
    def payment_received(self, *payloads: Any) -> None:
        """Look at the ledger, which alone knows the sum: being told twice, or of a reversal, does no harm."""
        try:
            (payload,) = payloads
            self._payment_ids.append(PaymentReceived.model_validate(payload).payment_id)
        except ValueError:
            workflow.logger.warning("a payment was signalled that names no payment")
        self._payments += 1

    @workflow.signal(name=STOCK_ARRIVED, description="Equipment came into stock")
    def stock_arrived(self, *_: Any) -> None:
        """Try to reserve what is missing."""
        self._deliveries += 1

    @workflow.update(name=RESCHEDULE_VISIT, description="Move the booked visit to another slot")
    async def reschedule_visit(self, order: Rescheduling) -> ProcessState:
        """Move the visit; a refusal leaves it where it was."""
        move = order.model_copy(update={"at": workflow.now()})
        await self._refusable(ConnectionActivities.move_visit, move, "move the visit")
        return self.state()

    @reschedule_visit.validator
    def _may_reschedule(self, order: Rescheduling) -> None:
        del order
        if self._stage != Stage.INSTALLATION:
            raise as_application_error(
                conflict("no_visit_booked", "There is no visit to move: assign a crew and a time first.")
            )

    def _delivery_after(self, seen: int) -> Callable[[], bool]:
        return lambda: self._deliveries > seen

    def _payment_after(self, seen: int) -> Callable[[], bool]:
        return lambda: self._payments > seen

    def _stop_if_impossible(self, done: TaskDone | None) -> None:
        if done is not None and done.outcome in {"refused", "impossible"}:
            raise Cancelled(f"task_{done.outcome}")

    def _now(self) -> ConnectionStep:
        return ConnectionStep(process_id=self._order.process_id, at=workflow.now())


WORKFLOWS = [Connection]
