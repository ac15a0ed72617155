"""Steps of a disconnection that are done again, because a crash had them done twice, change nothing."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from activities.disconnection import DisconnectionActivities
from activities.disconnection_control import ControlActivities
from models.contracts.processes import TaskKind
from models.contracts.steps import ClosingStep, InvoiceStep, Outstanding, PaymentStep
from models.database import Database
from models.tables.billing import CreditNote, Invoice
from models.tables.documents import Document
from tests.connection_world import SETTINGS, eventually
from tests.disconnection_world import LeavingWorld, leaving_world
from tests.engines import TemporalServer

TimeSkipping = Callable[[], TemporalServer]
PAY_WITHIN = timedelta(days=10)


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[LeavingWorld]:
    with leaving_world(database, time_skipping()) as world:
        yield world


def everything(world: LeavingWorld) -> dict[str, Any]:
    """What a step may write."""
    with world.database.transaction() as session:
        account_id = world.process().account_id
        invoices = select(Invoice.id).where(Invoice.account_id == account_id)
        return {
            **world.world_around(),
            "events": sorted(world.events()),
            "messages": world.messages(),
            "tasks": world.residue()["open_tasks"],
            "invoices": session.execute(select(func.count()).select_from(invoices.subquery())).scalar_one(),
            "credit_notes": session.execute(
                select(func.count()).where(CreditNote.invoice_id.in_(invoices))
            ).scalar_one(),
            "documents": session.execute(
                select(func.count()).where(Document.process_id == world.process_id)
            ).scalar_one(),
            "ended": (world.process().status, world.process().closed_at),
        }


def reminded(world: LeavingWorld) -> None:
    world.to_settlement()
    world.sleep(timedelta(days=4))
    eventually(lambda: "settlement_reminded" in world.events())


def to_refund(world: LeavingWorld) -> None:
    world.connect()
    world.pay(300_000)
    world.leave(in_days=0)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.complete(TaskKind.DISMANTLE, "dismantled", world.found())
    world.complete(TaskKind.SIGN_ACT, "signed")
    world.task(TaskKind.REFUND)


def with_a_lost_piece(world: LeavingWorld) -> None:
    world.connect()
    world.leave(in_days=0)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.complete(TaskKind.DISMANTLE, "dismantled", world.found("lost"))
    world.task(TaskKind.SIGN_ACT)


def closed(world: LeavingWorld) -> None:
    world.disconnected()


def given_up(world: LeavingWorld) -> None:
    world.to_written_off()
    world.cancel()
    world.outcome()


def debt_paid(world: LeavingWorld) -> None:
    world.connect()
    world.owe()
    world.suspend()
    world.leave(in_days=0, for_debt=True)
    world.task(TaskKind.ASSIGN_CREW)
    world.pay(650_000)
    world.outcome()


Step = Callable[[LeavingWorld], object]


def control(name: str) -> Step:
    return lambda world: getattr(ControlActivities(world.database, SETTINGS), name)(now(world))


def step(name: str) -> Step:
    return lambda world: getattr(DisconnectionActivities(world.database, SETTINGS), name)(now(world))


def close_again(world: LeavingWorld) -> object:
    closing = ClosingStep(process_id=world.process_id, at=world.now(), actor="staff:operator", reason="cancelled")
    return DisconnectionActivities(world.database, SETTINGS).close_as_cancelled(closing)


def check_again(world: LeavingWorld) -> object:
    look = PaymentStep(process_id=world.process_id, at=world.now())
    return ControlActivities(world.database, SETTINGS).check_settlement(look)


def now(world: LeavingWorld) -> InvoiceStep:
    return InvoiceStep(process_id=world.process_id, at=world.now(), pay_within=PAY_WITHIN)


AGAIN: dict[str, tuple[Callable[[LeavingWorld], None], Step]] = {
    "control_account, owing": (LeavingWorld.to_control, control("control_account")),
    "control_account, settled": (LeavingWorld.to_leaving_visit, control("control_account")),
    "send_final_invoice": (LeavingWorld.to_settlement, control("send_final_invoice")),
    "remind_of_settlement": (reminded, control("remind_of_settlement")),
    "check_settlement": (LeavingWorld.to_leaving_visit, check_again),
    "look_for_equipment": (LeavingWorld.to_leaving_visit, step("look_for_equipment")),
    "draw_up_act": (with_a_lost_piece, step("draw_up_act")),
    "terminate": (to_refund, step("terminate")),
    "free_port": (to_refund, step("free_port")),
    "close": (closed, step("close")),
    "take_back_billing": (given_up, control("take_back_billing")),
    "close_as_cancelled": (given_up, close_again),
    "resume_service": (debt_paid, step("resume_service")),
}


@pytest.mark.parametrize("name", AGAIN)
def test_done_again_and_again_and_at_once_it_changes_nothing(world: LeavingWorld, name: str) -> None:
    reach, act = AGAIN[name]
    reach(world)
    before = everything(world)

    with ThreadPoolExecutor(3) as pool:
        for done in [pool.submit(act, world) for _ in range(3)]:
            done.result()
    act(world)

    assert everything(world) == before


def test_a_process_that_a_crash_made_forget_that_it_waits_still_tells_what_was_paid_meanwhile(
    world: LeavingWorld,
) -> None:
    world.to_settlement()
    world.pay(world.owed(), deliver=False)

    assert control("send_final_invoice")(world) == Outstanding(outstanding_minor=0)
    control("control_account")(world)
    assert [event for event in world.events() if event in {"payment_received", "account_settled"}] == [
        "payment_received", "account_settled"
    ]  # fmt: skip
