"""Which workflows and activities each task queue has. A new process is added here and nowhere else."""

import inspect
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client
from temporalio.worker import Worker

from activities.billing_steps import BillingActivities
from activities.clarification_steps import ClarificationActivities
from activities.connection import ConnectionActivities
from activities.debt_control import DebtControlActivities
from activities.disconnection import DisconnectionActivities
from activities.disconnection_control import ControlActivities
from activities.dunning import DunningActivities, DunningRoundActivities
from activities.failures import FailureBoundary
from activities.gateways import make_sms_gateway
from activities.gateways.network import LocalNetwork, NetworkGateway
from activities.messaging import MessagingActivities
from activities.network import NetworkActivities
from activities.outage import OutageActivities
from activities.reconciliation_steps import ReconciliationActivities
from activities.requests import RequestActivities
from activities.tariff_change import TariffChangeActivities
from activities.tasks import TaskActivities
from activities.visits import VisitActivities
from models.contracts.engine import BILLING_QUEUE, MESSAGING_QUEUE, PROCESSES_QUEUE
from models.database import Database
from settings import Settings
from workers.logs import ActivityLog
from workers.sandbox import Sandbox
from workflows import (
    billing_run,
    clarification,
    connection,
    disconnection,
    dunning,
    messaging,
    outage,
    reconciliation,
    request,
    tariff_change,
)

STEPS_AT_ONCE: Final = 16
"""Steps of processes that one worker does at once, each with a database connection."""
SENDERS_AT_ONCE: Final = 2
"""Delivery is a single workflow; the second place is for the one that takes over."""
BILLERS_AT_ONCE: Final = 4
"""Partitions of a billing run, and a place for whatever else the queue has."""
DATABASE_CONNECTIONS: Final = 40
GRACE: Final = timedelta(seconds=15)
"""An SMS under way gets its answer within 10 s."""

WORKFLOWS: Final[dict[str, list[type]]] = {
    PROCESSES_QUEUE: [
        *connection.WORKFLOWS,
        *disconnection.WORKFLOWS,
        *dunning.WORKFLOWS,
        *outage.WORKFLOWS,
        *tariff_change.WORKFLOWS,
        *clarification.WORKFLOWS,
        *reconciliation.WORKFLOWS,
        *request.WORKFLOWS,
    ],
    MESSAGING_QUEUE: [*messaging.WORKFLOWS],
    BILLING_QUEUE: [*billing_run.WORKFLOWS, *dunning.DAILY_WORKFLOWS],
}


def process_activities(
    database: Database, settings: Settings, *, network: NetworkGateway | None = None
) -> list[Callable[..., Any]]:
    """The steps of all processes; the network is the one of the settings unless given."""
    return activities_of(
        TaskActivities(database, settings),
        VisitActivities(database, settings),
        ConnectionActivities(database, settings),
        DisconnectionActivities(database, settings),
        ControlActivities(database, settings),
        DebtControlActivities(database, settings),
        TariffChangeActivities(database, settings),
        RequestActivities(database),
        ClarificationActivities(database),
        ReconciliationActivities(database, settings),
        NetworkActivities(database, network or LocalNetwork(database)),
        DunningActivities(database, network or LocalNetwork(database), settings),
        OutageActivities(database, settings),
    )


def messaging_activities(database: Database, settings: Settings) -> list[Callable[..., Any]]:
    """The sending of SMS."""
    return activities_of(MessagingActivities(database, make_sms_gateway(settings), settings))


def billing_activities(database: Database, settings: Settings) -> list[Callable[..., Any]]:
    """The steps of billing runs, and what every process may need beside its own."""
    return activities_of(
        BillingActivities(database, settings),
        DunningRoundActivities(database, settings),
        TaskActivities(database, settings),
    )


def activities_of(*groups: object) -> list[Callable[..., Any]]:
    """All methods that are activities."""
    return [
        method
        for group in groups
        for _, method in inspect.getmembers(group, inspect.ismethod)
        if hasattr(method, "__temporal_activity_definition")
    ]


def build_workers(client: Client, database: Database, settings: Settings) -> list[Worker]:
    """One worker for each task queue, ready to run."""
    return [
        _worker(client, PROCESSES_QUEUE, process_activities(database, settings), STEPS_AT_ONCE),
        _worker(client, MESSAGING_QUEUE, messaging_activities(database, settings), SENDERS_AT_ONCE),
        _worker(client, BILLING_QUEUE, billing_activities(database, settings), BILLERS_AT_ONCE),
    ]


def _worker(client: Client, queue: str, activities: Sequence[Callable[..., Any]], at_once: int) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=WORKFLOWS[queue],
        activities=activities,
        activity_executor=ThreadPoolExecutor(at_once, thread_name_prefix=queue),
        max_concurrent_activities=at_once,
        max_concurrent_local_activities=at_once,
        workflow_runner=Sandbox(),
        # In this order, what the boundary logs of a failure says which process it was.
        interceptors=[ActivityLog(), FailureBoundary()],
        graceful_shutdown_timeout=GRACE,
    )
