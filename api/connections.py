"""POST /v1/connections: an application for a connection starts its process."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from activities.connection_application import register_connection
from api.access import StaffCaller, staff
from api.context import Ctx
from api.headers import IdempotencyKey
from api.problems import PROBLEMS
from api.process_views import process_view
from models.contracts.connection import NewConnection
from models.contracts.people import Role
from models.contracts.processes import ProcessView

router = APIRouter(prefix="/v1/connections", tags=["connections"], responses=PROBLEMS)


@router.post("", status_code=201, responses={200: {"description": "The same key and body again: the same process"}})
def apply_for_connection(
    order: NewConnection,
    response: Response,
    ctx: Ctx,
    caller: Annotated[StaffCaller, Depends(staff(Role.OPERATOR))],
    idempotency_key: IdempotencyKey = None,
) -> ProcessView:
    """Register an application.

    Once this answers 201, the process is recorded together with the order to start it, so it starts even if the
    workflow engine goes away at this moment. Where the engine is away already, nothing is written and 503 is
    answered.
    """
    ctx.engine.probe()
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        process, created = register_connection(
            session, order, actor=caller.actor, idempotency_key=idempotency_key, at=now,
            on=now.astimezone(ctx.settings.zone).date(),
        )  # fmt: skip
        if not created:
            response.status_code = 200
        return process_view(session, process, ctx.settings, caller.language, now)
