"""The forms by which accounting answers questions about money."""

from typing import Annotated

from pydantic import Field, StringConstraints

from models.contracts.bank import AccountNo
from models.contracts.form import Comment, Form
from models.contracts.money import PositiveMoney
from models.contracts.processes import Reason, TaskKind


class PayeeFound(Form):
    """The payment belongs to this account."""

    account_no: AccountNo


class ReturnedToBank(Form):
    """Nobody's here: the bank takes its payment back."""

    reason: Reason


class FirstReportKept(Form):
    """What was taken first is right; the bank was mistaken the second time."""

    comment: Comment = ""


class PaymentCorrected(Form):
    """What was taken first is wrong: it is taken back, and posted anew under the same transaction."""

    amount: PositiveMoney
    account_no: AccountNo | None = Field(default=None, description="Where it belongs, if not where it is")
    reason: Reason


class AgreedWithBank(Form):
    """Nothing changes here: the bank sends, or has sent, another transaction or a cancellation."""

    agreement: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


CLARIFICATION_FORMS: dict[TaskKind, dict[str, type[Form]]] = {
    TaskKind.FIND_PAYER: {"found": PayeeFound, "returned": ReturnedToBank},
    TaskKind.REVIEW_CONFLICT: {
        "first_kept": FirstReportKept,
        "corrected": PaymentCorrected,
        "agreed": AgreedWithBank,
    },
}
