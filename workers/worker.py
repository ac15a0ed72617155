"""A worker process: a Temporal worker for each task queue, and the outbox relay, in one event loop."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from prometheus_client import REGISTRY, start_http_server
from sqlalchemy.exc import DBAPIError
from temporalio.runtime import (
    LogForwardingConfig,
    LoggingConfig,
    PrometheusConfig,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)
from temporalio.service import RPCError

from models.database import Database
from settings import Settings
from workers import garbage
from workers.backlog import LAG_SECONDS, WAITING
from workers.failures import PersonMustAct
from workers.registry import DATABASE_CONNECTIONS, build_workers
from workers.relay import Relay
from workers.schedules import keep_schedules
from workflows.engine import connect

LONGEST_PAUSE_SECONDS: Final = 10.0
Answer = TypeVar("Answer")
_log = structlog.get_logger()


class WorkerFailed(PersonMustAct):
    """A part of the worker ended by itself."""


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT; steps under way are finished first.

    Raises:
        WorkerFailed: a part ended by itself; whoever supervises the process starts it again.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for wish in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(wish, stop.set)
    assert settings.database_url is not None, "the command line makes sure of it"
    Runtime.set_default(_runtime(settings))
    database = Database(settings.database_url.get_secret_value(), pool_size=DATABASE_CONNECTIONS)
    try:
        await _patiently("database", lambda: asyncio.to_thread(database.ping), stop)
        client = await _patiently("temporal", lambda: connect(settings), stop)
        if client is None:
            return
        await _patiently("schedules", lambda: keep_schedules(client, settings), stop)
        workers = build_workers(client, database, settings)
        garbage.search_seldom()
        parts = [asyncio.create_task(worker.run(), name=worker.task_queue) for worker in workers]
        parts.append(asyncio.create_task(Relay(database, client).run(stop), name="relay"))
        _serve_metrics(settings)
        _log.info("worker_ready", queues=[worker.task_queue for worker in workers])
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({*parts, stopping}, return_when=asyncio.FIRST_COMPLETED)
        failed = [part.get_name() for part in parts if part.done() and not stop.is_set()]
        stop.set()
        await asyncio.gather(*(worker.shutdown() for worker in workers), return_exceptions=True)
        outcomes = await asyncio.gather(*parts, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                _log.error("worker_part_failed", kind=type(outcome).__name__, exc_info=outcome)
        if failed:
            raise WorkerFailed(f"ended by itself: {', '.join(failed)}")
        _log.info("worker_stopped")
    finally:
        database.close()


async def _patiently(what: str, attempt: Callable[[], Awaitable[Answer]], stop: asyncio.Event) -> Answer | None:
    """The answer of something that may not be there yet; None when it is time to stop."""
    pause = 0.5
    while not stop.is_set():
        try:
            return await attempt()
        except (DBAPIError, RPCError, RuntimeError, OSError) as failure:
            _log.warning("waiting", what=what, kind=type(failure).__name__, seconds=pause)
        try:
            await asyncio.wait_for(stop.wait(), pause)
        except TimeoutError:
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
    return None


def _runtime(settings: Settings) -> Runtime:
    port = settings.metrics_port
    return Runtime(
        telemetry=TelemetryConfig(
            logging=LoggingConfig(
                filter=TelemetryFilter(core_level="WARN", other_level="ERROR"),
                forwarding=LogForwardingConfig(logger=logging.getLogger("temporal")),
            ),
            # The engine's library has an exporter of its own, which takes the port after ours.
            metrics=None if port is None else PrometheusConfig(bind_address=f"0.0.0.0:{port + 1}"),
        )
    )


def _serve_metrics(settings: Settings) -> None:
    if settings.metrics_port is None:
        return
    REGISTRY.register(WAITING)
    REGISTRY.register(LAG_SECONDS)
    start_http_server(settings.metrics_port)
