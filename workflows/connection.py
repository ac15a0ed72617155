"""Connection: from a subscriber's application to a service that works and is paid for."""

from temporalio import workflow

from workflows.equipped_process import EquippedProcess
from workflows.staff_process import Cancelled

with workflow.unsafe.imports_passed_through():
    from activities.connection import ConnectionActivities
    from activities.network import NetworkActivities
    from models.contracts.connection import ConnectionInput, ConnectionStage
    from models.contracts.engine import CONNECTION
    from models.contracts.processes import ProcessKind, ProcessOutcome, ProcessStatus, TaskKind
    from models.contracts.steps import InvoiceStep, Outstanding

Stage = ConnectionStage


@workflow.defn(name=CONNECTION)
class Connection(EquippedProcess):
    """Stock or procurement, contract and invoice, prepayment, crew, installation, signed act, activation."""

    @workflow.init
    def __init__(self, order: ConnectionInput) -> None:
        super().__init__(order.process_id, order.policy.tasks)
        self._policy = order.policy

    @workflow.run
    async def run(self, order: ConnectionInput) -> ProcessOutcome:
        """Carry the application to its end."""
        self.begin(
            order.process_id, ProcessKind.CONNECTION, subscriber_id=order.subscriber_id, account_no=order.account_no
        )
        return await self.carry(self._connect(), close_as_cancelled=ConnectionActivities.close_as_cancelled)

    async def _connect(self) -> None:
        self.to_undo(ConnectionActivities.withdraw_application)
        await self.equipment_is_reserved(
            reserve=ConnectionActivities.reserve_equipment, release=ConnectionActivities.release_equipment,
            stage=Stage.STOCK,
        )  # fmt: skip
        await self._prepayment_comes_in()
        await self.crew_visits(
            TaskKind.INSTALL, within=self.tasks.install, scheduling=Stage.SCHEDULING,
            visiting=Stage.INSTALLATION,
        )  # fmt: skip
        await self.act_is_signed(ConnectionActivities.draw_up_act, stage=Stage.HANDOVER)
        await self._service_is_activated()

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
        await self.unless_refused(
            self.outside(NetworkActivities.switch_on, self.now(), summary="switch the service on")
        )
        self.no_way_back()
        await self.step(ConnectionActivities.close, self.now())
        self.end(ProcessStatus.COMPLETED, Stage.CLOSED)


WORKFLOWS = [Connection]
