"""Statements of the operator's bank accounts: files 1CClientBankExchange, and their lines."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import select

from activities import bank_statements
from api.access import StaffCaller, staff
from api.context import Ctx
from api.pages import Page, PageQuery, page_of
from api.problems import PROBLEMS
from models.contracts.bank_statements import BankStatementAnswer, BankStatementLineView, BankStatementView
from models.contracts.people import Role
from models.tables.bank_statements import BankStatement, BankStatementLine

router = APIRouter(prefix="/v1", tags=["reconciliation"], responses=PROBLEMS)

Accounting = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING))]
Paging = Annotated[PageQuery, Depends()]
_FILE: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "text/plain": {
                "schema": {"type": "string", "format": "binary"},
                "example": "1CClientBankExchange\nВерсияФормата=2.00\n…\nКонецФайла\n",
            }
        },
    }
}
"""What the framework can't know: the body is a file."""


async def _sent(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/bank-statements",
    status_code=201,
    openapi_extra=_FILE,
    responses={200: {"model": BankStatementAnswer, "description": "This file was brought in before"}},
)
def bring_in_statement(
    *,
    response: Response,
    ctx: Ctx,
    caller: Accounting,
    content: Annotated[bytes, Depends(_sent)],
    despite_problems: Annotated[bool, Query(description="Take a file that does not agree with itself")] = False,
) -> BankStatementAnswer:
    """Bring a statement in (1CClientBankExchange). Its lines are kept once, however many statements show them.

    Days whose transfer is among them are settled at once.
    """
    exchange = bank_statements.read(content, despite_problems=despite_problems)
    now = datetime.now(tz=UTC)
    with ctx.database.transaction() as session:
        statement, is_new = bank_statements.take(session, exchange, content, actor=caller.actor, at=now)
        settled = bank_statements.settle_what_came(session, at=now) if is_new else []
        response.status_code = 201 if is_new else 200
        return BankStatementAnswer(**bank_statements.view(statement).model_dump(), settled=settled)


@router.get("/bank-statements")
def list_bank_statements(ctx: Ctx, caller: Accounting, page: Paging) -> Page[BankStatementView]:
    """Statements that were brought in, the newest first."""
    del caller
    with ctx.database.transaction() as session:
        return page_of(session, select(BankStatement), BankStatement.id, page, bank_statements.view, newest_first=True)


@router.get("/bank-statement-lines")
def list_bank_statement_lines(
    *,
    ctx: Ctx,
    caller: Accounting,
    page: Paging,
    statement_id: UUID | None = None,
    account: Annotated[str | None, Query(max_length=40, description="An account of the operator")] = None,
    unsettled: Annotated[bool | None, Query(description="Money that came in and pays for no day yet")] = None,
) -> Page[BankStatementLineView]:
    """Movements on the operator's accounts, the newest first, with the days that each paid for."""
    del caller
    with ctx.database.transaction() as session:
        return page_of(
            session,
            bank_statements.lines(statement_id=statement_id, account=account, unsettled=unsettled),
            BankStatementLine.id,
            page,
            lambda line: bank_statements.line_view(session, line),
            newest_first=True,
        )
