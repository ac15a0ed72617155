"""Payment orders («платёжное поручение входящее»): one for each payment that came in, and nobody types it.

An order is not stored, it is read: the payment itself holds what was true when it came (payer's name, the operator's
account), a trigger keeps that from being changed, and the ledger says where the sum went. So a payment costs no further
write, and an order can't disagree with its payment.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Row, Select, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session, aliased

from activities.payment_locks import unknown_payment
from activities.payment_posting import receipt
from models.contracts.bank import PaymentStatus
from models.contracts.ledger import Chart
from models.contracts.money import kzt
from models.contracts.payment_orders import OrderBank, OrderCredit, OrderParty, PaymentOrderView
from models.contracts.payments import PaymentSource
from models.tables.banks import Bank
from models.tables.ledger import Transfer
from models.tables.payments import Payment
from models.tables.people import Account, Subscriber
from settings import Settings

_CREDITED = (Chart.RECEIVABLES, Chart.ADVANCES, Chart.SUSPENSE)
_part = aliased(Payment)
_is_first = ((Payment.part == 1) & (Payment.source != PaymentSource.BALANCE_TRANSFER)) | (
    Payment.source == PaymentSource.CORRECTION
)
"""One row for each receipt; what was only moved between accounts did not come in."""


def starts_at(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a day in the operator's zone."""
    return datetime.combine(day, time(), zone)


def ends_at(day: date, zone: ZoneInfo) -> datetime:
    """The first instant after a day."""
    return starts_at(day + timedelta(days=1), zone)


def orders() -> Select[Any]:
    """Statement: payment orders, a row each."""
    amount = select(func.sum(_part.amount_minor)).where(_part.receipt_no == Payment.receipt_no)
    account_nos = (
        select(func.array_agg(aggregate_order_by(Account.account_no, _part.part)))
        .select_from(_part)
        .join(Account, Account.id == _part.account_id)
        .where(_part.receipt_no == Payment.receipt_no)
    )
    iin = (
        select(Subscriber.iin)
        .join(Account, Account.subscriber_id == Subscriber.id)
        .where(Account.id == Payment.account_id)
        .correlate(Payment)
    )
    return (
        select(
            Payment,
            Bank.code.label("bank_code"),
            Bank.name.label("bank_name"),
            Bank.bic,
            Bank.bin,
            amount.correlate(Payment).scalar_subquery().label("total_minor"),
            account_nos.correlate(Payment).scalar_subquery().label("account_nos"),
            func.coalesce(iin.scalar_subquery(), Payment.named_iin).label("payer_iin"),
        )
        .join(Bank, Bank.id == Payment.bank_id)
        .where(_is_first)
    )


def view(session: Session, payment_id: UUID, settings: Settings) -> PaymentOrderView:
    """The payment order of a payment, or of any of its parts.

    Raises:
        Refusal: there is no such payment, or it is money that was moved between accounts.
    """
    receipt_no = select(Payment.receipt_no).where(Payment.id == payment_id).scalar_subquery()
    row = session.execute(orders().where(Payment.receipt_no == receipt_no)).one_or_none()
    if row is None:
        raise unknown_payment()
    return _views(session, [row], settings)[0]


def page(
    session: Session,
    settings: Settings,
    *,
    from_on: date | None = None,
    to_on: date | None = None,
    bank: str | None = None,
    status: PaymentStatus | None = None,
    limit: int,
    before: UUID | None = None,
) -> tuple[list[PaymentOrderView], UUID | None]:
    """Payment orders of these days, both included, newest first, and where the next page starts."""
    conditions: Iterable[ColumnElement[bool] | None] = (
        None if from_on is None else Payment.received_at >= starts_at(from_on, settings.zone),
        None if to_on is None else Payment.received_at < ends_at(to_on, settings.zone),
        None if bank is None else Bank.code == bank,
        None if status is None else Payment.status == status,
        None if before is None else Payment.id < before,
    )
    statement = orders().where(*(one for one in conditions if one is not None))
    rows = session.execute(statement.order_by(Payment.id.desc()).limit(limit + 1)).all()
    views = _views(session, rows[:limit], settings)
    return views, views[-1].id if len(rows) > limit else None


def purpose(row: Row[Any], settings: Settings) -> str:
    """What the payment is for, in the words of a payment order."""
    payment: Payment = row.Payment
    whose = (
        f"лицевой счёт {', '.join(row.account_nos)}"
        if row.account_nos
        else f"получатель не установлен (указан номер {payment.named_account_no or payment.named_iin})"
    )
    paid_on = payment.paid_at.astimezone(settings.zone)
    return (
        f"Оплата услуг связи, {whose}, квитанция {receipt(payment.receipt_no)}, операция {payment.txn_id} "
        f"от {paid_on:%d.%m.%Y}"
    )


def payee_account(row: Row[Any], settings: Settings) -> str:
    """The operator's account with the bank on the day of the payment; its main one where nobody has said which."""
    return row.Payment.payee_iik or settings.operator_iban


def value_on(payment: Payment, settings: Settings) -> date:
    """The bank's accounting date; the day on which it was paid, where the bank names no other."""
    return payment.accounting_on or payment.paid_at.astimezone(settings.zone).date()


def _views(session: Session, rows: Sequence[Row[Any]], settings: Settings) -> list[PaymentOrderView]:
    credited = _credits(session, [row.Payment.receipt_no for row in rows])
    return [_view(row, credited.get(row.Payment.receipt_no, []), settings) for row in rows]


def _view(row: Row[Any], credits_: list[OrderCredit], settings: Settings) -> PaymentOrderView:
    payment: Payment = row.Payment
    return PaymentOrderView(
        id=payment.id,
        number=receipt(payment.receipt_no),
        posted_on=payment.received_at.astimezone(settings.zone).date(),
        paid_at=payment.paid_at,
        value_on=value_on(payment, settings),
        bank=OrderBank(code=row.bank_code, name=row.bank_name, bic=row.bic, bin=row.bin),
        bank_reference=payment.txn_id,
        source=payment.source,
        payer=OrderParty(
            name=payment.payer_name, id_no=row.payer_iin, sector_code=settings.payer_sector_code, account=None
        ),
        payee=OrderParty(
            name=settings.operator_name,
            id_no=settings.operator_bin,
            sector_code=settings.operator_sector_code,
            account=payee_account(row, settings),
        ),
        purpose=purpose(row, settings),
        purpose_code=settings.payment_purpose_code,
        amount=kzt(int(row.total_minor)),
        debit=Chart.IN_TRANSIT,
        credits=credits_,
        account_nos=row.account_nos or [],
        status=payment.status,
        reversed_on=None if payment.reversed_at is None else payment.reversed_at.astimezone(settings.zone).date(),
        reversal_reason=payment.reversal_reason,
    )


def _credits(session: Session, receipt_nos: Sequence[int]) -> dict[int, list[OrderCredit]]:
    """Where the sums went when they came, by receipt: what was allocated later is not part of the order."""
    keys = [func.concat("payment/", Payment.id, f"/{code.value}") for code in _CREDITED]
    rows = session.execute(
        select(Payment.receipt_no, Transfer.credit, func.sum(Transfer.amount_minor).label("amount_minor"))
        .join(Transfer, Transfer.key.in_(keys))
        .where(Payment.receipt_no.in_(receipt_nos))
        .group_by(Payment.receipt_no, Transfer.credit)
        .order_by(Payment.receipt_no, Transfer.credit)
    )
    found: dict[int, list[OrderCredit]] = {}
    for row in rows:
        found.setdefault(row.receipt_no, []).append(OrderCredit(account=row.credit, amount=kzt(int(row.amount_minor))))
    return found
