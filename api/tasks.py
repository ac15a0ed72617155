"""Staff tasks: each department sees and completes its own."""

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import crews, outbox, stock
from activities.processes import get_process, workflow_id_of
from activities.tasks import get_task, is_repetition, submit
from api.access import StaffCaller, staff
from api.context import Context, Ctx
from api.engine import EngineAway
from api.pages import Page, PageQuery, page_of
from api.problems import PROBLEMS
from api.process_views import task_view, with_examples
from models.contracts.engine import CLAIM_TASK, COMPLETE_TASK
from models.contracts.people import Role
from models.contracts.processes import TaskClaim, TaskDone, TaskKind, TaskStatus, TaskView
from models.contracts.refusals import Refusal, conflict, forbidden
from models.contracts.stock import EquipmentCondition
from models.tables.processes import Task

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], responses=PROBLEMS)

AnyStaff = Annotated[StaffCaller, Depends(staff())]


class TaskCompletion(BaseModel):
    """How a task ended, and what its form asks for."""

    model_config = ConfigDict(extra="forbid")
    outcome: str = Field(min_length=1, max_length=40, examples=["assigned"])
    data: dict[str, Any] = Field(default={}, examples=[{"crew_id": "…", "starts_at": "2026-11-25T09:00:00+05:00"}])


@router.get("")
def list_tasks(
    ctx: Ctx,
    caller: AnyStaff,
    page: Annotated[PageQuery, Depends()],
    department: Annotated[Role | None, Query()] = None,
    status: TaskStatus | None = None,
    process_id: UUID | None = None,
) -> Page[TaskView]:
    """Tasks, oldest first; without a filter those of all departments."""
    statement = select(Task)
    for column, wanted in ((Task.department, department), (Task.status, status), (Task.process_id, process_id)):
        if wanted is not None:
            statement = statement.where(column == wanted)
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        return page_of(session, statement, Task.id, page, lambda task: task_view(task, caller.language, now))


@router.get("/{task_id}")
def read_task(task_id: UUID, ctx: Ctx, caller: AnyStaff) -> TaskView:
    """One task; its form shows values that would do, such as free slots and reserved serial numbers."""
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        task = get_task(session, task_id)
        return with_examples(task_view(task, caller.language, now), _examples(session, task, ctx, now))


@router.post("/{task_id}/claim")
def claim_task(task_id: UUID, ctx: Ctx, caller: AnyStaff) -> TaskView:
    """Take a task on, so that colleagues see who is at it."""
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        task = get_task(session, task_id)
        _check_department(task, caller)
        if task.status is not TaskStatus.OPEN:
            raise conflict("task_not_open", f"This task is {task.status}: there is nothing left to take on.")
        workflow_id = workflow_id_of(session, task.process_id)
    _ask(ctx, workflow_id, CLAIM_TASK, TaskClaim(task_id=task_id, staff_id=caller.id, at=now), TaskClaim)
    return read_task(task_id, ctx, caller)


@router.post("/{task_id}/complete")
def complete_task(task_id: UUID, completion: TaskCompletion, ctx: Ctx, caller: AnyStaff) -> TaskView:
    """Complete a task. The process answers at once: done, or why not; repeating the same completion is fine."""
    with ctx.database.transaction() as session:
        task = get_task(session, task_id)
        _check_department(task, caller)
        if is_repetition(task, completion.outcome, completion.data):
            return task_view(task, caller.language, datetime.now(UTC))
        workflow_id = workflow_id_of(session, task.process_id)
        act, reminder_id = submit(
            session, task, outcome=completion.outcome, data=completion.data, actor=caller.actor, source=caller.source
        )
    try:
        _ask(ctx, workflow_id, COMPLETE_TASK, act, TaskDone)
    except Refusal:
        with ctx.database.transaction() as session:
            outbox.forget(session, reminder_id)
            task = get_task(session, task_id)
            # The act of an earlier request, whose answer was lost, may have been the last one that the process did.
            if is_repetition(task, completion.outcome, completion.data):
                return task_view(task, caller.language, datetime.now(UTC))
        raise
    with ctx.database.transaction() as session:
        outbox.forget(session, reminder_id)
    return read_task(task_id, ctx, caller)


def _ask(ctx: Context, workflow_id: str, update: str, act: BaseModel, answer: type[BaseModel]) -> None:
    """Let the process act. A task of its own that it does not know it is about to open again, after a crash."""
    try:
        ctx.engine.update(workflow_id, update, act, answer)
    except Refusal as refusal:
        if refusal.slug == "task_unknown":
            raise EngineAway from refusal
        raise


def _check_department(task: Task, caller: StaffCaller) -> None:
    if caller.role not in {task.department, Role.ADMIN}:
        raise forbidden(
            "task_of_another_department", f"This task belongs to {task.department}; your role is {caller.role}."
        )


def _examples(session: Session, task: Task, ctx: Context, now: datetime) -> dict[str, Any]:
    """Values that would be accepted now."""
    if task.status is not TaskStatus.OPEN:
        return {}
    if task.kind == TaskKind.ASSIGN_CREW:
        slots = crews.free_slots(session, after=now, zone=ctx.settings.zone)
        return {
            "crew_id": [str(slot.crew_id) for slot in slots],
            "starts_at": [slot.starts_at.isoformat() for slot in slots],
        }
    if task.kind == TaskKind.INSTALL:
        subscription_id = get_process(session, task.process_id).subscription_id
        assert subscription_id is not None
        return {"serials": [stock.reserved_serials(session, subscription_id)]}
    if task.kind == TaskKind.DISMANTLE:
        subscription_id = get_process(session, task.process_id).subscription_id
        assert subscription_id is not None
        serials = stock.installed_serials(session, subscription_id)
        return {"equipment": [[{"serial": serial, "condition": "tested_ok"} for serial in serials]]}
    if task.kind == TaskKind.REPLACE:
        subscription_id = get_process(session, task.process_id).subscription_id
        assert subscription_id is not None
        found = EquipmentCondition.TESTED_OK
        return {
            "serials": [stock.reserved_serials(session, subscription_id)],
            "equipment": [[{"serial": serial, "condition": found} for serial in task.facts["take_back"]]],
        }
    return {}
