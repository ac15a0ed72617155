"""What accounting brings about: money that is paid back or stays."""

from sqlalchemy import select

from activities import balance_transfer, payments
from activities.completion import Completion, Effects
from models.contracts import accounting_forms as forms
from models.contracts.processes import TaskKind
from models.contracts.refusals import invalid
from models.tables.people import Account


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


def _move_advance(completion: Completion) -> None:
    form = completion.filled(forms.BalanceMoved)
    amount_minor = completion.task.facts["advance_minor"]
    to_account_id = completion.session.scalar(select(Account.id).where(Account.account_no == form.account_no))
    if to_account_id is None:
        raise invalid(
            "account_unknown",
            "There is no account of this number: check its last digit.",
            {"data.account_no": "no such account"},
        )
    balance_transfer.move(
        completion.session, from_account_id=completion.account_id, to_account_id=to_account_id,
        amount_minor=amount_minor, key=f"refund:{completion.task.id}", reason="остаток перенесён по желанию абонента",
        on=completion.on, at=completion.at, actor=completion.actor,
    )  # fmt: skip
    completion.tell("balance_moved", amount_minor=amount_minor, account_no=form.account_no)


ACCOUNTING_EFFECTS: Effects = {
    (TaskKind.REFUND, "refunded"): _refund,
    (TaskKind.REFUND, "kept"): _keep_advance,
    (TaskKind.REFUND, "moved"): _move_advance,
}
