"""The network's equipment: a service is switched on at a port with a speed profile, and off again."""

from typing import Protocol
from uuid import UUID

from sqlalchemy import update

from models.contracts.network import PortState
from models.database import Database
from models.tables.network import NetworkPort


class NetworkGateway(Protocol):
    """What the processes ask of the network. Both calls may be repeated; outages are plain exceptions."""

    def switch_on(self, subscription_id: UUID, profile: str) -> None:
        """Let traffic pass at the subscription's port, with this speed profile."""

    def switch_off(self, subscription_id: UUID) -> None:
        """Stop traffic at the subscription's port; the port stays reserved."""


class LocalNetwork:
    """Keeps the state of ports in the database, for a network that has no controller to call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def switch_on(self, subscription_id: UUID, profile: str) -> None:
        """Mark the port as active with its profile."""
        self._set(subscription_id, PortState.ACTIVE, profile)

    def switch_off(self, subscription_id: UUID) -> None:
        """Mark the port as reserved, without a profile."""
        self._set(subscription_id, PortState.RESERVED, None)

    def _set(self, subscription_id: UUID, state: PortState, profile: str | None) -> None:
        with self._database.transaction() as session:
            session.execute(
                update(NetworkPort)
                .where(NetworkPort.subscription_id == subscription_id)
                .values(state=state, profile=profile)
            )
