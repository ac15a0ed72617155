"""Requests of subscribers: registered, answered, changed, reopened, and shown with everything about them."""

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from activities.request_acts import answer_request, change_request
from activities.request_closing import reopen_request
from activities.request_details import details, get_request
from activities.request_registration import register_request
from api.access import StaffCaller, staff
from api.context import Context, Ctx
from api.headers import IdempotencyKey
from api.problems import PROBLEMS
from api.process_views import process_view
from models.contracts.people import Role
from models.contracts.processes import ProcessView
from models.contracts.request import NewAnswer, NewRequest, Reopening, RequestChange, RequestView

router = APIRouter(prefix="/v1/requests", tags=["requests"], responses=PROBLEMS)

Desk = Annotated[StaffCaller, Depends(staff(Role.OPERATOR, Role.SUPPORT))]
AnyStaff = Annotated[StaffCaller, Depends(staff())]


@router.post("", status_code=201, responses={200: {"description": "The same key and body again: the same process"}})
def take_request(
    order: NewRequest, response: Response, ctx: Ctx, caller: Desk, idempotency_key: IdempotencyKey = None
) -> ProcessView:
    """Register what somebody wants: a subscriber, or whoever has a phone.

    Where the same person has an open request of this category, this one follows it and is closed with it. Where an
    outage affects the subscriber and explains the category, it follows the outage: the subscriber is answered by SMS
    with the expected end, and it is closed when the outage is over. 201 means that the process starts whatever happens,
    and 503 that nothing was written.
    """
    ctx.engine.probe()
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        process, created = register_request(
            session, order, actor=caller.actor, idempotency_key=idempotency_key, at=now
        )  # fmt: skip
        if not created:
            response.status_code = 200
        return process_view(session, process, ctx.settings, caller.language, now)


@router.get("/{process_id}")
def read_request(process_id: UUID, ctx: Ctx, caller: AnyStaff) -> RequestView:
    """A request: who, what was said, whose turn it is, what it follows and what follows it, and its clock."""
    return _shown(process_id, ctx, caller)


@router.patch("/{process_id}")
def change_open_request(process_id: UUID, wanted: RequestChange, ctx: Ctx, caller: Desk) -> RequestView:
    """Change an open request. Another priority or category moves its target; another owner takes it on at once."""
    with ctx.database.transaction() as session:
        change_request(session, process_id, wanted, actor=caller.actor, at=datetime.now(UTC))
    return _shown(process_id, ctx, caller)


@router.post("/{process_id}/answers")
def add_answer(
    process_id: UUID, answer: NewAnswer, ctx: Ctx, caller: Desk, idempotency_key: IdempotencyKey = None
) -> RequestView:
    """Write down what the subscriber says. If they were asked something the clock runs again; else it is a note."""
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        key = _key("answer", idempotency_key, now)
        answer_request(session, process_id, answer.text, actor=caller.actor, at=now, key=key)
    return _shown(process_id, ctx, caller)


@router.post("/{process_id}/reopen")
def reopen_request_again(
    process_id: UUID, reopening: Reopening, ctx: Ctx, caller: Desk, idempotency_key: IdempotencyKey = None
) -> RequestView:
    """Open a request again with which the subscriber is not content, within the days of its policy.

    It goes on with its department, and its clock with what was spent. The process runs once more.
    """
    now = datetime.now(UTC)
    with ctx.database.transaction() as session:
        key = _key("reopening", idempotency_key, now)
        reopen_request(session, process_id, reopening.text, actor=caller.actor, at=now, key=key)
    return _shown(process_id, ctx, caller)


def _key(what: str, idempotency_key: str | None, now: datetime) -> str:
    """The same Idempotency-Key is the same text, without one each is another."""
    return f"{what}:key:{idempotency_key}" if idempotency_key is not None else f"{what}:at:{now.isoformat()}"


def _shown(process_id: UUID, ctx: Context, caller: StaffCaller) -> RequestView:
    with ctx.database.transaction() as session:
        return details(session, get_request(session, process_id), caller.language, at=datetime.now(UTC))
