"""What is sold, at which price and tax, and by which policy; all of it effective-dated."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, func, text
from sqlalchemy.dialects.postgresql import DATERANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.catalogue import Charging, VatMode
from models.contracts.stock import EquipmentKind
from models.tables.base import Base, HasId, words


class Tariff(HasId, Base):
    """A tariff plan. Its monthly fee stands in `tariff_price`."""

    __tablename__ = "tariff"
    code: Mapped[str] = mapped_column(unique=True)
    title: Mapped[str]
    charging: Mapped[Charging] = mapped_column(words(Charging))
    connection_fee_minor: Mapped[int]
    first_period_upfront: Mapped[bool]
    """Whether the first month's fee stands on the connection invoice."""
    network_profile: Mapped[str]
    speed_mbps: Mapped[int | None]
    """What the port has to carry; none where any port will do."""
    vat_mode: Mapped[VatMode] = mapped_column(words(VatMode), server_default="included")
    """Of the monthly fee; the connection fee always holds its VAT."""
    active: Mapped[bool] = mapped_column(server_default=text("true"))
    __table_args__ = (
        CheckConstraint("connection_fee_minor >= 0", name="fee_not_negative"),
        CheckConstraint("speed_mbps > 0", name="speed_positive"),
    )


class TariffEquipment(Base):
    """A model of equipment that a tariff works with.

    Of each kind that a tariff names, the subscriber needs a piece of one of its models; of other kinds, none.
    """

    __tablename__ = "tariff_equipment"
    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariff.id"), primary_key=True)
    sku: Mapped[str] = mapped_column(ForeignKey("equipment_model.sku"), primary_key=True)
    place: Mapped[int]
    """The first of a kind is the one that is mounted; the others do where they are mounted already."""
    __table_args__ = (
        UniqueConstraint("tariff_id", "place"),
        CheckConstraint("place > 0", name="place_positive"),
    )


class TariffPrice(HasId, Base):
    """The monthly fee of a tariff for a half-open range of dates; two on one day are impossible."""

    __tablename__ = "tariff_price"
    tariff_id: Mapped[UUID] = mapped_column(ForeignKey("tariff.id"))
    valid: Mapped[Range[date]] = mapped_column(DATERANGE)
    fee_minor: Mapped[int]
    __table_args__ = (
        ExcludeConstraint(("tariff_id", "="), ("valid", "&&"), using="gist", name="ex_tariff_price_one_a_day"),
        CheckConstraint("fee_minor >= 0", name="fee_not_negative"),
        CheckConstraint("NOT isempty(valid)", name="valid_not_empty"),
    )


class TaxRate(HasId, Base):
    """A tax rate in basis points (1600 = 16 %) for a half-open range of dates."""

    __tablename__ = "tax_rate"
    tax: Mapped[str]
    valid: Mapped[Range[date]] = mapped_column(DATERANGE)
    rate_bp: Mapped[int]
    __table_args__ = (
        ExcludeConstraint(("tax", "="), ("valid", "&&"), using="gist", name="ex_tax_rate_one_a_day"),
        CheckConstraint("rate_bp BETWEEN 0 AND 10000", name="rate_is_a_share"),
    )


class EquipmentModel(Base):
    """A model of equipment that is lent or sold with a connection."""

    __tablename__ = "equipment_model"
    sku: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    kind: Mapped[EquipmentKind] = mapped_column(words(EquipmentKind), server_default="other")
    price_minor: Mapped[int]
    __table_args__ = (CheckConstraint("price_minor >= 0", name="price_not_negative"),)


class Policy(HasId, Base):
    """One version of a policy. Versions are never changed; a process pins the one it started with."""

    __tablename__ = "policy"
    code: Mapped[str]
    version: Mapped[int]
    body: Mapped[dict[str, Any]]
    valid_from: Mapped[datetime] = mapped_column(server_default=func.now())
    created_by: Mapped[str]
    __table_args__ = (UniqueConstraint("code", "version"),)
