"""A month's invoices as PDF files, printed by several processes.

Ids are streamed, never listed: a million invoices take no more memory than a thousand. What was printed is kept in an
index beside the files, so that a command that was stopped goes on where it was, and prints again only what is missing,
damaged or says something else by now.
"""

import hashlib
import multiprocessing
import os
import sqlite3
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import UUID

from activities import invoice_printing
from activities.invoice_printing import InvoiceSheet
from models.contracts.billing_run import period_of
from models.contracts.documents import OperatorDetails
from models.database import Database

_CHUNK = 25
_CHUNKS_IN_FLIGHT = 3
"""For each process: enough that none waits, few enough that nothing piles up."""
_FILES_OF_A_FOLDER = 1000

INDEX = "printed.sqlite3"


@dataclass
class Printed:
    """What came of it."""

    printed: int = 0
    there_already: int = 0
    failed: int = 0

    @property
    def invoices(self) -> int:
        """All that the month has."""
        return self.printed + self.there_already + self.failed


@dataclass(frozen=True)
class _Known:
    """What an earlier command printed of an invoice."""

    facts_sha256: str
    sha256: str
    size: int


@dataclass(frozen=True)
class _Outcome:
    invoice_id: UUID
    path: str
    known: _Known | None
    """None where it could not be printed."""
    is_new: bool


def print_month(
    database_url: str, operator: OperatorDetails, period_on: date, folder: Path, *, processes: int
) -> Printed:
    """Print what the billing run of a month has issued into `folder/2026-11/0012/СЧ-2026-012345.pdf`.

    An invoice that can't be printed is counted and does not stop the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counted = Printed()
    context = multiprocessing.get_context("spawn")
    with (
        closing(Database(database_url, pool_size=1)) as database,
        closing(_open_index(folder)) as index,
        ProcessPoolExecutor(
            processes, mp_context=context, initializer=_begin, initargs=(database_url, operator, folder)
        ) as pool,
    ):  # fmt: skip
        under_way: set[Future[list[_Outcome]]] = set()
        for ids in _chunks(database, period_on):
            under_way.add(pool.submit(_print_chunk, ids, _known(index, ids), period_of(period_on)))
            if len(under_way) >= processes * _CHUNKS_IN_FLIGHT:
                done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                for chunk in done:
                    _take(index, chunk.result(), counted)
        for chunk in under_way:
            _take(index, chunk.result(), counted)
    return counted


def _chunks(database: Database, period_on: date) -> Iterator[list[UUID]]:
    last: UUID | None = None
    while True:
        with database.transaction() as session:
            ids = invoice_printing.ids_of_month(session, period_on, after=last, limit=_CHUNK)
        if not ids:
            return
        yield ids
        last = ids[-1]


def _open_index(folder: Path) -> sqlite3.Connection:
    index = sqlite3.connect(folder / INDEX)
    index.execute(
        "CREATE TABLE IF NOT EXISTS printed (invoice_id TEXT PRIMARY KEY, path TEXT NOT NULL, "
        "facts_sha256 TEXT NOT NULL, sha256 TEXT NOT NULL, size INTEGER NOT NULL)"
    )
    return index


def _known(index: sqlite3.Connection, ids: Sequence[UUID]) -> dict[UUID, _Known]:
    found = {}
    for invoice_id in ids:
        row = index.execute(
            "SELECT facts_sha256, sha256, size FROM printed WHERE invoice_id = ?", (str(invoice_id),)
        ).fetchone()
        if row is not None:
            found[invoice_id] = _Known(*row)
    return found


def _take(index: sqlite3.Connection, outcomes: Sequence[_Outcome], counted: Printed) -> None:
    for outcome in outcomes:
        if outcome.known is None:
            counted.failed += 1
        elif outcome.is_new:
            counted.printed += 1
            index.execute(
                "INSERT OR REPLACE INTO printed VALUES (?, ?, ?, ?, ?)",
                (
                    str(outcome.invoice_id), outcome.path, outcome.known.facts_sha256, outcome.known.sha256,
                    outcome.known.size,
                ),
            )  # fmt: skip
        else:
            counted.there_already += 1
    index.commit()


# --- In each printing process ----------------------------------------------------------------------------------------


class _Printer:
    """What a process prints with; made once, when the process begins."""

    def __init__(self, database_url: str, operator: OperatorDetails, folder: Path) -> None:
        self.database = Database(database_url, pool_size=1)
        self.operator = operator
        self.folder = folder

    def print(self, invoice_id: UUID, known: _Known | None, month: str) -> _Outcome:
        with self.database.transaction() as session:
            sheet = invoice_printing.sheet(session, invoice_id, operator=self.operator)
        path = self.folder / month / _name(sheet)
        where = str(path.relative_to(self.folder))
        if known is not None and known.facts_sha256 == sheet.facts_sha256 and _holds(path, known):
            return _Outcome(invoice_id, where, known, is_new=False)
        try:
            pdf = sheet.pdf()
        except RuntimeError:
            return _Outcome(invoice_id, where, None, is_new=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}.part")
        unfinished.write_bytes(pdf)
        # Renamed in one step: a file that is there is complete.
        unfinished.replace(path)
        digest = hashlib.sha256(pdf).hexdigest()
        return _Outcome(invoice_id, where, _Known(sheet.facts_sha256, digest, len(pdf)), is_new=True)


_printer: _Printer | None = None


def _begin(database_url: str, operator: OperatorDetails, folder: Path) -> None:
    global _printer  # noqa: PLW0603 - a pool of processes hands over state no other way
    _printer = _Printer(database_url, operator, folder)


def _print_chunk(ids: Sequence[UUID], known: dict[UUID, _Known], month: str) -> list[_Outcome]:
    assert _printer is not None, "the pool begins each process"
    return [_printer.print(invoice_id, known.get(invoice_id), month) for invoice_id in ids]


def _name(sheet: InvoiceSheet) -> str:
    serial = int(sheet.number.rpartition("-")[2])
    return f"{serial // _FILES_OF_A_FOLDER:04d}/{sheet.number}.pdf"


def _holds(path: Path, known: _Known) -> bool:
    """Whether the file is the one that was printed; its size is looked at first, as that costs nothing."""
    try:
        if path.stat().st_size != known.size:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == known.sha256
    except FileNotFoundError:
        return False
