"""What all registries of banks share: letters, sums, dates, and the list of what is wrong with a file.

A registry is a list of a day's payments. A line that can't be read, or a total that doesn't agree, never stops the
reading: whoever decides sees all that is wrong, each with its line and what is the matter. Reasons quote no payer.
"""

import codecs
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Final, NamedTuple

from models.contracts.money import MAX_AMOUNT_MINOR
from models.contracts.reconciliation import DateFormat, Encoding
from models.rules.money import tenge

MOST_ROWS: Final = 500_000
MOST_PROBLEMS: Final = 200
"""Of a file with more of them the rest is only counted."""


class RegistryError(ValueError):
    """The bytes are no registry at all; the text is a sentence for a person."""


class RegistryRow(NamedTuple):
    """One line: a payment, or a refund where the sum is negative."""

    line_no: int
    txn_id: str
    paid_on: date
    paid_at: time | None
    subscriber: str
    amount_minor: int


class RegistryProblem(NamedTuple):
    """Something that doesn't agree, for a person; it names no payer."""

    line: int | None
    reason: str


class RegistryTotal(NamedTuple):
    """What the file says of itself."""

    lines: int | None
    amount_minor: int


@dataclass(frozen=True)
class Registry:
    """What could be read, and what is wrong with the rest. Without problems the file may be believed."""

    rows: tuple[RegistryRow, ...]
    problems: tuple[RegistryProblem, ...]
    total: RegistryTotal | None

    @property
    def amount_minor(self) -> int:
        """The sum of the rows, refunds taken off."""
        return sum(row.amount_minor for row in self.rows)


_BYTE_ORDER_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SUM: Final = re.compile(r"([-+\u2212]?)([0-9]{1,15})(?:\.([0-9]{1,2}))?")
_SPACES: Final = str.maketrans("", "", " \u00a0\u202f\u2009")
_COMMA_FOR_DOT: Final = str.maketrans(",.", ".,")
_DATES: Final[dict[DateFormat, str]] = {
    DateFormat.DOTS: "%d.%m.%Y",
    DateFormat.SLASHES: "%d/%m/%Y",
    DateFormat.ISO: "%Y-%m-%d",
    DateFormat.DIGITS: "%Y%m%d",
}
_TIMES: Final = {8: "%H:%M:%S", 5: "%H:%M", 6: "%H%M%S"}
_TXN_ID: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_SUBSCRIBER: Final = re.compile(r"[0-9A-Za-zА-Яа-яЁёӘәҒғҚқҢңӨөҰұҮүҺһІі][^\x00-\x1f\x7f]{0,39}")


def decoded(data: bytes, encoding: Encoding) -> str:
    """The text of a file.

    Raises:
        RegistryError: it is no text, or is written in other letters than were agreed.
    """
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    names = [marked] if marked else ["utf-8", "cp1251"] if encoding is Encoding.AUTO else [encoding.value]
    for name in names:
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if "\0" in text:
            raise RegistryError("This is no text: it holds the character NUL. Send the registry as a text file.")
        return text
    raise RegistryError("The letters of this file can't be read: send it in UTF-8 or in the encoding that was agreed.")


def sum_minor(text: str, *, decimal_comma: bool = False, in_tiyn: bool = False) -> int:
    """A sum as files write it: `4500.00`, `-1 250,50`; spaces may group the digits.

    Raises:
        ValueError: a sentence that says what is wrong with it.
    """
    plain = text.strip().translate(_SPACES)
    # The agreed sign alone: a dot among the digits of one bank is a comma among those of another.
    found = _SUM.fullmatch(plain.translate(_COMMA_FOR_DOT) if decimal_comma else plain)
    if found is None or (in_tiyn and found[3] is not None):
        wanted = "a whole number of tiyn" if in_tiyn else f"like {'4500,00' if decimal_comma else '4500.00'}"
        raise ValueError(f"the sum has to be written {wanted}")
    amount_minor = int(found[2]) if in_tiyn else int(found[2]) * 100 + int((found[3] or "").ljust(2, "0"))
    if amount_minor == 0:
        raise ValueError("the sum is nothing")
    if amount_minor > MAX_AMOUNT_MINOR:
        raise ValueError("the sum is larger than any payment")
    return -amount_minor if found[1] in {"-", "\u2212"} else amount_minor


def day_of(text: str, formats: Iterable[DateFormat]) -> date:
    """A date in one of these formats.

    Raises:
        ValueError: a sentence that says what is wrong with it.
    """
    wanted = list(formats)
    for one in wanted:
        try:
            day = datetime.strptime(text.strip(), _DATES[one]).date()  # noqa: DTZ007 - a date has no zone
        except ValueError:
            continue
        # strptime takes 1.1.2026 too, but a year has four digits in all of these.
        if day.year >= 2000:  # noqa: PLR2004 - as with payments themselves: no registry is older
            return day
    raise ValueError(f"the date has to be written as {' or '.join(wanted)}")


def time_of(text: str) -> time | None:
    """A time of day, to the second; none where nothing is written.

    Raises:
        ValueError: a sentence that says what is wrong with it.
    """
    plain = text.strip()
    if not plain:
        return None
    try:
        return datetime.strptime(plain, _TIMES[len(plain)]).time()  # noqa: DTZ007 - in the operator's zone
    except (KeyError, ValueError):
        raise ValueError("the time has to be written as HH:MM:SS") from None


def txn_id_of(text: str) -> str:
    """A transaction id as banks send it with payments.

    Raises:
        ValueError: a sentence that says what is wrong with it.
    """
    plain = text.strip()
    if _TXN_ID.fullmatch(plain) is None:
        raise ValueError("the transaction id has to be 1 to 64 Latin letters, digits or . _ : -")
    return plain


def subscriber_of(text: str) -> str:
    """Who was paid for: an account number or an IIN.

    Raises:
        ValueError: a sentence that says what is wrong with it.
    """
    plain = text.strip()
    if _SUBSCRIBER.fullmatch(plain) is None:
        raise ValueError("the subscriber has to be an account number or an IIN, up to 40 characters")
    return plain


@dataclass
class Reading:
    """A registry of the day `on` while it is read: rows, and whatever is wrong."""

    on: date
    within_days: int = 0
    """How far the dates of its lines may be from that day."""
    rows: list[RegistryRow] = field(default_factory=list)
    problems: list[RegistryProblem] = field(default_factory=list)
    total: RegistryTotal | None = None
    _seen: dict[tuple[str, bool], list[RegistryRow]] = field(default_factory=dict)
    _problems_beyond: int = 0

    def add(self, row: RegistryRow) -> None:
        """Take a row, unless it repeats or contradicts an earlier one."""
        if len(self.rows) >= MOST_ROWS:
            raise RegistryError(f"A registry has at most {MOST_ROWS} lines: send it in parts, a day each.")
        earlier = self._seen.setdefault((row.txn_id, row.amount_minor < 0), [])
        for one in earlier:
            if one[1:] == row[1:]:
                return self.wrong(row.line_no, f"it repeats line {one.line_no}")
        if earlier and row.amount_minor > 0:
            return self.wrong(row.line_no, f"its transaction is that of line {earlier[0].line_no}, with other facts")
        earlier.append(row)
        self.rows.append(row)
        if abs((row.paid_on - self.on).days) > self.within_days:
            self.wrong(row.line_no, f"it is of {row.paid_on:%d.%m.%Y}, the registry of {self.on:%d.%m.%Y}")
        return None

    def wrong(self, line: int | None, reason: str) -> None:
        """Note a problem."""
        if len(self.problems) < MOST_PROBLEMS:
            sentence = reason[0].upper() + reason[1:]
            self.problems.append(RegistryProblem(line, sentence if sentence.endswith((".", "!")) else f"{sentence}."))
        else:
            self._problems_beyond += 1

    def done(self) -> Registry:
        """What was read, with the total compared.

        Raises:
            RegistryError: nothing in it is a line of a registry.
        """
        if not self.rows and self.total is None and self.problems:
            raise RegistryError(f"Nothing in this file is a line of a registry. {_first(self.problems)}")
        if self.total is not None:
            self._compare_total(self.total)
        if self._problems_beyond:
            self.problems.append(RegistryProblem(None, f"{self._problems_beyond} more lines have something wrong."))
        return Registry(tuple(self.rows), tuple(self.problems), self.total)

    def _compare_total(self, total: RegistryTotal) -> None:
        lines, amount_minor = len(self.rows), sum(row.amount_minor for row in self.rows)
        if total.amount_minor != amount_minor or total.lines not in {None, lines}:
            said = tenge(total.amount_minor)
            said = said if total.lines is None else f"{total.lines} lines of {said}"
            self.wrong(None, f"The total says {said}; the lines that can be taken are {lines} of {tenge(amount_minor)}")


def _first(problems: list[RegistryProblem]) -> str:
    one = problems[0]
    return one.reason if one.line is None else f"Line {one.line}: {one.reason}"
