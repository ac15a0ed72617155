"""What a tariff change costs: the next invoice is right to the tiyn, whenever the billing run came."""

import random
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import services
from activities.tariff_change import TariffChangeActivities
from activities.tariff_change_request import register_tariff_change
from models.contracts.catalogue import Charging, ServiceState, VatMode
from models.contracts.steps import ProcessStep
from models.contracts.tariff_change import NewTariffChange
from models.database import Database
from models.tables.billing import InvoiceLine, RecalculationLine
from models.tables.catalogue import Tariff
from models.tables.people import Account
from models.tables.processes import TimelineEntry
from models.tables.subscriptions import ServicePeriod, Subscription
from tests import factories
from tests.billing_histories import NO_PAUSES, bill, next_month, priced_tariff, serve
from tests.billing_oracle import ServiceFacts, TariffFacts, lines_of, month_days
from tests.connection_world import SETTINGS

OCTOBER, NOVEMBER, DECEMBER, JANUARY = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)
OLD_FEE, NEW_FEE = 650_001, 990_007
"""Odd on purpose: parts of them have to be rounded."""


def noon(day: date) -> datetime:
    return datetime.combine(day, time(12), SETTINGS.zone).astimezone(UTC)


@dataclass
class Service:
    """A service on the older of two tariffs since October, and what bills it."""

    database: Database
    account: Account
    id: UUID
    tariffs: list[TariffFacts]

    def change(self, on: date, to: TariffFacts) -> int:
        """The tariff changes on a day; answers what the subscriber is told of the next invoice."""
        with self.database.transaction() as session:
            code = session.get_one(Tariff, to.id).code
            order = NewTariffChange(subscription_id=self.id, tariff_code=code, effective="now")
            process, _ = register_tariff_change(
                session, order, actor="staff:operator", idempotency_key=None, at=noon(on), on=on
            )
        steps = TariffChangeActivities(self.database, SETTINGS)
        steps.take_effect(ProcessStep(process_id=process.id, at=noon(on)))
        with self.database.transaction() as session:
            told = session.scalars(
                select(TimelineEntry.facts).where(
                    TimelineEntry.process_id == process.id, TimelineEntry.event == "tariff_changed"
                )
            ).one()
        return int(told["next_minor"])

    def bill(self, month: date, *, issued_on: date | None = None) -> None:
        """The run of a month comes to this account."""
        with self.database.transaction() as session:
            bill(session, [self.account], month, issued_on=issued_on)

    def billed_minor(self, month: date) -> int:
        """What invoices and recalculations say of a month, together."""
        with self.database.transaction() as session:
            return sum(
                session.scalars(
                    select(func.coalesce(func.sum(line.total_minor), 0)).where(
                        line.subscription_id == self.id, line.service_month_on == month
                    )
                ).one()
                for line in (InvoiceLine, RecalculationLine)
            )

    def facts(self) -> ServiceFacts:
        """The service as the oracle reads it, day by day."""
        tariffs = {tariff.id: tariff for tariff in self.tariffs}
        facts = ServiceFacts(self.id)
        with self.database.transaction() as session:
            periods = session.scalars(select(ServicePeriod).where(ServicePeriod.subscription_id == self.id))
            for period in periods:
                day = period.during.lower
                assert day is not None
                while day < (period.during.upper or date(2027, 4, 1)):
                    facts.days[day] = (tariffs[period.tariff_id], period.state.value)
                    day += timedelta(days=1)
        return facts

    def should_cost_minor(self, month: date) -> int:
        """What the month costs by the oracle."""
        return sum(line.sums.net + line.sums.vat for line in lines_of(self.facts(), month, NO_PAUSES))


def a_service(session: Session, database: Database, *tariffs: TariffFacts) -> Service:
    account = factories.customer(session).account
    service_id = serve(session, account, tariffs[0].id, since=OCTOBER)
    return Service(database, account, service_id, list(tariffs))


@pytest.fixture
def service(database: Database) -> Service:
    with database.transaction() as session:
        old, new = (priced_tariff(session, [(date(2020, 1, 1), fee)]) for fee in (OLD_FEE, NEW_FEE))
        return a_service(session, database, old, new)


@pytest.mark.parametrize("day", [1, 2, 15, 30])
def test_the_month_of_the_change_is_prorated_once_on_both_sides(service: Service, day: int) -> None:
    service.bill(OCTOBER)
    service.bill(NOVEMBER)
    assert service.billed_minor(NOVEMBER) == OLD_FEE, "charged in advance"

    told = service.change(NOVEMBER.replace(day=day), service.tariffs[1])
    service.bill(DECEMBER)

    # 6 500,01 ₸ for the days before, 9 900,07 ₸ for those after, each reckoned from the first of the month.
    before = round(OLD_FEE * (day - 1) / 30)
    assert service.billed_minor(NOVEMBER) == service.should_cost_minor(NOVEMBER)
    assert service.billed_minor(NOVEMBER) == before + NEW_FEE - round(NEW_FEE * (day - 1) / 30)
    assert service.billed_minor(NOVEMBER) - OLD_FEE == told, "as the subscriber was told"
    assert service.billed_minor(DECEMBER) == NEW_FEE


def test_a_change_before_the_run_of_the_same_day_is_charged_by_it(service: Service) -> None:
    service.bill(OCTOBER)
    told = service.change(NOVEMBER, service.tariffs[1])

    service.bill(NOVEMBER)

    assert service.billed_minor(NOVEMBER) == NEW_FEE == told


def test_a_change_after_the_run_of_the_same_day_is_made_up_by_the_next_one(service: Service) -> None:
    service.bill(OCTOBER)
    service.bill(NOVEMBER)
    told = service.change(NOVEMBER, service.tariffs[1])
    assert told == NEW_FEE - OLD_FEE

    service.bill(DECEMBER)

    assert (service.billed_minor(NOVEMBER), service.billed_minor(DECEMBER)) == (NEW_FEE, NEW_FEE)


def test_a_cheaper_tariff_gives_the_advance_charge_back(service: Service) -> None:
    cheap, dear = service.tariffs
    service.change(OCTOBER, dear)
    service.bill(OCTOBER)
    service.bill(NOVEMBER)

    told = service.change(date(2026, 11, 11), cheap)
    service.bill(DECEMBER)

    assert told < 0
    assert service.billed_minor(NOVEMBER) == NEW_FEE + told == service.should_cost_minor(NOVEMBER)
    assert service.billed_minor(DECEMBER) == OLD_FEE


@pytest.mark.parametrize("modes", [(Charging.ADVANCE, Charging.ARREARS), (Charging.ARREARS, Charging.ADVANCE)])
def test_a_change_between_advance_and_arrears_charges_each_day_once(
    database: Database, modes: tuple[Charging, Charging]
) -> None:
    with database.transaction() as session:
        tariffs = [
            priced_tariff(session, [(date(2020, 1, 1), fee)], charging=charging, vat_mode=vat_mode)
            for fee, charging, vat_mode in zip(
                (OLD_FEE, NEW_FEE), modes, (VatMode.INCLUDED, VatMode.ON_TOP), strict=True
            )
        ]
        service = a_service(session, database, *tariffs)
    service.bill(OCTOBER)
    service.bill(NOVEMBER)
    service.change(date(2026, 11, 12), tariffs[1])

    service.bill(DECEMBER)
    service.bill(JANUARY)

    for month in (OCTOBER, NOVEMBER, DECEMBER):
        assert service.billed_minor(month) == service.should_cost_minor(month) > 0


def test_two_changes_in_one_month_are_both_prorated(service: Service) -> None:
    service.bill(OCTOBER)
    service.bill(NOVEMBER)
    service.change(date(2026, 11, 5), service.tariffs[1])
    service.change(date(2026, 11, 20), service.tariffs[0])

    service.bill(DECEMBER)

    assert service.billed_minor(NOVEMBER) == service.should_cost_minor(NOVEMBER)


def test_a_change_and_one_back_on_the_same_day_cost_nothing(service: Service) -> None:
    service.bill(OCTOBER)
    service.bill(NOVEMBER)
    service.change(date(2026, 11, 5), service.tariffs[1])

    assert service.change(date(2026, 11, 5), service.tariffs[0]) == 0

    service.bill(DECEMBER)
    assert service.billed_minor(NOVEMBER) == OLD_FEE


def test_what_the_subscriber_is_told_heeds_days_on_which_the_service_is_frozen(service: Service) -> None:
    service.bill(OCTOBER)
    service.bill(NOVEMBER)
    with service.database.transaction() as session:
        services.freeze(
            session, service.id, from_on=date(2026, 11, 21), until_on=date(2026, 11, 26), today=date(2026, 11, 2)
        )

    told = service.change(date(2026, 11, 11), service.tariffs[1])
    service.bill(DECEMBER)

    assert service.billed_minor(NOVEMBER) == OLD_FEE + told == service.should_cost_minor(NOVEMBER)


def test_the_service_shows_the_tariff_that_it_is_on(service: Service) -> None:
    service.change(date(2026, 11, 5), service.tariffs[1])

    with service.database.transaction() as session:
        assert session.get_one(Subscription, service.id).tariff_id == service.tariffs[1].id


@pytest.mark.parametrize("seed", range(6))
def test_whatever_is_changed_frozen_and_billed_when_each_day_is_charged_once(database: Database, seed: int) -> None:
    dice = random.Random(seed)
    with database.transaction() as session:
        tariffs = [
            priced_tariff(
                session, [(date(2020, 1, 1), dice.randrange(1, 10**7))], charging=dice.choice(list(Charging)),
                vat_mode=dice.choice(list(VatMode)),
            )
            for _ in range(3)
        ]  # fmt: skip
        service = a_service(session, database, *tariffs)
    present = tariffs[0]
    for month in (OCTOBER, NOVEMBER, DECEMBER):
        billed_on = month.replace(day=dice.randrange(1, 4))
        for day in month_days(month):
            if day == billed_on and dice.random() < 0.5:
                service.bill(month, issued_on=day)
                billed_on = date.min
            if dice.random() < 0.1:
                present = dice.choice([tariff for tariff in tariffs if tariff is not present])
                service.change(day, present)
            if dice.random() < 0.05:
                freeze(service, day, dice)
            if day == billed_on:
                service.bill(month, issued_on=day)
    service.bill(JANUARY)
    service.bill(next_month(JANUARY))

    for month in (OCTOBER, NOVEMBER, DECEMBER, JANUARY):
        assert service.billed_minor(month) == service.should_cost_minor(month), month


def freeze(service: Service, day: date, dice: random.Random) -> None:
    """Freeze some of the coming days, where they are not frozen already."""
    until, days = day + timedelta(days=dice.randrange(1, 9)), service.facts().days
    if all(days[day + timedelta(days=ahead)][1] == ServiceState.ACTIVE for ahead in range((until - day).days)):
        with service.database.transaction() as session:
            services.freeze(session, service.id, from_on=day, until_on=until, today=day)
