"""A bank as lean as Python can make it: threads with a blocking socket each, which stays open between requests."""

import base64
import itertools
import json
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Self
from uuid import uuid4

PARALLEL: Final = 15
"""Connections that a bank keeps."""
_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"\r\ncontent-length:"


class UnexpectedAnswerError(Exception):
    """The API said something else than what is measured."""


@dataclass(frozen=True)
class Timed:
    """What a load came to."""

    seconds: float
    latencies_ms: Sequence[float]

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return len(self.latencies_ms) / self.seconds

    @property
    def p50_ms(self) -> float:
        """What half of them kept within."""
        return statistics.median(self.latencies_ms)

    @property
    def p99_ms(self) -> float:
        """What 99 of 100 kept within."""
        return statistics.quantiles(self.latencies_ms, n=100)[98]


class Line:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        self._socket.sendall(request)
        answer = self._received()
        while (end := answer.find(_END_OF_HEAD)) < 0:
            answer += self._received()
        start = answer.lower().index(_LENGTH, 0, end) + len(_LENGTH)
        length = int(answer[start : answer.index(b"\r", start)])
        body_at = end + len(_END_OF_HEAD)
        while len(answer) < body_at + length:
            answer += self._received()
        return int(answer[9:12]), answer[body_at:]

    def _received(self) -> bytes:
        received = self._socket.recv(65536)
        if not received:
            raise UnexpectedAnswerError("the API has hung up")
        return received


class Bank:
    """Says what a bank says."""

    def __init__(self, user: str, password: str) -> None:
        self._authorization = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._run = uuid4().hex[:12]
        self._numbers = itertools.count(1)

    def look_up(self, iin: str) -> bytes:
        """GetCustomerInfo."""
        return self._request("GET", f"/bank/v1/customers/{iin}")

    def pay(self, account_no: str, amount_minor: int) -> bytes:
        """PostCustomersInfo, of a new transaction each time."""
        return self._request("POST", "/bank/v1/payments", json.dumps(self.notice(account_no, amount_minor)))

    def notice(self, account_no: str, amount_minor: int) -> dict[str, object]:
        """The body of a payment."""
        return {
            "txn_id": f"{self._run}{next(self._numbers):010d}",
            "account_no": account_no,
            "amount": {"amount_minor": amount_minor, "currency": "KZT"},
            "paid_at": datetime.now(UTC).isoformat(),
        }

    @property
    def authorization(self) -> str:
        """The header by which the bank is known."""
        return f"Basic {self._authorization}"

    def _request(self, method: str, path: str, body: str = "") -> bytes:
        content = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n" if body else ""
        head = f"{method} {path} HTTP/1.1\r\nHost: abonent\r\nAuthorization: {self.authorization}\r\n{content}\r\n"
        return (head + body).encode()


def load(port: int, request: Callable[[int], bytes], *, seconds: float, expect: int) -> Timed:
    """Ask over all lines at once for so long; each line asks again as soon as it has its answer.

    Raises:
        UnexpectedAnswerError: an answer has another status than expected.
    """
    numbers = itertools.count()
    together = threading.Barrier(PARALLEL)

    def ask_on(_: int) -> tuple[float, float, list[float]]:
        taken: list[float] = []
        with Line(port) as line:
            together.wait()
            began = time.perf_counter()
            for sent_at in _moments(began + seconds):
                status, body = line.ask(request(next(numbers)))
                taken.append((time.perf_counter() - sent_at) * 1000)
                if status != expect:
                    raise UnexpectedAnswerError(f"{status} instead of {expect}: {body[:300]!r}")
            return began, time.perf_counter(), taken

    with ThreadPoolExecutor(PARALLEL) as pool:
        lines = list(pool.map(ask_on, range(PARALLEL)))
    passed = max(ended for _, ended, _ in lines) - min(began for began, _, _ in lines)
    return Timed(passed, [one for _, _, taken in lines for one in taken])


def _moments(until: float) -> Iterator[float]:
    while (now := time.perf_counter()) < until:
        yield now
