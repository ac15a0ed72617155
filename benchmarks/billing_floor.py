"""The floor of a billing run: the rows that it wrote, written again by plain INSERT … SELECT."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

import psycopg
from servers import Servers
from sqlalchemy import make_url

_WRITTEN: Final = {
    "process": "SELECT * FROM process WHERE opened_at >= {since}",
    "invoice": "SELECT * FROM invoice WHERE created_at >= {since}",
    "invoice_line": "SELECT invoice_line.* FROM invoice_line JOIN invoice ON invoice.id = invoice_id "
    "WHERE created_at >= {since}",
    "recalculation": "SELECT * FROM recalculation WHERE created_at >= {since}",
    "recalculation_line": "SELECT recalculation_line.* FROM recalculation_line "
    "JOIN recalculation ON recalculation.id = recalculation_id WHERE created_at >= {since}",
    "credit_note": "SELECT * FROM credit_note WHERE created_at >= {since}",
    "credit_note_line": "SELECT credit_note_line.* FROM credit_note_line "
    "JOIN credit_note ON credit_note.id = credit_note_id WHERE created_at >= {since}",
    "allocation": "SELECT * FROM allocation WHERE allocated_at >= {since}",
    "transfer": "SELECT * FROM transfer WHERE posted_at >= {since}",
}
"""What a run writes, and how to find it; in an order in which it can be written again."""
_BALANCES: Final = "SELECT chart_code, sum(balance_minor) FROM ledger_balance GROUP BY chart_code ORDER BY chart_code"


class BillingFailedError(Exception):
    """The run went wrong, or its ledger is."""


@dataclass(frozen=True)
class Floor:
    """What it took to write the rows alone."""

    seconds: float
    cpu_seconds: float
    rows: dict[str, int]


def copy_of(database_url: str) -> str:
    """The address of a copy of the database, to which nobody may be connected."""
    url, name = make_url(database_url), f"floor_{uuid4().hex[:8]}"
    admin = url.set(database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(admin, autocommit=True) as connection:
        # Copied as files: the other way would write all of it into the log, to be paid for by whoever comes next.
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {url.database} STRATEGY file_copy".encode())
        connection.execute("CHECKPOINT")
    return url.set(database=name).render_as_string(hide_password=False)


def maintain(database_url: str) -> None:
    """What autovacuum would have done by the next month."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def now(database_url: str) -> datetime:
    """The time by the database's clock."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    instant: datetime = row[0]
    return instant


def write_again(parts: Servers, url: str, *, since: datetime) -> Floor:
    """Write what was written since then once more, into the copy at `url`.

    Raises:
        BillingFailedError: the copy ends with other balances.
    """
    with psycopg.connect(parts.database_url) as source, psycopg.connect(url) as target:
        rows = {table: _carry(source, target, table, since) for table in _WRITTEN}
        target.commit()
        target.autocommit = True
        target.execute("CHECKPOINT")
        target.autocommit = False
        cpu_before, began = parts.cpu_seconds()["PostgreSQL"], time.perf_counter()
        for table in _WRITTEN:
            target.execute(f"INSERT INTO {table} SELECT * FROM written_{table}".encode())
        target.commit()
        seconds, cpu_seconds = time.perf_counter() - began, parts.cpu_seconds()["PostgreSQL"] - cpu_before
        if source.execute(_BALANCES).fetchall() != target.execute(_BALANCES).fetchall():
            raise BillingFailedError("the floor came to other balances than the run")
    return Floor(seconds, cpu_seconds, rows)


def _carry(source: psycopg.Connection[Any], target: psycopg.Connection[Any], table: str, since: datetime) -> int:
    """Take the rows of a table over, for the floor to find them in its own database; answers how many."""
    target.execute(f"CREATE UNLOGGED TABLE written_{table} (LIKE {table})".encode())
    wanted = _WRITTEN[table].format(since=f"'{since.isoformat()}'")
    with (
        source.cursor() as reading,
        target.cursor() as writing,
        reading.copy(f"COPY ({wanted}) TO STDOUT (FORMAT BINARY)".encode()) as rows,
        writing.copy(f"COPY written_{table} FROM STDIN (FORMAT BINARY)".encode()) as copy,
    ):
        for piece in rows:
            copy.write(piece)
    target.execute(f"ANALYZE written_{table}".encode())
    (count,) = target.execute(f"SELECT count(*) FROM written_{table}".encode()).fetchone() or (0,)
    return int(count)
