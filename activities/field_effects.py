"""What procurement, dispatchers and installers bring about: deliveries, visits, mounted equipment, signed acts."""

from activities import crews, documents, stock, visits
from activities.completion import Completion, Effects, make_impossible, note_completed
from models.contracts import field_forms as forms
from models.contracts.form import Refused
from models.contracts.processes import ProcessKind, TaskKind
from models.contracts.refusals import invalid


def _receive_delivery(completion: Completion) -> None:
    form = completion.filled(forms.PurchaseDelivered)
    stock.receive(completion.session, form.deliveries, asked_by=completion.task.process_id)
    note_completed(completion, ", ".join(f"{len(delivery.serials)} × {delivery.sku}" for delivery in form.deliveries))


def _book_visit(completion: Completion) -> None:
    form = completion.filled(forms.CrewAssigned)
    visits.book_visit(
        completion.session, completion.process, crew_id=form.crew_id, starts_at=form.starts_at, at=completion.at,
        actor=completion.actor, key=str(completion.task.id), zone=completion.settings.zone,
    )  # fmt: skip


def _postpone(completion: Completion) -> None:
    form = completion.filled(forms.Postponed)
    if form.until <= completion.at:
        raise invalid("until_past", "Choose a time in the future.", {"data.until": "in the past"})
    completion.tell("scheduling_postponed", until_at=form.until.isoformat(), reason=form.reason)


def _mount(completion: Completion) -> None:
    form = completion.filled(forms.Installed)
    stock.mount(completion.session, completion.subscription_id, form.serials, form.swaps, at=completion.at)
    completion.tell("equipment_mounted", serials=form.serials)


def note_absence(completion: Completion) -> None:
    """Free the crew's slot: the subscriber was not there."""
    crews.release(completion.session, completion.task.process_id)
    completion.tell("subscriber_absent")


def _sign_act(completion: Completion) -> None:
    form = completion.filled(forms.ActSigned)
    if form.signed_at is not None and form.signed_at > completion.at:
        raise invalid("signed_in_future", "An act can't be signed in the future.", {"data.signed_at": "in the future"})
    act = documents.sign_act(
        completion.session, completion.task.process_id, signed_by=form.signed_by, at=form.signed_at or completion.at,
        witness_actor=completion.actor,
    )  # fmt: skip
    completion.tell("act_signed", number=act.number)


def _leave_unsigned(completion: Completion) -> None:
    """What was dismantled is dismantled, signed for or not; any other process ends for it."""
    if completion.process.kind is ProcessKind.DISCONNECTION:
        completion.tell("act_not_signed", reason=completion.filled(Refused).reason)
    else:
        make_impossible(completion)


FIELD_EFFECTS: Effects = {
    (TaskKind.PURCHASE, "delivered"): _receive_delivery,
    (TaskKind.PURCHASE, "refused"): make_impossible,
    (TaskKind.ASSIGN_CREW, "assigned"): _book_visit,
    (TaskKind.ASSIGN_CREW, "postponed"): _postpone,
    (TaskKind.INSTALL, "installed"): _mount,
    (TaskKind.INSTALL, "absent"): note_absence,
    (TaskKind.INSTALL, "impossible"): make_impossible,
    (TaskKind.SIGN_ACT, "signed"): _sign_act,
    (TaskKind.SIGN_ACT, "refused"): _leave_unsigned,
}
