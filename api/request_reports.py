"""Lists of requests for those who work on them, and figures for those who answer for it."""

from datetime import UTC, date, datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from activities import request_views
from activities.request_views import Wanted
from api.access import StaffCaller, staff
from api.context import Ctx
from api.csv_answers import CSV_ANSWER, csv_answer
from api.pages import Page, PageQuery, page_of_all
from api.problems import PROBLEMS
from models.contracts.people import Role
from models.contracts.processes import ProcessStatus
from models.contracts.reports import ReportFormat
from models.contracts.request_lists import CategoryFigures, RequestFigures, RequestSummary
from models.contracts.request_policy import CategoryCode
from models.contracts.request_words import Channel, Priority, Turn
from models.rules.sla import SlaState
from models.tables.requests import Request

router = APIRouter(prefix="/v1", tags=["requests"], responses=PROBLEMS)

_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)
_LONGEST = timedelta(days=3660)
From = Annotated[date, Query(alias="from", ge=_EARLIEST, lt=_LATEST, description="The first day")]
Until = Annotated[date, Query(alias="until", ge=_EARLIEST, lt=_LATEST, description="The day after the last one")]
Age = Annotated[
    timedelta | None,
    Query(ge=timedelta(0), le=_LONGEST, description="Registered so long ago: ISO 8601, such as P2D or PT4H"),
]
Owner = Annotated[UUID | None, Query(description="Who of the staff took its open task on")]


@router.get("/requests")
def list_requests(
    *,
    ctx: Ctx,
    caller: Annotated[StaffCaller, Depends(staff())],
    page: Annotated[PageQuery, Depends()],
    department: Role | None = None,
    owner: Owner = None,
    status: ProcessStatus | None = None,
    turn: Turn | None = None,
    category: CategoryCode | None = None,
    priority: Priority | None = None,
    channel: Channel | None = None,
    subscriber_id: UUID | None = None,
    sla: Annotated[SlaState | None, Query(description="Where its clock stands now")] = None,
    older_than: Age = None,
) -> Page[RequestSummary]:
    """Requests, oldest first; those that are all of what is named."""
    del caller
    now = datetime.now(UTC)
    wanted = Wanted(
        department=department, owner=owner, status=status, turn=turn, category=category, priority=priority,
        channel=channel, subscriber_id=subscriber_id, sla=sla, older_than=older_than,
    )  # fmt: skip
    with ctx.database.transaction() as session:
        return page_of_all(
            session, request_views.listed(wanted, now=now), Request.process_id, page,
            lambda requests: request_views.summaries(session, requests, now=now),
        )  # fmt: skip


@router.get("/reports/requests", response_model=RequestFigures, responses=CSV_ANSWER)
def get_request_figures(
    *,
    ctx: Ctx,
    caller: Annotated[StaffCaller, Depends(staff())],
    from_on: From,
    until_on: Until,
    form: Annotated[ReportFormat, Query(alias="format")] = ReportFormat.JSON,
) -> RequestFigures | StreamingResponse:
    """Requests that were registered in a range of days, by category: how many, how fast, and how many too late."""
    del caller
    with ctx.database.transaction() as session:
        found = request_views.figures(session, from_on, until_on, zone=ctx.settings.zone, now=datetime.now(UTC))
    if form is ReportFormat.JSON:
        return found
    return csv_answer(
        f"requests-{from_on}-{until_on}",
        [
            "Категория", "Всего", "Открыто", "Решено", "Закрыто вместе с другими", "Снято", "Просрочено",
            "Открыто повторно", "Время решения, медиана", "Время решения, среднее",
        ],
        map(_row, [*found.items, found.total]),
    )  # fmt: skip


def _row(item: CategoryFigures) -> list[object]:
    return [
        item.category or "Итого", item.count, item.open, item.solved, item.closed_with_others, item.dropped,
        item.breached, item.reopened, _hours(item.median_to_solve), _hours(item.average_to_solve),
    ]  # fmt: skip


def _hours(duration: timedelta | None) -> str | None:
    """Hours and minutes of working time, as a spreadsheet reads a duration: 26:30:00."""
    if duration is None:
        return None
    seconds = round(duration.total_seconds())
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
