"""How the program reaches PostgreSQL: one engine a process, one transaction a step."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker


class Database:
    """The connection pool. Connects at the first use, never at import or construction."""

    def __init__(self, url: str, *, pool_size: int = 20) -> None:
        """Take a `postgresql://` address; `pool_size` is the greatest number of connections."""
        self.url = url
        self.engine: Engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_use_lifo=True,  # few connections with their statements prepared, rather than all of them half warm
            pool_timeout=10,  # a bank waits 15 s: better told to ask again than left without an answer
            pool_pre_ping=False,
            pool_recycle=1800,
            hide_parameters=True,  # an error text must not quote a name or a phone
            connect_args={
                "options": "-c timezone=UTC -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s",
                "connect_timeout": 5,
            },
        )
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self._readers = sessionmaker(
            self.engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False, autoflush=False
        )

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._sessions.begin() as session:
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """For look-ups of one statement each: every statement sees the newest state, without BEGIN and COMMIT."""
        with self._readers() as session:
            yield session

    def ping(self) -> None:
        """Answer only if the database does.

        Raises:
            sqlalchemy.exc.OperationalError: it doesn't.
        """
        with self.engine.connect() as connection:
            connection.execute(text("SELECT 1"))

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()
