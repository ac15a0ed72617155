"""How the operator and a bank agree on a day: the bank's registry, its fee, and the money that it passes on."""

from datetime import date, time
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from models.contracts.money import MAX_AMOUNT_MINOR, Money
from models.contracts.texts import Storable
from models.rules.money import BASIS_POINTS, Rounding


class Encoding(StrEnum):
    """How a registry's letters are written; `auto` is UTF-8, or windows-1251 where it isn't that."""

    AUTO = "auto"
    UTF_8 = "utf-8"
    WINDOWS_1251 = "windows-1251"
    CP_866 = "cp866"


class Delimiter(StrEnum):
    """What separates the columns of a CSV file."""

    SEMICOLON = ";"
    COMMA = ","
    TAB = "\t"
    BAR = "|"


class DateFormat(StrEnum):
    """How a file writes dates; a time may follow in the same column."""

    DOTS = "DD.MM.YYYY"
    SLASHES = "DD/MM/YYYY"
    ISO = "YYYY-MM-DD"
    DIGITS = "YYYYMMDD"


class SumUnit(StrEnum):
    """What a number in the column of sums counts."""

    TENGE = "tenge"
    TIYN = "tiyn"


ColumnName = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Column = Annotated[int, Field(ge=1, le=200)] | ColumnName
"""The name of a column in the header line, or its place, counted from 1."""
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60)]


class CsvTotal(Storable):
    """The line that adds a CSV registry up, and where its figures stand."""

    model_config = ConfigDict(extra="forbid")
    word: Word = "Итого"
    """What its first filled cell begins with."""
    count: Column | None = None
    amount: Column | None = None
    """None: in the column of the sums."""


class CsvMapping(Storable):
    """Where the facts of a payment stand in a bank's CSV registry."""

    model_config = ConfigDict(extra="forbid")
    delimiter: Delimiter = Delimiter.SEMICOLON
    encoding: Encoding = Encoding.AUTO
    lines_before_header: Annotated[int, Field(ge=0, le=100)] = 0
    has_header: bool = True
    txn_id: Column
    paid_on: Column
    paid_at: Column | None = None
    """The time of day; none where there is none, or where it stands behind the date."""
    date_format: DateFormat = DateFormat.DOTS
    subscriber: Column
    amount: Column
    decimal_comma: bool = False
    unit: SumUnit = SumUnit.TENGE
    kind: Column | None = None
    """The column of words that say what a line is; without it every line is a payment, or a refund where its sum is
    negative."""
    refund_words: list[Word] = Field(default=[], max_length=20)
    ignored_words: list[Word] = Field(default=[], max_length=20)
    """Lines of these kinds, such as payments that failed, are passed over."""
    total: CsvTotal | None = None
    """None: the files have no such line, and nothing tells whether one is complete."""

    @model_validator(mode="after")
    def _names_need_a_header(self) -> Self:
        columns = [self.txn_id, self.paid_on, self.paid_at, self.subscriber, self.amount, self.kind]
        columns += [] if self.total is None else [self.total.count, self.total.amount]
        if not self.has_header and any(isinstance(column, str) for column in columns):
            raise ValueError("a file without a header has no names: give the places of the columns, counted from 1")
        if self.kind is None and (self.refund_words or self.ignored_words):
            raise ValueError("name the column `kind` in which these words stand")
        return self


class FeeKind(StrEnum):
    """What a bank keeps for itself."""

    NOTHING = "nothing"
    RULE = "rule"
    """What was agreed: a percentage, a fixed sum, or both."""
    AS_STATEMENT = "as_statement"
    """Whatever is missing in the line of the statement, up to a limit."""


class FeeBasis(StrEnum):
    """What a fee is reckoned on, and rounded for."""

    REGISTRY = "registry"
    PAYMENT = "payment"


class FeeRule(BaseModel):
    """What a bank keeps of the payments of a day before it passes the rest on."""

    model_config = ConfigDict(extra="forbid")
    kind: FeeKind = FeeKind.NOTHING
    percent_bp: Annotated[int, Field(ge=0, le=BASIS_POINTS)] = 0
    """In basis points: 95 is 0.95 %. Of the sum with refunds taken off."""
    fixed_minor: Annotated[int, Field(ge=0, le=MAX_AMOUNT_MINOR)] = 0
    """In tiyn, for each payment or for the day; refunds cost and return nothing of it."""
    basis: FeeBasis = FeeBasis.REGISTRY
    rounding: Rounding = Rounding.HALF_UP
    """To a whole tiyn."""
    tolerance_minor: Annotated[int, Field(ge=0, le=10_000)] = 0
    """By how many tiyn a bank may reckon otherwise for the whole transfer; the fee is then what the bank says."""
    at_most_bp: Annotated[int, Field(ge=0, le=BASIS_POINTS)] = 300
    """For `as_statement`: a larger part of the sum in basis points is no fee, but another transfer."""

    @model_validator(mode="after")
    def _rule_says_something(self) -> Self:
        if self.kind is FeeKind.RULE and not self.percent_bp and not self.fixed_minor:
            raise ValueError("a fee by rule needs percent_bp or fixed_minor")
        if self.kind is not FeeKind.RULE and (self.percent_bp or self.fixed_minor):
            raise ValueError("percent_bp and fixed_minor belong to the kind `rule`")
        return self


def _without_spaces(value: object) -> object:
    return value.replace(" ", "").upper() if isinstance(value, str) else value


Iban = Annotated[str, BeforeValidator(_without_spaces), StringConstraints(pattern=r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}$")]
Bin = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]


class SettlementTerms(Storable):
    """How the bank's transfer is recognised on a statement of the operator's account."""

    model_config = ConfigDict(extra="forbid")
    own_accounts: list[Iban] = Field(default=[], max_length=20)
    """The operator's accounts that it comes to; none: any."""
    payer_accounts: list[Iban] = Field(default=[], max_length=20)
    payer_bins: list[Bin] = Field(default=[], max_length=20)
    purpose_contains: list[Word] = Field(default=[], max_length=20)
    """One of these stands in the purpose, in capitals or not; none: any purpose."""
    within_days: Annotated[int, Field(ge=0, le=60)] = 5
    """By how many days after the payments it comes at the latest, holidays included."""

    @property
    def is_recognisable(self) -> bool:
        """Whether a line of a statement can be known to be this bank's."""
        return bool(self.payer_accounts or self.payer_bins or self.purpose_contains)


class ReconciliationTerms(Storable):
    """What was agreed with a bank about registries and settlement. Each change is a new version."""

    model_config = ConfigDict(extra="forbid")
    enabled: bool = True
    """Whether each day is opened by itself and its registry is waited for."""
    starts_on: date
    """The first day that is reconciled."""
    registry_expected_at: time = time(10, 0)
    """By when the registry comes on the next day, in the operator's zone."""
    osmp_encoding: Encoding = Encoding.AUTO
    csv: CsvMapping | None = None
    """Without it, only OSMP text is taken."""
    other_dates_within_days: Annotated[int, Field(ge=0, le=7)] = 0
    """How far the dates of lines may be from the registry's day, for a bank whose day does not end at midnight."""
    fee: FeeRule = FeeRule()
    settlement: SettlementTerms = SettlementTerms()

    @model_validator(mode="after")
    def _starts_in_our_time(self) -> Self:
        if not date(2000, 1, 1) <= self.starts_on < date(2100, 1, 1):
            raise ValueError("starts_on is no day of this century")
        return self


class RegistryState(StrEnum):
    """What became of a registry."""

    TAKEN = "taken"
    """It is compared with, unless a later version is."""
    DOUBTFUL = "doubtful"
    """Its lines or its total don't agree: nothing is taken from it until accounting says so."""
    REFUSED = "refused"
    """Accounting wants another file."""


class RegistryProblemView(BaseModel):
    """What is wrong with a line of a registry, or with the whole of it where no line is named."""

    line: int | None
    reason: str


class DifferenceKind(StrEnum):
    """How a bank's registry and our books differ in one transaction."""

    MISSING_HERE = "missing_here"
    """The bank has a payment that we never heard of."""
    UNKNOWN_ACCOUNT = "unknown_account"
    """The same, and nobody has the number that was paid to."""
    EXTRA_HERE = "extra_here"
    """We have posted a payment that the bank does not confirm."""
    OTHER_SUM = "other_sum"
    OTHER_DATE = "other_date"
    """Both have it, on different days."""
    OTHER_REVERSAL_DATE = "other_reversal_date"
    """Both have taken it back, on different days."""
    OTHER_ACCOUNT = "other_account"
    """The bank says that it was paid to somebody else."""
    REVERSED_HERE = "reversed_here"
    """We have taken back what the bank confirms."""
    REFUNDED_AT_BANK = "refunded_at_bank"
    """The bank has paid it back, and we have not taken it back."""
    REFUND_UNKNOWN = "refund_unknown"
    """The bank has paid back more than was ever paid here."""
    REVERSAL_UNKNOWN_TO_BANK = "reversal_unknown_to_bank"
    """We have taken it back, and the bank does not say so."""
    IN_TWO_REGISTRIES = "in_two_registries"
    """The bank has confirmed it for another day already."""


class DifferenceStatus(StrEnum):
    """Where a difference stands."""

    OPEN = "open"
    RESOLVED = "resolved"
    """The proposed action was carried out."""
    LEFT = "left"
    """Accounting leaves it as it is, for a reason."""
    VANISHED = "vanished"
    """It went by itself: a late payment came, a new registry, somebody's hand."""


class Proposal(StrEnum):
    """What is proposed to make a difference go."""

    POST = "post"
    REVERSE = "reverse"
    CORRECT = "correct"
    """Reverse, and post anew."""
    ACCEPT_DATE = "accept_date"
    EXPLAIN = "explain"
    """Nothing that a program could do: a person says why it is so."""


class PaymentEvent(StrEnum):
    """What of a payment counts for a bank's day."""

    TAKEN = "taken"
    REVERSED = "reversed"


class ComparisonSummary(BaseModel):
    """What a comparison found."""

    posted: Money
    """What the books have for the day."""
    differences: int
    """Those that are open."""
    by_kind: dict[DifferenceKind, int]


class RegistryAnswer(BaseModel):
    """What whoever sends a registry is told."""

    registry_id: UUID
    bank: str
    date: date
    version: int
    state: RegistryState
    superseded: bool
    """Whether a later version was taken since."""
    rows: int
    total: Money
    """Of the lines that could be read, refunds taken off."""
    problems: list[RegistryProblemView]
    reconciliation_id: UUID
    process_id: UUID | None
    """Whose tasks these are; none where the day was closed with this registry."""
    comparison: ComparisonSummary | None
    """None while nothing is taken from the file."""
