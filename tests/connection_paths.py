"""Every path that a connection can take, each driven once to be recorded: see `tests/record_histories.py`."""

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update
from temporalio.client import WorkflowUpdateFailedError

from activities import stock
from activities.gateways.network import LocalNetwork
from activities.payments import cancel_by_bank
from activities.processes import request_cancellation
from models.contracts.engine import CANCEL_PROCESS, CLAIM_TASK, COMPLETE_TASK_SIGNAL, RESCHEDULE_VISIT
from models.contracts.people import Role
from models.contracts.processes import CancelRequest, ProcessState, Rescheduling, TaskClaim, TaskKind
from models.contracts.stock import Delivery
from models.database import Database
from models.tables.catalogue import Tariff
from models.tables.payments import Payment
from tests import factories
from tests.connection_world import World, connection_world, eventually
from tests.paths import Paths

DAY = timedelta(days=1)
REASON = "Ерлан Нұрпейісов просит перенести на +77015554433"
"""Free text as people write it: with a name and a number in it."""


class TroubledNetwork(LocalNetwork):
    """Equipment that first fails with a text that names a person, and can be made silent."""

    def __init__(self, database: Database, *, failures: int = 0, silent: bool = False) -> None:
        super().__init__(database)
        self._failures = failures
        self.entered, self.answers = threading.Event(), threading.Event()
        if not silent:
            self.answers.set()

    def switch_on(self, subscription_id: UUID, profile: str) -> None:
        if self._failures:
            self._failures -= 1
            raise ConnectionError(f"no route: {REASON}")
        super().switch_on(subscription_id, profile)
        self.entered.set()
        self.answers.wait(100)


PATHS = Paths(connection_world)
path = PATHS.path


def cancel(world: World) -> None:
    """Cancel as the API does: the reason stays in the database."""
    with world.database.transaction() as session:
        request_id = request_cancellation(
            session, world.process_id, reason=REASON, actor="staff:operator", at=world.now()
        )
    world.ask(CANCEL_PROCESS, CancelRequest(actor="staff:operator", request_id=request_id), ProcessState)


def refused(act: Callable[[], object]) -> None:
    """An act that the process refuses."""
    with pytest.raises(WorkflowUpdateFailedError):
        act()


def assign(world: World, **slot: Any) -> None:
    world.complete(TaskKind.ASSIGN_CREW, "assigned", {**world.slot(**slot), "comment": REASON})


def install(world: World) -> None:
    world.complete(TaskKind.INSTALL, "installed", {"serials": world.serials(), "comment": REASON})


def sign(world: World) -> None:
    world.complete(TaskKind.SIGN_ACT, "signed", {"comment": REASON})


def signal(world: World, name: str, *payload: Any) -> None:
    world.server.run(world.handle.signal(name, args=list(payload)))


def refund(world: World) -> None:
    world.complete(TaskKind.REFUND, "refunded", {"payment_order": "PO-17"})


def to_purchase(world: World) -> None:
    world.apply()
    world.task(TaskKind.PURCHASE)


def deliver(world: World, pieces: int = 1) -> None:
    serials = [factories.unique("SN").upper() for _ in range(pieces)]
    world.complete(
        TaskKind.PURCHASE,
        "delivered",
        {"deliveries": [{"sku": world.sku, "serials": serials}], "supplier_document": REASON},
    )


# -- to the goal -----------------------------------------------------------------------------------------------------


@path()
def happy(world: World) -> None:
    world.to_scheduling()
    assign(world)
    install(world)
    sign(world)


@path()
def paid_in_parts(world: World) -> None:
    world.to_prepayment()
    world.pay(1_000_000)
    eventually(lambda: "payment_received" in world.events())
    world.pay(world.total_minor - 1_000_000)
    assign(world)
    install(world)
    sign(world)


@path()
def paid_back_and_paid_again(world: World) -> None:
    world.to_prepayment()
    world.pay(1_000_000)
    eventually(lambda: "payment_received" in world.events())
    now = world.now()
    with world.database.transaction() as session:
        txn_id = session.scalars(select(Payment.txn_id).where(Payment.bank_id == world.bank_id)).one()
        cancel_by_bank(
            session, bank_id=world.bank_id, txn_id=txn_id, on=now.date(), at=now, actor=f"bank:{world.bank_id}"
        )
    world.deliver()
    eventually(lambda: "payment_reversed" in world.events())
    world.pay(world.total_minor)
    assign(world)
    install(world)
    sign(world)


@path()
def paid_after_the_reminder(world: World) -> None:
    world.to_prepayment()
    world.sleep(4 * DAY)
    eventually(lambda: "prepayment_reminded" in world.events())
    world.pay(world.total_minor)
    assign(world)
    install(world)
    sign(world)


@path()
def paid_unnoticed(world: World) -> None:
    world.to_prepayment()
    world.pay(world.total_minor, deliver=False)
    world.sleep(11 * DAY)
    assign(world)
    install(world)
    sign(world)


@path(connection_fee_minor=0)
def nothing_to_pay(world: World) -> None:
    with world.database.transaction() as session:
        session.execute(update(Tariff).where(Tariff.code == world.tariff_code).values(first_period_upfront=False))
    world.apply(equipment=0)
    assign(world)
    world.complete(TaskKind.INSTALL, "installed", {"serials": []})
    sign(world)


@path(pieces=0)
def purchased(world: World) -> None:
    to_purchase(world)
    deliver(world)
    world.wait_for_stage("prepayment")
    world.pay(world.total_minor)
    assign(world)
    install(world)
    sign(world)


@path(pieces=0)
def purchased_twice(world: World) -> None:
    world.apply(equipment=2)
    first = world.task(TaskKind.PURCHASE).id
    deliver(world)
    eventually(lambda: (task := world.open_task(TaskKind.PURCHASE)) and task.id != first)
    deliver(world)
    world.wait_for_stage("prepayment")
    cancel(world)


@path(pieces=0)
def delivered_for_somebody_else(world: World) -> None:
    to_purchase(world)
    with world.database.transaction() as session:
        stock.receive(session, [Delivery(sku=world.sku, serials=[factories.unique("SN").upper()])])
    world.deliver()
    world.wait_for_stage("prepayment")
    cancel(world)


@path()
def postponed(world: World) -> None:
    world.to_scheduling()
    until = world.now() + 5 * DAY
    world.complete(TaskKind.ASSIGN_CREW, "postponed", {"until": until.isoformat(), "reason": REASON})
    eventually(lambda: world.open_task(TaskKind.ASSIGN_CREW) is None)
    world.sleep(6 * DAY)
    assign(world)
    install(world)
    sign(world)


@path()
def absent(world: World) -> None:
    world.to_installation()
    world.complete(TaskKind.INSTALL, "absent", {"comment": REASON})
    assign(world, days=2)
    install(world)
    sign(world)


@path()
def rescheduled(world: World) -> None:
    world.to_installation()
    move = Rescheduling(process_id=world.process_id, actor="staff:dispatcher", **world.slot(days=3, hour=11))
    world.ask(RESCHEDULE_VISIT, move, ProcessState)
    install(world)
    sign(world)


@path()
def swapped(world: World) -> None:
    world.to_installation()
    (reserved,) = world.serials()
    spare = next(serial for serial, state in world.residue()["stock"] if state == "in_stock")
    swap = {"reserved": reserved, "mounted": spare, "reason": REASON}
    world.complete(TaskKind.INSTALL, "installed", {"serials": [spare], "swaps": [swap]})
    sign(world)


@path()
def escalated(world: World) -> None:
    world.to_scheduling()
    world.sleep(2 * DAY)
    eventually(lambda: "task_escalated" in world.events())
    assign(world)
    install(world)
    sign(world)


@path()
def claimed(world: World) -> None:
    world.to_scheduling()
    task = world.task(TaskKind.ASSIGN_CREW)
    with world.database.transaction() as session:
        mine, other = (factories.staff(session, Role.DISPATCHER).row.id for _ in range(2))
    world.ask(CLAIM_TASK, TaskClaim(task_id=task.id, staff_id=mine, at=world.now()), TaskClaim)
    refused(lambda: world.ask(CLAIM_TASK, TaskClaim(task_id=task.id, staff_id=other, at=world.now()), TaskClaim))
    assign(world)
    install(world)
    sign(world)


@path(network=lambda database: TroubledNetwork(database, failures=2))
def switched_on_at_the_third_attempt(world: World) -> None:
    world.to_installation()
    install(world)
    sign(world)


# -- from the Temporal UI, and refused -------------------------------------------------------------------------------


@path()
def completed_by_signal(world: World) -> None:
    world.to_scheduling()
    task = world.task(TaskKind.ASSIGN_CREW)
    signal(world, COMPLETE_TASK_SIGNAL, {"task_id": str(task.id), "outcome": "assigned", "data": world.slot()})
    install(world)
    sign(world)


@path()
def bad_signals(world: World) -> None:
    world.to_scheduling()
    task = world.task(TaskKind.ASSIGN_CREW)
    bad_form = {"task_id": str(task.id), "outcome": "assigned", "data": {"crew_id": "x"}}
    stray = {"task_id": str(uuid4()), "outcome": "assigned"}
    signals: list[tuple[str, tuple[Any, ...]]] = [
        *((COMPLETE_TASK_SIGNAL, payload) for payload in [(), ("just text",), (stray,), (bad_form,)]),
        (CANCEL_PROCESS, (7,)),
    ]
    for number, (name, payload) in enumerate(signals, start=1):
        signal(world, name, *payload)
        eventually(lambda number=number: world.events().count("act_refused") == number)  # type: ignore[misc]
    assign(world)
    install(world)
    sign(world)


@path()
def refused_acts(world: World) -> None:
    world.to_scheduling()
    move = Rescheduling(process_id=world.process_id, actor="staff:dispatcher", **world.slot())
    refused(lambda: world.ask(RESCHEDULE_VISIT, move, ProcessState))
    past = {"crew_id": str(world.crew_id), "starts_at": "2026-01-05T09:00:00+05:00", "comment": REASON}
    refused(lambda: world.complete(TaskKind.ASSIGN_CREW, "assigned", past))
    assign(world)
    taken = move.model_copy(update={"crew_id": uuid4()})
    refused(lambda: world.ask(RESCHEDULE_VISIT, taken, ProcessState))
    refused(lambda: world.complete(TaskKind.INSTALL, "installed", {"serials": ["SN-FOREIGN"]}))
    install(world)
    sign(world)


# -- to an end before the goal ---------------------------------------------------------------------------------------


@path()
def expired(world: World) -> None:
    world.to_prepayment()
    world.sleep(11 * DAY)


@path(pieces=0)
def purchase_refused(world: World) -> None:
    to_purchase(world)
    world.complete(TaskKind.PURCHASE, "refused", {"reason": REASON})


@path()
def installation_impossible(world: World) -> None:
    world.to_installation()
    world.complete(TaskKind.INSTALL, "impossible", {"reason": REASON})
    refund(world)


@path()
def act_refused(world: World) -> None:
    world.to_handover()
    world.complete(TaskKind.SIGN_ACT, "refused", {"reason": REASON})
    refund(world)


@path(pieces=0)
def cancelled_in_stock(world: World) -> None:
    to_purchase(world)
    cancel(world)


@path()
def cancelled_in_prepayment(world: World) -> None:
    world.to_prepayment()
    cancel(world)


@path()
def cancelled_in_prepayment_with_money(world: World) -> None:
    world.to_prepayment()
    world.pay(700_000)
    eventually(lambda: "payment_received" in world.events())
    cancel(world)
    world.complete(TaskKind.REFUND, "kept", {"comment": REASON})


@path()
def cancelled_in_scheduling(world: World) -> None:
    world.to_scheduling()
    cancel(world)
    world.task(TaskKind.REFUND)
    refused(world.cancel)
    refund(world)


@path()
def cancelled_while_postponed(world: World) -> None:
    world.to_scheduling()
    until = world.now() + 5 * DAY
    world.complete(TaskKind.ASSIGN_CREW, "postponed", {"until": until.isoformat(), "reason": REASON})
    eventually(lambda: world.open_task(TaskKind.ASSIGN_CREW) is None)
    cancel(world)
    refund(world)


@path()
def cancelled_in_installation(world: World) -> None:
    world.to_installation()
    cancel(world)
    refund(world)


@path()
def cancelled_in_handover(world: World) -> None:
    world.to_handover()
    cancel(world)
    refund(world)


@path(network=lambda database: TroubledNetwork(database, silent=True))
def cancelled_in_activation(world: World) -> None:
    network: TroubledNetwork = world.__dict__["network"]
    world.to_handover()
    sign(world)
    assert network.entered.wait(100)
    cancel(world)
    network.answers.set()
    refund(world)


@path()
def cancelled_by_the_temporal_ui(world: World) -> None:
    world.to_installation()
    world.server.run(world.handle.cancel())
    refund(world)


@path()
def cancelled_by_signal(world: World) -> None:
    world.to_prepayment()
    signal(world, CANCEL_PROCESS, {"reason": "duplicate"})


@path()
def refund_overdue(world: World) -> None:
    world.to_scheduling()
    cancel(world)
    world.task(TaskKind.REFUND)
    world.sleep(4 * DAY)
    eventually(lambda: "task_escalated" in world.events())
    refund(world)
