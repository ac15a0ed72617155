"""Banks that ask debts and report payments: how each is known, and how its dialect is worded for it."""

import re
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator
from stdnum import iban

from models.contracts.money import Money, PositiveMoney
from models.contracts.texts import Storable
from models.rules.iin import checked_iin


class Credential(StrEnum):
    """How a bank proves who it is. Whichever it is, it must call from one of its networks as well."""

    PASSWORD = "password"  # noqa: S105 - the word, not one
    """HTTP Basic."""
    SECRET = "secret"  # noqa: S105 - the word, not one
    """A secret in the header `X-Bank-Secret` or in the query: for callers that know no HTTP Basic."""
    ADDRESS = "address"
    """Its networks alone: for callers that can send nothing else. Choose narrow ones."""


class PayeeNumber(StrEnum):
    """What a bank's payers type in."""

    ACCOUNT = "account"
    IIN = "iin"
    EITHER = "either"
    """Twelve digits with the check digit of an IIN are one; all else is an account number."""


class ShownValue(StrEnum):
    """What a payer may be shown before paying. An address or a phone is not among it: anybody may type any number."""

    NAME = "name"
    """Masked: enough to recognise a person, too little to learn one."""
    ACCOUNT_NO = "account_no"
    DEBT = "debt"


_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff\ud800-\udfff]")


def _printable(text: str) -> str:
    if _CONTROLS.search(text):
        raise ValueError("remove control characters")
    return text


Title = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60), AfterValidator(_printable)
]


class ShownField(BaseModel):
    """One line that the bank's app or terminal shows to the payer."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    title: Title
    value: ShownValue


def _network(text: str) -> str:
    """Normalised: 198.51.100.7/24 is 198.51.100.0/24."""
    try:
        return str(ip_network(text.strip(), strict=False))
    except ValueError as wrong:
        raise ValueError("write a network as 203.0.113.0/24 or 2001:db8::/48, or one address") from wrong


Network = Annotated[str, StringConstraints(max_length=50), AfterValidator(_network)]
_WIDEST = {4: 16, 6: 32}
"""The shortest prefixes by which alone a bank may be known: wider ones hold strangers."""

Bic = Annotated[str, StringConstraints(pattern=r"^[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?$")]


def _bin(text: str) -> str:
    """A BIN has the check digit of an IIN (order №423)."""
    try:
        return checked_iin(text)
    except ValueError as wrong:
        raise ValueError("a BIN has twelve digits, of which the last one checks the others") from wrong


_IIK = re.compile(r"KZ[0-9]{5}[A-Z0-9]{13}")


def _iik(text: str) -> str:
    if not _IIK.fullmatch(text) or not iban.is_valid(text):
        raise ValueError("an IIK is KZ, two check digits and sixteen more characters, without spaces")
    return text


ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,31}$")]
_TAKEN_PARAMETERS = frozenset({"command", "txn_id", "txn_date", "sum", "prv_txn", "ccy", "secret"})
_TAKEN_FIELDS = frozenset({"txn_id", "osmp_txn_id", "result", "sum", "comment", "fields"})


class BankSettings(BaseModel):
    """What is agreed with a bank. All of it may change later."""

    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
    dialects: Annotated[list[str], Field(min_length=1, max_length=10)] = Field(default=["json_v1"])
    """Which of the dialects under /bank/ it may speak."""
    credential: Credential = Credential.PASSWORD
    allowed_networks: Annotated[list[Network], Field(min_length=1, max_length=50)]
    """Where it calls from. Behind a reverse proxy the last hop counts that isn't a trusted proxy."""
    payee_number: PayeeNumber = PayeeNumber.EITHER
    payee_parameter: ParameterName | None = None
    """The request parameter with the payee's number; without one, `account`, or `iin` in its place."""
    receipt_field: ParameterName | None = None
    """The field of the answer with our receipt number; without one, what its dialect calls it."""
    shown_fields: Annotated[list[ShownField], Field(max_length=10)] | None = None
    """What the payer is shown; without it, what its dialect usually shows."""
    smallest: PositiveMoney | None = None
    biggest: PositiveMoney | None = None
    """Sums outside are refused where the dialect still allows that."""
    takes_advances: bool = True
    """Whether somebody who owes nothing may pay."""
    bic: Bic | None = None
    bin: Annotated[str, AfterValidator(_bin)] | None = None
    iik: Annotated[str, AfterValidator(_iik)] | None = None
    """The operator's account with this bank: what payment orders name."""
    active: bool = True

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if len(set(self.dialects)) < len(self.dialects):
            raise ValueError("name each dialect once")
        if self.smallest and self.biggest and self.smallest.amount_minor > self.biggest.amount_minor:
            raise ValueError("the smallest sum is bigger than the biggest")
        if self.payee_parameter in _TAKEN_PARAMETERS:
            raise ValueError(f"the parameter {self.payee_parameter} means something else in every dialect")
        if self.receipt_field in _TAKEN_FIELDS:
            raise ValueError(f"the field {self.receipt_field} means something else in every dialect")
        if self.credential is Credential.ADDRESS:
            for network in map(ip_network, self.allowed_networks):
                _check_narrow(network)
        return self


def _check_narrow(network: IPv4Network | IPv6Network) -> None:
    if network.prefixlen < _WIDEST[network.version]:
        raise ValueError(f"{network} is too wide to know a bank by: give it a password or a secret, or narrow it")


class NewBank(Storable, BankSettings):
    """A bank to be added."""

    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{1,39}$")] = Field(examples=["kaspi"])
    """Its name in logs and lists, and its user for HTTP Basic; it never changes."""


class BankChange(Storable):
    """What may change about a bank; what is not named stays, and null takes back what is optional."""

    model_config = ConfigDict(extra="forbid")
    name: str | None = None
    dialects: list[str] | None = None
    credential: Credential | None = None
    allowed_networks: list[str] | None = None
    payee_number: PayeeNumber | None = None
    payee_parameter: str | None = None
    receipt_field: str | None = None
    shown_fields: list[ShownField] | None = None
    smallest: PositiveMoney | None = None
    biggest: PositiveMoney | None = None
    takes_advances: bool | None = None
    bic: str | None = None
    bin: str | None = None
    iik: str | None = None
    active: bool | None = None


class BankView(BankSettings):
    """A bank and what is agreed with it. Its password or secret is nowhere to be read."""

    id: UUID
    code: str
    user: str


class NewBankSecret(BaseModel):
    """What a bank proves itself with. Shown once: only its digest is kept."""

    code: str
    credential: Credential
    user: str
    secret: str | None
    """The password or the secret; none for a bank that is known by its networks."""


class AskedPayment(BaseModel):
    """What a bank said a transaction is."""

    account_no: str | None
    amount: Money


class PaymentConflictView(BaseModel):
    """A transaction id that stands for one payment, and that the bank used again for another, which was refused."""

    id: UUID
    bank: str
    txn_id: str
    payment_id: UUID
    receipt_no: str
    taken: AskedPayment
    """The payment that the transaction id stands for."""
    asked: AskedPayment
    """What was refused; the account is missing where nobody is known for what the bank named."""
    asked_paid_at: datetime
    times: int
    """How often the bank asked for it."""
    first_at: datetime
    last_at: datetime
