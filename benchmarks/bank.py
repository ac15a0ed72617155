"""Payments and look-ups of a bank over real HTTP, beside pgbench with the same statements on the same server.

`make bench-bank`. The whole product runs: PostgreSQL with its usual durability, Temporal, a worker with the relay, and
API_PROCESSES (2) API processes behind one port, on servers of its own; they log as in production. A bank keeps 15
connections open and asks again on each as soon as it has its answer.

1. ROUNDS (3) times SECONDS (5) each: payments by pgbench, payments by the bank, look-ups by pgbench, look-ups by the
   bank, over SUBSCRIBERS (20,000) who owe an invoice. Each payment covers a part of it. pgbench runs what the product
   itself executes for such a request (see `bank_floor`), prepared, on 15 connections: PostgreSQL with nothing of ours
   before it. The floor's transactions write the same rows, which is checked, and everything shares the processors.
2. REACTIONS (100) connections that wait for their prepayment are paid one by one: from the bank's answer to the
   process's next stage.
3. The bank pays for BEHIND_SECONDS (8) to WAITING (60) processes that wait, a little each time, so that each payment is
   to be told: how many rows the relay is behind, how old they get, and how long after the load's end the last is told.
4. Temporal is stopped, the bank goes on paying for OUTAGE_SECONDS (8), and Temporal comes back: how soon the relay
   tells the first row, and how many a second until the last.
5. The whole ledger is checked; a finding fails the benchmark.

The bank's own processor time is in the table as `bank`: it shares the two cores, and must not be what stands in the
way. `ratio_cpu_…` is what the throughput would be worth if processor time were all that counts (pgbench's with its
own beside the product's with the bank's): less of it is left to chance on a busy machine.
"""

import os
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

from bank_data import account_no, furnish_debtors, iin
from bank_floor import SAMPLES, FloorFailedError, Script, count, overhear, run_script
from bank_load import Bank, Timed, load
from bank_reaction import Behind, Outage, behind, outage, reactions, waiting_connections
from billing_floor import BillingFailedError, maintain
from furniture import furnish
from report import print_figures, print_table
from servers import Servers, servers

from activities.ledger_audit import check
from models.database import Database
from settings import load as load_settings
from workers.credentials import issue_password
from workers.ports import free_port

SUBSCRIBERS: Final = int(os.environ.get("SUBSCRIBERS", "20000"))
ROUNDS: Final = int(os.environ.get("ROUNDS", "3"))
SECONDS: Final = int(os.environ.get("SECONDS", "5"))
REACTIONS: Final = int(os.environ.get("REACTIONS", "100"))
WAITING: Final = int(os.environ.get("WAITING", "60"))
BEHIND_SECONDS: Final = int(os.environ.get("BEHIND_SECONDS", "8"))
OUTAGE_SECONDS: Final = int(os.environ.get("OUTAGE_SECONDS", "8"))
API_PROCESSES: Final = int(os.environ.get("API_PROCESSES", "2"))
AMOUNT_MINOR: Final = 100
WARM_UP_SECONDS: Final = 2
PAYMENTS, LOOKUPS = "payments", "look-ups"
WRITTEN: Final = ("payment", "allocation", "transfer")
STARTED: Final = time.perf_counter()


@dataclass(frozen=True)
class Round:
    """What one round of one kind measured, by pgbench and by the bank."""

    floor: Timed
    ours: Timed
    floor_cpu_ms: Mapping[str, float]
    """Processor time for each transaction, by part."""
    our_cpu_ms: Mapping[str, float]

    @property
    def ratio(self) -> float:
        """Our throughput to the floor's."""
        return self.ours.per_second / self.floor.per_second

    @property
    def ratio_cpu(self) -> float:
        """The floor's processor time to ours, for the same work."""
        return sum(self.floor_cpu_ms.values()) / sum(self.our_cpu_ms.values())


def say(text: str) -> None:
    """Tell a person how far it is."""
    print(f"{time.perf_counter() - STARTED:7.0f} s  {text}", flush=True)


class Measure:
    """Both kinds of request, by both."""

    def __init__(self, parts: Servers, port: int, bank: Bank) -> None:
        self._parts = parts
        self._port = port
        self._bank = bank
        self._whom = random.Random(1)
        numbers = range(1, SAMPLES + 1)
        notices = [bank.notice(account_no(number), AMOUNT_MINOR) for number in numbers]
        headers = {"Authorization": bank.authorization}
        paying = [
            {"method": "POST", "url": "/bank/v1/payments", "json": notice, "headers": headers} for notice in notices
        ]
        looking = [
            {"method": "GET", "url": f"/bank/v1/customers/{iin(number)}", "headers": headers} for number in numbers
        ]
        self.scripts = {
            PAYMENTS: Script(
                overhear(parts.database_url, paying),
                {name: [notice[name] for notice in notices] for name in ("txn_id", "account_no")},
                {
                    "account_no": f"random({account_no(1)}, {account_no(SUBSCRIBERS)})",
                    "txn_id": "random(1000000000000000, 9000000000000000000)",
                },
            ),
            LOOKUPS: Script(
                overhear(parts.database_url, looking),
                {"iin": [iin(number) for number in numbers]},
                {"iin": f"random({iin(1)}, {iin(SUBSCRIBERS)})"},
            ),
        }
        self._requests: dict[str, tuple[Callable[[int], bytes], int]] = {
            PAYMENTS: (lambda _: bank.pay(account_no(self._anybody()), AMOUNT_MINOR), 201),
            LOOKUPS: (lambda _: bank.look_up(iin(self._anybody())), 200),
        }

    def _anybody(self) -> int:
        return self._whom.randint(1, SUBSCRIBERS)

    def warm_up(self) -> None:
        """Let every process meet every request."""
        for request, expect in self._requests.values():
            load(self._port, request, seconds=WARM_UP_SECONDS, expect=expect)

    def round(self, kind: str) -> Round:
        """One round of a kind; both must write the same rows.

        Raises:
            FloorFailedError: pgbench wrote others than the product does.
        """
        rows, before = self._rows(), self._parts.cpu_seconds()
        floor = run_script(self._parts.database_url, self.scripts[kind], self._parts.folder, seconds=SECONDS)
        floor_cpu = self._cpu_ms(before, len(floor.latencies_ms), "PostgreSQL")
        floor_cpu["pgbench"] = floor.client_cpu_seconds * 1000 / len(floor.latencies_ms)
        floor_rows = self._more_rows(rows, len(floor.latencies_ms))
        request, expect = self._requests[kind]
        rows, before = self._rows(), self._parts.cpu_seconds()
        ours = load(self._port, request, seconds=SECONDS, expect=expect)
        our_cpu = self._cpu_ms(before, len(ours.latencies_ms), "PostgreSQL", "API", "driver")
        if self._more_rows(rows, len(ours.latencies_ms)) != floor_rows:
            raise FloorFailedError(f"pgbench wrote {floor_rows} for each of the {kind}, the product something else")
        return Round(floor, ours, floor_cpu, our_cpu)

    def _cpu_ms(self, before: Mapping[str, float], number: int, *names: str) -> dict[str, float]:
        after = self._parts.cpu_seconds()
        return {name: (after[name] - before[name]) * 1000 / number for name in names}

    def _rows(self) -> dict[str, int]:
        return {table: count(self._parts.database_url, table) for table in WRITTEN}

    def _more_rows(self, before: Mapping[str, int], transactions: int) -> dict[str, float]:
        # Of those cut off by the end of pgbench's time, a few may be committed and not counted.
        return {table: round((now - before[table]) / transactions, 1) for table, now in self._rows().items()}


@contextmanager
def api(parts: Servers) -> Iterator[int]:
    """The API processes behind one port, which is answered."""
    port = free_port()
    environment = {
        "API_PORT": str(port), "API_PROCESSES": str(API_PROCESSES), "REQUESTS_PER_SECOND": "1000000",
        "LOG_FORMAT": "json", "LOCAL_DIR": str(parts.folder),
    }  # fmt: skip
    with parts.working("API", "-m", "workers.cli", "api", environment=environment):
        until = time.monotonic() + 60
        while not _answers(port):
            if time.monotonic() > until:
                raise TimeoutError("the API did not start")
            time.sleep(0.1)
        time.sleep(1)  # for the others behind the same port
        yield port


def _answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=3):
            return True
    except (URLError, OSError):
        return False


def measure(parts: Servers) -> None:
    """Everything, and the report."""
    settings = load_settings()
    database = Database(parts.database_url)
    try:
        say(f"making {SUBSCRIBERS} subscribers who owe something")
        with database.transaction() as session:
            operator = furnish(session, connections=REACTIONS + WAITING + 8, zone=settings.zone)
            furnish_debtors(session, SUBSCRIBERS, on=datetime.now(UTC).astimezone(settings.zone).date())
            credentials = issue_password(session, operator.bank_code)
        maintain(parts.database_url)
        bank = Bank(credentials.user, credentials.password)
        environment = {"BILLING_SCHEDULE_ENABLED": "false", "LOCAL_DIR": str(parts.folder)}
        with api(parts) as port, parts.working("worker", "-m", "workers.cli", "worker", environment=environment):
            measuring = Measure(parts, port, bank)
            for kind, script in measuring.scripts.items():
                say(f"{kind}: {script.statements} statements, BEGIN and COMMIT among them")
            measuring.warm_up()
            # As autovacuum does within a minute of a first load: what was planned for empty tables is planned anew.
            maintain(parts.database_url)
            rounds: dict[str, list[Round]] = {PAYMENTS: [], LOOKUPS: []}
            for number in range(ROUNDS):
                for kind, measured in rounds.items():
                    measured.append(measuring.round(kind))
                    one = measured[-1]
                    say(f"round {number + 1}, {kind}: {one.ours.per_second:.0f}/s beside {one.floor.per_second:.0f}/s")
            say(f"bringing {REACTIONS + WAITING} connections to their prepayment")
            connections = waiting_connections(database, operator, REACTIONS + WAITING)
            reacted = reactions(parts.database_url, port, bank, connections[:REACTIONS])
            say(f"the next stage after a payment: p50 {reacted.p50_ms:.0f} ms, p99 {reacted.p99_ms:.0f} ms")
            lagged = behind(parts.database_url, port, bank, connections[REACTIONS:], seconds=BEHIND_SECONDS)
            say(f"all told {lagged.drained_after_seconds:.1f} s after a load of {BEHIND_SECONDS} s")
            away = outage(parts, port, bank, connections[REACTIONS:], seconds=OUTAGE_SECONDS)
            say(f"{away.rows} rows after an outage: all told in {away.drained_after_seconds:.1f} s")
        with database.transaction() as session:
            findings = check(session)
        if findings:
            raise BillingFailedError(f"the ledger is wrong, {len(findings)} findings: {findings[:3]}")
        say("the ledger is right: 0 findings")
    finally:
        database.close()
    report(rounds, reacted, lagged, away)


def report(rounds: dict[str, list[Round]], reacted: Timed, lagged: Behind, away: Outage) -> None:
    """Print what was measured."""
    print()
    print_table(
        ("", "per second", "p50 ms", "p99 ms", "PostgreSQL ms", "API ms", "bank ms"),
        [row for kind, measured in rounds.items() for row in _rows_of(kind, measured)],
    )
    assert lagged.payments is not None
    print(
        f"\nprocessor time in ms for each; {ROUNDS} rounds of {SECONDS} s, medians. From a bank's answer to the "
        f"process's next stage: p50 {reacted.p50_ms:.0f} ms, p99 {reacted.p99_ms:.0f} ms.\n"
        f"{len(lagged.payments.latencies_ms)} payments for waiting processes in {lagged.payments.seconds:.1f} s: at "
        f"most {lagged.most_waiting} rows to tell, the oldest {lagged.oldest_seconds:.1f} s; all told "
        f"{lagged.drained_after_seconds:.1f} s after the load, all in the timelines after "
        f"{lagged.learned_after_seconds:.1f} s.\n"
        f"{away.rows} rows after {OUTAGE_SECONDS} s without Temporal: the first told "
        f"{away.first_told_after_seconds:.1f} s after it was back, all in {away.drained_after_seconds:.1f} s, "
        f"{away.rows_per_second:.0f} a second.\n"
    )
    figures: dict[str, Any] = {}
    for kind, measured in rounds.items():
        name = kind.replace("-", "")
        figures |= {
            f"{name}_per_second": _median(one.ours.per_second for one in measured),
            f"{name}_per_second_pgbench": _median(one.floor.per_second for one in measured),
            f"ratio_{name}": _median(one.ratio for one in measured),
            f"ratio_cpu_{name}": _median(one.ratio_cpu for one in measured),
            f"{name}_p50_ms": _median(one.ours.p50_ms for one in measured),
            f"{name}_p99_ms": _median(one.ours.p99_ms for one in measured),
            f"{name}_p50_ms_pgbench": _median(one.floor.p50_ms for one in measured),
            f"{name}_p99_ms_pgbench": _median(one.floor.p99_ms for one in measured),
            f"{name}_api_cpu_ms": _median(one.our_cpu_ms["API"] for one in measured),
            f"{name}_bank_cpu_ms": _median(one.our_cpu_ms["driver"] for one in measured),
        }
    figures |= {
        "reaction_p50_ms": reacted.p50_ms,
        "reaction_p99_ms": reacted.p99_ms,
        "load_seconds": lagged.payments.seconds,
        "load_payments": len(lagged.payments.latencies_ms),
        "load_most_waiting": lagged.most_waiting,
        "load_oldest_seconds": lagged.oldest_seconds,
        "load_drained_after_seconds": lagged.drained_after_seconds,
        "load_learned_after_seconds": lagged.learned_after_seconds,
        "outage_rows": away.rows,
        "outage_first_told_after_seconds": away.first_told_after_seconds,
        "outage_drained_after_seconds": away.drained_after_seconds,
        "outage_rows_per_second": away.rows_per_second,
        "ratio_drained_to_load": lagged.drained_after_seconds / lagged.payments.seconds,
        "ratio_learned_to_load": lagged.learned_after_seconds / lagged.payments.seconds,
    }
    print_figures(figures)


def _rows_of(kind: str, measured: Sequence[Round]) -> list[Sequence[object]]:
    def row(name: str, timed: Sequence[Timed], cpu: Sequence[Mapping[str, float]], client: str) -> Sequence[object]:
        speed = [_median(getattr(one, figure) for one in timed) for figure in ("per_second", "p50_ms", "p99_ms")]
        return (name, *speed, *(_median(one.get(part, 0.0) for one in cpu) for part in ("PostgreSQL", "API", client)))

    return [
        row(f"{kind}, pgbench", [one.floor for one in measured], [one.floor_cpu_ms for one in measured], "pgbench"),
        row(kind, [one.ours for one in measured], [one.our_cpu_ms for one in measured], "driver"),
    ]


def _median(values: Any) -> float:
    return float(statistics.median(values))


def main() -> None:
    """Start everything, measure, and end everything."""
    with servers() as parts:
        measure(parts)


if __name__ == "__main__":
    main()
