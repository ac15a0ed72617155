"""Reading what a bank asks for by parameters, and holding it against what is agreed with the bank.

Nothing is guessed: a parameter that stands there twice, or is not what its dialect says, is refused by its name.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

from fastapi import Request

from activities.customer_lookup import FoundCustomer, by_account_no, by_iin
from api.bank_access import BankCaller
from models.contracts.bank import PaymentNotice
from models.contracts.banks import PayeeNumber
from models.contracts.money import MAX_AMOUNT_MINOR, PositiveMoney
from models.contracts.refusals import Refusal, conflict, invalid
from models.lookups import Query
from models.rules.iin import checked_iin

_MOST_PARAMETERS = 100
_NUMBER = re.compile(r"[0-9]{1,40}")
_TXN_ID = re.compile(r"[0-9]{1,20}")
_SUM = re.compile(r"([0-9]{1,40})(?:\.([0-9]{1,2}))?")
_DATE = re.compile(r"[0-9]{14}")
_IIN_LENGTH = 12
_PAYEE_PARAMETERS = ("account", "iin")
_CENTURY = range(2000, 2100)


def malformed(parameter: str, detail: str) -> Refusal:
    """The parameter is not what the dialect says it is."""
    return invalid("invalid_input", f"Mend the parameter {parameter}: {detail}.", {parameter: detail})


class Parameters:
    """The parameters of a request. Reading them never fails; asking for one that is unreadable does."""

    def __init__(self, *encoded: bytes | None) -> None:
        """Take URL-encoded texts: the query, and the body of a form; None is a body of another kind."""
        self._values: dict[str, list[str]] = {}
        self._are_readable = True
        try:
            for part in encoded:
                self._add(part)
        except ValueError:
            self._values, self._are_readable = {}, False

    def _add(self, encoded: bytes | None) -> None:
        if encoded is None:
            raise ValueError("not a form")
        pairs = parse_qsl(
            encoded.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_PARAMETERS
        )
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def get(self, name: str) -> str | None:
        """A parameter, or None where it is missing.

        Raises:
            Refusal: it stands there twice, or the request can't be read at all.
        """
        if not self._are_readable:
            raise invalid("invalid_input", "Send URL-encoded parameters in UTF-8, each of them once.")
        values = self._values.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise malformed(name, "send it once")
        return values[0]

    def is_one_of(self, name: str, words: Collection[str]) -> bool:
        """Whether the parameter is there, once, with one of these words."""
        values = self._values.get(name, [])
        return len(values) == 1 and values[0] in words

    @property
    def echoed_txn_id(self) -> str:
        """The bank's transaction id if it is one, for an answer that repeats it; otherwise nothing."""
        values = self._values.get("txn_id", [])
        return values[0] if len(values) == 1 and _TXN_ID.fullmatch(values[0]) else ""


def parameters_of(request: Request) -> Parameters:
    """The parameters that an endpoint has read already, or those of the query."""
    read = getattr(request.state, "parameters", None)
    return read if isinstance(read, Parameters) else Parameters(request.scope["query_string"])


@dataclass(frozen=True, slots=True)
class Payee:
    """Whom a payer typed in: an IIN with a right check digit, or any other number as an account's."""

    number: str
    is_iin: bool

    @property
    def query(self) -> Query:
        """Asks for who that is and what they owe, for `found_customer`."""
        return by_iin(self.number) if self.is_iin else by_account_no(self.number)


def payee_of(asked: Parameters, bank: BankCaller) -> Payee:
    """Whom it is about.

    Raises:
        Refusal: no such parameter, or what it says can be no payee's number.
    """
    name, number = _payee_number(asked, bank.payee_parameter)
    if not _NUMBER.fullmatch(number):
        raise _no_number(name, "an account number is digits alone")
    if bank.payee_number is PayeeNumber.ACCOUNT:
        return Payee(number, is_iin=False)
    if len(number) != _IIN_LENGTH and (bank.payee_number is PayeeNumber.IIN or name == "iin"):
        raise _no_number(name, "an IIN has twelve digits")
    return Payee(number, is_iin=_is_iin(number))


def _payee_number(asked: Parameters, agreed: str | None) -> tuple[str, str]:
    """The parameter that names the payee, and what it says: the agreed one, or whichever is there."""
    names = _PAYEE_PARAMETERS if agreed is None else (agreed,)
    there = [(name, value.strip()) for name in names if (value := asked.get(name)) is not None]
    if not there:
        raise _no_number(names[0], "it is missing")
    if len(there) > 1:
        raise _no_number(names[0], "name the payee by one parameter")
    return there[0]


def _no_number(parameter: str, detail: str) -> Refusal:
    return invalid("account_malformed", f"This is no payee's number: {detail}.", {parameter: detail})


def _is_iin(number: str) -> bool:
    try:
        checked_iin(number)
    except ValueError:
        return False
    return True


def txn_id_of(asked: Parameters) -> str:
    """The bank's transaction id.

    Raises:
        Refusal: it is missing, or not up to 20 digits.
    """
    txn_id = asked.get("txn_id")
    if txn_id is None or not _TXN_ID.fullmatch(txn_id):
        raise malformed("txn_id", "up to 20 digits")
    return txn_id


def sum_of(asked: Parameters) -> int:
    """The sum in tiyn: digits, and after a dot the tiyn. Nothing else that could pass as a number somewhere.

    Raises:
        Refusal: it is missing, or no such number; or beyond what a payment can be.
    """
    written = _SUM.fullmatch(asked.get("sum") or "")
    if written is None:
        raise malformed("sum", "tenge, a dot and two digits of tiyn, such as 1500.00")
    amount_minor = int(written[1]) * 100 + int((written[2] or "0").ljust(2, "0"))
    if amount_minor > MAX_AMOUNT_MINOR:
        raise _too_big()
    return amount_minor


def paid_sum_of(asked: Parameters) -> int:
    """The sum of a payment, in tiyn: as `sum_of`, and more than nothing."""
    amount_minor = sum_of(asked)
    if amount_minor == 0:
        raise _too_small()
    return amount_minor


def check_limits(bank: BankCaller, amount_minor: int) -> None:
    """Hold a sum against what is agreed with the bank.

    Raises:
        Refusal: it is outside of the limits.
    """
    if bank.min_amount_minor is not None and amount_minor < bank.min_amount_minor:
        raise _too_small()
    if bank.max_amount_minor is not None and amount_minor > bank.max_amount_minor:
        raise _too_big()


def _too_small() -> Refusal:
    return invalid("amount_too_small", "The sum is nothing, or smaller than agreed.", {"sum": "too small"})


def _too_big() -> Refusal:
    return invalid("amount_too_big", "The sum is bigger than agreed, or than any payment can be.", {"sum": "too big"})


def check_payable(bank: BankCaller, found: FoundCustomer) -> None:
    """Whether the bank may take money for them.

    Raises:
        Refusal: their services have ended and nothing is owed; or nothing is owed and advances are not agreed.
    """
    if not found.is_active:
        raise conflict("account_inactive", "The services of this account have ended, and nothing is owed.")
    if not bank.takes_advances and found.debt_minor == 0:
        raise conflict("nothing_due", "Nothing is owed, and this bank takes no advances.")


def paid_at_of(asked: Parameters, zone: ZoneInfo, now: datetime) -> tuple[datetime, date]:
    """When it was paid, and the bank's accounting date as it wrote it; both are now where the bank names no date.

    The dialects' dates have no zone: they are the operator's local time.

    Raises:
        Refusal: there is a date, but none that can be.
    """
    written = asked.get("txn_date")
    if written is None:
        return now, now.astimezone(zone).date()
    try:
        local = datetime.strptime(written if _DATE.fullmatch(written) else "", "%Y%m%d%H%M%S").replace(tzinfo=zone)
    except ValueError:
        raise malformed("txn_date", "YYYYMMDDHHMMSS, such as 20261124101500") from None
    if local.year not in _CENTURY:
        raise malformed("txn_date", "a date of this century")
    return local.astimezone(UTC), local.date()


def notice_of(txn_id: str, payee: Payee, amount_minor: int, paid_at: datetime) -> PaymentNotice:
    """The same in the words of the payment service."""
    return PaymentNotice(
        txn_id=txn_id,
        iin=payee.number if payee.is_iin else None,
        account_no=None if payee.is_iin else payee.number,
        amount=PositiveMoney(amount_minor=amount_minor),
        paid_at=paid_at,
    )
