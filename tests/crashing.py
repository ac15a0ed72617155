"""Crashes inside of steps: committed in the database, while the engine can't be told any more."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Final

from sqlalchemy import text

from tests.running_product import Product, kill, thaw

Crash = Callable[[Product], None]


def all_of(futures: Sequence[Future[None]]) -> None:
    """Wait for everybody; raises what the first of them stumbled over."""
    for future in futures:
        future.result()


@contextmanager
def steps_held_up(product: Product, table: str = "process") -> Iterator[None]:
    """Let every step that changes this table, or refers to a row in it, wait in its middle; reading goes on."""
    with product.database.transaction() as session:
        session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        session.execute(text(f"LOCK TABLE {table} IN EXCLUSIVE MODE"))
        yield


def held_up(product: Product) -> int:
    """How many steps wait for a lock."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'worker'"
    return int(product.one(waiting))


def worker_dies(product: Product) -> None:
    """The worker is killed while the engine is silent."""
    kill(product.worker)
    thaw(product.temporal)
    product.start_worker()


def power_is_cut(product: Product) -> None:
    """Everything is killed at once, and comes back."""
    for child in (product.worker, product.api, product.temporal, product.postgres):
        kill(child)
    product.start_postgres()
    product.start_temporal()
    product.start_worker()
    product.start_api()


CRASHES: Final[list[Crash]] = [worker_dies, power_is_cut] if os.environ.get("CRASHES") == "all" else [worker_dies]
"""What each process is put through. What a cut of the power does is the same for all of them, so by default only
connections are put through it (`test_crashes.py`), and with CRASHES=all every one."""
