"""Billing runs: asking for one, how far it is, whom it could not bill; and what a part of a month costs."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import billing_run, proration
from activities.billing_exceptions import bill_listed_account
from activities.billing_opening import close_lost_run, month_of, progress_of, register_billing_run, run_at_work
from api.access import StaffCaller, staff
from api.context import Context, Ctx
from api.headers import IdempotencyKey
from api.pages import Page, PageQuery
from api.problems import PROBLEMS
from models.contracts.billing_run import (
    BilledAccount,
    BillingRunView,
    ExceptionView,
    NewBillingRun,
    ProrationPreview,
    ProrationPreviewRequest,
)
from models.contracts.people import Role
from models.contracts.processes import ProcessKind
from models.contracts.refusals import not_found
from models.tables.billing import BillingRun
from models.tables.processes import Process

router = APIRouter(prefix="/v1", tags=["billing"], responses=PROBLEMS)

Accounting = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING))]


@router.post(
    "/billing-runs", status_code=201, responses={200: {"description": "The same key and body again: the same run"}}
)
def start_billing_run(
    order: NewBillingRun, response: Response, ctx: Ctx, caller: Accounting, idempotency_key: IdempotencyKey = None
) -> BillingRunView:
    """Bill a month, or see beforehand what that would come to.

    The run issues invoices to whoever has none for the month yet: asked for again, it adds what is missing and nothing
    else. Once this answers 201, it starts even if the workflow engine goes away at this moment.
    """
    ctx.engine.probe()
    _let_go_of_a_lost_run(ctx, order)
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        process, created = register_billing_run(
            session, order, actor=caller.actor, idempotency_key=idempotency_key, at=now,
            on=now.astimezone(ctx.settings.zone).date(),
        )  # fmt: skip
        if not created:
            response.status_code = 200
        return _views(session, [process])[0]


def _let_go_of_a_lost_run(ctx: Context, order: NewBillingRun) -> None:
    """A run that was terminated in the Temporal UI wrote down no end: it must not keep its month for ever."""
    with ctx.database.transaction() as session:
        at_work = None if order.dry_run else run_at_work(session, order.period)
    if at_work is not None and ctx.engine.has_ended(at_work.workflow_id):
        with ctx.database.transaction() as session:
            close_lost_run(session, at_work.id, at=datetime.now(UTC))


@router.get("/billing-runs")
def list_billing_runs(ctx: Ctx, caller: Accounting, page: Annotated[PageQuery, Depends()]) -> Page[BillingRunView]:
    """Runs and dry runs, newest first."""
    del caller
    statement = select(Process).where(Process.kind == ProcessKind.BILLING_RUN)
    if page.cursor is not None:
        statement = statement.where(Process.id < page.cursor)
    with ctx.database.transaction() as session:
        rows = session.scalars(statement.order_by(Process.id.desc()).limit(page.limit + 1)).all()
        shown = rows[: page.limit]
        return Page(items=_views(session, shown), next_cursor=str(shown[-1].id) if len(rows) > page.limit else None)


@router.get("/billing-runs/{run_id}")
def get_billing_run(run_id: UUID, ctx: Ctx, caller: Accounting) -> BillingRunView:
    """One run, and how far it has come."""
    del caller
    with ctx.database.transaction() as session:
        return _views(session, [_run(session, run_id)])[0]


@router.get("/billing-runs/{run_id}/exceptions")
def list_billing_exceptions(
    run_id: UUID, ctx: Ctx, caller: Accounting, page: Annotated[PageQuery, Depends()]
) -> Page[ExceptionView]:
    """The accounts that the run could not bill, and what to mend."""
    del caller
    with ctx.database.transaction() as session:
        _run(session, run_id)
        items, following = billing_run.exceptions_page(session, run_id, limit=page.limit, after=page.cursor)
    return Page(items=items, next_cursor=str(following) if following else None)


@router.post("/billing-runs/{run_id}/exceptions/{exception_id}/bill")
def bill_exception(run_id: UUID, exception_id: UUID, ctx: Ctx, caller: Accounting) -> BilledAccount:
    """Bill one of these accounts, once what was wrong is mended. Twice is once."""
    now = datetime.now(UTC)
    on = now.astimezone(ctx.settings.zone).date()
    with ctx.database.transaction() as session:
        _run(session, run_id)
        return bill_listed_account(session, run_id, exception_id, actor=caller.actor, at=now, on=on)


@router.post("/proration-previews")
def preview_proration(
    request: ProrationPreviewRequest,
    ctx: Ctx,
    caller: Annotated[StaffCaller, Depends(staff(Role.OPERATOR, Role.ACCOUNTING))],
) -> ProrationPreview:
    """What a part of a month costs, line by line, reckoned by what a billing run reckons with. Nothing is kept."""
    del caller
    with ctx.database.transaction() as session:
        return proration.proration_preview(session, request)


def _run(session: Session, run_id: UUID) -> Process:
    process = session.get(Process, run_id)
    if process is None or process.kind is not ProcessKind.BILLING_RUN:
        raise not_found("billing_run_unknown", "There is no such run: take its id from GET /v1/billing-runs.")
    return process


def _views(session: Session, processes: Sequence[Process]) -> list[BillingRunView]:
    ids = [process.id for process in processes]
    runs = {run.process_id: run for run in session.scalars(select(BillingRun).where(BillingRun.process_id.in_(ids)))}
    return [_view(session, process, runs.get(process.id)) for process in processes]


def _view(session: Session, process: Process, run: BillingRun | None) -> BillingRunView:
    progress = progress_of(session, process.id)
    return BillingRunView(
        id=process.id,
        period=month_of(process),
        dry_run=process.sole_key is None,
        status=process.status,
        stage=process.stage,
        issued_on=None if run is None else run.issued_on,
        due_on=None if run is None else run.due_on,
        opened_at=process.opened_at,
        closed_at=process.closed_at,
        progress=progress,
        **progress.model_dump(),
    )
