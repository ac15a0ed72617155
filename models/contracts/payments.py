"""What accounting does with payments: gives them to accounts and invoices, and says why."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.contracts.money import Money, PositiveMoney
from models.contracts.texts import Storable
from models.rules.allocation import AllocationRule


class PaymentSource(StrEnum):
    """How a payment came into the books."""

    ONLINE = "online"
    """The bank reported it."""
    REGISTRY = "registry"
    """It stood in the bank's registry and had never been reported."""
    CORRECTION = "correction"
    """Accounting posted it in the place of one that was reported wrong."""
    BALANCE_TRANSFER = "balance_transfer"
    """No money came in: an advance was moved from another account."""


class WantedAllocation(BaseModel):
    """How much of an invoice a payment is to cover."""

    model_config = ConfigDict(extra="forbid")
    invoice_id: UUID
    amount: PositiveMoney


Because = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class NewReallocation(Storable):
    """Which invoices a payment is to cover; the rest of it follows the account's rule."""

    model_config = ConfigDict(extra="forbid")
    allocations: Annotated[list[WantedAllocation], Field(max_length=100)]
    reason: Because

    @model_validator(mode="after")
    def _names_each_invoice_once(self) -> Self:
        if len({one.invoice_id for one in self.allocations}) < len(self.allocations):
            raise ValueError("name each invoice once")
        return self


class AllocationRow(BaseModel):
    """A step in what a payment covers; a negative amount undoes an earlier one."""

    id: UUID
    invoice_id: UUID
    invoice_number: str
    amount: Money
    reason: str
    allocated_at: datetime
    decided_by: str | None
    """Who; none where the account's rule did."""


class AllocationRuleChange(Storable):
    """Another rule by which payments of an account cover its invoices, from now on."""

    model_config = ConfigDict(extra="forbid")
    allocation_rule: AllocationRule
    reason: Because


class AccountChangeView(BaseModel):
    """Who changed what of an account, and why."""

    changed: dict[str, list[str]]
    """By field: the value before and the value after."""
    reason: str
    changed_by: str
    changed_at: datetime


class AccountView(BaseModel):
    """A personal account and how its payments are allocated."""

    account_no: str
    subscriber_id: UUID
    allocation_rule: AllocationRule
    changes: list[AccountChangeView]
    """Newest first."""
