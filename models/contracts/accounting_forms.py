"""The forms of accounting."""

from typing import Annotated

from pydantic import StringConstraints

from models.contracts.bank import AccountNo
from models.contracts.form import Comment, Form, Refused
from models.contracts.processes import Reason, TaskKind


class Refunded(Form):
    """The money was paid back, by this payment order."""

    payment_order: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class KeptAsAdvance(Form):
    """The subscriber leaves the money on their balance."""

    comment: Comment = ""


class BalanceMoved(Form):
    """The subscriber wants the money on another account of theirs."""

    account_no: AccountNo
    comment: Comment = ""


class PaymentAwaited(Form):
    """The final invoice goes out, and whoever leaves pays what they owe; once more, where the time ran out."""

    comment: Comment = ""


class WriteOffAsked(Form):
    """Nobody will pay it: what is owed is to be written off, as soon as somebody else approves."""

    reason: Reason


class WriteOffApproved(Form):
    """What is owed is written off. A head of accounting decides, and not whoever asked for it."""

    comment: Comment = ""


class WriteOffDeclined(Form):
    """It is not written off: accounting decides anew."""

    reason: Reason


class DebtAllowed(Form):
    """The subscriber may have another tariff although they owe something."""

    reason: Reason


ACCOUNTING_FORMS: dict[TaskKind, dict[str, type[Form]]] = {
    TaskKind.REFUND: {"refunded": Refunded, "kept": KeptAsAdvance, "moved": BalanceMoved},
    TaskKind.SETTLE_ACCOUNT: {"invoiced": PaymentAwaited, "written_off": WriteOffAsked},
    TaskKind.APPROVE_WRITE_OFF: {"approved": WriteOffApproved, "declined": WriteOffDeclined},
    TaskKind.CONTROL_DEBT: {"allowed": DebtAllowed, "refused": Refused},
}
