"""A sign of life of a step that spends its time in the database."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

from temporalio import activity

BEAT_SECONDS = 3.0


@contextmanager
def heartbeating() -> Iterator[None]:
    """Tell the engine every few seconds that this activity lives, until the block ends.

    A worker that was killed is then noticed within the heartbeat time-out, instead of after the longest time that the
    step may take.
    """
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(BEAT_SECONDS):
            activity.heartbeat()

    thread = threading.Thread(target=copy_context().run, args=(beat,), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
