"""Money in transit by bank and day: all of 1020 is explained, and only what is in transit."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from activities import balance_transfer, ledger, transit_report
from models.contracts.ledger import Chart
from models.tables.ledger import LedgerBalance
from models.tables.people import Account
from tests.databases import database_of_its_own
from tests.reconciliation_world import ZONE, BankWorld


@pytest.fixture
def world(postgres_url: str) -> Iterator[BankWorld]:
    """In a database of its own: the report is about all banks."""
    with database_of_its_own(postgres_url) as database:
        world = BankWorld(database, None, "")
        world.furnish()
        yield world


def in_transit(
    world: BankWorld, *, days_later: int = 30, with_settled: bool = False
) -> list[tuple[str | None, str, int]]:
    """Bank, day and balance of each line of the report; all of them are 1020."""
    as_of = world.day + timedelta(days=days_later)
    with world.database.transaction() as session:
        days = transit_report.in_transit(session, as_of, ZONE, with_settled=with_settled)
        balance = session.scalar(
            select(func.sum(LedgerBalance.balance_minor)).where(LedgerBalance.chart_code == "1020")
        )
    if days_later == 30:
        assert sum(day.balance.amount_minor for day in days) == int(balance or 0)
    return [(day.bank, str(day.date), day.balance.amount_minor) for day in days]


def settled(world: BankWorld, amount: int) -> None:
    world.send(world.rows(world.pay(amount)))
    world.bring_in(world.transfer(amount - round(amount * 95 / 10_000)))


def test_a_settled_day_is_in_transit_no_more(world: BankWorld) -> None:
    settled(world, 100_000)

    assert in_transit(world) == []
    assert in_transit(world, with_settled=True) == [(world.code, str(world.day), 0)]


def test_the_report_of_an_earlier_day_knows_nothing_of_what_came_later(world: BankWorld) -> None:
    settled(world, 100_000)

    assert in_transit(world, days_later=0) == [(world.code, str(world.day), 100_000)]
    assert in_transit(world, days_later=-1) == []


def test_a_reversal_counts_for_the_day_of_the_bank_on_which_it_was_made(world: BankWorld) -> None:
    eve = world.day - timedelta(days=1)
    txn = world.pay(10_000, day=eve)
    world.reverse(txn, at=world.at())

    assert in_transit(world) == [(world.code, str(eve), 10_000), (world.code, str(world.day), -10_000)]


def test_an_advance_that_is_moved_between_accounts_is_no_banks_money(world: BankWorld) -> None:
    settled(world, 100_000)
    with world.database.transaction() as session:
        source = session.scalars(select(Account).where(Account.account_no == world.accounts[0])).one()
        target = Account(account_no="other", subscriber_id=source.subscriber_id, opened_on=world.day)
        session.add(target)
        session.flush()
        balance_transfer.move(
            session, from_account_id=source.id, to_account_id=target.id, amount_minor=40_000, key="once",
            reason="по заявлению", on=world.day, at=world.at(), actor="staff:accountant",
        )  # fmt: skip

    assert in_transit(world) == []
    world.send([])
    assert {str(one.kind) for one in world.differences()} == {"extra_here"}, "the bank's payment alone"


def test_what_belongs_to_no_bank_is_shown_as_such(world: BankWorld) -> None:
    with world.database.transaction() as session:
        ledger.post(
            session, key=f"by-hand/{uuid4()}", debit=Chart.IN_TRANSIT, credit=Chart.CASH, amount_minor=700,
            account_id=None, document_kind="encashment", document_id=uuid4(), reason="инкассация",
            effective_on=world.day,
        )  # fmt: skip

    assert in_transit(world) == [(None, "None", 700)]


def test_days_without_money_or_with_money_left_are_unsettled(world: BankWorld) -> None:
    settled(world, 100_000)
    two, one = world.day - timedelta(days=2), world.day - timedelta(days=1)
    world.pay(20_000, day=two)
    world.send([], day=one)
    world.pay(30_000, day=one)

    with world.database.transaction() as session:
        days = transit_report.unsettled(session, world.day, ZONE)

    shown = {str(day.date): (day.days_since, day.in_transit.amount_minor, day.has_registry) for day in days}
    assert shown == {
        str(two): (2, 20_000, False),
        str(one): (1, 30_000, True),
        str(world.day): (0, 100_000, True),  # its transfer is of a day later
    }
