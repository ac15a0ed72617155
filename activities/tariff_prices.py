"""Prices of tariffs: one begins where the one before it ends, so that no day has two and none is without."""

from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from models.contracts.catalogue import TariffPriceView
from models.contracts.money import kzt
from models.contracts.refusals import conflict, invalid, not_found
from models.rules.money import tenge
from models.tables.catalogue import Tariff, TariffPrice

# Months of services on the tariff that invoices charge: a line of the connection invoice, which names no month, is
# for the month of its issue.
_BILLED_UNTIL = text("""
    SELECT (max(coalesce(line.service_month_on, date_trunc('month', invoice.issued_on)::date)) + interval '1 month')
           ::date AS until_on
    FROM (SELECT DISTINCT subscription_id FROM service_period
          WHERE tariff_id = :tariff_id AND (upper_inf(during) OR upper(during) > :month_on)) AS served
    JOIN invoice_line AS line ON line.subscription_id = served.subscription_id
    JOIN invoice ON invoice.id = line.invoice_id
""")


class EnteredPrice(NamedTuple):
    """A price, and whether this entry was what made it."""

    price: TariffPrice
    is_new: bool


def add_price(session: Session, code: str, *, fee_minor: int, valid_from: date) -> EnteredPrice:
    """Let a tariff cost something else from a day on: the running price ends there. Twice is once.

    Raises:
        Refusal: there is no such tariff, a price begins on that day or later already, or invoices charge that day.
    """
    tariff = session.scalar(select(Tariff).where(Tariff.code == code).with_for_update(key_share=True))
    if tariff is None:
        raise _unknown()
    last = session.scalar(
        select(TariffPrice)
        .where(TariffPrice.tariff_id == tariff.id)
        .order_by(func.lower(TariffPrice.valid).desc().nulls_last())
        .limit(1)
    )
    if last is not None:
        if last.valid.lower == valid_from and last.fee_minor == fee_minor:
            return EnteredPrice(last, is_new=False)
        _check_follows(last, valid_from)
    _check_not_billed(session, tariff, valid_from)
    if last is not None:
        last.valid = Range(last.valid.lower, valid_from)
        session.flush()
    price = TariffPrice(tariff_id=tariff.id, valid=Range(valid_from, None), fee_minor=fee_minor)
    session.add(price)
    session.flush()
    return EnteredPrice(price, is_new=True)


def on_sale(session: Session, code: str, on: date) -> Tariff:
    """The tariff, which is sold and has a price on a day.

    Raises:
        Refusal: there is no such one.
    """
    tariff = session.scalar(
        select(Tariff)
        .join(TariffPrice, TariffPrice.tariff_id == Tariff.id)
        .where(Tariff.code == code, Tariff.active, TariffPrice.valid.contains(on))
    )
    if tariff is None:
        raise invalid(
            "tariff_unknown", "Take the tariff from GET /v1/tariffs.", {"tariff_code": f"no such tariff on {on}"}
        )
    return tariff


def prices(session: Session, code: str) -> list[TariffPriceView]:
    """All prices of a tariff, oldest first.

    Raises:
        Refusal: there is no such tariff.
    """
    tariff_id = session.scalar(select(Tariff.id).where(Tariff.code == code))
    if tariff_id is None:
        raise _unknown()
    rows = session.scalars(
        select(TariffPrice).where(TariffPrice.tariff_id == tariff_id).order_by(func.lower(TariffPrice.valid))
    )
    return [price_view(row) for row in rows]


def price_view(price: TariffPrice) -> TariffPriceView:
    """A price as it is spoken of outside."""
    assert price.valid.lower is not None, "every price begins on a day"
    return TariffPriceView(
        id=price.id, fee=kzt(price.fee_minor), valid_from=price.valid.lower, valid_until=price.valid.upper
    )


def _check_follows(last: TariffPrice, valid_from: date) -> None:
    if last.valid.lower is not None and valid_from <= last.valid.lower:
        raise conflict(
            "price_overlaps",
            f"A price of {tenge(last.fee_minor)} is entered from {last.valid.lower} on: choose a later day.",
        )
    if last.valid.upper is not None and valid_from > last.valid.upper:
        raise conflict(
            "price_gap",
            f"The tariff has no price from {last.valid.upper} on: let the new one begin there, so that no day is "
            "without.",
        )


def _check_not_billed(session: Session, tariff: Tariff, valid_from: date) -> None:
    parameters = {"tariff_id": tariff.id, "month_on": valid_from.replace(day=1)}
    billed_until: date | None = session.scalar(_BILLED_UNTIL, parameters)
    if billed_until is not None and valid_from < billed_until:
        raise conflict(
            "month_billed",
            f"Invoices charge this tariff until {billed_until - timedelta(days=1)}: a new price begins on "
            f"{billed_until} at the earliest.",
        )


def _unknown() -> Exception:
    return not_found("tariff_unknown", "There is no such tariff: take its code from GET /v1/tariffs.")
