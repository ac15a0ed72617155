"""Lists: `{"items": […], "next_cursor": …}`, a page at a time, ordered by id."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, TypeVar
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute, Session

Item = TypeVar("Item", bound=BaseModel)


class Page(BaseModel, Generic[Item]):
    """Some items, and the cursor of the next page if there is one."""

    items: list[Item]
    next_cursor: str | None = None


class PageQuery(BaseModel):
    """Where a page starts and how long it is."""

    limit: Annotated[int, Query(ge=1, le=500)] = 50
    cursor: UUID | None = None


def page_of(
    session: Session,
    statement: Select[Any],
    key: InstrumentedAttribute[UUID],
    query: PageQuery,
    view: Callable[[Any], Item],
    *,
    newest_first: bool = False,
) -> Page[Item]:
    """One page of the rows of `statement`. Ids are UUIDv7, so their order is the order of creation."""
    return page_of_all(
        session, statement, key, query, lambda rows: [view(row) for row in rows], newest_first=newest_first
    )


def page_of_all(
    session: Session,
    statement: Select[Any],
    key: InstrumentedAttribute[UUID],
    query: PageQuery,
    views: Callable[[Sequence[Any]], list[Item]],
    *,
    newest_first: bool = False,
) -> Page[Item]:
    """As `page_of`, where what is shown of the rows is found for all of them at once."""
    if query.cursor is not None:
        statement = statement.where(key < query.cursor if newest_first else key > query.cursor)
    statement = statement.order_by(key.desc() if newest_first else key).limit(query.limit + 1)
    rows = list(session.scalars(statement))
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Page(items=views(shown), next_cursor=str(getattr(shown[-1], key.key)) if more else None)
