"""The form of the question whether an outage is over whose expected end has passed."""

from models.contracts.form import Comment, Form
from models.contracts.instants import PlausibleInstant
from models.contracts.processes import TaskKind


class NewEnd(Form):
    """It takes longer: the new expected end, which those affected are told."""

    ends_at: PlausibleInstant
    comment: Comment = ""


class OutageOver(Form):
    """It is over, now or since a while."""

    ended_at: PlausibleInstant | None = None
    comment: Comment = ""


OUTAGE_FORMS: dict[TaskKind, dict[str, type[Form]]] = {
    TaskKind.GIVE_OUTAGE_END: {"extended": NewEnd, "ended": OutageOver},
}
