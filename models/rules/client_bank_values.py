"""Letters, sums and days in files of 1CClientBankExchange."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time
from functools import lru_cache

from models.rules.client_bank_exchange import ExchangeError, Problem, ProblemKind

MAX_SUM_MINOR = 10**15
"""Ten thousand billion tenge: more than that is a misread number."""
_KNOWN_KEYS = ("секция", "конец", "версияформата", "кодировка", "расчсчет", "дата")
_SUM = re.compile(r"(-?)(\d[\d\s'\u00a0\u202f]*)(?:[.,-](\d{1,2})0*)?")
_DAY = re.compile(r"(?:(\d{2})[./](\d{2})[./](\d{4})|(\d{4})-(\d{2})-(\d{2}))(?:\D.*)?", re.DOTALL)
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")


@lru_cache(maxsize=4096)
def plain(key: str) -> str:
    """A key as it is compared: letters of one case, nothing between them."""
    return re.sub(r"[\s_]", "", key).lower().replace("ё", "е")


def decoded(data: bytes) -> tuple[str, bool]:
    """The text of a file, and whether letters of it were damaged.

    The bytes themselves tell the encoding: Russian text in Windows-1251 or DOS is practically never valid UTF-8, and
    of those two only one shows the words of the format. What the file says of its encoding is not needed.

    Raises:
        ExchangeError: it holds NUL, as only binary files do.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = data.decode("utf-16", errors="replace")
        return _without_nul(text), "\ufffd" in text
    try:
        return _without_nul(data.decode("utf-8-sig")), False
    except UnicodeDecodeError:
        readings = [data.decode(name, errors="replace") for name in ("cp1251", "cp866", "utf-8-sig")]
        text = max(readings, key=_familiarity)
        return _without_nul(text), "\ufffd" in text


def _familiarity(text: str) -> int:
    beginning = text[:20_000].lower()
    return sum(beginning.count(word) for word in _KNOWN_KEYS)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ExchangeError("The file holds NUL characters, as no text does: export it again.")
    return text


@dataclass
class Fields:
    """The values of one section, each read by its meaning; what can't be read is noted and taken as not said."""

    values: Mapping[str, str]
    problems: list[Problem]
    line: int | None

    def text(self, *keys: str) -> str:
        """The first of these keys that says something."""
        for key in keys:
            value = " ".join(self.values.get(key, "").split())
            if value:
                return value
        return ""

    def sum(self, key: str) -> int | None:
        """Tiyn; None where nothing is said."""
        said = self.text(key)
        if not said:
            return None
        match = _SUM.fullmatch(said)
        if match is not None:
            whole = re.sub(r"\D", "", match[2])
            if len(whole) <= len(str(MAX_SUM_MINOR)):
                minor = int(whole) * 100 + int((match[3] or "0").ljust(2, "0"))
                if minor <= MAX_SUM_MINOR:
                    return -minor if match[1] else minor
        self._note(ProblemKind.BAD_SUM, "a sum that can't be read")
        return None

    def day(self, *keys: str) -> date | None:
        """A day; a time behind it is not looked at."""
        said = self.text(*keys)
        if not said:
            return None
        match = _DAY.fullmatch(said)
        if match is not None:
            day, month, year = (match[1], match[2], match[3]) if match[3] else (match[6], match[5], match[4])
            try:
                return date(int(year), int(month), int(day))
            except ValueError:
                pass
        self._note(ProblemKind.BAD_DATE, "a date that can't be read")
        return None

    def time(self, key: str) -> time | None:
        """A time of day."""
        match = _TIME.fullmatch(self.text(key))
        if match is None:
            return None
        try:
            return time(int(match[1]), int(match[2]), int(match[3] or 0))
        except ValueError:
            return None

    def _note(self, kind: ProblemKind, what: str) -> None:
        where = "The head of the file" if self.line is None else f"The section at line {self.line}"
        self.problems.append(Problem(kind, f"{where} holds {what}.", self.line))
