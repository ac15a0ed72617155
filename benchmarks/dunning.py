"""Dunning at size: episodes started per second beside bare workflow starts, events of an episode, growth.

`make bench-dunning`; DEBTORS (default 10000) fall due on one day. First a tenth of them, then all, each on servers of
its own, durable as `make run` has them. Everything shares the machine's processors.

1. One debt is dunned to its last step on a ladder of seconds and then paid, with the SMS, the call task, the network
   and the disconnection that belong to it: the events of its history are counted. A step is a timer, a look and a
   stage, however long the timer is, so these are the events of an episode of ninety days.
2. The debtors fall due in ROUNDS parts (default 3). For each part the daily round (the workflow `OpenDunning`, started
   as the schedule starts it) opens the episodes in batches and the outbox relay starts their workflows. The time is
   from the start of the round until Temporal has accepted the last of them. That holds the look-up of who owes, the
   decision when each is to act first, the rows of process, episode and timeline, and the outbox. The floor, between
   two parts: as many bare workflows that sleep, started by the driver's client, as many at once as the relay has.
   Both have a worker that takes their first task meanwhile.
3. Once all are open: how long a daily round takes for which nothing has changed, how long a forecast of 90 days takes,
   and the time from a payment in the ledger to the end of its episode, for some of them one after the other.

`ratio_starts` is the median of the rounds. `ratio_growth` compares the time for each debtor with all and with a tenth.
"""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import psutil  # type: ignore[import-untyped]  # ships no type information
from dunning_data import AMOUNT_MINOR, IN_SECONDS, add_debtors, furnish, save_policy
from dunning_floor import QUEUE, BareDebt
from report import print_figures, print_table
from servers import Servers, servers
from sqlalchemy import text
from temporalio.client import Client

from activities.dunning_forecast import forecast
from activities.payments import take_payment
from models.contracts.bank import PaymentNotice
from models.contracts.dunning import ForecastRequest
from models.contracts.engine import BILLING_QUEUE, OPEN_DUNNING
from models.contracts.money import PositiveMoney
from models.database import Database
from settings import Settings, load
from workers.relay import AT_ONCE
from workers.seed import seed
from workflows.engine import connect

DEBTORS: Final = int(os.environ.get("DEBTORS", "10000"))
ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
PAYERS: Final = 40
HERE: Final = Path(__file__).parent
OPEN_ALL_DAY: Final = {
    "SMS_QUIET_FROM": "00:00", "SMS_QUIET_UNTIL": "00:00", "SMS_WEEKDAYS_ONLY": "false", "SMS_PER_SECOND": "1000",
    "WITH_SMS": "1",
}  # fmt: skip


@dataclass
class Measured:
    """What was measured with so many debtors."""

    debtors: int
    ours: list[float] = field(default_factory=list)
    """Episodes started per second, round by round."""
    bare: list[float] = field(default_factory=list)
    ours_cpu_ms: list[float] = field(default_factory=list)
    """Processor time of all parts for each start, round by round."""
    bare_cpu_ms: list[float] = field(default_factory=list)
    cpu_by_part_ms: dict[str, float] = field(default_factory=dict)
    events: int = 0
    seconds_each: float = 0.0
    """To open and start one, in milliseconds."""
    idle_round_seconds: float = 0.0
    forecast_seconds: float = 0.0
    reactions_ms: list[float] = field(default_factory=list)
    worker_mib: float = 0.0
    worker_idle_mib: float = 0.0


@dataclass
class Town:
    """Where it is measured."""

    database: Database
    client: Client
    settings: Settings
    parts: Servers
    placed: int = 0

    @property
    def today(self) -> date:
        """In the operator's zone."""
        return datetime.now(self.settings.zone).date()

    def add(self, number: int, *, due_on: date) -> None:
        """So many more debtors."""
        with self.database.transaction() as session:
            add_debtors(session, first=self.placed + 1, number=number, due_on=due_on)
        with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
        self.placed += number

    def one(self, statement: str) -> Any:
        """The only value of a statement."""
        with self.database.transaction() as session:
            return session.execute(text(statement)).scalar_one()

    async def daily_round(self) -> None:
        """What the schedule starts, until all that it opened has been started."""
        handle = await self.client.start_workflow(OPEN_DUNNING, id=f"open-dunning/{uuid4()}", task_queue=BILLING_QUEUE)
        await handle.result()
        waiting = "SELECT count(*) FROM outbox WHERE workflow_type = 'Dunning' AND delivered_at IS NULL"
        await _until(lambda: not self.one(waiting), pause=0.02)

    async def timed(self, work: Coroutine[Any, Any, None], number: int) -> tuple[float, dict[str, float]]:
        """The seconds that it takes, and the processor time of each part for each of so many."""
        before, began = self.parts.cpu_seconds(), time.perf_counter()
        await work
        seconds, after = time.perf_counter() - began, self.parts.cpu_seconds()
        return seconds, {name: (after[name] - before[name]) * 1000 / number for name in after}

    async def start_bare(self, number: int) -> None:
        """As many bare workflows, as many at once as the relay has."""
        places = asyncio.Semaphore(AT_ONCE)

        async def start(place: int) -> None:
            async with places:
                await self.client.start_workflow(BareDebt.run, f"9{place:09d}", id=f"bare/{uuid4()}", task_queue=QUEUE)

        await asyncio.gather(*(start(place) for place in range(number)))

    def worker_mib(self) -> float:
        """Resident memory of the product's worker."""
        return float(psutil.Process(self.parts.children["worker"].pid).memory_info().rss) / 2**20

    def pay(self, account_no: str) -> None:
        """A bank's payment, in its transaction."""
        notice = PaymentNotice(
            txn_id=str(uuid4()), account_no=account_no, amount=PositiveMoney(amount_minor=AMOUNT_MINOR),
            paid_at=datetime.now(UTC),
        )  # fmt: skip
        with self.database.transaction() as session:
            bank_id = session.execute(text("SELECT min(id::text)::uuid FROM bank")).scalar_one()
            take_payment(session, bank_id=bank_id, notice=notice, received_at=datetime.now(UTC), on=self.today)


async def measure(town: Town, debtors: int) -> Measured:
    """All of it, for so many debtors."""
    measured = Measured(debtors)
    measured.events = await _events_of_an_episode(town)
    measured.worker_idle_mib = town.worker_mib()
    part = max(1, debtors // ROUNDS)
    seconds = 0.0
    for _ in range(ROUNDS):
        town.add(part, due_on=town.today)
        took, cpu_ms = await town.timed(town.daily_round(), part)
        seconds += took
        measured.ours.append(part / took)
        measured.ours_cpu_ms.append(sum(cpu_ms.values()))
        measured.cpu_by_part_ms = cpu_ms
        took, cpu_ms = await town.timed(town.start_bare(part), part)
        measured.bare.append(part / took)
        measured.bare_cpu_ms.append(sum(cpu_ms.values()))
    measured.seconds_each = seconds / (part * ROUNDS) * 1000
    assert town.one("SELECT count(*) FROM dunning_episode WHERE ended_at IS NULL") == part * ROUNDS, "all are open"
    measured.worker_mib = town.worker_mib()
    began = time.perf_counter()
    await town.daily_round()
    measured.idle_round_seconds = time.perf_counter() - began
    began = time.perf_counter()
    with town.database.transaction() as session:
        ahead = {"from": town.today, "until": town.today + timedelta(days=90)}
        forecast(session, ForecastRequest.model_validate(ahead), now=datetime.now(UTC), settings=town.settings)
    measured.forecast_seconds = time.perf_counter() - began
    measured.reactions_ms = [await _reaction_ms(town, place) for place in range(PAYERS)]
    return measured


async def _until(fact: Callable[[], Any], *, pause: float) -> None:
    while not fact():  # noqa: ASYNC110 - what is waited for is in another process
        await asyncio.sleep(pause)


async def _events_of_an_episode(town: Town) -> int:
    with town.database.transaction() as session:
        save_policy(session, **IN_SECONDS)
    town.add(1, due_on=town.today - timedelta(days=100))
    await town.daily_round()
    account_no = f"9{town.placed:09d}"
    await _until(lambda: town.one("SELECT count(*) FROM dunning_step WHERE kind = 'disconnect'"), pause=0.2)
    await asyncio.sleep(2)
    town.pay(account_no)
    handle = town.client.get_workflow_handle(f"dunning/{account_no}/1")
    await handle.result()
    assert town.one("SELECT count(*) FROM network_port WHERE state = 'active'") == 1, "and the service is on"
    with town.database.transaction() as session:
        save_policy(session)
    return (await handle.describe()).history_length


async def _reaction_ms(town: Town, place: int) -> float:
    account_no = f"9{town.placed - place:09d}"
    began = time.perf_counter()
    town.pay(account_no)
    ended = f"""
        SELECT count(*) FROM dunning_episode JOIN account ON account.id = account_id
        WHERE account_no = '{account_no}' AND ended_at IS NOT NULL
    """
    await _until(lambda: town.one(ended), pause=0.005)
    return (time.perf_counter() - began) * 1000


def report(few: Measured, many: Measured) -> None:
    """Print what was measured."""
    print(f"{few.debtors} and {many.debtors} debtors, in {ROUNDS} rounds. {many.events} events for an episode.\n")
    columns = (
        "debtors",
        "started/s",
        "bare/s",
        "ms each",
        "idle round s",
        "forecast s",
        "paid → ended ms",
        "worker MiB",
    )
    print_table(columns, [_row(few), _row(many)])
    print()
    print_figures({
        "debtors": many.debtors,
        "episodes_started_per_second": _median(many.ours),
        "bare_started_per_second": _median(many.bare),
        "events_per_episode": many.events,
        "idle_round_seconds": many.idle_round_seconds,
        "forecast_seconds": many.forecast_seconds,
        "reaction_ms": _median(many.reactions_ms),
        "worker_mib": many.worker_mib,
        "worker_mib_few": few.worker_mib,
        "worker_idle_mib": many.worker_idle_mib,
        "ratio_starts": _median([a / b for a, b in zip(many.ours, many.bare, strict=True)]),
        "ratio_starts_few": _median([a / b for a, b in zip(few.ours, few.bare, strict=True)]),
        "ratio_cpu": _median([b / a for a, b in zip(many.ours_cpu_ms, many.bare_cpu_ms, strict=True)]),
        "cpu_ms_of_a_start": {name: round(value, 2) for name, value in many.cpu_by_part_ms.items()},
        "bare_cpu_ms_of_a_start": _median(many.bare_cpu_ms),
        "ratio_growth": many.seconds_each / few.seconds_each,
        "ratio_memory_growth": many.worker_mib / few.worker_mib,
    })  # fmt: skip


def _row(one: Measured) -> tuple[object, ...]:
    return (
        one.debtors, _median(one.ours), _median(one.bare), one.seconds_each, one.idle_round_seconds,
        one.forecast_seconds, _median(one.reactions_ms), one.worker_mib,
    )  # fmt: skip


def _median(values: list[float]) -> float:
    return float(statistics.median(values))


@contextmanager
def town() -> Iterator[tuple[Database, Servers, Settings]]:
    """Servers of its own with the product's worker and the floor's."""
    with servers() as parts:
        settings = load().model_copy(update={"temporal_address": parts.temporal_address})
        local = {**OPEN_ALL_DAY, "LOCAL_DIR": str(parts.folder / "local")}
        with (
            parts.working("worker", str(HERE / "product_worker.py"), environment=local),
            parts.working("floor worker", str(HERE / "dunning_floor.py")),
        ):
            database = Database(parts.database_url)
            try:
                with database.transaction() as session:
                    seed(session)
                    furnish(session)
                yield database, parts, settings
            finally:
                database.close()


def run(debtors: int) -> Measured:
    """Measure with so many debtors."""

    async def measured() -> Measured:
        client = await connect(settings)
        return await measure(Town(database, client, settings, parts), debtors)

    with town() as (database, parts, settings):
        return asyncio.run(measured())


def main() -> None:
    """Measure with a tenth, then with all."""
    few = run(max(ROUNDS, DEBTORS // 10))
    report(few, run(DEBTORS))


if __name__ == "__main__":
    main()
