"""A bare workflow says that it waits for an act, so that whoever acts need not ask the server all the time."""

import asyncio
import os
import socket
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

SOCKET_VARIABLE: Final = "ABONENT_BENCH_SOCKET"
_speaker = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)


def say_that_it_waits(workflow_id: str, act: int) -> None:
    """Tell the listener, if there is one, that the workflow waits for its act of this number."""
    address = os.environ.get(SOCKET_VARIABLE)
    if address is not None:
        with suppress(OSError):
            _speaker.sendto(f"{workflow_id} {act}".encode(), address)


class Listener(asyncio.DatagramProtocol):
    """Hears which workflow waits for which act."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, int], asyncio.Event] = defaultdict(asyncio.Event)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        """Note it."""
        del addr
        workflow_id, act = data.decode().rsplit(" ", 1)
        self._waiting[workflow_id, int(act)].set()

    async def until_it_waits(self, workflow_id: str, act: int) -> None:
        """Return once the workflow waits for its act of this number."""
        await self._waiting[workflow_id, act].wait()
        del self._waiting[workflow_id, act]


async def listen(place: Path) -> Listener:
    """A listener at this socket."""
    _, listener = await asyncio.get_running_loop().create_datagram_endpoint(
        Listener, family=socket.AF_UNIX, local_addr=str(place)
    )
    return listener
