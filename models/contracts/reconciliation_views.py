"""Banks' days as accounting reads them."""

from datetime import date, datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from models.contracts.money import Money
from models.contracts.processes import ProcessStatus
from models.contracts.reconciliation import (
    DifferenceKind,
    DifferenceStatus,
    Proposal,
    ReconciliationTerms,
    RegistryProblemView,
    RegistryState,
)


class TermsView(BaseModel):
    """What is agreed with a bank now, and since when."""

    bank: str
    version: int
    terms: ReconciliationTerms
    created_by: str
    created_at: datetime


class NewReconciliation(BaseModel):
    """A day that somebody wants reconciled now."""

    model_config = ConfigDict(extra="forbid")
    bank: str = Field(min_length=1, max_length=60, examples=["demo-bank"])
    date: date


class RegistryView(BaseModel):
    """One version of a day's registry."""

    id: UUID
    version: int
    state: RegistryState
    in_force: bool
    lines: int
    total: Money
    problems: list[RegistryProblemView]
    received_at: datetime
    received_from: str
    decided_at: datetime | None
    decided_by: str | None
    decision_reason: str | None


class SettlementView(BaseModel):
    """Money that the bank has passed on for the day."""

    id: UUID
    received_on: date
    amount: Money
    """Of the whole transfer, which may be for several days."""
    net: Money
    """What of it is for this day."""
    fee: Money
    line_ids: list[UUID]
    reference: str | None
    reason: str | None
    settled_at: datetime
    settled_by: str


class ReconciliationView(BaseModel):
    """A bank's day: registry, books, and the money in between."""

    id: UUID
    bank: str
    date: date
    process_id: UUID
    status: ProcessStatus
    stage: str
    registry_version: int | None
    lines: int
    gross: Money
    """What the registry in force adds up to."""
    posted: Money
    """What the books have for the day, as of the newest comparison."""
    fee: Money | None
    """By the rule that was agreed; none where only the statement tells it."""
    received: Money
    """What the bank has passed on."""
    fee_kept: Money
    in_transit: Money
    """What is posted and has neither come in nor been kept."""
    differences: dict[DifferenceStatus, int]
    compared_at: datetime | None
    ready_at: datetime | None
    settled_at: datetime | None


class ReconciliationDetail(ReconciliationView):
    """The same with its registries and settlements; lines and differences have lists of their own."""

    registries: list[RegistryView]
    settlements: list[SettlementView]


class DifferenceView(BaseModel):
    """A transaction in which registry and books differ, or did."""

    id: UUID
    txn_id: str
    kind: DifferenceKind
    proposal: Proposal
    status: DifferenceStatus
    registry: Money | None
    posted: Money | None
    standing: Money
    """What is posted of it on all days and not reversed."""
    subscriber: str | None
    """As the registry names who was paid for."""
    account_no: str | None
    payment_id: UUID | None
    other_date: date | None
    refusal: str | None
    found_at: datetime
    closed_at: datetime | None
    closed_by: str | None
    reason: str | None


class RegistryRowView(BaseModel):
    """A line of the registry in force."""

    line: int
    txn_id: str
    date: date
    paid_at: datetime | None
    subscriber: str
    amount: Money
    """Negative: a refund."""


class TransitDay(BaseModel):
    """Money in transit of one day of one bank; no bank: postings by hand that belong to none."""

    bank: str | None
    date: date | None
    taken: Money
    reversed: Money
    received: Money
    fee: Money
    balance: Money
    """taken − reversed − received − fee."""


class MoneyInTransit(BaseModel):
    """The balance of 1020 at the end of a day, explained."""

    as_of: date
    total: Money
    items: list[TransitDay]


class UnsettledDay(BaseModel):
    """A bank's day that is not settled, or has money in transit all the same."""

    bank: str
    date: date
    days_since: int
    in_transit: Money
    reconciliation_id: UUID | None
    process_id: UUID | None
    status: ProcessStatus | None
    stage: str | None
    has_registry: bool
    open_differences: int
    expected: Money | None
    """What the bank has yet to pass on, where the fee is agreed and registry and books agree."""


class UnsettledDays(BaseModel):
    """All such days, the oldest first."""

    as_of: date
    items: list[UnsettledDay]
