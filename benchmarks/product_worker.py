"""The product's worker process: the processes' queue and the outbox relay; with WITH_SMS=1 the SMS' queue as well."""

import asyncio
import os

from models.contracts.engine import PROCESSES_QUEUE
from models.database import Database
from settings import Settings, load
from workers import garbage
from workers.logs import configure
from workers.registry import DATABASE_CONNECTIONS, build_workers
from workers.relay import Relay
from workflows.engine import connect


async def work(settings: Settings) -> None:
    """Work until the process is ended."""
    assert settings.database_url is not None, "the benchmark sets it"
    database = Database(settings.database_url.get_secret_value(), pool_size=DATABASE_CONNECTIONS)
    client = await connect(settings)
    workers = [
        worker
        for worker in build_workers(client, database, settings)
        if worker.task_queue == PROCESSES_QUEUE or os.environ.get("WITH_SMS") == "1"
    ]
    garbage.search_seldom()
    await asyncio.gather(*(worker.run() for worker in workers), Relay(database, client).run(asyncio.Event()))


if __name__ == "__main__":
    chosen = load()
    configure(chosen, program="worker")
    asyncio.run(work(chosen))
