"""Whether the documents of a file are all that the bank speaks of: no document twice, and none missing."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import TypeVar

from models.rules.client_bank_exchange import (
    AccountTurnover,
    Exchange,
    ExchangeDocument,
    Party,
    Problem,
    ProblemKind,
)
from models.rules.money import tenge

Some = TypeVar("Some", Party, ExchangeDocument)


def merged_twins(documents: Iterable[ExchangeDocument]) -> list[ExchangeDocument]:
    """The documents in their order, where one that stands there in two forms is once, with what either form says.

    Two of the same form stay two: a bank may well post equal sums on one day.
    """
    kept: list[ExchangeDocument] = []
    single: dict[object, deque[int]] = defaultdict(deque)
    for document in documents:
        places = single[_meaning(document)]
        if places and _form(kept[places[0]]) != _form(document):
            twin = places.popleft()
            kept[twin] = _merged(kept[twin], document)
        else:
            places.append(len(kept))
            kept.append(document)
    return kept


def _meaning(document: ExchangeDocument) -> object:
    """What two forms of one document have in common; without a number nothing tells it from others."""
    if not document.number:
        return object()
    return (
        document.number, document.issued_on, document.amount_minor, document.payer.account, document.payee.account,
        document.credited, document.debited,
    )  # fmt: skip


def _form(document: ExchangeDocument) -> str:
    return document.form.replace(" ", "").lower()


def _merged(first: ExchangeDocument, second: ExchangeDocument) -> ExchangeDocument:
    return replace(
        _filled(first, second), payer=_filled(first.payer, second.payer), payee=_filled(first.payee, second.payee)
    )


def _filled(first: Some, second: Some) -> Some:
    """The first with what only the second says, field by field."""
    missing = {one.name: getattr(second, one.name) for one in fields(first) if not getattr(first, one.name)}
    return replace(first, **missing)


def compared_with_totals(exchange: Exchange) -> Iterator[Problem]:
    """What does not add up: the documents against the bank's totals, and the balances against the turnovers."""
    sections: dict[str, list[AccountTurnover]] = defaultdict(list)
    for turnover in exchange.turnovers:
        sections[turnover.account].append(turnover)
        yield from _closing(turnover)
    for account, turnovers in sections.items():
        received = sum(one.amount_minor for one in exchange.documents if one.credited == account)
        paid = sum(one.amount_minor for one in exchange.documents if one.debited == account)
        said = [turnover.received_minor for turnover in turnovers]
        yield from _total(account, said, received, ProblemKind.RECEIVED_DIFFERS, "received")
        said = [turnover.paid_minor for turnover in turnovers]
        yield from _total(account, said, paid, ProblemKind.PAID_DIFFERS, "paid")


def _total(account: str, said: list[int | None], found_minor: int, kind: ProblemKind, what: str) -> Iterator[Problem]:
    known = [part for part in said if part is not None]
    if len(known) == len(said) and sum(known) != found_minor:
        yield Problem(
            kind,
            f"Account {account}: the bank says that {tenge(sum(known))} were {what}, its documents add up to "
            f"{tenge(found_minor)}.",
        )


def _closing(turnover: AccountTurnover) -> Iterator[Problem]:
    parts = (turnover.opening_minor, turnover.received_minor, turnover.paid_minor, turnover.closing_minor)
    opening, received, paid, closing = parts
    if opening is None or received is None or paid is None or closing is None:
        return
    if opening + received - paid != closing:
        yield Problem(
            ProblemKind.CLOSING_DIFFERS,
            f"Account {turnover.account}: the balance at the end is {tenge(closing)}, but the balance at the beginning "
            f"and the turnovers make {tenge(opening + received - paid)}.",
        )
