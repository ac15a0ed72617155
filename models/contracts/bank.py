"""What a bank and Abonent say to each other (JSON dialect)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.contracts.money import Money, PositiveMoney
from models.contracts.payments import AllocationRow, PaymentSource
from models.contracts.people import Iin
from models.contracts.refusals import Refusal, RefusalKind


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


class TxnReused(Refusal):
    """A bank reported a transaction id again with another meaning; what was taken for it stays as it is."""

    def __init__(self, payment_id: UUID, notice: PaymentNotice, *, taken_sha256: bytes, asked_sha256: bytes) -> None:
        super().__init__(
            RefusalKind.CONFLICT,
            "txn_reused",
            "This txn_id stands for another payment already: send a new payment with a txn_id of its own.",
        )
        self.payment_id = payment_id
        self.notice = notice
        self.taken_sha256 = taken_sha256
        self.asked_sha256 = asked_sha256


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
    part: int
    """A payment by IIN of somebody with several accounts has a part for each account that got something."""
    source: PaymentSource
    account_no: str | None
    named_iin: str | None
    named_account_no: str | None
    """The payee as the bank named it."""
    amount: Money
    unallocated: Money
    paid_at: datetime
    received_at: datetime
    receipt_no: str
    status: PaymentStatus


class PaymentDetail(PaymentView):
    """A payment with everything that became of it."""

    refunded: Money
    reversed_at: datetime | None
    reversed_by: str | None
    reversal_reason: str | None
    other_parts: list[UUID]
    """The other payments of the bank's transaction."""
    allocations: list[AllocationRow]
    """Oldest first; what it covers is their sum, invoice by invoice."""


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
