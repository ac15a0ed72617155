"""Limits on sizes and rates, applied before a request costs anything."""

import hashlib
import time
from collections import Counter

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import client_address
from api.problems import problem
from settings import Settings

_UNAUTHORISED = 401
_MOST_DISCARDED_BYTES = 64 * 1024 * 1024
FILES = frozenset({"/bank/v1/registries", "/v1/bank-statements"})
"""Where whole files are sent: a large bank's day is a few megabytes."""


class Rate:
    """So many hits for each key in each second of the clock; when a second is over, all of it is forgotten.

    For one event loop: nothing else counts at the same time.
    """

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._second = 0
        self._hits: Counter[tuple[str, str]] = Counter()

    def has_room(self, kind: str, key: str) -> bool:
        """Whether another hit would be within the rate."""
        second = int(time.monotonic())
        if second != self._second:
            self._second = second
            self._hits.clear()
        return self._hits[kind, key] < self._per_second

    def hit(self, kind: str, key: str) -> bool:
        """Count a hit; answers whether it was within the rate."""
        if not self.has_room(kind, key):
            return False
        self._hits[kind, key] += 1
        return True


class Limits:
    """ASGI middleware: bodies up to a size, and so many requests a second for each credential.

    The rate is counted per API process. Requests without credentials, and those whose credentials turn out to be
    wrong, are counted by the caller's address, so that guessing is slow however many tokens are tried.
    """

    def __init__(self, app: ASGIApp, *, settings: Settings) -> None:
        self._app = app
        self._max_body_bytes = settings.max_body_bytes
        self._max_file_bytes = max(settings.max_body_bytes, settings.max_registry_bytes)
        self._trusted_proxies = settings.trusted_proxies
        self._rate = Rate(settings.requests_per_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 413 or 429 by itself, or let the request through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        address = client_address(request, self._trusted_proxies)
        if not self._may_ask(request, address):
            answer = problem(
                429, "too_many_requests", "Slow down: repeat the request in a second.", headers={"Retry-After": "1"}
            )
            await answer(scope, receive, send)
            return
        most_bytes = self._max_file_bytes if scope["path"] in FILES else self._max_body_bytes
        body = await self._body(request, receive, most_bytes)
        if body is None:
            answer = problem(413, "body_too_large", f"Send at most {most_bytes} bytes.")
            await answer(scope, receive, send)
            return
        await self._app(scope, _replay(body, receive), self._counting_wrong_credentials(address, send))

    def _may_ask(self, request: Request, address: str) -> bool:
        credential = request.headers.get("authorization")
        if credential is None:
            return self._rate.hit("address", address)
        if not self._rate.has_room("wrong", address):
            return False
        return self._rate.hit("credential", hashlib.sha256(credential.encode()).hexdigest())

    def _counting_wrong_credentials(self, address: str, send: Send) -> Send:
        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == _UNAUTHORISED:
                self._rate.hit("wrong", address)
            await send(message)

        return counted

    @staticmethod
    async def _body(request: Request, receive: Receive, most_bytes: int) -> bytes | None:
        """The body, or None where it is too large.

        What is too large is read and thrown away, up to a point: a caller who is cut off while sending would see a
        broken connection and never the answer.
        """
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > _MOST_DISCARDED_BYTES:
            return None
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] != "http.request":
                break
            chunk = message.get("body", b"")
            size += len(chunk)
            if size <= most_bytes:
                chunks.append(chunk)
            else:
                chunks.clear()
            if size > _MOST_DISCARDED_BYTES or not message.get("more_body", False):
                break
        return b"".join(chunks) if size <= most_bytes else None


def _replay(body: bytes, receive: Receive) -> Receive:
    given = False

    async def next_message() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return next_message
