"""The front door: every route, its errors, limits and logs, wired to the parts it stands on."""

import time
from collections.abc import Awaitable, Callable

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from prometheus_client import Counter, Histogram

from api import (
    bank,
    billing,
    connections,
    documents,
    messages,
    policies,
    problems,
    processes,
    reference,
    subscribers,
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
    )
    app.state.context = Context(settings, database, engine)
    problems.install(app)
    for part in (
        subscribers, connections, processes, tasks, billing, messages, documents, policies, reference, bank, webhooks,
        system,
    ):  # fmt: skip
        app.include_router(part.router)
    app.middleware("http")(_observe)
    app.add_middleware(Limits, settings=settings)
    return app


async def _observe(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Count and log each request: by route, not by path, since paths may hold an IIN or a phone number."""
    started = time.perf_counter()
    response = await call_next(request)
    route = request.scope.get("route")
    name = route.path if isinstance(route, APIRoute) else "none"
    took = time.perf_counter() - started
    _requests.labels(request.method, name, response.status_code).inc()
    _seconds.labels(request.method, name).observe(took)
    if name not in {"/healthz", "/readyz", "/metrics"}:
        _log.info(
            "request", method=request.method, route=name, status=response.status_code, ms=round(took * 1000, 1),
            actor=getattr(request.state, "actor", None),
        )  # fmt: skip
    return response
