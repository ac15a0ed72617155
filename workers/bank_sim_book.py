"""What the simulated bank has paid, in a file: repeated, taken back and listed in the day's registry from there."""

from collections.abc import Collection
from datetime import date, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from workers.failures import PersonMustAct

FILE: Final = "bank-sim.jsonl"


class Paid(BaseModel):
    """A payment that the bank has reported, or is about to."""

    bank: str
    dialect: str
    txn_id: str
    number: str
    """Account number or IIN, as the payer typed it in."""
    amount_minor: int
    paid_at: datetime
    receipt: str | None = None
    """What the operator calls it; none before it is accepted."""
    reversed_at: datetime | None = None


class Book:
    """All payments of the simulator, the newest state of each last in the file."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def write(self, *payments: Paid) -> None:
        """Note how payments stand now."""
        with self._file.open("a", encoding="utf-8") as file:
            file.writelines(payment.model_dump_json() + "\n" for payment in payments)

    def payments(self, bank: str) -> list[Paid]:
        """What this bank has paid, oldest first."""
        if not self._file.exists():
            return []
        lines = self._file.read_text(encoding="utf-8").splitlines()
        known = {(one.bank, one.txn_id): one for one in map(Paid.model_validate_json, lines)}
        return [payment for payment in known.values() if payment.bank == bank]

    def find(self, bank: str, txn_id: str) -> Paid:
        """A payment by the bank's id of it.

        Raises:
            PersonMustAct: the simulator has not made it.
        """
        found = next((payment for payment in self.payments(bank) if payment.txn_id == txn_id), None)
        if found is None:
            raise PersonMustAct(f"{bank} has paid nothing under {txn_id}: pay first, and take the id from there")
        return found


def registry(payments: Collection[Paid], day: date, zone: ZoneInfo, *, without: Collection[str] = ()) -> str:
    """The bank's registry of a day as OSMP text: payments that succeeded, refunds of earlier ones, a total line.

    What was taken back on the very day it was paid did not succeed. `without` leaves payments out, as a bank may.
    """
    lines: list[tuple[datetime, Paid, int]] = []
    for payment in payments:
        if payment.receipt is None or payment.txn_id in without:
            continue
        paid_on = payment.paid_at.astimezone(zone).date()
        reversed_on = payment.reversed_at.astimezone(zone).date() if payment.reversed_at is not None else None
        if paid_on == day != reversed_on:
            lines.append((payment.paid_at, payment, payment.amount_minor))
        elif reversed_on == day != paid_on:
            assert payment.reversed_at is not None
            lines.append((payment.reversed_at, payment, -payment.amount_minor))
    rows = [
        "\t".join((one.txn_id, f"{at.astimezone(zone):%d.%m.%Y\t%H:%M:%S}", one.number, tenge(amount_minor)))
        for at, one, amount_minor in sorted(lines, key=lambda line: line[0])
    ]
    total = f"Total: {len(lines)} {tenge(sum(amount_minor for _, _, amount_minor in lines))}"
    return "\n".join([*rows, total]) + "\n"


def tenge(amount_minor: int) -> str:
    """A sum with a dot and two decimals."""
    whole, tiyn = divmod(abs(amount_minor), 100)
    return f"{'-' if amount_minor < 0 else ''}{whole}.{tiyn:02d}"
