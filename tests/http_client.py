"""A synchronous client for a FastAPI app in the same process, without a socket."""

import asyncio
import threading
from functools import cache
from typing import Any, cast

import httpx
from fastapi import APIRouter, FastAPI

from api import problems
from api.context import Context
from api.engine import Engine
from models.database import Database
from settings import Settings


@cache
def _loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="api", daemon=True).start()
    return loop


class ApiClient:
    """All requests run in one event loop, as they do in an API process; whoever asks waits in a thread of their own."""

    def __init__(self, app: FastAPI, *, address: str = "127.0.0.1") -> None:
        self._transport = httpx.ASGITransport(app, client=(address, 50_000))

    def request(self, method: str, path: str, **request: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://api") as client:
                return await client.request(method, path, **request)

        return asyncio.run_coroutine_threadsafe(ask(), _loop()).result()

    def get(self, path: str, **request: Any) -> httpx.Response:
        return self.request("GET", path, **request)

    def post(self, path: str, **request: Any) -> httpx.Response:
        return self.request("POST", path, **request)

    def patch(self, path: str, **request: Any) -> httpx.Response:
        return self.request("PATCH", path, **request)


def api_with(database: Database, *routers: APIRouter) -> ApiClient:
    """A client for some routers that never need the workflow engine."""
    app = FastAPI()
    app.state.context = Context(Settings(), database, cast(Engine, None))
    for router in routers:
        app.include_router(router)
    problems.install(app)
    return ApiClient(app)
