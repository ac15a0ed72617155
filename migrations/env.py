"""Alembic's entry: migrates the database whose address the caller hands over."""

from alembic import context
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url

from models.tables import Base

ADVISORY_LOCK = 0x61626F6E
"""Two migrations started at once: the second waits and then finds nothing to do."""


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=Base.metadata, compare_type=True)
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    url = context.config.get_main_option("sqlalchemy.url")
    assert url is not None, "call migrations.upgrade(url)"
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.connect() as fresh:
        _run(fresh)
    engine.dispose()
