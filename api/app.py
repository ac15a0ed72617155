"""The front door: every route, its errors, limits and logs, wired to the parts it stands on."""

import time
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from prometheus_client import Counter, Histogram

from api import (
    bank,
    billing,
    billing_runs,
    catalogue,
    connections,
    docs,
    documents,
    invoices,
    messages,
    openapi,
    policies,
    problems,
    processes,
    reference,
    reports,
    subscribers,
    subscriptions,
    system,
    tasks,
    webhooks,
)
from api.context import Context
from api.engine import Engine
from api.limits import Limits
from models.database import Database
from settings import Settings

_log = structlog.get_logger()
_requests = Counter("abonent_http_requests_total", "Requests", ["method", "route", "status"])
_seconds = Histogram("abonent_http_request_seconds", "Time to answer", ["method", "route"])


def create_app(settings: Settings, database: Database, engine: Engine) -> FastAPI:
    """The API, ready to be served. Connects to nothing by itself."""
    app = FastAPI(
        title="Abonent",
        version="1",
        description="A telecom operator's work with its subscribers, as durable processes.",
        generate_unique_id_function=lambda route: route.name,
        # A redirect would be made up from whatever Host the caller names.
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.context = Context(settings, database, engine)
    problems.install(app)
    openapi.install(app)
    docs.install(app)
    for part in (
        subscribers, subscriptions, connections, processes, tasks, invoices, billing, billing_runs, reports, messages,
        documents, policies, reference, catalogue, bank, webhooks, system,
    ):  # fmt: skip
        app.include_router(part.router)
    app.middleware("http")(_observe)
    app.add_middleware(Limits, settings=settings)
    return app


async def _observe(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Count and log each request: by route, not by path, since paths may hold an IIN or a phone number."""
    started = time.perf_counter()
    try:
        response = await call_next(request)
    except Exception as failure:  # noqa: BLE001 - whatever comes is answered, and logged without its text
        response = problems.internal_error(failure, route=_route_of(request))
    # Answers are about people and change by themselves: nothing on the way keeps them.
    response.headers.setdefault("Cache-Control", "no-store")
    name = _route_of(request)
    method = request.method if request.method in _METHODS else "other"
    took = time.perf_counter() - started
    _requests.labels(method, name, response.status_code).inc()
    _seconds.labels(method, name).observe(took)
    if name not in {"/healthz", "/readyz", "/metrics"}:
        _log.info(
            "request", method=method, route=name, status=response.status_code, ms=round(took * 1000, 1),
            actor=getattr(request.state, "actor", None), process_id=_process_of(request),
        )  # fmt: skip
    return response


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
"""A caller may make up any other; none of those becomes a label of its own."""


def _route_of(request: Request) -> str:
    route = request.scope.get("route")
    return route.path if isinstance(route, APIRoute) else "none"


def _process_of(request: Request) -> str | None:
    """The process that the path names; what isn't an id may be anything, and is not logged."""
    try:
        return str(UUID(request.path_params["process_id"]))
    except (KeyError, ValueError):
        return None
