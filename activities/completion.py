"""A staff task that somebody completes, as the effects of its outcomes see it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar, cast
from uuid import UUID

from sqlalchemy.orm import Session

from activities.processes import tell
from models.contracts.form import Form, Refused
from models.contracts.processes import TaskKind
from models.tables.processes import Process, Task
from settings import Settings

SomeForm = TypeVar("SomeForm", bound=Form)


@dataclass(frozen=True)
class Completion:
    """A task that somebody completes: the process that opened it, the form they filled in, who they are, when."""

    session: Session
    process: Process
    task: Task
    form: Form
    actor: str
    at: datetime
    settings: Settings

    @property
    def on(self) -> date:
        """The day of the completion in the operator's zone."""
        return self.at.astimezone(self.settings.zone).date()

    @property
    def account_id(self) -> UUID:
        """The account that the process is about."""
        return cast(UUID, self.process.account_id)

    @property
    def subscription_id(self) -> UUID:
        """The service that the process is about."""
        return cast(UUID, self.process.subscription_id)

    def filled(self, kind: type[SomeForm]) -> SomeForm:
        """The form as the kind that this outcome has."""
        assert isinstance(self.form, kind)
        return self.form

    def tell(self, event: str, **facts: object) -> None:
        """Write the event into the timeline, in the name of who completed the task."""
        tell(
            self.session, self.task.process_id, event, key=f"{event}:{self.task.id}", at=self.at, actor=self.actor,
            facts=facts,
        )  # fmt: skip


Effects = dict[tuple[TaskKind, str], Callable[[Completion], None]]
"""What each outcome of each kind of task does."""


def note_completed(completion: Completion, note: str = "") -> None:
    """Write into the timeline that the task is done, in a general sentence."""
    task = completion.task
    completion.tell("task_completed", task=task.kind, outcome=task.outcome, note=f" {note}" if note else "")


def make_impossible(completion: Completion) -> None:
    """Write into the timeline why it can't be done: the process ends for it."""
    completion.tell("task_made_impossible", reason=completion.filled(Refused).reason)
