"""What accounting reads: statements, aged receivables, trial balances. Ranges of dates are half-open."""

from datetime import date
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from models.contracts.money import Money


class ReportFormat(StrEnum):
    """How a report is answered."""

    JSON = "json"
    CSV = "csv"


class StatementEntryKind(StrEnum):
    """What changed a subscriber's balance."""

    INVOICE = "invoice"
    PAYMENT = "payment"
    CREDIT_NOTE = "credit_note"
    REVERSAL = "reversal"
    """A payment that was taken back."""
    REFUND = "refund"
    WRITE_OFF = "write_off"
    """A debt that nobody will pay any more, or that is owed again."""
    BALANCE_TRANSFER = "balance_transfer"
    """An advance that went to another account of the subscriber; there it is a payment."""
    OTHER = "other"


class StatementEntry(BaseModel):
    """A document and what it did to the balance: `debit` is owed more, `credit` is owed less."""

    on: date
    kind: StatementEntryKind
    document_id: UUID
    number: str | None
    reason: str
    debit: Money
    credit: Money
    balance: Money
    """After it; positive is the subscriber's, negative is owed."""


class Statement(BaseModel):
    """A subscriber's account over a range of dates: opening − debits + credits = closing."""

    model_config = ConfigDict(populate_by_name=True)
    subscriber_id: UUID
    account_no: str
    from_on: date = Field(alias="from")
    until_on: date = Field(alias="until")
    """The first day that is not in it."""
    opening: Money
    debit: Money
    credit: Money
    closing: Money
    items: list[StatementEntry]


class AgedSums(BaseModel):
    """What is owed, by the days since it was due."""

    current: Money
    """Not due yet, or due on the day itself."""
    days_1_30: Money
    days_31_60: Money
    days_61_90: Money
    days_over_90: Money
    total: Money


class AgedAccount(AgedSums):
    """What one account owes."""

    account_id: UUID
    account_no: str
    full_name: str


class AgedReceivables(BaseModel):
    """Who owes what at the end of a day."""

    as_of: date
    total: AgedSums | None
    """Of all accounts; only on the first page."""
    items: list[AgedAccount]
    next_cursor: str | None


class TrialBalanceLine(BaseModel):
    """One account of the chart; balances are debits minus credits."""

    code: str
    title: str
    opening: Money
    debit: Money
    credit: Money
    closing: Money


class TrialBalance(BaseModel):
    """Opening balances, turnovers and closing balances: debits equal credits, and balances add up to nothing."""

    model_config = ConfigDict(populate_by_name=True)
    from_on: date = Field(alias="from")
    until_on: date = Field(alias="until")
    """The first day that is not in it."""
    items: list[TrialBalanceLine]
    debit: Money
    credit: Money
