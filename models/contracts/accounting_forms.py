"""The forms of accounting."""

from typing import Annotated

from pydantic import StringConstraints

from models.contracts.form import Comment, Form
from models.contracts.processes import TaskKind


class Refunded(Form):
    """The money was paid back, by this payment order."""

    payment_order: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class KeptAsAdvance(Form):
    """The subscriber leaves the money on their balance."""

    comment: Comment = ""


ACCOUNTING_FORMS: dict[TaskKind, dict[str, type[Form]]] = {
    TaskKind.REFUND: {"refunded": Refunded, "kept": KeptAsAdvance},
}
