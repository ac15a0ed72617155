"""Outages: planned works and emergencies of the network, whom they affect, and what was done about it."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from activities import outage_views
from activities.outage_changes import change_outage
from activities.outage_registration import register_outage
from activities.outage_state import get_outage
from activities.processes import get_process
from api.access import StaffCaller, staff
from api.context import Ctx
from api.headers import IdempotencyKey
from api.pages import Page, PageQuery
from api.problems import PROBLEMS
from api.process_views import process_view
from models.contracts.outage import NewOutage, OutageChange, OutageKind
from models.contracts.outage_views import AffectedView, OutageState, OutageSummary, OutageView
from models.contracts.people import Role
from models.contracts.processes import ProcessView
from models.tables.outages import Outage, OutageAffected

router = APIRouter(prefix="/v1/outages", tags=["outages"], responses=PROBLEMS)

AnyStaff = Annotated[StaffCaller, Depends(staff())]
Dispatcher = Annotated[StaffCaller, Depends(staff(Role.DISPATCHER))]
Paging = Annotated[PageQuery, Depends()]


@router.post("", status_code=201, responses={200: {"description": "The same key and body again: the same process"}})
def add_outage(
    order: NewOutage, response: Response, ctx: Ctx, caller: Dispatcher, idempotency_key: IdempotencyKey = None
) -> ProcessView:
    """Register planned works, or an emergency as of now. It covers the nodes and everything below them.

    Those affected are written down; of an emergency they hear at once, of planned works some time before. 201 means
    that the process starts whatever happens, and 503 that nothing was written.
    """
    ctx.engine.probe()
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        process, created = register_outage(
            session, order, actor=caller.actor, idempotency_key=idempotency_key, at=now
        )  # fmt: skip
        if not created:
            response.status_code = 200
        return process_view(session, process, ctx.settings, caller.language, now)


@router.patch("/{process_id}")
def update_outage(process_id: UUID, change: OutageChange, ctx: Ctx, caller: Dispatcher) -> ProcessView:
    """Move an outage, let it cover other nodes, or say that it is over.

    Whoever was told hears of it, and nobody else. Works that end before their start do not take place. This is written
    down also while the workflow engine is away; subscribers are told when it is back.
    """
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        change_outage(session, process_id, change, actor=caller.actor, at=now)
        return process_view(session, get_process(session, process_id), ctx.settings, caller.language, now)


@router.get("")
def list_outages(
    *,
    ctx: Ctx,
    caller: AnyStaff,
    page: Paging,
    state: OutageState | None = None,
    kind: OutageKind | None = None,
    node_id: Annotated[UUID | None, Query(description="Only those that reach this node")] = None,
) -> Page[OutageSummary]:
    """Outages, newest first."""
    del caller
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        statement = outage_views.outages(session, state=state, kind=kind, node_id=node_id, at=now)
        if page.cursor is not None:
            statement = statement.where(Outage.process_id < page.cursor)
        rows = session.scalars(statement.order_by(Outage.process_id.desc()).limit(page.limit + 1)).all()
        shown = rows[: page.limit]
        return Page(
            items=outage_views.summaries(session, shown, at=now),
            next_cursor=str(shown[-1].process_id) if len(rows) > page.limit else None,
        )


@router.get("/{process_id}")
def show_outage(process_id: UUID, ctx: Ctx, caller: AnyStaff) -> OutageView:
    """One outage, how far its process has come, and its figures."""
    del caller
    with ctx.database.transaction() as session:
        return outage_views.outage_view(session, process_id, at=datetime.now(UTC))


@router.get("/{process_id}/affected")
def list_affected_services(
    process_id: UUID,
    ctx: Ctx,
    caller: Annotated[StaffCaller, Depends(staff(Role.DISPATCHER, Role.OPERATOR, Role.SUPPORT))],
    page: Paging,
) -> Page[AffectedView]:
    """The services that it affects or affected, and what was said last to whoever has them."""
    del caller
    with ctx.database.transaction() as session:
        outage = get_outage(session, process_id)
        statement = outage_views.affected(process_id)
        if page.cursor is not None:
            statement = statement.where(OutageAffected.subscription_id > page.cursor)
        rows = session.scalars(statement.order_by(OutageAffected.subscription_id).limit(page.limit + 1)).all()
        shown = rows[: page.limit]
        return Page(
            items=outage_views.affected_views(session, outage, shown),
            next_cursor=str(shown[-1].subscription_id) if len(rows) > page.limit else None,
        )
