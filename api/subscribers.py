"""Subscribers and what stands on their accounts."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from activities import ledger, subscribers
from api.access import StaffCaller, staff
from api.context import Ctx
from api.pages import Page, PageQuery
from api.problems import PROBLEMS
from models.contracts.ledger import TransferView
from models.contracts.people import Iin, NewSubscriber, Phone, Role, SubscriberChange, SubscriberView

router = APIRouter(prefix="/v1/subscribers", tags=["subscribers"], responses=PROBLEMS)

Operator = Annotated[StaffCaller, Depends(staff(Role.OPERATOR))]
LedgerReader = Annotated[StaffCaller, Depends(staff(Role.OPERATOR, Role.ACCOUNTING))]
Paging = Annotated[PageQuery, Depends()]


@router.post(
    "",
    status_code=201,
    responses={200: {"model": SubscriberView, "description": "This IIN is known: the subscriber, unchanged"}},
)
def register_subscriber(new: NewSubscriber, response: Response, ctx: Ctx, caller: Operator) -> SubscriberView:
    """Register a subscriber with an account. The same IIN again is the same subscriber."""
    del caller
    on = datetime.now(tz=ctx.settings.zone).date()
    with ctx.database.transaction() as session:
        customer = subscribers.register(session, new, on=on)
        if not customer.is_new:
            response.status_code = 200
        return subscribers.view(session, customer.subscriber)


@router.get("")
def list_subscribers(
    *,
    ctx: Ctx,
    caller: Operator,
    page: Paging,
    iin: Iin | None = None,
    phone: Phone | None = None,
    q: Annotated[str | None, Query(min_length=2, max_length=100, description="Part of a name")] = None,
) -> Page[SubscriberView]:
    """Subscribers by IIN, phone number or part of a name."""
    del caller
    with ctx.database.transaction() as session:
        items, following = subscribers.find(session, iin=iin, phone=phone, q=q, limit=page.limit, after=page.cursor)
    return Page(items=items, next_cursor=str(following) if following else None)


@router.get("/{subscriber_id}")
def get_subscriber(subscriber_id: UUID, ctx: Ctx, caller: Operator) -> SubscriberView:
    """A subscriber with their account, balance, debt and services."""
    del caller
    with ctx.database.transaction() as session:
        return subscribers.view(session, subscribers.get(session, subscriber_id))


@router.patch("/{subscriber_id}")
def change_subscriber(subscriber_id: UUID, wanted: SubscriberChange, ctx: Ctx, caller: Operator) -> SubscriberView:
    """Change name, phone, language or premises; what is not named stays."""
    del caller
    with ctx.database.transaction() as session:
        return subscribers.view(session, subscribers.change(session, subscriber_id, wanted))


@router.get("/{subscriber_id}/ledger")
def get_ledger(subscriber_id: UUID, ctx: Ctx, caller: LedgerReader, page: Paging) -> Page[TransferView]:
    """Transfers on the subscriber's account, newest first, each with the balance after it."""
    del caller
    with ctx.database.transaction() as session:
        account = subscribers.account_of(session, subscribers.get(session, subscriber_id).id)
        items, following = ledger.statement(session, account.id, limit=page.limit, before=page.cursor)
    return Page(items=items, next_cursor=str(following) if following else None)
