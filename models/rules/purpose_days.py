"""Which days a bank says that it pays for, in the purpose of its transfer: «за 20.11.2026–22.11.2026»."""

import re
from datetime import date, timedelta
from itertools import pairwise
from typing import Final

LONGEST_RANGE: Final = timedelta(days=31)
_DAY: Final = r"(?<![0-9])([0-9]{1,2})[./]([0-9]{1,2})[./](20[0-9]{2}|[0-9]{2})(?![0-9])"
_ISO: Final = r"(?<![0-9])(20[0-9]{2})-([0-9]{2})-([0-9]{2})(?![0-9])"
_TO: Final = re.compile(r"\s*(?:г\.?|года)?\s*(?:[-–—]|по|до|to)\s*", re.IGNORECASE)
_ONE: Final = re.compile(f"{_DAY}|{_ISO}")
_SHORT_RANGE: Final = re.compile(rf"(?<![0-9.])([0-9]{{1,2}})\s*[-–—]\s*(?={_DAY})")


def days_named(purpose: str) -> frozenset[date]:
    """All days that a purpose names, one by one or as a range with both ends."""
    found = [(match.start(), match.end(), day) for match in _ONE.finditer(purpose) if (day := _day(match)) is not None]
    days = {day for _, _, day in found}
    for (_, end, first), (start, _, last) in pairwise(found):
        if _TO.fullmatch(purpose, end, start):
            days |= _range(first, last)
    for match in _SHORT_RANGE.finditer(purpose):
        following = next((day for start, _, day in found if start == match.end()), None)
        if following is not None and 1 <= int(match[1]) < following.day:
            days |= _range(following.replace(day=int(match[1])), following)
    return frozenset(days)


def _day(match: re.Match[str]) -> date | None:
    try:
        if match[3] is not None:
            year = int(match[3])
            return date(year if year >= 2000 else 2000 + year, int(match[2]), int(match[1]))  # noqa: PLR2004 - a century
        return date(int(match[4]), int(match[5]), int(match[6]))
    except ValueError:
        return None


def _range(first: date, last: date) -> set[date]:
    if not timedelta(0) <= last - first <= LONGEST_RANGE:
        return set()
    return {first + timedelta(days=number) for number in range((last - first).days + 1)}
