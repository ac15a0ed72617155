"""The steps of a disconnection beside its control: equipment, the end of the service, and the way back."""

from datetime import date, datetime

from sqlalchemy.orm import Session
from temporalio import activity

from activities import (
    disconnection_request,
    documents,
    equipment_replacement,
    final_billing,
    leaving_account,
    ledger,
    network,
    services,
    stock,
)
from activities.document_facts import completed_task
from activities.dunning_news import look_again
from activities.final_billing_news import tell_bill
from activities.leaving_account import Leaving, leaving
from activities.payment_news import tell_payments_to
from activities.process_endings import end_as_cancelled
from activities.process_messages import say
from activities.processes import close, enter_stage, tell
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.disconnection import DEBT_PAID, DisconnectionStage, Fate, PiecesToTakeBack, Termination
from models.contracts.documents import DocumentKind, OperatorDetails
from models.contracts.field_forms import Dismantled
from models.contracts.messaging import Urgency
from models.contracts.processes import ProcessStatus, TaskKind
from models.contracts.steps import ClosingStep, InvoiceStep, Outstanding, PaymentStep, ProcessStep, Residue
from models.contracts.stock import EquipmentCondition
from models.database import Database
from models.rules.money import tenge
from models.rules.sms_texts import Template
from models.tables.subscriptions import Subscription
from settings import Settings


class DisconnectionActivities:
    """What the workflow `Disconnection` has done for it. Repeating a step changes nothing."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._operator = OperatorDetails(
            name=settings.operator_name,
            bin=settings.operator_bin,
            iban=settings.operator_iban,
            timezone=settings.timezone,
        )

    @activity.defn(name="disconnection.check_debt")
    def check_debt(self, step: PaymentStep) -> Outstanding:
        """Ask the ledger whether what was overdue is still owed."""
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            tell_payments_to(session, step, who.account_id)
            overdue_minor = leaving_account.overdue_minor(session, who.account_id, on=self._local_date(step.at))
            return Outstanding(outstanding_minor=overdue_minor)

    @activity.defn(name="disconnection.look_for_equipment")
    def look_for_equipment(self, step: ProcessStep) -> PiecesToTakeBack:
        """See whether a crew has anything to dismantle."""
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            serials = stock.installed_serials(session, who.subscription_id)
            if not serials:
                tell(session, step.process_id, "nothing_to_dismantle", at=step.at)
                awaited = "date" if self._local_date(step.at) < who.request.requested_on else None
                enter_stage(session, step.process_id, DisconnectionStage.TERMINATION, at=step.at, waiting_for=awaited)
            return PiecesToTakeBack(pieces=len(serials))

    @activity.defn(name="disconnection.give_up")
    def give_up(self, step: ProcessStep) -> Fate:
        """Give the disconnection up, unless it came to the point of no return first: then it goes on."""
        with self._database.transaction() as session:
            if disconnection_request.give_up(session, step.process_id, at=step.at):
                return Fate(is_irrevocable=False)
            tell(session, step.process_id, "cancelled_too_late", at=step.at)
            return Fate(is_irrevocable=True)

    @activity.defn(name="disconnection.draw_up_act")
    def draw_up_act(self, step: ProcessStep) -> None:
        """Invoice what was not given back, and draw up the act of what was."""
        with self._database.transaction() as session:
            self._bill_lost_equipment(session, step)
            enter_stage(session, step.process_id, DisconnectionStage.RETURN, at=step.at)
            act = documents.draw_up_act(
                session, step.process_id, at=step.at, operator=self._operator, kind=DocumentKind.RETURN_ACT
            )
            tell(session, step.process_id, "act_drawn_up", at=step.at, facts={"number": act.number})

    def _bill_lost_equipment(self, session: Session, step: ProcessStep) -> None:
        task = completed_task(session, step.process_id, TaskKind.DISMANTLE, "dismantled")
        assert task is not None, "the act is drawn up after the dismantling"
        pieces = Dismantled.model_validate(task.data).equipment
        lost = [piece.serial for piece in pieces if piece.condition is EquipmentCondition.LOST]
        who = leaving(session, step.process_id)
        invoice = equipment_replacement.bill_lost(session, who.process, lost, on=self._local_date(step.at))
        if invoice is not None:
            facts = {
                "number": invoice.number, "total_minor": invoice.total_minor, "due_on": invoice.due_on.isoformat()
            }  # fmt: skip
            tell(session, step.process_id, "lost_equipment_billed", at=step.at, facts=facts)

    @activity.defn(name="disconnection.terminate")
    def terminate(self, step: InvoiceStep) -> Termination:
        """End the service in billing, and make up the difference to what was billed for it.

        Where nothing was dismantled, this is the point of no return: a debt that was paid by now stops it.
        """
        on = self._local_date(step.at)
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            if who.request.irrevocable_at is None:
                if leaving_account.is_debt_paid(session, who, on=on):
                    return Termination(is_terminated=False)
                disconnection_request.make_irrevocable(session, step.process_id, at=step.at)
            enter_stage(session, step.process_id, DisconnectionStage.TERMINATION, at=step.at, waiting_for="network")
            bill = final_billing.end_service(
                session, process_id=step.process_id, subscription_id=who.subscription_id, on=on, today=on,
                due_on=self._local_date(step.at + step.pay_within),
            )  # fmt: skip
            facts = {"ended_on": _ended_on(session, who).isoformat()}
            tell(session, step.process_id, "service_terminated", at=step.at, facts=facts)
            tell_bill(session, step.process_id, bill, at=step.at)
            return Termination(is_terminated=True)

    @activity.defn(name="disconnection.free_port")
    def free_port(self, step: ProcessStep) -> Residue:
        """Give the port back, now that the network is silent, and say what of the subscriber's money is left."""
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            port_no = network.release_port(session, who.subscription_id)
            if port_no is not None:
                tell(session, step.process_id, "port_freed", at=step.at, facts={"port": port_no})
            advance_minor = ledger.advance_minor(session, who.account_id)
            if advance_minor:
                tell(session, step.process_id, "balance_left", at=step.at, facts={"advance_minor": advance_minor})
            return Residue(advance_minor=advance_minor)

    @activity.defn(name="disconnection.close")
    def close(self, step: ProcessStep) -> None:
        """Tell the subscriber, with what is still to be paid, and end the process."""
        on = self._local_date(step.at)
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            process, ended = who.process, f"{_ended_on(session, who):%d.%m.%Y}"
            owed_minor = leaving_account.owed_in_all(session, who, on=on)
            if owed_minor:
                due_on = leaving_account.last_due_on(session, who) or on
                facts = {"outstanding_minor": owed_minor, "due_on": due_on.isoformat()}
                tell(session, process.id, "debt_remains", at=step.at, facts=facts)
                say(
                    session, process, Template.DISCONNECTED_OWING, at=step.at, urgency=Urgency.REQUESTED, date=ended,
                    sum=tenge(owed_minor), due_on=f"{due_on:%d.%m.%Y}",
                )  # fmt: skip
            else:
                say(session, process, Template.DISCONNECTED, at=step.at, urgency=Urgency.REQUESTED, date=ended)
            enter_stage(session, process.id, DisconnectionStage.CLOSED, at=step.at)
            tell(session, process.id, "disconnection_closed", at=step.at)
            close(session, process.id, ProcessStatus.COMPLETED, at=step.at)
            look_again(session, [who.account_id])

    # -- the way back ---------------------------------------------------------------------------------------------

    @activity.defn(name="disconnection.resume_service")
    def resume_service(self, step: ProcessStep) -> None:
        """Let a service that was suspended for a debt be active again, if the debt is paid."""
        on = self._local_date(step.at)
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            subscription = session.get_one(Subscription, who.subscription_id)
            if subscription.status is SubscriptionStatus.SUSPENDED and leaving_account.is_debt_paid(
                session, who, on=on
            ):
                services.resume(session, subscription.id, on=on, today=on)
                tell(session, step.process_id, "service_resumed", at=step.at, facts={"resumed_on": on.isoformat()})

    @activity.defn(name="disconnection.close_as_cancelled")
    def close_as_cancelled(self, step: ClosingStep) -> Residue:
        """End the process as cancelled, and tell the subscriber that the service stays.

        What they paid in between stays on their balance for the next invoices: nobody has to decide about it.
        """
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            notice = None if who.is_for_debt else Template.DISCONNECTION_CANCELLED
            if step.reason == DEBT_PAID:
                notice = Template.DISCONNECTION_STOPPED
            end_as_cancelled(
                session, who.process, step, stage=DisconnectionStage.CLOSED, event="disconnection_cancelled",
                notice=notice,
            )  # fmt: skip
            look_again(session, [who.account_id])
            advance_minor = ledger.advance_minor(session, who.account_id)
            if advance_minor:
                tell(session, who.process.id, "advance_stays", at=step.at, facts={"advance_minor": advance_minor})
            return Residue(advance_minor=0)

    def _local_date(self, at: datetime) -> date:
        return at.astimezone(self._settings.zone).date()


def _ended_on(session: Session, who: Leaving) -> date:
    ended_on = session.get_one(Subscription, who.subscription_id).active_to
    assert ended_on is not None, "the service has ended"
    return ended_on
