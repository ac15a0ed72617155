"""What a part of a month would cost: the arithmetic of the billing run over days that somebody asks about."""

from datetime import date
from typing import Any
from uuid import uuid4

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities.billing_collection import next_month
from activities.billing_issue import LINE_ORDER
from activities.billing_lines import WORDED, lay_stages, price
from models.contracts.billing_run import (
    PreviewDiscount,
    ProrationPreview,
    ProrationPreviewLine,
    ProrationPreviewRequest,
    first_day_of,
)
from models.contracts.money import kzt
from models.contracts.refusals import Refusal, conflict, invalid
from models.tables.catalogue import Tariff

_SERVICE = text("""
    INSERT INTO bill_service (account_id, subscription_id, item_id, kind, title, tariff_id, fee_minor, vat_mode,
                              month_on, month_days, from_day, to_day)
    VALUES (:service_id, :service_id, :service_id, 'fee', :title, :tariff_id, :fee_minor, :vat_mode,
            :month_on, :month_days, :from_day, :to_day)
""")
_DISCOUNT = text("""
    INSERT INTO bill_discount (id, subscription_id, title, percent_bp, amount_minor, during, place)
    VALUES (uuidv7(), :service_id, :title, :percent_bp, :amount_minor, daterange(:from_on, :to_on), :place)
""")
_LINES = text(f"""
    SELECT {WORDED}, vat_rate_bp, net_minor, vat_minor FROM bill_line AS line
    WHERE net_minor <> 0 OR vat_minor <> 0 ORDER BY {LINE_ORDER}
""")  # noqa: S608 - made of the constants above
_PROBLEM = text("""
    SELECT reason FROM bill_gap
    UNION ALL SELECT 'amount_beyond_limit' FROM bill_line WHERE net_minor IS NULL
    LIMIT 1
""")
_ALWAYS = (date.min, None)


def proration_preview(session: Session, request: ProrationPreviewRequest) -> ProrationPreview:
    """The lines that a month's invoice would hold for these days, and their sum.

    Raises:
        Refusal: a tariff is unknown; a day has no price or no VAT rate; no day of service lies in the month; the day
            of the change lies outside of it.
    """
    month_on = first_day_of(request.period)
    lay_stages(session)
    service_id = uuid4()
    for service in _services(session, request, month_on):
        session.execute(_SERVICE, {**service, "service_id": service_id})
    for place, discount in enumerate(request.discounts, start=1):
        session.execute(_DISCOUNT, {**_discount(discount), "service_id": service_id, "place": place})
    price(session)
    refuse_gaps(session)
    lines = priced_lines(session)
    net_minor, vat_minor = sum(line.net.amount_minor for line in lines), sum(line.vat.amount_minor for line in lines)
    return ProrationPreview(
        period=request.period, lines=lines, net=kzt(net_minor), vat=kzt(vat_minor), total=kzt(net_minor + vat_minor)
    )


def refuse_gaps(session: Session) -> None:
    """Return if all staged days found a price and a VAT rate.

    Raises:
        Refusal: some did not, or a sum is larger than any can be.
    """
    problem = session.scalar(_PROBLEM)
    if problem is not None:
        raise _refusal(problem)


def priced_lines(session: Session) -> list[ProrationPreviewLine]:
    """The staged lines in words, as an invoice holds them."""
    return [
        ProrationPreviewLine(
            description=row.description,
            formula=row.formula,
            vat_rate_percent=row.vat_rate_bp / 100,
            net=kzt(row.net_minor),
            vat=kzt(row.vat_minor),
            total=kzt(row.net_minor + row.vat_minor),
        )
        for row in session.execute(_LINES)
    ]


def _services(session: Session, request: ProrationPreviewRequest, month_on: date) -> list[dict[str, Any]]:
    """Days of service as the staging table takes them: of one fee, or of a tariff before and one after a change."""
    month_days = (next_month(month_on) - month_on).days
    month = {"month_on": month_on, "month_days": month_days}
    from_day, to_day = _days(request, month_on)
    if request.tariff_change is None:
        assert request.fee is not None
        fee = {"title": None, "tariff_id": None, "fee_minor": request.fee.amount_minor, "vat_mode": request.vat_mode}
        return [{**fee, **month, "from_day": from_day, "to_day": to_day}]
    change = request.tariff_change
    change_day = (change.on - month_on).days
    if not 0 <= change_day < month_days:
        raise invalid("change_outside_of_period", "The day of the change must lie in the month that is asked about.")
    before = {**_tariff(session, change.from_tariff), **month, "from_day": from_day, "to_day": min(to_day, change_day)}
    after = {**_tariff(session, change.to_tariff), **month, "from_day": max(from_day, change_day), "to_day": to_day}
    return [days for days in (before, after) if days["from_day"] < days["to_day"]]


def _days(request: ProrationPreviewRequest, month_on: date) -> tuple[int, int]:
    from_on, to_on = request.active or _ALWAYS
    until_on = next_month(month_on) if to_on is None else min(to_on, next_month(month_on))
    first_on = max(from_on, month_on)
    if first_on >= until_on:
        raise invalid("no_day_in_period", "None of the days lies in the month that is asked about.")
    return (first_on - month_on).days, (until_on - month_on).days


def _tariff(session: Session, code: str) -> dict[str, Any]:
    tariff = session.scalar(select(Tariff).where(Tariff.code == code))
    if tariff is None:
        raise invalid(
            "tariff_unknown", "Take the tariff from GET /v1/tariffs.", {"tariff_change": "there is no such tariff"}
        )
    return {"title": tariff.title, "tariff_id": tariff.id, "fee_minor": None, "vat_mode": tariff.vat_mode}


def _discount(discount: PreviewDiscount) -> dict[str, Any]:
    from_on, to_on = discount.active or (None, None)
    return {
        "title": discount.title,
        "percent_bp": discount.percent_bp,
        "amount_minor": None if discount.amount is None else discount.amount.amount_minor,
        "from_on": from_on,
        "to_on": to_on,
    }


def _refusal(problem: str) -> Refusal:
    if problem == "no_price":
        return conflict("tariff_price_missing", "A day has no price for its tariff: enter one, then try again.")
    if problem == "no_tax_rate":
        return conflict("tax_rate_missing", "A day has no VAT rate: enter one, then try again.")
    return conflict("amount_beyond_limit", "The tariff's price is larger than any sum can be: mend it, then try again.")
