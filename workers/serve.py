"""An API process: the app on uvicorn."""

import socket

import structlog
import uvicorn
from fastapi import FastAPI

from api.app import create_app
from api.engine import Engine
from models.database import Database
from settings import Settings
from workers import garbage
from workers.http_reading import HttpReading
from workflows.engine import connect

FINISH_WITHIN_SECONDS = 10
_log = structlog.get_logger()


async def serve(settings: Settings, *, shares_port: bool = False) -> None:
    """Answer requests until SIGTERM or SIGINT; those under way are finished first.

    Starts whether or not PostgreSQL and Temporal are there: what needs neither is answered, all else gets a 503.
    """
    assert settings.database_url is not None, "the command line makes sure of it"
    database = Database(settings.database_url.get_secret_value())
    client = await connect(settings, lazy=True)
    app = create_app(settings, database, Engine(client))
    garbage.search_seldom()
    config = server_config(app, settings)
    _log.info("api_starts", host=config.host, port=config.port)
    try:
        sockets = [_shared_socket(config.host, config.port)] if shares_port else None
        await uvicorn.Server(config).serve(sockets)
    finally:
        database.close()


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """How the app is served."""
    return uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port or 8080,
        http=HttpReading,
        ws="none",
        lifespan="off",
        # The app logs requests itself, by route, since paths may hold personal data.
        access_log=False,
        log_config=None,
        server_header=False,
        # Whose X-Forwarded-For is believed is decided by the app.
        proxy_headers=False,
        timeout_graceful_shutdown=FINISH_WITHIN_SECONDS,
    )


def _shared_socket(host: str, port: int) -> socket.socket:
    """A socket beside those of other processes on the same port: the kernel deals connections out among them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Only of what says that it is TCP does asyncio switch Nagle's delay off, which costs 40 ms an answer.
    shared = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
        shared.setsockopt(socket.SOL_SOCKET, option, 1)
    shared.bind((host, port))
    return shared
