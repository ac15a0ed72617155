"""Outage notices at size: SMS a second beside the bare loop of the same client, events, memory, and a worker killed.

`make bench-outage`; AFFECTED (default 50000) subscribers hang below one node. Everything shares the machine's
processors: PostgreSQL and Temporal, durable as `make run` has them; the product's worker with its relay; and an SMS
server that speaks Twilio's API over HTTP, in a process of its own (`outage_sms_server.py`).

1. AFFECTED, at most a thousand, for the memory; then all, on servers of its own. An emergency is registered as the API
   does it, and the real process takes over: it lists those affected, writes their SMS, and the delivery sends them. The
   time is from the registration until the server has the last one. Then the outage is ended: everybody is told that
   too, credits are given, and the process closes with its figures. SMS_PER_SECOND is out of the way.
2. The floor, before and after: a bare loop, a process of its own, sends FLOOR (default 6000) SMS through the product's
   Twilio client, with as many calls at once, to the same server.
3. On servers of its own again, KILLS times (default 5) the worker is killed while it sends to all of them, and started
   again. What was claimed is then looked up at the server, and sent again only once it is certainly not there, five
   minutes later. The server knows whether anybody was told twice or left out.

`ratio_messages` is (1) to the mean of (2). `ratio_cpu` compares the processor time of the loop for each SMS with that
of the worker, which also lists, writes the texts, and runs the process.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psutil  # type: ignore[import-untyped]  # ships no type information
import requests
from outage_data import furnish
from outage_floor import Floor
from outage_sms_server import ACCOUNT_SID, AUTH_TOKEN, Report
from report import print_figures, print_table
from servers import Servers, servers
from sqlalchemy import text
from temporalio.client import Client

from activities.outage_changes import change_outage
from activities.outage_registration import register_outage
from models.contracts.engine import MESSAGE_DELIVERY, MESSAGE_DELIVERY_ID, MESSAGING_QUEUE
from models.contracts.outage import NewOutage, OutageChange, OutageKind
from models.database import Database
from settings import Settings, load
from workers.children import Child, wait_until
from workers.ports import free_port
from workers.seed import seed
from workflows.engine import connect

AFFECTED: Final = int(os.environ.get("AFFECTED", "50000"))
FEW: Final = 1_000
KILLS: Final = int(os.environ.get("KILLS", "5"))
FLOOR: Final = int(os.environ.get("FLOOR", "6000"))
HERE: Final = Path(__file__).parent
_LASTED: Final = timedelta(hours=2)
"""Longer than the threshold, so that everybody gets something back."""
_PATIENCE_SECONDS: Final = 1_800.0


@dataclass
class Wave:
    """Everybody affected is told something."""

    seconds: float
    """From the word that there is something to tell until the server has the last SMS."""
    report: Report
    cpu_ms: dict[str, float]
    """Processor time of each part for each SMS."""

    @property
    def per_second(self) -> float:
        """SMS a second."""
        return self.report.messages / self.seconds


@dataclass
class Measured:
    """What was measured with so many affected."""

    affected: int
    begun: Wave
    ended: Wave
    floors: list[Floor]
    idle_mib: float
    peak_mib: float
    outage_events: int
    delivery_events: int
    to_close_seconds: float
    """From the end of the outage to that of its process."""

    @property
    def floor_per_second(self) -> float:
        """Of the loop."""
        return sum(floor.per_second for floor in self.floors) / len(self.floors)

    @property
    def floor_cpu_ms(self) -> float:
        """Of the loop."""
        return sum(floor.cpu_ms for floor in self.floors) / len(self.floors)


@dataclass
class Killed:
    """What came of a worker that was killed again and again."""

    report: Report
    seconds: float
    at: list[int]
    """How many SMS the server had, each time."""
    statuses: dict[str, int]
    """What the product says of them."""


@dataclass
class Town:
    """Where it is measured."""

    database: Database
    settings: Settings
    parts: Servers
    sms_url: str
    node_id: UUID
    affected: int
    outage_id: UUID | None = field(default=None)
    peak_mib: float = 0.0

    @property
    def worker(self) -> Child:
        """The product's."""
        return self.parts.children["worker"]

    def asked(self, what: str) -> Any:
        """What the SMS server says."""
        return requests.get(f"{self.sms_url}/{what}", timeout=30).json()

    def report(self) -> Report:
        """What the SMS server has taken."""
        return Report(**self.asked("report"))

    def one(self, statement: str) -> Any:
        """The only value of a statement."""
        with self.database.transaction() as session:
            return session.execute(text(statement)).scalar_one()

    def begin(self) -> None:
        """Register an emergency."""
        at = datetime.now(UTC)
        order = NewOutage(kind=OutageKind.EMERGENCY, node_ids=[self.node_id], starts_at=at - _LASTED, reason="обрыв")
        with self.database.transaction() as session:
            process, _ = register_outage(session, order, actor="benchmark", idempotency_key=None, at=at)
            self.outage_id = process.id

    def end(self) -> None:
        """It is over."""
        assert self.outage_id is not None, "it was registered"
        with self.database.transaction() as session:
            change_outage(
                session, self.outage_id, OutageChange(ended=True), actor="benchmark", at=datetime.now(UTC)
            )  # fmt: skip

    def wave(self, *, begins: bool) -> Wave:
        """Let everybody be told, and wait until they are."""
        self.asked("reset")
        before, began_at = self.parts.cpu_seconds(), time.time()
        self.begin() if begins else self.end()
        self.wait_for(self.affected)
        after, report = self.parts.cpu_seconds(), self.report()
        return Wave(
            seconds=report.last_at - began_at,
            report=report,
            cpu_ms={name: (after[name] - before[name]) * 1000 / report.messages for name in after},
        )

    def wait_for(self, messages: int) -> None:
        """Until the server has so many."""
        until = time.monotonic() + _PATIENCE_SECONDS
        while self.asked("taken") < messages:
            assert time.monotonic() < until, f"only {self.asked('taken')} of {messages} have come"
            self.peak_mib = max(self.peak_mib, self.worker_mib())
            time.sleep(0.2)

    def worker_mib(self) -> float:
        """Resident memory of the worker."""
        return float(psutil.Process(self.worker.pid).memory_info().rss) / 2**20

    def floor(self) -> Floor:
        """The bare loop, now."""
        self.asked("reset")
        done = subprocess.run(
            [sys.executable, str(HERE / "outage_floor.py"), self.sms_url, str(FLOOR)], check=True, capture_output=True
        )
        assert self.report().messages == FLOOR, "the server has them all"
        return Floor(**json.loads(done.stdout))


def measure(town: Town) -> Measured:
    """Two waves with a floor before and after."""
    asyncio.run(_is_at_work(town))
    idle_mib = town.worker_mib()
    floors = [town.floor()]
    begun = town.wave(begins=True)
    floors.append(town.floor())
    ended_at = time.monotonic()
    ended = town.wave(begins=False)
    events, delivery_events = asyncio.run(_events(town))
    return Measured(
        affected=town.affected, begun=begun, ended=ended, floors=floors, idle_mib=idle_mib, peak_mib=town.peak_mib,
        outage_events=events, delivery_events=delivery_events, to_close_seconds=time.monotonic() - ended_at,
    )  # fmt: skip


async def _is_at_work(town: Town) -> None:
    """A delivery that finds nothing: after it, the worker is up and has loaded what it needs."""
    client = await connect(town.settings)
    await client.execute_workflow(MESSAGE_DELIVERY, id=MESSAGE_DELIVERY_ID, task_queue=MESSAGING_QUEUE)


async def _events(town: Town) -> tuple[int, int]:
    """The events of the outage's process once it has closed, and of all runs of the delivery."""
    client = await connect(town.settings)
    handle = client.get_workflow_handle(f"outage/{town.outage_id}")
    await handle.result()
    # Temporal's list of workflows is some way behind.
    await asyncio.sleep(3)
    return await _length(client, handle.id), await _length(client, MESSAGE_DELIVERY_ID)


async def _length(client: Client, workflow_id: str) -> int:
    runs = client.list_workflows(f"WorkflowId = '{workflow_id}'")
    return sum([run.history_length async for run in runs])


def kill(town: Town) -> Killed:
    """Kill the worker again and again while it sends."""
    town.asked("reset")
    began, at = time.monotonic(), []
    town.begin()
    for number in range(1, KILLS + 1):
        town.wait_for(town.affected * number // (KILLS + 1))
        os.kill(town.worker.pid, signal.SIGKILL)
        at.append(town.asked("taken"))
        while town.worker.is_running:
            time.sleep(0.01)
        town.worker.start()
        print(f"killed with {at[-1]} sent", file=sys.stderr, flush=True)
    under_way = "SELECT count(*) FROM message WHERE status IN ('queued', 'sending', 'unknown')"
    while town.asked("taken") < town.affected or town.one(under_way):
        assert time.monotonic() - began < _PATIENCE_SECONDS, f"{town.one(under_way)} SMS are under way for ever"
        time.sleep(1.0)
    seconds = time.monotonic() - began
    with town.database.transaction() as session:
        counted = session.execute(text("SELECT status, count(*) FROM message GROUP BY status"))
        statuses = {str(status): int(number) for status, number in counted}
    return Killed(report=town.report(), seconds=seconds, at=at, statuses=statuses)


def report(few: Measured, many: Measured, killed: Killed | None) -> None:
    """Print what was measured."""
    print(f"\n{few.affected} and {many.affected} affected.\n")
    columns = ("affected", "told/s", "told of the end/s", "bare loop/s", "events", "of the delivery", "worker MiB")
    print_table(columns, [_row(few), _row(many)])
    print()
    if killed is not None:
        left_out, twice = many.affected - killed.report.told, killed.report.twice
        print(f"Killed at {killed.at} SMS: {left_out} left out, {twice} told twice; {killed.seconds:.0f} s in all.\n")
    print_figures({
        "affected": many.affected,
        "messages_per_second": many.begun.per_second,
        "messages_of_the_end_per_second": many.ended.per_second,
        "bare_messages_per_second": many.floor_per_second,
        "ratio_messages": many.begun.per_second / many.floor_per_second,
        "ratio_messages_of_the_end": many.ended.per_second / many.floor_per_second,
        "ratio_messages_few": few.begun.per_second / few.floor_per_second,
        "ratio_cpu": many.floor_cpu_ms / many.begun.cpu_ms["worker"],
        "cpu_ms_of_a_message": {name: round(value, 3) for name, value in many.begun.cpu_ms.items()},
        "bare_cpu_ms_of_a_message": many.floor_cpu_ms,
        "events_per_thousand": many.outage_events * 1000 / many.affected,
        "delivery_events_per_thousand": many.delivery_events * 1000 / many.affected,
        "worker_mib": many.peak_mib,
        "worker_mib_few": few.peak_mib,
        "worker_idle_mib": many.idle_mib,
        "ratio_memory_growth": many.peak_mib / few.peak_mib,
        "to_close_seconds": many.to_close_seconds,
        "told_twice": max(many.begun.report.twice, many.ended.report.twice),
        "kills": None if killed is None else len(killed.at),
        "killed_told_twice": None if killed is None else killed.report.twice,
        "killed_left_out": None if killed is None else many.affected - killed.report.told,
        "killed_statuses": None if killed is None else killed.statuses,
    })  # fmt: skip


def _row(one: Measured) -> tuple[object, ...]:
    return (
        one.affected, one.begun.per_second, one.ended.per_second, one.floor_per_second, one.outage_events,
        one.delivery_events, one.peak_mib,
    )  # fmt: skip


@contextmanager
def town(affected: int) -> Iterator[Town]:
    """Servers of its own with so many subscribers, the product's worker and an SMS server."""
    with servers() as parts:
        settings = load().model_copy(update={"temporal_address": parts.temporal_address})
        database = Database(parts.database_url)
        try:
            with database.transaction() as session:
                seed(session)
                node_id = furnish(session, affected)
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.execute(text("ANALYZE"))
            port = free_port()
            url = f"http://127.0.0.1:{port}"
            with (
                parts.working("SMS server", str(HERE / "outage_sms_server.py"), str(port)) as sms_server,
                parts.working("worker", str(HERE / "product_worker.py"), environment=_twilio(url)),
            ):
                wait_until(lambda: _answers(url), sms_server)
                yield Town(database, settings, parts, url, node_id, affected)
        finally:
            database.close()


def _twilio(url: str) -> dict[str, str]:
    return {
        "SMS_GATEWAY": "twilio", "TWILIO_ACCOUNT_SID": ACCOUNT_SID, "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
        "TWILIO_SENDER": "Abonent", "TWILIO_API_URL": url, "PUBLIC_URL": "https://abonent.example",
        "SMS_PER_SECOND": "100000", "SMS_QUIET_FROM": "00:00", "SMS_QUIET_UNTIL": "00:00",
        "SMS_WEEKDAYS_ONLY": "false", "WITH_SMS": "1",
    }  # fmt: skip


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/taken", timeout=5).ok
    except requests.ConnectionError:
        return False


def main() -> None:
    """Measure with few, then with all, then with a worker that is killed."""
    with town(min(FEW, AFFECTED)) as small:
        few = measure(small)
    with town(AFFECTED) as large:
        many = measure(large)
    killed = None
    if KILLS:
        with town(AFFECTED) as dangerous:
            killed = kill(dangerous)
    report(few, many, killed)
    assert killed is None or (killed.report.messages, killed.report.told) == (AFFECTED, AFFECTED), "each told once"


if __name__ == "__main__":
    main()
