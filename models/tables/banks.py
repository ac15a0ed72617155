"""Banks: how each is known and spoken with, and what it said that could not be."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.banks import Credential, PayeeNumber
from models.tables.base import Base, HasId, words


class Bank(HasId, Base):
    """A bank that asks debts and reports payments. What its settings mean: `models.contracts.banks.BankSettings`."""

    __tablename__ = "bank"
    code: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    dialects: Mapped[list[str]] = mapped_column(ARRAY(Text), server_default=text("'{json_v1}'"))
    credential: Mapped[Credential] = mapped_column(words(Credential), server_default="password")
    username: Mapped[str] = mapped_column(unique=True)
    password_sha256: Mapped[bytes] = mapped_column(unique=True)
    """Of the password or the secret; of something that nobody knows for a bank that is known by its networks."""
    allowed_networks: Mapped[list[str]] = mapped_column(ARRAY(Text))
    payee_number: Mapped[PayeeNumber] = mapped_column(words(PayeeNumber), server_default="either")
    payee_parameter: Mapped[str | None]
    receipt_field: Mapped[str | None]
    shown_fields: Mapped[list[dict[str, Any]] | None] = mapped_column(JSONB(none_as_null=True))
    min_amount_minor: Mapped[int | None]
    max_amount_minor: Mapped[int | None]
    takes_advances: Mapped[bool] = mapped_column(server_default=text("true"))
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    bic: Mapped[str | None]
    bin: Mapped[str | None]
    iik: Mapped[str | None]
    """The operator's account with this bank: what payment orders name."""
    __table_args__ = (
        CheckConstraint("cardinality(dialects) > 0", name="speaks_a_dialect"),
        CheckConstraint("min_amount_minor > 0 AND max_amount_minor > 0", name="limits_positive"),
        CheckConstraint("min_amount_minor <= max_amount_minor", name="limits_ordered"),
    )


class PaymentConflict(HasId, Base):
    """A transaction id that a bank used again with another meaning: refused, and kept for accounting.

    The same wrong meaning again is counted, not kept again.
    """

    __tablename__ = "payment_conflict"
    payment_id: Mapped[UUID] = mapped_column(ForeignKey("payment.id"))
    """The payment that the transaction id stands for."""
    taken_sha256: Mapped[bytes]
    """Of its meaning."""
    asked_sha256: Mapped[bytes]
    """Of what was refused."""
    asked_account_no: Mapped[str | None]
    """The account number that was asked for, or that of the IIN; none where nobody has that IIN."""
    asked_amount_minor: Mapped[int]
    asked_paid_at: Mapped[datetime]
    times: Mapped[int] = mapped_column(server_default=text("1"))
    first_at: Mapped[datetime]
    last_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("payment_id", "asked_sha256"),
        CheckConstraint("taken_sha256 <> asked_sha256", name="meanings_differ"),
        CheckConstraint("times > 0", name="times_positive"),
    )
