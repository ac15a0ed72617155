"""Threads of the banks' own: who pays must not wait behind staff whose requests wait for the workflow engine.

Endpoints stay plain functions. The framework's way to run one in a thread costs three times as much as this, and it
goes there a second time to check the answer.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any, Final, ParamSpec, TypeVar

from fastapi.routing import APIRoute

AT_ONCE: Final = 16
"""More than the connections of one bank, and fewer than a process has to its database: some are left for staff."""

_threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="bank")
Given = ParamSpec("Given")
Answer = TypeVar("Answer")


def in_bank_thread(function: Callable[Given, Answer]) -> Callable[Given, Awaitable[Answer]]:
    """The same function, to be awaited while one of the banks' threads runs it."""

    @wraps(function)
    async def run(*args: Given.args, **kwargs: Given.kwargs) -> Answer:
        call = partial(copy_context().run, function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(_threads, call)

    return run


class BankRoute(APIRoute):
    """A route whose plain function runs in one of the banks' threads: `APIRouter(route_class=BankRoute)`."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint if iscoroutinefunction(endpoint) else in_bank_thread(endpoint), **more)
