"""Look-ups on an event loop: their connections are used again, given up when lost, and never too many."""

import asyncio
from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest
from sqlalchemy import text

from models import lookups
from models.database import Database
from models.lookups import Lookups, Query, ask_in

WHO = Query("SELECT pg_backend_pid() AS pid, CAST(%(word)s AS text) AS word", {"word": "50 %"})


@pytest.fixture
def asked(database: Database) -> Iterator[Lookups]:
    with closing(Lookups(database.url)) as asked:
        yield asked


async def pid(asked: Lookups) -> int:
    async with asked.asking() as ask:
        (row,) = await ask(WHO)
        assert row.word == "50 %"
        return int(row.pid)


def test_a_connection_is_used_again_on_whichever_loop(asked: Lookups) -> None:
    assert asyncio.run(pid(asked)) == asyncio.run(pid(asked))


def test_a_statement_that_fails_costs_no_connection(asked: Lookups) -> None:
    async def fail() -> None:
        async with asked.asking() as ask:
            await ask(Query("SELECT 1 / 0", {}))

    before = asyncio.run(pid(asked))
    with pytest.raises(psycopg.errors.DivisionByZero):
        asyncio.run(fail())
    assert asyncio.run(pid(asked)) == before


def test_connections_that_the_server_ended_are_replaced_after_one_failure(asked: Lookups, database: Database) -> None:
    async def several() -> list[int]:
        return list(await asyncio.gather(*(pid(asked) for _ in range(3))))

    ended = asyncio.run(several())
    with database.transaction() as session:
        session.execute(text("SELECT pg_terminate_backend(pid, 10000) FROM unnest(:pids) AS pid"), {"pids": ended})
    with pytest.raises(psycopg.OperationalError):
        asyncio.run(pid(asked))
    assert asyncio.run(pid(asked)) not in ended


def test_whoever_finds_all_connections_in_use_waits(asked: Lookups) -> None:
    async def many() -> set[int]:
        return set(await asyncio.gather(*(pid(asked) for _ in range(5 * lookups.AT_ONCE))))

    assert len(asyncio.run(many())) <= lookups.AT_ONCE


def test_whoever_waits_in_vain_is_told_so(asked: Lookups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "WAIT_SECONDS", 0.05)

    async def hold(ends: asyncio.Event) -> None:
        async with asked.asking():
            await ends.wait()

    async def wait_in_vain() -> None:
        ends = asyncio.Event()
        holders = [asyncio.create_task(hold(ends)) for _ in range(lookups.AT_ONCE)]
        await asyncio.sleep(0)
        with pytest.raises(psycopg.OperationalError):
            await pid(asked)
        ends.set()
        await asyncio.gather(*holders)
        assert await pid(asked)

    asyncio.run(wait_in_vain())


def test_the_same_is_asked_in_a_transaction(database: Database) -> None:
    with database.transaction() as session:
        (row,) = ask_in(session, WHO)
    assert row.word == "50 %"
