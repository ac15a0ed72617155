"""Connection: from a subscriber's application to a service that works and is paid for."""

from collections.abc import Callable
from typing import Any

from temporalio import workflow

from workflows.staff_process import Cancelled
from workflows.subscriber_process import SubscriberProcess

with workflow.unsafe.imports_passed_through():
    from activities.connection import ConnectionActivities
    from activities.network import NetworkActivities
    from models.contracts.connection import ConnectionInput, ConnectionStage, Equipment, InvoiceStep
    from models.contracts.engine import CONNECTION, STOCK_ARRIVED
    from models.contracts.processes import ProcessKind, ProcessOutcome, ProcessStatus, TaskKind
    from models.contracts.steps import Outstanding

Stage = ConnectionStage


@workflow.defn(name=CONNECTION)
class Connection(SubscriberProcess):
    """Stock or procurement, contract and invoice, prepayment, crew, installation, signed act, activation."""

    @workflow.init
    def __init__(self, order: ConnectionInput) -> None:
        super().__init__(order.process_id, order.policy.tasks)
        self._policy = order.policy
        self._deliveries = 0

    @workflow.run
    async def run(self, order: ConnectionInput) -> ProcessOutcome:
        """Carry the application to its end."""
        self.begin(
            order.process_id, ProcessKind.CONNECTION, subscriber_id=order.subscriber_id, account_no=order.account_no
        )
        return await self.carry(self._connect(), close_as_cancelled=ConnectionActivities.close_as_cancelled)

    async def _connect(self) -> None:
        self.to_undo(ConnectionActivities.withdraw_application)
        await self._equipment_is_reserved()
        await self._prepayment_comes_in()
        await self.crew_visits(
            TaskKind.INSTALL, done="installed", within=self.tasks.install, scheduling=Stage.SCHEDULING,
            visiting=Stage.INSTALLATION,
        )  # fmt: skip
        await self.act_is_signed(ConnectionActivities.draw_up_act, stage=Stage.HANDOVER)
        await self._service_is_activated()

    async def _equipment_is_reserved(self) -> None:
        self.to_undo(ConnectionActivities.release_equipment)
        while True:
            seen = self._deliveries
            equipment: Equipment = await self.step(ConnectionActivities.reserve_equipment, self.now())
            if not equipment.missing:
                return
            purchase = await self.staff_task(
                TaskKind.PURCHASE,
                stage=Stage.STOCK,
                within=self.tasks.purchase,
                facts={"missing": equipment.missing},
                or_when=self._delivery_after(seen),
            )
            self.stop_if_impossible(purchase)

    async def _prepayment_comes_in(self) -> None:
        self.to_undo(ConnectionActivities.take_back_contract_and_invoice)
        order = InvoiceStep(
            process_id=self.process_id, at=workflow.now(), pay_within=self._policy.prepayment_expires_after
        )
        invoice: Outstanding = await self.step(ConnectionActivities.send_contract_and_invoice, order)
        if not invoice.outstanding_minor:
            return
        self.stand_in(Stage.PREPAYMENT, waiting_for="payment")
        paid = await self.invoice_is_paid(
            invoice.outstanding_minor,
            check=ConnectionActivities.check_prepayment,
            remind=ConnectionActivities.remind_of_prepayment,
            remind_after=self._policy.prepayment_reminder_after,
            expires_after=self._policy.prepayment_expires_after,
        )
        if not paid:
            raise Cancelled("prepayment_expired")

    async def _service_is_activated(self) -> None:
        self.stand_in(Stage.ACTIVATION, waiting_for="network")
        self.to_undo(NetworkActivities.switch_off)
        await self.outside(NetworkActivities.switch_on, self.now(), summary="switch the service on")
        self.no_way_back()
        await self.step(ConnectionActivities.close, self.now())
        self.end(ProcessStatus.COMPLETED, Stage.CLOSED)

    @workflow.signal(name=STOCK_ARRIVED, description="Equipment came into stock")
    def stock_arrived(self, *_: Any) -> None:
        """Try to reserve what is missing."""
        self._deliveries += 1

    def _delivery_after(self, seen: int) -> Callable[[], bool]:
        return lambda: self._deliveries > seen


WORKFLOWS = [Connection]
