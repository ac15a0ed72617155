"""The forms of accounting about a bank's day. The first outcome of each is what is proposed."""

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints

from models.contracts.bank import AccountNo
from models.contracts.form import Comment, Form
from models.contracts.money import MAX_AMOUNT_MINOR, PositiveMoney
from models.contracts.processes import Reason, TaskKind
from models.contracts.reconciliation import DifferenceKind

AmountOrNothing = Annotated[int, Field(ge=0, le=MAX_AMOUNT_MINOR, strict=True)]


class RegistryReceived(Form):
    """The registry is there; it was sent to POST /bank/v1/registries."""

    comment: Comment = ""


class NothingWasPaid(Form):
    """The bank says that nothing was paid on this day: it is compared with an empty registry."""

    reason: Reason


class RegistryAccepted(Form):
    """The lines that could be read are taken although they don't agree with the file's total."""

    reason: Reason


class RegistryRefused(Form):
    """Nothing is taken from this file; the bank is asked for another."""

    reason: Reason


class PaymentPosted(Form):
    """The payment is posted as the registry has it."""

    account_no: AccountNo | None = None
    """Whose it is, where the registry's number is nobody's or wrong."""
    comment: Comment = ""


class PaymentReversed(Form):
    """The payment is taken back."""

    comment: Comment = ""


class PaymentCorrected(Form):
    """The payment is taken back, and posted anew as the registry has it."""

    account_no: AccountNo | None = None
    """Whose it is, where it isn't whose it was."""
    comment: Comment = ""


class DateAccepted(Form):
    """It counts for the day of this registry from now on."""

    comment: Comment = ""


class DifferenceLeft(Form):
    """It is as it is, for a reason; the same difference is not asked about again."""

    reason: Reason


class DifferencesCarriedOut(Form):
    """For each difference what is proposed for it; those that need a person get a task of their own."""

    kinds: list[DifferenceKind] = Field(default=[], max_length=len(DifferenceKind))
    """Of these kinds; none named: of all."""
    comment: Comment = ""


class DifferencesLeft(Form):
    """They are as they are, for a reason."""

    kinds: list[DifferenceKind] = Field(default=[], max_length=len(DifferenceKind))
    """Of these kinds; none named: of all."""
    reason: Reason


Days = Annotated[list[date], Field(max_length=31)]


class DaySettled(Form):
    """These lines of the statement are the bank's transfer for the day, or for several days."""

    line_ids: list[UUID] = Field(min_length=1, max_length=20)
    days: Days = Field(default=[])
    """All the days that they pay for; none named: this day."""
    fee_minor: AmountOrNothing | None = None
    """What the bank kept, in tiyn. Not named: all that is missing. What is missing beside it stays in transit."""
    reason: Reason


class DayReceived(Form):
    """The money came in, and there is no statement of it here."""

    amount: PositiveMoney
    received_on: date
    reference: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    days: Days = Field(default=[])
    fee_minor: AmountOrNothing | None = None


class DayLeft(Form):
    """The bank's transfer is waited for no longer: the money stays in transit."""

    reason: Reason


RECONCILIATION_FORMS: dict[TaskKind, dict[str, type[Form]]] = {
    TaskKind.GET_REGISTRY: {"received": RegistryReceived, "nothing_was_paid": NothingWasPaid},
    TaskKind.CHECK_REGISTRY: {"accepted": RegistryAccepted, "refused": RegistryRefused},
    TaskKind.POST_PAYMENT: {"posted": PaymentPosted, "left": DifferenceLeft},
    TaskKind.REVERSE_PAYMENT: {"reversed": PaymentReversed, "left": DifferenceLeft},
    TaskKind.CORRECT_PAYMENT: {"corrected": PaymentCorrected, "left": DifferenceLeft},
    TaskKind.ACCEPT_DATE: {"accepted": DateAccepted, "left": DifferenceLeft},
    TaskKind.EXPLAIN_DIFFERENCE: {"left": DifferenceLeft},
    TaskKind.RESOLVE_DIFFERENCES: {"carried_out": DifferencesCarriedOut, "left": DifferencesLeft},
    TaskKind.SETTLE_BANK_DAY: {"settled": DaySettled, "received": DayReceived, "left": DayLeft},
}
