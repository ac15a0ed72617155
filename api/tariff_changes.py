"""POST /v1/tariff-changes: a subscriber's wish for another tariff starts its process."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from activities.tariff_change_request import register_tariff_change
from api.access import StaffCaller, staff
from api.context import Ctx
from api.headers import IdempotencyKey
from api.problems import PROBLEMS
from api.process_views import process_view
from models.contracts.people import Role
from models.contracts.processes import ProcessView
from models.contracts.tariff_change import NewTariffChange

router = APIRouter(prefix="/v1/tariff-changes", tags=["tariff changes"], responses=PROBLEMS)


@router.post("", status_code=201, responses={200: {"description": "The same key and body again: the same process"}})
def change_tariff(
    order: NewTariffChange,
    response: Response,
    ctx: Ctx,
    caller: Annotated[StaffCaller, Depends(staff(Role.OPERATOR))],
    idempotency_key: IdempotencyKey = None,
) -> ProcessView:
    """Register the wish for another tariff: as soon as it can be, from the next month on, or from a day on.

    Once this answers 201, the process starts by itself. A service has one connection, disconnection or tariff change
    at work at a time: the next one is refused with `service_busy`. What the change costs in a month is told before by
    POST /v1/proration-previews.
    """
    ctx.engine.probe()
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        process, created = register_tariff_change(
            session, order, actor=caller.actor, idempotency_key=idempotency_key, at=now,
            on=now.astimezone(ctx.settings.zone).date(),
        )  # fmt: skip
        if not created:
            response.status_code = 200
        return process_view(session, process, ctx.settings, caller.language, now)
