"""The workflow engine as the API sees it: a few questions and acts, each with an answer or a clear 503."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar, cast

import anyio.from_thread
from pydantic import BaseModel
from temporalio.client import (
    Client,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowUpdateFailedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from models.contracts.engine import STEP_UNAVAILABLE
from models.contracts.refusals import Refusal, RefusalKind, conflict

ANSWER_WITHIN = timedelta(seconds=10)
PROBE_WITHIN = timedelta(seconds=2)
START_WITHIN = timedelta(seconds=3)
"""A process is started some 50 ms after it was written down; an act that comes sooner waits for it."""
_LOOK_AGAIN_SECONDS = 0.1
ASKERS_WHILE_AWAY = 4
"""Whoever waits for an answer holds one of the API's threads, and banks and readers need those too."""

Answer = TypeVar("Answer", bound=BaseModel)
Result = TypeVar("Result")


class EngineAway(Exception):  # noqa: N818 - an answer to the caller (503), not a fault of ours
    """Temporal, or every worker, is away. Nothing was changed; the caller may repeat."""


class Engine:
    """Synchronous, for endpoints that run in FastAPI's threads; the client lives in the event loop."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._is_away = False
        self._askers_while_away = threading.BoundedSemaphore(ASKERS_WHILE_AWAY)

    def probe(self) -> None:
        """Return if Temporal answers.

        Raises:
            EngineAway: it does not.
        """
        if not self._call(lambda: self.client.service_client.check_health(timeout=PROBE_WITHIN), PROBE_WITHIN):
            raise EngineAway

    def has_ended(self, workflow_id: str) -> bool:
        """Whether a process that was started has ended; one that nobody has started yet has not.

        Raises:
            EngineAway: nobody answered in time.
        """

        async def ask() -> bool:
            try:
                description = await self.client.get_workflow_handle(workflow_id).describe(rpc_timeout=PROBE_WITHIN)
            except RPCError as failure:
                if failure.status == RPCStatusCode.NOT_FOUND:
                    return False
                raise
            return description.status is not WorkflowExecutionStatus.RUNNING

        return self._call(ask, PROBE_WITHIN)

    def update(self, workflow_id: str, name: str, argument: BaseModel, answer: type[Answer]) -> Answer:
        """Ask a process to do something, and wait for its yes or no.

        Raises:
            Refusal: the process says no, or has ended.
            EngineAway: nobody answered in time. The act may still happen: it is safe to repeat it.
        """

        async def ask() -> Answer:
            handle = self.client.get_workflow_handle(workflow_id)
            try:
                result = await handle.execute_update(name, argument, result_type=answer, rpc_timeout=ANSWER_WITHIN)
            except RPCError as failure:
                if failure.status != RPCStatusCode.NOT_FOUND:
                    raise
                await _started(handle)
                result = await handle.execute_update(name, argument, result_type=answer, rpc_timeout=ANSWER_WITHIN)
            return cast(Answer, result)

        return self._call(ask, ANSWER_WITHIN)

    def _call(self, question: Callable[[], Coroutine[Any, Any, Result]], within: timedelta) -> Result:
        """The answer. While nobody answers, only a few at a time find out whether that has changed."""
        if not self._is_away:
            return self._ask(question, within)
        if not self._askers_while_away.acquire(blocking=False):
            raise EngineAway
        try:
            return self._ask(question, within)
        finally:
            self._askers_while_away.release()

    def _ask(self, question: Callable[[], Coroutine[Any, Any, Result]], within: timedelta) -> Result:
        try:
            answer = self._answer(question, within)
        except EngineAway:
            self._is_away = True
            raise
        except Refusal:
            self._is_away = False
            raise
        self._is_away = False
        return answer

    def _answer(self, question: Callable[[], Coroutine[Any, Any, Result]], within: timedelta) -> Result:
        async def ask() -> Result:
            # The client's own time-outs bound neither connecting nor waiting for an accepted update.
            async with asyncio.timeout(within.total_seconds()):
                return await question()

        try:
            return anyio.from_thread.run(ask)
        except WorkflowUpdateFailedError as failure:
            raise refusal_of(failure) from failure
        except (WorkflowUpdateRPCTimeoutOrCancelledError, TimeoutError) as failure:
            raise EngineAway from failure
        except RPCError as failure:
            if failure.status == RPCStatusCode.NOT_FOUND:
                raise conflict("process_ended", "This process has ended: it takes no further acts.") from failure
            if failure.status in _AWAY:
                raise EngineAway from failure
            raise
        except RuntimeError as failure:
            # What the client raises where it can't connect has no type of its own.
            if str(failure).startswith(_CANNOT_CONNECT):
                raise EngineAway from failure
            raise


_AWAY = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.ABORTED,
    # A signal came in while the process was ending with the answer: it does both again.
    RPCStatusCode.FAILED_PRECONDITION,
}
_CANNOT_CONNECT = "Failed client connect"
_ENDED_BEFORE_ITS_ANSWER = "AcceptedUpdateCompletedWorkflow"
"""The engine's own word for a process that was terminated while it worked on an update."""


async def _started(handle: WorkflowHandle[Any, Any]) -> None:
    """Return once the process has been started, whether or not it has ended since.

    Raises:
        EngineAway: it was written down, but nobody has started it yet.
    """
    until = asyncio.get_running_loop().time() + START_WITHIN.total_seconds()
    while True:
        try:
            await handle.describe(rpc_timeout=PROBE_WITHIN)
        except RPCError as failure:
            if failure.status != RPCStatusCode.NOT_FOUND:
                raise
            if asyncio.get_running_loop().time() >= until:
                raise EngineAway from failure
        else:
            return
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


def refusal_of(failure: WorkflowUpdateFailedError) -> Refusal:
    """The business refusal that a process answered with; any other failure is raised as it is.

    Raises:
        EngineAway: the process could not do it for an outage of the database.
    """
    cause: BaseException | None = failure.cause
    while cause is not None:
        if isinstance(cause, ApplicationError):
            if cause.type == STEP_UNAVAILABLE:
                raise EngineAway from failure
            if cause.type == _ENDED_BEFORE_ITS_ANSWER:
                return conflict("process_ended", "This process was ended meanwhile: read it again before you go on.")
            if len(cause.details) == _FACTS_OF_A_REFUSAL:
                kind, errors = cause.details
                return Refusal(RefusalKind(kind), cause.type or "refused", cause.message, errors)
        cause = cause.__cause__
    raise failure


_FACTS_OF_A_REFUSAL = 2
"""Its kind and the errors of its fields: see `activities.failures.as_application_error`."""
