"""The end of a process about a service before its goal: told to the subscriber and in the timeline, and closed."""

from sqlalchemy.orm import Session

from activities.process_messages import say
from activities.processes import Told, close, reason_of, tell_all, tell_refusal
from activities.tasks import withdraw_forgotten
from models.contracts.messaging import Urgency
from models.contracts.processes import ProcessStatus
from models.contracts.steps import ClosingStep
from models.rules.sms_texts import Template
from models.tables.processes import Process


def end_as_cancelled(
    session: Session, process: Process, step: ClosingStep, *, stage: str, event: str, notice: Template | None,
    because: str | None = None,
) -> None:  # fmt: skip
    """Close the process in its last stage, with the reason of whoever wanted it.

    `event` says in the timeline that it ended, `because` why where the process itself knows. `notice` is the SMS to
    the subscriber; none where they are told elsewhere.
    """
    withdraw_forgotten(session, process.id, at=step.at)
    reason = reason_of(session, step)
    tell_refusal(session, step)
    if notice is not None:
        say(session, process, notice, at=step.at, urgency=Urgency.REQUESTED)
    told = [Told(name) for name in (because, event) if name is not None]
    tell_all(session, process.id, told, at=step.at, stages=[stage])
    close(session, process.id, ProcessStatus.CANCELLED, at=step.at, reason=reason)
