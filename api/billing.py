"""Payments, as accounting works with them."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends

from activities import payments
from api.access import StaffCaller, staff
from api.context import Ctx
from api.headers import IdempotencyKey
from api.pages import Page, PageQuery
from api.problems import PROBLEMS
from models.contracts.bank import AccountChoice, PaymentDetail, PaymentStatus, PaymentView, Reversal
from models.contracts.payments import NewReallocation
from models.contracts.people import Role

router = APIRouter(prefix="/v1", tags=["billing"], responses=PROBLEMS)

Accounting = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING))]


@router.get("/payments")
def list_payments(
    ctx: Ctx,
    caller: Accounting,
    page: Annotated[PageQuery, Depends()],
    subscriber_id: UUID | None = None,
    status: PaymentStatus | None = None,
) -> Page[PaymentView]:
    """Payments, newest first; `status=suspense` lists those that nobody was known for."""
    del caller
    with ctx.database.transaction() as session:
        items, following = payments.page(
            session, subscriber_id=subscriber_id, status=status, limit=page.limit, before=page.cursor
        )
    return Page(items=items, next_cursor=str(following) if following else None)


@router.get("/payments/{payment_id}")
def read_payment(payment_id: UUID, ctx: Ctx, caller: Accounting) -> PaymentDetail:
    """A payment with everything that became of it: what it covers and covered, by whose decision, and its end."""
    del caller
    with ctx.database.transaction() as session:
        return payments.detail(session, payment_id)


@router.post("/payments/{payment_id}/reversal")
def reverse_payment(payment_id: UUID, reversal: Reversal, ctx: Ctx, caller: Accounting) -> PaymentView:
    """Take a payment back that the bank has reversed outside of its interface, with all its parts. Twice is once."""
    now = datetime.now(tz=UTC)
    with ctx.database.transaction() as session:
        payments.check_came_in(session, payment_id)
        payments.reverse_payment(
            session,
            payment_id,
            reason=reversal.reason,
            on=now.astimezone(ctx.settings.zone).date(),
            at=now,
            actor=caller.actor,
        )
        return payments.view(session, payment_id)


@router.post("/payments/{payment_id}/allocate")
def allocate_payment(payment_id: UUID, choice: AccountChoice, ctx: Ctx, caller: Accounting) -> PaymentView:
    """Give a payment in suspense to the account that it was meant for."""
    on = datetime.now(tz=ctx.settings.zone).date()
    with ctx.database.transaction() as session:
        payments.allocate_suspense(session, payment_id, choice.account_no, on=on, actor=caller.actor)
        return payments.view(session, payment_id)


@router.post("/payments/{payment_id}/reallocate")
def reallocate_payment(
    payment_id: UUID,
    order: NewReallocation,
    ctx: Ctx,
    caller: Accounting,
    idempotency_key: IdempotencyKey = None,
) -> PaymentDetail:
    """Let a payment cover other invoices of its account. What is not named follows the account's rule."""
    now = datetime.now(tz=UTC)
    with ctx.database.transaction() as session:
        payments.reallocate(
            session,
            payment_id,
            order,
            on=now.astimezone(ctx.settings.zone).date(),
            at=now,
            actor=caller.actor,
            idempotency_key=idempotency_key,
        )
        return payments.detail(session, payment_id)
