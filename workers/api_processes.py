"""Several API processes behind one port: Python answers on one core a process, a bank does not care how many there are.

Each process listens on the port by itself (SO_REUSEPORT), and the kernel deals new connections out among them. One
that dies is started again, and takes none but its own connections with it.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Final

import structlog

import migrations
from settings import Settings
from workers.children import Child
from workers.failures import PersonMustAct
from workers.ports import is_free
from workers.serve import FINISH_WITHIN_SECONDS

MEMBER: Final = "--member"
"""Says to `abonent api` that it shares its port."""
WATCH_EVERY_SECONDS: Final = 0.2
_log = structlog.get_logger()


def serve_together(settings: Settings) -> None:
    """Run API_PROCESSES of them until SIGTERM or SIGINT; requests under way are finished first.

    Raises:
        PersonMustAct: somebody else listens on the port, who would get a part of the requests.
    """
    stop = threading.Event()

    def stop_soon(_: int, __: FrameType | None) -> None:
        stop.set()

    for wish in (signal.SIGTERM, signal.SIGINT):
        signal.signal(wish, stop_soon)
    _wait_for(settings.api_port or 8080, stop)
    with TemporaryDirectory(prefix="abonent-metrics-") as metrics:
        members = [_member(number, metrics) for number in range(1, settings.api_processes + 1)]
        try:
            for member in members:
                member.start()
            while not stop.wait(WATCH_EVERY_SECONDS):
                for member in members:
                    news = member.tend()
                    if news is not None:
                        _log.warning("api_process", news=news)
        finally:
            _end(members)


def _member(number: int, metrics: str) -> Child:
    root = Path(migrations.__file__).parent.parent
    command = [sys.executable, "-m", "workers.cli", "api", MEMBER]
    # The library's own name: in this folder each process counts, and whichever is asked adds all of them up.
    return Child(f"API {number}", command, folder=root, environment={"PROMETHEUS_MULTIPROC_DIR": metrics})


def _wait_for(port: int, stop: threading.Event) -> None:
    """Return once the port is free: members of one that was killed may still be finishing."""
    until = time.monotonic() + FINISH_WITHIN_SECONDS + 1
    while not is_free(port):
        if stop.wait(WATCH_EVERY_SECONDS) or time.monotonic() > until:
            raise PersonMustAct(f"port {port} is taken: set API_PORT to another one")


def _end(members: Sequence[Child]) -> None:
    # All are asked at once: each may take a while to finish.
    for member in members:
        if member.is_running:
            with suppress(ProcessLookupError):
                os.kill(member.pid, signal.SIGTERM)
    for member in members:
        member.stop()
