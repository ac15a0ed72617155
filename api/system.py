"""Whether the API is alive and ready, and its figures. Open to everybody who reaches it; they name no person."""

import os

import structlog
from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import REGISTRY
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from activities import payment_conflicts
from activities.outbox import backlog
from api.context import Context, Ctx
from api.engine import EngineAway
from api.problems import documented
from models.contracts.processes import ProcessStatus, TaskStatus
from models.tables.messages import Message
from models.tables.processes import Process, Task

_log = structlog.get_logger()
router = APIRouter(tags=["system"], responses=documented(429))


class Health(BaseModel):
    """The process is alive."""

    status: str = "alive"


class Readiness(BaseModel):
    """Whether each dependency answers."""

    ready: bool
    database: bool
    workflow_engine: bool


@router.get("/healthz")
def read_health() -> Health:
    """Alive: says nothing about the dependencies."""
    return Health()


@router.get("/readyz", responses={503: {"model": Readiness}})
def read_readiness(ctx: Ctx) -> JSONResponse:
    """Ready when the database and the workflow engine answer. Payments need the database alone."""
    database, engine = _database_answers(ctx), _engine_answers(ctx)
    readiness = Readiness(ready=database and engine, database=database, workflow_engine=engine)
    return JSONResponse(readiness.model_dump(), 200 if readiness.ready else 503)


def _database_answers(ctx: Context) -> bool:
    try:
        ctx.database.ping()
    except SQLAlchemyError:
        return False
    return True


def _engine_answers(ctx: Context) -> bool:
    try:
        ctx.engine.probe()
    except EngineAway:
        return False
    return True


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def read_metrics(ctx: Ctx) -> Response:
    """Prometheus: requests to this port, and what the database says of the whole operation."""
    figures = generate_latest(_requests())
    try:
        figures += generate_latest(_operation(ctx))
    except SQLAlchemyError:
        # The process's own figures are wanted most when the database is away.
        _log.warning("metrics_without_database")
    return Response(figures, media_type=CONTENT_TYPE_LATEST)


def _requests() -> CollectorRegistry:
    """What this process has counted, or all processes behind the same port (`workers.api_processes`)."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


def _operation(ctx: Context) -> CollectorRegistry:
    registry = CollectorRegistry()
    with ctx.database.transaction() as session:
        untold = backlog(session)
        Gauge("abonent_outbox_waiting", "Events that the workflow engine was not told yet", registry=registry).set(
            untold.waiting
        )
        Gauge("abonent_outbox_lag_seconds", "Age of the oldest of them", registry=registry).set(untold.lag_seconds)
        processes = Gauge("abonent_processes_open", "Open processes", ["kind", "stage"], registry=registry)
        for kind, stage, count in session.execute(
            select(Process.kind, Process.stage, func.count())
            .where(Process.status == ProcessStatus.OPEN)
            .group_by(Process.kind, Process.stage)
        ):
            processes.labels(kind, stage).set(count)
        tasks = Gauge("abonent_tasks_open", "Open staff tasks", ["department"], registry=registry)
        for department, count in session.execute(
            select(Task.department, func.count()).where(Task.status == TaskStatus.OPEN).group_by(Task.department)
        ):
            tasks.labels(department).set(count)
        conflicts = Gauge(
            "abonent_payment_conflicts", "Transaction ids used again for another payment", ["bank"], registry=registry
        )
        for bank, count in payment_conflicts.counts(session).items():
            conflicts.labels(bank).set(count)
        messages = Gauge("abonent_messages", "SMS by status", ["status"], registry=registry)
        for status, count in session.execute(select(Message.status, func.count()).group_by(Message.status)):
            messages.labels(status).set(count)
    return registry
