"""Statements of the operator's bank accounts, as accounting brings them in and reads them."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel

from models.contracts.money import Money
from models.contracts.reconciliation import RegistryProblemView


class SettledByStatement(BaseModel):
    """Days of a bank for which its transfer was found."""

    bank: str
    days: list[date]
    amount: Money


class BankStatementView(BaseModel):
    """A file that was brought in."""

    id: UUID
    accounts: list[str]
    from_on: date | None
    to_on: date | None
    documents: int
    new_lines: int
    """The others stood in earlier statements."""
    problems: list[RegistryProblemView]
    received_at: datetime


class BankStatementAnswer(BankStatementView):
    """What whoever brings a statement in is told."""

    settled: list[SettledByStatement]


class BankStatementLineView(BaseModel):
    """One movement of money on an account of the operator."""

    id: UUID
    statement_id: UUID
    account: str
    is_incoming: bool
    number: str
    booked_on: date
    amount: Money
    party_name: str
    party_id_no: str
    party_account: str
    purpose: str
    settled: list[date]
    """The days of payments that it paid for."""
