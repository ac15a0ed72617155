"""A disconnection that dunning orders for a debt: whoever pays before the dismantling keeps the service, always."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities import credit_notes
from activities.disconnection import DisconnectionActivities
from activities.disconnection_request import register_disconnection
from activities.payments import cancel_by_bank
from models.contracts.billing import NewCreditNote
from models.contracts.disconnection import NewDisconnection, Termination
from models.contracts.processes import ProcessStatus, TaskKind
from models.contracts.refusals import Refusal
from models.contracts.steps import InvoiceStep
from models.database import Database
from models.tables.billing import Invoice
from models.tables.payments import Payment
from models.tables.subscriptions import Subscription
from tests.connection_world import SETTINGS, eventually
from tests.disconnection_world import REASON, LeavingWorld, leaving_world
from tests.engines import TemporalServer

TimeSkipping = Callable[[], TemporalServer]
DEBT = 650_000


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[LeavingWorld]:
    with leaving_world(database, time_skipping()) as world:
        yield world


def ordered(world: LeavingWorld, *, equipment: int = 1) -> None:
    """Somebody is connected, owes, is suspended, and dunning orders the disconnection."""
    world.connect(equipment=equipment)
    world.owe(DEBT)
    world.suspend()
    world.leave(in_days=0, for_debt=True)


def to_dismantling(world: LeavingWorld) -> None:
    ordered(world)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.task(TaskKind.DISMANTLE)


def is_restored(world: LeavingWorld, *, pieces: int = 1) -> None:
    """The service is on again, and everything is where it was."""
    assert world.outcome().status == "cancelled"
    assert world.process().close_reason == "debt_paid"
    assert world.subscription().status == "active"
    assert world.residue()["ports"][0] == (1, "active", "100M")
    assert len(world.serials()) == pieces
    assert world.left_behind() == (0, 0)
    assert world.events()[-2:] == ["service_resumed", "disconnection_cancelled"]
    assert world.messages()[-1] == "disconnection_stopped"


def type_of_refusal(act: Callable[[], object]) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        act()
    assert isinstance(failure.value.cause, ApplicationError)
    return failure.value.cause.type


# -- never paid ------------------------------------------------------------------------------------------------------


def test_accounting_is_not_asked_and_the_debt_stays_a_debt(world: LeavingWorld) -> None:
    to_dismantling(world)
    world.complete(TaskKind.DISMANTLE, "dismantled", world.found())
    world.complete(TaskKind.SIGN_ACT, "signed")

    assert world.outcome().status == "completed"
    assert world.events()[0] == "disconnection_for_debt"
    assert not {"account_owes", "account_settled"} & set(world.events())
    assert world.owed() == DEBT, "suspended days are not charged"
    assert world.messages()[-1] == "disconnected_owing"
    assert world.subscription().status == "terminated"


def test_where_there_is_nothing_to_dismantle_the_service_just_ends(world: LeavingWorld) -> None:
    ordered(world, equipment=0)

    assert world.outcome().status == "completed"
    assert world.subscription().status == "terminated"
    assert world.owed() == DEBT


def test_the_request_names_the_dunning_that_ordered_it(world: LeavingWorld) -> None:
    ordered(world)

    assert world.request().dunning_process_id is not None


def test_it_is_not_ordered_for_a_debt_that_is_not_there(world: LeavingWorld) -> None:
    world.connect()
    world.owe(DEBT, days_late=-3)

    with pytest.raises(Refusal) as refusal:
        world.leave(in_days=0, for_debt=True)

    assert refusal.value.slug == "nothing_overdue"


# -- paid in time ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reach", [ordered, to_dismantling])
def test_a_full_payment_ends_it_by_itself_and_the_service_is_on_again(
    world: LeavingWorld, reach: Callable[[LeavingWorld], None]
) -> None:
    reach(world)

    world.pay(DEBT)

    is_restored(world)
    assert world.owed() == 0


def test_a_part_of_the_debt_is_not_enough(world: LeavingWorld) -> None:
    to_dismantling(world)
    world.pay(DEBT - 1)
    eventually(lambda: "payment_received" in world.events())
    assert world.subscription().status == "suspended"

    world.pay(1)

    is_restored(world)


def test_a_bill_that_is_not_due_yet_does_not_keep_the_service_off(world: LeavingWorld) -> None:
    ordered(world)
    world.owe(300_000, days_late=-5)

    world.pay(DEBT)

    is_restored(world)
    assert world.owed() == 300_000


def test_a_payment_that_is_taken_back_before_it_counts_changes_nothing(world: LeavingWorld) -> None:
    to_dismantling(world)
    world.pay(DEBT, deliver=False)
    now = world.now()
    with world.database.transaction() as session:
        txn_id = session.scalars(
            select(Payment.txn_id).where(Payment.bank_id == world.bank_id, Payment.amount_minor == DEBT)
        ).one()
        cancel_by_bank(
            session, bank_id=world.bank_id, txn_id=txn_id, on=now.date(), at=now, actor=f"bank:{world.bank_id}"
        )
    world.deliver()
    eventually(lambda: "payment_reversed" in world.events())

    world.complete(TaskKind.DISMANTLE, "dismantled", world.found())

    world.task(TaskKind.SIGN_ACT)


# -- in a race -------------------------------------------------------------------------------------------------------


def test_a_payment_that_nobody_was_told_of_stops_the_dismantling(world: LeavingWorld) -> None:
    to_dismantling(world)
    report = world.found()
    world.pay(DEBT, deliver=False)

    assert type_of_refusal(lambda: world.complete(TaskKind.DISMANTLE, "dismantled", report)) == "debt_paid"

    is_restored(world)


def test_a_debt_that_accounting_credits_stops_the_dismantling_as_well(world: LeavingWorld) -> None:
    to_dismantling(world)
    report = world.found()
    with world.database.transaction() as session:
        subscription = session.get_one(Subscription, world.subscription_id)
        debt = session.scalars(
            select(Invoice).where(Invoice.account_id == subscription.account_id, Invoice.due_on < world.today())
        ).one()
        credit_notes.issue(
            session, debt.id, NewCreditNote(reason="billed by mistake"), on=world.today(), actor="staff:accounting",
            limit_minor=None,
        )  # fmt: skip

    assert type_of_refusal(lambda: world.complete(TaskKind.DISMANTLE, "dismantled", report)) == "debt_paid"

    is_restored(world)


def test_a_payment_right_before_the_termination_stops_it_where_there_is_nothing_to_dismantle(
    world: LeavingWorld,
) -> None:
    world.connect(equipment=0)
    world.owe(DEBT)
    world.suspend()
    with world.database.transaction() as session:
        process, _ = register_disconnection(
            session, NewDisconnection(subscription_id=world.subscription_id, reason=REASON, requested_on=world.today()),
            actor="process", idempotency_key=None, at=world.now(), zone=SETTINGS.zone,
            dunning_process_id=world.dunning(session),
        )  # fmt: skip
        world.process_id = process.id
    world.pay(DEBT, deliver=False)

    step = InvoiceStep(process_id=world.process_id, at=world.now(), pay_within=timedelta(days=10))
    assert DisconnectionActivities(world.database, SETTINGS).terminate(step) == Termination(is_terminated=False)
    world.deliver()

    is_restored(world, pieces=0)


def test_payment_and_dismantling_at_once_whoever_paid_first_keeps_the_service(
    database: Database, temporal: TemporalServer
) -> None:
    """Again and again: the ledger and the stock tell the same story, and the process ends as they say."""
    with leaving_world(database, temporal, pieces=6, ports=8) as world:
        for turn in range(4):
            world.premises_id = world.another_place()
            world.connect()
            world.owe(DEBT)
            world.suspend()
            world.leave(in_days=0, for_debt=True)
            world.complete(TaskKind.ASSIGN_CREW, "assigned", world.next_slot())
            world.task(TaskKind.DISMANTLE)
            report = world.found()
            with ThreadPoolExecutor(2) as pool:
                early = pool.submit(world.pay, DEBT) if turn % 2 else None
                reporting = pool.submit(world.complete, TaskKind.DISMANTLE, "dismantled", report)
                (early or pool.submit(world.pay, DEBT)).result()
                is_dismantled = reporting.exception() is None
            if is_dismantled:
                assert world.serials() == []
                world.complete(TaskKind.SIGN_ACT, "signed")
                assert world.outcome().status == "completed"
                assert world.subscription().status == "terminated"
            else:
                assert world.outcome().status == "cancelled"
                assert len(world.serials()) == 1
                assert world.subscription().status == "active"
            assert world.owed() == 0


def test_a_payment_after_the_dismantling_is_money_and_no_way_back(world: LeavingWorld) -> None:
    to_dismantling(world)
    world.complete(TaskKind.DISMANTLE, "dismantled", world.found())
    world.task(TaskKind.SIGN_ACT)

    world.pay(DEBT + 100)
    world.complete(TaskKind.SIGN_ACT, "signed")

    assert world.task(TaskKind.REFUND).facts == {"advance_minor": 100}
    world.complete(TaskKind.REFUND, "kept")
    assert world.outcome().status == "completed"
    assert world.messages()[-1] == "disconnected"


# -- given up otherwise ----------------------------------------------------------------------------------------------


def test_an_operator_who_cancels_it_leaves_a_debtor_suspended(world: LeavingWorld) -> None:
    to_dismantling(world)

    world.cancel()

    assert world.outcome().status == "cancelled"
    assert world.process().status is ProcessStatus.CANCELLED
    assert world.subscription().status == "suspended"
    assert world.residue()["ports"][0] == (1, "reserved", None)
    assert "disconnection_stopped" not in world.messages()


def test_an_operator_who_cancels_it_while_the_payment_comes_restores_the_service(world: LeavingWorld) -> None:
    to_dismantling(world)
    world.pay(DEBT, deliver=False)

    world.cancel()

    assert world.outcome().status == "cancelled"
    assert world.subscription().status == "active"
    assert world.residue()["ports"][0] == (1, "active", "100M")
