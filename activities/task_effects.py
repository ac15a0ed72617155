"""What each outcome of a staff task does to the world, in the transaction that marks the task as done."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, cast
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import crews, documents, payments, stock, visits
from activities.processes import get_process, tell
from models.contracts import forms
from models.contracts.documents import DocumentKind
from models.contracts.processes import TaskKind
from models.contracts.refusals import invalid
from models.tables.documents import Document
from models.tables.processes import Process, Task
from settings import Settings

SomeForm = TypeVar("SomeForm", bound=forms.Form)


@dataclass(frozen=True)
class Completion:
    """A task that somebody completes: the form they filled in, who they are, when."""

    session: Session
    task: Task
    form: forms.Form
    actor: str
    at: datetime
    settings: Settings

    @property
    def process(self) -> Process:
        """The process that opened the task."""
        return get_process(self.session, self.task.process_id)

    @property
    def subscription_id(self) -> UUID:
        """The service that the process is about."""
        return cast(UUID, self.process.subscription_id)

    def filled(self, kind: type[SomeForm]) -> SomeForm:
        """The form as the kind that this outcome has."""
        assert isinstance(self.form, kind)
        return self.form

    def tell(self, event: str, **facts: object) -> None:
        """Write the event into the timeline, in the name of who completed the task."""
        tell(
            self.session, self.task.process_id, event, key=f"{event}:{self.task.id}", at=self.at, actor=self.actor,
            facts=facts,
        )  # fmt: skip


def _completed(completion: Completion, note: str = "") -> None:
    task = completion.task
    completion.tell("task_completed", task=task.kind, outcome=task.outcome, note=f" {note}" if note else "")


def _receive_delivery(completion: Completion) -> None:
    form = completion.filled(forms.PurchaseDelivered)
    stock.receive(completion.session, form.deliveries, asked_by=completion.task.process_id)
    _completed(completion, ", ".join(f"{len(delivery.serials)} × {delivery.sku}" for delivery in form.deliveries))


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
    stock.mount(completion.session, completion.subscription_id, form.serials, form.swaps)
    completion.tell("equipment_mounted", serials=form.serials)


def _note_absence(completion: Completion) -> None:
    crews.release(completion.session, completion.task.process_id)
    completion.tell("subscriber_absent")


def _sign_act(completion: Completion) -> None:
    form = completion.filled(forms.ActSigned)
    act = completion.session.scalars(
        select(Document).where(
            Document.process_id == completion.task.process_id, Document.kind == DocumentKind.HANDOVER_ACT
        )
    ).one()
    if form.signed_at is not None and form.signed_at > completion.at:
        raise invalid("signed_in_future", "An act can't be signed in the future.", {"data.signed_at": "in the future"})
    documents.sign(
        completion.session, act.id, signed_by=form.signed_by, at=form.signed_at or completion.at,
        witness_actor=completion.actor,
    )  # fmt: skip
    completion.tell("act_signed", number=act.number)


def _make_impossible(completion: Completion) -> None:
    completion.tell("task_made_impossible", reason=completion.filled(forms.Refused).reason)


def _refund(completion: Completion) -> None:
    form = completion.filled(forms.Refunded)
    amount_minor = completion.task.facts["advance_minor"]
    account_id = completion.process.account_id
    assert account_id is not None
    payments.refund_advance(
        completion.session, account_id=account_id, amount_minor=amount_minor, key=f"refund:{completion.task.id}",
        document_id=completion.task.id, reason=f"payment order {form.payment_order}",
        on=completion.at.astimezone(completion.settings.zone).date(),
    )  # fmt: skip
    completion.tell("advance_refunded", amount_minor=amount_minor, payment_order=form.payment_order)


def _keep_advance(completion: Completion) -> None:
    completion.tell("advance_kept")


EFFECTS: dict[tuple[TaskKind, str], Callable[[Completion], None]] = {
    (TaskKind.PURCHASE, "delivered"): _receive_delivery,
    (TaskKind.PURCHASE, "refused"): _make_impossible,
    (TaskKind.ASSIGN_CREW, "assigned"): _book_visit,
    (TaskKind.ASSIGN_CREW, "postponed"): _postpone,
    (TaskKind.INSTALL, "installed"): _mount,
    (TaskKind.INSTALL, "absent"): _note_absence,
    (TaskKind.INSTALL, "impossible"): _make_impossible,
    (TaskKind.SIGN_ACT, "signed"): _sign_act,
    (TaskKind.SIGN_ACT, "refused"): _make_impossible,
    (TaskKind.REFUND, "refunded"): _refund,
    (TaskKind.REFUND, "kept"): _keep_advance,
}
"""Exactly the outcomes that have a form; a test proves it."""
