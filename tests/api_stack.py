"""The fixture `api`: the whole API behind a socket, one for all tests of a pytest process that ask for it.

A test module has it by `pytest_plugins = ("tests.api_stack",)`.
"""

from collections.abc import Iterator
from contextlib import ExitStack, closing

import httpx
import psycopg
import pytest
from sqlalchemy import make_url

import migrations
from models.contracts.people import Language, Role
from models.database import Database
from settings import Settings
from tests import factories, shared_policies
from tests.api_world import TEMPORAL_UI, ApiStack, relayed, served
from tests.engines import TemporalServer
from workers import seed


def _database_beside(postgres_url: str, name: str) -> Database:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
    migrations.upgrade(url)
    database = Database(url, pool_size=40)
    with database.transaction() as session:
        seed.seed(session)
    return database


@pytest.fixture(scope="session")
def api(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiStack]:
    """The API, its workers and its relay on a database and a Temporal server of their own."""
    with ExitStack() as stack:
        database = stack.enter_context(closing(_database_beside(postgres_url, "api")))
        shared_policies.SHARED.append(database)
        server = TemporalServer.local()
        stack.callback(server.stop)
        settings = Settings(
            environment="local",
            local_dir=tmp_path_factory.mktemp("api"),
            temporal_address=server.client.service_client.config.target_host,
            temporal_ui_url=TEMPORAL_UI,
            requests_per_second=10_000,
        )
        with database.transaction() as session:
            staff = {role: factories.staff(session, role) for role in Role}
            for login in staff.values():
                login.row.language = Language.EN
            bank = factories.bank(session)
        url = stack.enter_context(served(settings, database))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=60))
        stack.enter_context(relayed(server, database))
        running = ApiStack(settings, database, server, url, client, staff, bank)
        running.start_workers()
        stack.callback(running.stop_workers)
        yield running
