"""Steps that are done again, because a crash or an impatient person had them done twice, change nothing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import select

from activities.connection import ConnectionActivities
from activities.tasks import TaskActivities, submit
from activities.visits import VisitActivities
from models.contracts.engine import COMPLETE_TASK_SIGNAL
from models.contracts.processes import Rescheduling, TaskKind, TaskOrder
from models.contracts.steps import InvoiceStep, Outstanding, PaymentStep
from models.database import Database
from models.tables.payments import Payment
from models.tables.people import Account
from models.tables.processes import Task
from tests.connection_world import SETTINGS, World, connection_world
from tests.engines import TemporalServer


@pytest.fixture
def world(database: Database, temporal: TemporalServer) -> Iterator[World]:
    with connection_world(database, temporal) as world:
        yield world


def test_a_task_opened_again_under_another_id_is_the_first_one(world: World) -> None:
    world.to_prepayment()
    steps, now = TaskActivities(world.database, SETTINGS), world.now()
    orders = [
        TaskOrder(
            task_id=uuid4(), process_id=world.process_id, ordinal=1, stage="scheduling", kind=TaskKind.ASSIGN_CREW,
            at=now + timedelta(seconds=turn), due_at=now + timedelta(days=1),
        )
        for turn in range(8)
    ]  # fmt: skip
    with ThreadPoolExecutor(len(orders)) as pool:
        opened = {answer.task_id for answer in pool.map(steps.open, orders)}
    with world.database.transaction() as session:
        assert set(session.scalars(select(Task.id).where(Task.process_id == world.process_id))) == opened
    assert len(opened) == 1
    assert world.events().count("task_opened") == 1


def test_an_act_on_a_task_that_a_crash_made_the_process_forget_is_done_once_it_is_opened_again(world: World) -> None:
    world.to_prepayment()
    order = TaskOrder(
        task_id=uuid4(), process_id=world.process_id, ordinal=1, stage="scheduling", kind=TaskKind.ASSIGN_CREW,
        at=world.now(), due_at=world.now() + timedelta(days=1),
    )  # fmt: skip
    TaskActivities(world.database, SETTINGS).open(order)
    with world.database.transaction() as session:
        task = session.get_one(Task, order.task_id)
        act, _ = submit(session, task, outcome="assigned", data=world.slot(), actor="staff:somebody", source="test")
    world.server.run(world.handle.signal(COMPLETE_TASK_SIGNAL, act))

    world.pay(world.total_minor)

    world.task(TaskKind.INSTALL)
    assert "act_refused" not in world.events()
    assert world.events().count("visit_booked") == 1


def test_a_visit_moved_twice_at_once_to_the_same_slot_is_moved_and_told_once(world: World) -> None:
    world.to_installation()
    steps, slot = VisitActivities(world.database, SETTINGS), world.slot(days=2)
    move = Rescheduling.model_validate({"process_id": world.process_id, "actor": "staff:somebody", **slot})
    moves = [move.model_copy(update={"at": world.now() + timedelta(seconds=turn)}) for turn in range(8)]
    with ThreadPoolExecutor(len(moves)) as pool:
        list(pool.map(steps.move_visit, moves))
    assert world.events().count("visit_moved") == 1
    assert world.messages().count("visit_moved") == 1


def test_a_payment_that_was_counted_before_it_was_signalled_is_in_the_timeline(world: World) -> None:
    world.to_prepayment()
    for amount_minor in (world.total_minor - 100, 100):
        world.pay(amount_minor, deliver=False)
    with world.database.transaction() as session:
        first = session.scalars(
            select(Payment.id).join(Account).where(Account.account_no == world.account_no).order_by(Payment.id).limit(1)
        ).one()
    look = PaymentStep(process_id=world.process_id, at=world.now(), payment_ids=[first])
    assert ConnectionActivities(world.database, SETTINGS).check_prepayment(look) == Outstanding(outstanding_minor=0)
    assert world.events()[-3:] == ["payment_received", "payment_received", "prepayment_complete"]


def test_an_invoice_that_was_paid_before_its_step_was_done_again_is_told_as_paid(world: World) -> None:
    world.to_prepayment()
    world.pay(world.total_minor, deliver=False)
    again = InvoiceStep(process_id=world.process_id, at=world.now(), pay_within=timedelta(days=10))
    steps = ConnectionActivities(world.database, SETTINGS)
    assert steps.send_contract_and_invoice(again) == Outstanding(outstanding_minor=0)
    assert world.events()[-2:] == ["payment_received", "prepayment_complete"]
    assert world.events().count("invoice_issued") == 1
    assert world.messages() == ["connection_invoice"]
