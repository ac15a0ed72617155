"""Ports: reserved for a subscription from its application on, and switched through the network gateway."""

from uuid import UUID

from sqlalchemy import ColumnElement, Select, or_, select, update
from sqlalchemy.orm import Session
from temporalio import activity

from activities.gateways.network import NetworkGateway, is_port_of
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.network import PortState
from models.contracts.refusals import conflict
from models.contracts.steps import ProcessStep
from models.database import Database
from models.tables.catalogue import Tariff
from models.tables.network import NetworkPort
from models.tables.processes import Process
from models.tables.subscriptions import Subscription
from models.tables.tariff_changes import TariffChange


def reserve_port(session: Session, node_id: UUID, subscription_id: UUID, *, speed_mbps: int | None) -> int:
    """Keep a free port of the node for the subscription, one that carries its speed; answers its number.

    Raises:
        Refusal: the node has no such port.
    """
    free = _free_port(node_id, speed_mbps).with_only_columns(NetworkPort.id).cte("free").prefix_with("MATERIALIZED")
    port_no: int | None = session.scalar(
        update(NetworkPort)
        .where(NetworkPort.id == free.c.id)
        .values(state=PortState.RESERVED, subscription_id=subscription_id)
        .returning(NetworkPort.port_no)
    )
    if port_no is None:
        raise conflict(
            "no_free_port",
            "The node that reaches these premises has no free port that carries this tariff: ask the network's "
            "operations for one.",
        )
    return port_no


def free_port(session: Session, node_id: UUID, speed_mbps: int | None) -> NetworkPort | None:
    """A free port of the node that carries a speed, locked, and that nobody else is just taking; none where none is."""
    return session.scalar(_free_port(node_id, speed_mbps))


def _free_port(node_id: UUID, speed_mbps: int | None) -> Select[NetworkPort]:
    return (
        select(NetworkPort)
        .where(NetworkPort.node_id == node_id, NetworkPort.state == PortState.FREE, carries(speed_mbps))
        .order_by(NetworkPort.port_no)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def carries(speed_mbps: int | None) -> ColumnElement[bool]:
    """Whether a port carries a speed. A port without a limit carries any; any port will do where none is asked for."""
    return or_(NetworkPort.max_mbps.is_(None), NetworkPort.max_mbps >= (speed_mbps or 0))


def release_port(session: Session, subscription_id: UUID) -> int | None:
    """Give the subscription's port back; answers its number, if it had one."""
    return session.scalar(
        update(NetworkPort)
        .where(is_port_of(subscription_id))
        .values(state=PortState.FREE, subscription_id=None, profile=None)
        .returning(NetworkPort.port_no)
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

    @activity.defn(name="network.change_profile")
    def change_profile(self, step: ProcessStep) -> None:
        """Let the service run as the tariff wants it that it is to have.

        Raises:
            Refusal: the network can't.
        """
        with self._database.transaction() as session:
            subscription_id = _subscription_id(session, step.process_id)
            profile = session.scalars(
                select(Tariff.network_profile)
                .join(TariffChange, TariffChange.to_tariff_id == Tariff.id)
                .where(TariffChange.process_id == step.process_id)
            ).one()
        self._gateway.change_profile(subscription_id, profile)

    @activity.defn(name="network.restore_profile")
    def restore_profile(self, step: ProcessStep) -> None:
        """Let the service run as the tariff wants it that it is on.

        Raises:
            Refusal: the network can't.
        """
        subscription_id, profile = self._service(step.process_id)
        self._gateway.change_profile(subscription_id, profile)

    @activity.defn(name="network.resume")
    def resume(self, step: ProcessStep) -> None:
        """Switch a service on again that is active in the books; one that is not stays as it is."""
        with self._database.transaction() as session:
            subscription = session.get_one(Subscription, _subscription_id(session, step.process_id))
            if subscription.status is not SubscriptionStatus.ACTIVE:
                return
        self.switch_on(step)

    @activity.defn(name="network.switch_off")
    def switch_off(self, step: ProcessStep) -> None:
        """Switch the service off again."""
        subscription_id, _ = self._service(step.process_id)
        self._gateway.switch_off(subscription_id)

    def _service(self, process_id: UUID) -> tuple[UUID, str]:
        with self._database.transaction() as session:
            service = (
                select(Subscription.id, Tariff.network_profile)
                .join(Tariff, Tariff.id == Subscription.tariff_id)
                .join(Process, Process.subscription_id == Subscription.id)
                .where(Process.id == process_id)
            )
            subscription_id, profile = session.execute(service).one()
            return subscription_id, profile


def _subscription_id(session: Session, process_id: UUID) -> UUID:
    subscription_id = session.execute(select(Process.subscription_id).where(Process.id == process_id)).scalar_one()
    assert subscription_id is not None, "what is switched is a subscription"
    return subscription_id
