"""What accounting reads, as JSON or as CSV: statements, aged receivables, the trial balance."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from activities import ledger_audit, receivables, statements, subscribers
from api.access import StaffCaller, staff
from api.context import Context, Ctx
from api.csv_answers import CSV_ANSWER, csv_answer
from api.pages import PageQuery
from api.problems import PROBLEMS
from models.contracts.money import Money, kzt
from models.contracts.people import Role
from models.contracts.reports import (
    AgedReceivables,
    AgedSums,
    ReportFormat,
    Statement,
    StatementEntryKind,
    TrialBalance,
    TrialBalanceLine,
)

router = APIRouter(prefix="/v1", tags=["reports"], responses=PROBLEMS)

Accounting = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING))]
AccountingOrOperator = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING, Role.OPERATOR))]
_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)
From = Annotated[date, Query(alias="from", ge=_EARLIEST, lt=_LATEST, description="The first day")]
Until = Annotated[date, Query(alias="until", ge=_EARLIEST, lt=_LATEST, description="The day after the last one")]
AsOf = Annotated[date, Query(ge=_EARLIEST, lt=_LATEST, description="At the end of this day")]
Format = Annotated[ReportFormat, Query(alias="format")]

_KINDS = {
    StatementEntryKind.INVOICE: "Счёт",
    StatementEntryKind.PAYMENT: "Оплата",
    StatementEntryKind.CREDIT_NOTE: "Кредит-нота",
    StatementEntryKind.REVERSAL: "Отмена оплаты",
    StatementEntryKind.REFUND: "Возврат",
    StatementEntryKind.OTHER: "Прочее",
}


@router.get("/subscribers/{subscriber_id}/statement", response_model=Statement, responses=CSV_ANSWER)
def get_statement(
    *,
    subscriber_id: UUID,
    ctx: Ctx,
    caller: AccountingOrOperator,
    from_on: From,
    until_on: Until,
    form: Format = ReportFormat.JSON,
) -> Statement | StreamingResponse:
    """The subscriber's account from one day to another: opening balance, each document, closing balance."""
    del caller
    with ctx.database.transaction() as session:
        account = subscribers.account_of(session, subscribers.get(session, subscriber_id).id)
        found = statements.statement(session, account, from_on=from_on, until_on=until_on)
    if form is ReportFormat.JSON:
        return found
    return csv_answer(
        f"statement-{found.account_no}-{from_on}-{until_on}",
        ["Дата", "Документ", "Номер", "Основание", "Начислено", "Поступило", "Сальдо"],
        _statement_rows(found),
    )


def _statement_rows(found: Statement) -> Iterator[list[object]]:
    yield [found.from_on, "Сальдо на начало", None, None, None, None, found.opening]
    for item in found.items:
        yield [item.on, _KINDS[item.kind], item.number, item.reason, item.debit, item.credit, item.balance]
    yield [found.until_on, "Сальдо на конец", None, None, found.debit, found.credit, found.closing]


@router.get("/reports/aged-receivables", response_model=AgedReceivables, responses=CSV_ANSWER)
def get_aged_receivables(
    *,
    ctx: Ctx,
    caller: Accounting,
    as_of: AsOf,
    page: Annotated[PageQuery, Depends()],
    form: Format = ReportFormat.JSON,
) -> AgedReceivables | StreamingResponse:
    """Who owed what at the end of a day, by the days since it was due; later payments and credit notes don't count.

    CSV holds all accounts and the total; JSON comes in pages, with the total on the first.
    """
    del caller
    zone = ctx.settings.zone
    if form is ReportFormat.CSV:
        header = ["Лицевой счёт", "Абонент", "Срок не наступил", "1–30 дней", "31–60 дней", "61–90 дней",
                  "Более 90 дней", "Всего"]  # fmt: skip
        return csv_answer(f"aged-receivables-{as_of}", header, _aged_rows(ctx, as_of))
    with ctx.database.transaction() as session:
        items, following = receivables.page(session, as_of, zone, limit=page.limit, after=page.cursor)
        total = receivables.total(session, as_of, zone) if page.cursor is None else None
    return AgedReceivables(
        as_of=as_of, total=total, items=items, next_cursor=str(following) if following else None
    )  # fmt: skip


def _aged_rows(ctx: Context, as_of: date) -> Iterator[list[object]]:
    """Read while the file is sent; its last line adds up the lines before it."""
    sums = dict.fromkeys(AgedSums.model_fields, 0)
    with ctx.database.transaction() as session:
        for account in receivables.stream(session, as_of, ctx.settings.zone):
            cells: list[Money] = [getattr(account, name) for name in sums]
            for name, cell in zip(sums, cells, strict=True):
                sums[name] += cell.amount_minor
            yield [account.account_no, account.full_name, *cells]
    yield ["Итого", None, *map(kzt, sums.values())]


@router.get("/reports/trial-balance", response_model=TrialBalance, responses=CSV_ANSWER)
def get_trial_balance(
    *, ctx: Ctx, caller: Accounting, from_on: From, until_on: Until, form: Format = ReportFormat.JSON
) -> TrialBalance | StreamingResponse:
    """Opening balance, turnovers and closing balance of each account of the chart, by the dates of the postings."""
    del caller
    statements.check_range(from_on, until_on)
    with ctx.database.transaction() as session:
        rows = ledger_audit.trial_balance(session, from_on=from_on, until_on=until_on)
    lines = [
        TrialBalanceLine(
            code=row.code, title=row.title, opening=kzt(row.opening_minor), debit=kzt(row.debit_minor),
            credit=kzt(row.credit_minor), closing=kzt(row.closing_minor),
        )
        for row in rows
    ]  # fmt: skip
    debit, credit = kzt(sum(row.debit_minor for row in rows)), kzt(sum(row.credit_minor for row in rows))
    if form is ReportFormat.JSON:
        return TrialBalance(from_on=from_on, until_on=until_on, items=lines, debit=debit, credit=credit)
    return csv_answer(
        f"trial-balance-{from_on}-{until_on}",
        ["Счёт", "Наименование", "Сальдо на начало", "Дебет", "Кредит", "Сальдо на конец"],
        [
            *([line.code, line.title, line.opening, line.debit, line.credit, line.closing] for line in lines),
            ["Итого", None, None, debit, credit, None],
        ],
    )
