"""The front door: every route, its errors, limits and logs, wired to the parts it stands on."""

from fastapi import FastAPI

from api import (
    accounts,
    bank_statements,
    banks,
    billing,
    billing_runs,
    catalogue,
    connections,
    disconnections,
    docs,
    documents,
    dunning,
    equipment,
    invoices,
    local_sms,
    messages,
    openapi,
    outages,
    payment_orders,
    policies,
    problems,
    processes,
    promises,
    reconciliation,
    reference,
    registries,
    reports,
    request_reports,
    requests,
    subscribers,
    subscriptions,
    system,
    tariff_changes,
    tasks,
    transit_reports,
    webhooks,
)
from api.context import Context
from api.dialects import dialects
from api.engine import Engine
from api.faces import Faces
from api.limits import Limits
from api.observation import Observation
from models.database import Database
from settings import Settings


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
    # Routes are tried in this order: first those of the banks, who come by the hundred a second.
    for dialect in dialects():
        app.include_router(dialect.router)
    for part in (
        subscribers, subscriptions, connections, disconnections, tariff_changes, processes, tasks, invoices,
        accounts, payment_orders, billing, billing_runs, reports, dunning, promises, messages, documents, policies,
        outages, request_reports, requests, reference, catalogue, equipment, banks, registries, reconciliation,
        bank_statements, transit_reports, webhooks, system,
    ):  # fmt: skip
        app.include_router(part.router)
    if settings.sms_gateway == "local":
        app.include_router(local_sms.router)
    app.add_middleware(Observation)
    app.add_middleware(Limits, settings=settings)
    app.add_middleware(Faces)
    return app
