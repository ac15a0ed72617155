"""Services for billing tests: whole random histories at once, and runs over just the accounts of a test."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate, groupby
from uuid import UUID, uuid4

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from activities import billing_run
from models.contracts.billing_run import PartitionFigures
from models.contracts.catalogue import ChargeKind, Charging, ServiceState, SubscriptionStatus, VatMode
from models.contracts.processes import ProcessKind
from models.tables.billing import BillingPartition, BillingRun, Invoice, InvoiceLine
from models.tables.catalogue import TariffPrice
from models.tables.people import Account
from models.tables.subscriptions import Charge, Discount, ServicePeriod, Subscription
from tests import factories
from tests.billing_oracle import ChargeFacts, DiscountFacts, Rules, ServiceFacts, TariffFacts, month_days

LONG_AGO = date(2020, 1, 1)
STATES = tuple(ServiceState)
NO_PAUSES = Rules(charge_suspended=False, charge_frozen=False)


def next_month(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def previous_month(month: date) -> date:
    return (month - timedelta(days=1)).replace(day=1)


@dataclass
class World:
    """Accounts, one service each, and what is true of the services."""

    accounts: list[Account] = field(default_factory=list)
    services: list[ServiceFacts] = field(default_factory=list)


def priced_tariff(
    session: Session,
    prices: Sequence[tuple[date, int]],
    *,
    charging: Charging = Charging.ADVANCE,
    vat_mode: VatMode = VatMode.INCLUDED,
) -> TariffFacts:
    """A tariff with a price from each of the days on."""
    row = factories.tariff(session, fee_minor=None, charging=charging)
    row.vat_mode = vat_mode
    ends = [*(since for since, _ in prices[1:]), None]
    session.add_all(
        TariffPrice(tariff_id=row.id, valid=Range(since, until), fee_minor=fee)
        for (since, fee), until in zip(prices, ends, strict=True)
    )
    session.flush()
    return TariffFacts(row.id, row.title, charging is Charging.ADVANCE, vat_mode is VatMode.ON_TOP, tuple(prices))


def serve(session: Session, account: Account, tariff_id: UUID, *, since: date, until: date | None = None) -> UUID:
    """An active service from a day on; answers its id."""
    row = factories.subscription(
        session, account, tariff_id=tariff_id, status=SubscriptionStatus.ACTIVE, active_from=since
    )
    session.add(ServicePeriod(subscription_id=row.id, during=Range(since, until), tariff_id=tariff_id))
    session.flush()
    return row.id


def run_over(
    session: Session,
    accounts: Sequence[Account],
    period_on: date,
    *,
    dry_run: bool = False,
    rules: Rules = NO_PAUSES,
    issued_on: date | None = None,
) -> UUID:
    """A run of a month with one partition: from the first of the accounts to the last."""
    numbers = [account.number for account in accounts]
    process = factories.process(session, kind=ProcessKind.BILLING_RUN, stage="billing")
    issued = issued_on or period_on
    session.add(
        BillingRun(
            process_id=process.id, period_on=period_on, dry_run=dry_run, issued_on=issued,
            due_on=issued + timedelta(days=10), charge_suspended=rules.charge_suspended,
            charge_frozen=rules.charge_frozen, accounts_total=max(numbers) - min(numbers) + 1,
        )
    )  # fmt: skip
    session.flush()
    session.add(BillingPartition(run_id=process.id, first_number=min(numbers), last_number=max(numbers)))
    session.flush()
    return process.id


def bill_partition(session: Session, run_id: UUID) -> PartitionFigures:
    """Bill the one partition of such a run."""
    first = session.scalars(select(BillingPartition.first_number).where(BillingPartition.run_id == run_id)).one()
    return billing_run.bill_partition(session, run_id, first)


def bill(
    session: Session,
    accounts: Sequence[Account],
    period_on: date,
    *,
    dry_run: bool = False,
    rules: Rules = NO_PAUSES,
    issued_on: date | None = None,
) -> PartitionFigures:
    """Bill a month of these accounts."""
    run_id = run_over(session, accounts, period_on, dry_run=dry_run, rules=rules, issued_on=issued_on)
    return bill_partition(session, run_id)


def invoice_lines(session: Session, account: Account, period_on: date) -> list[InvoiceLine]:
    """The lines of an account's invoice of a run."""
    return list(
        session.scalars(
            select(InvoiceLine)
            .join(Invoice, Invoice.id == InvoiceLine.invoice_id)
            .where(Invoice.account_id == account.id, Invoice.period_on == period_on)
            .order_by(InvoiceLine.line_no)
        )
    )


def random_world(session: Session, dice: random.Random, months: Sequence[date], *, accounts: int = 40) -> World:
    """Accounts whose services live through all kinds of things in these months."""
    tariffs = [_random_tariff(session, dice, months) for _ in range(5)]
    place = factories.premises(session, ports=0)
    world = World()
    for _ in range(accounts):
        account = factories.customer(session).account
        facts = ServiceFacts(uuid4())
        first = _random_day(dice, [previous_month(months[0]), *months])
        session.add(
            Subscription(
                id=facts.id, account_id=account.id, premises_id=place.id, tariff_id=tariffs[0].id,
                status=SubscriptionStatus.ACTIVE, active_from=first,
            )
        )  # fmt: skip
        world.accounts.append(account)
        world.services.append(facts)
        session.flush()
        live_through(session, dice, facts, tariffs, since=first, until=next_month(months[-1]))
        _add_charges(session, dice, facts, months)
        _add_discounts(session, dice, facts, months)
    return world


def live_through(
    session: Session,
    dice: random.Random,
    facts: ServiceFacts,
    tariffs: Sequence[TariffFacts],
    *,
    since: date,
    until: date,
) -> None:
    """From a day on, let a service have any number of tariff changes, suspensions and freezes, and perhaps an end."""
    facts.days = {day: state for day, state in facts.days.items() if day < since}
    changes = {since + timedelta(days=dice.randrange(1, 100)) for _ in range(dice.randrange(5))}
    end = dice.choice([until, until, since + timedelta(days=dice.randrange(1, 90))])
    day, now = since, (dice.choice(tariffs), "active")
    while day < end:
        if day in changes:
            now = (dice.choice(tariffs) if dice.random() < 0.5 else now[0], dice.choice(STATES).value)
        facts.days[day] = now
        day += timedelta(days=1)
    _store_days(session, dice, facts)


def _store_days(session: Session, dice: random.Random, facts: ServiceFacts) -> None:
    """Write the days of a service down as periods, here and there more of them than it takes."""
    session.execute(delete(ServicePeriod).where(ServicePeriod.subscription_id == facts.id))
    cuts = accumulate(dice.random() < 0.02 or day - timedelta(days=1) not in facts.days for day in facts.days)
    spells = dict(zip(facts.days, cuts, strict=True))
    for (tariff, state, _), run in groupby(spells, key=lambda day: (*facts.days[day], spells[day])):
        days = list(run)
        session.add(
            ServicePeriod(
                subscription_id=facts.id, during=Range(days[0], days[-1] + timedelta(days=1)), tariff_id=tariff.id,
                state=ServiceState(state),
            )
        )  # fmt: skip
    session.flush()


def _random_tariff(session: Session, dice: random.Random, months: Sequence[date]) -> TariffFacts:
    changes = sorted({_random_day(dice, months) for _ in range(dice.randrange(3))})
    prices = [(since, dice.choice([0, 1, 333_333, 650_000, dice.randrange(10**7)])) for since in (LONG_AGO, *changes)]
    return priced_tariff(session, prices, charging=dice.choice(list(Charging)), vat_mode=dice.choice(list(VatMode)))


def _random_day(dice: random.Random, months: Sequence[date]) -> date:
    return dice.choice(month_days(dice.choice(months)))


def _random_range(dice: random.Random, months: Sequence[date]) -> tuple[date, date]:
    first, second = sorted([_random_day(dice, months), _random_day(dice, months)])
    return first, second + timedelta(days=1)


def _add_charges(session: Session, dice: random.Random, facts: ServiceFacts, months: Sequence[date]) -> None:
    for _ in range(dice.choice([0, 0, 1, 2])):
        kind = dice.choice([ChargeKind.RECURRING, ChargeKind.EQUIPMENT, ChargeKind.ONE_OFF])
        once = kind is ChargeKind.ONE_OFF
        since, until = _random_range(dice, months)
        until = since + timedelta(days=1) if once else until
        charge = ChargeFacts(uuid4(), once, dice.randrange(1, 10**6), since, until, dice.random() < 0.5)
        facts.charges.append(charge)
        session.add(
            Charge(
                id=charge.id, subscription_id=facts.id, kind=kind, description="Аренда роутера",
                amount_minor=charge.amount_minor, during=Range(since, until),
                vat_mode=VatMode.ON_TOP if charge.vat_on_top else VatMode.INCLUDED, created_by="test",
            )
        )  # fmt: skip
    session.flush()


def _add_discounts(session: Session, dice: random.Random, facts: ServiceFacts, months: Sequence[date]) -> None:
    taken: set[tuple[int, date]] = set()
    for _ in range(dice.choice([0, 0, 0, 1, 3])):
        since, until = _random_range(dice, months)
        position = dice.randrange(1, 4)
        days = {(position, since + timedelta(days=shift)) for shift in range((until - since).days)}
        if taken & days:
            continue
        taken |= days
        percent = dice.choice([None, 1, 1000, 3333, 10_000])
        amount = None if percent is not None else dice.randrange(1, 10**6)
        facts.discounts.append(DiscountFacts(uuid4(), percent, amount, since, until, position))
        session.add(
            Discount(
                id=facts.discounts[-1].id, subscription_id=facts.id, title="Новосёл", percent_bp=percent,
                amount_minor=amount, during=Range(since, until), position=position, created_by="test",
            )
        )  # fmt: skip
    session.flush()
