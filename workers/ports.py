"""Ports on this machine: the usual ones where they are free, and never the same one for two products at once."""

import fcntl
import os
import socket
import tempfile
from pathlib import Path
from typing import Final

from workers.failures import PersonMustAct

HOST: Final = "127.0.0.1"


class Ports:
    """Takes ports and holds them, for as long as this process lives, against others that start at the same moment."""

    def __init__(self) -> None:
        self._held: list[int] = []

    def take(self, preferred: int) -> int:
        """The preferred port, or any free one when it is busy or held."""
        return preferred if self._hold(preferred) and is_free(preferred) else free_port()

    def _hold(self, port: int) -> bool:
        try:
            # Another user's file can't be opened, which says the same as a lock: it is theirs.
            handle = os.open(Path(tempfile.gettempdir()) / f"abonent-port-{port}", os.O_RDWR | os.O_CREAT, 0o600)
        except PermissionError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return False
        self._held.append(handle)
        return True


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    return _bound(port) is not None


def free_port() -> int:
    """A port that nobody uses.

    Raises:
        PersonMustAct: there is none.
    """
    port = _bound(0)
    if port is None:
        raise PersonMustAct("this machine has no free port left")
    return port


def _bound(port: int) -> int | None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection that has just ended does not make the port busy.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
