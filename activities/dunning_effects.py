"""What a call to a subscriber who owes brings about."""

from activities import promises
from activities.completion import Completion, Effects
from models.contracts import dunning_forms as forms
from models.contracts.processes import TaskKind


def _note_reached(completion: Completion) -> None:
    _tell(completion, "debtor_reached", completion.filled(forms.DebtorReached).comment)


def _take_promise(completion: Completion) -> None:
    form = completion.filled(forms.DebtorPromised)
    promises.make(
        completion.session, completion.account_id, amount_minor=form.amount_minor, until_on=form.until_on,
        at=completion.at, zone=completion.settings.zone, actor=completion.actor,
    )  # fmt: skip
    _tell(completion, "debtor_reached", form.comment)


def _note_refusal(completion: Completion) -> None:
    completion.tell("debtor_refused", reason=completion.filled(forms.DebtorRefused).reason)


def _note_silence(completion: Completion) -> None:
    _tell(completion, "debtor_not_answering", completion.filled(forms.NoAnswer).comment)


def _note_wrong_number(completion: Completion) -> None:
    _tell(completion, "debtor_wrong_number", completion.filled(forms.WrongNumber).comment)


def _tell(completion: Completion, event: str, comment: str) -> None:
    completion.tell(event, note=f" {comment}" if comment else "")


DUNNING_EFFECTS: Effects = {
    (TaskKind.CALL_DEBTOR, "reached"): _note_reached,
    (TaskKind.CALL_DEBTOR, "promised"): _take_promise,
    (TaskKind.CALL_DEBTOR, "refused"): _note_refusal,
    (TaskKind.CALL_DEBTOR, "no_answer"): _note_silence,
    (TaskKind.CALL_DEBTOR, "wrong_number"): _note_wrong_number,
}
