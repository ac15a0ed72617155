"""Banks' days: what is agreed about them, how they stand, and their lines and differences."""

from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from activities import bank_terms, banks, reconciliation_views
from activities.bank_day_opening import close_lost_day, day_at_work, open_day
from api.access import StaffCaller, staff
from api.context import Context, Ctx
from api.pages import Page, PageQuery, page_of
from api.problems import PROBLEMS
from models.contracts.people import Role
from models.contracts.processes import ProcessStatus
from models.contracts.reconciliation import DifferenceKind, DifferenceStatus, ReconciliationTerms
from models.contracts.reconciliation_views import (
    DifferenceView,
    NewReconciliation,
    ReconciliationDetail,
    ReconciliationView,
    RegistryRowView,
    TermsView,
)
from models.contracts.refusals import not_found
from models.tables.reconciliation import Reconciliation, ReconciliationDifference

router = APIRouter(prefix="/v1", tags=["reconciliation"], responses=PROBLEMS)

Admin = Annotated[StaffCaller, Depends(staff(Role.ADMIN))]
Accounting = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING))]
Reader = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING, Role.OPS))]
Paging = Annotated[PageQuery, Depends()]
BankOrNot = Annotated[str | None, Query(min_length=1, max_length=60, description="The code of a bank")]
DayOrNot = Annotated[
    date | None, Query(alias="date", ge=date(2000, 1, 1), lt=date(2100, 1, 1), description="The bank's day")
]


@router.get("/banks/{code}/reconciliation")
def get_terms(code: str, ctx: Ctx, caller: Reader) -> TermsView:
    """What is agreed with a bank about registries and settlement; 404 where nothing is."""
    del caller
    with ctx.database.transaction() as session:
        bank = banks.get_bank(session, code)
        agreed = bank_terms.newest(session, bank.id)
        if agreed is None:
            raise not_found("terms_unknown", "Nothing was agreed with this bank: PUT it to this address.")
        return reconciliation_views.terms_view(bank, agreed)


@router.put("/banks/{code}/reconciliation")
def agree_on_terms(code: str, terms: ReconciliationTerms, ctx: Ctx, caller: Admin) -> TermsView:
    """Agree on something from now on. Days that are open go by it too; each change is kept as a version."""
    with ctx.database.transaction() as session:
        bank = banks.get_bank(session, code)
        agreed = bank_terms.set_terms(session, bank.id, terms, actor=caller.actor)
        return reconciliation_views.terms_view(bank, agreed)


@router.get("/reconciliations")
def list_reconciliations(
    *,
    ctx: Ctx,
    caller: Reader,
    page: Paging,
    bank: BankOrNot = None,
    on: DayOrNot = None,
    status: ProcessStatus | None = None,
) -> Page[ReconciliationView]:
    """Banks' days with their figures, the newest first."""
    del caller
    statement = reconciliation_views.listed(bank=bank, on=on, status=status)
    if page.cursor is not None:
        statement = statement.where(Reconciliation.id < page.cursor)
    with ctx.database.transaction() as session:
        rows = session.execute(statement.order_by(Reconciliation.id.desc()).limit(page.limit + 1)).all()
        shown = reconciliation_views.views(session, rows[: page.limit])
    return Page(items=shown, next_cursor=str(shown[-1].id) if len(rows) > page.limit else None)


@router.post(
    "/reconciliations",
    status_code=201,
    responses={200: {"model": ReconciliationDetail, "description": "It is open already"}},
)
def open_reconciliation(
    wanted: NewReconciliation, response: Response, ctx: Ctx, caller: Accounting
) -> ReconciliationDetail:
    """Open a day now: one that the schedule has yet to open, or one that was closed or cancelled."""
    ctx.engine.probe()
    _let_go_of_a_lost_day(ctx, wanted)
    now = datetime.now(tz=UTC)
    with ctx.database.transaction() as session:
        bank = banks.get_bank(session, wanted.bank)
        day, is_new = open_day(session, bank, wanted.date, actor=caller.actor, at=now, zone=ctx.settings.zone)
        response.status_code = 201 if is_new else 200
        return reconciliation_views.detail(session, day.id)


def _let_go_of_a_lost_day(ctx: Context, wanted: NewReconciliation) -> None:
    """A process that was terminated in the Temporal UI wrote down no end: it must not keep its day for ever."""
    with ctx.database.transaction() as session:
        at_work = day_at_work(session, wanted.bank, wanted.date)
    if at_work is not None and ctx.engine.has_ended(at_work.workflow_id):
        with ctx.database.transaction() as session:
            close_lost_day(session, at_work.id, at=datetime.now(tz=UTC))


@router.get("/reconciliations/{reconciliation_id}")
def get_reconciliation(reconciliation_id: UUID, ctx: Ctx, caller: Reader) -> ReconciliationDetail:
    """One day with its registries and settlements."""
    del caller
    with ctx.database.transaction() as session:
        return reconciliation_views.detail(session, reconciliation_id)


@router.get("/reconciliations/{reconciliation_id}/differences")
def list_differences(
    *,
    reconciliation_id: UUID,
    ctx: Ctx,
    caller: Accounting,
    page: Paging,
    status: DifferenceStatus | None = None,
    kind: DifferenceKind | None = None,
) -> Page[DifferenceView]:
    """Transactions in which registry and books differ, or did, as they were found."""
    del caller
    with ctx.database.transaction() as session:
        reconciliation_views.detail(session, reconciliation_id)
        return page_of(
            session,
            reconciliation_views.differences_of(reconciliation_id, status=status, kind=kind),
            ReconciliationDifference.id,
            page,
            lambda difference: reconciliation_views.difference_view(session, difference),
        )


@router.get("/reconciliations/{reconciliation_id}/rows")
def list_registry_rows(
    *,
    reconciliation_id: UUID,
    ctx: Ctx,
    caller: Accounting,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    cursor: Annotated[int | None, Query(ge=0, le=10**9)] = None,
) -> Page[RegistryRowView]:
    """The lines of the registry in force."""
    del caller
    with ctx.database.transaction() as session:
        items, following = reconciliation_views.rows_page(session, reconciliation_id, limit=limit, after=cursor)
    return Page(items=items, next_cursor=None if following is None else str(following))
