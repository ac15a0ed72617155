"""Money meets invoices: which part of which payment covers which invoice of an account.

Whoever changes what an account owes or has paid first locks its row (`lock_account`), and at the end calls `settle`,
so that an advance and a debt never stand side by side. Locks are taken in one order: account, payment, number series.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, ScalarSelect, Select, bindparam, func, select, text
from sqlalchemy.orm import Session

from activities import ledger
from activities.ledger import Posting
from models.contracts.bank import PaymentStatus
from models.contracts.ledger import Chart
from models.rules.allocation import Advance, OpenInvoice, Share, allocate
from models.tables.billing import CreditNote, Invoice, WriteOff
from models.tables.payments import Allocation, Payment
from models.tables.people import Account

PAYMENT_DOCUMENT = "payment"

_LOCK = text("SELECT id FROM account WHERE id = :account_id FOR NO KEY UPDATE")
_ALLOCATE = text("""
    INSERT INTO allocation (payment_id, invoice_id, amount_minor, reason, reallocation_id)
    SELECT share.payment_id, share.invoice_id, share.amount_minor, :reason, :reallocation_id
    FROM unnest(CAST(:payment_id AS uuid[]), CAST(:invoice_id AS uuid[]), CAST(:amount_minor AS bigint[]))
         AS share (payment_id, invoice_id, amount_minor)
    RETURNING id, payment_id, invoice_id, amount_minor
""")


def lock_account(session: Session, account_id: UUID) -> None:
    """Wait for whoever else changes this account's money, and keep others waiting until the transaction ends."""
    session.execute(_LOCK, {"account_id": account_id}).scalar_one()


def credited_of_invoice() -> ScalarSelect[Any]:
    """What credit notes took back of the invoice in the enclosing query."""
    return (
        select(func.coalesce(func.sum(CreditNote.total_minor), 0))
        .where(CreditNote.invoice_id == Invoice.id)
        .correlate(Invoice)
        .scalar_subquery()
    )


def allocated_to_invoice() -> ScalarSelect[Any]:
    """What payments cover of the invoice in the enclosing query."""
    return (
        select(func.coalesce(func.sum(Allocation.amount_minor), 0))
        .where(Allocation.invoice_id == Invoice.id)
        .correlate(Invoice)
        .scalar_subquery()
    )


def written_off_of_invoice() -> ScalarSelect[Any]:
    """What nobody will pay any more of the invoice in the enclosing query."""
    return (
        select(func.coalesce(func.sum(WriteOff.amount_minor), 0))
        .where(WriteOff.invoice_id == Invoice.id)
        .correlate(Invoice)
        .scalar_subquery()
    )


def allocated_of_payment() -> ScalarSelect[Any]:
    """What of the payment in the enclosing query covers invoices."""
    return (
        select(func.coalesce(func.sum(Allocation.amount_minor), 0))
        .where(Allocation.payment_id == Payment.id)
        .correlate(Payment)
        .scalar_subquery()
    )


def outstanding_of_invoice() -> ColumnElement[int]:
    """What is still to be paid on the invoice in the enclosing query."""
    return Invoice.total_minor - credited_of_invoice() - allocated_to_invoice() - written_off_of_invoice()


def open_invoices(account_id: UUID | BindParameter[UUID]) -> Select[Any]:
    """Statement: invoices of an account with something still to be paid on them."""
    invoices = (
        select(Invoice.id, Invoice.due_on, outstanding_of_invoice().label("outstanding_minor"))
        .where(Invoice.account_id == account_id)
        .subquery()
    )
    return select(invoices).where(invoices.c.outstanding_minor > 0)


# Every payment asks this: made once, for to make it takes longer than to have it answered.
_OPEN_INVOICES = open_invoices(bindparam("account_id"))


def open_invoices_of(session: Session, account_id: UUID) -> list[OpenInvoice]:
    """The same, as allocation takes them."""
    rows = session.execute(_OPEN_INVOICES, {"account_id": account_id})
    return [OpenInvoice(row.id, row.due_on, int(row.outstanding_minor)) for row in rows]


def _open_advances(account_id: UUID) -> Select[Any]:
    payments = (
        select(
            Payment.id,
            Payment.received_at,
            (Payment.amount_minor - Payment.refunded_minor - allocated_of_payment()).label("unallocated_minor"),
        )
        .where(Payment.account_id == account_id, Payment.status == PaymentStatus.POSTED)
        .subquery()
    )
    return select(payments).where(payments.c.unallocated_minor > 0)


def advances_of(session: Session, account_id: UUID) -> list[Advance]:
    """Payments of an account with money in them that covers no invoice yet."""
    return [
        Advance(row.id, row.received_at, int(row.unallocated_minor))
        for row in session.execute(_open_advances(account_id))
    ]


def settle(session: Session, account_id: UUID, *, reason: str, on: date) -> None:
    """Cover open invoices with whatever advances the account has, by its rule. The account must be locked."""
    standing = ledger.standing_of(session, account_id)
    if standing.advance_minor <= 0 or standing.receivable_minor <= 0:
        return
    rule = session.scalars(select(Account.allocation_rule).where(Account.id == account_id)).one()
    invoices = open_invoices_of(session, account_id)
    account_of = dict.fromkeys((invoice.id for invoice in invoices), account_id)
    cover(session, account_of, allocate(advances_of(session, account_id), invoices, rule), reason=reason, on=on)


def release(
    session: Session, shares: Sequence[Share], account_of: Mapping[UUID, UUID], *, reason: str, on: date
) -> None:
    """Undo allocations: the money becomes the subscriber's advance again.

    `account_of` tells the account of each invoice; they must be locked.
    """
    cover(session, account_of, undone(shares), reason=reason, on=on)


def forget(session: Session, shares: Sequence[Share], *, reason: str) -> None:
    """Undo allocations of money that is gone; whoever calls reverses the payment's postings."""
    if shares:
        session.execute(_ALLOCATE, {**columns_of(undone(shares)), "reason": reason, "reallocation_id": None})


def undone(shares: Sequence[Share]) -> list[Share]:
    """What takes these shares back."""
    return [Share(share.payment_id, share.invoice_id, -share.amount_minor) for share in shares]


def shares_of_payment(session: Session, payment_id: UUID) -> list[Share]:
    """What a payment covers of each invoice."""
    return _shares(session, Allocation.payment_id == payment_id)


def _shares(session: Session, condition: ColumnElement[bool]) -> list[Share]:
    rows = session.execute(
        select(Allocation.payment_id, Allocation.invoice_id, func.sum(Allocation.amount_minor))
        .where(condition)
        .group_by(Allocation.payment_id, Allocation.invoice_id)
        .having(func.sum(Allocation.amount_minor) > 0)
    )
    return [Share(payment_id, invoice_id, int(amount)) for payment_id, invoice_id, amount in rows]


def cover(
    session: Session,
    account_of: Mapping[UUID, UUID],
    shares: Sequence[Share],
    *,
    reason: str,
    on: date,
    reallocation_id: UUID | None = None,
) -> None:
    """Write allocations and move the money between advances and receivables; a negative share moves it back.

    `account_of` tells the account of each invoice. They must be locked, and the shares must fit what is outstanding
    and what the payments hold.
    """
    if not shares:
        return
    facts = {"reason": reason, "reallocation_id": reallocation_id}
    written = session.execute(_ALLOCATE, {**columns_of(shares), **facts})
    ledger.post_all(
        session,
        [
            Posting(
                key=f"allocation/{row.id}",
                debit=Chart.ADVANCES if row.amount_minor > 0 else Chart.RECEIVABLES,
                credit=Chart.RECEIVABLES if row.amount_minor > 0 else Chart.ADVANCES,
                amount_minor=abs(row.amount_minor),
                account_id=account_of[row.invoice_id],
                document_kind=PAYMENT_DOCUMENT,
                document_id=row.payment_id,
                reason=reason,
                effective_on=on,
            )
            for row in written
        ],
    )


def columns_of(shares: Sequence[Share]) -> dict[str, list[Any]]:
    """Shares as arrays, for statements that unnest them."""
    return {
        "payment_id": [share.payment_id for share in shares],
        "invoice_id": [share.invoice_id for share in shares],
        "amount_minor": [share.amount_minor for share in shares],
    }
