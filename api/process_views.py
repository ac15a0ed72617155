"""Processes, tasks and timelines as staff sees them."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.contracts.billing_process import BillingStage
from models.contracts.clarification import ClarificationStage
from models.contracts.connection import ConnectionStage
from models.contracts.disconnection import DisconnectionStage
from models.contracts.dunning_words import DunningStage
from models.contracts.forms import FORMS
from models.contracts.outage import OutageStage
from models.contracts.people import Language
from models.contracts.processes import (
    ProcessKind,
    ProcessStatus,
    ProcessView,
    StageState,
    StageView,
    TaskKind,
    TaskStatus,
    TaskView,
    TimelineView,
)
from models.contracts.reconciliation_process import ReconciliationStage
from models.contracts.request_words import RequestStage
from models.contracts.tariff_change import TariffChangeStage
from models.rules.sentences import DEPARTMENTS, sentence
from models.rules.task_titles import TASK_TITLES
from models.tables.banks import Bank
from models.tables.people import Account, Staff
from models.tables.processes import Process, ProcessStage, Task, TimelineEntry
from settings import Settings

STAGES: dict[ProcessKind, Sequence[str]] = {
    ProcessKind.CONNECTION: list(ConnectionStage),
    ProcessKind.DISCONNECTION: list(DisconnectionStage),
    ProcessKind.TARIFF_CHANGE: list(TariffChangeStage),
    ProcessKind.BILLING_RUN: list(BillingStage),
    ProcessKind.DUNNING: list(DunningStage),
    ProcessKind.OUTAGE: list(OutageStage),
    ProcessKind.CLARIFICATION: list(ClarificationStage),
    ProcessKind.RECONCILIATION: list(ReconciliationStage),
    ProcessKind.REQUEST: list(RequestStage),
}


def process_view(
    session: Session, process: Process, settings: Settings, language: Language, now: datetime
) -> ProcessView:
    """One process with its stages and tasks."""
    return process_views(session, [process], settings, language, now)[0]


def process_views(
    session: Session, processes: Sequence[Process], settings: Settings, language: Language, now: datetime
) -> list[ProcessView]:
    """Several processes, with a fixed number of queries."""
    ids = [process.id for process in processes]
    tasks: dict[UUID, list[Task]] = {}
    for task in session.scalars(select(Task).where(Task.process_id.in_(ids)).order_by(Task.id)):
        tasks.setdefault(task.process_id, []).append(task)
    entered: dict[UUID, dict[str, datetime]] = {}
    for stage in session.scalars(select(ProcessStage).where(ProcessStage.process_id.in_(ids))):
        entered.setdefault(stage.process_id, {})[stage.name] = stage.entered_at
    accounts = {process.account_id for process in processes}
    numbers = dict(session.execute(select(Account.id, Account.account_no).where(Account.id.in_(accounts))).all())
    return [
        ProcessView(
            id=process.id,
            kind=process.kind,
            stage=process.stage,
            stages=_stages(process, entered.get(process.id, {})),
            status=process.status,
            subscriber_id=process.subscriber_id,
            account_no=None if process.account_id is None else numbers[process.account_id],
            subscription_id=process.subscription_id,
            waiting_for=process.waiting_for,
            tasks=[task_view(task, language, now) for task in tasks.get(process.id, [])],
            opened_at=process.opened_at,
            closed_at=process.closed_at,
            close_reason=process.close_reason,
            temporal_url=_temporal_url(settings, process.workflow_id),
        )
        for process in processes
    ]


def _stages(process: Process, entered: dict[str, datetime]) -> list[StageView]:
    """Done, current, pending or skipped, from when each stage was last entered."""
    names = STAGES.get(process.kind, [process.stage])
    ended = process.status is not ProcessStatus.OPEN
    return [
        StageView(name=name, state=_stage_state(name, process.stage, names, entered, ended=ended),
                  entered_at=entered.get(name))
        for name in names
    ]  # fmt: skip


def _stage_state(
    name: str, current: str, names: Sequence[str], entered: dict[str, datetime], *, ended: bool
) -> StageState:
    if name == current:
        return StageState.DONE if ended else StageState.CURRENT
    if name not in entered:
        behind = names.index(name) < names.index(current)
        return StageState.SKIPPED if ended or behind else StageState.PENDING
    # A visit that failed leads back to scheduling: installation was entered, but lies ahead again.
    ahead = names.index(name) > names.index(current)
    return StageState.PENDING if ahead else StageState.DONE


def _temporal_url(settings: Settings, workflow_id: str) -> str | None:
    if settings.temporal_ui_url is None:
        return None
    name = workflow_id.replace("/", "%2F")
    return f"{settings.temporal_ui_url.rstrip('/')}/namespaces/{settings.temporal_namespace}/workflows/{name}"


def task_view(task: Task, language: Language, now: datetime) -> TaskView:
    """One task with the form that completes it."""
    kind = TaskKind(task.kind)
    schemas = {outcome: form.model_json_schema() for outcome, form in FORMS[kind].items()}
    usual = next(iter(schemas))
    return TaskView(
        id=task.id,
        process_id=task.process_id,
        kind=kind,
        department=task.department,
        title=TASK_TITLES[kind][language],
        opened_at=task.opened_at,
        due_at=task.due_at,
        overdue=task.status is TaskStatus.OPEN and task.due_at < now,
        escalated_at=task.escalated_at,
        claimed_by=task.claimed_by,
        form={**schemas[usual], "x-outcomes": schemas},
        outcomes=list(schemas),
        facts=task.facts,
        status=task.status,
        outcome=task.outcome,
        data=task.data,
        completed_at=task.completed_at,
        completed_by=task.completed_by,
    )


def timeline_views(
    session: Session, entries: Sequence[TimelineEntry], settings: Settings, language: Language
) -> list[TimelineView]:
    """What happened, as sentences."""
    names = actor_names(session, {entry.actor for entry in entries}, language)
    return [
        TimelineView(
            at=entry.at,
            actor=names[entry.actor],
            event=entry.event,
            text=sentence(entry.event, entry.facts, who=names[entry.actor], language=language, zone=settings.zone),
            facts=entry.facts,
        )
        for entry in entries
    ]


_OTHERS: dict[str, dict[Language, str]] = {
    "process": {Language.EN: "The process", Language.RU: "Процесс", Language.KK: "Үдеріс"},
    "schedule": {Language.EN: "The schedule", Language.RU: "Расписание", Language.KK: "Кесте"},
    "subscriber": {Language.EN: "The subscriber", Language.RU: "Абонент", Language.KK: "Абонент"},
    "temporal-ui": {
        Language.EN: "Somebody in the Temporal UI", Language.RU: "Пользователь Temporal UI",
        Language.KK: "Temporal UI пайдаланушысы",
    },
}  # fmt: skip


def actor_names(session: Session, actors: Iterable[str], language: Language) -> dict[str, str]:
    """How a person reads who acted: a colleague's name and department, a bank's name, the process."""
    names = {actor: _OTHERS.get(actor, {}).get(language, actor) for actor in actors}
    staff_ids = _ids_after("staff:", names)
    for person in session.scalars(select(Staff).where(Staff.id.in_(staff_ids))):
        names[f"staff:{person.id}"] = f"{person.full_name} ({DEPARTMENTS[person.role][language]})"
    codes = [actor.removeprefix("bank:") for actor in names if actor.startswith("bank:")]
    for code, name in session.execute(select(Bank.code, Bank.name).where(Bank.code.in_(codes))):
        names[f"bank:{code}"] = name
    return names


def _ids_after(prefix: str, actors: Iterable[str]) -> list[UUID]:
    found = []
    for actor in actors:
        try:
            found.append(UUID(actor.removeprefix(prefix)))
        except ValueError:
            continue
    return found


def with_examples(view: TaskView, examples: dict[str, Any]) -> TaskView:
    """The task with values that would do, shown beside the fields of its usual form."""
    properties = view.form.get("properties", {})
    for name, values in examples.items():
        if name in properties:
            properties[name]["examples"] = values
    return view
