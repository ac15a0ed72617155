"""Staff tasks: one pattern for all processes. Opened by a process, completed by a person, once."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import ColumnElement, bindparam, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session
from temporalio import activity

from activities.completion import Completion
from activities.department_heads import head_of
from activities.message_queue import queue_message
from activities.outbox import remind_workflow
from activities.processes import get_process, tell
from activities.task_effects import EFFECTS
from models.contracts.engine import COMPLETE_TASK_SIGNAL
from models.contracts.form import Form
from models.contracts.forms import FORMS
from models.contracts.messaging import Urgency
from models.contracts.people import Role
from models.contracts.processes import (
    PROCESS_ACTOR,
    RefusedAct,
    TaskAct,
    TaskActOrder,
    TaskClaim,
    TaskDone,
    TaskKind,
    TaskOpened,
    TaskOrder,
    TaskStatus,
    TaskTime,
    staff_actor,
)
from models.contracts.refusals import conflict, invalid, not_found
from models.database import Database
from models.rules.sms_texts import Template
from models.rules.task_titles import TASK_TITLES
from models.tables.processes import Process, Task, TaskSubmission, TimelineEntry
from settings import Settings

DEPARTMENT: dict[TaskKind, Role] = {
    TaskKind.PURCHASE: Role.PROCUREMENT,
    TaskKind.ASSIGN_CREW: Role.DISPATCHER,
    TaskKind.INSTALL: Role.INSTALLER,
    TaskKind.SIGN_ACT: Role.INSTALLER,
    TaskKind.REFUND: Role.ACCOUNTING,
    TaskKind.FIND_PAYER: Role.ACCOUNTING,
    TaskKind.REVIEW_CONFLICT: Role.ACCOUNTING,
    TaskKind.CALL_DEBTOR: Role.OPERATOR,
    TaskKind.SETTLE_ACCOUNT: Role.ACCOUNTING,
    TaskKind.APPROVE_WRITE_OFF: Role.ACCOUNTING,
    TaskKind.DISMANTLE: Role.INSTALLER,
    TaskKind.CONTROL_DEBT: Role.ACCOUNTING,
    TaskKind.REPLACE: Role.INSTALLER,
    TaskKind.MEND_NETWORK: Role.OPS,
    TaskKind.GET_REGISTRY: Role.ACCOUNTING,
    TaskKind.CHECK_REGISTRY: Role.ACCOUNTING,
    TaskKind.POST_PAYMENT: Role.ACCOUNTING,
    TaskKind.REVERSE_PAYMENT: Role.ACCOUNTING,
    TaskKind.CORRECT_PAYMENT: Role.ACCOUNTING,
    TaskKind.ACCEPT_DATE: Role.ACCOUNTING,
    TaskKind.EXPLAIN_DIFFERENCE: Role.ACCOUNTING,
    TaskKind.RESOLVE_DIFFERENCES: Role.ACCOUNTING,
    TaskKind.SETTLE_BANK_DAY: Role.ACCOUNTING,
    TaskKind.TRIAGE_REQUEST: Role.SUPPORT,
    TaskKind.HANDLE_REQUEST: Role.SUPPORT,
    TaskKind.REPAIR: Role.INSTALLER,
    TaskKind.GIVE_OUTAGE_END: Role.DISPATCHER,
}

_OPEN = text("""
    WITH told AS (
        INSERT INTO timeline_entry (process_id, key, event, at, actor, facts)
        VALUES (:process_id, :key, 'task_opened', :at, :actor, :facts)
        ON CONFLICT (process_id, key) DO NOTHING
        RETURNING process_id
    ), opened AS (
        INSERT INTO task (id, process_id, kind, department, facts, opened_at, due_at)
        SELECT :task_id, process_id, :kind, :department, :task_facts, :at, :due_at FROM told
        RETURNING id
    ), moved AS (
        UPDATE process SET stage = :stage, waiting_for = :waiting_for
        FROM told WHERE process.id = told.process_id AND CAST(:stage AS text) IS NOT NULL
    ), entered AS (
        INSERT INTO process_stage (process_id, name, entered_at)
        SELECT process_id, :stage, :at FROM told WHERE CAST(:stage AS text) IS NOT NULL
        ON CONFLICT (process_id, name) DO UPDATE SET entered_at = excluded.entered_at
    )
    SELECT id FROM opened
""").bindparams(bindparam("facts", type_=JSONB), bindparam("task_facts", type_=JSONB))

_SUBMITTED = (
    select(Task, TaskSubmission, Process)
    .select_from(Task)
    .join(TaskSubmission, TaskSubmission.id == bindparam("submission_id"))
    .join(Process, Process.id == Task.process_id)
    .where(Task.id == bindparam("task_id"))
    .with_for_update(of=Task, key_share=True)
)
_SUBMIT = text("""
    INSERT INTO task_submission (task_id, outcome, data, actor, source)
    VALUES (:task_id, :outcome, :data, :actor, :source)
    RETURNING id, (SELECT workflow_id FROM process WHERE id = :process_id) AS workflow_id
""").bindparams(bindparam("data", type_=JSONB))

REMIND_AFTER = timedelta(seconds=15)
"""Longer than anybody waits for the answer to an Update."""


def checked_form(kind: TaskKind, outcome: str, data: dict[str, Any]) -> Form:
    """What was filled in, as the form of this outcome.

    Raises:
        Refusal: no such outcome, or fields that are missing, unknown or wrong, each with what is wrong.
    """
    form = FORMS[kind].get(outcome)
    if form is None:
        raise invalid(
            "outcome_unknown", f"Choose one of: {', '.join(FORMS[kind])}.", {"outcome": "not an outcome of this task"}
        )
    try:
        return form.model_validate(data)
    except ValidationError as failure:
        errors = {".".join(str(part) for part in ("data", *error["loc"])): error["msg"] for error in failure.errors()}
        raise invalid(
            "form_invalid", "Mend the fields that are named under errors and send it again.", errors
        ) from None


def get_task(session: Session, task_id: UUID, *, lock: bool = False) -> Task:
    """The task.

    Raises:
        Refusal: there is none with this id.
    """
    # Not against what refers to the task: whoever repeats their completion need not wait for the first one.
    task = session.get(Task, task_id, with_for_update={"key_share": True} if lock else None)
    if task is None:
        raise not_found("task_unknown", "There is no such task: take its id from GET /v1/tasks.")
    return task


def submit(
    session: Session, task: Task, *, outcome: str, data: dict[str, Any], actor: str, source: str
) -> tuple[TaskAct, UUID]:
    """Keep what a person sent in, for the process to act on: its history then carries only the id.

    Answers the act, and the id of a reminder. The engine keeps an Update only once a worker has answered it: were
    both to crash in between, the task could be done and its process not know. So the process is told once more in a
    while, unless whoever asks takes the reminder away when they have their answer.
    """
    checked_form(TaskKind(task.kind), outcome, data)
    row = {"task_id": task.id, "outcome": outcome, "data": data, "actor": actor, "source": source}
    submission = session.execute(_SUBMIT, row | {"process_id": task.process_id}).one()
    act = TaskAct(task_id=task.id, outcome=outcome, actor=actor, submission_id=submission.id)
    reminder_id = remind_workflow(
        session, workflow_id=submission.workflow_id, signal=COMPLETE_TASK_SIGNAL, signal_input=act, after=REMIND_AFTER
    )
    return act, reminder_id


def is_repetition(task: Task, outcome: str, data: dict[str, Any]) -> bool:
    """Whether a completion says what the task was completed with.

    Raises:
        Refusal: the task was completed otherwise, or is no longer needed.
    """
    if task.status == TaskStatus.OPEN:
        return False
    if task.status == TaskStatus.DONE and (task.outcome, task.data) == (outcome, data):
        return True
    said = f"was completed with the outcome {task.outcome}" if task.status == TaskStatus.DONE else "was withdrawn"
    raise conflict("task_not_open", f"This task {said}: read it again before you go on.")


def withdraw_forgotten(
    session: Session, process_id: UUID, *, kind: TaskKind | None = None, unless: ColumnElement[bool] | None = None,
    at: datetime,
) -> None:  # fmt: skip
    """Take back tasks that the process opened, forgot in a crash, and went on without: the world had changed."""
    forgotten = select(Task).where(Task.process_id == process_id, Task.status == TaskStatus.OPEN)
    if kind is not None:
        forgotten = forgotten.where(Task.kind == kind)
    if unless is not None:
        forgotten = forgotten.where(~unless)
    for task in session.scalars(forgotten.with_for_update()).all():
        _withdraw(session, task, at)


class TaskActivities:
    """What a process does with its tasks; each is one transaction, and repeating it changes nothing."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name="task.open")
    def open(self, order: TaskOrder) -> TaskOpened:
        """Open a task and let the process stand in the task's stage, waiting for the department.

        Opened before, it is that task: after a crash the process does not know that it has it, nor under which id.
        """
        key = f"task_opened:{order.kind}:{order.name or order.ordinal}"
        department = order.department or DEPARTMENT[order.kind]
        facts = {
            "department": department, "task": order.kind, "task_id": str(order.task_id),
            "due_at": order.due_at.isoformat(),
        }  # fmt: skip
        with self._database.transaction() as session:
            opened = session.scalar(
                _OPEN,
                {
                    **order.model_dump(include={"task_id", "process_id", "at", "due_at", "stage"}),
                    "kind": order.kind.value, "department": department.value, "task_facts": order.facts,
                    "key": key, "actor": PROCESS_ACTOR, "facts": facts, "waiting_for": f"task:{order.kind}",
                },
            )  # fmt: skip
            return TaskOpened(task_id=opened or _opened_before(session, order.process_id, key))

    @activity.defn(name="task.complete")
    def complete(self, order: TaskActOrder) -> TaskDone:
        """Do what the completion says, and mark the task as done, in one transaction.

        Raises:
            Refusal: a bad form, a slot that is taken, serial numbers that don't fit, another completion before.
        """
        act = order.act
        with self._database.transaction() as session:
            task, data, process = _locked_with_data(session, order)
            if is_repetition(task, act.outcome, data):
                return TaskDone(task_id=task.id, outcome=act.outcome, resume_at=_resume_at(data))
            form = checked_form(TaskKind(task.kind), act.outcome, data)
            task.status, task.outcome, task.data = TaskStatus.DONE, act.outcome, data
            task.completed_at, task.completed_by = order.at, act.actor
            session.flush()
            completion = Completion(session, process, task, form, act.actor, order.at, self._settings)
            EFFECTS[TaskKind(task.kind), act.outcome](completion)
            return TaskDone(task_id=task.id, outcome=act.outcome, resume_at=_resume_at(data))

    @activity.defn(name="task.claim")
    def claim(self, claim: TaskClaim) -> None:
        """Let a person take a task on.

        Raises:
            Refusal: somebody else has it, or it is not open.
        """
        with self._database.transaction() as session:
            task = get_task(session, claim.task_id, lock=True)
            if task.status != TaskStatus.OPEN:
                raise conflict("task_not_open", "This task is not open any more.")
            if task.claimed_by not in {None, claim.staff_id}:
                raise conflict("task_claimed", "A colleague has taken this task on: ask them, or complete it together.")
            task.claimed_by = claim.staff_id
            tell(
                session, task.process_id, "task_claimed", key=f"task_claimed:{task.id}", at=claim.at,
                actor=staff_actor(claim.staff_id), facts={"task": task.kind},
            )  # fmt: skip

    @activity.defn(name="task.escalate")
    def escalate(self, moment: TaskTime) -> None:
        """Tell the head of the department that a task is overdue."""
        with self._database.transaction() as session:
            task = get_task(session, moment.task_id, lock=True)
            if task.status != TaskStatus.OPEN or task.escalated_at is not None:
                return
            task.escalated_at = moment.at
            facts = {"department": task.department, "task": task.kind, "due_at": task.due_at.isoformat()}
            tell(session, task.process_id, "task_escalated", key=f"task_escalated:{task.id}", at=moment.at, facts=facts)
            head = head_of(session, task.department)
            if head is not None:
                queue_message(
                    session, key=f"task_escalated:{task.id}", template=Template.TASK_ESCALATED,
                    facts={"task": TASK_TITLES[task.kind][head.language], "process": str(task.process_id)},
                    urgency=Urgency.NOTICE, at=moment.at, staff_id=head.id, process_id=task.process_id,
                )  # fmt: skip

    @activity.defn(name="task.withdraw")
    def withdraw(self, moment: TaskTime) -> None:
        """Take back a task that nobody needs any more."""
        with self._database.transaction() as session:
            task = get_task(session, moment.task_id, lock=True)
            if task.status == TaskStatus.OPEN:
                _withdraw(session, task, moment.at)

    @activity.defn(name="task.note_refused_act")
    def note_refused_act(self, refused: RefusedAct) -> None:
        """Write a refused signal from the Temporal UI into the timeline."""
        with self._database.transaction() as session:
            facts = {"detail": refused.detail}
            tell(session, refused.process_id, "act_refused", key=refused.key, at=refused.at, facts=facts)


def _opened_before(session: Session, process_id: UUID, key: str) -> UUID:
    opened = select(TimelineEntry.facts).where(TimelineEntry.process_id == process_id, TimelineEntry.key == key)
    return UUID(session.execute(opened).scalar_one()["task_id"])


def _withdraw(session: Session, task: Task, at: datetime) -> None:
    task.status = TaskStatus.WITHDRAWN
    tell(session, task.process_id, "task_withdrawn", key=f"task_withdrawn:{task.id}", at=at, facts={"task": task.kind})


def _locked_with_data(session: Session, order: TaskActOrder) -> tuple[Task, dict[str, Any], Process]:
    """The task, what was filled in, and the task's process.

    What was filled in comes from the submission, or from the signal itself, which is then kept as one.
    """
    act = order.act
    if act.submission_id is not None:
        task, submission, process = session.execute(
            _SUBMITTED, {"task_id": act.task_id, "submission_id": act.submission_id}
        ).one()
        if submission.task_id != act.task_id:
            raise conflict("submission_of_another_task", "This submission belongs to another task: send it again.")
        return task, submission.data, process
    task, data = get_task(session, act.task_id, lock=True), act.data or {}
    session.add(
        TaskSubmission(task_id=act.task_id, outcome=act.outcome, data=data, actor=act.actor, source="temporal-ui")
    )
    return task, data, get_process(session, task.process_id)


def _resume_at(data: dict[str, Any]) -> Any:
    return data.get("until")
