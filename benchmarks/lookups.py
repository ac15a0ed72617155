"""Debt look-ups as banks make them, at a modest fixed rate, and how long each took."""

import random
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from billing_data import IIN_OF_NUMBER

from activities.payments import customer_info
from models.database import Database

ASKERS: Final = 4
PER_SECOND: Final = 40
"""All askers together."""


class Lookups:
    """Asks what somebody owes, again and again; each asker starts on time, or as soon as its last answer is there."""

    def __init__(self, database_url: str, subscribers: int) -> None:
        self._database = Database(database_url, pool_size=ASKERS)
        self._subscribers = subscribers
        self._milliseconds: list[float] = []
        self._failures: list[BaseException] = []
        self._ended = threading.Event()

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Look up until the block ends.

        Raises:
            Exception: a look-up failed.
        """
        askers = [threading.Thread(target=self._ask, args=(number,)) for number in range(ASKERS)]
        for asker in askers:
            asker.start()
        try:
            yield
        finally:
            self._ended.set()
            for asker in askers:
                asker.join()
            self._database.close()
        if self._failures:
            raise self._failures[0]

    def p99_ms(self) -> float:
        """What 99 of 100 look-ups have kept within since the last time that this was asked."""
        taken, self._milliseconds = self._milliseconds, []
        return statistics.quantiles(taken, n=100)[98]

    def forget(self) -> None:
        """Leave out what was measured so far."""
        self._milliseconds = []

    def _ask(self, asker: int) -> None:
        whom = random.Random(asker)
        due = time.perf_counter() + asker / PER_SECOND
        try:
            while not self._ended.wait(max(0.0, due - time.perf_counter())):
                iin = IIN_OF_NUMBER.format(whom.randint(1, self._subscribers))
                began = time.perf_counter()
                with self._database.transaction() as session:
                    customer_info(session, iin)
                self._milliseconds.append((time.perf_counter() - began) * 1000)
                due = max(due + ASKERS / PER_SECOND, time.perf_counter())
        except BaseException as failure:  # noqa: BLE001 - raised again where the benchmark waits
            self._failures.append(failure)
