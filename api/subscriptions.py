"""Services: their days, voluntary freezes, discounts and charges."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from activities import service_terms, services
from api.access import StaffCaller, staff
from api.context import Context, Ctx
from api.headers import IdempotencyKey
from api.pages import Page
from api.problems import PROBLEMS
from models.contracts.people import Role
from models.contracts.services import (
    ChargeView,
    DiscountView,
    Freeze,
    NewCharge,
    NewDiscount,
    ServiceDays,
    Unfreeze,
)

router = APIRouter(prefix="/v1/subscriptions/{subscription_id}", tags=["subscriptions"], responses=PROBLEMS)

Operator = Annotated[StaffCaller, Depends(staff(Role.OPERATOR))]
AccountingOrOperator = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING, Role.OPERATOR))]
EndDay = Annotated[
    date | None,
    Query(ge=date(2000, 1, 1), lt=date(2100, 1, 1), description="The first day without it; today unless said"),
]
"""When a discount or a charge ends."""


def _today(ctx: Context) -> date:
    return datetime.now(tz=ctx.settings.zone).date()


@router.get("/periods")
def get_periods(subscription_id: UUID, ctx: Ctx, caller: AccountingOrOperator) -> ServiceDays:
    """On which tariff and in which state the service was and is, day by day."""
    del caller
    with ctx.database.transaction() as session:
        return services.days_of(session, subscription_id)


@router.post("/freeze")
def freeze(subscription_id: UUID, wanted: Freeze, ctx: Ctx, caller: Operator) -> ServiceDays:
    """Freeze an active service from one day to another, or without an end. Twice is once."""
    del caller
    with ctx.database.transaction() as session:
        services.freeze(
            session, subscription_id, from_on=wanted.from_on, until_on=wanted.until_on, today=_today(ctx)
        )  # fmt: skip
        return services.days_of(session, subscription_id)


@router.post("/unfreeze")
def unfreeze(subscription_id: UUID, wanted: Unfreeze, ctx: Ctx, caller: Operator) -> ServiceDays:
    """Let a frozen service be active again from a day on; a freeze that has not begun by then is given up."""
    del caller
    with ctx.database.transaction() as session:
        services.unfreeze(session, subscription_id, on=wanted.on, today=_today(ctx))
        return services.days_of(session, subscription_id)


@router.get("/discounts")
def list_discounts(subscription_id: UUID, ctx: Ctx, caller: AccountingOrOperator) -> Page[DiscountView]:
    """The service's discounts, in the order in which they apply."""
    del caller
    with ctx.database.transaction() as session:
        return Page(items=service_terms.discounts(session, subscription_id))


@router.post(
    "/discounts",
    status_code=201,
    responses={200: {"model": DiscountView, "description": "The same key and body again: the same discount"}},
)
def add_discount(
    subscription_id: UUID,
    new: NewDiscount,
    response: Response,
    ctx: Ctx,
    caller: AccountingOrOperator,
    idempotency_key: IdempotencyKey = None,
) -> DiscountView:
    """Reduce the tariff's fee by so many percent or by a sum a month, each discount by what the earlier ones left."""
    with ctx.database.transaction() as session:
        discount, is_new = service_terms.add_discount(
            session, subscription_id, new, actor=caller.actor, today=_today(ctx), key=idempotency_key
        )
        if not is_new:
            response.status_code = 200
        return service_terms.discount_view(discount)


@router.delete("/discounts/{discount_id}", status_code=204)
def end_discount(
    subscription_id: UUID, discount_id: UUID, ctx: Ctx, caller: AccountingOrOperator, on: EndDay = None
) -> None:
    """Let a discount end; one that has not begun by then is removed."""
    del caller
    today = _today(ctx)
    with ctx.database.transaction() as session:
        service_terms.end_discount(session, subscription_id, discount_id, on=on or today, today=today)


@router.get("/charges")
def list_charges(subscription_id: UUID, ctx: Ctx, caller: AccountingOrOperator) -> Page[ChargeView]:
    """What the service costs beside its tariff, oldest first."""
    del caller
    with ctx.database.transaction() as session:
        return Page(items=service_terms.charges(session, subscription_id))


@router.post(
    "/charges",
    status_code=201,
    responses={200: {"model": ChargeView, "description": "The same key and body again: the same charge"}},
)
def add_charge(
    subscription_id: UUID,
    new: NewCharge,
    response: Response,
    ctx: Ctx,
    caller: AccountingOrOperator,
    idempotency_key: IdempotencyKey = None,
) -> ChargeView:
    """Charge the rent of equipment or another sum each month, or something once."""
    with ctx.database.transaction() as session:
        charge, is_new = service_terms.add_charge(
            session, subscription_id, new, actor=caller.actor, today=_today(ctx), key=idempotency_key
        )
        if not is_new:
            response.status_code = 200
        return service_terms.charge_view(charge)


@router.delete("/charges/{charge_id}", status_code=204)
def end_charge(
    subscription_id: UUID, charge_id: UUID, ctx: Ctx, caller: AccountingOrOperator, on: EndDay = None
) -> None:
    """Let a charge end; one that has not begun by then is removed."""
    del caller
    today = _today(ctx)
    with ctx.database.transaction() as session:
        service_terms.end_charge(session, subscription_id, charge_id, on=on or today, today=today)
