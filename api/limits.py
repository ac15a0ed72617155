"""Limits on sizes and rates, applied before a request costs anything."""

import hashlib

from limits import RateLimitItemPerSecond
from limits.storage import MemoryStorage
from limits.strategies import FixedWindowRateLimiter
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem
from settings import Settings


class Limits:
    """ASGI middleware: bodies up to `max_body_bytes`, and so many requests a second for each credential.

    The rate is counted per API process. Without credentials the caller's address is what is counted, so that
    guessing tokens is slow as well.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._max_body_bytes = settings.max_body_bytes
        self._rate = RateLimitItemPerSecond(settings.requests_per_second)
        self._limiter = FixedWindowRateLimiter(MemoryStorage())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 or 429 by itself, or let the request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        if not self._limiter.hit(self._rate, _who(request)):
            answer = problem(
                429, "too_many_requests", "Slow down: repeat the request in a second.", headers={"Retry-After": "1"}
            )
            await answer(scope, receive, send)
            return
        body = await self._body(request, receive)
        if body is None:
            answer = problem(413, "body_too_large", f"Send at most {self._max_body_bytes} bytes.")
            await answer(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), send)

    async def _body(self, request: Request, receive: Receive) -> bytes | None:
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            return None
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return b"".join(chunks)
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > self._max_body_bytes:
                return None
            chunks.append(chunk)
            if not message.get("more_body", False):
                return b"".join(chunks)


def _who(request: Request) -> str:
    credential = request.headers.get("authorization")
    if credential is None:
        return request.client.host if request.client else "unknown"
    return hashlib.sha256(credential.encode()).hexdigest()


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message
