"""Payment orders: what accounting needs to know of each payment that came in, all of it."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel

from models.contracts.bank import PaymentStatus
from models.contracts.money import Money
from models.contracts.payments import PaymentSource


class OrderParty(BaseModel):
    """Who pays or is paid."""

    name: str | None
    """None for a payer whom nobody knows yet."""
    id_no: str | None
    """ИИН of a person, БИН of an organisation."""
    sector_code: str
    """КБе."""
    account: str | None
    """ИИК; banks don't say which one a payer pays from."""


class OrderBank(BaseModel):
    """The bank that took the payment in: payer and operator both have their accounts with it."""

    code: str
    name: str
    bic: str | None
    bin: str | None


class OrderCredit(BaseModel):
    """What of the sum went to which account of the chart when the payment came."""

    account: str
    amount: Money


class PaymentOrderView(BaseModel):
    """An incoming payment order («платёжное поручение входящее»), as of the day on which its payment came."""

    id: UUID
    """Of the payment; of its first part where it is for several accounts."""
    number: str
    posted_on: date
    """Its date: the day on which it was posted, in the operator's zone."""
    paid_at: datetime
    value_on: date
    """The bank's accounting date; the day on which it was paid, where the bank names no other."""
    bank: OrderBank
    bank_reference: str
    """The bank's own id of the transaction."""
    source: PaymentSource
    payer: OrderParty
    payee: OrderParty
    purpose: str
    purpose_code: str
    """КНП."""
    amount: Money
    debit: str
    credits: list[OrderCredit]
    account_nos: list[str]
    """The personal accounts that it is for; none while it is in suspense."""
    status: PaymentStatus
    reversed_on: date | None
    reversal_reason: str | None


class ExportCharset(StrEnum):
    """How the letters of a file are written."""

    AUTO = "auto"
    """Windows-1251 where it has all letters of the file, otherwise UTF-8."""
    WINDOWS = "windows"
    """Windows-1251; letters that it lacks are replaced by the nearest Russian ones."""
    UTF8 = "utf8"
    """UTF-8 with a byte-order mark."""
