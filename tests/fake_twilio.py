"""A local server that speaks Twilio's Messages resource: create, list by number and day, fetch.

Failures are scripted, one for each coming create: `fake.script(Failure(500, accepts=True))` takes the message and
answers 500, `Failure(hangs_seconds=2)` takes it and answers too late.
"""

import base64
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

ACCOUNT_SID = f"AC{'0' * 32}"
AUTH_TOKEN = "a-token-of-the-fake"
SENDER = "Abonent"
_ROOT = f"/2010-04-01/Accounts/{ACCOUNT_SID}"


@dataclass(frozen=True)
class Failure:
    """What happens to one create instead of an acceptance with 201."""

    http_status: int = 201
    code: int | None = None
    accepts: bool = False
    """Whether the message is taken all the same, as after a server error too late."""
    hangs_seconds: float = 0.0
    drops: bool = False
    """The connection ends without an answer."""
    page: str | None = None
    """A body that is no JSON, such as a proxy's."""

    @classmethod
    def refusal(cls, code: int, http_status: int = 400) -> "Failure":
        """A clear no with Twilio's error code."""
        return cls(http_status, code)


@dataclass
class FakeMessage:
    """A message that the fake took."""

    form: dict[str, str]
    sid: str = field(default_factory=lambda: f"SM{uuid4().hex}")
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    sent_at: datetime | None = None
    status: str = "queued"

    @property
    def to(self) -> str:
        return self.form["To"]

    @property
    def body(self) -> str:
        return self.form["Body"]

    def as_json(self) -> dict[str, Any]:
        """As the Messages resource shows it."""
        return {
            "sid": self.sid, "account_sid": ACCOUNT_SID, "to": self.to, "from": self.form.get("From"),
            "messaging_service_sid": self.form.get("MessagingServiceSid"), "body": self.body, "status": self.status,
            "date_created": format_datetime(self.created_at), "date_updated": format_datetime(self.created_at),
            "date_sent": format_datetime(self.sent_at) if self.sent_at else None,
            "direction": "outbound-api", "num_segments": "1", "num_media": "0", "error_code": None,
            "error_message": None, "price": None, "price_unit": "USD", "api_version": "2010-04-01",
            "uri": f"{_ROOT}/Messages/{self.sid}.json", "subresource_uris": {},
        }  # fmt: skip


class FakeTwilio:
    """The state of the server. Start it with `with FakeTwilio.running() as fake:`."""

    def __init__(self) -> None:
        self.messages: list[FakeMessage] = []
        self.creates = 0
        self.requests: list[tuple[str, str]] = []
        self.latency_seconds = 0.0
        self.is_listing = True
        """Off: lists answer 503."""
        self._script: deque[Failure] = deque()
        self._lock = threading.Lock()
        self.url = ""

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["FakeTwilio"]:
        """Listen on a free port of this machine until the block ends."""
        fake = cls()
        server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"fake": fake}))
        server.daemon_threads = True
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def script(self, *failures: Failure) -> None:
        """Let the coming creates fail, one failure each."""
        self._script.extend(failures)

    def to(self, number: str) -> list[FakeMessage]:
        """What was taken for this number."""
        with self._lock:
            return [message for message in self.messages if message.to == number]

    def begin(self) -> Failure | None:
        """What is scripted for this create."""
        with self._lock:
            self.creates += 1
            return self._script.popleft() if self._script else None

    def take(self, form: dict[str, str]) -> FakeMessage:
        """Keep a message as Twilio does."""
        message = FakeMessage(form)
        with self._lock:
            self.messages.append(message)
        return message

    def listed(self, query: dict[str, list[str]]) -> list[FakeMessage]:
        """Newest first; a filter by DateSent leaves out what has not been sent yet, as Twilio's does."""
        with self._lock:
            found = [m for m in self.messages if m.to == query.get("To", [m.to])[0]]
        for name, holds in _DATE_FILTERS.items():
            for day in query.get(name, []):
                found = [m for m in found if m.sent_at is not None and holds(m.sent_at, day)]
        return sorted(found, key=lambda m: m.created_at, reverse=True)[: int(query.get("PageSize", ["50"])[0])]


_DATE_FILTERS: dict[str, Callable[[datetime, str], bool]] = {
    "DateSent": lambda sent, day: sent.date().isoformat() == day[:10],
    "DateSent>": lambda sent, day: sent.date().isoformat() >= day[:10],
    "DateSent<": lambda sent, day: sent.date().isoformat() <= day[:10],
}


class _Handler(BaseHTTPRequestHandler):
    fake: ClassVar[FakeTwilio]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        if not self._is_allowed():
            return
        form = {name: values[0] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        if urlsplit(self.path).path != f"{_ROOT}/Messages.json":
            self._refuse(404, 20404)
            return
        self._create(form)

    def do_GET(self) -> None:
        if not self._is_allowed():
            return
        split = urlsplit(self.path)
        if split.path == f"{_ROOT}/Messages.json":
            if not self.fake.is_listing:
                self._refuse(503, 20503)
                return
            messages = [message.as_json() for message in self.fake.listed(parse_qs(split.query))]
            self._answer(200, {"messages": messages, "page": 0, "page_size": len(messages), "next_page_uri": None})
            return
        sid = split.path.removeprefix(f"{_ROOT}/Messages/").removesuffix(".json")
        found = [message for message in self.fake.messages if message.sid == sid]
        if found:
            self._answer(200, found[0].as_json())
        else:
            self._refuse(404, 20404)

    def _create(self, form: dict[str, str]) -> None:
        time.sleep(self.fake.latency_seconds)
        failure = self.fake.begin()
        if failure is None:
            if not form.get("To") or not form.get("Body") or not (form.get("From") or form.get("MessagingServiceSid")):
                self._refuse(400, 21604)
                return
            self._answer(201, self.fake.take(form).as_json())
            return
        taken = self.fake.take(form) if failure.accepts else None
        time.sleep(failure.hangs_seconds)
        if failure.drops:
            self.close_connection = True
        elif failure.page is not None:
            self._send(failure.http_status, failure.page.encode(), "text/html")
        elif failure.http_status < 400 and taken is not None:
            self._answer(failure.http_status, taken.as_json())
        else:
            self._refuse(failure.http_status, failure.code)

    def _is_allowed(self) -> bool:
        self.fake.requests.append((self.command, self.path))
        expected = base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
        if self.headers.get("Authorization") == f"Basic {expected}":
            return True
        self._refuse(401, 20003)
        return False

    def _refuse(self, status: int, code: int | None) -> None:
        # Twilio's own texts quote the number; a client must not let them out.
        message = f"The request to {self.path} for +77010000000 failed"
        self._answer(status, {"code": code, "message": message, "more_info": "", "status": status})

    def _answer(self, status: int, body: dict[str, Any]) -> None:
        self._send(status, json.dumps(body).encode(), "application/json")

    def _send(self, status: int, body: bytes, media_type: str) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
        pass
