"""Child processes that are watched, restarted when they die, and ended with their parent."""

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Final

from workers import under_parent
from workers.failures import PersonMustAct

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 10.0
HEALTHY_AFTER_SECONDS: Final = 30.0


class Child:
    """One process of the stack; started again, after a pause that grows, whenever it dies."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: str | None = None,
        log: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        grace_seconds: float = 20.0,
    ) -> None:
        """Take what to run. Without `log` it writes where the parent writes."""
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = {**os.environ, **(environment or {})}
        self._folder = folder
        self._user = user
        self._stop_signal = stop_signal
        self._grace_seconds = grace_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0
        self._pause_seconds = FIRST_PAUSE_SECONDS
        self._start_again_at: float | None = None

    @property
    def pid(self) -> int:
        """The process id of the present incarnation."""
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """How its last incarnation ended, or None while it lives."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C reaches the parent alone, which ends all in order.

        To be called from the main thread: to the kernel, the parent is the thread that started a child.
        """
        with self._output() as output:
            self._process = subprocess.Popen(
                [*self._under_parent(), *self._command],
                env=self._environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if output is not None else None,
                start_new_session=True,
            )
        self._started_at = time.monotonic()
        self._start_again_at = None

    def _under_parent(self) -> list[str]:
        """What makes the program end with its parent."""
        entry = None if self._user is None else pwd.getpwnam(self._user)
        uid, gid = (-1, -1) if entry is None else (entry.pw_uid, entry.pw_gid)
        facts = (os.getpid(), int(self._stop_signal), uid, gid)
        # Isolated and without site-packages: ready in some 20 ms.
        return [sys.executable, "-I", "-S", under_parent.__file__, *map(str, facts)]

    def _output(self) -> AbstractContextManager[IO[bytes] | None]:
        """The log, for its owner's eyes only, or nothing: then it writes where the parent writes."""
        if self.log is None:
            return nullcontext()
        return open(self.log, "ab", opener=lambda path, flags: os.open(path, flags, 0o600))

    def tend(self) -> str | None:
        """Notice a death and start again when its pause is over; answers what is worth telling a person."""
        if self.is_running:
            return None
        now = time.monotonic()
        if self._start_again_at is None:
            lived = now - self._started_at
            self._pause_seconds = (
                FIRST_PAUSE_SECONDS
                if lived > HEALTHY_AFTER_SECONDS
                else min(self._pause_seconds * 2, LONGEST_PAUSE_SECONDS)
            )
            self._start_again_at = now + self._pause_seconds
            place = f" (see {self.log})" if self.log is not None else ""
            return f"{self.name} ended ({_how(self.exit_code)}){place}: started again in {self._pause_seconds:.0f} s"
        if now >= self._start_again_at:
            self.start()
            return f"{self.name} started again, process {self.pid}"
        return None

    def stop(self) -> None:
        """Ask it to end, and insist when its grace is over."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(self._stop_signal)
        try:
            self._process.wait(self._grace_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def wait_until(answers: Callable[[], bool], child: Child, *, patience_seconds: float = 60.0) -> None:
    """Wait until a child that was just started answers.

    Raises:
        ChildDidNotStart: it ended, or its patience is over.
    """
    until = time.monotonic() + patience_seconds
    place = f": see {child.log}" if child.log is not None else ""
    while not answers():
        if not child.is_running:
            raise ChildDidNotStart(f"{child.name} ended while starting ({_how(child.exit_code)}){place}")
        if time.monotonic() > until:
            raise ChildDidNotStart(f"{child.name} did not answer within {patience_seconds:.0f} s{place}")
        time.sleep(0.05)


class ChildDidNotStart(PersonMustAct):
    """A process ended while it started; the text names its log."""


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return signal.Signals(-exit_code).name
    return f"exit code {exit_code}"
