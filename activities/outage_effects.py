"""What the dispatcher's answer about an outage brings about whose expected end has passed."""

from activities.completion import Completion, Effects, note_completed
from activities.outage_changes import change_outage
from models.contracts.outage import OutageChange
from models.contracts.outage_forms import NewEnd, OutageOver
from models.contracts.processes import TaskKind


def _extend(completion: Completion) -> None:
    form = completion.filled(NewEnd)
    note_completed(completion, form.comment)
    _change(completion, OutageChange(ends_at=form.ends_at))


def _end(completion: Completion) -> None:
    form = completion.filled(OutageOver)
    note_completed(completion, form.comment)
    _change(completion, OutageChange(ended=True, ended_at=form.ended_at))


def _change(completion: Completion, change: OutageChange) -> None:
    change_outage(
        completion.session, completion.task.process_id, change, actor=completion.actor, at=completion.at
    )  # fmt: skip


OUTAGE_EFFECTS: Effects = {
    (TaskKind.GIVE_OUTAGE_END, "extended"): _extend,
    (TaskKind.GIVE_OUTAGE_END, "ended"): _end,
}
