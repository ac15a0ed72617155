"""An API process: the app on uvicorn."""

import structlog
import uvicorn

from api.app import create_app
from api.engine import Engine
from models.database import Database
from settings import Settings
from workflows.engine import connect

FINISH_WITHIN_SECONDS = 10
_log = structlog.get_logger()


async def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or SIGINT; those under way are finished first.

    Starts whether or not PostgreSQL and Temporal are there: what needs neither is answered, all else gets a 503.
    """
    assert settings.database_url is not None, "the command line makes sure of it"
    database = Database(settings.database_url.get_secret_value())
    client = await connect(settings, lazy=True)
    config = uvicorn.Config(
        create_app(settings, database, Engine(client)),
        host=settings.api_host,
        port=settings.api_port or 8080,
        # The app logs requests itself, by route, since paths may hold personal data.
        access_log=False,
        log_config=None,
        server_header=False,
        # Whose X-Forwarded-For is believed is decided by the app.
        proxy_headers=False,
        timeout_graceful_shutdown=FINISH_WITHIN_SECONDS,
    )
    _log.info("api_starts", host=config.host, port=config.port)
    try:
        await uvicorn.Server(config).serve()
    finally:
        database.close()
