"""What accounting's answers to questions about money bring about."""

from uuid import UUID

from activities import payments
from activities.completion import Completion, Effects
from models.contracts import clarification_forms as forms
from models.contracts.processes import TaskKind
from models.tables.payments import Clarification


def _payment_id(completion: Completion) -> UUID:
    return completion.session.get_one(Clarification, completion.task.process_id).payment_id


def _give_to_account(completion: Completion) -> None:
    form = completion.filled(forms.PayeeFound)
    payments.allocate_suspense(
        completion.session, _payment_id(completion), form.account_no, on=completion.on, actor=completion.actor
    )
    completion.tell("payee_found", account_no=form.account_no)


def _return_to_bank(completion: Completion) -> None:
    form = completion.filled(forms.ReturnedToBank)
    payments.reverse_payment(
        completion.session, _payment_id(completion), reason=form.reason, on=completion.on, at=completion.at,
        actor=completion.actor,
    )  # fmt: skip
    completion.tell("payment_returned", reason=form.reason)


def _keep_first(completion: Completion) -> None:
    comment = completion.filled(forms.FirstReportKept).comment
    completion.tell("first_report_kept", note=f" {comment}" if comment else "")


def _correct(completion: Completion) -> None:
    form = completion.filled(forms.PaymentCorrected)
    corrected = payments.correct_payment(
        completion.session, _payment_id(completion), amount_minor=form.amount.amount_minor,
        account_no=form.account_no, reason=form.reason, on=completion.on, at=completion.at, actor=completion.actor,
    )  # fmt: skip
    completion.tell(
        "payment_corrected", amount_minor=corrected.amount_minor, receipt_no=payments.receipt(corrected.receipt_no),
        reason=form.reason,
    )  # fmt: skip


def _agree(completion: Completion) -> None:
    completion.tell("agreed_with_bank", agreement=completion.filled(forms.AgreedWithBank).agreement)


CLARIFICATION_EFFECTS: Effects = {
    (TaskKind.FIND_PAYER, "found"): _give_to_account,
    (TaskKind.FIND_PAYER, "returned"): _return_to_bank,
    (TaskKind.REVIEW_CONFLICT, "first_kept"): _keep_first,
    (TaskKind.REVIEW_CONFLICT, "corrected"): _correct,
    (TaskKind.REVIEW_CONFLICT, "agreed"): _agree,
}
