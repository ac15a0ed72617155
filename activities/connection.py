"""The steps of a connection, each one transaction; and for each that takes something, the one that gives it back."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session
from temporalio import activity

from activities import documents, invoicing, ledger, network, services, stock
from activities.cases import Case, get_case
from activities.equipment_reservation import reserve_for
from activities.payment_news import tell_payments
from activities.process_endings import end_as_cancelled
from activities.process_messages import say
from activities.processes import Told, close, get_process, tell, tell_all
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.connection import ConnectionStage
from models.contracts.documents import OperatorDetails
from models.contracts.messaging import Urgency
from models.contracts.processes import ProcessStatus
from models.contracts.steps import ClosingStep, InvoiceStep, Outstanding, PaymentStep, ProcessStep, Residue
from models.contracts.stock import Equipment
from models.database import Database
from models.rules.money import tenge
from models.rules.sms_texts import Template
from models.tables.billing import Invoice
from models.tables.processes import ConnectionApplication, Process
from models.tables.subscriptions import Subscription
from settings import Settings

_APPLIED = (
    select(Process, ConnectionApplication)
    .join(ConnectionApplication, ConnectionApplication.process_id == Process.id)
    .where(Process.id == bindparam("process_id"))
)


class ConnectionActivities:
    """What the workflow `Connection` has done for it. Repeating a step changes nothing."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._operator = OperatorDetails(
            name=settings.operator_name,
            bin=settings.operator_bin,
            iban=settings.operator_iban,
            timezone=settings.timezone,
        )

    @activity.defn(name="connection.reserve_equipment")
    def reserve_equipment(self, step: ProcessStep) -> Equipment:
        """Reserve the ordered equipment as far as stock goes, and say what is missing."""
        with self._database.transaction() as session:
            process, application = session.execute(_APPLIED, {"process_id": step.process_id}).one()
            return reserve_for(session, process, application.equipment, at=step.at)

    @activity.defn(name="connection.release_equipment")
    def release_equipment(self, step: ProcessStep) -> None:
        """Give the equipment back to stock."""
        with self._database.transaction() as session:
            serials = stock.release(session, _subscription_id(get_process(session, step.process_id)))
            if serials:
                tell(session, step.process_id, "equipment_released", at=step.at, facts={"serials": serials})

    @activity.defn(name="connection.send_contract_and_invoice")
    def send_contract_and_invoice(self, step: InvoiceStep) -> Outstanding:
        """Draw up the contract, issue the invoice, tell the sum by SMS, and wait for the payment."""
        on = self._local_date(step.at)
        with self._database.transaction() as session:
            case = get_case(session, step.process_id)
            process = case.process
            contract = documents.draw_up_contract(session, process.id, at=step.at, operator=self._operator)
            due_on = self._local_date(step.at + step.pay_within)
            invoice = self._invoice(session, case, on=on, due_on=due_on)
            outstanding_minor = invoicing.outstanding_minor(session, invoice.id)
            facts = {
                "number": invoice.number, "total_minor": invoice.total_minor,
                "outstanding_minor": outstanding_minor, "due_on": due_on.isoformat(),
            }  # fmt: skip
            tell_all(
                session, process.id,
                [Told("contract_drawn_up", {"number": contract.number}), Told("invoice_issued", facts)], at=step.at,
                stages=[ConnectionStage.CONTRACT, ConnectionStage.PREPAYMENT], waiting_for="payment",
            )  # fmt: skip
            if not outstanding_minor:
                # Covered by an advance; or the invoice was issued before a crash, and paid before this repetition.
                _tell_prepayment(session, PaymentStep(process_id=process.id, at=step.at), invoice, outstanding_minor)
            else:
                say(
                    session, process, Template.CONNECTION_INVOICE, at=step.at, urgency=Urgency.REQUESTED,
                    sum=tenge(outstanding_minor), due_on=f"{due_on:%d.%m.%Y}",
                )  # fmt: skip
            return Outstanding(outstanding_minor=outstanding_minor)

    def _invoice(self, session: Session, case: Case, *, on: date, due_on: date) -> Invoice:
        assert case.application is not None, "a connection is applied for"
        return invoicing.issue_connection_invoice(
            session, process_id=case.process.id, account_id=case.account.id, tariff_id=case.tariff.id,
            equipment=case.application.equipment, issued_on=on, due_on=due_on,
        )  # fmt: skip

    @activity.defn(name="connection.take_back_contract_and_invoice")
    def take_back_contract_and_invoice(self, step: ProcessStep) -> None:
        """Credit the invoice, so that what was paid is the subscriber's advance, and withdraw unsigned documents."""
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            documents.withdraw(session, process.id, at=step.at)
            invoice = invoicing.connection_invoice(session, process.id).invoice
            credit_note = invoicing.credit_invoice(
                session, invoice.id, reason="the connection was cancelled", on=self._local_date(step.at),
                actor="process",
            )  # fmt: skip
            if credit_note is not None:
                facts = {"number": invoice.number, "credit_note": credit_note.number}
                tell(session, process.id, "invoice_credited", at=step.at, facts=facts)

    @activity.defn(name="connection.check_prepayment")
    def check_prepayment(self, step: PaymentStep) -> Outstanding:
        """Ask the ledger what is still to be paid; it alone knows, whatever a signal said."""
        with self._database.transaction() as session:
            invoice, outstanding_minor = invoicing.connection_invoice(session, step.process_id)
            _tell_prepayment(session, step, invoice, outstanding_minor)
            return Outstanding(outstanding_minor=outstanding_minor)

    @activity.defn(name="connection.remind_of_prepayment")
    def remind_of_prepayment(self, step: ProcessStep) -> None:
        """Remind the subscriber by SMS of what is still to be paid."""
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            invoice, outstanding_minor = invoicing.connection_invoice(session, process.id)
            if not outstanding_minor:
                return
            say(
                session, process, Template.PREPAYMENT_REMINDER, at=step.at, urgency=Urgency.NOTICE,
                unless_paid_invoice_id=invoice.id,
                outstanding=tenge(outstanding_minor), expires_on=f"{invoice.due_on:%d.%m.%Y}",
            )  # fmt: skip
            facts = {"outstanding_minor": outstanding_minor}
            tell(session, process.id, "prepayment_reminded", at=step.at, facts=facts)

    @activity.defn(name="connection.draw_up_act")
    def draw_up_act(self, step: ProcessStep) -> None:
        """Draw up the hand-over act of what was mounted."""
        with self._database.transaction() as session:
            act = documents.draw_up_act(session, step.process_id, at=step.at, operator=self._operator)
            drawn_up = Told("act_drawn_up", {"number": act.number})
            tell_all(session, step.process_id, [drawn_up], at=step.at, stages=[ConnectionStage.HANDOVER])

    @activity.defn(name="connection.close")
    def close(self, step: ProcessStep) -> None:
        """Start billing on this day, tell the subscriber, and end the process."""
        on = self._local_date(step.at)
        with self._database.transaction() as session:
            case = get_case(session, step.process_id)
            process = case.process
            services.begin(session, case.subscription, on=on)
            say(session, process, Template.CONNECTED, at=step.at, urgency=Urgency.REQUESTED, tariff=case.tariff.title)
            tell_all(
                session, process.id,
                [Told("service_activated", {"active_on": on.isoformat()}), Told("connection_closed")],
                at=step.at, stages=[ConnectionStage.ACTIVATION, ConnectionStage.CLOSED],
            )  # fmt: skip
            close(session, process.id, ProcessStatus.COMPLETED, at=step.at)

    @activity.defn(name="connection.withdraw_application")
    def withdraw_application(self, step: ProcessStep) -> None:
        """Free the port and cancel the subscription that was to be."""
        with self._database.transaction() as session:
            subscription_id = _subscription_id(get_process(session, step.process_id))
            network.release_port(session, subscription_id)
            session.execute(
                update(Subscription)
                .where(Subscription.id == subscription_id, Subscription.status == SubscriptionStatus.PENDING)
                .values(status=SubscriptionStatus.CANCELLED)
            )
            tell(session, step.process_id, "application_withdrawn", at=step.at)

    @activity.defn(name="connection.close_as_cancelled")
    def close_as_cancelled(self, step: ClosingStep) -> Residue:
        """End the process as cancelled, tell the subscriber, and say what money of theirs is left with us."""
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            expired = step.reason == "prepayment_expired"
            end_as_cancelled(
                session, process, step, stage=ConnectionStage.CLOSED, event="connection_cancelled",
                notice=Template.CONNECTION_EXPIRED if expired else Template.CONNECTION_CANCELLED,
                because="prepayment_expired" if expired else None,
            )  # fmt: skip
            assert process.account_id is not None
            advance_minor = ledger.advance_minor(session, process.account_id)
            if advance_minor:
                tell(session, process.id, "advance_left", at=step.at, facts={"advance_minor": advance_minor})
            return Residue(advance_minor=advance_minor)

    def _local_date(self, at: datetime) -> date:
        return at.astimezone(self._settings.zone).date()


def _subscription_id(process: Process) -> UUID:
    assert process.subscription_id is not None, "a connection has a subscription from its application on"
    return process.subscription_id


def _tell_prepayment(session: Session, step: PaymentStep, invoice: Invoice, outstanding_minor: int) -> None:
    """Write what was paid into the timeline, after the sum was read."""
    tell_payments(session, step, invoice, also=[] if outstanding_minor else [Told("prepayment_complete")])
