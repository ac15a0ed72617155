"""What keeps dunning waiting: promises to pay, disputes about invoices, exclusions."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from sqlalchemy import select

from activities import disputes, exclusions, promises, subscribers
from api.access import StaffCaller, staff
from api.context import Ctx
from api.pages import Page, PageQuery, page_of
from api.problems import PROBLEMS
from models.contracts.dunning import (
    DisputeDecision,
    DisputeView,
    ExclusionView,
    NewDispute,
    NewExclusion,
    NewPromise,
    PromiseView,
)
from models.contracts.people import Role
from models.tables.dunning import Dispute, DunningExclusion, Promise

router = APIRouter(prefix="/v1", tags=["dunning"], responses=PROBLEMS)

Operator = Annotated[StaffCaller, Depends(staff(Role.OPERATOR))]
Accounting = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING))]
AccountingOrOperator = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING, Role.OPERATOR))]
Paging = Annotated[PageQuery, Depends()]


@router.post("/subscribers/{subscriber_id}/promises", status_code=201)
def promise_to_pay(subscriber_id: UUID, new: NewPromise, ctx: Ctx, caller: Operator) -> PromiseView:
    """The subscriber promises to pay by the end of a day: dunning waits for it. Promised again it is one promise."""
    with ctx.database.transaction() as session:
        account = subscribers.account_of(session, subscribers.get(session, subscriber_id).id)
        promise = promises.make(
            session, account.id, amount_minor=None if new.amount is None else new.amount.amount_minor,
            until_on=new.until, at=datetime.now(UTC), zone=ctx.settings.zone, actor=caller.actor,
        )  # fmt: skip
        return promises.view(promise)


@router.get("/subscribers/{subscriber_id}/promises")
def list_promises(subscriber_id: UUID, ctx: Ctx, caller: AccountingOrOperator, page: Paging) -> Page[PromiseView]:
    """The subscriber's promises, newest first."""
    del caller
    with ctx.database.transaction() as session:
        account = subscribers.account_of(session, subscribers.get(session, subscriber_id).id)
        statement = select(Promise).where(Promise.account_id == account.id)
        return page_of(session, statement, Promise.id, page, promises.view, newest_first=True)


@router.post("/promises/{promise_id}/withdraw")
def withdraw_promise(promise_id: UUID, ctx: Ctx, caller: Operator) -> PromiseView:
    """Take an open promise back, so that dunning goes on."""
    with ctx.database.transaction() as session:
        return promises.view(promises.withdraw(session, promise_id, at=datetime.now(UTC), actor=caller.actor))


@router.post("/subscribers/{subscriber_id}/disputes", status_code=201)
def dispute_invoice(subscriber_id: UUID, new: NewDispute, ctx: Ctx, caller: AccountingOrOperator) -> DisputeView:
    """The subscriber disputes an invoice, whole or in part: that part is not dunned until somebody decides."""
    with ctx.database.transaction() as session:
        account = subscribers.account_of(session, subscribers.get(session, subscriber_id).id)
        return disputes.view(
            disputes.open_dispute(session, account.id, new, at=datetime.now(UTC), actor=caller.actor)
        )  # fmt: skip


@router.get("/subscribers/{subscriber_id}/disputes")
def list_disputes(subscriber_id: UUID, ctx: Ctx, caller: AccountingOrOperator, page: Paging) -> Page[DisputeView]:
    """The subscriber's disputes, newest first."""
    del caller
    with ctx.database.transaction() as session:
        account = subscribers.account_of(session, subscribers.get(session, subscriber_id).id)
        statement = select(Dispute).where(Dispute.account_id == account.id)
        return page_of(session, statement, Dispute.id, page, disputes.view, newest_first=True)


@router.post("/disputes/{dispute_id}/decision")
def decide_dispute(dispute_id: UUID, decision: DisputeDecision, ctx: Ctx, caller: Accounting) -> DisputeView:
    """Decide a dispute. Where the subscriber was right, credit the invoice first."""
    with ctx.database.transaction() as session:
        return disputes.view(
            disputes.decide_dispute(session, dispute_id, decision, at=datetime.now(UTC), actor=caller.actor)
        )


@router.post("/subscribers/{subscriber_id}/dunning-exclusions", status_code=201)
def exclude_from_dunning(
    subscriber_id: UUID, new: NewExclusion, ctx: Ctx, caller: AccountingOrOperator
) -> ExclusionView:
    """Do not dun the account until a day, for a reason; what is off for a debt is given back."""
    with ctx.database.transaction() as session:
        account = subscribers.account_of(session, subscribers.get(session, subscriber_id).id)
        exclusion = exclusions.exclude(
            session, account.id, until_on=new.until, reason=new.reason, at=datetime.now(UTC), zone=ctx.settings.zone,
            actor=caller.actor,
        )  # fmt: skip
        return exclusions.view(exclusion)


@router.get("/subscribers/{subscriber_id}/dunning-exclusions")
def list_exclusions(subscriber_id: UUID, ctx: Ctx, caller: AccountingOrOperator, page: Paging) -> Page[ExclusionView]:
    """The times in which the account is or was not dunned, newest first."""
    del caller
    with ctx.database.transaction() as session:
        account = subscribers.account_of(session, subscribers.get(session, subscriber_id).id)
        statement = select(DunningExclusion).where(DunningExclusion.account_id == account.id)
        return page_of(session, statement, DunningExclusion.id, page, exclusions.view, newest_first=True)


@router.post("/dunning-exclusions/{exclusion_id}/end")
def end_exclusion(exclusion_id: UUID, ctx: Ctx, caller: AccountingOrOperator) -> ExclusionView:
    """End an exclusion before its day."""
    with ctx.database.transaction() as session:
        return exclusions.view(
            exclusions.end_exclusion(session, exclusion_id, at=datetime.now(UTC), actor=caller.actor)
        )
