"""The form of a call to a subscriber who owes: what they said."""

from typing import Annotated

from pydantic import Field, StringConstraints

from models.contracts.catalogue import CalendarDay
from models.contracts.form import Comment, Form
from models.contracts.money import MAX_AMOUNT_MINOR
from models.contracts.processes import TaskKind

Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class DebtorReached(Form):
    """They know of the debt; no day was named."""

    comment: Comment = ""


class DebtorPromised(Form):
    """They promise to pay by a day: dunning waits for it, within the limits of the policy."""

    until_on: CalendarDay
    amount_minor: Annotated[int, Field(gt=0, le=MAX_AMOUNT_MINOR)] | None = None
    """In tiyn; all that is owed unless said."""
    comment: Comment = ""


class DebtorRefused(Form):
    """They don't want to pay, for a reason."""

    reason: Said


class NoAnswer(Form):
    """Nobody answered, however often it was tried."""

    comment: Comment = ""


class WrongNumber(Form):
    """The number belongs to somebody else, or to nobody: find the right one."""

    comment: Comment = ""


DUNNING_FORMS: dict[TaskKind, dict[str, type[Form]]] = {
    TaskKind.CALL_DEBTOR: {
        "reached": DebtorReached,
        "promised": DebtorPromised,
        "refused": DebtorRefused,
        "no_answer": NoAnswer,
        "wrong_number": WrongNumber,
    },
}
