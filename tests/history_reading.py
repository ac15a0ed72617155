"""Histories read again: replayed by the program as it is, and looked through for what is known of a person."""

import json
import re
from typing import Any

from sqlalchemy import select
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHandle
from temporalio.worker import (
    Interceptor,
    Replayer,
    StartActivityInput,
    StartLocalActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from models.rules.iin import checked_iin
from models.tables.network import Premises
from models.tables.people import Subscriber
from models.tables.processes import Process
from models.tables.subscriptions import Subscription
from tests.connection_paths import REASON
from tests.connection_world import World
from tests.dunning_world import World as DunningWorld
from tests.histories import legible
from tests.outage_process_world import World as OutageWorld
from workers.registry import WORKFLOWS
from workflows.engine import DATA_CONVERTER

ALL_WORKFLOWS = [workflow for workflows in WORKFLOWS.values() for workflow in workflows]


def replayer(**options: Any) -> Replayer:
    return Replayer(**{"workflows": ALL_WORKFLOWS, "data_converter": DATA_CONVERTER, **options})


class Steps(Interceptor):
    """Notes the steps that a workflow asks for: a replay matches local activities by their number alone."""

    def __init__(self) -> None:
        self.asked_for: list[str] = []

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002 - the interface's own name
        del input
        asked_for = self.asked_for

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> Any:  # noqa: A002 - likewise
                asked_for.append(input.activity)
                return super().start_activity(input)

            def start_local_activity(self, input: StartLocalActivityInput) -> Any:  # noqa: A002 - likewise
                asked_for.append(input.activity)
                return super().start_local_activity(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound


def steps_of(events: list[HistoryEvent]) -> dict[int, str]:
    """The steps that a history holds, by their number."""
    steps = {}
    for event in events:
        if event.event_type == EventType.EVENT_TYPE_MARKER_RECORDED:
            details = json.loads(event.marker_recorded_event_attributes.details["data"].payloads[0].data)
            steps[int(details["seq"])] = details["activity_type"]
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            scheduled = event.activity_task_scheduled_event_attributes
            steps[int(scheduled.activity_id)] = scheduled.activity_type.name
    return steps


NAMES = re.compile(r"Сейткали|Арман|Болатович|Ерлан|Нұрпейісов|Айгерим|Абая|\bул\.")
PHONE = re.compile(r"(?<!\d)(?:\+7|8)[67]\d{9}(?!\d)")
UUIDS = re.compile(r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b")
"""Their digits may look like a number by chance."""
TWELVE_DIGITS = re.compile(r"(?<![\w-])\d{12}(?![\w-])")


def personal_data(text: str) -> list[str]:
    """Names that the tests use, phone numbers, and IINs in what can be read of a history."""
    found = NAMES.findall(text) + PHONE.findall(UUIDS.sub("", text))
    for number in TWELVE_DIGITS.findall(text):
        try:
            found.append(checked_iin(number))
        except ValueError:
            continue
    return found


def known_data(world: World) -> set[str]:
    """What the database knows of the person, word by word, and the words that people wrote into forms."""
    with world.database.transaction() as session:
        process = session.get_one(Process, world.process_id)
        subscriber = session.get_one(Subscriber, process.subscriber_id)
        premises = session.scalars(
            select(Premises).join(Subscription).where(Subscription.id == process.subscription_id)
        ).one()
        words = f"{subscriber.full_name} {premises.address} {REASON}".replace(",", " ").split()
        return {subscriber.iin, subscriber.phone, subscriber.phone[2:], *(word for word in words if len(word) > 3)}


def everything_the_engine_knows(world: World | DunningWorld | OutageWorld) -> str:
    """The history and the description of a process, as somebody with access to the engine reads them."""

    async def read(handle: WorkflowHandle[Any, Any]) -> str:
        description = await handle.describe()
        texts = [legible(await handle.fetch_history()), repr(description.raw_description)]
        texts += [str(await description.memo()), str(description.typed_search_attributes), description.id]
        texts += [await description.static_summary() or "", await description.static_details() or ""]
        return "\n".join(texts)

    return world.server.run(read(world.handle))
