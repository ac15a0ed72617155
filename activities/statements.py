"""A subscriber's statement: what changed their balance from one day to another, document by document."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Text, cast, func, select
from sqlalchemy.orm import Session

from activities import ledger
from activities.payment_taking import receipt
from models.contracts.money import kzt
from models.contracts.refusals import invalid
from models.contracts.reports import Statement, StatementEntry, StatementEntryKind
from models.tables.billing import CreditNote, Invoice
from models.tables.ledger import Transfer
from models.tables.payments import Payment
from models.tables.people import Account

_KINDS = {kind.value: kind for kind in StatementEntryKind}


def statement(session: Session, account: Account, *, from_on: date, until_on: date) -> Statement:
    """The account over [from_on, until_on), made from the ledger alone, so that it can't say anything else.

    Raises:
        Refusal: the range holds no day.
    """
    check_range(from_on, until_on)
    balance_minor = opening_minor = _balance_before(session, account.id, from_on)
    rows = _documents(session, account.id, from_on, until_on)
    numbers = _numbers(session, rows)
    items = []
    for row in rows:
        effect_minor = int(row.effect_minor)
        balance_minor += effect_minor
        items.append(
            StatementEntry(
                on=row.effective_on, kind=_kind(row), document_id=row.document_id,
                number=numbers.get(row.document_id), reason=row.reason, debit=kzt(max(0, -effect_minor)),
                credit=kzt(max(0, effect_minor)), balance=kzt(balance_minor),
            )
        )  # fmt: skip
    return Statement(
        subscriber_id=account.subscriber_id, account_no=account.account_no, from_on=from_on, until_on=until_on,
        opening=kzt(opening_minor), debit=kzt(sum(item.debit.amount_minor for item in items)),
        credit=kzt(sum(item.credit.amount_minor for item in items)), closing=kzt(balance_minor), items=items,
    )  # fmt: skip


def check_range(from_on: date, until_on: date) -> None:
    """A range of dates is half-open: `until` is the first day that is not in it.

    Raises:
        Refusal: the range holds no day.
    """
    if until_on <= from_on:
        raise invalid(
            "range_empty",
            "The range is from its first day to the day after its last one: until must come after from.",
            {"until": "must come after from"},
        )


def _balance_before(session: Session, account_id: UUID, on: date) -> int:
    effect = select(func.coalesce(func.sum(ledger.effect_on_balance()), 0)).where(
        Transfer.account_id == account_id, Transfer.effective_on < on
    )
    return int(session.scalars(effect).one())


def _documents(session: Session, account_id: UUID, from_on: date, until_on: date) -> list[Row[Any]]:
    """What each document did to the balance on a day. Moves between debt and advance do nothing to it."""
    is_reversal = Transfer.reverses_id.is_not(None)
    effect = ledger.effect_on_balance()
    return list(
        session.execute(
            select(
                Transfer.effective_on,
                Transfer.document_kind,
                Transfer.document_id,
                is_reversal.label("is_reversal"),
                func.min(Transfer.reason).label("reason"),
                func.sum(effect).label("effect_minor"),
            )
            .where(
                Transfer.account_id == account_id,
                Transfer.effective_on >= from_on,
                Transfer.effective_on < until_on,
                effect != 0,
            )
            .group_by(Transfer.effective_on, Transfer.document_kind, Transfer.document_id, is_reversal)
            .order_by(Transfer.effective_on, func.min(cast(Transfer.id, Text)))
        )
    )


def _kind(row: Row[Any]) -> StatementEntryKind:
    if row.document_kind == StatementEntryKind.PAYMENT and row.is_reversal:
        return StatementEntryKind.REVERSAL
    return _KINDS.get(row.document_kind, StatementEntryKind.OTHER)


def _numbers(session: Session, rows: Iterable[Row[Any]]) -> dict[UUID, str]:
    ids = {row.document_id for row in rows}
    invoices = session.execute(select(Invoice.id, Invoice.number).where(Invoice.id.in_(ids)))
    notes = session.execute(select(CreditNote.id, CreditNote.number).where(CreditNote.id.in_(ids)))
    payments = session.execute(select(Payment.id, Payment.receipt_no).where(Payment.id.in_(ids)))
    return {
        **{row.id: row.number for row in invoices},
        **{row.id: row.number for row in notes},
        **{row.id: receipt(row.receipt_no) for row in payments},
    }
