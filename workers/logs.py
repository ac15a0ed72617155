"""Logs: one JSON object a line in production, readable lines in local mode, or as LOG_FORMAT says. Ids, never people.

`process_id` and `actor` are bound where they are known: by the API's middleware for a request, and by
`ActivityLog` for a step of a process.
"""

import logging
import sys
from typing import Any
from uuid import UUID

import structlog
from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor

from settings import Settings


def configure(settings: Settings, *, program: str) -> None:
    """Send everything that this process logs, libraries' messages too, in one format to the standard output.

    Lines of ours don't go through `logging`: its record and its second chain of processors take most of a line's time,
    and each request has a line.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _named(program),
    ]
    if (settings.log_format or ("text" if settings.environment == "local" else "json")) == "text":
        shared[2] = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
        last: list[structlog.types.Processor] = [
            structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), pad_event_to=0)
        ]
    else:
        last = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
    structlog.configure(
        processors=[*shared, *last],
        logger_factory=structlog.WriteLoggerFactory(sys.stdout),
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for chatty in ("temporalio", "temporal", "uvicorn", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # Each failed step is logged by the boundary around steps already, and a refusal is no failure.
    logging.getLogger("temporalio.activity").setLevel(logging.CRITICAL)
    for indiscreet in ("httpx", "twilio", "uvicorn.access", "temporalio.worker.workflow_sandbox"):
        # They would write addresses and numbers, or nothing of use.
        logging.getLogger(indiscreet).setLevel(logging.ERROR)
    # Alembic and uvicorn bring handlers of their own.
    for name in ("uvicorn", "uvicorn.error", "alembic"):
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True


def _named(program: str) -> structlog.types.Processor:
    def add_program(_: Any, __: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
        event["program"] = program
        return event

    return add_program


class _Bound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002 - the interface's own name
        info = activity.info()
        argument = input.args[0] if input.args else None
        known = {
            "workflow_id": info.workflow_id,
            "process_id": process_id_of(argument, info.workflow_id),
            "actor": actor_of(argument),
            "activity": info.activity_type,
            "attempt": info.attempt,
        }
        facts = {name: value for name, value in known.items() if value is not None}
        with structlog.contextvars.bound_contextvars(**facts):
            return await super().execute_activity(input)


class ActivityLog(Interceptor):
    """Binds the process and the actor to everything that a step logs."""

    def intercept_activity(
        self,
        next: ActivityInboundInterceptor,  # noqa: A002 - the interface's own name
    ) -> ActivityInboundInterceptor:
        """Put the binding around the next interceptor."""
        return _Bound(super().intercept_activity(next))


def process_id_of(argument: Any, workflow_id: str | None) -> str | None:
    """Which process a step belongs to: said by its input, else by the id of its workflow (`connection/{id}`)."""
    named = getattr(argument, "process_id", None)
    if named is not None:
        return str(named)
    last = (workflow_id or "").rpartition("/")[2]
    try:
        return str(UUID(last))
    except ValueError:
        return None


def actor_of(argument: Any) -> str | None:
    """Who acts, where the input of a step says so."""
    acting = getattr(argument, "act", argument)
    actor = getattr(acting, "actor", None)
    return actor if isinstance(actor, str) else None
