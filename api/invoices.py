"""Invoices: lists, one with everything about it, as PDF, and taken back by credit notes."""

import hashlib
from datetime import datetime
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import credit_notes, invoice_printing, invoice_views, policies
from api.access import StaffCaller, staff
from api.context import Ctx
from api.headers import IdempotencyKey
from api.pages import Page, PageQuery
from api.problems import PROBLEMS
from models.contracts.bank import AccountNo
from models.contracts.billing import CreditNoteView, InvoiceStatus, InvoiceSummary, InvoiceView, NewCreditNote
from models.contracts.billing_run import BillingPolicy, Period, first_day_of
from models.contracts.people import Language, Role
from models.tables.people import Staff

router = APIRouter(prefix="/v1/invoices", tags=["invoices"], responses=PROBLEMS)

AccountingOrOperator = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING, Role.OPERATOR))]

PDF = "application/pdf"


@router.get("")
def list_invoices(
    *,
    ctx: Ctx,
    caller: AccountingOrOperator,
    page: Annotated[PageQuery, Depends()],
    subscriber_id: UUID | None = None,
    account_no: AccountNo | None = None,
    status: InvoiceStatus | None = None,
    period: Annotated[Period | None, Query(description="The billed month: 2026-11")] = None,
) -> Page[InvoiceSummary]:
    """Invoices, newest first."""
    del caller
    with ctx.database.transaction() as session:
        items, following = invoice_views.page(
            session,
            subscriber_id=subscriber_id,
            account_no=account_no,
            status=status,
            period_on=None if period is None else first_day_of(period),
            limit=page.limit,
            before=page.cursor,
        )
    return Page(items=items, next_cursor=str(following) if following else None)


@router.get("/{invoice_id}")
def get_invoice(invoice_id: UUID, ctx: Ctx, caller: AccountingOrOperator) -> InvoiceView:
    """An invoice with its lines, tax, totals, the payments that cover it and the credit notes that took it back."""
    del caller
    with ctx.database.transaction() as session:
        return invoice_views.view(session, invoice_id)


@router.get(
    "/{invoice_id}/pdf",
    response_class=Response,
    responses={
        200: {
            "description": "The PDF; its ETag is the SHA-256 of its bytes",
            "content": {PDF: {"schema": {"type": "string", "format": "binary"}}},
        },
        304: {"description": "The caller has this PDF already"},
    },
)
def print_invoice(
    invoice_id: UUID,
    ctx: Ctx,
    caller: AccountingOrOperator,
    lang: Annotated[Language | None, Query(description="The subscriber's own language by default")] = None,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The invoice as PDF, with what was paid and credited until now."""
    del caller
    with ctx.database.transaction() as session:
        sheet = invoice_printing.sheet(
            session, invoice_id, operator=invoice_printing.operator_of(ctx.settings), language=lang
        )
    # Printed outside of the transaction: it takes a while, and needs no connection.
    pdf = sheet.pdf()
    etag = f'"{hashlib.sha256(pdf).hexdigest()}"'
    headers = {
        "ETag": etag,
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'inline; filename="invoice-{sheet.id}.pdf"; '
        f"filename*=UTF-8''{quote(sheet.number + '.pdf', safe='')}",
    }
    if if_none_match is not None and etag in {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(pdf, headers=headers, media_type=PDF)


@router.post(
    "/{invoice_id}/credit-notes",
    status_code=201,
    responses={200: {"model": CreditNoteView, "description": "The same key and body again: the same credit note"}},
)
def credit_invoice(
    invoice_id: UUID,
    order: NewCreditNote,
    response: Response,
    ctx: Ctx,
    caller: AccountingOrOperator,
    idempotency_key: IdempotencyKey = None,
) -> CreditNoteView:
    """Take an invoice back: whole, by a sum, or line by line.

    What was paid beyond the rest becomes the subscriber's advance. Above the policy's limit a head of accounting does
    it.
    """
    on = datetime.now(tz=ctx.settings.zone).date()
    with ctx.database.transaction() as session:
        note, created = credit_notes.issue(
            session,
            invoice_id,
            order,
            on=on,
            actor=caller.actor,
            limit_minor=_limit_minor(session, caller),
            idempotency_key=idempotency_key,
        )
        if not created:
            response.status_code = 200
        return credit_notes.views(session, [note])[0]


def _limit_minor(session: Session, caller: StaffCaller) -> int | None:
    """Up to which sum this person credits an invoice; None where they decide themselves."""
    is_head = session.scalar(select(Staff.is_head).where(Staff.id == caller.id))
    if caller.role is Role.ADMIN or (caller.role is Role.ACCOUNTING and is_head):
        return None
    policy = policies.newest(session, "billing")
    return (BillingPolicy() if policy is None else BillingPolicy.model_validate(policy.body)).credit_note_limit_minor
