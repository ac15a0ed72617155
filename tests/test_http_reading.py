"""HTTP as it comes over a socket: usual requests, unusual ones on the same connection, heads without an end."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from models.database import Database
from settings import Settings
from tests.api_world import served
from workers.http_reading import MOST_HEAD_BYTES
from workers.ports import free_port

USUAL = b"GET /healthz HTTP/1.1\r\nHost: abonent\r\n\r\n"


class Line:
    """A connection that stays open."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").partition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=60)

    def send(self, sent: bytes) -> None:
        self.socket.sendall(sent)

    def answer(self) -> tuple[int, bytes]:
        """Status and body, which without a length lasts until the end; 0 where the other side has hung up instead."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            received = self.socket.recv(1)
            if not received:
                return 0, head
            head += received
        length = head.lower().partition(b"content-length:")[2].partition(b"\r")[0]
        body = b""
        while not length or len(body) < int(length):
            # No more than this answer: the next one may be there already.
            received = self.socket.recv(int(length) - len(body) if length else 65536)
            if not received:
                break
            body += received
        return int(head[9:12]), body

    def ask(self, sent: bytes) -> tuple[int, bytes]:
        self.send(sent)
        return self.answer()


@pytest.fixture(scope="module")
def url(database: Database) -> Iterator[str]:
    # Nothing here needs Temporal, so nobody connects to it.
    settings = Settings(requests_per_second=10_000, temporal_address=f"127.0.0.1:{free_port()}")
    with served(settings, database) as url:
        yield url


@pytest.fixture
def line(url: str) -> Iterator[Line]:
    with ExitStack() as stack:
        line = Line(url)
        stack.callback(line.socket.close)
        yield line


def test_a_made_up_method_is_answered_by_a_problem_and_the_connection_goes_on(line: Line) -> None:
    assert line.ask(USUAL)[0] == 200
    for method in (b"BREW", b"get", b"PROPFIND"):
        status, body = line.ask(method + USUAL.removeprefix(b"GET"))
        assert (status, b'"method_not_allowed"' in body) == (405, True)
    assert line.ask(USUAL)[0] == 200


def test_a_request_that_comes_in_small_pieces_is_answered(line: Line) -> None:
    for _ in range(2):
        for byte in USUAL:
            line.send(bytes([byte]))
        assert line.answer()[0] == 200


def test_requests_that_come_together_are_answered_in_their_order(line: Line) -> None:
    line.send(USUAL + USUAL.replace(b"/healthz", b"/nothing") + USUAL)
    assert [line.answer()[0] for _ in range(3)] == [200, 404, 200]


@pytest.mark.parametrize(
    "beginning",
    [
        pytest.param(USUAL.removesuffix(b"\r\n") + b"X-Long: ", id="a header"),
        pytest.param(b"GET /", id="an address"),
        pytest.param(
            b"POST /healthz HTTP/1.1\r\nHost: abonent\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Long: ",
            id="a trailer",
        ),
    ],
)
def test_a_head_without_an_end_is_refused_and_the_connection_ended(line: Line, beginning: bytes) -> None:
    line.send(beginning)
    status = 0
    try:
        for _ in range(50 * MOST_HEAD_BYTES // 4096):
            line.send(b"x" * 4096)
        status, _ = line.answer()
        assert line.answer() == (0, b"")
    except ConnectionError:
        pass  # it hung up while we went on
    assert status in {0, 400}


def test_a_body_may_be_longer_than_any_head(line: Line) -> None:
    body = b"x" * (2 * MOST_HEAD_BYTES)
    head = f"POST /bank/v1/payments HTTP/1.1\r\nHost: abonent\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    for start in range(0, len(body), 4096):
        line.send((head if start == 0 else b"") + body[start : start + 4096])
    assert line.answer()[0] in {401, 422}


@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01\x02\x00\x01", b"nonsense\r\n\r\n", b"GET / HTTP/9\r\n\r\n"])
def test_what_is_no_http_is_refused(line: Line, nonsense: bytes) -> None:
    line.send(nonsense + b"\r\n\r\n")
    assert line.answer()[0] in {0, 400}
