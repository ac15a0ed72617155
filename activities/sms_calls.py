"""Calls to the SMS provider: several at once, each when its turn comes, and none on a claim that has become old."""

import threading
import time
from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Final, NamedTuple, Self

import structlog

from activities.gateways.sms import NotSent, OutgoingSms, SendOutcome, SmsGateway
from models.rules.sms_failures import FailureClass

CALLS_AT_ONCE: Final = 8
GOOD_FOR_SECONDS: Final = 60.0
"""A claim is not used for longer: well before `message_log.LEASE` is over, when somebody else looks the message up."""
_TRIES_WHEN_THROTTLED: Final = 3

_log = structlog.get_logger()


class _Claim(NamedTuple):
    sms: OutgoingSms
    until: float
    """Of the monotonic clock."""


class Landed(NamedTuple):
    """An SMS, and what its call came to; None where it was not called."""

    sms: OutgoingSms
    outcome: SendOutcome | None


class SmsCalls:
    """Makes the calls, within `with`; at its end nothing is in flight."""

    def __init__(self, gateway: SmsGateway, *, per_second: int) -> None:
        self._gateway = gateway
        self._pace = _Pace(per_second)
        self._waiting: SimpleQueue[_Claim | None] = SimpleQueue()
        self._landed: deque[Landed] = deque()
        self._taking = threading.Lock()
        self._counting = threading.Lock()
        self._under_way = 0
        self._refill_below = 0
        self._news = threading.Event()
        self._is_stopped = False
        self._pool = ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="sms")
        self.fault: BaseException | None = None
        """What ended a call that is no failure of the provider's; the result of that call is not known."""

    def __enter__(self) -> Self:
        for _ in range(CALLS_AT_ONCE):
            self._pool.submit(copy_context().run, self._work)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        for _ in range(CALLS_AT_ONCE):
            self._waiting.put(None)
        self._pool.shutdown()

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return self._waiting.qsize()

    @property
    def under_way(self) -> int:
        """How many have not landed."""
        return self._under_way

    def begin(self, claimed: Iterable[OutgoingSms], *, claimed_at: float) -> None:
        """Call for these, in their order; `claimed_at` is of the monotonic clock, before the claim."""
        claims = [_Claim(sms, claimed_at + GOOD_FOR_SECONDS) for sms in claimed]
        if claims:
            with self._counting:
                self._under_way += len(claims)
        for claim in claims:
            self._waiting.put(claim)

    def wait(self, seconds: float, *, refill_below: int = 0) -> None:
        """Wait until all have landed or fewer than so many wait for their turn, at most so long."""
        self._refill_below = refill_below
        self._news.clear()
        if self._under_way and self.waiting >= refill_below:
            self._news.wait(seconds)

    def landed(self) -> list[Landed]:
        """What has landed since it was asked last."""
        taken = []
        with suppress(IndexError):
            while True:
                taken.append(self._landed.popleft())
        return taken

    def stop(self) -> None:
        """Begin no more calls: what still waits lands without one."""
        self._is_stopped = True
        with suppress(Empty):
            while True:
                claim = self._waiting.get_nowait()
                if claim is not None:
                    self._land(Landed(claim.sms, None))

    def _work(self) -> None:
        while True:
            # Their order is the order of their turns.
            with self._taking:
                claim = self._waiting.get()
                if claim is None:
                    return
                if self.waiting < self._refill_below:
                    self._news.set()
                self._pace.turn()
            try:
                landed = Landed(claim.sms, self._deliver(claim))
            except BaseException as fault:  # noqa: BLE001 - whoever waits for this call raises it
                self.fault, self._is_stopped, landed = fault, True, None
            self._land(landed)

    def _land(self, landed: Landed | None) -> None:
        if landed is not None:
            self._landed.append(landed)
        with self._counting:
            self._under_way -= 1
            if self._under_way == 0:
                self._news.set()

    def _deliver(self, claim: _Claim) -> SendOutcome | None:
        outcome: SendOutcome | None = None
        for tried in range(_TRIES_WHEN_THROTTLED):
            if tried:
                self._pace.turn()
            if self._is_stopped or time.monotonic() > claim.until:
                # If it was throttled before, that is its result: it was not processed.
                return outcome
            outcome = self._call(claim.sms)
            if not (isinstance(outcome, NotSent) and outcome.failure is FailureClass.THROTTLED):
                return outcome
        return outcome

    def _call(self, sms: OutgoingSms) -> SendOutcome:
        try:
            return self._gateway.send(sms)
        except Exception as failure:  # noqa: BLE001 - one message must not sink the batch, and it may have been sent
            kind = type(failure).__name__
            _log.error("sms_gateway_failed", message_id=str(sms.message_id), kind=kind)
            return NotSent(FailureClass.UNKNOWN, kind)


class _Pace:
    """Lets calls begin no faster than so many a second; the first waits too, since another batch has just ended."""

    def __init__(self, per_second: int) -> None:
        self._interval = 1 / per_second
        self._next = time.monotonic() + self._interval
        self._lock = threading.Lock()

    def turn(self) -> None:
        """Wait for the next turn."""
        with self._lock:
            now = time.monotonic()
            mine = max(self._next, now)
            self._next = mine + self._interval
        if mine > now:
            time.sleep(mine - now)
