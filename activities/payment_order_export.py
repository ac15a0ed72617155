"""Payment orders of a bank as a file that 1C reads: 1CClientBankExchange in the dialect of Kazakhstan.

What came in stands there on its day as received, and what was taken back on the day of that as paid: so the file of a
day never changes, files of neighbouring days add up, and 1C is told of a reversal like of anything else.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, literal, select
from sqlalchemy.orm import Session

from activities import payment_orders
from activities.payment_orders import ends_at, payee_account, purpose, starts_at, value_on
from activities.payment_posting import receipt
from models.contracts.payment_orders import ExportCharset
from models.contracts.refusals import invalid, not_found
from models.rules.client_bank_exchange import PAYMENT_ORDER, AccountTurnover, Exchange, ExchangeDocument, Party
from models.rules.client_bank_writing import WINDOWS_LETTERS, Charset, fits_windows
from models.tables.banks import Bank
from models.tables.payments import Payment
from settings import Settings

MAX_DAYS = 366
MAX_DOCUMENTS = 200_000
"""More is too much for one file: 1C reads it in one go."""
_STREAMED_ROWS = 500
_UNKNOWN_PAYER = "Плательщик не установлен"


@dataclass(frozen=True, kw_only=True)
class ExportOrder:
    """Which file is asked for. Both days are included."""

    bank: str
    from_on: date
    to_on: date
    charset: ExportCharset
    created_at: datetime


def charset_of(session: Session, order: ExportOrder, settings: Settings) -> Charset:
    """The letters that the file will have. Whatever is wrong with the order is found here.

    Raises:
        Refusal: no such bank, a range that holds no day or too many, or too many documents.
    """
    _check_range(order.from_on, order.to_on)
    totals = _totals(session, _days(session, order, settings))
    if totals.documents > MAX_DOCUMENTS:
        raise invalid(
            "range_too_wide", f"These days hold {totals.documents} documents: ask for fewer days.", {"to": "too late"}
        )
    if order.charset is ExportCharset.AUTO:
        is_plain = totals.is_plain and fits_windows(settings.operator_name)
        return Charset.WINDOWS if is_plain else Charset.UTF8
    return Charset.WINDOWS if order.charset is ExportCharset.WINDOWS else Charset.UTF8


def contents(session: Session, order: ExportOrder, settings: Settings) -> tuple[Exchange, Iterator[ExchangeDocument]]:
    """The head of the file and its documents, read while they are used up. The transaction must see one moment."""
    days = _days(session, order, settings)
    turnovers = _totals(session, days).turnovers
    local = order.created_at.astimezone(settings.zone)
    head = Exchange(
        sender="Abonent",
        receiver="1С:Предприятие",
        created_on=local.date(),
        created_at=local.time().replace(microsecond=0),
        from_on=order.from_on,
        to_on=order.to_on,
        accounts=tuple(turnover.account for turnover in turnovers),
        turnovers=tuple(turnovers),
    )
    return head, _documents(session, days)


def _days(session: Session, order: ExportOrder, settings: Settings) -> "_Days":
    bank_id = session.scalar(select(Bank.id).where(Bank.code == order.bank))
    if bank_id is None:
        raise not_found("bank_unknown", "There is no bank of this code: GET /v1/banks lists them.")
    return _Days(bank_id, order.from_on, order.to_on, settings)


@dataclass(frozen=True)
class _Totals:
    documents: int
    is_plain: bool
    """Whether Windows-1251 has all letters of what people and banks wrote."""
    turnovers: list[AccountTurnover]


@dataclass(frozen=True)
class _Days:
    bank_id: UUID
    from_on: date
    to_on: date
    settings: Settings

    def received(self) -> Select[Any]:
        """What came in on these days."""
        return self._of(Payment.received_at, literal(False))

    def taken_back(self) -> Select[Any]:
        """What was taken back on these days, whenever it had come."""
        return self._of(Payment.reversed_at, literal(True))

    def _of(self, moment: Any, is_reversal: Any) -> Select[Any]:
        zone = self.settings.zone
        return (
            payment_orders.orders()
            .add_columns(is_reversal.label("is_reversal"), moment.label("moment"))
            .where(
                Payment.bank_id == self.bank_id,
                moment >= starts_at(self.from_on, zone),
                moment < ends_at(self.to_on, zone),
            )
        )


def _check_range(from_on: date, to_on: date) -> None:
    if to_on < from_on:
        raise invalid("range_empty", "The last day comes before the first: swap them.", {"to": "before from"})
    if (to_on - from_on).days >= MAX_DAYS:
        raise invalid("range_too_wide", f"Ask for at most {MAX_DAYS} days at a time.", {"to": "too late"})


def _totals(session: Session, days: _Days) -> _Totals:
    received, paid = defaultdict[str, int](int), defaultdict[str, int](int)
    documents, is_plain = 0, True
    for entries, sums in ((days.received().subquery(), received), (days.taken_back().subquery(), paid)):
        said = func.concat(
            entries.c.payer_name, entries.c.named_account_no, entries.c.bank_name, entries.c.reversal_reason
        )
        rows = session.execute(
            select(
                entries.c.payee_iik,
                func.count().label("documents"),
                func.sum(entries.c.total_minor).label("total_minor"),
                func.bool_or(func.translate(said, WINDOWS_LETTERS, "") != "").label("has_others"),
            ).group_by(entries.c.payee_iik)
        )
        for row in rows:
            sums[row.payee_iik or days.settings.operator_iban] += int(row.total_minor)
            documents += row.documents
            is_plain = is_plain and not row.has_others
    turnovers = [
        AccountTurnover(
            account=account, from_on=days.from_on, to_on=days.to_on, received_minor=received[account],
            paid_minor=paid[account],
        )
        for account in sorted(received.keys() | paid.keys())
    ]  # fmt: skip
    return _Totals(documents, is_plain, turnovers)


def _documents(session: Session, days: _Days) -> Iterator[ExchangeDocument]:
    options = {"stream_results": True, "yield_per": _STREAMED_ROWS}
    for statement in (days.received(), days.taken_back()):
        ordered = statement.order_by("moment", Payment.id)
        for row in session.execute(ordered, execution_options=options):
            yield _document(row, days.settings)


def _document(row: Row[Any], settings: Settings) -> ExchangeDocument:
    payment: Payment = row.Payment
    account = payee_account(row, settings)
    bank = {"bank_name": row.bank_name, "bank_id_no": row.bin or "", "bank_bic": row.bic or ""}
    subscriber = Party(
        name=payment.payer_name or _UNKNOWN_PAYER, id_no=row.payer_iin or "",
        sector_code=settings.payer_sector_code, **bank,
    )  # fmt: skip
    operator = Party(
        name=settings.operator_name, id_no=settings.operator_bin, sector_code=settings.operator_sector_code,
        account=account, **bank,
    )  # fmt: skip
    moved_on = row.moment.astimezone(settings.zone).date()
    common: dict[str, Any] = {
        "form": PAYMENT_ORDER, "amount_minor": int(row.total_minor), "issued_on": moved_on, "operated_on": moved_on,
        "purpose_code": settings.payment_purpose_code,
    }  # fmt: skip
    if row.is_reversal:
        return ExchangeDocument(
            **common, number=f"{receipt(payment.receipt_no)}-R", debited=account, payer=operator, payee=subscriber,
            purpose=f"Отмена: {purpose(row, settings)}. {payment.reversal_reason or ''}", valued_on=moved_on,
        )  # fmt: skip
    return ExchangeDocument(
        **common, number=receipt(payment.receipt_no), credited=account, payer=subscriber, payee=operator,
        purpose=purpose(row, settings), valued_on=value_on(payment, settings),
    )  # fmt: skip
