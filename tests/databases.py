"""Databases for tests: made once on a server, with all migrations and the reference data, and copied from then on."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from uuid import uuid4

import psycopg
from sqlalchemy import make_url

import migrations
from models.database import Database
from workers import seed

_FRESH: Final = "fresh"
"""What new databases are copies of; nobody is ever connected to it for longer than it takes to make it."""


@contextmanager
def database_of_its_own(server_url: str, *, pool_size: int = 20) -> Iterator[Database]:
    """A migrated and seeded database on this server that nobody else fills, until the block ends."""
    fresh_url = _at(server_url, _FRESH)
    with _admin(server_url) as admin:
        made = admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [_FRESH]).fetchone()
        if made is None:
            admin.execute(f"CREATE DATABASE {_FRESH}".encode())
            migrations.upgrade(fresh_url)
            _seed(fresh_url)
    with copy_of(fresh_url, pool_size=pool_size) as database:
        yield database


@contextmanager
def copy_of(template_url: str, *, pool_size: int = 20) -> Iterator[Database]:
    """A database that begins as the template, to which nobody may be connected; gone when the block ends."""
    name, template = f"copy_{uuid4().hex[:12]}", make_url(template_url).database
    with _admin(template_url) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy".encode())
    database = Database(_at(template_url, name), pool_size=pool_size)
    try:
        yield database
    finally:
        database.close()
        with _admin(template_url) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def _seed(url: str) -> None:
    database = Database(url)
    with database.transaction() as session:
        seed.seed(session)
    database.close()


@contextmanager
def _admin(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(_at(url, "template1"), autocommit=True) as connection:
        yield connection


def _at(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)
