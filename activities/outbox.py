"""Telling the workflow engine something in the transaction that makes it true; the relay delivers it."""

from typing import Any

from pydantic import BaseModel
from sqlalchemy.orm import Session

from models.tables.outbox import Outbox


def start_workflow(
    session: Session, *, workflow_type: str, workflow_id: str, task_queue: str, start_input: BaseModel
) -> None:
    """Ask for a workflow to be started; started twice with one id it is one process."""
    session.add(
        Outbox(
            workflow_id=workflow_id,
            workflow_type=workflow_type,
            task_queue=task_queue,
            start_input=start_input.model_dump(mode="json"),
        )
    )


def signal_workflow(session: Session, *, workflow_id: str, signal: str, signal_input: BaseModel | None = None) -> None:
    """Ask for a signal; one that nobody is left to hear is noted and dropped."""
    session.add(Outbox(workflow_id=workflow_id, signal=signal, signal_input=_json(signal_input)))


def wake_workflow(session: Session, *, workflow_type: str, workflow_id: str, task_queue: str, signal: str) -> None:
    """Ask for a signal that starts the workflow where it isn't running."""
    session.add(Outbox(workflow_id=workflow_id, workflow_type=workflow_type, task_queue=task_queue, signal=signal))


def _json(message: BaseModel | None) -> dict[str, Any] | None:
    return None if message is None else message.model_dump(mode="json")
