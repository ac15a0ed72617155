"""A billing run that is killed again and again ends by itself, and its ledger is that of a run that nobody disturbed.

The worker and PostgreSQL, with all its processes, are killed in the middle of partitions, and started again as a
supervisor would. BILLING_CRASH_SUBSCRIBERS=100000 BILLING_CRASH_KILLS=20 is the full proof.
"""

import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psutil  # type: ignore[import-untyped]  # ships no type information
import pytest
from billing_data import change, furnish
from sqlalchemy import text
from sqlalchemy.orm import Session

import migrations
from activities import billing_run
from activities.billing_collection import previous_month
from activities.billing_opening import progress_of, register_billing_run
from activities.ledger_audit import check
from models.contracts.billing_run import BillingPolicy, NewBillingRun, RunOrder, RunProgress, period_of
from models.contracts.processes import ProcessKind, ProcessStatus
from models.database import Database
from models.tables.processes import Process
from settings import Settings
from tests import factories
from tests.billing_world import month_of_billing
from tests.engines import TemporalServer
from tests.running_product import Product, eventually, kill
from workers.seed import seed

SUBSCRIBERS: Final = int(os.environ.get("BILLING_CRASH_SUBSCRIBERS", "4000"))
KILLS: Final = int(os.environ.get("BILLING_CRASH_KILLS", "5"))
PARTITION: Final = max(1, SUBSCRIBERS // (6 * KILLS))
"""Accounts, so that there are several partitions between two kills."""

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300 + 120 * KILLS)]

# By what names a thing for people, not by ids; numbers are compared as a whole, for partitions end in any order.
_LEDGER: Final = {
    "invoices": """
        SELECT account.number, kind, period_on, due_on, net_minor, vat_minor, total_minor
        FROM invoice JOIN account ON account.id = account_id
    """,
    "lines": """
        SELECT account.number, line_no, line.subscription_id, service_month_on, charge_id, description, formula,
               line.vat_rate_bp, line.net_minor, line.vat_minor, line.total_minor
        FROM invoice_line AS line JOIN invoice ON invoice.id = invoice_id JOIN account ON account.id = account_id
    """,
    "credit notes": """
        SELECT account.number, period_on, note.total_minor, note.vat_minor, reason
        FROM credit_note AS note JOIN invoice ON invoice.id = invoice_id JOIN account ON account.id = account_id
    """,
    "credited lines": """
        SELECT account.number, period_on, line_no, line.vat_rate_bp, line.total_minor
        FROM credit_note_line AS line JOIN credit_note AS note ON note.id = credit_note_id
        JOIN invoice ON invoice.id = invoice_id JOIN account ON account.id = account_id
    """,
    "recalculations": """
        SELECT account.number, line_no, line.subscription_id, service_month_on, charge_id, description, formula,
               line.net_minor, line.vat_minor
        FROM recalculation_line AS line JOIN recalculation ON recalculation.id = recalculation_id
        JOIN account ON account.id = account_id
    """,
    "allocations": """
        SELECT account.number, txn_id, period_on, allocation.amount_minor
        FROM allocation JOIN invoice ON invoice.id = invoice_id JOIN payment ON payment.id = payment_id
        JOIN account ON account.id = invoice.account_id
    """,
    "transfers": """
        SELECT account.number, debit, credit, amount_minor, document_kind, regexp_replace(reason, 'СЧ-.*', 'СЧ'),
               effective_on
        FROM transfer JOIN account ON account.id = account_id
    """,
    "balances": """
        SELECT account.number, chart_code, balance_minor FROM ledger_balance JOIN account ON account.id = account_id
    """,
    "partitions": """
        SELECT first_number, last_number, accounts, invoices, invoiced_minor, exceptions, nothing_due, credited,
               credited_minor, done_at IS NULL
        FROM billing_partition
    """,
    "exceptions": "SELECT number, reason FROM billing_exception JOIN account ON account.id = account_id",
    "notices": "SELECT iin, template, body FROM message JOIN subscriber ON subscriber.id = subscriber_id",
    "timeline": "SELECT event, count(*) FROM timeline_entry GROUP BY event",
}


@dataclass
class Outcome:
    """What a run has left behind."""

    figures: RunProgress
    ledger: dict[str, Counter[Any]]
    numbers: list[int]
    credit_note_numbers: list[int]


class Billing(Product):
    """The product with a month to be billed, and nobody at work on it yet."""

    def environment(self) -> dict[str, str]:
        quiet = {"SMS_QUIET_FROM": "00:00", "SMS_QUIET_UNTIL": "23:59:59"}  # notices are queued, not sent
        return {**super().environment(), **quiet, "BILLING_PARTITION_SIZE": str(PARTITION)}

    def start(self) -> None:
        self.start_postgres()
        self.start_temporal()
        migrations.upgrade(self.database.url)
        with self.database.transaction() as session:
            seed(session)
            furnish(session, SUBSCRIBERS, period_on=first_of_month())
        with self.database.transaction() as session:
            bill_the_month_before(session)
            change(session, period_on=first_of_month())
        self.database.close()

    def cut_off_postgres(self) -> None:
        """Kill PostgreSQL with everything that it has started: nobody finishes what was begun."""
        server = psutil.Process(self.postgres.pid)
        for process in (server, *server.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        kill(self.postgres)

    def is_in_a_partition(self) -> bool:
        """Whether the worker is in the middle of one."""
        return bool(
            self.rows(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'worker' AND xact_start IS NOT NULL "
                "AND query ~ 'bill_(service|line|invoice)' LIMIT 1"
            )
        )


def bill_the_month_before(session: Session) -> None:
    """So that the run has something to take back."""
    month_on = previous_month(first_of_month())
    process = factories.process(session, kind=ProcessKind.BILLING_RUN, stage="closed")
    order = RunOrder(run_id=process.id, period_on=month_on, dry_run=False, at=datetime.now(UTC))
    opened = billing_run.open_run(
        session, order, issued_on=month_on, policy=BillingPolicy(), partition_size=10 * SUBSCRIBERS
    )  # fmt: skip
    for first_number in opened.partitions:
        billing_run.bill_partition(session, process.id, first_number)
    process.status, process.closed_at = ProcessStatus.COMPLETED, datetime.now(UTC)


@contextmanager
def billing() -> Iterator[Billing]:
    folder = Path(tempfile.mkdtemp(prefix="abonent-"))
    try:
        product = Billing(folder)
        try:
            product.start()
            yield product
        finally:
            product.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_run_killed_again_and_again_leaves_the_ledger_of_an_undisturbed_one(temporal: TemporalServer) -> None:
    with billing() as product:
        with month_of_billing(product.database.url, temporal, billing_partition_size=PARTITION) as month:
            began = time.monotonic()
            run_id = month.open()
            wait_for_end(month.database, run_id)
            seconds = time.monotonic() - began
            undisturbed = outcome(month.database, run_id)
        assert undisturbed.figures.invoices_issued > SUBSCRIBERS * 0.9
        assert undisturbed.figures.exceptions > 0
        assert undisturbed.figures.subscribers_credited > 0

        product.start_worker()
        run_id = open_run(product)
        in_the_middle = kill_again_and_again(product, run_id, within=seconds / KILLS)
        wait_for_end(product.database, run_id)
        disturbed = outcome(product.database, run_id)
        with product.database.transaction() as session:
            findings = check(session)

    assert in_the_middle >= KILLS // 2, "the run was killed where it hurts"
    assert disturbed.figures == undisturbed.figures
    for what, expected in undisturbed.ledger.items():
        found = disturbed.ledger[what]
        assert found == expected, f"{what}: lost {some(expected - found)}, too much {some(found - expected)}"
    first, issued = undisturbed.numbers[0], disturbed.figures.invoices_issued
    assert disturbed.numbers == undisturbed.numbers == list(range(first, first + issued))
    credited = disturbed.figures.subscribers_credited
    assert disturbed.credit_note_numbers == undisturbed.credit_note_numbers == list(range(1, credited + 1))
    assert findings == []


def kill_again_and_again(product: Billing, run_id: UUID, *, within: float) -> int:
    """Kill the worker, PostgreSQL or both at random moments all over the run; answers how often they were at work.

    A worker that is gone is missed after 15 s only, so it is PostgreSQL more often.
    """
    moments, hits = random.Random(0), 0
    for turn in range(KILLS):
        accounts = SUBSCRIBERS * turn // KILLS
        eventually(
            lambda accounts=accounts: progress(product.database, run_id)[0] >= accounts,  # type: ignore[misc]
            "the run goes on",
        )
        time.sleep(moments.uniform(0, min(within, 1.0) / 2))
        eventually(
            lambda: product.is_in_a_partition() or is_ended(product.database, run_id), "somebody is at work, or done"
        )
        if is_ended(product.database, run_id):
            return hits
        hits += 1
        if turn % 6 == 5:
            kill(product.worker)
            product.cut_off_postgres()
            product.start_postgres()
            product.start_worker()
        elif turn % 3 == 2:
            kill(product.worker)
            product.start_worker()
        else:
            product.cut_off_postgres()
            product.start_postgres()
    return hits


def open_run(product: Billing) -> UUID:
    with product.database.transaction() as session:
        process, _ = register_billing_run(
            session, NewBillingRun(period=period_of(first_of_month())), actor="staff:accounting",
            idempotency_key=None, at=datetime.now(UTC), on=today(),
        )  # fmt: skip
        return process.id


def wait_for_end(database: Database, run_id: UUID) -> None:
    """Wait for as long as the run goes on."""
    while not is_ended(database, run_id):
        before = progress(database, run_id)
        eventually(
            lambda before=before: is_ended(database, run_id) or progress(database, run_id) != before,  # type: ignore[misc]
            "the run goes on by itself",
        )


def is_ended(database: Database, run_id: UUID) -> bool:
    with database.transaction() as session:
        status = session.get_one(Process, run_id).status
    assert status in {ProcessStatus.OPEN, ProcessStatus.COMPLETED}
    return status is ProcessStatus.COMPLETED


def progress(database: Database, run_id: UUID) -> tuple[int, int]:
    with database.transaction() as session:
        return progress_of(session, run_id).subscribers_done, session.execute(
            text("SELECT count(*) FROM message")
        ).scalar_one()


def outcome(database: Database, run_id: UUID) -> Outcome:
    with database.transaction() as session:
        ledger = {what: Counter(map(tuple, session.execute(text(query)))) for what, query in _LEDGER.items()}
        numbers, credit_note_numbers = (
            sorted(int(number[-6:]) for number in session.scalars(text(query), {"month_on": first_of_month()}))
            for query in ("SELECT number FROM invoice WHERE period_on = :month_on", "SELECT number FROM credit_note")
        )
        return Outcome(progress_of(session, run_id), ledger, numbers, credit_note_numbers)


def some(rows: Counter[Any]) -> str:
    return f"{rows.total()}: {list(rows.items())[:3]}"


def first_of_month() -> date:
    return today().replace(day=1)


def today() -> date:
    return datetime.now(Settings().zone).date()
