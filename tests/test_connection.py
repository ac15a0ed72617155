"""The connection process, from application to closed, on a server in which days pass at once."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities import stock
from models.contracts.connection import ConnectionPolicy
from models.contracts.engine import RESCHEDULE_VISIT
from models.contracts.processes import ProcessState, ProcessStatus, Rescheduling, TaskDurations, TaskKind
from models.contracts.stock import Delivery
from models.database import Database
from models.tables.catalogue import Tariff
from models.tables.messages import Message
from models.tables.people import Staff
from models.tables.processes import Task
from models.tables.subscriptions import Subscription
from tests import factories
from tests.connection_world import SETTINGS, World, connection_world, eventually
from tests.engines import TemporalServer

TimeSkipping = Callable[[], TemporalServer]


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[World]:
    with connection_world(database, time_skipping()) as world:
        yield world


@pytest.fixture
def empty_stock(database: Database, time_skipping: TimeSkipping) -> Iterator[World]:
    with connection_world(database, time_skipping(), pieces=0) as world:
        yield world


def refusal_of(act: Callable[[], object]) -> ApplicationError:
    """How the process refuses an act."""
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        act()
    assert isinstance(failure.value.cause, ApplicationError)
    return failure.value.cause


def test_a_subscriber_is_connected_through_every_department(world: World) -> None:
    outcome = world.to_the_end()

    assert outcome.status == "completed"
    assert world.process().status is ProcessStatus.COMPLETED
    assert world.events() == [
        "application_registered", "equipment_reserved", "contract_drawn_up", "invoice_issued", "payment_received",
        "prepayment_complete", "task_opened", "visit_booked", "task_opened", "equipment_mounted", "act_drawn_up",
        "task_opened", "act_signed", "service_activated", "connection_closed",
    ]  # fmt: skip
    assert world.messages() == ["connection_invoice", "visit_booked", "connected"]
    assert world.balances() == {"1020": world.total_minor, "3130": -365_518, "6010": -2_284_482}


def test_the_subscription_is_charged_from_the_day_of_activation(world: World) -> None:
    world.to_the_end()

    with world.database.transaction() as session:
        subscription = session.get_one(Subscription, world.process().subscription_id)
        closed_at = world.process().closed_at
        assert closed_at is not None
        assert (subscription.status, subscription.active_from) == (
            "active",
            closed_at.astimezone(SETTINGS.zone).date(),
        )
    assert world.residue()["ports"][0] == (1, "active", "100M")


def test_partial_payments_add_up_to_the_prepayment(world: World) -> None:
    world.to_prepayment()
    world.pay(1_000_000)
    eventually(lambda: "payment_received" in world.events())
    assert world.state().stage == "prepayment"

    world.pay(world.total_minor - 1_000_000)

    world.task(TaskKind.ASSIGN_CREW)
    assert world.balances()["1020"] == world.total_minor


def test_an_overpayment_stays_as_the_subscribers_advance(world: World) -> None:
    world.to_prepayment()
    world.pay(world.total_minor + 300_000)

    world.task(TaskKind.ASSIGN_CREW)
    assert world.balances()["3510"] == -300_000
    assert "1210" not in world.balances()


def test_a_subscriber_who_does_not_pay_is_reminded_once_and_then_the_application_expires(world: World) -> None:
    before = world.residue()
    world.to_prepayment()

    world.sleep(timedelta(days=11))

    assert world.outcome().status == "cancelled"
    assert world.process().close_reason == "prepayment_expired"
    assert world.events().count("prepayment_reminded") == 1
    assert world.messages() == ["connection_invoice", "prepayment_reminder", "connection_expired"]
    assert world.residue() == before
    assert world.balances() == {}


def test_the_reminder_is_withdrawn_by_itself_when_the_invoice_is_paid(world: World) -> None:
    world.to_prepayment()
    world.sleep(timedelta(days=4))
    eventually(lambda: "prepayment_reminded" in world.events())

    with world.database.transaction() as session:
        reminder = session.scalars(
            select(Message).where(Message.process_id == world.process_id, Message.template == "prepayment_reminder")
        ).one()
        assert reminder.unless_paid_invoice_id is not None


def test_money_that_came_in_unnoticed_saves_the_application_from_expiry(world: World) -> None:
    world.to_prepayment()
    world.pay(world.total_minor, deliver=False)

    world.sleep(timedelta(days=11))

    world.task(TaskKind.ASSIGN_CREW)


def test_missing_equipment_is_bought_and_the_process_resumes_with_the_delivery(empty_stock: World) -> None:
    world = empty_stock
    world.apply()
    assert world.task(TaskKind.PURCHASE).facts == {"missing": [world.sku]}

    serial = factories.unique("SN").upper()
    world.complete(TaskKind.PURCHASE, "delivered", {"deliveries": [{"sku": world.sku, "serials": [serial]}]})

    world.wait_for_stage("prepayment")
    assert world.serials() == [serial]


def test_a_delivery_for_somebody_else_lets_the_process_resume_and_withdraws_the_purchase(empty_stock: World) -> None:
    world = empty_stock
    world.apply()
    purchase = world.task(TaskKind.PURCHASE)

    with world.database.transaction() as session:
        stock.receive(session, [Delivery(sku=world.sku, serials=[factories.unique("SN").upper()])])
    world.deliver()

    world.wait_for_stage("prepayment")
    with world.database.transaction() as session:
        assert session.get_one(Task, purchase.id).status == "withdrawn"


def test_a_delivery_of_too_few_pieces_asks_procurement_again(empty_stock: World) -> None:
    world = empty_stock
    world.apply(equipment=2)
    first = world.task(TaskKind.PURCHASE)
    serial = factories.unique("SN").upper()
    world.complete(TaskKind.PURCHASE, "delivered", {"deliveries": [{"sku": world.sku, "serials": [serial]}]})

    second = eventually(lambda: (task := world.open_task(TaskKind.PURCHASE)) and task.id != first.id and task)

    assert second.facts == {"missing": [world.sku]}
    assert world.serials() == [serial]


def test_a_purchase_that_procurement_refuses_cancels_the_application(empty_stock: World) -> None:
    world = empty_stock
    before = world.residue()
    world.apply()
    world.complete(TaskKind.PURCHASE, "refused", {"reason": "no longer made"})

    assert world.outcome().status == "cancelled"
    assert world.residue() == before


def test_an_absent_subscriber_leads_back_to_scheduling(world: World) -> None:
    world.to_installation()
    world.complete(TaskKind.INSTALL, "absent")

    world.task(TaskKind.ASSIGN_CREW)
    assert world.residue()["visits"] == 0
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot(days=2))
    world.complete(TaskKind.INSTALL, "installed", {"serials": world.serials()})
    world.complete(TaskKind.SIGN_ACT, "signed")
    assert world.outcome().status == "completed"


def test_a_postponed_scheduling_comes_back_when_the_subscriber_asked_for_it(world: World) -> None:
    world.to_scheduling()
    until = world.now() + timedelta(days=5)
    world.complete(TaskKind.ASSIGN_CREW, "postponed", {"until": until.isoformat(), "reason": "on holiday"})
    eventually(lambda: world.open_task(TaskKind.ASSIGN_CREW) is None)

    world.sleep(timedelta(days=6))

    assert world.task(TaskKind.ASSIGN_CREW).opened_at >= until


def test_a_booked_visit_can_be_moved(world: World) -> None:
    world.to_installation()
    target = world.slot(days=3, hour=11)
    move = Rescheduling(process_id=world.process_id, actor="staff:dispatcher", **target)

    world.ask(RESCHEDULE_VISIT, move, ProcessState)

    assert world.residue()["visits"] == 1
    assert "visit_moved" in world.events()
    assert world.messages()[-1] == "visit_moved"


def test_a_visit_that_is_not_booked_cannot_be_moved(world: World) -> None:
    world.to_scheduling()
    move = Rescheduling(process_id=world.process_id, actor="staff:dispatcher", **world.slot())

    assert refusal_of(lambda: world.ask(RESCHEDULE_VISIT, move, ProcessState)).type == "no_visit_booked"


def test_other_serial_numbers_than_the_reserved_ones_are_refused(world: World) -> None:
    world.to_installation()

    refusal = refusal_of(lambda: world.complete(TaskKind.INSTALL, "installed", {"serials": ["SN-FOREIGN"]}))

    assert refusal.type == "serials_not_reserved"
    assert world.open_task(TaskKind.INSTALL) is not None


def test_a_swap_is_mounted_instead_and_the_reserved_piece_returns_to_stock(world: World) -> None:
    world.to_installation()
    (reserved,) = world.serials()
    spare = next(serial for serial, state in world.residue()["stock"] if state == "in_stock")

    world.complete(
        TaskKind.INSTALL,
        "installed",
        {"serials": [spare], "swaps": [{"reserved": reserved, "mounted": spare, "reason": "dead on arrival"}]},
    )

    assert dict(world.residue()["stock"]) == {reserved: "in_stock", spare: "installed"}


def test_an_overdue_task_is_escalated_once_to_the_head_of_the_department(world: World) -> None:
    world.to_scheduling()

    world.sleep(timedelta(days=2))

    eventually(lambda: "task_escalated" in world.events())
    task = world.task(TaskKind.ASSIGN_CREW)
    assert task.escalated_at is not None
    with world.database.transaction() as session:
        message = session.scalars(select(Message).where(Message.key == f"task_escalated:{task.id}")).one()
        head = session.get_one(Staff, message.staff_id)
        assert (head.role, head.is_head) == ("dispatcher", True)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    assert world.events().count("task_escalated") == 1


def test_a_policy_in_seconds_runs_in_seconds(world: World) -> None:
    hasty = ConnectionPolicy(
        prepayment_reminder_after=timedelta(seconds=5),
        prepayment_expires_after=timedelta(seconds=9),
        tasks=TaskDurations(assign_crew=timedelta(seconds=1)),
    )
    world.apply(policy=hasty)
    eventually(lambda: "invoice_issued" in world.events())

    world.sleep(timedelta(seconds=10))

    assert world.outcome().status == "cancelled"


def test_nothing_to_pay_leads_straight_to_scheduling(database: Database, time_skipping: TimeSkipping) -> None:
    with connection_world(database, time_skipping(), connection_fee_minor=0) as world:
        with database.transaction() as session:
            session.execute(update(Tariff).where(Tariff.code == world.tariff_code).values(first_period_upfront=False))
        world.apply(equipment=0)

        world.task(TaskKind.ASSIGN_CREW)
        assert world.messages() == []
