"""The monthly billing run: what is asked for, how far it has come, whom it could not bill; and proration previews."""

from datetime import date, datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from models.contracts.billing import BillingProblem
from models.contracts.catalogue import VatMode
from models.contracts.money import MAX_AMOUNT_MINOR, Money, PositiveMoney
from models.contracts.processes import ProcessStatus
from models.contracts.refusals import invalid

Period = Annotated[
    str, StringConstraints(pattern=r"^20[0-9]{2}-(0[1-9]|1[0-2])$"), Field(examples=["2026-11"], title="Month")
]
"""A month as people write it: 2026-11."""


def first_day_of(period: str) -> date:
    """The first day of a month written as `2026-11`.

    Raises:
        Refusal: the text is no month.
    """
    try:
        month = date.fromisoformat(f"{period}-01")
    except ValueError:
        month = None
    if month is None or f"{month:%Y-%m}" != period:
        raise invalid("period_invalid", "Write the period as year and month, such as 2026-11.")
    return month


def period_of(period_on: date) -> str:
    """The month of a day, as people write it."""
    return f"{period_on:%Y-%m}"


class BillingPolicy(BaseModel):
    """How the operator bills. A run pins the version that it started with."""

    model_config = ConfigDict(extra="forbid")
    due_after: timedelta = timedelta(days=10)
    """From the day of issue to the day by which an invoice is to be paid; whole days count."""
    charge_suspended: bool = False
    """Whether days on which we switched the service off for a debt are charged."""
    charge_frozen: bool = False
    """Whether days on which the subscriber had the service frozen are charged."""
    send_notices: bool = True
    """Whether an SMS tells each subscriber the sum of their invoice."""
    credit_note_limit_minor: int = Field(default=5_000_000, ge=0, le=MAX_AMOUNT_MINOR)
    """Up to which sum in tiyn accounting credits alone; above it the head of the department does."""
    equipment_life_months: int = Field(default=36, ge=1, le=240)
    """Within how many months of use a piece of equipment loses its value: what a lost one is billed at."""
    equipment_floor_bp: int = Field(default=1000, ge=0, le=10_000)
    """The share of its price that it keeps, in basis points."""

    @model_validator(mode="after")
    def _due_not_before_the_issue(self) -> Self:
        if not timedelta(0) <= self.due_after <= timedelta(days=366):
            raise ValueError("due_after is a duration from nothing to a year")
        return self


class NewBillingRun(BaseModel):
    """A run that somebody asks for."""

    model_config = ConfigDict(extra="forbid")
    period: Period
    dry_run: bool = False
    """The same figures and exceptions, and nothing is posted."""


class BillingRunInput(BaseModel):
    """Input of the workflow `BillingRun`: a process that was opened by the API or by the schedule."""

    process_id: UUID
    period: Period
    dry_run: bool = False
    notified_to: int = 0
    """Where a run goes on in a new history: up to which account its notices are queued."""


class RunOrder(BaseModel):
    """What a run is opened with; the process exists already, and its id is the run's."""

    run_id: UUID
    period_on: date
    dry_run: bool
    at: datetime
    """The process's own time: its local date is the day of issue."""


class OpenedRun(BaseModel):
    """A run with its partitions, each named by its first account number."""

    run_id: UUID
    period_on: date
    issued_on: date
    due_on: date
    accounts_total: int
    partitions: list[int]


class PartitionOrder(BaseModel):
    """One partition to be billed in one transaction."""

    run_id: UUID
    first_number: int
    at: datetime


class PartitionFigures(BaseModel):
    """What came of a partition: invoices + exceptions + nothing_due + credited = accounts."""

    first_number: int
    accounts: int
    invoices: int
    invoiced_minor: int
    exceptions: int
    nothing_due: int
    credited: int = 0
    """Accounts that got more back than they were charged. Histories from before there were such have none."""
    credited_minor: int = 0


class BilledAccount(BaseModel):
    """What came of it: the invoice, or none where nothing is due any more, or something was given back."""

    account_id: UUID
    invoice_id: UUID | None


class RunProgress(BaseModel):
    """How far a run has come. Names are the contract's; subscribers are counted by their accounts."""

    subscribers_total: int
    subscribers_done: int
    invoices_issued: int
    """In a dry run: that would be issued."""
    invoiced: Money
    exceptions: int
    nothing_due: int
    subscribers_credited: int = 0
    """Got more back than they were charged, by credit notes."""
    credited: Money = Money(amount_minor=0)


class RunResult(RunProgress):
    """What the workflow ends with."""

    run_id: UUID
    period: Period
    dry_run: bool
    status: ProcessStatus


class BillingRunView(RunProgress):
    """A run and how far it has come: the figures stand beside the run's facts, and once more under `progress`."""

    id: UUID
    period: Period
    dry_run: bool
    status: ProcessStatus
    stage: str
    issued_on: date | None
    due_on: date | None
    opened_at: datetime
    closed_at: datetime | None
    progress: RunProgress


class ExceptionView(BaseModel):
    """An account that a run could not bill, and what to do about it."""

    id: UUID
    account_id: UUID
    account_no: str
    subscription_id: UUID | None
    reason: BillingProblem
    detail: str
    """A sentence for accounting."""
    found_at: datetime


class PreviewDiscount(BaseModel):
    """A discount to be tried out; several apply in their order, each to what the earlier ones left."""

    model_config = ConfigDict(extra="forbid")
    title: str = Field(min_length=1, max_length=200)
    percent_bp: int | None = Field(default=None, ge=1, le=10_000)
    """Basis points: 1000 is 10 %."""
    amount: PositiveMoney | None = None
    """Or a sum a month."""
    active: tuple[date, date | None] | None = Field(default=None, examples=[["2026-11-01", "2026-11-15"]])
    """[from, to): always, unless said."""

    @model_validator(mode="after")
    def _is_one_discount(self) -> Self:
        if (self.percent_bp is None) == (self.amount is None):
            raise ValueError("give either percent_bp or amount")
        _check_half_open(self.active)
        return self


class PreviewTariffChange(BaseModel):
    """From one tariff to another: the day is the first one on the new tariff."""

    model_config = ConfigDict(extra="forbid")
    from_tariff: str = Field(min_length=1, max_length=40, examples=["home-100"])
    to_tariff: str = Field(min_length=1, max_length=40, examples=["home-500"])
    on: date


class ProrationPreviewRequest(BaseModel):
    """What a part of a month costs: a fee over the days of service, or a change between two tariffs."""

    model_config = ConfigDict(extra="forbid")
    period: Period
    fee: PositiveMoney | None = None
    """A monthly fee; either this or `tariff_change`."""
    vat_mode: VatMode = VatMode.INCLUDED
    """Of `fee`; a tariff has its own."""
    tariff_change: PreviewTariffChange | None = None
    active: tuple[date, date | None] | None = Field(default=None, examples=[["2026-11-14", None]])
    """[from, to): the days of service; the whole month, unless said."""
    discounts: list[PreviewDiscount] = Field(default=[], max_length=20)

    @model_validator(mode="after")
    def _asks_one_thing(self) -> Self:
        if (self.fee is None) == (self.tariff_change is None):
            raise ValueError("give either fee or tariff_change")
        _check_half_open(self.active)
        return self


class ProrationPreviewLine(BaseModel):
    """A line as an invoice would hold it."""

    description: str
    formula: str
    vat_rate_percent: float
    net: Money
    vat: Money
    total: Money


class ProrationPreview(BaseModel):
    """The lines of a month and their sum."""

    period: Period
    lines: list[ProrationPreviewLine]
    net: Money
    vat: Money
    total: Money


def _check_half_open(active: tuple[date, date | None] | None) -> None:
    if active is not None and active[1] is not None and active[1] <= active[0]:
        raise ValueError("the days are [from, to): to must come after from")
