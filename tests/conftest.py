"""What tests share: a real PostgreSQL with the real migrations and real Temporal servers, one set for each process.

`database` is migrated and seeded. `temporal` is the development server (everything, real time); `time_skipping()`
gives a fresh server in which days pass at once. Both have `.client`, `.run(coroutine)` and `.workers(build)`.
"""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from models.database import Database
from tests import shared_policies
from tests.databases import database_of_its_own
from tests.engines import TemporalServer, needs_time_skipping
from workers.local_servers import PostgreSQL

settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
"""How long an example takes says how busy the machine is, and nothing of the program."""

NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""What a test commits need not survive a power cut; everything else is as in production."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, so that no worker is left alone with it in the end."""
    items.sort(key=lambda item: item.get_closest_marker("stack") is None)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A migrated database with the reference data."""
    folder = Path(tempfile.mkdtemp(prefix="abonent-pg-"))
    try:
        with (
            PostgreSQL(folder / "data", options=NOT_DURABLE).running() as server,
            database_of_its_own(server.url) as database,
        ):
            yield database.url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def database(postgres_url: str) -> Iterator[Database]:
    """The database as the program sees it, seeded. Tests share it and use ids of their own."""
    with closing(Database(postgres_url)) as database:
        shared_policies.SHARED.append(database)
        yield database


@pytest.fixture(scope="module", autouse=True)
def _policies_end_with_their_module() -> Iterator[None]:
    yield
    shared_policies.back_to_defaults()


@pytest.fixture(scope="session")
def temporal() -> Iterator[TemporalServer]:
    """Temporal's development server. Tests share it and use task queues and workflow ids of their own."""
    server = TemporalServer.local()
    yield server
    server.stop()


@pytest.fixture
def time_skipping() -> Iterator[Callable[[], TemporalServer]]:
    """`time_skipping()` starts a fresh server in which timers pass at once while a result is awaited."""
    needs_time_skipping()
    servers: list[TemporalServer] = []

    def start() -> TemporalServer:
        servers.append(TemporalServer.time_skipping())
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
