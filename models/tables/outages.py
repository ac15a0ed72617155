"""Outages of the network: what they cover and when, whom they affect, and what these people were told."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.outage import OutageKind
from models.rules.outage_telling import Occasion
from models.tables.base import Base, words


class Outage(Base):
    """An outage beside its process: its window, and how far the process has come with it."""

    __tablename__ = "outage"
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"), primary_key=True)
    kind: Mapped[OutageKind] = mapped_column(words(OutageKind))
    reason: Mapped[str]
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    """The expected end."""
    registered_at: Mapped[datetime]
    announced_at: Mapped[datetime | None]
    """Since when those affected are told of it."""
    began_at: Mapped[datetime | None]
    """When the process saw that it has begun."""
    ended_at: Mapped[datetime | None]
    """When the service was back."""
    called_off_at: Mapped[datetime | None]
    """Since when it is known that it does not take place, or was none."""
    settled_at: Mapped[datetime | None]
    """When the process saw that it is over, one way or the other."""
    closed_at: Mapped[datetime | None]
    window: Mapped[int] = mapped_column(server_default=text("1"))
    """Counts the windows that were given for it; the present one has this number."""
    overruns: Mapped[int] = mapped_column(server_default=text("0"))
    """How often those affected were to hear that it takes longer than expected."""
    overruns_in_window: Mapped[int] = mapped_column(server_default=text("0"))
    """How often of these since the present window was given."""
    lists_wanted: Mapped[int] = mapped_column(server_default=text("1"))
    """Counts the reasons to write down anew who is affected."""
    lists_done: Mapped[int] = mapped_column(server_default=text("0"))
    list_after: Mapped[UUID | None]
    """The last subscription that the present listing has looked at."""
    listed: Mapped[int] = mapped_column(server_default=text("0"))
    """The highest position in the list."""
    rounds_wanted: Mapped[int] = mapped_column(server_default=text("0"))
    """Counts the reasons to look at everybody affected and say what they have to know."""
    round_no: Mapped[int] = mapped_column(server_default=text("0"))
    """The last reason for which that was begun; it is part of the keys of the SMS."""
    round_after: Mapped[int | None]
    """The last position that the round has looked at; none where no round is under way."""
    is_echo: Mapped[bool] = mapped_column(server_default=text("false"))
    """Whether what is wanted next is for changes of other outages alone: these need not hear of it again."""
    credit_after: Mapped[int | None] = mapped_column(server_default=text("0"))
    """The last position whose credit was reckoned; none where that is done."""
    credited: Mapped[int] = mapped_column(server_default=text("0"))
    credited_minor: Mapped[int] = mapped_column(server_default=text("0"))
    told_in_round: Mapped[dict[str, Any]] = mapped_column(server_default=text("'{}'::jsonb"))
    """How many SMS the round has asked for, by occasion."""
    __table_args__ = (
        CheckConstraint("starts_at < ends_at", name="window_in_order"),
        CheckConstraint("ended_at >= starts_at", name="ends_after_its_start"),
        CheckConstraint("ended_at IS NULL OR called_off_at IS NULL", name="one_end"),
        Index("ix_outage_open", "process_id", postgresql_where="closed_at IS NULL"),
        Index("ix_outage_closed_at", "closed_at"),
    )


class OutageNode(Base):
    """A node that an outage covers, with everything below it."""

    __tablename__ = "outage_node"
    outage_id: Mapped[UUID] = mapped_column(ForeignKey("outage.process_id"), primary_key=True)
    node_id: Mapped[UUID] = mapped_column(ForeignKey("network_node.id"), primary_key=True, index=True)


class OutageAffected(Base):
    """A service that an outage affects or affected; numbered in the order in which they were written down."""

    __tablename__ = "outage_affected"
    outage_id: Mapped[UUID] = mapped_column(ForeignKey("outage.process_id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """From 1 on."""
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("subscription.id"))
    subscriber_id: Mapped[UUID] = mapped_column(ForeignKey("subscriber.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    from_at: Mapped[datetime | None]
    """None: from the outage's start on. Else it came under the outage later, when nodes were added."""
    until_at: Mapped[datetime | None]
    """None: to the outage's end. Else it left before, when nodes were taken out."""
    __table_args__ = (
        CheckConstraint("position >= 1", name="position_positive"),
        UniqueConstraint("outage_id", "subscription_id"),
        Index("ix_outage_affected_subscriber_id_outage_id", "subscriber_id", "outage_id"),
        Index("ix_outage_affected_account_id_outage_id", "account_id", "outage_id"),
    )


class OutageNotice(Base):
    """What somebody was told about an outage: the window that they know since, by which SMS."""

    __tablename__ = "outage_notice"
    message_key: Mapped[str] = mapped_column(ForeignKey("message.key"), primary_key=True)
    outage_id: Mapped[UUID] = mapped_column(ForeignKey("outage.process_id"), primary_key=True)
    """One SMS may be about several outages that overlap."""
    subscriber_id: Mapped[UUID] = mapped_column(ForeignKey("subscriber.id"), index=True)
    occasion: Mapped[Occasion] = mapped_column(words(Occasion))
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    overruns: Mapped[int]
    is_over: Mapped[bool]
    """They know from it that they need not think of this outage any more."""
    at: Mapped[datetime]
    __table_args__ = (Index("ix_outage_notice_outage_id", "outage_id"),)
