"""How the program reaches PostgreSQL: one engine a process, one transaction a step."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session, sessionmaker

from models.lookups import Lookups


class Database:
    """The connection pool. Connects at the first use, never at import or construction."""

    def __init__(self, url: str, *, pool_size: int = 20) -> None:
        """Take a `postgresql://` address; `pool_size` is the greatest number of connections."""
        self.url = url
        connecting = {
            "options": "-c timezone=UTC -c lock_timeout=10s -c idle_in_transaction_session_timeout=60s",
            "connect_timeout": 5,
        }
        self.engine: Engine = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            pool_size=pool_size,
            max_overflow=0,
            pool_use_lifo=True,  # few connections with their statements prepared, rather than all of them half warm
            pool_timeout=10,  # a bank waits 15 s: better told to ask again than left without an answer
            pool_pre_ping=False,
            pool_recycle=1800,
            hide_parameters=True,  # an error text must not quote a name or a phone
            connect_args=connecting,
        )
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)
        self.lookups = Lookups(url, **connecting)
        """For event loops. Everything else is a transaction, in a thread."""

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self._sessions.begin() as session:
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
        self.lookups.close()
        self.engine.dispose()
