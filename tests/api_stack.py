"""The fixture `api`: the whole API behind a socket, one for all tests of a pytest process that ask for it.

A test module has it by `pytest_plugins = ("tests.api_stack",)`.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from models.contracts.people import Language, Role
from settings import Settings
from tests import factories, shared_policies
from tests.api_world import TEMPORAL_UI, ApiStack, relayed, served
from tests.databases import database_of_its_own
from tests.engines import TemporalServer


@pytest.fixture(scope="session")
def api(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiStack]:
    """The API, its workers and its relay on a database and a Temporal server of their own."""
    with ExitStack() as stack:
        database = stack.enter_context(database_of_its_own(postgres_url, pool_size=40))
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
        client = stack.enter_context(httpx.Client(base_url=url, timeout=120))
        stack.enter_context(relayed(server, database))
        running = ApiStack(settings, database, server, url, client, staff, bank)
        running.start_workers()
        stack.callback(running.stop_workers)
        yield running
