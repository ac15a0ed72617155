"""Who acts and who is served: staff and their departments, subscribers and their accounts."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Identity, Index, Sequence, func, select, text
from sqlalchemy.orm import Mapped, column_property, mapped_column

from models.contracts.people import Language, Role, Segment
from models.rules.allocation import AllocationRule
from models.tables.base import Base, HasId, words
from models.tables.opt_outs import PhoneOptOut

account_no_sequence = Sequence("account_no_seq", metadata=Base.metadata, start=100001)


class Department(Base):
    """A department that staff tasks are addressed to; its code is the role of its people."""

    __tablename__ = "department"
    code: Mapped[Role] = mapped_column(words(Role), primary_key=True)
    title: Mapped[str]


class Staff(HasId, Base):
    """A person of the operator, with one role and the hash of a bearer token."""

    __tablename__ = "staff"
    login: Mapped[str] = mapped_column(unique=True)
    full_name: Mapped[str]
    role: Mapped[Role] = mapped_column(ForeignKey("department.code"))
    is_head: Mapped[bool] = mapped_column(server_default=text("false"))
    phone: Mapped[str | None]
    language: Mapped[Language] = mapped_column(words(Language), server_default="ru")
    token_sha256: Mapped[bytes | None] = mapped_column(unique=True)
    active: Mapped[bool] = mapped_column(server_default=text("true"))


class Subscriber(HasId, Base):
    """A person who is served, known by their IIN."""

    __tablename__ = "subscriber"
    iin: Mapped[str] = mapped_column(unique=True)
    full_name: Mapped[str]
    phone: Mapped[str] = mapped_column()
    language: Mapped[Language] = mapped_column(words(Language))
    segment: Mapped[Segment] = mapped_column(words(Segment), server_default="individual")
    premises_id: Mapped[UUID | None] = mapped_column(ForeignKey("premises.id"))
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    __table_args__ = (
        CheckConstraint("iin ~ '^[0-9]{12}$'", name="iin_is_twelve_digits"),
        CheckConstraint(r"phone ~ '^\+[1-9][0-9]{6,14}$'", name="phone_is_e164"),
        Index("ix_subscriber_phone", "phone"),
        Index(
            "ix_subscriber_full_name_trgm",
            "full_name",
            postgresql_using="gin",
            postgresql_ops={"full_name": "gin_trgm_ops"},
        ),
    )
    sms_opt_out_at: Mapped[datetime | None] = column_property(
        select(PhoneOptOut.opted_out_at)
        .where(PhoneOptOut.phone == phone)
        .correlate_except(PhoneOptOut)
        .scalar_subquery()
    )
    """Read only: it is the number that wants no SMS, see `activities.opt_outs`."""


class Account(HasId, Base):
    """A subscriber's personal account («лицевой счёт»): what invoices and payments meet on."""

    __tablename__ = "account"
    number: Mapped[int] = mapped_column(Identity(always=True), unique=True)
    """A dense number for partitioning set-based work; not the one people see."""
    account_no: Mapped[str] = mapped_column(unique=True)
    subscriber_id: Mapped[UUID] = mapped_column(ForeignKey("subscriber.id"), index=True)
    currency: Mapped[str] = mapped_column(server_default="KZT")
    opened_on: Mapped[date]
    allocation_rule: Mapped[AllocationRule] = mapped_column(words(AllocationRule), server_default="oldest_due")


class AccountChange(HasId, Base):
    """Who changed what of an account, and why."""

    __tablename__ = "account_change"
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    changed: Mapped[dict[str, Any]]
    """By field: the value before and the value after."""
    reason: Mapped[str]
    changed_by: Mapped[str]
    changed_at: Mapped[datetime]
