"""Look-ups: statements of one moment that write nothing, asked in a transaction or on an event loop alike.

On an event loop they have connections of their own and no thread: going to a thread and back, and SQLAlchemy's part of
a statement, cost more than all the rest of answering a bank's look-up.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, NamedTuple

from psycopg import AsyncConnection, AsyncCursor, OperationalError
from psycopg.pq import TransactionStatus
from psycopg.rows import namedtuple_row
from sqlalchemy.orm import Session

AT_ONCE: Final = 10
"""Connections of a process, each opened when it is first needed."""
WAIT_SECONDS: Final = 10
"""For one of them to come free: a bank waits 15 s."""
_OLDEST_SECONDS: Final = 1800


class Query(NamedTuple):
    """A statement as the driver takes it (`%(name)s`), and its parameters."""

    statement: str
    parameters: Mapping[str, object]


Ask = Callable[[Query], Awaitable[Sequence[Any]]]
"""Asks, and answers the rows, whose columns are attributes."""


def ask_in(session: Session, query: Query) -> Sequence[Any]:
    """The rows, in the session's transaction."""
    return session.connection().exec_driver_sql(query.statement, query.parameters).all()


class Lookups:
    """The connections. Any event loop may use them, as long as one does at a time."""

    def __init__(self, url: str, **options: Any) -> None:
        """Take a `postgresql://` address and the options of a connection; connects at the first use."""
        self._url = url
        self._options = options
        self._places = asyncio.Semaphore(AT_ONCE)
        self._idle: list[tuple[float, AsyncCursor[Any]]] = []
        """Since when each is connected. A cursor costs something to make, so each connection keeps its own."""

    @asynccontextmanager
    async def asking(self) -> AsyncIterator[Ask]:
        """Ask on one connection until the block ends; each statement sees the newest state.

        Raises:
            psycopg.OperationalError: the database is away, or no connection came free in time.
        """
        await self._place()
        try:
            since, cursor = await self._connected()
            try:
                yield partial(_rows, cursor)
            finally:
                if cursor.connection.pgconn.transaction_status == TransactionStatus.IDLE:
                    self._idle.append((since, cursor))
                else:
                    # Lost, or left in the middle. Where the server went away, the others are of no use either.
                    cursor.connection.pgconn.finish()
                    self.close()
        finally:
            self._places.release()

    def close(self) -> None:
        """Close what is not in use. Not asynchronous: nothing is waited for, on whichever loop it was opened."""
        while self._idle:
            _, cursor = self._idle.pop()
            cursor.connection.pgconn.finish()

    async def _place(self) -> None:
        try:
            async with asyncio.timeout(WAIT_SECONDS):
                await self._places.acquire()
        except TimeoutError:
            raise OperationalError("all connections for look-ups are in use") from None

    async def _connected(self) -> tuple[float, AsyncCursor[Any]]:
        now = time.monotonic()
        while self._idle:
            since, cursor = self._idle.pop()
            if now - since < _OLDEST_SECONDS:
                return since, cursor
            cursor.connection.pgconn.finish()
        connection = await AsyncConnection.connect(
            self._url, autocommit=True, row_factory=namedtuple_row, **self._options
        )
        return now, connection.cursor()


async def _rows(cursor: AsyncCursor[Any], query: Query) -> Sequence[Any]:
    await cursor.execute(query.statement, query.parameters)
    return await cursor.fetchall()
