"""What accounting and installers bring about in a disconnection: write-offs, dismantled equipment."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import disconnection_request, leaving_account, stock
from activities.completion import Completion, Effects, make_impossible, note_completed
from activities.document_facts import completed_task
from activities.field_effects import note_absence
from activities.final_billing_news import tell_bill
from activities.leaving_account import leaving
from models.contracts import accounting_forms, field_forms
from models.contracts.disconnection import DEBT_PAID
from models.contracts.people import Role
from models.contracts.processes import TaskKind
from models.contracts.refusals import conflict, forbidden
from models.contracts.stock import EquipmentCondition
from models.tables.people import Staff


def _ask_for_write_off(completion: Completion) -> None:
    completion.tell("write_off_asked", reason=completion.filled(accounting_forms.WriteOffAsked).reason)


def _write_off(completion: Completion) -> None:
    """Four eyes: whoever approves is a head of accounting, and did not ask for it."""
    session, process_id = completion.session, completion.task.process_id
    asked = completed_task(session, process_id, TaskKind.SETTLE_ACCOUNT, "written_off")
    assert asked is not None, "a write-off is approved after somebody asked for it"
    assert asked.completed_by is not None
    if not _may_approve(session, completion.actor) or completion.actor == asked.completed_by:
        raise forbidden(
            "approval_of_another",
            "A write-off is approved by a head of accounting other than whoever asked for it: ask them to do it.",
        )
    who = leaving(session, process_id)
    bill = leaving_account.bill_finally(session, who, issued_on=completion.on, due_on=completion.on)
    tell_bill(session, process_id, bill, at=completion.at)
    reason = accounting_forms.WriteOffAsked.model_validate(asked.data).reason
    amount_minor = leaving_account.write_off(
        session, who, task_id=completion.task.id, reason=reason, approved_by=completion.actor,
        asked_by=asked.completed_by, on=completion.on,
    )  # fmt: skip
    completion.tell("debt_written_off", amount_minor=amount_minor)


def _may_approve(session: Session, actor: str) -> bool:
    """Whether this is a head of accounting, or the admin. Nobody in the Temporal UI is known to be."""
    try:
        staff_id = UUID(actor.removeprefix("staff:"))
    except ValueError:
        return False
    person = session.scalar(select(Staff).where(Staff.id == staff_id, Staff.active))
    if person is None:
        return False
    return person.role is Role.ADMIN or (person.role is Role.ACCOUNTING and person.is_head)


def _decline_write_off(completion: Completion) -> None:
    completion.tell("write_off_declined", reason=completion.filled(accounting_forms.WriteOffDeclined).reason)


def _dismantle(completion: Completion) -> None:
    """From here on there is no way back. Whoever paid their debt before this moment keeps the service."""
    session, process_id = completion.session, completion.task.process_id
    form = completion.filled(field_forms.Dismantled)
    who = leaving(session, process_id)
    if leaving_account.is_debt_paid(session, who, on=completion.on):
        raise conflict(
            DEBT_PAID,
            "The debt has just been paid: leave the equipment where it was, or mount it again. The disconnection ends "
            "by itself.",
        )
    disconnection_request.make_irrevocable(session, process_id, at=completion.at)
    stock.take_back(session, who.subscription_id, form.equipment)
    found = {
        str(condition): [piece.serial for piece in form.equipment if piece.condition is condition]
        for condition in EquipmentCondition
    }
    completion.tell("equipment_dismantled", **found)


DISCONNECTION_EFFECTS: Effects = {
    (TaskKind.SETTLE_ACCOUNT, "invoiced"): note_completed,
    (TaskKind.SETTLE_ACCOUNT, "written_off"): _ask_for_write_off,
    (TaskKind.APPROVE_WRITE_OFF, "approved"): _write_off,
    (TaskKind.APPROVE_WRITE_OFF, "declined"): _decline_write_off,
    (TaskKind.DISMANTLE, "dismantled"): _dismantle,
    (TaskKind.DISMANTLE, "absent"): note_absence,
    (TaskKind.DISMANTLE, "impossible"): make_impossible,
}
