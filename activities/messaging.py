"""The sending of SMS: what `activities.message_queue` has queued goes when it is due."""

import time
from collections import Counter as Tally
from collections.abc import Callable, Container, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from datetime import UTC, date, datetime, timedelta

import holidays
import structlog
from prometheus_client import Counter
from pydantic import BaseModel
from temporalio import activity
from temporalio.exceptions import CancelledError

from activities import message_claims, message_log
from activities.gateways.sms import LookUpFailedError, SmsGateway
from activities.message_log import Found, Outcome, Settled, UnknownSms
from activities.sms_calls import CALLS_AT_ONCE, Landed, SmsCalls
from models.contracts.messaging import MessageStatus
from models.database import Database
from models.rules.quiet_hours import next_allowed, quiet_begins
from settings import Settings

BATCH_SIZE = 10_000
BATCH_SECONDS = 30.0
"""A batch claims nothing more after so many or so long, so that an attempt of the activity stays short."""
CLAIM_SIZE = 100
"""Messages that are claimed together, or what goes in a second where that is less: whatever is more urgent than they
are waits no longer than that, and a crash leaves no more than two such claims in doubt, and what was not settled."""
_SETTLE_SECONDS = 0.1
_LOOK_UPS = 200
_CLOCK_TOLERANCE = timedelta(minutes=2)
"""Between our clock and the provider's."""
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

        Messages are committed as `sending` before their calls and settled after them, some together, so a crash between
        the two leaves messages whose result is unknown. Those are looked up at the provider before anything else.
        """
        tally: Tally[MessageStatus] = Tally()
        with self._database.transaction() as session:
            message_log.lose_track(session, now=self._clock())
        self._look_up(tally)
        self._send(tally)
        if activity.is_cancelled():
            raise CancelledError("the delivery was cancelled; nothing is in flight")
        with self._database.transaction() as session:
            next_due_at = message_claims.next_due(session)
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
            unknown = message_log.to_look_up(session, now=self._clock(), limit=_LOOK_UPS)
        found: list[Found] = []
        unanswered: list[UnknownSms] = []
        for sms, sids in self._asked(unknown):
            if sids is None:
                _log.warning("sms_look_up_failed", message_id=str(sms.message_id))
                unanswered.append(sms)
            else:
                found.append(Found(sms, sids))
        if not found and not unanswered:
            return
        with self._database.transaction() as session:
            settled = message_log.record_found(session, found, now=self._clock())
            message_log.postpone_look_ups(session, unanswered, now=self._clock())
        for one in settled:
            _log.info("sms_looked_up", message_id=str(one.message_id), status=one.status)
        _count(tally, settled)

    def _asked(self, unknown: list[UnknownSms]) -> list[tuple[UnknownSms, list[str] | None]]:
        """The provider's ids for each that it was asked for, or None; once it does not answer, it is asked no more."""
        pending: set[Future[None]] = set()
        asked: list[tuple[UnknownSms, list[str] | None]] = []
        is_over = False

        def ask(sms: UnknownSms) -> None:
            nonlocal is_over
            if is_over:
                return
            try:
                sids = self._gateway.find(to=sms.to, body=sms.body, since=sms.attempted_at - _CLOCK_TOLERANCE)
            except LookUpFailedError:
                is_over = True
                asked.append((sms, None))
            else:
                asked.append((sms, sids))

        with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="sms-look-up") as pool:
            pending = {pool.submit(copy_context().run, ask, sms) for sms in unknown}
            while pending:
                activity.heartbeat()
                is_over = is_over or _is_to_stop()
                done, pending = wait(pending, timeout=_HEARTBEAT_SECONDS)
                for future in done:
                    future.result()
        return asked

    def _send(self, tally: Tally[MessageStatus]) -> None:
        at_once = max(1, min(CLAIM_SIZE, self._settings.sms_per_second))
        left, until = BATCH_SIZE, time.monotonic() + BATCH_SECONDS
        landed: list[Landed] = []
        with SmsCalls(self._gateway, per_second=self._settings.sms_per_second) as calls:
            try:
                while left or calls.under_way:
                    activity.heartbeat()
                    if _is_to_stop() or calls.fault is not None:
                        calls.stop()
                        left = 0
                    if left and calls.waiting < at_once:
                        claimed = self._claim(calls, min(at_once, left), tally)
                        left = left - at_once if claimed == at_once and time.monotonic() < until else 0
                    calls.wait(_SETTLE_SECONDS, refill_below=at_once if left else 0)
                    landed += calls.landed()
                    self._settle(landed, tally)
                    landed.clear()
            finally:
                calls.stop()
                while calls.under_way:
                    activity.heartbeat()
                    calls.wait(_HEARTBEAT_SECONDS)
                self._settle(landed + calls.landed(), tally)
        if calls.fault is not None:
            raise calls.fault

    def _claim(self, calls: SmsCalls, limit: int, tally: Tally[MessageStatus]) -> int:
        """Let so many go that are due; answers how many were."""
        claimed_at, now = time.monotonic(), self._clock()
        notices_from = self._notices_from(now)
        quiet = quiet_begins(now, zone=self._settings.zone, quiet_from=self._settings.sms_quiet_from)
        with self._database.transaction() as session:
            held = message_claims.hold_notices(session, now=now, until=notices_from) if notices_from > now else 0
            due = message_claims.due_ids(session, now=now, limit=limit)
            claimed = message_claims.claim(
                session, due, now=now, today=now.astimezone(self._settings.zone).date(), notices_from=notices_from,
                notice_validity=quiet - now,
            )  # fmt: skip
        _add(tally, MessageStatus.QUEUED, held + claimed.postponed)
        _add(tally, MessageStatus.WITHDRAWN, claimed.withdrawn)
        calls.begin(claimed.sms, claimed_at=claimed_at)
        return len(due)

    def _settle(self, landed: list[Landed], tally: Tally[MessageStatus]) -> None:
        if not landed:
            return
        outcomes = [Outcome(sms, outcome) for sms, outcome in landed if outcome is not None]
        with self._database.transaction() as session:
            settled = message_log.settle(session, outcomes, now=self._clock())
            message_claims.give_back(session, [sms for sms, outcome in landed if outcome is None])
        for one in settled:
            # Of one that was sent its row says as much, and tens of thousands may go in a quarter of an hour.
            if one.status is not MessageStatus.SENT:
                _log.info(
                    "sms_attempted", message_id=str(one.message_id), attempt=one.attempt, status=one.status,
                    code=one.code,
                )  # fmt: skip
        _log.info("sms_settled", sent=sum(one.status is MessageStatus.SENT for one in settled), of=len(landed))
        _count(tally, settled)

    def _notices_from(self, now: datetime) -> datetime:
        return next_allowed(
            now,
            zone=self._settings.zone,
            quiet_from=self._settings.sms_quiet_from,
            quiet_until=self._settings.sms_quiet_until,
            weekdays_only=self._settings.sms_weekdays_only,
            holidays=self._holidays,
        )


def _count(tally: Tally[MessageStatus], settled: Iterable[Settled]) -> None:
    for status, number in Tally(one.status for one in settled).items():
        _add(tally, status, number)


def _add(tally: Tally[MessageStatus], status: MessageStatus, number: int) -> None:
    tally[status] += number
    _settled.labels(status.value).inc(number)


def _is_to_stop() -> bool:
    return activity.is_cancelled() or activity.is_worker_shutdown()
