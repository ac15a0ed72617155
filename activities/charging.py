"""What is charged for a service, at the price and the VAT rate of the day."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.contracts.refusals import conflict, not_found
from models.rules.money import tenge, vat_inside
from models.tables.catalogue import EquipmentModel, Tariff, TariffPrice, TaxRate

VAT = "vat"


@dataclass(frozen=True)
class Charge:
    """What an invoice line charges: so many pieces at a price that includes VAT, in tiyn."""

    description: str
    quantity: int
    unit_minor: int


def connection_charges(session: Session, tariff_id: UUID, equipment: Sequence[str], on: date) -> list[Charge]:
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
    models = {
        model.sku: model for model in session.scalars(select(EquipmentModel).where(EquipmentModel.sku.in_(wanted)))
    }
    for sku, quantity in wanted.items():
        if sku not in models:
            raise not_found("equipment_unknown", f"There is no equipment {sku}: take SKUs from GET /v1/stock.")
        charges.append(Charge(models[sku].title, quantity, models[sku].price_minor))
    if tariff.first_period_upfront:
        fee = monthly_fee_minor(session, tariff_id, on)
        if fee > 0:
            charges.append(Charge(f"Абонентская плата за первый месяц, тариф «{tariff.title}»", 1, fee))
    return charges


def monthly_fee_minor(session: Session, tariff_id: UUID, on: date) -> int:
    """The monthly fee of a tariff on a day, VAT included, in tiyn.

    Raises:
        Refusal: no price holds on that day.
    """
    fee = session.scalar(
        select(TariffPrice.fee_minor).where(TariffPrice.tariff_id == tariff_id, TariffPrice.valid.contains(on))
    )
    if fee is None:
        raise conflict("tariff_price_missing", f"The tariff has no price on {on}: enter one, then try again.")
    return fee


def vat_rate_bp(session: Session, on: date) -> int:
    """The VAT rate of a day in basis points.

    Raises:
        Refusal: no rate holds on that day.
    """
    rate = session.scalar(select(TaxRate.rate_bp).where(TaxRate.tax == VAT, TaxRate.valid.contains(on)))
    if rate is None:
        raise conflict("tax_rate_missing", f"There is no VAT rate for {on}: enter one, then try again.")
    return rate


def priced_line(number: int, charge: Charge, rate_bp: int) -> dict[str, Any]:
    """The columns of an invoice line: VAT is taken out of the line's own total and rounded there."""
    total = charge.quantity * charge.unit_minor
    vat = vat_inside(total, rate_bp)
    return {
        "line_no": number,
        "description": charge.description,
        "formula": _formula(charge, rate_bp),
        "quantity": charge.quantity,
        "unit_minor": charge.unit_minor,
        "vat_rate_bp": rate_bp,
        "net_minor": total - vat,
        "vat_minor": vat,
        "total_minor": total,
    }


def _formula(charge: Charge, rate_bp: int) -> str:
    percent = f"{rate_bp / 100:g}".replace(".", ",")
    return f"{charge.quantity} × {tenge(charge.unit_minor)}, в том числе НДС {percent}\u00a0%"
