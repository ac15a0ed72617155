"""What is charged for a service, at the price and the VAT rate of the day."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.once import once
from models.contracts.catalogue import VatMode
from models.contracts.refusals import conflict, not_found
from models.rules.money import tenge, vat_inside, vat_on_top
from models.tables.catalogue import EquipmentModel, Tariff

VAT = "vat"

_FEE = text("SELECT fee_minor FROM tariff_price WHERE tariff_id = :tariff_id AND valid @> CAST(:on AS date)")
_RATE = text("SELECT rate_bp FROM tax_rate WHERE tax = :tax AND valid @> CAST(:on AS date)")


@dataclass(frozen=True)
class Charge:
    """What an invoice line charges: so many pieces at a price, in tiyn."""

    description: str
    quantity: int
    unit_minor: int
    vat_mode: VatMode = VatMode.INCLUDED
    subscription_id: UUID | None = None
    """The service whose first month this is: the billing run takes it as billed for the month of activation."""
    reckoning: str | None = None
    """How its price came about, where that is more than a price."""


def connection_charges(
    session: Session, tariff_id: UUID, equipment: Sequence[str], on: date, *, subscription_id: UUID | None = None
) -> list[Charge]:
    """The fee of a connection, each SKU with its quantity, and the first month where the tariff asks for it upfront.

    Raises:
        Refusal: the tariff, a SKU or the tariff's price of that day is missing.
    """
    tariff = session.get(Tariff, tariff_id)
    if tariff is None:
        raise not_found("tariff_unknown", "There is no such tariff: take one from GET /v1/tariffs.")
    charges = []
    if tariff.connection_fee_minor > 0:
        charges.append(Charge(f"Подключение, тариф «{tariff.title}»", 1, tariff.connection_fee_minor))
    wanted = Counter(equipment)
    models = models_of(session, wanted)
    for sku, quantity in wanted.items():
        if sku not in models:
            raise not_found("equipment_unknown", f"There is no equipment {sku}: take SKUs from GET /v1/stock.")
        charges.append(Charge(models[sku].title, quantity, models[sku].price_minor))
    if tariff.first_period_upfront:
        fee = monthly_fee_minor(session, tariff_id, on)
        if fee > 0:
            title = f"Абонентская плата за первый месяц, тариф «{tariff.title}»"
            charges.append(Charge(title, 1, fee, tariff.vat_mode, subscription_id))
    return charges


def models_of(session: Session, skus: Collection[str]) -> dict[str, EquipmentModel]:
    """The models that these SKUs name, by SKU in its order; one that nobody knows is left out."""
    wanted = frozenset(skus)

    def read() -> dict[str, EquipmentModel]:
        models = session.scalars(
            select(EquipmentModel).where(EquipmentModel.sku.in_(wanted)).order_by(EquipmentModel.sku)
        )
        return {model.sku: model for model in models}

    return once(session, "models", wanted, read=read) or {}


def fee_minor_of(session: Session, tariff_id: UUID, on: date) -> int | None:
    """The monthly fee of a tariff on a day, in tiyn; none where no price holds on that day."""
    day = {"tariff_id": tariff_id, "on": on}
    return once(session, "fee", tariff_id, on, read=lambda: session.scalar(_FEE, day))


def monthly_fee_minor(session: Session, tariff_id: UUID, on: date) -> int:
    """The monthly fee of a tariff on a day, in tiyn; whether VAT is in it or comes on top is the tariff's to say.

    Raises:
        Refusal: no price holds on that day.
    """
    fee = fee_minor_of(session, tariff_id, on)
    if fee is None:
        raise conflict("tariff_price_missing", f"The tariff has no price on {on}: enter one, then try again.")
    return fee


def vat_rate_bp(session: Session, on: date) -> int:
    """The VAT rate of a day in basis points.

    Raises:
        Refusal: no rate holds on that day.
    """
    rate: int | None = session.scalar(_RATE, {"tax": VAT, "on": on})
    if rate is None:
        raise conflict("tax_rate_missing", f"There is no VAT rate for {on}: enter one, then try again.")
    return rate


def priced_line(number: int, charge: Charge, rate_bp: int) -> dict[str, Any]:
    """The columns of an invoice line: its VAT is taken out of the sum, or added to it, and rounded there."""
    amount = charge.quantity * charge.unit_minor
    on_top = charge.vat_mode is VatMode.ON_TOP
    vat = vat_on_top(amount, rate_bp) if on_top else vat_inside(amount, rate_bp)
    net = amount if on_top else amount - vat
    return {
        "line_no": number,
        "subscription_id": charge.subscription_id,
        "description": charge.description,
        "formula": _formula(charge, rate_bp),
        "quantity": charge.quantity,
        "unit_minor": charge.unit_minor,
        "vat_rate_bp": rate_bp,
        "net_minor": net,
        "vat_minor": vat,
        "total_minor": net + vat,
    }


def _formula(charge: Charge, rate_bp: int) -> str:
    percent = f"{rate_bp / 100:g}".replace(".", ",")
    vat = "плюс НДС" if charge.vat_mode is VatMode.ON_TOP else "в том числе НДС"
    counted = charge.reckoning or f"{charge.quantity} × {tenge(charge.unit_minor)}"
    return f"{counted}, {vat} {percent}\u00a0%"
