"""POST /v1/disconnections: the wish to leave starts the process of a disconnection."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from activities.disconnection_request import register_disconnection
from api.access import StaffCaller, staff
from api.context import Ctx
from api.headers import IdempotencyKey
from api.problems import PROBLEMS
from api.process_views import process_view
from models.contracts.disconnection import NewDisconnection
from models.contracts.people import Role
from models.contracts.processes import ProcessView

router = APIRouter(prefix="/v1/disconnections", tags=["disconnections"], responses=PROBLEMS)


@router.post("", status_code=201, responses={200: {"description": "The same key and body again: the same process"}})
def request_disconnection(
    order: NewDisconnection,
    response: Response,
    ctx: Ctx,
    caller: Annotated[StaffCaller, Depends(staff(Role.OPERATOR))],
    idempotency_key: IdempotencyKey = None,
) -> ProcessView:
    """Register that a subscriber wants a service no more. `requested_on` is the first day without it.

    Accounting is asked some days before, then the dispatcher. Until the equipment is dismantled the process can be
    cancelled, and everything is as before. As for connections, 201 means that the process starts whatever happens, and
    503 that nothing was written.
    """
    ctx.engine.probe()
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        process, created = register_disconnection(
            session, order, actor=caller.actor, idempotency_key=idempotency_key, at=now, zone=ctx.settings.zone
        )
        if not created:
            response.status_code = 200
        return process_view(session, process, ctx.settings, caller.language, now)
