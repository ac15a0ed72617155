"""What is counted and logged of each request."""

import time
from functools import cache
from uuid import UUID

import structlog
from fastapi.routing import APIRoute
from prometheus_client import Counter, Histogram
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import problems

_log = structlog.get_logger()
_requests = Counter("abonent_http_requests_total", "Requests", ["method", "route", "status"])
_seconds = Histogram("abonent_http_request_seconds", "Time to answer", ["method", "route"])
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
"""A caller may make up any other; none of those becomes a label of its own."""
_UNLOGGED = {"/healthz", "/readyz", "/metrics"}


class Observation:
    """ASGI middleware: requests by route, not by path, since paths may hold an IIN or a phone number.

    It also answers failures that nobody else has answered, and keeps answers out of caches on the way: they are about
    people and change by themselves.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request through, and say what became of it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except Exception as failure:
            if status:
                raise
            await problems.internal_error(failure, route=_route_of(scope))(scope, receive, observed)
        _report(scope, status, time.perf_counter() - started)


def _report(scope: Scope, status: int, took_seconds: float) -> None:
    route = _route_of(scope)
    method = scope["method"] if scope["method"] in _METHODS else "other"
    requests, seconds = _figures(method, route, status)
    requests.inc()
    seconds.observe(took_seconds)
    if route not in _UNLOGGED:
        _log.info(
            "request", method=method, route=route, status=status, ms=round(took_seconds * 1000, 1),
            actor=scope.get("state", {}).get("actor"), process_id=_process_of(scope),
        )  # fmt: skip


@cache
def _figures(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    """Looking them up by their labels takes longer than counting."""
    return _requests.labels(method, route, status), _seconds.labels(method, route)


def _route_of(scope: Scope) -> str:
    route = scope.get("route")
    return route.path if isinstance(route, APIRoute) else "none"


def _process_of(scope: Scope) -> str | None:
    """The process that the path names; what isn't an id may be anything, and is not logged."""
    try:
        return str(UUID(scope["path_params"]["process_id"]))
    except (KeyError, ValueError):
        return None
