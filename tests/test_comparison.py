"""Registry against books: each kind of difference, what is proposed for it, and that it goes when that is done."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from activities import comparison, difference_actions, payments
from activities.bank_day_opening import open_day
from activities.difference_actions import Decision
from models.contracts.reconciliation import DifferenceKind, DifferenceStatus
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.banks import Bank
from models.tables.payments import Payment
from models.tables.people import Account
from models.tables.reconciliation import Reconciliation
from tests import factories
from tests.reconciliation_world import ZONE, BankWorld

OPEN, LEFT, VANISHED = DifferenceStatus.OPEN, DifferenceStatus.LEFT, DifferenceStatus.VANISHED


@pytest.fixture
def world(database: Database) -> BankWorld:
    world = BankWorld(database, None, "")
    world.furnish()
    return world


def compare(world: BankWorld, day: date | None = None) -> Counter[str]:
    """Compare a day, and say which kinds are open."""
    with world.database.transaction() as session:
        found = session.scalars(
            select(Reconciliation).where(
                Reconciliation.bank_id == world.bank_id, Reconciliation.day_on == (day or world.day)
            )
        ).one()
        comparison.compare(session, comparison.lock(session, found.id), at=world.now(), zone=ZONE)
    return world.kinds(day=day)


def decided(world: BankWorld, **other: Any) -> Decision:
    return Decision("staff:accountant", world.now(), ZONE, **other)


def carry_out(world: BankWorld, *, day: date | None = None, **other: Any) -> None:
    """Do what is proposed for all open differences."""
    for difference in world.differences(day=day):
        with world.database.transaction() as session:
            difference_actions.carry_out(session, difference.id, decided(world, **other))


def test_what_both_have_alike_is_no_difference(world: BankWorld) -> None:
    txns = [world.pay(10_000, 0), world.pay(25_050, 1, by_iin=True)]
    world.send(world.rows(*txns))

    assert compare(world) == Counter()
    day = world.reconciliation()
    assert (day.lines, day.gross_minor, day.posted_minor, day.fee_minor) == (2, 35_050, 35_050, 333)
    assert day.ready_at is not None


def test_a_payment_that_only_the_bank_has_is_posted(world: BankWorld) -> None:
    world.send([("A-1", world.accounts[0], 10_000), ("A-2", world.iins[1], 20_000)])
    assert compare(world) == {"missing_here": 2}
    assert world.reconciliation().ready_at is None

    carry_out(world)

    assert compare(world) == Counter()
    assert world.standing() == {"A-1": 10_000, "A-2": 20_000}
    assert (world.balance_of(0), world.balance_of(1)) == (10_000, 20_000)
    with world.database.transaction() as session:
        payment = session.scalars(
            select(Payment).where(Payment.txn_id == "A-1", Payment.bank_id == world.bank_id)
        ).one()
    assert (payment.source, payment.paid_at) == ("registry", world.at(hour=10))


def test_a_payment_to_a_number_that_nobody_has_is_posted_to_suspense_or_to_whom_accounting_names(
    world: BankWorld,
) -> None:
    world.send([("A-1", "0000000", 10_000), ("A-2", "880101300014", 20_000)])
    assert compare(world) == {"unknown_account": 2}
    first, second = world.differences()
    with world.database.transaction() as session:
        difference_actions.carry_out(session, first.id, decided(world))
        difference_actions.carry_out(session, second.id, decided(world, account_no=world.accounts[2]))

    assert compare(world) == Counter()
    assert world.balance_of(2) == 20_000
    assert world.books()["3390"] == -10_000


def test_an_account_that_nobody_has_is_refused_with_a_sentence(world: BankWorld) -> None:
    world.send([("A-1", "0000000", 10_000)])
    compare(world)

    with pytest.raises(Refusal) as refusal:
        carry_out(world, account_no="nobody's")
    assert (refusal.value.slug, set(refusal.value.errors)) == ("account_unknown", {"data.account_no"})
    assert compare(world) == {"unknown_account": 1}


def test_a_payment_that_the_bank_does_not_confirm_is_taken_back(world: BankWorld) -> None:
    world.pay(10_000, txn="A-1")
    world.send([])
    assert compare(world) == {"extra_here": 1}

    carry_out(world)

    assert compare(world) == Counter()
    assert (world.standing(), world.books()) == ({}, {})
    assert world.reconciliation().posted_minor == 0, "taken back on this day, whatever day it is today"


def test_a_payment_with_another_sum_is_corrected(world: BankWorld) -> None:
    world.pay(10_000, txn="A-1")
    world.send([("A-1", world.accounts[0], 1_000)])
    assert compare(world) == {"other_sum": 1}

    carry_out(world)

    assert compare(world) == Counter()
    assert world.standing() == {"A-1": 1_000}
    assert world.balance_of(0) == 1_000


def test_a_payment_to_another_account_is_given_to_the_registrys(world: BankWorld) -> None:
    world.pay(10_000, 0, txn="A-1")
    world.send([("A-1", world.accounts[1], 10_000)])
    assert compare(world) == {"other_account": 1}

    carry_out(world)

    assert compare(world) == Counter()
    assert (world.balance_of(0), world.balance_of(1)) == (0, 10_000)


def test_an_accounts_owner_named_by_iin_is_the_same_payee(world: BankWorld) -> None:
    world.pay(10_000, 0, txn="A-1")
    world.send([("A-1", world.iins[0], 10_000)])

    assert compare(world) == Counter()


def test_money_in_suspense_whose_owner_the_registry_names_is_given_to_them(world: BankWorld) -> None:
    world.pay(10_000, txn="A-1", account_no="mistyped")
    world.send([("A-1", world.accounts[1], 10_000)])
    assert compare(world) == {"other_account": 1}

    carry_out(world)

    assert compare(world) == Counter()
    assert world.balance_of(1) == 10_000
    assert "3390" not in world.books()


def test_money_in_suspense_that_the_registry_has_likewise_is_no_difference(world: BankWorld) -> None:
    world.pay(10_000, txn="A-1", account_no="mistyped")
    world.send([("A-1", "mistyped", 10_000)])

    assert compare(world) == Counter()


def test_a_payment_of_another_day_is_accepted_for_the_registrys_and_goes_from_the_other(world: BankWorld) -> None:
    eve = world.day - timedelta(days=1)
    world.pay(10_000, txn="A-1", day=eve, hour=23)
    world.send([], day=eve)
    world.send([("A-1", world.accounts[0], 10_000)])
    assert (compare(world, eve), compare(world)) == ({"extra_here": 1}, {"other_date": 1})
    assert world.differences()[0].other_on == eve

    carry_out(world)

    assert (compare(world, eve), compare(world)) == (Counter(), Counter())
    assert [one.status for one in world.differences(None, day=eve)] == [VANISHED]
    assert (world.reconciliation(eve).posted_minor, world.reconciliation().posted_minor) == (0, 10_000)
    assert world.standing() == {"A-1": 10_000}


def test_a_payment_of_another_day_with_another_sum_is_accepted_and_then_corrected(world: BankWorld) -> None:
    world.pay(10_000, txn="A-1", day=world.day - timedelta(days=1))
    world.send([("A-1", world.accounts[0], 12_000)])
    assert compare(world) == {"other_date": 1}
    carry_out(world)
    assert compare(world) == {"other_sum": 1}
    carry_out(world)

    assert compare(world) == Counter()
    assert world.standing() == {"A-1": 12_000}


def test_a_payment_that_another_days_registry_has_already_is_for_a_person(world: BankWorld) -> None:
    eve = world.day - timedelta(days=1)
    world.pay(10_000, txn="A-1", day=eve)
    world.send([("A-1", world.accounts[0], 10_000)], day=eve)
    world.send([("A-1", world.accounts[0], 10_000)])

    assert (compare(world, eve), compare(world)) == (Counter(), {"in_two_registries": 1})
    with pytest.raises(Refusal, match="leave it with a reason"):
        carry_out(world)


def test_what_was_taken_back_here_and_stands_in_the_registry_is_posted_again(world: BankWorld) -> None:
    world.pay(10_000, txn="A-1")
    world.reverse("A-1", at=world.at(hour=15))
    world.send([("A-1", world.accounts[0], 10_000)])
    assert compare(world) == {"reversed_here": 1}

    carry_out(world)

    assert compare(world) == Counter()
    assert world.standing() == {"A-1": 10_000}
    assert world.balance_of(0) == 10_000


def test_a_refund_in_a_later_registry_takes_the_payment_back_on_that_day(world: BankWorld) -> None:
    eve = world.day - timedelta(days=1)
    world.pay(10_000, txn="A-1", day=eve)
    world.send([("A-1", world.accounts[0], 10_000)], day=eve)
    world.send([("A-1", world.accounts[0], -10_000)])
    assert (compare(world, eve), compare(world)) == (Counter(), {"refunded_at_bank": 1})

    carry_out(world)

    assert (compare(world, eve), compare(world)) == (Counter(), Counter())
    assert world.standing() == {}
    assert world.reconciliation().posted_minor == world.reconciliation().gross_minor == -10_000


def test_a_payment_refunded_on_its_own_day_is_taken_back_as_well(world: BankWorld) -> None:
    world.pay(10_000, txn="A-1")
    world.send([("A-1", world.accounts[0], 10_000), ("A-1", world.accounts[0], -10_000)])
    assert compare(world) == {"refunded_at_bank": 1}

    carry_out(world)

    assert (compare(world), world.standing()) == (Counter(), {})


def test_a_refund_in_part_leaves_the_rest(world: BankWorld) -> None:
    eve = world.day - timedelta(days=1)
    world.pay(10_000, txn="A-1", day=eve)
    world.send([("A-1", world.accounts[0], 10_000)], day=eve)
    world.send([("A-1", world.accounts[0], -4_000)])
    assert compare(world) == {"other_sum": 1}

    carry_out(world)

    assert (compare(world, eve), compare(world)) == (Counter(), Counter())
    assert world.standing() == {"A-1": 6_000}


def test_what_the_bank_cancelled_on_its_day_and_does_not_list_is_no_difference(world: BankWorld) -> None:
    world.pay(10_000, txn="A-1")
    world.cancel_payment("A-1", at=world.at(hour=18))
    world.send([])

    assert compare(world) == Counter()


def test_what_the_bank_cancelled_a_day_later_agrees_in_both_registries(world: BankWorld) -> None:
    eve = world.day - timedelta(days=1)
    world.pay(10_000, txn="A-1", day=eve)
    world.cancel_payment("A-1", at=world.at(hour=9))
    world.send([("A-1", world.accounts[0], 10_000)], day=eve)
    world.send([("A-1", world.accounts[0], -10_000)])

    assert (compare(world, eve), compare(world)) == (Counter(), Counter())


def test_what_was_cancelled_a_day_later_and_is_in_no_registry_counts_for_its_own_day(world: BankWorld) -> None:
    eve = world.day - timedelta(days=1)
    world.pay(10_000, txn="A-1", day=eve)
    world.cancel_payment("A-1", at=world.at(hour=1))
    world.send([], day=eve)
    assert compare(world, eve) == {"other_reversal_date": 1}

    carry_out(world, day=eve)

    assert compare(world, eve) == Counter()
    world.send([])
    assert compare(world) == Counter()


def test_a_reversal_that_the_bank_does_not_know_is_for_a_person(world: BankWorld) -> None:
    eve = world.day - timedelta(days=1)
    world.pay(10_000, txn="A-1", day=eve)
    world.send([("A-1", world.accounts[0], 10_000)], day=eve)
    world.reverse("A-1", at=world.at(hour=9))
    world.send([])

    assert (compare(world, eve), compare(world)) == (Counter(), {"reversal_unknown_to_bank": 1})


@pytest.mark.parametrize("posted", [False, True])
def test_a_refund_of_more_than_was_paid_is_for_a_person(world: BankWorld, posted: bool) -> None:
    if posted:
        world.pay(3_000, txn="A-1", day=world.day - timedelta(days=1))
    world.send([("A-1", world.accounts[0], -10_000)])

    assert compare(world) == {"refund_unknown": 1}


def test_what_is_left_with_a_reason_is_not_asked_again_until_it_changes(world: BankWorld) -> None:
    world.pay(10_000, txn="A-1")
    world.send([])
    compare(world)
    with world.database.transaction() as session:
        (difference,) = world.differences()
        difference_actions.leave(session, difference.id, decided(world, reason="the bank mends it tomorrow"))

    assert compare(world) == Counter()
    assert [one.reason for one in world.differences(LEFT)] == ["the bank mends it tomorrow"]
    world.send([("A-1", world.accounts[0], 9_000)])
    assert compare(world) == {"other_sum": 1}
    assert world.differences(LEFT) == []


def test_a_difference_that_changed_meanwhile_is_not_acted_on(world: BankWorld) -> None:
    world.send([("A-1", world.accounts[0], 10_000)])
    compare(world)
    world.pay(10_000, txn="A-1", late=True)

    with pytest.raises(Refusal) as refusal:
        carry_out(world)

    assert refusal.value.slug == "difference_changed"
    assert compare(world) == Counter()
    assert world.standing() == {"A-1": 10_000}


def test_carried_out_twice_is_once(world: BankWorld) -> None:
    world.send([("A-1", world.accounts[0], 10_000)])
    compare(world)
    (difference,) = world.differences()
    carry_out(world)

    with world.database.transaction() as session, pytest.raises(Refusal) as refusal:
        difference_actions.carry_out(session, difference.id, decided(world))

    assert refusal.value.slug == "difference_gone"
    assert world.standing() == {"A-1": 10_000}


def test_the_late_report_of_a_payment_that_was_posted_from_the_registry_gets_its_answer(world: BankWorld) -> None:
    world.send([("A-1", world.accounts[0], 10_000)])
    compare(world)
    carry_out(world)

    world.pay(10_000, txn="A-1", late=True, hour=11)

    assert (compare(world), world.standing()) == (Counter(), {"A-1": 10_000})


def test_a_payment_in_parts_is_one_transaction(world: BankWorld) -> None:
    with world.database.transaction() as session:
        first = session.scalars(select(Account).where(Account.account_no == world.accounts[0])).one()
        second = Account(account_no=factories.unique("acc"), subscriber_id=first.subscriber_id, opened_on=world.day)
        session.add(second)
        session.flush()
        factories.connection_invoice(session, first, 4_000)
        factories.connection_invoice(session, second, 5_000)
    world.pay(10_000, txn="A-1", by_iin=True)
    world.send([("A-1", world.iins[0], 10_000), ("A-2", world.iins[0], 100)])
    assert compare(world) == {"missing_here": 1}
    carry_out(world)
    assert compare(world) == Counter()

    world.send([("A-1", world.iins[0], 9_000), ("A-2", world.iins[0], 100)])
    assert compare(world) == {"other_sum": 1}
    carry_out(world)
    assert (compare(world), world.standing()) == (Counter(), {"A-1": 9_000, "A-2": 100})


def test_the_banks_accounting_date_goes_before_the_time_of_payment(world: BankWorld) -> None:
    eve = world.day - timedelta(days=1)
    notice = factories.payment_notice(10_000, account_no=world.accounts[0], txn_id="A-1")
    notice = notice.model_copy(update={"paid_at": world.at(eve, hour=19)})
    with world.database.transaction() as session:
        payments.take_payment(
            session, bank_id=world.bank_id, notice=notice, received_at=world.at(eve, hour=19), on=eve,
            accounting_on=world.day,
        )  # fmt: skip
    world.send([("A-1", world.accounts[0], 10_000)])

    assert compare(world) == Counter()


def test_other_banks_and_moved_advances_are_nobodys_difference(world: BankWorld, database: Database) -> None:
    other = BankWorld(database, None, "")
    other.furnish()
    other.pay(10_000, txn="A-1")
    world.send([])

    assert compare(world) == Counter()


def test_a_day_that_has_not_begun_is_refused(world: BankWorld) -> None:
    with world.database.transaction() as session, pytest.raises(Refusal) as refusal:
        open_day(
            session, session.get_one(Bank, world.bank_id), world.day + timedelta(days=5), actor="schedule",
            at=world.now(), zone=ZONE,
        )  # fmt: skip
    assert refusal.value.slug == "day_in_future"


def test_every_kind_has_a_proposal() -> None:
    assert set(comparison.PROPOSALS) == set(DifferenceKind)
