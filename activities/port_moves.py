"""A service that moves to another port of its node: kept for it first, taken when the crew has been there."""

from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from activities.gateways.network import is_port_of
from activities.network import carries, free_port
from models.contracts.network import PortState
from models.contracts.refusals import conflict
from models.tables.network import NetworkPort


def carries_speed(session: Session, subscription_id: UUID, speed_mbps: int | None) -> bool:
    """Whether the subscription's port carries a speed."""
    slow = select(NetworkPort.id).where(is_port_of(subscription_id), ~carries(speed_mbps))
    return session.scalar(slow) is None


def keep_port(session: Session, process_id: UUID, subscription_id: UUID, speed_mbps: int | None) -> int:
    """Keep a free port for the subscription to move to, on its node, that carries a speed; answers its number.

    Asked again for the same process, it is the same port.

    Raises:
        Refusal: the node has no such port.
    """
    kept = session.scalar(select(NetworkPort).where(NetworkPort.kept_for == process_id))
    if kept is not None:
        return kept.port_no
    node_id = session.scalars(select(NetworkPort.node_id).where(is_port_of(subscription_id))).one()
    port = free_port(session, node_id, speed_mbps)
    if port is None:
        raise conflict(
            "no_port_carries_tariff",
            "The port of this service does not carry the tariff, and its node has no free one that does: choose a "
            "slower tariff, or ask the network's operations for a port.",
        )
    port.state, port.subscription_id, port.kept_for = PortState.RESERVED, subscription_id, process_id
    session.flush()
    return port.port_no


def move_to_kept_port(session: Session, process_id: UUID) -> int | None:
    """Put the subscription on the port that was kept for it, as it was on the old one; answers the new one's number."""
    kept = session.scalar(select(NetworkPort).where(NetworkPort.kept_for == process_id).with_for_update())
    if kept is None:
        return None
    assert kept.subscription_id is not None, "the table says so of a port that is kept"
    old = session.scalars(select(NetworkPort).where(is_port_of(kept.subscription_id)).with_for_update()).one()
    state, profile = old.state, old.profile
    old.state, old.subscription_id, old.profile = PortState.FREE, None, None
    session.flush()
    kept.state, kept.profile, kept.kept_for = state, profile, None
    session.flush()
    return kept.port_no


def release_kept_port(session: Session, process_id: UUID) -> int | None:
    """Give the kept port back; answers its number, if there was one."""
    return session.scalar(
        update(NetworkPort)
        .where(NetworkPort.kept_for == process_id)
        .values(state=PortState.FREE, subscription_id=None, kept_for=None)
        .returning(NetworkPort.port_no)
    )
