"""Which payment covers which invoice: the oldest due is covered first, by the oldest money."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID


@dataclass(frozen=True)
class OpenInvoice:
    """An invoice and what is still to be paid on it, in tiyn."""

    id: UUID
    due_on: date
    outstanding_minor: int


@dataclass(frozen=True)
class Advance:
    """A payment and what of it covers nothing yet, in tiyn."""

    payment_id: UUID
    received_at: datetime
    unallocated_minor: int


class Share(NamedTuple):
    """A part of a payment that covers an invoice, or a part of it."""

    payment_id: UUID
    invoice_id: UUID
    amount_minor: int


def allocate(advances: Sequence[Advance], invoices: Sequence[OpenInvoice]) -> list[Share]:
    """Cover the invoices, oldest due first, with the money, oldest first, until either of them is used up.

    Equal dates are told apart by id: ids sort by creation, so the outcome never depends on the order of the input.
    Every share is positive. All money that is not shared out stays the subscriber's advance.
    """
    money = sorted(advances, key=lambda advance: (advance.received_at, advance.payment_id))
    waiting = sorted(invoices, key=lambda invoice: (invoice.due_on, invoice.id))
    outstanding = {invoice.id: invoice.outstanding_minor for invoice in waiting}
    shares: list[Share] = []
    for advance in money:
        left = advance.unallocated_minor
        for invoice in waiting:
            covered = min(left, outstanding[invoice.id])
            if covered > 0:
                shares.append(Share(advance.payment_id, invoice.id, covered))
                left -= covered
                outstanding[invoice.id] -= covered
    return shares
