"""Tables as CSV for accountants: what Excel and 1C open in Kazakhstan by a double click."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from fastapi.responses import StreamingResponse

from models.contracts.money import Money

MEDIA_TYPE = "text/csv; charset=utf-8"

# In the Russian and Kazakh locales the list separator is a semicolon and the decimal sign a comma: a comma-separated
# file would open as one column. The byte-order mark is how Excel knows UTF-8.
_SEPARATOR = ";"
_BYTE_ORDER_MARK = "\ufeff"
_FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_CHUNK_ROWS = 200

CSV_ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "JSON, or CSV by `format=csv`"}
}
"""For the `responses` of a route that answers CSV beside JSON."""


def csv_answer(name: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> StreamingResponse:
    """The rows as a file to be saved, sent while they are read: a table of any length takes little memory."""
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"', "Cache-Control": "private, no-store"}
    return StreamingResponse(_encoded(header, rows), media_type=MEDIA_TYPE, headers=headers)


def _encoded(header: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    buffer.write(_BYTE_ORDER_MARK)
    writer = csv.writer(buffer, delimiter=_SEPARATOR, lineterminator="\r\n")
    writer.writerow(header)
    for count, row in enumerate(rows, start=1):
        writer.writerow([_cell(value) for value in row])
        if count % _CHUNK_ROWS == 0:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Money):
        return _decimal(value.amount_minor)
    if isinstance(value, date):
        return f"{value:%d.%m.%Y}"
    return _harmless(str(value))


def _decimal(amount_minor: int) -> str:
    whole, tiyn = divmod(abs(amount_minor), 100)
    return f"{'-' if amount_minor < 0 else ''}{whole},{tiyn:02d}"


def _harmless(text: str) -> str:
    """A text that a spreadsheet would run as a formula is marked as text by an apostrophe (CSV injection)."""
    return f"'{text}" if text.lstrip(" \u00a0").startswith(_FORMULA_BEGINS) or text.startswith("\ufeff") else text
