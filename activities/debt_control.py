"""Accounting's control before a tariff changes: who owes something pays it first, unless accounting lets it be."""

from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session
from temporalio import activity

from activities import ledger
from activities.payment_news import tell_payments_to
from activities.process_messages import say
from activities.processes import enter_stage, get_process, tell
from activities.settlement import open_invoices
from activities.tasks import withdraw_forgotten
from models.contracts.messaging import Urgency
from models.contracts.processes import TaskKind
from models.contracts.steps import Outstanding, PaymentStep, ProcessStep
from models.contracts.tariff_change import DebtStep, TariffChangeStage
from models.database import Database
from models.rules.money import tenge
from models.rules.sms_texts import Template
from models.tables.processes import Process, TimelineEntry
from settings import Settings


class DebtControlActivities:
    """What is asked of the ledger; repeating it changes nothing."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name="debt.control")
    def control_debt(self, step: DebtStep) -> Outstanding:
        """Look whether the account owes something, and ask the subscriber for it.

        All that is invoiced and not paid counts, as everywhere where a debt is shown. Where nothing is owed, the
        process goes on by itself.
        """
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            debt_minor = ledger.debt_minor(session, _account_id(process))
            waiting_for = "payment" if debt_minor else None
            enter_stage(session, process.id, TariffChangeStage.DEBT_CONTROL, at=step.at, waiting_for=waiting_for)
            if debt_minor:
                due_on = (step.at + step.pay_within).astimezone(self._settings.zone).date()
                facts = {"debt_minor": debt_minor, "due_on": due_on.isoformat()}
                tell(session, process.id, "debt_found", at=step.at, facts=facts)
                say(
                    session, process, Template.TARIFF_CHANGE_DEBT, at=step.at, urgency=Urgency.REQUESTED,
                    sum=tenge(debt_minor), due_on=f"{due_on:%d.%m.%Y}",
                )  # fmt: skip
            elif _asked(session, process) is None:
                tell(session, process.id, "nothing_owed", at=step.at)
            else:
                # Asked for before a crash, and paid before this repetition.
                withdraw_forgotten(session, process.id, kind=TaskKind.CONTROL_DEBT, at=step.at)
                _tell_payments(session, PaymentStep(process_id=process.id, at=step.at), process, debt_minor)
            return Outstanding(outstanding_minor=debt_minor)

    @activity.defn(name="debt.check")
    def check_debt(self, step: PaymentStep) -> Outstanding:
        """Ask the ledger what is still owed; it alone knows, whatever a signal said."""
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            debt_minor = ledger.debt_minor(session, _account_id(process))
            _tell_payments(session, step, process, debt_minor)
            return Outstanding(outstanding_minor=debt_minor)

    @activity.defn(name="debt.remind")
    def remind_of_debt(self, step: ProcessStep) -> None:
        """Remind the subscriber by SMS of what is still owed."""
        with self._database.transaction() as session:
            process = get_process(session, step.process_id)
            debt_minor = ledger.debt_minor(session, _account_id(process))
            asked = _asked(session, process)
            if not debt_minor or asked is None:
                return
            say(
                session, process, Template.TARIFF_CHANGE_DEBT_REMINDER, at=step.at, urgency=Urgency.NOTICE,
                unless_paid_invoice_id=_last_due(session, process), outstanding=tenge(debt_minor),
                expires_on=f"{date.fromisoformat(asked['due_on']):%d.%m.%Y}",
            )  # fmt: skip
            tell(session, process.id, "debt_reminded", at=step.at, facts={"outstanding_minor": debt_minor})


def _account_id(process: Process) -> UUID:
    assert process.account_id is not None, "whoever has a service has an account"
    return process.account_id


def _asked(session: Session, process: Process) -> dict[str, Any] | None:
    """What the subscriber was asked for."""
    found = select(TimelineEntry.facts).where(TimelineEntry.process_id == process.id, TimelineEntry.key == "debt_found")
    return session.scalar(found)


def _last_due(session: Session, process: Process) -> UUID | None:
    """The open invoice that is covered last, because it is due last: once it is paid, nothing is owed."""
    invoices = open_invoices(_account_id(process)).subquery()
    return session.scalar(select(invoices.c.id).order_by(invoices.c.due_on.desc(), invoices.c.id.desc()).limit(1))


def _tell_payments(session: Session, step: PaymentStep, process: Process, debt_minor: int) -> None:
    """Write what was paid into the timeline, after the sum was read."""
    tell_payments_to(session, step, _account_id(process))
    if not debt_minor:
        tell(session, process.id, "debt_paid", at=step.at)
