"""Incoming payment orders: lists, one of them, and a file for 1C."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from activities import payment_order_export, payment_orders
from activities.payment_order_export import ExportOrder
from api.access import StaffCaller, staff
from api.context import Context, Ctx
from api.pages import Page, PageQuery
from api.problems import PROBLEMS
from models.contracts.bank import PaymentStatus
from models.contracts.payment_orders import ExportCharset, PaymentOrderView
from models.contracts.people import Role
from models.rules.client_bank_writing import Charset, rendered

router = APIRouter(prefix="/v1/payment-orders", tags=["billing"], responses=PROBLEMS)

Accounting = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING))]
_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)
From = Annotated[date, Query(alias="from", ge=_EARLIEST, lt=_LATEST, description="The first day")]
FromOrNot = Annotated[date | None, Query(alias="from", ge=_EARLIEST, lt=_LATEST, description="The first day")]
To = Annotated[date, Query(alias="to", ge=_EARLIEST, lt=_LATEST, description="The last day")]
ToOrNot = Annotated[date | None, Query(alias="to", ge=_EARLIEST, lt=_LATEST, description="The last day")]
AskedBank = Annotated[str, Query(min_length=1, max_length=60, description="The code of a bank")]
BankOrNot = Annotated[str | None, Query(min_length=1, max_length=60, description="The code of a bank")]
_NAMES = {Charset.WINDOWS: "windows-1251", Charset.UTF8: "utf-8"}


@router.get("")
def list_payment_orders(
    *,
    ctx: Ctx,
    caller: Accounting,
    page: Annotated[PageQuery, Depends()],
    from_on: FromOrNot = None,
    to_on: ToOrNot = None,
    bank: BankOrNot = None,
    status: PaymentStatus | None = None,
) -> Page[PaymentOrderView]:
    """Payment orders, newest first: one for each payment that came in, filled in from the bank's report."""
    del caller
    with ctx.database.transaction() as session:
        items, following = payment_orders.page(
            session, ctx.settings, from_on=from_on, to_on=to_on, bank=bank, status=status, limit=page.limit,
            before=page.cursor,
        )  # fmt: skip
    return Page(items=items, next_cursor=str(following) if following else None)


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "1CClientBankExchange 2.00"}
    },
)
def export_payment_orders(
    *,
    ctx: Ctx,
    caller: Accounting,
    from_on: From,
    to_on: To,
    bank: AskedBank,
    charset: ExportCharset = ExportCharset.AUTO,
) -> StreamingResponse:
    """The payments of a bank as a file for 1C: 1CClientBankExchange in the dialect of Kazakhstan.

    What was taken back stands there on the day of that, as paid: a day's file never changes.
    """
    del caller
    order = ExportOrder(bank=bank, from_on=from_on, to_on=to_on, created_at=datetime.now(tz=UTC), charset=charset)
    with ctx.database.transaction() as session:
        letters = payment_order_export.charset_of(session, order, ctx.settings)
    return StreamingResponse(
        _file(ctx, order, letters),
        media_type=f"text/plain; charset={_NAMES[letters]}",
        headers={
            "Content-Disposition": f'attachment; filename="payment-orders-{bank}-{from_on}-{to_on}.txt"',
            "Cache-Control": "private, no-store",
        },
    )


def _file(ctx: Context, order: ExportOrder, letters: Charset) -> Iterator[bytes]:
    """Read while it is sent. The totals come before the documents: both are of one moment."""
    with ctx.database.transaction() as session:
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        head, documents = payment_order_export.contents(session, order, ctx.settings)
        yield from rendered(head, documents, letters)


@router.get("/{payment_id}")
def read_payment_order(payment_id: UUID, ctx: Ctx, caller: Accounting) -> PaymentOrderView:
    """One payment order."""
    del caller
    with ctx.database.transaction() as session:
        return payment_orders.view(session, payment_id, ctx.settings)
