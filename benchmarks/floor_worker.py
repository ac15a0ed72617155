"""The worker process of the bare workflows: one process with as many threads as the product's worker has."""

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor

from floors import QUEUE, BareWorkflow, nothing
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from workers.registry import STEPS_AT_ONCE


async def work() -> None:
    """Work until the process is ended."""
    client = await Client.connect(os.environ["TEMPORAL_ADDRESS"], data_converter=pydantic_data_converter)
    await Worker(
        client,
        task_queue=QUEUE,
        workflows=[BareWorkflow],
        activities=[nothing],
        activity_executor=ThreadPoolExecutor(STEPS_AT_ONCE),
        max_concurrent_activities=STEPS_AT_ONCE,
        max_concurrent_local_activities=STEPS_AT_ONCE,
    ).run()


if __name__ == "__main__":
    asyncio.run(work())
