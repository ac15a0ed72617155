"""How soon a process learns of money: on an idle stack, and behind a load of payments that all concern processes."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID, uuid4

import psycopg
from bank_load import Bank, Line, Timed, UnexpectedAnswerError, load
from furniture import TOTAL_MINOR, Operator, new_iin, new_phone
from people import PAYMENT, Lookout
from servers import Servers

from activities.connection_application import register_connection
from models.contracts.connection import NewConnection
from models.contracts.people import Role
from models.contracts.processes import staff_actor
from models.database import Database
from models.tables.people import Account

LOOK_EVERY_SECONDS: Final = 0.003
WATCH_EVERY_SECONDS: Final = 0.1
AT_ONCE: Final = 8
PATIENCE_SECONDS: Final = 300

_STAGE: Final = "SELECT stage FROM process WHERE id = %s"
_BACKLOG: Final = """
    SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8
    FROM outbox WHERE delivered_at IS NULL AND next_attempt_at <= clock_timestamp()
"""
_LEARNED: Final = """
    SELECT count(*) FROM timeline_entry WHERE event = 'payment_received' AND process_id = ANY(%s)
"""


@dataclass(frozen=True)
class Waiting:
    """A connection that waits for its prepayment."""

    process_id: UUID
    account_no: str


def waiting_connections(database: Database, operator: Operator, number: int) -> list[Waiting]:
    """So many connections, carried by the worker until they wait for their prepayment."""

    async def all_of_them() -> list[Waiting]:
        lookout = Lookout(database)
        looking = asyncio.create_task(lookout.look())
        places = asyncio.Semaphore(AT_ONCE)

        async def one() -> Waiting:
            async with places:
                waiting = await asyncio.to_thread(_apply, database, operator)
                await lookout.until(waiting.process_id, PAYMENT)
                return waiting

        try:
            return await asyncio.gather(*(one() for _ in range(number)))
        finally:
            looking.cancel()

    return asyncio.run(all_of_them())


def _apply(database: Database, operator: Operator) -> Waiting:
    now = datetime.now(UTC)
    order = NewConnection.model_validate({
        "subscriber": {"iin": new_iin(), "full_name": "Сейткали Арман", "phone": new_phone(), "language": "ru"},
        "premises_id": str(operator.premises_id),
        "tariff_code": operator.tariff_code,
        "equipment": [operator.sku],
    })  # fmt: skip
    with database.transaction() as session:
        process, _ = register_connection(
            session, order, actor=staff_actor(operator.staff_ids[Role.OPERATOR]), idempotency_key=str(uuid4()), at=now,
            on=now.astimezone(operator.zone).date(),
        )  # fmt: skip
        return Waiting(process.id, session.get_one(Account, process.account_id).account_no)


def reactions(database_url: str, port: int, bank: Bank, connections: Sequence[Waiting]) -> Timed:
    """From the bank's 201 for the whole prepayment to the process's next stage, one after another.

    Raises:
        UnexpectedAnswerError: a payment was not taken.
    """
    taken = []
    began = time.perf_counter()
    with psycopg.connect(database_url, autocommit=True) as looking, Line(port) as line:
        for waiting in connections:
            (before,) = _row(looking, _STAGE, [waiting.process_id])
            status, body = line.ask(bank.pay(waiting.account_no, TOTAL_MINOR))
            paid_at = time.perf_counter()
            if status != 201:
                raise UnexpectedAnswerError(f"{status}: {body[:300]!r}")
            while _row(looking, _STAGE, [waiting.process_id]) == (before,):
                _give_up_after(paid_at, "a paid process moves on")
                time.sleep(LOOK_EVERY_SECONDS)
            taken.append((time.perf_counter() - paid_at) * 1000)
    return Timed(time.perf_counter() - began, taken)


@dataclass
class Behind:
    """How far the relay, and then the processes, were behind a load of payments."""

    payments: Timed | None = None
    most_waiting: int = 0
    oldest_seconds: float = 0.0
    """The greatest age that a row reached before it was told."""
    drained_after_seconds: float = 0.0
    """From the load's end to the last row told."""
    learned_after_seconds: float = 0.0
    """From the load's end to the last payment in a timeline."""
    learned: list[int] = field(default_factory=list)


def behind(database_url: str, port: int, bank: Bank, connections: Sequence[Waiting], *, seconds: float) -> Behind:
    """Pay a little for processes that wait, from all lines at once, and watch until everything is told and learned."""
    found = Behind()
    ids = [waiting.process_id for waiting in connections]
    with psycopg.connect(database_url, autocommit=True) as looking:
        with _watching(database_url, found):
            paid = found.payments = load(
                port, lambda number: bank.pay(connections[number % len(connections)].account_no, 1),
                seconds=seconds, expect=201,
            )  # fmt: skip
            ended_at = time.perf_counter()
            while _row(looking, _BACKLOG)[0] > 0:
                _give_up_after(ended_at, "the backlog drains")
                time.sleep(LOOK_EVERY_SECONDS)
            found.drained_after_seconds = time.perf_counter() - ended_at
        while _row(looking, _LEARNED, [ids])[0] < len(paid.latencies_ms):
            _give_up_after(ended_at, "the processes learn of all payments")
            time.sleep(LOOK_EVERY_SECONDS)
        found.learned_after_seconds = time.perf_counter() - ended_at
    return found


@contextmanager
def _watching(database_url: str, found: Behind) -> Iterator[None]:
    """Look at the backlog until the block ends."""
    ended = threading.Event()

    def watch() -> None:
        with psycopg.connect(database_url, autocommit=True) as looking:
            while not ended.wait(WATCH_EVERY_SECONDS):
                waiting, oldest = _row(looking, _BACKLOG)
                found.most_waiting = max(found.most_waiting, waiting)
                found.oldest_seconds = max(found.oldest_seconds, oldest)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


def _row(connection: psycopg.Connection[Any], statement: str, parameters: Sequence[Any] = ()) -> Any:
    return connection.execute(statement.encode(), parameters).fetchone()


def _give_up_after(since: float, what: str) -> None:
    if time.perf_counter() - since > PATIENCE_SECONDS:
        raise TimeoutError(f"waited in vain: {what}")


@dataclass(frozen=True)
class Outage:
    """How the relay caught up with payments that were taken while Temporal was away."""

    rows: int
    first_told_after_seconds: float
    """From the moment that Temporal answers again."""
    drained_after_seconds: float

    @property
    def rows_per_second(self) -> float:
        """Rows told a second, the first pause included."""
        return self.rows / self.drained_after_seconds


def outage(parts: Servers, port: int, bank: Bank, connections: Sequence[Waiting], *, seconds: float) -> Outage:
    """Pay for processes that wait while Temporal is away, have it come back, and watch until everything is told."""
    temporal = parts.children["Temporal"]
    temporal.stop()
    paid = load(
        port, lambda number: bank.pay(connections[number % len(connections)].account_no, 1), seconds=seconds, expect=201
    )
    temporal.start()
    host, port_no = parts.temporal_address.split(":")
    with psycopg.connect(parts.database_url, autocommit=True) as looking:
        (rows, _) = _row(looking, _BACKLOG)
        if rows < len(paid.latencies_ms):
            raise UnexpectedAnswerError(f"{rows} rows wait after {len(paid.latencies_ms)} payments")
        began = time.perf_counter()
        while not _listens(host, int(port_no)):
            _give_up_after(began, "Temporal answers")
            time.sleep(LOOK_EVERY_SECONDS)
        back_at = time.perf_counter()
        while _row(looking, _BACKLOG)[0] >= rows:
            _give_up_after(back_at, "the relay tells something")
            time.sleep(LOOK_EVERY_SECONDS)
        first_at = time.perf_counter()
        while _row(looking, _BACKLOG)[0] > 0:
            _give_up_after(back_at, "the backlog drains")
            time.sleep(LOOK_EVERY_SECONDS)
    return Outage(rows, first_at - back_at, time.perf_counter() - back_at)


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
