"""Transaction ids that a bank used again with another meaning: refused, and kept for accounting.

The refusal rolls its transaction back, so the conflict is written in one of its own: whoever takes payments from
banks does it within `reporting`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities import clarifications
from activities.payment_taking import receipt
from models.contracts.bank import PaymentNotice, TxnReused
from models.contracts.banks import AskedPayment, PaymentConflictView
from models.contracts.clarification import Question
from models.contracts.money import kzt
from models.database import Database
from models.tables.banks import Bank, PaymentConflict
from models.tables.payments import Payment
from models.tables.people import Account, Subscriber

_log = structlog.get_logger()


@contextmanager
def reporting(database: Database, *, at: datetime) -> Iterator[None]:
    """Where a payment is refused because its transaction id has another meaning, keep that before saying so."""
    try:
        yield
    except TxnReused as reused:
        with database.transaction() as session:
            note_conflict(session, reused, at=at)
        raise


def note_conflict(session: Session, reused: TxnReused, *, at: datetime) -> UUID:
    """Keep what a bank asked for under a transaction id that stands for another payment; answers the conflict's id.

    The same again is counted.
    """
    noted = session.execute(
        insert(PaymentConflict)
        .values(
            payment_id=reused.payment_id,
            taken_sha256=reused.taken_sha256,
            asked_sha256=reused.asked_sha256,
            asked_account_no=_asked_account_no(session, reused.notice),
            asked_amount_minor=reused.notice.amount.amount_minor,
            asked_paid_at=reused.notice.paid_at,
            first_at=at,
            last_at=at,
        )
        .on_conflict_do_update(
            index_elements=["payment_id", "asked_sha256"],
            set_={"times": PaymentConflict.times + 1, "last_at": func.greatest(PaymentConflict.last_at, at)},
        )
        .returning(PaymentConflict.id, PaymentConflict.times)
    ).one()
    if noted.times == 1:
        _ask_accounting(session, reused, noted.id, at)
    _log.warning("payment_conflict", conflict_id=str(noted.id), payment_id=str(reused.payment_id), times=noted.times)
    conflict_id: UUID = noted.id
    return conflict_id


def _ask_accounting(session: Session, reused: TxnReused, conflict_id: UUID, at: datetime) -> None:
    """Somebody finds out with the bank which of the two meanings is right."""
    clarifications.open_clarification(
        session, question=Question.PAYMENT_CONFLICT, payment_id=reused.payment_id, key=str(conflict_id), at=at,
        facts={"conflict_id": str(conflict_id), "reported_minor": reused.notice.amount.amount_minor},
    )  # fmt: skip


def _asked_account_no(session: Session, notice: PaymentNotice) -> str | None:
    """The account that was named: an IIN isn't kept, the account that it means is."""
    if notice.account_no is not None:
        return notice.account_no
    return session.scalar(
        select(Account.account_no)
        .join(Subscriber, Subscriber.id == Account.subscriber_id)
        .where(Subscriber.iin == notice.iin)
        .order_by(Account.number)
        .limit(1)
    )


def page(session: Session, *, limit: int, before: UUID | None = None) -> tuple[list[PaymentConflictView], UUID | None]:
    """Conflicts, newest first, and where the next page starts."""
    statement = (
        select(PaymentConflict, Payment, Bank.code, Account.account_no)
        .join(Payment, Payment.id == PaymentConflict.payment_id)
        .join(Bank, Bank.id == Payment.bank_id)
        .outerjoin(Account, Account.id == Payment.account_id)
        .order_by(PaymentConflict.id.desc())
        .limit(limit + 1)
    )
    if before is not None:
        statement = statement.where(PaymentConflict.id < before)
    rows = session.execute(statement).all()
    views = [_view(*row) for row in rows[:limit]]
    return views, views[-1].id if len(rows) > limit else None


def _view(conflict: PaymentConflict, payment: Payment, bank: str, account_no: str | None) -> PaymentConflictView:
    return PaymentConflictView(
        id=conflict.id,
        bank=bank,
        txn_id=payment.txn_id,
        payment_id=payment.id,
        receipt_no=receipt(payment.receipt_no),
        taken=AskedPayment(account_no=account_no, amount=kzt(payment.amount_minor)),
        asked=AskedPayment(account_no=conflict.asked_account_no, amount=kzt(conflict.asked_amount_minor)),
        asked_paid_at=conflict.asked_paid_at,
        times=conflict.times,
        first_at=conflict.first_at,
        last_at=conflict.last_at,
    )


def counts(session: Session) -> dict[str, int]:
    """How many conflicts each bank has made, by its code; banks without any are left out."""
    return dict(
        session.execute(
            select(Bank.code, func.count())
            .select_from(PaymentConflict)
            .join(Payment, Payment.id == PaymentConflict.payment_id)
            .join(Bank, Bank.id == Payment.bank_id)
            .group_by(Bank.code)
        ).all()
    )
