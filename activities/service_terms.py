"""What a service costs beside its tariff: discounts and charges, each for a range of days."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import NamedTuple, TypeVar
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from activities import services
from models.contracts.catalogue import ChargeKind, SubscriptionStatus
from models.contracts.money import kzt
from models.contracts.refusals import Refusal, conflict, not_found
from models.contracts.services import ChargeView, DiscountView, NewCharge, NewDiscount
from models.rules.money import BASIS_POINTS
from models.tables.billing import InvoiceLine, RecalculationLine
from models.tables.subscriptions import Charge, Discount, Subscription

Term = TypeVar("Term", Charge, Discount)

_KEYS = UUID("7d0a1f3e-52c4-4b0e-9a57-3f6f0f1f2b61")
"""Namespace: the id of what was asked for with an Idempotency-Key follows from the key."""
_ONE_PERCENT_BP = BASIS_POINTS // 100


class EnteredDiscount(NamedTuple):
    """A discount, and whether this entry was what made it."""

    discount: Discount
    is_new: bool


class EnteredCharge(NamedTuple):
    """A charge, and whether this entry was what made it."""

    charge: Charge
    is_new: bool


def add_discount(
    session: Session, subscription_id: UUID, new: NewDiscount, *, actor: str, today: date, key: str | None = None
) -> EnteredDiscount:
    """Reduce a service's fee. The same key with the same discount is the same one.

    Raises:
        Refusal: there is no such service, it has ended, the days are closed, the position is taken on some of them,
            or the key was used for something else.
    """
    subscription = _changeable(session, subscription_id)
    discount_id = _id_of(subscription_id, "discount", key)
    facts = {
        "title": new.title,
        "percent_bp": None if new.percent is None else int(new.percent * _ONE_PERCENT_BP),
        "amount_minor": None if new.amount is None else new.amount.amount_minor,
    }
    known = None if discount_id is None else session.get(Discount, discount_id)
    if known is not None:
        asked = {**facts, "position": new.position or known.position}
        return EnteredDiscount(_same(known, asked, new.from_on, new.until_on), is_new=False)
    services.check_correctable(session, subscription.account_id, new.from_on, today)
    discount = Discount(
        **({} if discount_id is None else {"id": discount_id}), **facts, subscription_id=subscription_id,
        during=Range(new.from_on, new.until_on), position=new.position or _next_position(session, subscription_id),
        created_by=actor,
    )  # fmt: skip
    session.add(discount)
    try:
        session.flush()
    except IntegrityError as failure:
        if "ex_discount_one_at_a_position" not in str(failure.orig):
            raise
        raise conflict(
            "position_taken", f"Another discount stands at position {discount.position} on some of these days: choose "
            "another position, or leave it out.",
        ) from None  # fmt: skip
    return EnteredDiscount(discount, is_new=True)


def add_charge(
    session: Session, subscription_id: UUID, new: NewCharge, *, actor: str, today: date, key: str | None = None
) -> EnteredCharge:
    """Charge something beside a service's fee. The same key with the same charge is the same one.

    Raises:
        Refusal: there is no such service, it has ended, the days are closed, or the key was used for something else.
    """
    subscription = _changeable(session, subscription_id)
    charge_id = _id_of(subscription_id, "charge", key)
    facts = {
        "kind": new.kind,
        "description": new.description,
        "amount_minor": new.amount.amount_minor,
        "vat_mode": new.vat_mode,
    }
    until_on = new.from_on + timedelta(days=1) if new.kind is ChargeKind.ONE_OFF else new.until_on
    known = None if charge_id is None else session.get(Charge, charge_id)
    if known is not None:
        return EnteredCharge(_same(known, facts, new.from_on, until_on), is_new=False)
    services.check_correctable(session, subscription.account_id, new.from_on, today)
    charge = Charge(
        **({} if charge_id is None else {"id": charge_id}), **facts, subscription_id=subscription_id,
        during=Range(new.from_on, until_on), created_by=actor,
    )  # fmt: skip
    session.add(charge)
    session.flush()
    return EnteredCharge(charge, is_new=True)


def end_discount(session: Session, subscription_id: UUID, discount_id: UUID, *, on: date, today: date) -> None:
    """Let a discount end: `on` is the first day without it. One that has not begun by then is removed.

    Raises:
        Refusal: there is no such discount, it ended before, or the day is closed.
    """
    _end(session, subscription_id, session.get(Discount, discount_id), on=on, today=today)


def end_charge(session: Session, subscription_id: UUID, charge_id: UUID, *, on: date, today: date) -> None:
    """Let a charge end: `on` is the first day without it. One that has not begun by then is removed.

    Raises:
        Refusal: there is no such charge, it ended before, the day is closed, or an invoice has charged it.
    """
    charge = session.get(Charge, charge_id)
    if charge is not None and charge.during.lower is not None and on <= charge.during.lower:
        services.locked(session, charge.subscription_id)
        on_a_bill = (
            select(line.id).where(line.charge_id == charge_id).limit(1) for line in (InvoiceLine, RecalculationLine)
        )
        if any(session.scalar(found) is not None for found in on_a_bill):
            raise conflict(
                "charge_billed",
                "An invoice has charged this already: credit its line, and end the charge on a later day.",
            )
    _end(session, subscription_id, charge, on=on, today=today)


def discounts(session: Session, subscription_id: UUID) -> list[DiscountView]:
    """The discounts of a service, in the order in which they apply.

    Raises:
        Refusal: there is no such service.
    """
    services.get(session, subscription_id)
    rows = session.scalars(
        select(Discount)
        .where(Discount.subscription_id == subscription_id)
        .order_by(Discount.position, func.lower(Discount.during), Discount.id)
    )
    return [discount_view(row) for row in rows]


def charges(session: Session, subscription_id: UUID) -> list[ChargeView]:
    """The charges of a service, oldest first.

    Raises:
        Refusal: there is no such service.
    """
    services.get(session, subscription_id)
    rows = session.scalars(
        select(Charge)
        .where(Charge.subscription_id == subscription_id)
        .order_by(func.lower(Charge.during), Charge.id)
    )  # fmt: skip
    return [charge_view(row) for row in rows]


def discount_view(row: Discount) -> DiscountView:
    """A discount as it is spoken of outside."""
    return DiscountView(
        id=row.id, title=row.title, percent=None if row.percent_bp is None else row.percent_bp / _ONE_PERCENT_BP,
        amount=None if row.amount_minor is None else kzt(row.amount_minor), from_on=_first_day(row),
        until_on=row.during.upper, position=row.position, created_by=row.created_by,
    )  # fmt: skip


def charge_view(row: Charge) -> ChargeView:
    """A charge as it is spoken of outside."""
    return ChargeView(
        id=row.id, kind=row.kind, description=row.description, amount=kzt(row.amount_minor), vat_mode=row.vat_mode,
        from_on=_first_day(row), until_on=row.during.upper, created_by=row.created_by, outage_id=row.outage_id,
        formula=row.formula,
    )  # fmt: skip


def _first_day(row: Charge | Discount) -> date:
    assert row.during.lower is not None, "the table says so"
    return row.during.lower


def _changeable(session: Session, subscription_id: UUID) -> Subscription:
    subscription = services.locked(session, subscription_id)
    if subscription.status in {SubscriptionStatus.TERMINATED, SubscriptionStatus.CANCELLED}:
        raise conflict("service_ended", f"This service is {subscription.status}: nothing is charged for it any more.")
    return subscription


def _id_of(subscription_id: UUID, kind: str, key: str | None) -> UUID | None:
    return None if key is None else uuid5(_KEYS, f"{kind}/{subscription_id}/{key}")


def _same(known: Term, asked: Mapping[str, object], from_on: date, until_on: date | None) -> Term:
    # It may have been ended earlier since then, but never later than it was asked for.
    upper = known.during.upper
    is_longer = until_on is not None and (upper is None or upper > until_on)
    if is_longer or known.during.lower != from_on or {name: getattr(known, name) for name in asked} != asked:
        raise conflict("idempotency_key_reused", "This Idempotency-Key was used for another request: take a fresh one.")
    return known


def _next_position(session: Session, subscription_id: UUID) -> int:
    highest = session.scalar(select(func.max(Discount.position)).where(Discount.subscription_id == subscription_id))
    return (highest or 0) + 1


def _end(session: Session, subscription_id: UUID, row: Charge | Discount | None, *, on: date, today: date) -> None:
    if row is None or row.subscription_id != subscription_id:
        raise _unknown()
    subscription = services.locked(session, subscription_id)
    session.refresh(row, with_for_update=True)
    if row.during.upper == on:
        return
    if row.during.upper is not None and row.during.upper < on:
        raise conflict("ended_already", f"It ended before that: its first day without it was {row.during.upper}.")
    services.check_correctable(session, subscription.account_id, on, today)
    if on <= _first_day(row):
        session.delete(row)
    else:
        row.during = Range(_first_day(row), on)
    session.flush()


def _unknown() -> Refusal:
    return not_found("term_unknown", "This service has no such discount or charge: list them to find its id.")
