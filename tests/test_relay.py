"""The outbox relay: at least once, in order for each workflow, whatever breaks in between."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from temporalio.client import Client
from temporalio.worker import Worker

from activities.outbox import backlog, remind_workflow, signal_workflow, start_workflow, wake_workflow
from models.contracts.engine import NOBODY_LISTENS
from models.database import Database
from models.tables.outbox import Outbox
from tests.databases import database_of_its_own
from tests.engines import TemporalServer
from tests.listener import Listener, Note, Order
from workers.children import Child, wait_until
from workers.local_servers import Temporal
from workers.outbox_queue import OutboxQueue, Row
from workers.ports import free_port
from workers.relay import OUTAGE_PAUSE_SECONDS, Relay, coalesced, search_attributes_of, summary_of
from workflows.engine import DATA_CONVERTER

PATIENCE_SECONDS: Final = 110.0
"""Less than `TemporalServer.run` has."""


class Town:
    """A workflow's mailbox: what is written into the outbox for it, and what became of that."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.queue = f"listeners-{uuid4()}"
        self.id = f"listener-{uuid4()}"

    def start(self, number: int, *, workflow_id: str | None = None) -> None:
        with self.database.transaction() as session:
            start_workflow(
                session,
                workflow_type="Listener",
                workflow_id=workflow_id or self.id,
                task_queue=self.queue,
                start_input=Note(number=number),
            )

    def signal(self, number: int, *, workflow_id: str | None = None) -> None:
        with self.database.transaction() as session:
            signal_workflow(
                session, workflow_id=workflow_id or self.id, signal="note", signal_input=Note(number=number)
            )

    def say_stop(self) -> None:
        with self.database.transaction() as session:
            signal_workflow(session, workflow_id=self.id, signal="stop")

    def ring(self, times: int) -> None:
        with self.database.transaction() as session:
            for _ in range(times):
                wake_workflow(
                    session,
                    workflow_type="Listener",
                    workflow_id=self.id,
                    task_queue=self.queue,
                    signal="bell",
                )

    def rows(self, workflow_id: str | None = None) -> list[Outbox]:
        with self.database.transaction() as session:
            mine = select(Outbox).where(Outbox.workflow_id == (workflow_id or self.id)).order_by(Outbox.id)
            return list(session.scalars(mine))

    def count(self, condition: str) -> int:
        """How many rows of this town's workflows are waiting so."""
        counting = f"SELECT count(*) FROM outbox WHERE starts_with(workflow_id, :id) AND {condition}"
        with self.database.transaction() as session:
            return int(session.execute(text(counting), {"id": self.id}).scalar_one())

    async def all_delivered(self) -> None:
        await eventually(lambda: self.count("delivered_at IS NULL") == 0)

    async def delivered(self, workflow_id: str | None = None) -> None:
        await eventually(lambda: all(row.delivered_at for row in self.rows(workflow_id)))


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[Database]:
    """One in which nobody else has left anything to be told."""
    with database_of_its_own(postgres_url) as database:
        yield database


@pytest.fixture
def town(database: Database) -> Town:
    return Town(database)


async def eventually(fact: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not await asyncio.to_thread(fact):
        assert time.monotonic() < until, "waited in vain"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def relaying(database: Database, client: Client) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(Relay(database, client).run(stop))
    try:
        yield
    finally:
        stop.set()
        await task


def listening(temporal: TemporalServer, town: Town) -> Any:
    return temporal.workers(
        lambda client: [
            Worker(
                client, task_queue=town.queue, workflows=[Listener], max_cached_workflows=50,
                graceful_shutdown_timeout=timedelta(0),
            )
        ]
    )  # fmt: skip


def test_a_start_and_the_signals_after_it_arrive_in_their_order(temporal: TemporalServer, town: Town) -> None:
    town.start(0)
    for number in range(1, 40):
        town.signal(number)

    async def play() -> list[int]:
        async with relaying(town.database, temporal.client):
            await town.delivered()
        handle = temporal.client.get_workflow_handle_for(Listener.run, town.id)
        return await handle.query(Listener.all_heard)

    with listening(temporal, town):
        assert temporal.run(play()) == list(range(40))


def test_many_workflows_are_told_and_none_is_mixed_up(temporal: TemporalServer, town: Town) -> None:
    ids = [f"{town.id}-{number}" for number in range(30)]
    for number, one in enumerate(ids):
        town.start(number, workflow_id=one)
    for one in ids:
        town.signal(1000, workflow_id=one)

    async def play() -> list[list[int]]:
        async with relaying(town.database, temporal.client):
            for one in ids:
                await town.delivered(one)
        return [await temporal.client.get_workflow_handle(one).query("heard") for one in ids]

    with listening(temporal, town):
        assert temporal.run(play()) == [[number, 1000] for number in range(30)]


def test_the_same_bell_rung_many_times_is_one_call_and_starts_its_listener(
    temporal: TemporalServer, town: Town
) -> None:
    town.ring(200)

    async def play() -> int:
        async with relaying(town.database, temporal.client):
            await town.delivered()
        return await temporal.client.get_workflow_handle_for(Listener.run, town.id).query(Listener.all_bells)

    with listening(temporal, town):
        assert 1 <= temporal.run(play()) <= 3


def test_a_signal_that_nobody_is_left_to_hear_is_noted_and_dropped(temporal: TemporalServer, town: Town) -> None:
    town.signal(1)

    async def play() -> None:
        async with relaying(town.database, temporal.client):
            await town.delivered()

    temporal.run(play())
    assert [row.last_error for row in town.rows()] == [NOBODY_LISTENS]


def test_a_process_that_has_ended_is_not_started_again_and_hears_nothing(temporal: TemporalServer, town: Town) -> None:
    town.start(0)
    town.say_stop()

    async def play() -> None:
        async with relaying(town.database, temporal.client):
            await temporal_result(temporal, town)
            town.start(7)
            town.signal(8)
            await town.delivered()

    with listening(temporal, town):
        temporal.run(play())
        description = temporal.run(temporal.client.get_workflow_handle(town.id).describe())
    assert description.status is not None
    assert description.status.name == "COMPLETED"
    assert [row.last_error for row in town.rows()] == [None, None, "ran already", NOBODY_LISTENS]


async def temporal_result(temporal: TemporalServer, town: Town) -> None:
    await town.delivered()
    await temporal.client.get_workflow_handle(town.id).result()


def test_what_was_told_and_not_noted_is_told_again_and_lost_never(
    temporal: TemporalServer, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = OutboxQueue.record
    crashes = iter([True, True])

    def record(queue: OutboxQueue, told: Any, failures: Any) -> None:
        # The relay of the API that other tests share may be at work in this process too.
        is_ours = not {row.id for row in town.rows()}.isdisjoint(one.id for one in told)
        if is_ours and next(crashes, False):
            raise OperationalError("UPDATE outbox", {}, Exception("the connection broke"))
        real(queue, told, failures)

    monkeypatch.setattr(OutboxQueue, "record", record)
    town.start(0)
    town.signal(1)

    async def play() -> list[int]:
        async with relaying(town.database, temporal.client):
            await town.delivered()
        return await temporal.client.get_workflow_handle_for(Listener.run, town.id).query(Listener.all_heard)

    with listening(temporal, town):
        heard = temporal.run(play())
    assert heard[0] == 0
    assert set(heard) == {0, 1}
    assert heard.count(0) == 1, "a start is one process, however often it is told"


def test_one_relay_leads_and_another_takes_over_when_it_is_gone(
    temporal: TemporalServer, town: Town, database: Database
) -> None:
    first, second = OutboxQueue(database), OutboxQueue(database)
    try:
        # The server notices the end of a connection, such as that of the relay of an earlier test, a moment later.
        temporal.run(eventually(first.take_the_lead))
        assert not second.take_the_lead()
        first.close()
        temporal.run(eventually(second.take_the_lead))
    finally:
        second.close()

    async def play() -> None:
        async with relaying(town.database, temporal.client), relaying(town.database, temporal.client):
            town.start(0)
            await town.delivered()

    temporal.run(play())


def test_a_leader_that_loses_its_connection_comes_back(
    temporal: TemporalServer, town: Town, database: Database
) -> None:
    end_leaders = text(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
        "WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid() AND datname = :database"
    )

    with town.database.transaction() as session:
        of_the_town = session.scalar(text("SELECT current_database()"))

    async def play() -> None:
        async with relaying(town.database, temporal.client):
            town.start(0)
            await town.delivered()
            with database.transaction() as session:
                assert session.scalar(end_leaders, {"database": of_the_town}) == 1
            town.signal(1)
            await town.delivered()

    temporal.run(play())


def test_a_row_that_temporal_refuses_holds_back_its_own_workflow_alone(temporal: TemporalServer, town: Town) -> None:
    refused = f"{town.id}-{'x' * 2000}"
    town.start(0, workflow_id=refused)
    town.signal(1, workflow_id=refused)
    town.start(0)

    async def play() -> None:
        async with relaying(town.database, temporal.client):
            await town.delivered()
            await eventually(lambda: town.rows(refused)[0].attempts >= 2)

    temporal.run(play())
    first, second = town.rows(refused)
    assert (first.delivered_at, first.last_error) == (None, "INVALID_ARGUMENT")
    assert (second.delivered_at, second.attempts) == (None, 0), "a later row never overtakes"
    with town.database.transaction() as session:
        assert backlog(session).waiting >= 2
        assert backlog(session).lag_seconds > 0
        session.execute(text("DELETE FROM outbox WHERE workflow_id = :id"), {"id": refused})


def test_an_account_s_payments_arrive_in_their_order_even_when_one_of_them_can_t_be_told(
    temporal: TemporalServer, town: Town
) -> None:
    town.start(0)
    for number in range(1, 6):
        town.signal(number)
    # More than Temporal takes with one call; mended by hand later.
    change = text("UPDATE outbox SET signal_input = CAST(:input AS jsonb), next_attempt_at = now() WHERE id = :id")
    too_large = {"number": 3, "padding": "x" * 5_000_000}
    with town.database.transaction() as session:
        session.execute(change, {"id": town.rows()[3].id, "input": json.dumps(too_large)})

    async def play() -> list[int]:
        async with relaying(town.database, temporal.client):
            await eventually(lambda: town.rows()[3].attempts > 0)
            assert [row.delivered_at is not None for row in town.rows()] == [True, True, True, False, False, False]
            with town.database.transaction() as session:
                session.execute(change, {"id": town.rows()[3].id, "input": json.dumps({"number": 3})})
            await town.delivered()
        return await temporal.client.get_workflow_handle_for(Listener.run, town.id).query(Listener.all_heard)

    with listening(temporal, town):
        assert temporal.run(play()) == list(range(6))


def test_a_reminder_is_no_backlog_before_its_time_and_counts_from_then_on(database: Database) -> None:
    own = f"reminded-{uuid4()}"
    with database.transaction() as session:
        before = backlog(session)
        remind_workflow(
            session, workflow_id=own, signal="note", signal_input=Note(number=1), after=timedelta(hours=1)
        )  # fmt: skip
        assert backlog(session).waiting == before.waiting
        moved = "SET created_at = created_at - interval '9 hours', next_attempt_at = now() - interval '2 hours'"
        session.execute(text(f"UPDATE outbox {moved} WHERE workflow_id = :own"), {"own": own})
        late = backlog(session)
        assert late.waiting == before.waiting + 1
        assert 7200 <= late.lag_seconds < 9 * 3600
        session.rollback()


@contextmanager
def own_temporal(folder: Path, port: int) -> Iterator[Child]:
    """A server that a test may stop; its data outlives it."""
    server = Temporal(folder / "temporal.db", port=port, ui_port=free_port())
    child = server.child(folder / "temporal.log")
    child.start()
    try:
        wait_until(server.answers, child)
        yield child
    finally:
        child.stop()


def test_what_is_written_while_temporal_is_down_arrives_in_order_once_it_is_back(
    temporal: TemporalServer, town: Town, tmp_path: Path
) -> None:
    port = free_port()
    with own_temporal(tmp_path, port):
        client = temporal.run(connect(port))
        town.start(0)

    async def outage() -> None:
        assert town.rows()[0].delivered_at is None
        for number in range(1, 10):
            town.signal(number)
        await eventually(lambda: town.rows()[0].attempts > 0)

    async def back() -> list[int]:
        await town.delivered()
        worker = Worker(client, task_queue=town.queue, workflows=[Listener])
        async with worker:
            return await client.get_workflow_handle_for(Listener.run, town.id).query(Listener.all_heard)

    stop = temporal.run(event())
    relay = temporal.run(task(Relay(town.database, client).run(stop)))
    temporal.run(outage())
    with own_temporal(tmp_path, port):
        assert temporal.run(back()) == list(range(10))
        stop.set()
        temporal.run(finished(relay))


PROCESSES: Final = 60
PAYMENTS_EACH: Final = 40


def test_an_hour_without_temporal_loses_nothing_and_its_backlog_drains_by_itself(
    temporal: TemporalServer, town: Town, tmp_path: Path
) -> None:
    port = free_port()
    ids = [f"{town.id}-{number}" for number in range(PROCESSES)]
    with own_temporal(tmp_path, port):
        client = temporal.run(connect(port))
        stop = temporal.run(event())
        relay = temporal.run(task(Relay(town.database, client).run(stop)))
        for number, one in enumerate(ids):
            town.start(number, workflow_id=one)
        temporal.run(town.all_delivered())

    # Payments go on, in turn for every process. Those that the relay has tried stand as after an hour of trying; while
    # Temporal is away it tries no more than a few.
    with town.database.transaction() as session:
        session.execute(text(PAYMENTS_WHILE_AWAY), {"ids": ids, "each": PAYMENTS_EACH})
    temporal.run(eventually(lambda: town.count("attempts > 0") > 0))
    with town.database.transaction() as session:
        session.execute(text(AN_HOUR_LATER))
        longest = session.scalar(text("SELECT max(extract(epoch FROM next_attempt_at - now()))::float8 FROM outbox"))
        assert backlog(session).waiting >= PROCESSES * PAYMENTS_EACH
        assert backlog(session).lag_seconds >= 3600
    assert longest is not None
    assert longest <= OUTAGE_PAUSE_SECONDS, "nothing waits for long once Temporal is back"

    with own_temporal(tmp_path, port):
        temporal.run(town.all_delivered())
        stop.set()
        temporal.run(finished(relay))

        async def heard() -> list[list[int]]:
            worker = Worker(client, task_queue=town.queue, workflows=[Listener], max_cached_workflows=PROCESSES)
            async with worker:
                return [
                    await client.get_workflow_handle_for(Listener.run, one).query(Listener.all_heard) for one in ids
                ]

        assert temporal.run(heard()) == [[number, *range(1000, 1000 + PAYMENTS_EACH)] for number in range(PROCESSES)]


PAYMENTS_WHILE_AWAY: Final = """
    INSERT INTO outbox (workflow_id, signal, signal_input)
    SELECT id, 'note', jsonb_build_object('number', 1000 + turn)
    FROM generate_series(0, :each - 1) AS turn CROSS JOIN unnest(CAST(:ids AS text[])) AS id ORDER BY turn
"""
AN_HOUR_LATER: Final = """
    UPDATE outbox SET created_at = created_at - interval '1 hour', attempts = CASE attempts WHEN 0 THEN 0 ELSE 700 END
    WHERE delivered_at IS NULL
"""


async def connect(port: int) -> Client:
    return await Client.connect(f"127.0.0.1:{port}", data_converter=DATA_CONVERTER)


async def event() -> asyncio.Event:
    return asyncio.Event()


async def task(coroutine: Any) -> asyncio.Task[None]:
    return asyncio.create_task(coroutine)


async def finished(running: asyncio.Task[None]) -> None:
    await running


def test_neighbours_without_content_are_told_together_and_order_is_kept() -> None:
    def row(signal: str, content: dict[str, Any] | None = None) -> Row:
        return Row(uuid4(), "w", None, None, None, signal, content, 0, 0.0)

    rows = [row("bell"), row("bell"), row("note", {"number": 1}), row("note", {"number": 1}), row("bell")]
    assert [[one.signal for one in alike] for alike in coalesced(rows)] == [
        ["bell", "bell"], ["note"], ["note"], ["bell"],
    ]  # fmt: skip


def test_a_process_is_found_by_kind_account_and_subscriber_from_its_first_moment() -> None:
    start_input = {"account_no": "100001", "subscriber_id": "0192", "policy": {}}
    pairs = search_attributes_of("TariffChange", start_input)
    assert {pair.key.name: pair.value for pair in pairs} == {
        "ProcessKind": "tariff_change", "SubscriberId": "0192", "AccountNo": "100001",
    }  # fmt: skip
    assert summary_of("TariffChange", start_input) == "TariffChange for account 100001"
    assert len(search_attributes_of("MessageDelivery", {})) == 0


def test_the_time_skipping_server_takes_what_the_relay_sends(
    time_skipping: Callable[[], TemporalServer], town: Town
) -> None:
    server = time_skipping()
    with town.database.transaction() as session:
        start_workflow(
            session,
            workflow_type="Connection",
            workflow_id=town.id,
            task_queue=town.queue,
            start_input=Order(account_no="100001", subscriber_id=str(uuid4())),
        )

    async def play() -> None:
        async with relaying(town.database, server.client):
            await town.delivered()

    server.run(play())
    assert server.run(server.client.get_workflow_handle(town.id).describe()).workflow_type == "Connection"
