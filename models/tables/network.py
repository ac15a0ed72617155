"""The network: a tree of nodes, the premises they reach, and their ports."""

from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.network import NodeKind, PortState
from models.tables.base import Base, HasId, words


class NetworkNode(HasId, Base):
    """A site, an OLT, a distribution point or a building."""

    __tablename__ = "network_node"
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    kind: Mapped[NodeKind] = mapped_column(words(NodeKind))
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("network_node.id"), index=True)


class Premises(HasId, Base):
    """A flat, house or office that a node reaches."""

    __tablename__ = "premises"
    address: Mapped[str] = mapped_column(unique=True)
    node_id: Mapped[UUID] = mapped_column(ForeignKey("network_node.id"), index=True)


class NetworkPort(HasId, Base):
    """A port of a node. It belongs to a subscription from the application until termination.

    A subscription has one port, and beside it, while a tariff change is under way, one that is kept to move to.
    """

    __tablename__ = "network_port"
    node_id: Mapped[UUID] = mapped_column(ForeignKey("network_node.id"))
    port_no: Mapped[int]
    state: Mapped[PortState] = mapped_column(words(PortState), server_default="free")
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscription.id"))
    kept_for: Mapped[UUID | None] = mapped_column(ForeignKey("process.id"))
    """The process that keeps it for the subscription to move to; none where the subscription is on it."""
    profile: Mapped[str | None]
    """The speed profile that is switched on; none while the port is not active."""
    max_mbps: Mapped[int | None]
    """The highest speed that it carries; none where it carries any."""
    __table_args__ = (
        UniqueConstraint("node_id", "port_no"),
        CheckConstraint("(state = 'free') = (subscription_id IS NULL)", name="free_means_no_subscription"),
        CheckConstraint("(state = 'active') = (profile IS NOT NULL)", name="active_means_profile"),
        CheckConstraint("kept_for IS NULL OR state = 'reserved'", name="kept_means_reserved"),
        CheckConstraint("max_mbps > 0", name="speed_positive"),
        Index(
            "uq_network_port_one_a_subscription", "subscription_id", unique=True, postgresql_where="kept_for IS NULL"
        ),
        Index("uq_network_port_kept_for", "kept_for", unique=True, postgresql_where="kept_for IS NOT NULL"),
    )
