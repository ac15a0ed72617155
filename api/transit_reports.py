"""What accounting reads of the money between the banks and the operator's account, as JSON or as CSV."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from activities import transit_report
from api.access import StaffCaller, staff
from api.context import Context, Ctx
from api.csv_answers import CSV_ANSWER, csv_answer
from api.problems import PROBLEMS
from models.contracts.money import kzt
from models.contracts.people import Role
from models.contracts.reconciliation_views import MoneyInTransit, UnsettledDays
from models.contracts.reports import ReportFormat

router = APIRouter(prefix="/v1/reports", tags=["reports"], responses=PROBLEMS)

Accounting = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING))]
AsOf = Annotated[
    date | None, Query(ge=date(2000, 1, 1), lt=date(2100, 1, 1), description="At the end of this day; today without it")
]
Format = Annotated[ReportFormat, Query(alias="format")]


@router.get("/money-in-transit", response_model=MoneyInTransit, responses=CSV_ANSWER)
def get_money_in_transit(
    *,
    ctx: Ctx,
    caller: Accounting,
    as_of: AsOf = None,
    with_settled: Annotated[bool, Query(description="Days that came to nothing as well")] = False,
    form: Format = ReportFormat.JSON,
) -> MoneyInTransit | StreamingResponse:
    """The balance of 1020 explained: what each bank has taken on each day, taken back, passed on and kept."""
    del caller
    on = as_of or _today(ctx)
    with ctx.database.transaction() as session:
        days = transit_report.in_transit(session, on, ctx.settings.zone, with_settled=with_settled)
    total = kzt(sum(day.balance.amount_minor for day in days))
    if form is ReportFormat.JSON:
        return MoneyInTransit(as_of=on, total=total, items=days)
    return csv_answer(
        f"money-in-transit-{on}",
        ["Банк", "День", "Принято", "Сторнировано", "Поступило", "Комиссия", "В пути"],
        [
            *([day.bank, day.date, day.taken, day.reversed, day.received, day.fee, day.balance] for day in days),
            ["Итого", None, None, None, None, None, total],
        ],
    )


@router.get("/unsettled-days", response_model=UnsettledDays, responses=CSV_ANSWER)
def get_unsettled_days(
    *, ctx: Ctx, caller: Accounting, as_of: AsOf = None, form: Format = ReportFormat.JSON
) -> UnsettledDays | StreamingResponse:
    """Banks' days whose money has not come, or that have money in transit all the same; the oldest first."""
    del caller
    on = as_of or _today(ctx)
    with ctx.database.transaction() as session:
        days = transit_report.unsettled(session, on, ctx.settings.zone)
    if form is ReportFormat.JSON:
        return UnsettledDays(as_of=on, items=days)
    return csv_answer(
        f"unsettled-days-{on}",
        ["Банк", "День", "Дней", "В пути", "Ожидается", "Стадия", "Реестр", "Расхождений"],
        [
            [day.bank, day.date, day.days_since, day.in_transit, day.expected, day.stage,
             "есть" if day.has_registry else "нет", day.open_differences]
            for day in days
        ],
    )  # fmt: skip


def _today(ctx: Context) -> date:
    return datetime.now(ctx.settings.zone).date()
