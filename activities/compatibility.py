"""What a tariff works with, and whether what is installed at a subscriber's does."""

from collections.abc import Collection, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from activities import stock
from activities.port_moves import carries_speed
from models.contracts.refusals import invalid, not_found
from models.contracts.stock import EquipmentKind, StockState
from models.rules.fitting import to_mount
from models.tables.catalogue import EquipmentModel, Tariff, TariffEquipment
from models.tables.stock import StockItem


class Fit(NamedTuple):
    """What a tariff needs that a service does not have."""

    mount: list[str]
    """SKUs, one for each kind of equipment that does not fit."""
    another_port: bool

    @property
    def needs_visit(self) -> bool:
        """Whether somebody has to go there."""
        return bool(self.mount) or self.another_port


def fit_of(session: Session, subscription_id: UUID, tariff: Tariff) -> Fit:
    """Whether the equipment that is installed and the port work with a tariff."""
    installed = session.scalars(
        select(StockItem.sku).where(
            StockItem.subscription_id == subscription_id, StockItem.state == StockState.INSTALLED
        )
    ).all()
    return Fit(
        mount=to_mount(_works_with(session, tariff.id), installed),
        another_port=not carries_speed(session, subscription_id, tariff.speed_mbps),
    )


def check_ordered(session: Session, tariff: Tariff, skus: Collection[str]) -> None:
    """Return if a tariff works with the equipment that is ordered for it.

    Raises:
        Refusal: of a kind that the tariff needs none of its models is ordered.
    """
    missing = to_mount(_works_with(session, tariff.id), skus)
    if missing:
        raise invalid(
            "equipment_unfit",
            f"This tariff does not work with the ordered equipment: order {', '.join(missing)} as well, or what GET "
            f"/v1/tariffs/{tariff.code}/equipment lists beside it.",
            {"equipment": f"missing: {', '.join(missing)}"},
        )


def _works_with(session: Session, tariff_id: UUID) -> list[tuple[str, str]]:
    rows = session.execute(
        select(EquipmentModel.kind, TariffEquipment.sku)
        .join(EquipmentModel, EquipmentModel.sku == TariffEquipment.sku)
        .where(TariffEquipment.tariff_id == tariff_id)
        .order_by(TariffEquipment.place)
    )
    return [(kind, sku) for kind, sku in rows]


def in_place_of(session: Session, subscription_id: UUID, skus: Collection[str]) -> list[str]:
    """The serial numbers of the installed pieces that make room for these models: those of the same kinds."""
    kinds = select(EquipmentModel.kind).where(EquipmentModel.sku.in_(skus), EquipmentModel.kind != EquipmentKind.OTHER)
    return list(
        session.scalars(
            select(StockItem.serial)
            .join(EquipmentModel, EquipmentModel.sku == StockItem.sku)
            .where(
                StockItem.subscription_id == subscription_id,
                StockItem.state == StockState.INSTALLED,
                EquipmentModel.kind.in_(kinds),
            )
            .order_by(StockItem.sku, StockItem.received_at, StockItem.id)
        )
    )


def set_equipment(session: Session, code: str, skus: Sequence[str]) -> list[str]:
    """Say what a tariff works with, in place of what was said before; answers it as it is kept.

    Changes under way keep what they have found out already.

    Raises:
        Refusal: there is no such tariff, or a SKU is not in the catalogue or stands twice.
    """
    tariff_id = _tariff_id(session, code, lock=True)
    stock.check_skus(session, skus)
    if len(set(skus)) < len(skus):
        raise invalid("sku_twice", "Name each model once.", {"equipment": "a model stands twice"})
    session.execute(delete(TariffEquipment).where(TariffEquipment.tariff_id == tariff_id))
    rows = [{"tariff_id": tariff_id, "sku": sku, "place": place} for place, sku in enumerate(skus, start=1)]
    if rows:
        session.execute(insert(TariffEquipment), rows)
    return list(skus)


def equipment_of(session: Session, code: str) -> list[str]:
    """The models that a tariff works with; of each kind the first is the one that is mounted.

    Raises:
        Refusal: there is no such tariff.
    """
    tariff_id = _tariff_id(session, code)
    return list(
        session.scalars(
            select(TariffEquipment.sku)
            .where(TariffEquipment.tariff_id == tariff_id)
            .order_by(TariffEquipment.place)
        )
    )  # fmt: skip


def _tariff_id(session: Session, code: str, *, lock: bool = False) -> UUID:
    statement = select(Tariff.id).where(Tariff.code == code)
    tariff_id = session.scalar(statement.with_for_update(key_share=True) if lock else statement)
    if tariff_id is None:
        raise not_found("tariff_unknown", "There is no such tariff: take its code from GET /v1/tariffs.")
    return tariff_id
