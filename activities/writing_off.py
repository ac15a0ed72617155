"""Debts that nobody will pay any more: written off with a reason and whoever decided it, and owed again if need be.

A written-off sum is no payment: it goes from receivables to bad debt (7440), and counts beside payments and credit
notes wherever it is asked what is outstanding. Its VAT stays payable.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities import ledger, settlement
from activities.ledger import Posting
from models.contracts.ledger import Chart
from models.contracts.refusals import not_found
from models.tables.billing import Invoice, WriteOff

WRITE_OFF_DOCUMENT = "write_off"


class _Part(NamedTuple):
    invoice_id: UUID
    amount_minor: int


def write_off(
    session: Session,
    *,
    account_id: UUID,
    invoice_ids: Sequence[UUID] | None = None,
    reason: str,
    approved_by: str,
    key: str,
    on: date,
    actor: str,
) -> int:
    """Write off all that is outstanding on an account, or on these of its invoices; answers the sum in tiyn.

    Nothing is outstanding on them afterwards. Once for its key: a repetition answers the sum of the first time.

    Raises:
        Refusal: an invoice is not one of this account.
    """
    settlement.lock_account(session, account_id)
    earlier = _written_under(session, key, account_id)
    if earlier is not None:
        return earlier
    _check_owned(session, account_id, invoice_ids)
    rows = session.execute(settlement.open_invoices(account_id))
    parts = [
        _Part(row.id, int(row.outstanding_minor)) for row in rows if invoice_ids is None or row.id in invoice_ids
    ]  # fmt: skip
    account_of = dict.fromkeys((part.invoice_id for part in parts), account_id)
    _write(session, parts, account_of, key=key, reason=reason, approved_by=approved_by, on=on, actor=actor)
    return sum(part.amount_minor for part in parts)


def take_back(
    session: Session,
    *,
    account_id: UUID,
    invoice_ids: Sequence[UUID] | None = None,
    reason: str,
    key: str,
    on: date,
    actor: str,
) -> int:
    """Let what was written off on an account, or on these of its invoices, be owed again; answers the sum in tiyn.

    An advance covers it at once. Once for its key.

    Raises:
        Refusal: an invoice is not one of this account.
    """
    settlement.lock_account(session, account_id)
    earlier = _written_under(session, key, account_id)
    if earlier is not None:
        return -earlier
    _check_owned(session, account_id, invoice_ids)
    owned = session.scalars(select(Invoice.id).where(Invoice.account_id == account_id)).all()
    written = _written_off(session, owned if invoice_ids is None else invoice_ids)
    parts = [_Part(invoice_id, -amount_minor) for invoice_id, amount_minor in written.items()]
    _write(session, parts, dict.fromkeys(written, account_id), key=key, reason=reason, on=on, actor=actor)
    settlement.settle(session, account_id, reason=reason, on=on)
    return sum(written.values())


def give_way(
    session: Session,
    excess_minor: Mapping[UUID, int],
    account_of: Mapping[UUID, UUID],
    *,
    reason: str,
    on: date,
    actor: str,
) -> dict[UUID, int]:
    """Take back what was written off beyond what is left of each invoice; answers the excess that is left after it.

    For credit notes: they hold the account's lock.
    """
    written = _written_off(session, list(excess_minor))
    parts = [
        _Part(invoice_id, -min(amount_minor, excess_minor[invoice_id])) for invoice_id, amount_minor in written.items()
    ]
    key = f"give-way/{session.scalars(select(func.uuidv7())).one()}"
    _write(session, parts, account_of, key=key, reason=reason, on=on, actor=actor)
    rest = dict(excess_minor)
    for part in parts:
        rest[part.invoice_id] += part.amount_minor
    return {invoice_id: amount_minor for invoice_id, amount_minor in rest.items() if amount_minor}


def _written_under(session: Session, key: str, account_id: UUID) -> int | None:
    total = session.scalar(
        select(func.sum(WriteOff.amount_minor))
        .join(Invoice, Invoice.id == WriteOff.invoice_id)
        .where(WriteOff.key == key, Invoice.account_id == account_id)
    )
    return None if total is None else int(total)


def _check_owned(session: Session, account_id: UUID, invoice_ids: Sequence[UUID] | None) -> None:
    if invoice_ids is None:
        return
    owned = set(
        session.scalars(select(Invoice.id).where(Invoice.id.in_(invoice_ids), Invoice.account_id == account_id))
    )
    if owned != set(invoice_ids):
        raise not_found("invoice_unknown", "The account has no such invoice: take its invoices from GET /v1/invoices.")


def _written_off(session: Session, invoice_ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = session.execute(
        select(WriteOff.invoice_id, func.sum(WriteOff.amount_minor))
        .where(WriteOff.invoice_id.in_(invoice_ids))
        .group_by(WriteOff.invoice_id)
        .having(func.sum(WriteOff.amount_minor) > 0)
        .order_by(WriteOff.invoice_id)
    )
    return {invoice_id: int(amount_minor) for invoice_id, amount_minor in rows}


def _write(
    session: Session,
    parts: Sequence[_Part],
    account_of: Mapping[UUID, UUID],
    *,
    key: str,
    reason: str,
    on: date,
    actor: str,
    approved_by: str | None = None,
) -> None:
    if not parts:
        return
    rows = session.execute(
        insert(WriteOff)
        .values(
            [
                {
                    "key": key, "invoice_id": part.invoice_id, "amount_minor": part.amount_minor, "reason": reason,
                    "approved_by": approved_by, "written_on": on, "created_by": actor,
                }
                for part in parts
            ]
        )
        .returning(WriteOff.id, WriteOff.invoice_id, WriteOff.amount_minor)
    )  # fmt: skip
    ledger.post_all(
        session,
        [
            Posting(
                key=f"write_off/{row.id}",
                debit=Chart.BAD_DEBT if row.amount_minor > 0 else Chart.RECEIVABLES,
                credit=Chart.RECEIVABLES if row.amount_minor > 0 else Chart.BAD_DEBT,
                amount_minor=abs(row.amount_minor),
                account_id=account_of[row.invoice_id],
                document_kind=WRITE_OFF_DOCUMENT,
                document_id=row.id,
                reason=reason,
                effective_on=on,
            )
            for row in rows
        ],
    )
