"""What accounting brings about: money that is paid back or stays."""

from activities import payments
from activities.completion import Completion, Effects
from models.contracts import accounting_forms as forms
from models.contracts.processes import TaskKind


def _refund(completion: Completion) -> None:
    form = completion.filled(forms.Refunded)
    amount_minor = completion.task.facts["advance_minor"]
    payments.refund_advance(
        completion.session, account_id=completion.account_id, amount_minor=amount_minor,
        key=f"refund:{completion.task.id}", document_id=completion.task.id,
        reason=f"payment order {form.payment_order}", on=completion.on,
    )  # fmt: skip
    completion.tell("advance_refunded", amount_minor=amount_minor, payment_order=form.payment_order)


def _keep_advance(completion: Completion) -> None:
    completion.tell("advance_kept")


ACCOUNTING_EFFECTS: Effects = {
    (TaskKind.REFUND, "refunded"): _refund,
    (TaskKind.REFUND, "kept"): _keep_advance,
}
