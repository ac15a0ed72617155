"""What covers an invoice beyond what is left of it: a credit note made it less than what was paid or written off."""

from collections.abc import Mapping
from datetime import date
from itertools import groupby
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import ledger, settlement, writing_off
from models.rules.allocation import Share
from models.tables.billing import Invoice
from models.tables.payments import Allocation


def release(session: Session, account_of: Mapping[UUID, UUID], *, reason: str, on: date, actor: str) -> None:
    """Let each invoice be covered by no more than is left of it, and its account's debts by what becomes free.

    A debt that was written off comes first: what is not owed needs no writing off. Then payments become an advance,
    the newest first. `account_of` tells the account of each invoice; they must be locked.
    """
    excess = _excess(session, list(account_of))
    if excess:
        excess = writing_off.give_way(session, excess, account_of, reason=reason, on=on, actor=actor)
        settlement.release(session, _newest_paid(session, excess), account_of, reason=reason, on=on)
    _settle(session, set(account_of.values()), reason=reason, on=on)


def _excess(session: Session, invoice_ids: list[UUID]) -> dict[UUID, int]:
    rows = session.execute(
        select(Invoice.id, settlement.outstanding_of_invoice().label("outstanding_minor")).where(
            Invoice.id.in_(invoice_ids)
        )
    )
    return {row.id: -int(row.outstanding_minor) for row in rows if row.outstanding_minor < 0}


def _newest_paid(session: Session, excess: Mapping[UUID, int]) -> list[Share]:
    paid = session.execute(
        select(Allocation.invoice_id, Allocation.payment_id, func.sum(Allocation.amount_minor).label("amount_minor"))
        .where(Allocation.invoice_id.in_(excess))
        .group_by(Allocation.invoice_id, Allocation.payment_id)
        .having(func.sum(Allocation.amount_minor) > 0)
        .order_by(Allocation.invoice_id, Allocation.payment_id.desc())
    )
    shares = []
    for invoice_id, rows in groupby(paid, key=lambda row: row.invoice_id):
        left = excess[invoice_id]
        for row in rows:
            part = min(left, int(row.amount_minor))
            if part > 0:
                shares.append(Share(row.payment_id, invoice_id, part))
                left -= part
    return shares


def _settle(session: Session, account_ids: set[UUID], *, reason: str, on: date) -> None:
    for account_id, standing in ledger.standings_of(session, account_ids).items():
        if standing.advance_minor > 0 and standing.receivable_minor > 0:
            settlement.settle(session, account_id, reason=reason, on=on)
