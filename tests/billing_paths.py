"""The paths that a billing run can take, each driven on a real server; their histories are kept for replay.

`python -m tests.billing_paths [path …]` records them anew into `tests/histories/billing/`. Do so when a path is added,
and never to make a failed replay pass: see `tests/record_histories.py`.
"""

import json
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from temporalio.client import WorkflowHistory
from temporalio.exceptions import ApplicationError

from models.contracts.billing_run import PartitionOrder
from models.contracts.engine import OPEN_MONTHLY_BILLING
from tests.billing_world import PARTITION, Month, month_of_billing, template_of
from tests.conftest import NOT_DURABLE
from tests.connection_world import eventually
from tests.engines import TemporalServer
from tests.histories import FOLDER, without_machines
from workers.local_servers import PostgreSQL

BILLING = FOLDER / "billing"
SHORT_HISTORIES = ("--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=25")
"""So that a few partitions already go on in a new history."""


def completed(month: Month) -> None:
    """Partitions at once, notices, the end."""
    month.run()


def previewed(month: Month) -> None:
    """A dry run."""
    month.run(dry_run=True)


def retried(month: Month) -> None:
    """An outage in a partition, and one among the notices."""
    outages = iter([True])

    def fail(_: object) -> None:
        if next(outages, False):
            raise ConnectionError("away")

    month.steps.before_partition = fail
    month.run()


def cancelled(month: Month) -> None:
    """Cancelled by an update while partitions are under way."""
    _while_one_waits(month, month.cancel)


def cancelled_in_the_temporal_ui(month: Month) -> None:
    """The same by a request to cancel the workflow."""
    _while_one_waits(month, lambda: month.server.run(month.handle.cancel()))


def failed(month: Month) -> None:
    """A fault that is final."""

    def refuse(order: PartitionOrder) -> None:
        if order.first_number == 1:
            raise ApplicationError("broken", type="ProgrammingError", non_retryable=True)

    month.steps.before_partition = refuse
    month.open()
    eventually(lambda: month.process().status == "failed")


def _while_one_waits(month: Month, act: Callable[[], object]) -> None:
    ready, gate = threading.Event(), threading.Event()

    def wait(order: PartitionOrder) -> None:
        if order.first_number > PARTITION:
            ready.set()
            gate.wait(60)

    month.steps.before_partition = wait
    month.open()
    ready.wait(60)
    act()
    gate.set()
    month.result()


PATHS = {
    path.__name__: path for path in (completed, previewed, retried, cancelled, cancelled_in_the_temporal_ui, failed)
}


def main(names: list[str]) -> None:
    """Record the paths that are named, or all of them and what goes on in new histories."""
    folder = Path(tempfile.mkdtemp(prefix="abonent-record-"))
    BILLING.mkdir(parents=True, exist_ok=True)
    try:
        with (
            PostgreSQL(folder / "data", options=NOT_DURABLE).running() as postgres,
            template_of(postgres.url, subscribers=18) as template,
        ):
            for name in names or PATHS:
                _record(name, template)
            if not names:
                _record_one_that_goes_on(template)
                _record_the_schedules(template)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _record(name: str, template: str) -> None:
    server = TemporalServer.local()
    try:
        with month_of_billing(template, server) as month:
            PATHS[name](month)
            _write(name, month.server.run(month.handle.fetch_history()))
    finally:
        server.stop()


def _record_one_that_goes_on(template: str) -> None:
    server = TemporalServer.local(*SHORT_HISTORIES)
    try:
        with month_of_billing(template, server, billing_partition_size=1) as month:
            month.open()
            first = month.server.run(month.handle.describe()).run_id
            month.result()
            last = month.server.run(month.handle.describe()).run_id
            for name, run_id in (("went_on", first), ("came_to_the_end", last)):
                handle = server.client.get_workflow_handle(month.workflow_id, run_id=run_id)
                _write(name, server.run(handle.fetch_history()))
    finally:
        server.stop()


def _record_the_schedules(template: str) -> None:
    server = TemporalServer.local()
    try:
        with month_of_billing(template, server) as month:
            start = server.client.start_workflow(OPEN_MONTHLY_BILLING, id="open", task_queue=month.queue)
            handle = server.run(start)
            server.run(handle.result())
            _write("opened_by_the_schedule", server.run(handle.fetch_history()))
    finally:
        server.stop()


def _write(name: str, history: WorkflowHistory) -> None:
    kept = {"workflow_id": history.workflow_id, "history": without_machines(json.loads(history.to_json()))}
    (BILLING / f"{name}.json").write_text(json.dumps(kept, ensure_ascii=False, indent=1, sort_keys=True) + "\n")
    print(name, len(kept["history"]["events"]), "events")  # noqa: T201 - a command that tells what it did


if __name__ == "__main__":
    main(sys.argv[1:])
