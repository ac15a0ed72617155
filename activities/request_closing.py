"""The end of a request, and its reopening."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import request_clock
from activities.outbox import start_workflow
from activities.processes import close, enter_stage, get_process, tell
from activities.request_policies import terms_of
from activities.request_state import give_turn, is_said, locked, write_down
from models.contracts.engine import PROCESSES_QUEUE, REQUEST
from models.contracts.processes import PROCESS_ACTOR, ProcessStatus, TaskKind
from models.contracts.refusals import conflict
from models.contracts.request_process import RequestInput
from models.contracts.request_words import RequestEnding, RequestStage, TextKind, Turn
from models.tables.people import Account
from models.tables.processes import Process, Task
from models.tables.requests import Request

_FINAL = frozenset({RequestEnding.REJECTED, RequestEnding.CANCELLED})
"""Endings that the subscriber was not told of: there is nothing to be discontent with."""


def close_request(
    session: Session, request: Request, ending: RequestEnding, *, event: str, at: datetime, actor: str = PROCESS_ACTOR,
    facts: dict[str, Any] | None = None, reason: str | None = None,
) -> None:  # fmt: skip
    """Close a request for good unless it is reopened in time; whatever follows it is told."""
    process = get_process(session, request.process_id)
    reopen_within = terms_of(session, process.policy_id).policy.reopen_within
    with session.no_autoflush:
        request_clock.stop(session, request, at=at)
        request.ended_as, request.reopen_until = ending, None if ending in _FINAL else at + reopen_within
        give_turn(request, Turn.CLOSED)
    session.flush()
    key = f"{event}:{request.round}"
    tell(session, request.process_id, event, key=key, at=at, actor=actor, facts=facts)
    enter_stage(session, request.process_id, RequestStage.CLOSED, at=at)
    status = ProcessStatus.CANCELLED if ending is RequestEnding.CANCELLED else ProcessStatus.COMPLETED
    close(session, request.process_id, status, at=at, reason=reason or ending.value)


def reopen_request(session: Session, process_id: UUID, body: str, *, actor: str, at: datetime, key: str) -> bool:
    """Let a closed request go on with its department, its texts and its clock; answers whether it is new.

    The same key again changes nothing. A new run of its process begins: the earlier one has ended.

    Raises:
        Refusal: there is no such request, it is open, or its time is over.
    """
    request = locked(session, process_id)
    if is_said(session, request, body, key=key):
        return False
    if request.turn is not Turn.CLOSED:
        raise conflict("request_open", "This request is open: add what the subscriber says as an answer.")
    if request.reopen_until is None or request.reopen_until <= at:
        raise conflict("reopening_over", "This request can't be reopened any more: register a new one.")
    write_down(session, request, TextKind.REOPENING, body, key=key, at=at, actor=actor)
    with session.no_autoflush:
        request_clock.reopen(session, request, at=at)
        request.round, request.ended_as, request.reopen_until = request.round + 1, None, None
        give_turn(request, Turn.WORK)
    session.flush()
    process = get_process(session, process_id)
    process.status, process.closed_at, process.close_reason = ProcessStatus.OPEN, None, None
    process.workflow_id = f"request/{process_id}/{request.round}"
    session.flush()
    enter_stage(session, process_id, RequestStage.WORK, at=at)
    tell(session, process_id, "request_reopened", key=f"request_reopened:{request.round}", at=at, actor=actor)
    start_round(session, process, request)
    return True


def start_round(session: Session, process: Process, request: Request) -> None:
    """Ask for the process to run; the tasks of earlier rounds are not its own."""
    account_no = None if process.account_id is None else session.get_one(Account, process.account_id).account_no
    opened = session.execute(select(Task.kind, func.count()).where(Task.process_id == process.id).group_by(Task.kind))
    policy = terms_of(session, process.policy_id).policy
    start_workflow(
        session, workflow_type=REQUEST, workflow_id=process.workflow_id, task_queue=PROCESSES_QUEUE,
        start_input=RequestInput(
            process_id=process.id, subscriber_id=process.subscriber_id, account_no=account_no, round=request.round,
            tasks=policy.tasks, tasks_opened={TaskKind(kind): count for kind, count in opened},
        ),
    )  # fmt: skip
