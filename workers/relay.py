"""The outbox relay: tells Temporal what the database says has become true.

A transaction that wants a process started or signalled writes a row beside its facts. The relay delivers rows in
order for each workflow, many workflows at once. It delivers at least once: a crash between telling and noting that it
was told repeats the telling, so a start is idempotent by its workflow id and receivers deduplicate signals.

One relay leads at a time: it holds an advisory lock on the connection that it reads and marks with, so a leader that
lost its connection marks nothing more. No transaction is open while Temporal is spoken to.
"""

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from time import monotonic
from typing import Any, Final

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from temporalio.client import Client
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from models.contracts.engine import NOBODY_LISTENS
from models.contracts.processes import ProcessKind
from models.database import Database
from workers.outbox_queue import Failure, OutboxQueue, Row, Told

POLL_SECONDS: Final = 0.05
"""PostgreSQL's NOTIFY would be quicker by that much, and would make all commits wait for each other."""
AT_ONCE: Final = 48
"""Workflows that are told something at the same time. While a process works on the first of several payments, the
others reach it, and it works on them together: telling more at once costs less in all."""
ANSWER_WITHIN: Final = timedelta(seconds=5)
FIRST_PAUSE_SECONDS: Final = 0.2
OUTAGE_PAUSE_SECONDS: Final = 3.0
"""Longest pause while Temporal is away, so that the backlog drains soon after it is back."""
REFUSED_PAUSE_SECONDS: Final = 60.0
"""Longest pause for a row that Temporal itself refuses: that takes a person to mend."""
WAKE_REST_SECONDS: Final = 0.5
"""A workflow that was woken is not woken again for so long: what asks for it meanwhile is told in one call."""
METRICS_EVERY_SECONDS: Final = 5.0
TIDY_EVERY_SECONDS: Final = 3600.0

_OUTAGES = {
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
    RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.ABORTED,
    RPCStatusCode.INTERNAL,
    RPCStatusCode.UNKNOWN,
}
_log = structlog.get_logger()


@dataclass
class Report:
    """What became of some rows of one workflow: told, in order, until one failed."""

    workflow_id: str
    told: list[Told] = field(default_factory=list)
    woke: bool = False
    failure: Failure | None = None


class Relay:
    """Delivers the outbox until it is stopped; waits in reserve while another relay leads."""

    def __init__(self, database: Database, client: Client) -> None:
        self._database = database
        self._client = client
        self._in_flight: dict[str, asyncio.Task[Report]] = {}
        self._held_until: dict[str, float] = {}
        self._ready: deque[list[Row]] = deque()
        self._engine_is_away = False

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop` is set; an outage of the database is waited out."""
        while not stop.is_set():
            try:
                await self._hold_the_lead(stop)
            except (DBAPIError, PoolTimeoutError) as failure:
                _log.warning("relay_lost_the_database", kind=type(failure).__name__)
                await _pause(stop, 1.0)

    async def _hold_the_lead(self, stop: asyncio.Event) -> None:
        queue = await asyncio.to_thread(OutboxQueue, self._database)
        try:
            while not stop.is_set():
                if await asyncio.to_thread(queue.take_the_lead):
                    _log.info("relay_leads")
                    await self._deliver(queue, stop)
                else:
                    await _pause(stop, 1.0)
        finally:
            for task in self._in_flight.values():
                task.cancel()
            await asyncio.gather(*self._in_flight.values(), return_exceptions=True)
            self._in_flight.clear()
            self._ready.clear()
            await asyncio.to_thread(queue.close)

    async def _deliver(self, queue: OutboxQueue, stop: asyncio.Event) -> None:
        metrics_at = tidy_at = monotonic()
        while True:
            await self._record_what_is_done(queue)
            if stop.is_set() and not self._in_flight:
                return
            if not stop.is_set():
                await self._start_what_is_due(queue)
            if monotonic() >= metrics_at:
                await asyncio.to_thread(queue.observe)
                metrics_at = monotonic() + METRICS_EVERY_SECONDS
            if monotonic() >= tidy_at:
                await asyncio.to_thread(queue.forget_what_was_told_long_ago)
                tidy_at = monotonic() + TIDY_EVERY_SECONDS
            if self._in_flight:
                await asyncio.wait(self._in_flight.values(), timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(POLL_SECONDS)

    async def _record_what_is_done(self, queue: OutboxQueue) -> None:
        reports = [task.result() for task in self._in_flight.values() if task.done()]
        if not reports:
            return
        failures = [report.failure for report in reports if report.failure is not None]
        await asyncio.to_thread(queue.record, [one for report in reports for one in report.told], failures)
        for report in reports:
            # Only now: a row is never read again before its delivery is noted.
            del self._in_flight[report.workflow_id]
            if report.failure is not None:
                self._held_until[report.workflow_id] = monotonic() + report.failure.pause_seconds
            elif report.woke:
                self._held_until[report.workflow_id] = monotonic() + WAKE_REST_SECONDS

    async def _start_what_is_due(self, queue: OutboxQueue) -> None:
        # While Temporal is away a single delivery at a time finds out when it is back.
        room = (1 if self._engine_is_away else AT_ONCE) - len(self._in_flight)
        if room <= 0:
            return
        if not self._ready:
            self._ready = await self._read(queue)
        while self._ready and room > 0:
            rows = self._ready.popleft()
            self._in_flight[rows[0].workflow_id] = asyncio.create_task(self._tell(rows))
            room -= 1

    async def _read(self, queue: OutboxQueue) -> deque[list[Row]]:
        """The waiting rows, workflow by workflow. A row that waits for its next attempt holds back later ones."""
        now = monotonic()
        self._held_until = {held: until for held, until in self._held_until.items() if until > now}
        rows = await asyncio.to_thread(queue.waiting, [*self._in_flight, *self._held_until])
        groups: dict[str, list[Row]] = {}
        for row in rows:
            groups.setdefault(row.workflow_id, []).append(row)
        due: deque[list[Row]] = deque()
        for workflow_id, group in groups.items():
            if group[0].due_in_seconds > 0:
                self._held_until[workflow_id] = now + group[0].due_in_seconds
            else:
                due.append(group)
        return due

    async def _tell(self, rows: Sequence[Row]) -> Report:
        report = Report(rows[0].workflow_id)
        for alike in coalesced(rows):
            row = alike[0]
            try:
                note = await self._call(row)
            except RPCError as error:
                report.failure = self._failure(row, error)
                break
            except Exception as error:  # noqa: BLE001 - one row that can't be sent must not stop all others
                kind = type(error).__name__
                _log.error("delivery_impossible", workflow_id=row.workflow_id, kind=kind)
                report.failure = Failure(row.id, kind, REFUSED_PAUSE_SECONDS)
                break
            self._engine_is_away = False
            report.told += [Told(one.id, note) for one in alike]
            report.woke = is_wake(row)
        return report

    def _failure(self, row: Row, error: RPCError) -> Failure:
        is_outage = error.status in _OUTAGES
        longest = OUTAGE_PAUSE_SECONDS if is_outage else REFUSED_PAUSE_SECONDS
        pause = min(FIRST_PAUSE_SECONDS * 2 ** min(row.attempts, 20), longest)
        if is_outage != self._engine_is_away or not is_outage:
            _log.log(
                30 if is_outage else 40,
                "delivery_put_off",
                workflow_id=row.workflow_id, status=error.status.name, attempts=row.attempts + 1,
            )  # fmt: skip
        self._engine_is_away = is_outage
        return Failure(row.id, error.status.name, pause)

    async def _call(self, row: Row) -> str | None:
        """Tell Temporal one thing; answers what is worth noting about it."""
        if row.workflow_type is not None:
            return await self._start(row, row.workflow_type)
        assert row.signal is not None, "the table's check: a row says something"
        try:
            handle = self._client.get_workflow_handle(row.workflow_id)
            await handle.signal(row.signal, args=_arguments(row.signal_input), rpc_timeout=ANSWER_WITHIN)
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND and not _is_about_the_namespace(error):
                return NOBODY_LISTENS
            raise
        return None

    async def _start(self, row: Row, workflow_type: str) -> str | None:
        try:
            await self._client.start_workflow(
                workflow_type,
                args=_arguments(row.start_input),
                id=row.workflow_id,
                task_queue=row.task_queue or "",
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                # A process runs once, even told twice across its whole life. What is woken by a signal runs whenever
                # there is something to do.
                id_reuse_policy=(
                    WorkflowIDReusePolicy.REJECT_DUPLICATE
                    if row.signal is None
                    else WorkflowIDReusePolicy.ALLOW_DUPLICATE
                ),
                start_signal=row.signal,
                start_signal_args=_arguments(row.signal_input),
                static_summary=summary_of(workflow_type, row.start_input or {}),
                search_attributes=search_attributes_of(workflow_type, row.start_input or {}),
                rpc_timeout=ANSWER_WITHIN,
            )
        except WorkflowAlreadyStartedError:
            return "ran already"
        return None


def coalesced(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Neighbours that would say the very same thing without content, together: one call does for all of them."""

    def meaning(row: Row) -> Any:
        return (row.workflow_type, row.signal) if is_wake(row) else row.id

    for _, alike in groupby(rows, meaning):
        yield list(alike)


def is_wake(row: Row) -> bool:
    """Whether it says no more than that there is something to do."""
    return row.signal is not None and row.signal_input is None and row.start_input is None


def summary_of(workflow_type: str, start_input: dict[str, Any]) -> str:
    """What the list of the Temporal UI says about a process: its kind and the account, never a person."""
    account_no = start_input.get("account_no")
    return f"{workflow_type} for account {account_no}" if account_no else workflow_type


def search_attributes_of(workflow_type: str, start_input: dict[str, Any]) -> TypedSearchAttributes:
    """What a process can be found by from its first moment on."""
    kind = "".join(f"_{c.lower()}" if c.isupper() else c for c in workflow_type).lstrip("_")
    known = {
        "ProcessKind": kind if kind in set(ProcessKind) else None,
        "SubscriberId": start_input.get("subscriber_id"),
        "AccountNo": start_input.get("account_no"),
        "Stage": start_input.get("stage"),
    }
    return TypedSearchAttributes(
        [
            SearchAttributePair(SearchAttributeKey.for_keyword(name), str(value))
            for name, value in known.items()
            if value is not None
        ]
    )


def _arguments(message: dict[str, Any] | None) -> list[Any]:
    return [] if message is None else [message]


def _is_about_the_namespace(error: RPCError) -> bool:
    return any("Namespace" in detail.type_url for detail in error.grpc_status.details)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
