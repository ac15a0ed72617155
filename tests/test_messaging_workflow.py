import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker

import workflows.messaging
from activities.gateways.sms import NotSent
from activities.messaging import MessagingActivities
from models.contracts.engine import MESSAGES_QUEUED
from models.contracts.messaging import MessageStatus, Urgency
from models.database import Database
from models.rules.sms_failures import FailureClass
from tests import factories
from tests.databases import database_of_its_own
from tests.engines import TemporalServer
from tests.messaging_world import World
from workflows.engine import DATA_CONVERTER
from workflows.messaging import MessageDelivery


@pytest.fixture(scope="module")
def own_database(postgres_url: str) -> Iterator[Database]:
    with database_of_its_own(postgres_url) as database:
        yield database


@pytest.fixture
def world(own_database: Database, tmp_path: Path) -> World:
    world = World(own_database, tmp_path)
    world.empty_queue()
    return world


class ServerClock:
    """The time of the Temporal server, which skips."""

    def __call__(self) -> datetime:
        return activity.info().started_time


def delivery_worker(world: World, **options: Any) -> Callable[[Client], list[Worker]]:
    """A worker on a queue of this test's own."""

    def build(client: Client) -> list[Worker]:
        activities = MessagingActivities(world.database, world.gateway, world.settings, ServerClock())
        return [
            Worker(
                client,
                task_queue="messaging",
                workflows=workflows.messaging.WORKFLOWS,
                activities=[activities.send_due],
                activity_executor=ThreadPoolExecutor(4),
                **options,
            )
        ]

    return build


async def start_delivery(client: Client) -> WorkflowHandle[MessageDelivery, None]:
    return await client.start_workflow(MessageDelivery.run, id="messaging/sms", task_queue="messaging")


async def until(fact: Callable[[], bool]) -> None:
    while not await asyncio.to_thread(fact):  # noqa: ASYNC110 - the fact is a row, which nothing announces
        await asyncio.sleep(0.05)


async def history_of(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    return dict(json.loads((await handle.fetch_history()).to_json()))


@pytest.mark.time_skipping
def test_the_delivery_drains_the_queue_waits_for_retries_and_ends(
    world: World, time_skipping: Callable[[], TemporalServer]
) -> None:
    subscribers = [world.subscriber() for _ in range(5)]
    for subscriber in subscribers:
        world.queue(subscriber)
    world.gateway.orders.extend([NotSent(FailureClass.LATER, "21611")] * 3)

    async def deliver(client: Client) -> dict[str, Any]:
        handle = await start_delivery(client)
        await handle.result()
        return await history_of(handle)

    server = time_skipping()
    with server.workers(delivery_worker(world)) as client:
        history = server.run(deliver(client))
    assert sorted(sms.to for sms in world.gateway.local.sent()) == sorted(s.phone for s in subscribers)
    written = json.dumps(history, ensure_ascii=False)
    for subscriber in subscribers:
        assert subscriber.phone[1:] not in written
        assert subscriber.full_name not in written


@pytest.mark.time_skipping
def test_a_held_notice_lets_the_delivery_sleep_and_a_signal_wakes_it_for_others(
    world: World, time_skipping: Callable[[], TemporalServer]
) -> None:
    local_now = datetime.now(world.settings.zone)
    world.settings.sms_quiet_from = (local_now - timedelta(hours=1)).time()
    world.settings.sms_quiet_until = (local_now + timedelta(hours=3)).time()
    held = world.queue(world.subscriber(), urgency=Urgency.NOTICE)

    async def deliver(client: Client) -> None:
        handle = await start_delivery(client)
        await until(lambda: world.row(held).not_before > world.clock.now)
        requested = world.queue(world.subscriber())
        await handle.signal(MESSAGES_QUEUED)
        await until(lambda: world.status(requested) is MessageStatus.SENT)
        assert world.status(held) is MessageStatus.QUEUED
        await handle.result()

    server = time_skipping()
    with server.workers(delivery_worker(world)) as client:
        server.run(deliver(client))
    assert world.status(held) is MessageStatus.SENT
    row = world.row(held)
    assert row.attempted_at is not None
    assert row.attempted_at >= row.not_before > world.clock.now + timedelta(hours=2)


@pytest.mark.time_skipping
def test_it_continues_as_new_before_its_history_grows(
    world: World, time_skipping: Callable[[], TemporalServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.messaging._BATCHES_A_RUN", 2)
    monkeypatch.setattr("activities.messaging.BATCH_SIZE", 1)
    for _ in range(5):
        world.queue(world.subscriber())

    async def deliver(client: Client) -> tuple[str | None, str | None]:
        handle = await start_delivery(client)
        first = handle.first_execution_run_id
        await handle.result()
        return first, (await client.get_workflow_handle(handle.id).describe()).run_id

    server = time_skipping()
    with server.workers(delivery_worker(world, workflow_runner=UnsandboxedWorkflowRunner())) as client:
        first, last = server.run(deliver(client))
    assert first != last
    assert len(world.gateway.local.sent()) == 5


def test_on_the_real_server_what_is_queued_meanwhile_is_never_left(world: World, temporal: TemporalServer) -> None:
    """Signals with a start, as the relay sends them, beside a delivery that keeps ending."""
    queue, workflow_id = factories.unique("messaging"), factories.unique("messaging/sms")

    async def deliver(client: Client) -> WorkflowHistory:
        activities = MessagingActivities(world.database, world.gateway, world.settings)
        with ThreadPoolExecutor(4) as executor:
            async with Worker(
                client,
                task_queue=queue,
                workflows=workflows.messaging.WORKFLOWS,
                activities=[activities.send_due],
                activity_executor=executor,
            ):
                ids = []
                for _ in range(20):
                    subscriber = await asyncio.to_thread(world.subscriber)
                    ids.append(await asyncio.to_thread(world.queue, subscriber))
                    await client.start_workflow(
                        MessageDelivery.run, id=workflow_id, task_queue=queue, start_signal=MESSAGES_QUEUED
                    )
                for message_id in ids:
                    await until(lambda message_id=message_id: world.status(message_id) is MessageStatus.SENT)  # type: ignore[misc] # a default binds the loop's value
                handle = client.get_workflow_handle(workflow_id)
                await handle.result()
                return await handle.fetch_history()

    world.clock.turn(-timedelta(seconds=5))
    history = temporal.run(deliver(temporal.client))
    assert len(world.gateway.local.sent()) == 20
    assert _summaries(history) == {"Send the SMS that are due"}
    temporal.run(Replayer(workflows=[MessageDelivery], data_converter=DATA_CONVERTER).replay_workflow(history))


def _summaries(history: WorkflowHistory) -> set[str]:
    return {
        json.loads(event.user_metadata.summary.data) for event in history.events if event.user_metadata.summary.data
    }
