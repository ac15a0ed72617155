"""Ports: kept for a subscription from its application on, and switched through the network gateway."""

from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session
from temporalio import activity

from activities.gateways.network import NetworkGateway
from activities.processes import get_process
from models.contracts.network import PortState
from models.contracts.refusals import conflict
from models.contracts.steps import ProcessStep
from models.database import Database
from models.tables.catalogue import Tariff
from models.tables.network import NetworkPort
from models.tables.subscriptions import Subscription


def reserve_port(session: Session, node_id: UUID, subscription_id: UUID) -> int:
    """Keep a free port of the node for the subscription; answers its number.

    Raises:
        Refusal: the node has no free port.
    """
    port = session.scalar(
        select(NetworkPort)
        .where(NetworkPort.node_id == node_id, NetworkPort.state == PortState.FREE)
        .order_by(NetworkPort.port_no)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    if port is None:
        raise conflict(
            "no_free_port",
            "The node that reaches these premises has no free port: ask the network's operations for one.",
        )
    port.state, port.subscription_id = PortState.RESERVED, subscription_id
    return port.port_no


def release_port(session: Session, subscription_id: UUID) -> None:
    """Give the subscription's port back."""
    session.execute(
        update(NetworkPort)
        .where(NetworkPort.subscription_id == subscription_id)
        .values(state=PortState.FREE, subscription_id=None, profile=None)
    )


class NetworkActivities:
    """Calls that leave the machine for the network's equipment; each may be repeated."""

    def __init__(self, database: Database, gateway: NetworkGateway) -> None:
        self._database = database
        self._gateway = gateway

    @activity.defn(name="network.switch_on")
    def switch_on(self, step: ProcessStep) -> None:
        """Switch the ordered service on."""
        subscription_id, profile = self._service(step.process_id)
        self._gateway.switch_on(subscription_id, profile)

    @activity.defn(name="network.switch_off")
    def switch_off(self, step: ProcessStep) -> None:
        """Switch the service off again."""
        subscription_id, _ = self._service(step.process_id)
        self._gateway.switch_off(subscription_id)

    def _service(self, process_id: UUID) -> tuple[UUID, str]:
        with self._database.transaction() as session:
            subscription_id = get_process(session, process_id).subscription_id
            assert subscription_id is not None, "a connection has a subscription from its application on"
            profile = session.scalars(
                select(Tariff.network_profile).join(Subscription).where(Subscription.id == subscription_id)
            ).one()
            return subscription_id, profile
