"""Connections per second, and history events per connection, beside bare workflows on the same server.

`make bench-connection`; CONNECTIONS (default 150) are driven in ROUNDS (default 3) with CONCURRENCY (default 24) at
once. The product and the floors have WORKERS worker processes each (default 2): a Python process uses one core. What a
connection includes: the application as a row and its start through the outbox relay; all steps of the process in the
product's own workers, each a transaction in PostgreSQL, contract and act as PDF, three SMS queued; a payment in the
ledger and its signal through the outbox; three staff tasks completed through submission and Update. What it does not:
HTTP, authentication and the views of the API, and the delivery of the SMS, which is another workflow (WITH_SMS=1 lets
it run beside). PostgreSQL and Temporal are the ones of `make run`, durable, and everything shares the machine's
processors.

The floor is a bare workflow with the same number of activities and signals, read from a history of the real process:
regular activities that do nothing. It knows no database, no relay, no update and no timer. A second floor has
activities of the same kinds as ours (local where ours are local), so that nobody takes the saving by local
activities for more than it is. Rounds of the three alternate; ratios are medians of the rounds. `ratio_cpu` is what
the throughput would be worth if processor time were all that counts: less of it is left to chance on a busy machine.
"""

import asyncio
import os
import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from awaiting import SOCKET_VARIABLE, Listener, listen
from floors import QUEUE, BareWorkflow, Shape, all_regular, shape_of
from furniture import Operator, furnish
from people import Lookout, People
from report import print_figures, print_table
from servers import Servers, servers
from temporalio.client import Client, WorkflowHandle

from models.database import Database
from settings import Settings, load
from workflows.engine import connect

CONNECTIONS: Final = int(os.environ.get("CONNECTIONS", "150"))
ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
CONCURRENCY: Final = int(os.environ.get("CONCURRENCY", "24"))
WORKERS: Final = int(os.environ.get("WORKERS", "2"))
WARM_UP: Final = 8
HERE: Final = Path(__file__).parent

OURS, BARE, SAME_KIND = "connection", "bare", "bare, same kinds"
Drive = Callable[[], Awaitable[WorkflowHandle[Any, Any]]]


@dataclass(frozen=True)
class Round:
    """What one round of one kind measured."""

    per_second: float
    events: float
    cpu_ms: dict[str, float]
    """Processor time for each workflow, by part."""

    @property
    def all_cpu_ms(self) -> float:
        """Processor time of all parts together."""
        return sum(self.cpu_ms.values())


async def measure(kinds: dict[str, Drive], parts: Servers) -> dict[str, list[Round]]:
    """All rounds, the kinds taking turns."""
    for drive in kinds.values():
        await _round(drive, WARM_UP, parts)
    measured: dict[str, list[Round]] = {name: [] for name in kinds}
    for _ in range(ROUNDS):
        for name, drive in kinds.items():
            measured[name].append(await _round(drive, max(1, CONNECTIONS // ROUNDS), parts))
    return measured


async def _round(drive: Drive, number: int, parts: Servers) -> Round:
    places = asyncio.Semaphore(CONCURRENCY)

    async def one() -> WorkflowHandle[Any, Any]:
        async with places:
            handle = await drive()
            await handle.result()
            return handle

    before, began = parts.cpu_seconds(), time.perf_counter()
    handles = await asyncio.gather(*(one() for _ in range(number)))
    seconds, after = time.perf_counter() - began, parts.cpu_seconds()
    lengths = [(await handle.describe()).history_length for handle in handles]
    cpu_ms: dict[str, float] = defaultdict(float)
    for name in after:
        cpu_ms[name.rstrip(" 0123456789")] += (after[name] - before[name]) * 1000 / number
    return Round(number / seconds, statistics.mean(lengths), cpu_ms)


def bare(client: Client, listener: Listener, shape: Shape) -> Drive:
    """Start a bare workflow, and act as soon as it waits for it."""

    async def drive() -> WorkflowHandle[Any, Any]:
        workflow_id = f"bare/{uuid4()}"
        handle = await client.start_workflow(BareWorkflow.run, shape, id=workflow_id, task_queue=QUEUE)
        for act in range(1, len(shape)):
            await listener.until_it_waits(workflow_id, act)
            await handle.signal(BareWorkflow.act)
        return handle

    return drive


def ours(client: Client, people: People) -> Drive:
    """Connect a subscriber."""

    async def drive() -> WorkflowHandle[Any, Any]:
        return client.get_workflow_handle(await people.connect())

    return drive


async def run(parts: Servers, settings: Settings, database: Database, operator: Operator, socket: Path) -> None:
    """Measure and report."""
    async with AsyncExitStack() as stack:
        client = await connect(settings)
        listener = await listen(socket)
        lookout = Lookout(database)
        looking = asyncio.create_task(lookout.look())
        stack.callback(looking.cancel)
        connecting = ours(client, People(client, database, operator, lookout))
        sample = await connecting()
        await sample.result()
        shape = shape_of((await sample.fetch_history()).events)
        kinds = {
            OURS: connecting,
            BARE: bare(client, listener, all_regular(shape)),
            SAME_KIND: bare(client, listener, shape),
        }
        report(await measure(kinds, parts), shape)


def report(measured: dict[str, list[Round]], shape: Shape) -> None:
    """Print what was measured."""
    activities = [kind for stretch in shape for kind in stretch]
    print(
        f"{CONNECTIONS} of each kind in {ROUNDS} rounds, {CONCURRENCY} at once, {WORKERS} worker processes each.\n"
        f"A connection: {len(activities)} "
        f"activities ({activities.count('local')} local), {len(shape) - 1} acts of people.\n"
    )
    rows = [
        (name, _median(r.per_second for r in rounds), _median(r.events for r in rounds), *_cpu_columns(rounds))
        for name, rounds in measured.items()
    ]
    print_table(("", "per second", "events", *(f"{part} ms" for part in measured[OURS][0].cpu_ms), "all ms"), rows)
    print()
    figures = {
        "connections_per_second": _median(r.per_second for r in measured[OURS]),
        "events_per_connection": _median(r.events for r in measured[OURS]),
        "bare_per_second": _median(r.per_second for r in measured[BARE]),
        "bare_events": _median(r.events for r in measured[BARE]),
        "same_kind_per_second": _median(r.per_second for r in measured[SAME_KIND]),
        "same_kind_events": _median(r.events for r in measured[SAME_KIND]),
        "cpu_ms_per_connection": _median(r.all_cpu_ms for r in measured[OURS]),
        "bare_cpu_ms": _median(r.all_cpu_ms for r in measured[BARE]),
        "ratio_throughput": _ratio(measured, BARE, lambda r: r.per_second),
        "ratio_events": _ratio(measured, BARE, lambda r: r.events),
        "ratio_throughput_same_kind": _ratio(measured, SAME_KIND, lambda r: r.per_second),
        "ratio_events_same_kind": _ratio(measured, SAME_KIND, lambda r: r.events),
        "ratio_cpu": _ratio(measured, BARE, lambda r: 1000 / r.all_cpu_ms),
    }
    print_figures(figures)


def _cpu_columns(rounds: Sequence[Round]) -> list[float]:
    parts = [_median(r.cpu_ms[part] for r in rounds) for part in rounds[0].cpu_ms]
    return [*parts, sum(parts)]


def _ratio(measured: dict[str, list[Round]], floor: str, figure: Callable[[Round], float]) -> float:
    """The median of the ratios of each round to the floor's round after it, which had the same neighbours."""
    return _median(figure(mine) / figure(theirs) for mine, theirs in zip(measured[OURS], measured[floor], strict=True))


def _median(values: Any) -> float:
    return float(statistics.median(values))


def main() -> None:
    """Start everything, measure, and end everything."""
    with servers() as parts:
        settings = load().model_copy(update={"temporal_address": parts.temporal_address})
        socket = parts.folder / "awaiting.sock"
        with ExitStack() as programs:
            for number in range(1, WORKERS + 1):
                product = parts.working(
                    f"worker {number}", str(HERE / "product_worker.py"), environment={"SMS_PER_SECOND": "1000"}
                )
                floor = parts.working(
                    f"floor worker {number}", str(HERE / "floor_worker.py"), environment={SOCKET_VARIABLE: str(socket)}
                )
                programs.enter_context(product)
                programs.enter_context(floor)
            database = Database(parts.database_url)
            try:
                with database.transaction() as session:
                    operator = furnish(session, connections=CONNECTIONS + WARM_UP + 1, zone=settings.zone)
                asyncio.run(run(parts, settings, database, operator, socket))
            finally:
                database.close()


if __name__ == "__main__":
    main()
