"""A billing run against an independent day-by-day oracle, over random histories of services."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import ledger
from models.database import Database
from models.tables.billing import CreditNote, Invoice, InvoiceLine, Recalculation, RecalculationLine
from models.tables.people import Account
from tests.billing_histories import (
    World,
    bill,
    live_through,
    next_month,
    previous_month,
    random_world,
)
from tests.billing_oracle import OracleLine, Rules, ServiceFacts, Sums, lines_of, once_lines

MONTHS = [
    [date(2023, 12, 1), date(2024, 1, 1), date(2024, 2, 1), date(2024, 3, 1)],
    [date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)],
    [date(2026, 6, 1), date(2026, 7, 1), date(2026, 8, 1), date(2026, 9, 1)],
]
"""Through a leap day, through the change of the VAT rate, and through months of 31 days side by side."""

SEEDS = [3, 5, 6, 7, 11, 13]
"""Two for each of these months; in each somebody gets money back."""
BilledLine = InvoiceLine | RecalculationLine
Facts = tuple[UUID, date, int, int, int]
"""Of a line: item, month, VAT rate, net, VAT."""
Billed = dict[tuple[UUID, date], list[tuple[int, Sums]]]


def stored_lines(session: Session, accounts: Sequence[Account]) -> dict[UUID, list[tuple[date, BilledLine]]]:
    """Of each account the lines of its invoices and of what it got back, with the day of issue."""
    found: dict[UUID, list[tuple[date, BilledLine]]] = {account.id: [] for account in accounts}
    invoiced = (
        select(Invoice.account_id, Invoice.issued_on, InvoiceLine)
        .join(InvoiceLine, InvoiceLine.invoice_id == Invoice.id)
        .where(Invoice.account_id.in_(found))
        .order_by(Invoice.id, InvoiceLine.line_no)
    )
    given_back = (
        select(Recalculation.account_id, Recalculation.issued_on, RecalculationLine)
        .join(RecalculationLine, RecalculationLine.recalculation_id == Recalculation.id)
        .where(Recalculation.account_id.in_(found))
        .order_by(Recalculation.id, RecalculationLine.line_no)
    )
    for rows in (session.execute(invoiced), session.execute(given_back)):
        for account_id, issued_on, line in rows:
            found[account_id].append((issued_on, line))
    return found


def charged_minor(session: Session, account: Account) -> int:
    """What the documents of an account ask for in all: invoices less credit notes."""
    invoiced = session.scalar(select(func.sum(Invoice.total_minor)).where(Invoice.account_id == account.id))
    credited = session.scalar(
        select(func.sum(CreditNote.total_minor))
        .join(Invoice, Invoice.id == CreditNote.invoice_id)
        .where(Invoice.account_id == account.id)
    )
    return int(invoiced or 0) - int(credited or 0)


def facts_of(line: BilledLine) -> Facts:
    item = line.charge_id or line.subscription_id
    assert item is not None
    assert line.service_month_on is not None
    return item, line.service_month_on, line.vat_rate_bp, line.net_minor, line.vat_minor


def expected(service: ServiceFacts, period: date, rules: Rules, billed: Billed) -> Counter[Facts]:
    """What a run says, given what was billed: this month ahead, and last month made up where it differs."""
    ahead = lines_of(service, period, rules, advance_only=True)
    lines = [_facts(line, period) for line in ahead if (line.item, period) not in billed]
    before = previous_month(period)
    should = lines_of(service, before, rules)
    once = {charge.id for charge in service.charges if charge.once}
    for item in ({line.item for line in should} | {item for item, month in billed if month == before}) - once:
        was, now = billed.get((item, before), []), [line for line in should if line.item == item]
        if was and _sum(sums for _, sums in was) == _sum(line.sums for line in now):
            continue
        lines += [_facts(line, before) for line in now]
        for rate in {rate for rate, _ in was}:
            taken = _sum(sums for at, sums in was if at == rate)
            lines.append((item, before, rate, -taken.net, -taken.vat))
    for month in (before, period):
        lines += [_facts(line, month) for line in once_lines(service, month) if (line.item, month) not in billed]
    return Counter(line for line in lines if line[3:] != (0, 0))


def _facts(line: OracleLine, month: date) -> Facts:
    return line.item, month, line.rate_bp, line.sums.net, line.sums.vat


def _sum(parts: Iterable[Sums]) -> Sums:
    listed = list(parts)
    return Sums(sum(part.net for part in listed), sum(part.vat for part in listed))


def remember(billed: Billed, lines: Sequence[BilledLine]) -> None:
    for line in lines:
        item, month, rate, net, vat = facts_of(line)
        billed.setdefault((item, month), []).append((rate, Sums(net, vat)))


@pytest.mark.parametrize("seed", SEEDS)
def test_runs_say_line_by_line_what_the_oracle_says_day_by_day(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    months = MONTHS[seed % len(MONTHS)]
    rules = Rules(charge_suspended=dice.random() < 0.5, charge_frozen=dice.random() < 0.5)
    with database.transaction() as session:
        world = random_world(session, dice, months)
        billed: dict[UUID, Billed] = {service.id: {} for service in world.services}
        given_back_to: set[UUID] = set()
        for period in months[1:]:
            figures = bill(session, world.accounts, period, rules=rules)
            issued = stored_lines(session, world.accounts)
            invoices = credited = credited_minor = 0
            for account, service in zip(world.accounts, world.services, strict=True):
                wanted = expected(service, period, rules, billed[service.id])
                lines = [line for issued_on, line in issued[account.id] if issued_on == period]
                total_minor = sum(count * (fact[3] + fact[4]) for fact, count in wanted.items())
                if total_minor < 0:
                    credited, credited_minor = credited + 1, credited_minor - total_minor
                    given_back_to.add(account.id)
                    assert all(isinstance(line, RecalculationLine) for line in lines)
                else:
                    invoices += bool(wanted)
                    assert all(isinstance(line, InvoiceLine) for line in lines)
                assert Counter(map(facts_of, lines)) == wanted
                assert all(line.description and "₸" in line.formula for line in lines)
                remember(billed[service.id], lines)
            assert (figures.invoices, figures.exceptions) == (invoices, 0)
            assert (figures.credited, figures.credited_minor) == (credited, credited_minor)
            assert figures.invoices + figures.credited + figures.nothing_due == len(world.accounts)
            _change_the_month(session, dice, world, period, end=next_month(months[-1]))
        assert 0 < len(given_back_to) < len(world.accounts) / 2
        for account in world.accounts:
            assert ledger.check(session, account_id=account.id) == []
        session.rollback()


def _change_the_month(session: Session, dice: random.Random, world: World, month: date, *, end: date) -> None:
    """What happens after the month was charged ahead: for half of the services all is different from some day on."""
    used = {tariff for service in world.services for tariff, _ in service.days.values()}
    # By what a seed decides alone: ids are new in each run.
    tariffs = sorted(used, key=lambda tariff: (tariff.prices, tariff.in_advance, tariff.vat_on_top))
    for service in dice.sample(world.services, len(world.services) // 2):
        since = max(month + timedelta(days=dice.randrange(28)), min(service.days))
        live_through(session, dice, service, tariffs, since=since, until=end)


@pytest.mark.parametrize("seed", range(100, 104))
def test_all_that_was_billed_for_a_month_adds_up_to_the_month_as_it_really_was(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    months = MONTHS[seed % len(MONTHS)]
    rules = Rules(charge_suspended=False, charge_frozen=True)
    with database.transaction() as session:
        world = random_world(session, dice, months)
        for period in [*months, next_month(months[-1])]:
            bill(session, world.accounts, period, rules=rules)
            _change_the_month(session, dice, world, period, end=next_month(months[-1]))
        issued = stored_lines(session, world.accounts)
        for account, service in zip(world.accounts, world.services, strict=True):
            assert charged_minor(session, account) == sum(line.total_minor for _, line in issued[account.id])
            for month in months[:-1]:
                lines = [line for _, line in issued[account.id] if line.service_month_on == month]
                should = _sum(line.sums for line in [*lines_of(service, month, rules), *once_lines(service, month)])
                assert Sums(sum(line.net_minor for line in lines), sum(line.vat_minor for line in lines)) == should
                assert sum(line.total_minor for line in lines) == should.net + should.vat
            assert ledger.check(session, account_id=account.id) == []
        session.rollback()
