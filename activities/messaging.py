"""The sending of SMS: what `activities.message_queue` has queued goes when it is due."""

import threading
import time
from collections import Counter as Tally
from collections.abc import Callable, Container
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import holidays
import structlog
from prometheus_client import Counter
from pydantic import BaseModel
from temporalio import activity
from temporalio.exceptions import CancelledError

from activities import message_log
from activities.gateways.sms import LookUpFailedError, NotSent, OutgoingSms, SendOutcome, SmsGateway
from models.contracts.messaging import MessageStatus
from models.database import Database
from models.rules.quiet_hours import next_allowed, quiet_begins
from models.rules.sms_failures import FailureClass
from settings import Settings

BATCH_SIZE = 100
BATCH_SECONDS = 30.0
"""A batch claims nothing more after this, so that an attempt of the activity stays short."""
_CALLS_AT_ONCE = 8
_LOOK_UPS = 20
_CLOCK_TOLERANCE = timedelta(minutes=2)
"""Between our clock and the provider's."""
_TRIES_WHEN_THROTTLED = 3
_HEARTBEAT_SECONDS = 5.0

_log = structlog.get_logger()
_settled = Counter("abonent_sms", "SMS by what became of them", ["status"])


class DeliveryBatch(BaseModel):
    """What one batch did: counts, and when to look again; nothing about anybody."""

    sent: int = 0
    withdrawn: int = 0
    failed: int = 0
    postponed: int = 0
    unknown: int = 0
    next_due_at: datetime | None = None
    """None where nothing is left to send."""

    @property
    def handled(self) -> int:
        """How many messages changed their status or their time."""
        return self.sent + self.withdrawn + self.failed + self.postponed + self.unknown


class MessagingActivities:
    """The sending of queued messages."""

    def __init__(
        self,
        database: Database,
        gateway: SmsGateway,
        settings: Settings,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._gateway = gateway
        self._settings = settings
        self._clock = clock
        self._holidays: Container[date] = holidays.country_holidays("KZ")

    @activity.defn(name="messaging.send_due", no_thread_cancel_exception=True)
    def send_due(self) -> DeliveryBatch:
        """Send a batch of what is due, no faster than permitted, and say when to look again.

        Every message is committed as `sending` before the call and settled after it, so a crash between the two leaves
        a message whose result is unknown. Those are looked up at the provider before anything else.
        """
        tally: Tally[MessageStatus] = Tally()
        pace = _Pace(self._settings.sms_per_second)
        now = self._clock()
        notices_from = self._notices_from(now)
        with self._database.transaction() as session:
            message_log.lose_track(session, now=now)
            if notices_from > now:
                tally[MessageStatus.QUEUED] += message_log.hold_notices(session, now=now, until=notices_from)
        self._look_up(tally)
        self._send(tally, pace)
        if activity.is_cancelled():
            raise CancelledError("the delivery was cancelled; nothing is in flight")
        for status, count in tally.items():
            _settled.labels(status.value).inc(count)
        with self._database.transaction() as session:
            next_due_at = message_log.next_due(session)
        return DeliveryBatch(
            sent=tally[MessageStatus.SENT],
            withdrawn=tally[MessageStatus.WITHDRAWN],
            failed=tally[MessageStatus.FAILED],
            postponed=tally[MessageStatus.QUEUED],
            unknown=tally[MessageStatus.UNKNOWN],
            next_due_at=next_due_at,
        )

    def _look_up(self, tally: Tally[MessageStatus]) -> None:
        with self._database.transaction() as session:
            due = message_log.due_ids(session, MessageStatus.UNKNOWN, now=self._clock(), limit=_LOOK_UPS)
        for message_id in due:
            activity.heartbeat()
            if _is_to_stop():
                return
            with self._database.transaction() as session:
                unknown = message_log.to_look_up(session, message_id)
            if unknown is None:
                continue
            try:
                since = unknown.attempted_at - _CLOCK_TOLERANCE
                sids = self._gateway.find(to=unknown.to, body=unknown.body, since=since)
            except LookUpFailedError:
                _log.warning("sms_look_up_failed", message_id=str(message_id))
                with self._database.transaction() as session:
                    message_log.postpone_look_up(session, unknown, now=self._clock())
                return
            with self._database.transaction() as session:
                status = message_log.record_found(session, unknown, sids, now=self._clock())
            _log.info("sms_looked_up", message_id=str(message_id), found=len(sids), status=status)
            if status is not None:
                tally[status] += 1

    def _send(self, tally: Tally[MessageStatus], pace: "_Pace") -> None:
        with self._database.transaction() as session:
            due = message_log.due_ids(session, MessageStatus.QUEUED, now=self._clock(), limit=BATCH_SIZE)
        until = time.monotonic() + BATCH_SECONDS
        in_flight: set[Future[MessageStatus | None]] = set()
        with ThreadPoolExecutor(_CALLS_AT_ONCE, thread_name_prefix="sms") as pool:
            for message_id in due:
                in_flight = _landed(in_flight, tally, at_most=_CALLS_AT_ONCE - 1)
                if _is_to_stop() or time.monotonic() > until:
                    break
                claimed = self._claim(message_id)
                if isinstance(claimed, OutgoingSms):
                    pace.turn()
                    in_flight.add(pool.submit(copy_context().run, self._deliver, claimed, pace))
                elif claimed is not None:
                    tally[claimed] += 1
            _landed(in_flight, tally, at_most=0)

    def _claim(self, message_id: UUID) -> OutgoingSms | MessageStatus | None:
        now = self._clock()
        quiet = quiet_begins(now, zone=self._settings.zone, quiet_from=self._settings.sms_quiet_from)
        with self._database.transaction() as session:
            return message_log.claim(
                session, message_id, now=now, today=now.astimezone(self._settings.zone).date(),
                notices_from=self._notices_from(now), notice_validity=quiet - now,
            )  # fmt: skip

    def _deliver(self, sms: OutgoingSms, pace: "_Pace") -> MessageStatus | None:
        outcome = self._call(sms)
        for _ in range(_TRIES_WHEN_THROTTLED - 1):
            if not (isinstance(outcome, NotSent) and outcome.failure is FailureClass.THROTTLED):
                break
            pace.turn()
            outcome = self._call(sms)
        with self._database.transaction() as session:
            status = message_log.record_outcome(session, sms, outcome, now=self._clock())
        code = outcome.code if isinstance(outcome, NotSent) else None
        _log.info("sms_attempted", message_id=str(sms.message_id), attempt=sms.attempt, status=status, code=code)
        return status

    def _call(self, sms: OutgoingSms) -> SendOutcome:
        try:
            return self._gateway.send(sms)
        except Exception as failure:  # noqa: BLE001 - one message must not sink the batch, and it may have been sent
            kind = type(failure).__name__
            _log.error("sms_gateway_failed", message_id=str(sms.message_id), kind=kind)
            return NotSent(FailureClass.UNKNOWN, kind)

    def _notices_from(self, now: datetime) -> datetime:
        return next_allowed(
            now,
            zone=self._settings.zone,
            quiet_from=self._settings.sms_quiet_from,
            quiet_until=self._settings.sms_quiet_until,
            weekdays_only=self._settings.sms_weekdays_only,
            holidays=self._holidays,
        )


class _Pace:
    """Lets calls begin no faster than so many a second; the first waits too, since another batch has just ended."""

    def __init__(self, per_second: int) -> None:
        self._interval = 1 / per_second
        self._next = time.monotonic() + self._interval
        self._lock = threading.Lock()

    def turn(self) -> None:
        """Wait for the next turn."""
        with self._lock:
            mine = max(self._next, time.monotonic())
            self._next = mine + self._interval
        time.sleep(max(0.0, mine - time.monotonic()))


def _landed(
    in_flight: set[Future[MessageStatus | None]], tally: Tally[MessageStatus], *, at_most: int
) -> set[Future[MessageStatus | None]]:
    """Wait until at most so many calls are left, with heartbeats; answers these."""
    while True:
        done, left = wait(in_flight, timeout=0)
        for future in done:
            status = future.result()
            if status is not None:
                tally[status] += 1
        activity.heartbeat()
        if len(left) <= at_most:
            return left
        wait(left, timeout=_HEARTBEAT_SECONDS, return_when=FIRST_COMPLETED)
        in_flight = left


def _is_to_stop() -> bool:
    return activity.is_cancelled() or activity.is_worker_shutdown()
