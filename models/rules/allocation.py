"""Which payment covers which invoice: in the order that the account's rule says, by the oldest money first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from models.rules.crediting import split_over_lines


class AllocationRule(StrEnum):
    """In which order the open invoices of an account are covered."""

    OLDEST_DUE = "oldest_due"
    """The invoice that is due longest, then the next: no debt grows old. The usual rule."""
    NEWEST_DUE = "newest_due"
    """The current month first: while an old debt is disputed, the service is paid for."""
    SMALLEST_FIRST = "smallest_first"
    """What is nearest to being closed: as many invoices as the money closes."""
    PROPORTIONAL = "proportional"
    """A part of each, in proportion to what is left of it."""


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


def allocate(
    advances: Sequence[Advance], invoices: Sequence[OpenInvoice], rule: AllocationRule = AllocationRule.OLDEST_DUE
) -> list[Share]:
    """Cover the invoices by the rule with the money, oldest first, until either of them is used up.

    Equal invoices are told apart by due date and id, equal payments by id: ids sort by creation, so the outcome never
    depends on the order of the input. Every share is positive. All money that is not shared out stays the
    subscriber's advance.
    """
    money = sorted(advances, key=lambda advance: (advance.received_at, advance.payment_id))
    waiting = _wanted(invoices, rule, sum(advance.unallocated_minor for advance in money))
    shares: list[Share] = []
    left = [wanted_minor for _, wanted_minor in waiting]
    place = 0
    for advance in money:
        unspent = advance.unallocated_minor
        while unspent > 0 and place < len(waiting):
            covered = min(unspent, left[place])
            if covered > 0:
                shares.append(Share(advance.payment_id, waiting[place][0], covered))
                unspent -= covered
                left[place] -= covered
            if left[place] == 0:
                place += 1
    return shares


def _wanted(invoices: Sequence[OpenInvoice], rule: AllocationRule, money_minor: int) -> list[tuple[UUID, int]]:
    """What each invoice is to get at most, in the order in which it is to get it."""
    oldest_first = sorted(invoices, key=lambda invoice: (invoice.due_on, invoice.id))
    if rule is AllocationRule.NEWEST_DUE:
        oldest_first.sort(key=lambda invoice: invoice.due_on, reverse=True)
    elif rule is AllocationRule.SMALLEST_FIRST:
        oldest_first.sort(key=lambda invoice: invoice.outstanding_minor)
    outstanding = [invoice.outstanding_minor for invoice in oldest_first]
    if rule is AllocationRule.PROPORTIONAL and 0 < money_minor < sum(outstanding):
        outstanding = split_over_lines(money_minor, outstanding)
    return [(invoice.id, wanted) for invoice, wanted in zip(oldest_first, outstanding, strict=True)]


def divided_over_accounts(amount_minor: int, invoices: Sequence[tuple[UUID, OpenInvoice]]) -> dict[UUID, int]:
    """What each of a person's accounts gets of one payment: what is due longest is covered first, wherever it is.

    `invoices` are pairs of an account and one of its open invoices. What is left over is nobody's yet.
    """
    by_account: dict[UUID, int] = {}
    left = amount_minor
    for account_id, invoice in sorted(invoices, key=lambda pair: (pair[1].due_on, pair[1].id)):
        part = min(left, invoice.outstanding_minor)
        if part > 0:
            by_account[account_id] = by_account.get(account_id, 0) + part
            left -= part
    return by_account
