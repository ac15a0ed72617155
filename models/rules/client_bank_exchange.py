"""Files of the format 1CClientBankExchange: what they say, in whichever dialect they say it.

The format is described by 1C («Стандарт обмена с системами Клиент банка»); Kazakhstan's banks use its keys of version
2.00 (НомерДокумента, ПлательщикБИН_ИИН, ПлательщикИИК, …). Reading is in `client_bank_reading`, writing in
`client_bank_writing`.
"""

from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum

FIRST_LINE = "1CClientBankExchange"
PAYMENT_ORDER = "ПлатежноеПоручение"


class ExchangeError(ValueError):
    """The bytes are no file of this format at all; the text is a sentence for a person."""


class ProblemKind(StrEnum):
    """What may be wrong with a file that can be read."""

    NO_END = "no_end"
    UNCLOSED = "unclosed"
    BAD_SUM = "bad_sum"
    BAD_DATE = "bad_date"
    NO_SUM = "no_sum"
    NO_DIRECTION = "no_direction"
    RECEIVED_DIFFERS = "received_differs"
    PAID_DIFFERS = "paid_differs"
    CLOSING_DIFFERS = "closing_differs"
    DAMAGED_TEXT = "damaged_text"
    TOO_LONG = "too_long"


@dataclass(frozen=True)
class Problem:
    """Something that a person has to know before they believe the file; it names nobody."""

    kind: ProblemKind
    text: str
    line: int | None = None


@dataclass(frozen=True, kw_only=True)
class Party:
    """Who pays or is paid, and at which bank; what the file doesn't say is empty."""

    name: str = ""
    id_no: str = ""
    """IIN of a person, BIN of an organisation."""
    sector_code: str = ""
    """КБе: resident or not, and the sector of the economy."""
    account: str = ""
    """ИИК (IBAN)."""
    bank_name: str = ""
    bank_id_no: str = ""
    bank_bic: str = ""


@dataclass(frozen=True, kw_only=True)
class ExchangeDocument:
    """One movement of money. Sums are tiyn, always more than nothing."""

    form: str = PAYMENT_ORDER
    """The word of its section: «ПлатежноеПоручение», «выписка»."""
    kind: str = PAYMENT_ORDER
    """What it is where the form doesn't say: ВидДокумента."""
    number: str = ""
    issued_on: date | None = None
    operated_on: date | None = None
    valued_on: date | None = None
    amount_minor: int
    credited: str = ""
    """Which of the file's accounts got the money; none of them when it is empty."""
    debited: str = ""
    """Which of the file's accounts paid."""
    payer: Party = field(default_factory=Party)
    payee: Party = field(default_factory=Party)
    purpose: str = ""
    purpose_code: str = ""
    """КНП."""
    currency: str = "KZT"

    @property
    def booked_on(self) -> date | None:
        """The day on which the bank moved the money, as far as the file says."""
        return self.operated_on or self.valued_on or self.issued_on


@dataclass(frozen=True, kw_only=True)
class AccountTurnover:
    """What the bank says of one account over a range of days, both included, in tiyn."""

    account: str
    from_on: date | None = None
    to_on: date | None = None
    opening_minor: int | None = None
    received_minor: int | None = None
    paid_minor: int | None = None
    closing_minor: int | None = None


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A whole file."""

    sender: str = ""
    receiver: str = ""
    created_on: date | None = None
    created_at: time | None = None
    """In the sender's zone, which the format doesn't name."""
    from_on: date | None = None
    to_on: date | None = None
    accounts: tuple[str, ...] = ()
    turnovers: tuple[AccountTurnover, ...] = ()
    documents: tuple[ExchangeDocument, ...] = ()
    problems: tuple[Problem, ...] = ()
