"""What a bank and Abonent say to each other (JSON dialect)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.contracts.money import Money, PositiveMoney
from models.contracts.people import Iin


class PaymentStatus(StrEnum):
    """Where a payment stands."""

    POSTED = "posted"
    SUSPENSE = "suspense"
    REVERSED = "reversed"


AccountNo = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=40)]
TxnId = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class CustomerAccount(BaseModel):
    """One account of a customer and what is due on it."""

    account_no: str
    debt: Money


class CustomerInfo(BaseModel):
    """Answer of GetCustomerInfo."""

    iin: str
    account_no: str
    name_masked: str
    """Enough for the payer to recognise a person, too little to learn one."""
    debt: Money
    accounts: list[CustomerAccount]


def _plausible(instant: datetime) -> datetime:
    if not 2000 <= instant.year < 2100:  # noqa: PLR2004 - centuries, not a rule
        raise ValueError("no payment was made in that year")
    return instant


class PaymentNotice(BaseModel):
    """PostCustomersInfo: a transaction that succeeded at the bank."""

    model_config = ConfigDict(extra="forbid")
    txn_id: TxnId = Field(examples=["20261124000001"])
    iin: Iin | None = None
    account_no: AccountNo | None = None
    amount: PositiveMoney
    paid_at: Annotated[AwareDatetime, AfterValidator(_plausible)]

    @model_validator(mode="after")
    def _names_a_payee(self) -> Self:
        if self.iin is None and self.account_no is None:
            raise ValueError("name the payee by iin or by account_no")
        return self


class PaymentAnswer(BaseModel):
    """What the bank gets, the same for ever."""

    payment_id: UUID
    receipt_no: str
    balance: Money


class PaymentCancellation(BaseModel):
    """Answer to a bank that takes its payment back; the same for ever."""

    payment_id: UUID
    status: PaymentStatus
    reversed_at: datetime


class PaymentView(BaseModel):
    """A payment as staff sees it."""

    id: UUID
    bank: str
    txn_id: str
    account_no: str | None
    amount: Money
    unallocated: Money
    paid_at: datetime
    received_at: datetime
    receipt_no: str
    status: PaymentStatus


class Reversal(BaseModel):
    """Why a payment is taken back."""

    model_config = ConfigDict(extra="forbid")
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=500)]


class AccountChoice(BaseModel):
    """The account that money in suspense belongs to."""

    model_config = ConfigDict(extra="forbid")
    account_no: AccountNo


class PaymentReceived(BaseModel):
    """What a waiting process is told: that there is money, not how much; it asks the ledger itself."""

    payment_id: UUID
