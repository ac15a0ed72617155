"""Accounting's control of a disconnection: what is owed, the final billing, and how it is taken back."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from temporalio import activity

from activities import final_billing
from activities.final_billing_news import tell_bill
from activities.leaving_account import (
    Leaving,
    bill_finally,
    last_due_on,
    leaving,
    owed_in_all,
    owed_invoices,
    settlement_of,
    take_write_off_back,
)
from activities.payment_news import tell_payments_to
from activities.process_messages import say
from activities.processes import enter_stage, tell
from activities.tasks import withdraw_forgotten
from models.contracts.disconnection import DisconnectionStage, Settlement
from models.contracts.messaging import Urgency
from models.contracts.processes import TaskKind
from models.contracts.steps import InvoiceStep, Outstanding, PaymentStep, ProcessStep
from models.database import Database
from models.rules.money import tenge
from models.rules.sms_texts import Template
from models.tables.processes import Task, TimelineEntry
from settings import Settings


class ControlActivities:
    """What a disconnection has done for it before a crew is sent. Repeating a step changes nothing."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name="disconnection.control_account")
    def control_account(self, step: InvoiceStep) -> Settlement:
        """See what is to be paid. Where that is nothing, the final billing is made, and it goes on by itself.

        Raises:
            Refusal: the service can't be billed up to its end.
        """
        on = self._local_date(step.at)
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            enter_stage(session, step.process_id, DisconnectionStage.CONTROL, at=step.at)
            found = settlement_of(session, who, on=on)
            if not found.outstanding_minor and not found.is_invoiced:
                self._bill(session, who, step)
                found = settlement_of(session, who, on=on)
            if found.outstanding_minor:
                _tell_owing(session, who, found, on=on, at=step.at)
            else:
                # The world may have changed between a crash and this repetition: what was asked is asked no more.
                for kind in (TaskKind.SETTLE_ACCOUNT, TaskKind.APPROVE_WRITE_OFF):
                    withdraw_forgotten(session, step.process_id, kind=kind, at=step.at)
                # Where a crash made the process forget that it waits, nothing else tells what was paid meanwhile.
                tell_payments_to(session, PaymentStep(process_id=step.process_id, at=step.at), who.account_id)
                facts = {"final_minor": found.final_minor}
                tell(session, step.process_id, "account_settled", at=step.at, facts=facts)
            return found

    @activity.defn(name="disconnection.send_final_invoice")
    def send_final_invoice(self, step: InvoiceStep) -> Outstanding:
        """Make the final billing, tell by SMS what is to be paid in all, and wait for the payment.

        Raises:
            Refusal: the service can't be billed up to its end.
        """
        on, due_on = self._local_date(step.at), self._local_date(step.at + step.pay_within)
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            process = who.process
            self._bill(session, who, step)
            outstanding_minor = owed_in_all(session, who, on=on)
            enter_stage(session, process.id, DisconnectionStage.SETTLEMENT, at=step.at, waiting_for="payment")
            if outstanding_minor:
                turn = _turn(session, process.id)
                facts = {"outstanding_minor": outstanding_minor, "due_on": due_on.isoformat()}
                tell(session, process.id, "payment_awaited", key=_awaited(turn), at=step.at, facts=facts)
                say(
                    session, process, Template.DISCONNECTION_INVOICE, at=step.at, urgency=Urgency.REQUESTED,
                    occasion=turn, sum=tenge(outstanding_minor), due_on=f"{due_on:%d.%m.%Y}",
                )  # fmt: skip
            return Outstanding(outstanding_minor=outstanding_minor)

    @activity.defn(name="disconnection.check_settlement")
    def check_settlement(self, step: PaymentStep) -> Outstanding:
        """Ask the ledger what is still to be paid; it alone knows, whatever a signal said."""
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            found = settlement_of(session, who, on=self._local_date(step.at))
            tell_payments_to(session, step, who.account_id)
            return Outstanding(outstanding_minor=found.outstanding_minor)

    @activity.defn(name="disconnection.remind_of_settlement")
    def remind_of_settlement(self, step: ProcessStep) -> None:
        """Remind the subscriber by SMS of what is still to be paid."""
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            process, owed = who.process, owed_invoices(session, who, on=self._local_date(step.at))
            if not owed:
                return
            turn, outstanding_minor = _turn(session, process.id), sum(owed.values())
            awaited = session.scalars(
                select(TimelineEntry).where(TimelineEntry.process_id == process.id, TimelineEntry.key == _awaited(turn))
            ).one()
            due_on = date.fromisoformat(awaited.facts["due_on"])
            say(
                session, process, Template.DISCONNECTION_REMINDER, at=step.at, urgency=Urgency.NOTICE, occasion=turn,
                # Whoever pays all of it pays the newest invoice last.
                unless_paid_invoice_id=max(owed),
                outstanding=tenge(outstanding_minor), expires_on=f"{due_on:%d.%m.%Y}",
            )  # fmt: skip
            facts = {"outstanding_minor": outstanding_minor}
            tell(session, process.id, "settlement_reminded", key=f"settlement_reminded:{turn}", at=step.at, facts=facts)

    @activity.defn(name="disconnection.take_back_billing")
    def take_back_billing(self, step: InvoiceStep) -> None:
        """Let what was written off be owed again, and take the final billing back: the service is charged on."""
        on, due_on = self._local_date(step.at), self._local_date(step.at + step.pay_within)
        with self._database.transaction() as session:
            who = leaving(session, step.process_id)
            amount_minor = take_write_off_back(session, who, on=on)
            if amount_minor:
                facts = {"amount_minor": amount_minor}
                tell(session, step.process_id, "write_off_taken_back", at=step.at, facts=facts)
            billed = final_billing.of_process(session, step.process_id)
            correction = final_billing.give_up(
                session, process_id=step.process_id, subscription_id=who.subscription_id, issued_on=on, due_on=due_on
            )
            if billed is not None:
                tell(session, step.process_id, "final_billing_taken_back", at=step.at)
            if correction is not None:
                tell_bill(session, step.process_id, correction, at=step.at)

    def _bill(self, session: Session, who: Leaving, step: InvoiceStep) -> None:
        issued_on, due_on = self._local_date(step.at), self._local_date(step.at + step.pay_within)
        bill = bill_finally(session, who, issued_on=issued_on, due_on=due_on)
        tell_bill(session, step.process_id, bill, at=step.at)

    def _local_date(self, at: datetime) -> date:
        return at.astimezone(self._settings.zone).date()


def _tell_owing(session: Session, who: Leaving, found: Settlement, *, on: date, at: datetime) -> None:
    """Write into the timeline what is to be paid, once for each time that accounting is asked."""
    turn, due_on = _turn(session, who.process.id), last_due_on(session, who)
    event = "settlement_expired" if due_on is not None and on >= due_on else "account_owes"
    facts = {"outstanding_minor": found.outstanding_minor, "final_minor": found.final_minor}
    tell(session, who.process.id, event, key=f"{event}:{turn}:{found.outstanding_minor}", at=at, facts=facts)


def _turn(session: Session, process_id: UUID) -> str:
    """How often accounting has decided that the payment is awaited."""
    decided = select(func.count()).where(
        Task.process_id == process_id, Task.kind == TaskKind.SETTLE_ACCOUNT, Task.outcome == "invoiced"
    )
    return str(session.execute(decided).scalar_one())


def _awaited(turn: str) -> str:
    return f"payment_awaited:{turn}"
