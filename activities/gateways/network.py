"""The network's equipment: a service is switched on at a port with a speed profile, given another one, and off."""

from typing import Protocol
from uuid import UUID

from sqlalchemy import ColumnElement, select, text

from models.contracts.network import PortState
from models.contracts.refusals import conflict
from models.database import Database
from models.tables.network import NetworkPort

_SET = text("""
    UPDATE network_port SET state = :state, profile = :profile
    WHERE subscription_id = :subscription_id AND kept_for IS NULL
""")


class NetworkGateway(Protocol):
    """What the processes ask of the network. Every call may be repeated.

    What the network can't do for good, however often it is asked, is a `Refusal`; any other exception is an outage,
    and the call is repeated until it is over.
    """

    def switch_on(self, subscription_id: UUID, profile: str) -> None:
        """Let traffic pass at the subscription's port, with this speed profile."""

    def change_profile(self, subscription_id: UUID, profile: str) -> None:
        """Let the service run with another speed profile; one that is off stays off, and gets it with `switch_on`."""

    def suspend(self, subscription_id: UUID) -> None:
        """Stop traffic for a debt: the port stays the subscription's, and `switch_on` lets traffic pass again."""

    def switch_off(self, subscription_id: UUID) -> None:
        """Stop traffic at the subscription's port; the port stays reserved."""


class LocalNetwork:
    """Keeps the state of ports in the database, for a network that has no controller to call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def switch_on(self, subscription_id: UUID, profile: str) -> None:
        """Mark the port as active with its profile."""
        self._set(subscription_id, PortState.ACTIVE, profile)

    def change_profile(self, subscription_id: UUID, profile: str) -> None:
        """Mark an active port with another profile.

        Raises:
            Refusal: the service has no port.
        """
        with self._database.transaction() as session:
            port = session.scalar(select(NetworkPort).where(is_port_of(subscription_id)).with_for_update())
            if port is None:
                raise conflict(
                    "no_port", "The network has no port for this service: ask the network's operations to enter it."
                )
            if port.state is PortState.ACTIVE:
                port.profile = profile

    def suspend(self, subscription_id: UUID) -> None:
        """Mark the port as suspended, without a profile."""
        self._set(subscription_id, PortState.SUSPENDED, None)

    def switch_off(self, subscription_id: UUID) -> None:
        """Mark the port as reserved, without a profile."""
        self._set(subscription_id, PortState.RESERVED, None)

    def _set(self, subscription_id: UUID, state: PortState, profile: str | None) -> None:
        with self._database.transaction() as session:
            session.execute(_SET, {"subscription_id": subscription_id, "state": state.value, "profile": profile})


def is_port_of(subscription_id: UUID) -> ColumnElement[bool]:
    """The port that a subscription is on, and not one that is kept for it to move to."""
    return (NetworkPort.subscription_id == subscription_id) & NetworkPort.kept_for.is_(None)
