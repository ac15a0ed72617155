"""The ledger, as it is spoken of outside."""

from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel

from models.contracts.money import Money


class ChartKind(StrEnum):
    """The nature of an account of the chart of accounts."""

    ASSET = "asset"
    LIABILITY = "liability"
    INCOME = "income"
    EXPENSE = "expense"


class Chart(StrEnum):
    """Accounts of the chart that the program posts to (typical chart of accounts of Kazakhstan)."""

    CASH = "1010"
    IN_TRANSIT = "1020"
    BANK = "1030"
    RECEIVABLES = "1210"
    VAT_PAYABLE = "3130"
    ADVANCES = "3510"
    SUSPENSE = "3390"
    REVENUE = "6010"
    RETURNS = "6020"
    BANK_FEES = "7210"
    BAD_DEBT = "7440"


class TransferView(BaseModel):
    """One transfer that touched a subscriber's account."""

    id: UUID
    posted_at: datetime
    effective_on: date
    debit: str
    credit: str
    amount: Money
    document_kind: str
    document_id: UUID
    reason: str
    reverses_id: UUID | None
    balance: Money
    """The subscriber's balance after it; positive is theirs, negative is owed."""
