"""What a change of tariff brings about in billing: tried out, done, and what it costs."""

from datetime import date
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities import billing_collection, charging, policies, service_tariffs
from activities.billing_collection import ServiceScope, next_month
from models.tables.catalogue import Tariff
from models.tables.tariff_changes import TariffChange

_MADE_UP = text("""
    SELECT sum(line.net_minor + line.vat_minor)::bigint AS sum_minor,
           coalesce(bool_or(line.net_minor IS NULL), false) OR EXISTS (SELECT FROM bill_gap) AS is_unknown
    FROM bill_line AS line
    WHERE line.subscription_id = :subscription_id AND line.month_on = :month_on AND line.charge_id IS NULL
""")


def change(session: Session, subscription_id: UUID, wish: TariffChange, *, on: date, today: date) -> None:
    """Put the service on the wished tariff from a day on.

    Raises:
        Refusal: as `service_tariffs.change_tariff` does.
    """
    service_tariffs.change_tariff(session, subscription_id, wish.to_tariff_id, on=on, today=today)


def check(session: Session, subscription_id: UUID, wish: TariffChange, *, on: date, today: date) -> None:
    """Return if the change could be made now. It is tried out and taken back, so that the answer is the same.

    Raises:
        Refusal: as `change` does.
    """
    trial = session.begin_nested()
    try:
        change(session, subscription_id, wish, on=on, today=today)
    finally:
        trial.rollback()


def month_minor(session: Session, tariff: Tariff, on: date) -> int:
    """What a whole month costs at the price of a day, VAT included.

    Raises:
        Refusal: no price or no VAT rate holds on that day.
    """
    fee = charging.Charge(tariff.title, 1, charging.monthly_fee_minor(session, tariff.id, on), tariff.vat_mode)
    total: int = charging.priced_line(1, fee, charging.vat_rate_bp(session, on))["total_minor"]
    return total


def to_be_made_up_minor(session: Session, subscription_id: UUID, on: date) -> int | None:
    """What the next invoice will hold for the month of a day: what the service costs in it, less what was billed.

    It is what the run of the month after would reckon now, discounts and pauses included; negative where something
    is given back. None where a price or a VAT rate is missing.
    """
    terms, month_on = policies.billing_policy(session), on.replace(day=1)
    billing_collection.collect_service(
        session,
        ServiceScope(
            subscription_id=subscription_id, first_on=month_on, until_on=next_month(on), end_on=None,
            charge_suspended=terms.charge_suspended, charge_frozen=terms.charge_frozen,
        ),
    )  # fmt: skip
    found = session.execute(_MADE_UP, {"subscription_id": subscription_id, "month_on": month_on}).one()
    return None if found.is_unknown else found.sum_minor or 0
