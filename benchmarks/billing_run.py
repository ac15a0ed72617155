"""The monthly billing run at size: its time beside plain INSERT … SELECT, its growth, its memory, its neighbours.

`SUBSCRIBERS=1000000 make bench-billing`, or `--subscribers N`; 100,000 unless said. First a tenth of it, then all of
it, each on servers of its own, with production's durability and settings as they come:

1. The subscribers of `billing_data` are made, and their first month is billed by the product, unmeasured: a run in
   practice always finds a month before it. Then some of them change.
2. The measured run: the workflow `BillingRun`, opened as the API opens it, carried to the worker (`abonent worker`, a
   process of its own) by the outbox. Notices are off by policy. The time is from the opening to the process's end.
   Beside it, `activities.payments.customer_info` is asked PER_SECOND times a second on connections of their own, as
   was done before on the idle stack: no HTTP. The memory is the greatest resident set that the kernel saw.
3. The whole ledger is checked; a finding fails the benchmark.
4. The floor: a copy of the database from before the run gets the rows that the run has written (invoices, lines,
   allocations, transfers, with balances by the same trigger, with the same constraints and indexes), by one
   INSERT … SELECT for each table in one transaction on one connection. The floor computes nothing, knows no
   partitions and has no look-ups beside it.

Leave the machine alone while it runs. `ratio_cpu` (run beside floor) and `ratio_cpu_growth` (all beside a tenth)
compare PostgreSQL's processor time instead of the time that passed: less of it is left to chance on a busy machine.
"""

import argparse
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

from billing_data import change, furnish, without_notices
from billing_floor import BillingFailedError, Floor, copy_of, maintain, now, write_again
from lookups import PER_SECOND, Lookups
from report import print_figures, print_table
from servers import Servers, servers

from activities.billing_opening import progress_of, register_billing_run
from activities.ledger_audit import check
from models.contracts.billing_run import NewBillingRun, RunProgress, period_of
from models.contracts.processes import ProcessStatus
from models.database import Database
from models.tables.processes import Process
from settings import load
from workers.seed import seed

IDLE_SECONDS: Final = 20
WARM_UP_SECONDS: Final = 5
STARTED: Final = time.perf_counter()


@dataclass(frozen=True)
class Measured:
    """What was measured with so many subscribers."""

    subscribers: int
    seconds: float
    cpu_seconds: float
    worker_peak_mib: float
    lookup_p99_ms_idle: float
    lookup_p99_ms_busy: float
    floor: Floor

    @property
    def microseconds_each(self) -> float:
        """The run's time for each subscriber."""
        return self.seconds * 1e6 / self.subscribers

    @property
    def cpu_microseconds_each(self) -> float:
        """PostgreSQL's processor time for each subscriber."""
        return self.cpu_seconds * 1e6 / self.subscribers


def say(text: str) -> None:
    """Tell a person how far it is."""
    print(f"{time.perf_counter() - STARTED:7.0f} s  {text}", flush=True)


def measure(parts: Servers, subscribers: int) -> Measured:
    """Everything for one number of subscribers."""
    today = datetime.now(load().zone).date()
    period_on = today.replace(day=1)
    prepare(parts, subscribers, period_on=period_on)
    floor_url = copy_of(parts.database_url)
    with worker(parts) as pid:
        lookups = Lookups(parts.database_url, subscribers)
        with lookups.going_on():
            time.sleep(WARM_UP_SECONDS)
            lookups.forget()
            time.sleep(IDLE_SECONDS)
            idle = lookups.p99_ms()
            say(f"look-ups on the idle stack: p99 {idle:.2f} ms")
            began, cpu_before = now(parts.database_url), parts.cpu_seconds()["PostgreSQL"]
            seconds, figures = run(parts, period_on)
            cpu_seconds = parts.cpu_seconds()["PostgreSQL"] - cpu_before
            busy = lookups.p99_ms()
        peak = _peak_mib(pid)
    say(
        f"the run took {seconds:.1f} s: {figures.invoices_issued} invoices, {figures.subscribers_credited} given back, "
        f"{figures.exceptions} exceptions"
    )
    say(f"look-ups beside it: p99 {busy:.2f} ms; worker at most {peak:.0f} MiB")
    audit(parts.database_url)
    below = write_again(parts, floor_url, since=began)
    say(f"the floor took {below.seconds:.1f} s")
    return Measured(subscribers, seconds, cpu_seconds, peak, idle, busy, below)


def prepare(parts: Servers, subscribers: int, *, period_on: date) -> None:
    """Subscribers whose month before was billed, and who changed since."""
    say(f"making {subscribers} subscribers")
    database = Database(parts.database_url)
    try:
        with database.transaction() as session:
            seed(session)
            without_notices(session)
            furnish(session, subscribers, period_on=period_on)
        maintain(parts.database_url)
        with worker(parts):
            seconds, _ = run(parts, (period_on - timedelta(days=1)).replace(day=1))
        say(f"their first month was billed in {seconds:.1f} s")
        with database.transaction() as session:
            change(session, period_on=period_on)
    finally:
        database.close()
    maintain(parts.database_url)


def run(parts: Servers, period_on: date) -> tuple[float, RunProgress]:
    """Bill a month, from its opening to its end; answers how long it took, and its figures."""
    database = Database(parts.database_url)
    try:
        at, began = datetime.now(UTC), time.perf_counter()
        with database.transaction() as session:
            process, _ = register_billing_run(
                session, NewBillingRun(period=period_of(period_on)), actor="benchmark", idempotency_key=None, at=at,
                on=at.astimezone(load().zone).date(),
            )  # fmt: skip
        _wait_for(database, process.id)
        seconds = time.perf_counter() - began
        with database.transaction() as session:
            figures = progress_of(session, process.id)
    finally:
        database.close()
    if figures.subscribers_done != figures.subscribers_total:
        raise BillingFailedError(f"only {figures.subscribers_done} of {figures.subscribers_total} accounts are done")
    return seconds, figures


def _wait_for(database: Database, process_id: UUID) -> None:
    told = time.perf_counter()
    while True:
        time.sleep(0.05)
        with database.transaction() as session:
            status = session.get_one(Process, process_id).status
            if status is ProcessStatus.COMPLETED:
                return
            if status is not ProcessStatus.OPEN:
                raise BillingFailedError(f"the run is {status}")
            if time.perf_counter() - told > 15:
                told = time.perf_counter()
                say(f"  {progress_of(session, process_id).subscribers_done} accounts done")


def audit(database_url: str) -> None:
    """Check the whole ledger.

    Raises:
        BillingFailedError: something in it is wrong.
    """
    database = Database(database_url)
    try:
        with database.transaction() as session:
            findings = check(session)
    finally:
        database.close()
    if findings:
        raise BillingFailedError(f"the ledger is wrong, {len(findings)} findings: {findings[:3]}")
    say("the ledger is right: 0 findings")


@contextmanager
def worker(parts: Servers) -> Iterator[int]:
    """The product's worker, all of it, whose schedule starts nothing by itself; answers its process id."""
    environment = {"BILLING_SCHEDULE_ENABLED": "false", "LOCAL_DIR": str(parts.folder)}
    with parts.working("worker", "-m", "workers.cli", "worker", environment=environment) as child:
        yield child.pid


def _peak_mib(pid: int) -> float:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024


def report(tenth: Measured, whole: Measured) -> None:
    """Print what was measured."""
    print()
    print_table(
        ("subscribers", "run, s", "µs/each", "CPU, s", "floor, s", "CPU, s", "worker, MiB", "idle, ms", "busy, ms"),
        [
            (
                each.subscribers, each.seconds, each.microseconds_each, each.cpu_seconds, each.floor.seconds,
                each.floor.cpu_seconds, each.worker_peak_mib, each.lookup_p99_ms_idle, each.lookup_p99_ms_busy,
            )
            for each in (tenth, whole)
        ],
    )  # fmt: skip
    rows = ", ".join(f"{count} {table}" for table, count in whole.floor.rows.items())
    print(f"\nrows of the run of {whole.subscribers}: {rows}; {PER_SECOND} look-ups a second; notices off\n")
    print_figures(
        {
            "subscribers": whole.subscribers,
            "seconds_run": whole.seconds,
            "seconds_floor": whole.floor.seconds,
            "ratio_run": whole.seconds / whole.floor.seconds,
            "microseconds_per_subscriber": whole.microseconds_each,
            "microseconds_per_subscriber_at_a_tenth": tenth.microseconds_each,
            "ratio_cost_growth": whole.microseconds_each / tenth.microseconds_each,
            "worker_peak_mib": max(tenth.worker_peak_mib, whole.worker_peak_mib),
            "lookup_p99_ms_idle": whole.lookup_p99_ms_idle,
            "lookup_p99_ms_busy": whole.lookup_p99_ms_busy,
            "ratio_lookup_p99": whole.lookup_p99_ms_busy / whole.lookup_p99_ms_idle,
            "cpu_seconds_run": whole.cpu_seconds,
            "cpu_seconds_floor": whole.floor.cpu_seconds,
            "ratio_cpu": whole.cpu_seconds / whole.floor.cpu_seconds,
            "ratio_cpu_growth": whole.cpu_microseconds_each / tenth.cpu_microseconds_each,
        }
    )


def main() -> None:
    """Measure a tenth, then the whole, and report."""
    parser = argparse.ArgumentParser(description="The monthly billing run at size.")
    parser.add_argument("--subscribers", type=int, default=int(os.environ.get("SUBSCRIBERS", "100000")))
    subscribers: int = parser.parse_args().subscribers
    measured = []
    for number in (max(1000, subscribers // 10), subscribers):
        with servers() as parts:
            measured.append(measure(parts, number))
    report(*measured)


if __name__ == "__main__":
    main()
