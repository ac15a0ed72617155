"""A day's payments as a bank's own CSV file lists them, by the mapping that was agreed with it."""

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Final

from models.contracts.reconciliation import Column, CsvMapping, CsvTotal, SumUnit
from models.rules.registry_text import (
    Reading,
    Registry,
    RegistryError,
    RegistryRow,
    RegistryTotal,
    day_of,
    decoded,
    subscriber_of,
    sum_minor,
    time_of,
    txn_id_of,
)

_MOST_CELLS: Final = 200
Cells = Sequence[str]


def parse(data: bytes, mapping: CsvMapping, *, on: date, other_dates_within_days: int = 0) -> Registry:
    """Read the registry of a day.

    Raises:
        RegistryError: the bytes are no registry at all, or lack a column that was agreed.
    """
    reading = Reading(on, other_dates_within_days)
    lines = _lines(decoded(data, mapping.encoding), mapping)
    places = _Places(mapping, next(lines, None) if mapping.has_header else None)
    total_at: int | None = None
    for number, cells in lines:
        if total_at is not None:
            reading.wrong(number, f"something stands behind the total of line {total_at}")
        elif mapping.total is not None and _is_total(cells, mapping.total):
            total_at = number
            reading.total = places.total(reading, number, cells)
        elif not places.is_ignored(cells):
            _take(reading, number, cells, places)
    if mapping.total is not None and total_at is None:
        reading.wrong(None, f"No line begins with «{mapping.total.word}»: without its total the file may be cut off")
    return reading.done()


def _lines(text: str, mapping: CsvMapping) -> Iterator[tuple[int, Cells]]:
    """The filled lines from the header on, each with its number in the file."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mapping.delimiter.value, strict=True)
    passed = 0
    try:
        for cells in reader:
            passed += 1
            if passed <= mapping.lines_before_header or not any(cell.strip() for cell in cells):
                continue
            yield reader.line_num, cells[:_MOST_CELLS]
    except csv.Error as broken:
        raise RegistryError(
            f"The quotes in line {reader.line_num} are broken ({broken}): send the file as the bank made it."
        ) from None


def _is_total(cells: Cells, total: CsvTotal) -> bool:
    first = next(cell.strip() for cell in cells if cell.strip())
    return first.lower().startswith(total.word.lower())


class _Places:
    """Where each fact stands, once the header is read."""

    def __init__(self, mapping: CsvMapping, header: tuple[int, Cells] | None) -> None:
        if mapping.has_header and header is None:
            raise RegistryError("The file is empty: a registry has at least a header.")
        self._mapping = mapping
        names = [] if header is None else [cell.strip().lower() for cell in header[1]]
        self.txn_id = self._place(mapping.txn_id, names)
        self.paid_on = self._place(mapping.paid_on, names)
        self.paid_at = None if mapping.paid_at is None else self._place(mapping.paid_at, names)
        self.subscriber = self._place(mapping.subscriber, names)
        self.amount = self._place(mapping.amount, names)
        self.kind = None if mapping.kind is None else self._place(mapping.kind, names)
        self.date_format = mapping.date_format
        total = mapping.total
        self._total_count = None if total is None or total.count is None else self._place(total.count, names)
        self._total_amount = self.amount
        if total is not None and total.amount is not None:
            self._total_amount = self._place(total.amount, names)
        self._refunds = {word.lower() for word in mapping.refund_words}
        self._ignored = {word.lower() for word in mapping.ignored_words}

    @staticmethod
    def _place(column: Column, names: Sequence[str]) -> int:
        if isinstance(column, int):
            return column - 1
        try:
            return names.index(column.lower())
        except ValueError:
            raise RegistryError(f"The header has no column «{column}»: compare it with the bank's mapping.") from None

    def is_ignored(self, cells: Cells) -> bool:
        return self.kind is not None and cell_at(cells, self.kind).strip().lower() in self._ignored

    def is_refund(self, cells: Cells) -> bool:
        return self.kind is not None and cell_at(cells, self.kind).strip().lower() in self._refunds

    def amount_minor(self, text: str) -> int:
        mapping = self._mapping
        return sum_minor(text, decimal_comma=mapping.decimal_comma, in_tiyn=mapping.unit is SumUnit.TIYN)

    def total(self, reading: Reading, number: int, cells: Cells) -> RegistryTotal | None:
        try:
            lines = None if self._total_count is None else int(cell_at(cells, self._total_count).strip())
            text = cell_at(cells, self._total_amount).strip()
            return RegistryTotal(lines, self.amount_minor(text) if text.strip("+-0., ") else 0)
        except ValueError:
            reading.wrong(number, "the total can't be read: it needs its sum, and its count where one was agreed")
            return None


def cell_at(cells: Cells, place: int) -> str:
    """A cell, empty where the line ends before it."""
    return cells[place] if place < len(cells) else ""


def _take(reading: Reading, number: int, cells: Cells, places: _Places) -> None:
    try:
        row = _row(number, cells, places)
    except ValueError as wrong:
        reading.wrong(number, str(wrong))
        return
    reading.add(row)


def _row(number: int, cells: Cells, places: _Places) -> RegistryRow:
    amount_minor = places.amount_minor(cell_at(cells, places.amount))
    day, clock = _day_and_time(cells, places)
    return RegistryRow(
        line_no=number,
        txn_id=txn_id_of(cell_at(cells, places.txn_id)),
        paid_on=day_of(day, [places.date_format]),
        paid_at=time_of(clock),
        subscriber=subscriber_of(cell_at(cells, places.subscriber)),
        amount_minor=-abs(amount_minor) if places.is_refund(cells) else amount_minor,
    )


def _day_and_time(cells: Cells, places: _Places) -> tuple[str, str]:
    """The date, and the time of its own column or behind the date."""
    text = cell_at(cells, places.paid_on).strip().replace("T", " ")
    day, _, clock = text.partition(" ")
    return day, cell_at(cells, places.paid_at) if places.paid_at is not None else clock[:8]
