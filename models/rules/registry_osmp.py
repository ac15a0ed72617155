"""A day's payments as payment terminals and many banks list them: text with TABs and a line that adds it up.

`txn_id date time subscriber sum`, a line for each successful payment, and `Total: <count> <amount>` at the end: see
«Реестр платежей» in the QIWI provider protocol (OSMP).
"""

import io
import re
from datetime import date
from typing import Final

from models.contracts.reconciliation import DateFormat, Encoding
from models.rules.registry_text import (
    Reading,
    Registry,
    RegistryRow,
    RegistryTotal,
    day_of,
    decoded,
    subscriber_of,
    sum_minor,
    time_of,
    txn_id_of,
)

_TOTAL: Final = re.compile(r"total\s*:?\s*([0-9]{1,9})\s+([-+]?[0-9]{1,15}(?:[.,][0-9]{1,2})?)", re.IGNORECASE)
_FORMATS: Final = (DateFormat.DOTS, DateFormat.ISO, DateFormat.DIGITS)
_FIELDS: Final = 5
_LONGEST_LINE: Final = 400


def parse(data: bytes, *, on: date, other_dates_within_days: int = 0, encoding: Encoding = Encoding.AUTO) -> Registry:
    """Read the registry of a day.

    Raises:
        RegistryError: the bytes are no registry at all.
    """
    reading = Reading(on, other_dates_within_days)
    total_at: int | None = None
    for number, line in enumerate(io.StringIO(decoded(data, encoding), newline=None), start=1):
        if not line.strip():
            continue
        if total_at is not None:
            reading.wrong(number, f"something stands behind the total of line {total_at}")
        elif line.lstrip().lower().startswith("total"):
            total_at = number
            reading.total = _total(reading, number, line)
        else:
            _take(reading, number, line)
    if total_at is None:
        reading.wrong(None, "The last line has to be `Total: <count> <amount>`: without it the file may be cut off")
    return reading.done()


def _total(reading: Reading, number: int, line: str) -> RegistryTotal | None:
    found = _TOTAL.fullmatch(line.strip())
    if found is None:
        reading.wrong(number, "the total has to be written as `Total: <count> <amount>`")
        return None
    amount = found[2].replace(",", ".")
    is_nothing = not amount.strip("+-0.")
    try:
        return RegistryTotal(int(found[1]), 0 if is_nothing else sum_minor(amount))
    except ValueError as wrong:
        reading.wrong(number, str(wrong))
        return None


def _take(reading: Reading, number: int, line: str) -> None:
    fields = line.rstrip("\n").split("\t") if len(line) <= _LONGEST_LINE else []
    if len(fields) != _FIELDS:
        reading.wrong(number, "a line has five parts with TABs between: transaction, date, time, subscriber, sum")
        return
    txn_id, day, clock, subscriber, amount = fields
    try:
        row = RegistryRow(
            line_no=number,
            txn_id=txn_id_of(txn_id),
            paid_on=day_of(day, _FORMATS),
            paid_at=time_of(clock),
            subscriber=subscriber_of(subscriber),
            amount_minor=sum_minor(amount, decimal_comma="," in amount),
        )
    except ValueError as wrong:
        reading.wrong(number, str(wrong))
        return
    reading.add(row)
