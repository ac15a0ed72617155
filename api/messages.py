"""SMS and what became of them."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy import select

from api.access import staff
from api.context import Ctx
from api.pages import Page, PageQuery, page_of
from api.problems import PROBLEMS
from models.contracts.messaging import MessageStatus, MessageView
from models.tables.messages import Message

router = APIRouter(prefix="/v1/messages", tags=["messages"], responses=PROBLEMS, dependencies=[Depends(staff())])


@router.get("")
def list_messages(
    ctx: Ctx,
    page: Annotated[PageQuery, Depends()],
    subscriber_id: UUID | None = None,
    process_id: UUID | None = None,
    status: Annotated[MessageStatus | None, Query()] = None,
) -> Page[MessageView]:
    """SMS with their statuses, newest first."""
    statement = select(Message)
    if subscriber_id is not None:
        statement = statement.where(Message.subscriber_id == subscriber_id)
    if process_id is not None:
        statement = statement.where(Message.process_id == process_id)
    if status is not None:
        statement = statement.where(Message.status == status)
    with ctx.database.transaction() as session:
        return page_of(session, statement, Message.id, page, _view, newest_first=True)


def _view(message: Message) -> MessageView:
    return MessageView.model_validate(message, from_attributes=True)
