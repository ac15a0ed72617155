"""The floor of a bank's requests: pgbench with the statements that the product itself executes for one.

Nothing of them is copied by hand. The app answers a few requests in this process, and hooks on its engine and on the
connections of its look-ups write down each statement with its parameters, its result, and where transactions begin and
end. What changes from request to request, and is known from the request or from the result of an earlier statement,
becomes a variable of the script; all else stays as it was sent. So a statement that the product gains, loses or changes
is in the floor at once.
"""

import asyncio
import re
import resource
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self, cast
from uuid import uuid4

import httpx
import psycopg
from bank_load import PARALLEL, Timed
from psycopg import AsyncCursor, sql
from sqlalchemy import event

from api.app import create_app
from api.engine import Engine
from models.database import Database
from models.lookups import Lookups
from settings import load
from workers.local_servers import postgres_program

SAMPLES: Final = 3
"""Requests that are listened to: what changes between them is told from what does not."""
_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)s|%%")
_SHORTEST_PART: Final = 8
"""Something shorter inside a text may stand there by chance."""


class FloorFailedError(Exception):
    """The product's statements can't be run by pgbench, or did something else there."""


@dataclass
class Statement:
    """A statement as it was executed."""

    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    columns: Sequence[str] = ()
    row: Sequence[Any] = ()
    """The first row of the result."""


@contextmanager
def overheard(database: Database) -> Iterator[list[Statement]]:
    """What is executed until the block ends, in transactions and by look-ups."""
    said: list[Statement] = []

    def after_execute(_: Any, cursor: Any, statement: str, parameters: Any, __: Any, ___: bool) -> None:
        heard = Statement(statement, dict(parameters or {}))
        if cursor.description is not None:
            heard.columns = [column.name for column in cursor.description]
            rows = cursor.fetchall()
            if rows:
                heard.row = rows[0]
                cursor.scroll(0, mode="absolute")
        said.append(heard)

    hooks: dict[str, Callable[..., Any]] = {
        "after_cursor_execute": after_execute,
        "begin": lambda _: said.append(Statement("BEGIN")),
        "commit": lambda _: said.append(Statement("COMMIT")),
    }
    usual, database.lookups = database.lookups, Lookups(database.url, cursor_factory=_overheard_by(said))
    for name, hook in hooks.items():
        event.listen(database.engine, name, hook)
    try:
        yield said
    finally:
        for name, hook in hooks.items():
            event.remove(database.engine, name, hook)
        database.lookups.close()
        database.lookups = usual


def _overheard_by(said: list[Statement]) -> type[AsyncCursor[Any]]:
    class Heard(AsyncCursor[Any]):
        async def execute(self, query: Any, params: Any = None, **more: Any) -> Self:
            await super().execute(query, params, **more)
            heard = Statement(query, dict(params or {}), [column.name for column in self.description or ()])
            heard.row = await self.fetchone() or ()
            await self.scroll(0, mode="absolute")
            said.append(heard)
            return self

    return Heard


def overhear(database_url: str, requests: Sequence[dict[str, Any]]) -> list[list[Statement]]:
    """The statements of each request, which the app answers in this process.

    Raises:
        FloorFailedError: a request was refused.
    """
    database = Database(database_url, pool_size=1)
    app = create_app(load(), database, cast(Engine, None))

    async def ask(request: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api") as client:
            return await client.request(**request)

    found = []
    try:
        for request in requests:
            with overheard(database) as said:
                answer = asyncio.run(ask(request))
            if answer.is_error:
                raise FloorFailedError(f"{answer.status_code}: {answer.text}")
            found.append(said)
    finally:
        database.close()
    return found


@dataclass(frozen=True)
class Source:
    """Something that a parameter may have come from, and what it was in each sample."""

    name: str
    values: tuple[Any, ...]
    statement: int | None = None
    """Whose result it is; none for a fact of the request."""


class Script:
    """A pgbench script that does what the samples did, for facts of its own."""

    def __init__(
        self, samples: Sequence[Sequence[Statement]], facts: Mapping[str, Sequence[Any]], expressions: Mapping[str, str]
    ) -> None:
        """Take the samples, what the facts of their requests were, and pgbench's expressions for new ones.

        Raises:
            FloorFailedError: the samples differ in more than values.
        """
        if len({tuple(statement.sql for statement in sample) for sample in samples}) != 1:
            raise FloorFailedError("the samples did different things")
        self.statements = len(samples[0])
        self._sources = [Source(name, tuple(values)) for name, values in facts.items()]
        self._used: set[Source] = set()
        spoken = []
        for number, alike in enumerate(zip(*samples, strict=True)):
            spoken.append(self._spoken(alike))
            self._sources += _results(number, alike)
        lines = [f"\\set {name} {expression}" for name, expression in expressions.items()]
        for number, statement in enumerate(spoken):
            lines.append(statement + (f"\n\\gset s{number}_" if self._is_needed(number) else ";"))
        self.text = "\n".join(lines) + "\n"

    def _is_needed(self, statement: int) -> bool:
        return any(source.statement == statement for source in self._used)

    def _spoken(self, alike: Sequence[Statement]) -> str:
        def spoken(found: re.Match[str]) -> str:
            name = found.group(1)
            if name is None:
                return "%"
            return self._value([statement.parameters[name] for statement in alike])

        return _PLACEHOLDER.sub(spoken, alike[0].sql).strip()

    def _value(self, values: Sequence[Any]) -> str:
        """How a parameter is written that had these values in the samples."""
        if isinstance(values[0], list):
            if not values[0]:
                return "'{}'"
            return f"ARRAY[{', '.join(self._value(alike) for alike in zip(*values, strict=True))}]"
        for source in self._sources:
            if _is_telling(source) and [str(value) for value in source.values] == [str(value) for value in values]:
                return self._variable(source)
        if isinstance(values[0], str):
            return self._text(values)
        return _literal(values[0])

    def _text(self, values: Sequence[str]) -> str:
        """A text, perhaps with something known in it."""
        for source in self._sources:
            shown = [str(value) for value in source.values]
            if _is_telling(source) and len(shown[0]) >= _SHORTEST_PART:
                parts = [value.split(part, 1) for value, part in zip(values, shown, strict=True)]
                if all(len(part) == 2 for part in parts):
                    before, after = (self._text(side) for side in zip(*parts, strict=True))
                    return f"{before} || {self._variable(source)} || {after}"
        return _literal(values[0])

    def _variable(self, source: Source) -> str:
        self._used.add(source)
        return f":{source.name}"


def _is_telling(source: Source) -> bool:
    return len(set(map(str, source.values))) == len(source.values)


def _results(number: int, alike: Sequence[Statement]) -> list[Source]:
    if not all(statement.row for statement in alike):
        return []
    return [
        Source(f"s{number}_{column}", tuple(statement.row[place] for statement in alike), number)
        for place, column in enumerate(alike[0].columns)
    ]


def _literal(value: Any) -> str:
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'::bytea"
    written = sql.Literal(value).as_string()
    if not isinstance(value, str):
        return written
    if ":" not in value:
        return written
    # pgbench would take a colon before a letter for a variable, wherever it stands.
    return "E'" + value.replace("\\", "\\\\").replace("'", "''").replace(":", "\\x3a") + "'"


@dataclass(frozen=True)
class Floor(Timed):
    """What pgbench came to."""

    client_cpu_seconds: float


def run_script(database_url: str, script: Script, folder: Path, *, seconds: int) -> Floor:
    """Run a script on as many connections as the bank has, each as soon as its last one is done.

    Statements are prepared once for each connection, as psycopg does it.

    Raises:
        FloorFailedError: a transaction failed.
    """
    place = folder / f"pgbench-{uuid4().hex[:8]}"
    place.mkdir()
    file = place / "script.sql"
    file.write_text(script.text)
    command = [
        postgres_program("pgbench"), "--no-vacuum", "--protocol=prepared", f"--client={PARALLEL}", "--jobs=2",
        f"--time={seconds}", f"--file={file}", "--log", f"--log-prefix={place / 'log'}", database_url,
    ]  # fmt: skip
    before = _children_cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    cpu_seconds = _children_cpu_seconds() - before
    if done.returncode != 0 or "ERROR" in done.stderr:
        raise FloorFailedError(f"{done.stderr[-2000:]}\n{script.text}")
    latencies = [int(line.split()[2]) / 1000 for log in place.glob("log.*") for line in log.read_text().splitlines()]
    return Floor(seconds, latencies, cpu_seconds)


def _children_cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def count(database_url: str, table: str) -> int:
    """How many rows a table has."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])
