"""The workflow engine as the API sees it: a few questions and acts, each with an answer or a clear 503."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar, cast

import anyio.from_thread
from pydantic import BaseModel
from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from models.contracts.refusals import Refusal, RefusalKind, conflict

ANSWER_WITHIN = timedelta(seconds=10)
PROBE_WITHIN = timedelta(seconds=2)

Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")


class EngineAway(Exception):  # noqa: N818 - an answer to the caller (503), not a fault of ours
    """Temporal, or every worker, is away. Nothing was changed; the caller may repeat."""


class Engine:
    """Synchronous, for endpoints that run in FastAPI's threads; the client lives in the event loop."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def probe(self) -> None:
        """Return if Temporal answers.

        Raises:
            EngineAway: it does not.
        """
        self._call(lambda: self.client.service_client.check_health(timeout=PROBE_WITHIN))

    def update(self, workflow_id: str, name: str, argument: BaseModel, answer: type[Answer]) -> Answer:
        """Ask a process to do something, and wait for its yes or no.

        Raises:
            Refusal: the process says no, or has ended.
            EngineAway: nobody answered in time. The act may still happen: it is safe to repeat it.
        """

        async def ask() -> Answer:
            handle = self.client.get_workflow_handle(workflow_id)
            result = await handle.execute_update(name, argument, result_type=answer, rpc_timeout=ANSWER_WITHIN)
            return cast(Answer, result)

        return self._call(ask)

    def _call(self, question: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        try:
            return anyio.from_thread.run(question)
        except WorkflowUpdateFailedError as failure:
            raise refusal_of(failure) from failure
        except WorkflowUpdateRPCTimeoutOrCancelledError as failure:
            raise EngineAway from failure
        except RPCError as failure:
            if failure.status == RPCStatusCode.NOT_FOUND:
                raise conflict("process_ended", "This process has ended: it takes no further acts.") from failure
            if failure.status in _AWAY:
                raise EngineAway from failure
            raise


_AWAY = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.ABORTED,
}


def refusal_of(failure: WorkflowUpdateFailedError) -> Refusal:
    """The business refusal that a process answered with; any other failure is raised as it is."""
    cause: BaseException | None = failure.cause
    while cause is not None:
        if isinstance(cause, ApplicationError) and cause.details:
            kind, errors = cause.details
            return Refusal(RefusalKind(kind), cause.type or "refused", cause.message, errors)
        cause = cause.__cause__
    raise failure
