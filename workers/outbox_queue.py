"""The outbox as the relay uses it: one connection that leads, reads what waits, and notes what was told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Integer, Text, all_, bindparam, select, text
from sqlalchemy.orm import Session

from activities.outbox import is_waiting
from models.database import Database
from models.tables.outbox import Outbox
from workers.backlog import observe

ADVISORY_LOCK: Final = 0x72656C6179
"""Whoever holds it is the relay that leads."""
BATCH: Final = 500
KEPT_FOR: Final = timedelta(days=7)
"""How long a delivered row stays, for whoever asks what was told."""


@dataclass(frozen=True)
class Row:
    """Something to tell a workflow."""

    id: UUID
    workflow_id: str
    workflow_type: str | None
    task_queue: str | None
    start_input: dict[str, Any] | None
    signal: str | None
    signal_input: dict[str, Any] | None
    attempts: int
    due_in_seconds: float
    """How long it waits for its next attempt; nothing or less: it is due."""


@dataclass(frozen=True)
class Told:
    """A row that was delivered, and what is worth noting about it."""

    id: UUID
    note: str | None


@dataclass(frozen=True)
class Failure:
    """A row that was not delivered, why, and how long to wait."""

    id: UUID
    error: str
    pause_seconds: float


# Asked many times a second: made once. What waits is said by `activities.outbox` alone.
_WAITING = (
    select(
        Outbox.id,
        Outbox.workflow_id,
        Outbox.workflow_type,
        Outbox.task_queue,
        Outbox.start_input,
        Outbox.signal,
        Outbox.signal_input,
        Outbox.attempts,
        text("extract(epoch FROM next_attempt_at - clock_timestamp())::float8"),
    )
    .where(is_waiting(), Outbox.workflow_id != all_(bindparam("but_not", type_=ARRAY(Text))))
    .order_by(Outbox.id)
    .limit(bindparam("batch", type_=Integer))
)
_TOLD = text("""
    UPDATE outbox SET delivered_at = clock_timestamp(), last_error = coalesce(told.note, last_error)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:notes AS text[])) AS told (id, note)
    WHERE outbox.id = told.id AND delivered_at IS NULL
""")
_FAILED = text("""
    UPDATE outbox SET attempts = attempts + 1, last_error = failed.error,
                      next_attempt_at = clock_timestamp() + make_interval(secs => failed.pause)
    FROM unnest(CAST(:ids AS uuid[]), CAST(:errors AS text[]), CAST(:pauses AS float8[])) AS failed (id, error, pause)
    WHERE outbox.id = failed.id AND delivered_at IS NULL
""")
_FORGET = text("DELETE FROM outbox WHERE id < :before AND delivered_at IS NOT NULL")


class OutboxQueue:
    """Blocking calls, each a transaction of its own; used by one thread at a time."""

    def __init__(self, database: Database) -> None:
        """Open a connection of its own, which is never given back to the pool: the lock lives and dies with it.

        Raises:
            sqlalchemy.exc.DBAPIError: the database is away, as with every other call.
        """
        self._connection = database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.detach()
        # A mark that is lost in a crash of the server is a repeated telling, which is allowed.
        self._connection.execute(text("SET synchronous_commit = off"))

    def take_the_lead(self) -> bool:
        """Become the relay that leads, unless another one does."""
        locked = self._connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
        return bool(locked.scalar_one())

    def waiting(self, but_not: Sequence[str]) -> list[Row]:
        """Rows that are yet to be told, oldest first, without those of the workflows named."""
        rows = self._connection.execute(_WAITING, {"but_not": list(but_not), "batch": BATCH})
        return [Row(*row) for row in rows]

    def record(self, told: Sequence[Told], failures: Sequence[Failure]) -> None:
        """Note what was told and what was not."""
        if told:
            self._connection.execute(_TOLD, {"ids": [one.id for one in told], "notes": [one.note for one in told]})
        if failures:
            self._connection.execute(
                _FAILED,
                {
                    "ids": [one.id for one in failures],
                    "errors": [one.error for one in failures],
                    "pauses": [one.pause_seconds for one in failures],
                },
            )

    def observe(self) -> None:
        """Show the backlog in the metrics of this process."""
        with Session(self._connection) as session:
            observe(session)

    def forget_what_was_told_long_ago(self) -> None:
        """Remove delivered rows after their time; the id tells their age."""
        before = datetime.now(tz=UTC) - KEPT_FOR
        self._connection.execute(_FORGET, {"before": first_id_at(before)})

    def close(self) -> None:
        """Give up the lead and the connection."""
        self._connection.close()


def first_id_at(instant: datetime) -> UUID:
    """The least UUIDv7 that could be made at an instant."""
    milliseconds = int(instant.timestamp() * 1000)
    return UUID(int=milliseconds << 80 | 0x7 << 76 | 0x2 << 62)
