"""An SMS server that speaks Twilio's Messages resource over HTTP/1.1, lean enough not to be what is measured.

It runs in a process of its own: one event loop, no framework, connections kept alive. It checks the credentials, keeps
every message that it takes in memory, and answers a create and a list as Twilio does, as far as Twilio's client reads
it. What it took is asked for at `/taken` (a number) and `/report` (a `Report`).
"""

import asyncio
import base64
import hashlib
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from itertools import count
from typing import Final, cast
from urllib.parse import parse_qs, urlsplit

ACCOUNT_SID: Final = f"AC{'0' * 32}"
AUTH_TOKEN: Final = "a-token-of-the-benchmark"
_MESSAGES: Final = f"/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
_ALLOWED: Final = b"Basic " + base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode())
_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_CREATED: Final = b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
_REFUSED: Final = b"HTTP/1.1 %d Refused\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"


@dataclass(frozen=True)
class Report:
    """What the server took since it was last reset."""

    messages: int
    """How many SMS, told twice included."""
    told: int
    """How many different texts to different numbers."""
    twice: int
    """How many of these came more than once."""
    seconds: float
    """From the first to the last."""
    last_at: float
    """Unix time of the last one."""
    per_second_at_best: float
    """In the best second."""


@dataclass(frozen=True)
class _Taken:
    sid: str
    body: str
    at: datetime


class SmsServer:
    """What was taken."""

    def __init__(self) -> None:
        self._sids = count(1)
        self.reset()

    def reset(self) -> bytes:
        """Forget all."""
        self._by_number: dict[str, list[_Taken]] = {}
        self._told: Counter[bytes] = Counter()
        self._seconds: Counter[int] = Counter()
        self._first_at = self._last_at = 0.0
        self._taken = 0
        return b"{}"

    def taken(self) -> bytes:
        """How many."""
        return b"%d" % self._taken

    def take(self, form: dict[str, list[str]]) -> bytes:
        """Keep a message; the answer is what Twilio's client reads of one."""
        to, body = form["To"][0], form["Body"][0]
        self._last_at = time.time()
        self._first_at = self._first_at or self._last_at
        self._seconds[int(self._last_at)] += 1
        self._taken += 1
        self._told[hashlib.blake2b(f"{to}\n{body}".encode(), digest_size=16).digest()] += 1
        kept = _Taken(f"SM{next(self._sids):032x}", body, datetime.now(UTC))
        self._by_number.setdefault(to, []).append(kept)
        return json.dumps(_shown(to, kept)).encode()

    def listed(self, to: str) -> bytes:
        """What went to a number, newest first."""
        found = [_shown(to, kept) for kept in reversed(self._by_number.get(to, []))]
        return json.dumps({"messages": found, "page": 0, "page_size": 50, "next_page_uri": None}).encode()

    def report(self) -> bytes:
        """A `Report` as JSON."""
        report = Report(
            messages=self._taken,
            told=len(self._told),
            twice=sum(1 for times in self._told.values() if times > 1),
            seconds=self._last_at - self._first_at,
            last_at=self._last_at,
            per_second_at_best=float(max(self._seconds.values(), default=0)),
        )
        return json.dumps(asdict(report)).encode()


_CONTROLS: Final = {"/taken": SmsServer.taken, "/report": SmsServer.report, "/reset": SmsServer.reset}


def _shown(to: str, kept: _Taken) -> dict[str, object]:
    at = format_datetime(kept.at)
    return {
        "sid": kept.sid, "account_sid": ACCOUNT_SID, "to": to, "from": "Abonent", "body": kept.body,
        "status": "queued", "date_created": at, "date_updated": at, "date_sent": None, "direction": "outbound-api",
        "num_segments": "1", "num_media": "0", "error_code": None, "error_message": None, "price": None,
        "price_unit": "USD", "api_version": "2010-04-01", "uri": f"{_MESSAGES}/{kept.sid}", "subresource_uris": {},
    }  # fmt: skip


class _Connection(asyncio.Protocol):
    """One client's connection; it sends a request and waits for the answer before the next."""

    def __init__(self, server: SmsServer) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, separator, rest = self._received.partition(b"\r\n\r\n")
        if not separator:
            return
        request, *lines = head.split(b"\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        length = int(headers.get(b"content-length", b"0"))
        if len(rest) < length:
            return
        self._received = rest[length:]
        method, target, _ = request.decode().split(" ")
        self._transport.write(self._answer(method, target, headers.get(b"authorization"), rest[:length]))

    def _answer(self, method: str, target: str, authorization: bytes | None, body: bytes) -> bytes:
        split = urlsplit(target)
        if split.path in _CONTROLS:
            return _filled(_OK, _CONTROLS[split.path](self._server))
        if authorization != _ALLOWED:
            return _refusal(401, 20003)
        if split.path != _MESSAGES:
            return _refusal(404, 20404)
        if method == "GET":
            return _filled(_OK, self._server.listed(parse_qs(split.query)["To"][0]))
        form = parse_qs(body.decode())
        return _filled(_CREATED, self._server.take(form)) if {"To", "Body"} <= form.keys() else _refusal(400, 21604)


def _filled(answer: bytes, body: bytes) -> bytes:
    return answer % (len(body), body)


def _refusal(status: int, code: int) -> bytes:
    body = json.dumps({"code": code, "message": "refused", "more_info": "", "status": status}).encode()
    return _REFUSED % (status, len(body), body)


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    kept = SmsServer()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(kept), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
