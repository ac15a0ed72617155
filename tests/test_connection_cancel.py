"""Cancelling a connection at every stage leaves no residue: the world is as it was before the application."""

import threading
from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.gateways.network import LocalNetwork
from models.contracts.connection import ConnectionStage
from models.contracts.engine import CANCEL_PROCESS
from models.contracts.processes import ProcessStatus, TaskKind
from models.database import Database
from models.tables.billing import CreditNote, Invoice
from tests.connection_world import World, connection_world, eventually
from tests.engines import TemporalServer

TimeSkipping = Callable[[], TemporalServer]


class StuckNetwork(LocalNetwork):
    """Equipment that switches a service on, but does not answer for a while."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.entered = threading.Event()
        self.answers = threading.Event()

    def switch_on(self, subscription_id: UUID, profile: str) -> None:
        super().switch_on(subscription_id, profile)
        self.entered.set()
        self.answers.wait(100)


def to_purchase(world: World) -> None:
    world.apply(equipment=3)
    world.task(TaskKind.PURCHASE)


STAGES: dict[str, tuple[Callable[[World], None], list[str]]] = {
    "stock": (to_purchase, ["equipment_released", "application_withdrawn"]),
    "prepayment": (
        World.to_prepayment,
        ["invoice_credited", "equipment_released", "application_withdrawn"],
    ),
    "scheduling": (
        World.to_scheduling,
        ["invoice_credited", "equipment_released", "application_withdrawn"],
    ),
    "installation": (
        World.to_installation,
        ["visit_freed", "invoice_credited", "equipment_released", "application_withdrawn"],
    ),
    "handover": (
        World.to_handover,
        ["visit_freed", "invoice_credited", "equipment_released", "application_withdrawn"],
    ),
}
PAID = {"scheduling", "installation", "handover"}
NO_WAIT_FOR_PEOPLE = {ConnectionStage.APPLICATION, ConnectionStage.CONTRACT, ConnectionStage.CLOSED}
"""A process passes these without a pause: whoever cancels meets it in the next one."""


def test_every_stage_is_cancelled_in_a_test_here() -> None:
    assert {*STAGES, "activation"} == set(ConnectionStage) - NO_WAIT_FOR_PEOPLE


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[World]:
    with connection_world(database, time_skipping()) as world:
        yield world


@pytest.mark.parametrize("stage", STAGES)
def test_cancelling_at_this_stage_leaves_no_residue(world: World, stage: str) -> None:
    reach, undone = STAGES[stage]
    before = world.residue()
    reach(world)

    world.cancel()

    if stage in PAID:
        world.complete(TaskKind.REFUND, "refunded", {"payment_order": "PO-17"})
    assert world.outcome().status == "cancelled"
    assert world.residue() == before
    assert world.process().status is ProcessStatus.CANCELLED
    happened = [event for event in world.events() if event in {*undone, "visit_freed"}]
    assert happened == undone, "given back in reverse order"
    assert world.messages()[-1] == "connection_cancelled"
    paid_out = {"1020": world.total_minor, "1030": -world.total_minor} if stage in PAID else {}
    assert world.balances() == paid_out


def test_cancelling_while_the_network_is_silent_switches_the_service_off_again(
    database: Database, time_skipping: TimeSkipping
) -> None:
    network = StuckNetwork(database)
    with connection_world(database, time_skipping(), network=network) as world:
        before = world.residue()
        world.to_handover()
        world.complete(TaskKind.SIGN_ACT, "signed")
        assert network.entered.wait(100)

        world.cancel()
        network.answers.set()

        world.complete(TaskKind.REFUND, "kept")
        assert world.outcome().status == "cancelled"
        assert world.residue() == before
        assert world.balances() == {"1020": world.total_minor, "3510": -world.total_minor}


def test_what_was_paid_becomes_the_subscribers_balance_with_a_refund_task(world: World) -> None:
    world.to_prepayment()
    world.pay(700_000)
    eventually(lambda: "payment_received" in world.events())

    world.cancel()

    task = world.task(TaskKind.REFUND)
    assert (task.department, task.facts) == ("accounting", {"advance_minor": 700_000})
    assert world.process().status is ProcessStatus.CANCELLED, "the process is over for the operator already"
    assert world.balances() == {"1020": 700_000, "3510": -700_000}


def test_the_invoice_is_credited_and_never_edited(world: World) -> None:
    world.to_prepayment()
    world.cancel()
    world.outcome()

    with world.database.transaction() as session:
        invoice = session.scalars(select(Invoice).where(Invoice.process_id == world.process_id)).one()
        note = session.scalars(select(CreditNote).where(CreditNote.invoice_id == invoice.id)).one()
        assert (note.net_minor, note.vat_minor, note.total_minor) == (
            invoice.net_minor, invoice.vat_minor, invoice.total_minor,
        )  # fmt: skip
        assert invoice.total_minor == world.total_minor


def test_a_connected_subscriber_is_not_cancelled_any_more(world: World) -> None:
    world.to_the_end()

    with pytest.raises(Exception, match=r"already completed|not found"):
        world.cancel()
    assert world.process().status is ProcessStatus.COMPLETED


def test_cancelling_twice_is_cancelling_once(world: World) -> None:
    world.to_scheduling()
    world.cancel()
    world.task(TaskKind.REFUND)

    with pytest.raises(WorkflowUpdateFailedError) as failure:
        world.cancel()

    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "too_late_to_cancel"
    assert world.events().count("connection_cancelled") == 1


def test_the_temporal_uis_own_cancel_button_gives_everything_back_too(world: World) -> None:
    before = world.residue()
    world.to_installation()

    world.server.run(world.handle.cancel())

    world.complete(TaskKind.REFUND, "kept")
    assert world.outcome().status == "cancelled"
    assert world.residue() == before


def test_a_cancel_signal_from_the_temporal_ui_gives_everything_back_too(world: World) -> None:
    before = world.residue()
    world.to_prepayment()

    world.server.run(world.handle.signal(CANCEL_PROCESS, {"reason": "duplicate"}))

    assert world.outcome().status == "cancelled"
    assert world.residue() == before
    assert world.process().close_reason == "duplicate"


def test_a_payment_that_crosses_the_cancellation_is_not_lost(world: World) -> None:
    world.to_prepayment()
    world.pay(world.total_minor, deliver=False)
    world.cancel()
    world.deliver()

    world.complete(TaskKind.REFUND, "kept")

    assert world.outcome().status == "cancelled"
    assert world.balances() == {"1020": world.total_minor, "3510": -world.total_minor}


def test_the_same_subscriber_can_apply_again_after_a_cancellation(world: World) -> None:
    world.to_prepayment()
    world.cancel()
    world.outcome()

    world.apply(iin=world.iin)

    world.wait_for_stage("prepayment")
