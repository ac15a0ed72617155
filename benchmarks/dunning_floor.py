"""The floor of dunning: a bare workflow that is started and sleeps, and the worker process that runs it."""

import asyncio
import os
from datetime import timedelta
from typing import Final

from temporalio import workflow
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

QUEUE: Final = "dunning-floor"


@workflow.defn
class BareDebt:
    """Sleeps."""

    @workflow.run
    async def run(self, account_no: str) -> str:
        """Sleep for a day."""
        await asyncio.sleep(timedelta(days=1).total_seconds())
        return account_no


async def work() -> None:
    """Work until the process is ended."""
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], data_converter=pydantic_data_converter)
    await Worker(client, task_queue=QUEUE, workflows=[BareDebt]).run()


if __name__ == "__main__":
    asyncio.run(work())
