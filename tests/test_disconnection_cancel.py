"""Giving a disconnection up leaves no residue: the world is as it was before the wish, at every stage."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities.tasks import TaskActivities
from models.contracts.disconnection import DisconnectionStage
from models.contracts.engine import CANCEL_PROCESS
from models.contracts.processes import ProcessStatus, TaskAct, TaskActOrder, TaskKind
from models.database import Database
from models.tables.billing import CreditNote
from tests.connection_world import SETTINGS, eventually
from tests.disconnection_world import REASON, LeavingWorld, leaving_world
from tests.engines import TemporalServer

TimeSkipping = Callable[[], TemporalServer]
Reach = Callable[[LeavingWorld], None]


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[LeavingWorld]:
    with leaving_world(database, time_skipping()) as world:
        yield world


def wish(world: LeavingWorld) -> None:
    world.leave(in_days=30)
    eventually(lambda: world.state().waiting_for == "date")


def asked(world: LeavingWorld) -> None:
    world.leave()
    world.task(TaskKind.SETTLE_ACCOUNT)


def to_be_approved(world: LeavingWorld) -> None:
    asked(world)
    world.complete(TaskKind.SETTLE_ACCOUNT, "written_off", {"reason": REASON}, actor=world.accountant())
    world.task(TaskKind.APPROVE_WRITE_OFF)


def invoiced(world: LeavingWorld) -> None:
    asked(world)
    world.complete(TaskKind.SETTLE_ACCOUNT, "invoiced")
    world.wait_for_stage("settlement")


def partly_paid(world: LeavingWorld) -> None:
    invoiced(world)
    world.pay(10_000)
    eventually(lambda: "payment_received" in world.events())


def paid(world: LeavingWorld) -> None:
    invoiced(world)
    world.pay(world.owed())
    world.task(TaskKind.ASSIGN_CREW)


def written_off(world: LeavingWorld) -> None:
    to_be_approved(world)
    world.complete(TaskKind.APPROVE_WRITE_OFF, "approved", actor=world.accountant(is_head=True))
    world.task(TaskKind.ASSIGN_CREW)


def given_back(world: LeavingWorld) -> None:
    world.leave(in_days=0)
    world.task(TaskKind.ASSIGN_CREW)


def crew_on_its_way(world: LeavingWorld) -> None:
    paid(world)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot(days=5))
    world.task(TaskKind.DISMANTLE)


def postponed(world: LeavingWorld) -> None:
    paid(world)
    until = {"until": (world.now() + timedelta(days=30)).isoformat(), "reason": REASON}
    world.complete(TaskKind.ASSIGN_CREW, "postponed", until)
    eventually(lambda: world.open_task(TaskKind.ASSIGN_CREW) is None)


def last_days(world: LeavingWorld) -> None:
    invoiced(world)
    world.pay(world.owed())
    eventually(lambda: world.state().stage == "termination")


FINAL = ["final_billing_taken_back"]
STAGES: dict[str, tuple[Reach, dict[str, Any], list[str]]] = {
    "request": (wish, {}, []),
    "control": (asked, {}, []),
    "control, to be approved": (to_be_approved, {}, []),
    "settlement": (invoiced, {}, FINAL),
    "settlement, partly paid": (partly_paid, {}, FINAL),
    "scheduling, paid": (paid, {}, FINAL),
    "scheduling, written off": (written_off, {}, ["write_off_taken_back", *FINAL]),
    "scheduling, given back": (given_back, {"upfront": True}, FINAL),
    "scheduling, postponed": (postponed, {}, FINAL),
    "dismantling": (crew_on_its_way, {}, ["visit_freed", *FINAL]),
    "termination": (last_days, {"equipment": 0}, FINAL),
}
WITHOUT_A_WAY_BACK = {DisconnectionStage.RETURN, DisconnectionStage.REFUND, DisconnectionStage.CLOSED}


def test_every_stage_is_given_up_in_a_test_here() -> None:
    assert {name.split(",")[0] for name in STAGES} == set(DisconnectionStage) - WITHOUT_A_WAY_BACK


@pytest.mark.parametrize("stage", STAGES)
def test_giving_up_at_this_stage_leaves_the_world_as_it_was(world: LeavingWorld, stage: str) -> None:
    reach, person, undone = STAGES[stage]
    world.connect(**person)
    before = world.world_around()
    reach(world)

    world.cancel()

    assert world.outcome().status == "cancelled"
    paid_minor = world.paid_in()
    after = world.world_around()
    money = {"1020": paid_minor, "3510": -paid_minor}
    assert after == {**before, "balances": plus(before["balances"], money)}
    assert world.left_behind() == (0, 0)
    assert world.process().status is ProcessStatus.CANCELLED
    interesting = {"visit_freed", "write_off_taken_back", "final_billing_taken_back"}
    assert [event for event in world.events() if event in interesting] == undone
    assert world.messages()[-1] == "disconnection_cancelled"


def plus(balances: dict[str, int], more: dict[str, int]) -> dict[str, int]:
    """Balances with something added, without zeros."""
    added = {code: balances.get(code, 0) + more.get(code, 0) for code in {*balances, *more}}
    return {code: amount for code, amount in added.items() if amount}


def test_the_final_invoice_is_credited_and_never_edited(world: LeavingWorld) -> None:
    world.to_settlement()
    owed = world.owed()
    world.cancel()
    world.outcome()

    with world.database.transaction() as session:
        notes = session.scalars(select(CreditNote).where(CreditNote.invoice_id == world.invoice("final").id)).all()
        assert [note.total_minor for note in notes] == [owed]


@pytest.mark.parametrize("stage", ["return", "refund"])
def test_what_is_dismantled_is_not_given_up_any_more(world: LeavingWorld, stage: str) -> None:
    if stage == "return":
        world.to_return()
    else:
        world.connect(equipment=0)
        world.pay(300_000)
        world.leave(in_days=0)
        world.task(TaskKind.REFUND)

    with pytest.raises(WorkflowUpdateFailedError) as failure:
        world.cancel()

    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "too_late_to_cancel"
    assert world.process().status is ProcessStatus.OPEN


def test_the_wish_to_stay_and_the_dismantling_at_once_one_of_them_wins(
    database: Database, temporal: TemporalServer
) -> None:
    """Again and again: either everything is as before, or it goes on to its end."""
    with leaving_world(database, temporal, pieces=8, ports=8) as world:
        for turn in range(4):
            world.premises_id = world.another_place()
            world.connect()
            before = world.world_around()
            world.leave(in_days=0)
            world.complete(TaskKind.ASSIGN_CREW, "assigned", world.next_slot())
            task = world.task(TaskKind.DISMANTLE)
            report, found = world.found(), world.serials()
            with ThreadPoolExecutor(2) as pool:
                first = pool.submit(world.cancel) if turn % 2 else None
                reporting = pool.submit(world.complete_seen, task, "dismantled", report)
                if first is None:
                    pool.submit(world.cancel)
                reported = reporting.exception() is None
            eventually(lambda: world.request().given_up_at or world.request().irrevocable_at)
            if world.request().given_up_at is not None:
                assert not reported
                assert world.outcome().status == "cancelled"
                assert world.world_around()["serials"] == before["serials"] == found
                assert world.subscription().status == "active"
            else:
                assert reported
                world.complete(TaskKind.SIGN_ACT, "signed")
                assert world.outcome().status == "completed"
                assert world.serials() == []


def test_a_dismantling_that_the_process_was_not_told_of_is_not_given_up(world: LeavingWorld) -> None:
    """As after a crash: the database has it, and whoever reported it never got an answer."""
    world.to_dismantling()
    task = world.task(TaskKind.DISMANTLE)
    act = TaskAct(task_id=task.id, outcome="dismantled", actor="staff:installer", data=world.found())
    TaskActivities(world.database, SETTINGS).complete(
        TaskActOrder(act=act, process_id=world.process_id, at=world.now())
    )

    world.cancel()

    world.complete(TaskKind.SIGN_ACT, "signed")
    if world.open_task(TaskKind.REFUND) is not None:
        world.complete(TaskKind.REFUND, "kept")
    assert world.events().count("cancelled_too_late") == 1
    assert set(world.stock().values()) == {"in_stock"}


def test_a_dismantling_after_the_wish_to_stay_is_refused(world: LeavingWorld) -> None:
    world.to_dismantling()
    task = world.task(TaskKind.DISMANTLE)
    report = world.found()
    world.cancel()
    world.outcome()

    act = TaskAct(task_id=task.id, outcome="dismantled", actor="staff:installer", data=report)
    with pytest.raises(Exception, match="withdrawn"):
        TaskActivities(world.database, SETTINGS).complete(
            TaskActOrder(act=act, process_id=world.process_id, at=world.now())
        )
    assert "installed" in world.stock().values()


def test_a_payment_that_crosses_the_wish_to_stay_is_the_subscribers_advance(world: LeavingWorld) -> None:
    world.to_settlement()
    owed = world.owed()
    world.pay(owed, deliver=False)
    world.cancel()
    world.deliver()

    assert world.outcome().status == "cancelled"
    assert world.balances()["3510"] == -owed
    assert "advance_stays" in world.events()


@pytest.mark.parametrize("how", ["the cancel button", "a signal"])
def test_the_temporal_ui_gives_everything_back_too(world: LeavingWorld, how: str) -> None:
    world.connect()
    before = world.world_around()
    invoiced(world)

    if how == "a signal":
        world.server.run(world.handle.signal(CANCEL_PROCESS, {"reason": "duplicate"}))
    else:
        world.server.run(world.handle.cancel())

    assert world.outcome().status == "cancelled"
    assert world.world_around() == before


def test_work_that_cannot_be_done_gives_everything_back_too(world: LeavingWorld) -> None:
    world.connect()
    before = world.world_around()
    crew_on_its_way(world)
    world.complete(TaskKind.DISMANTLE, "impossible", {"reason": "the house is closed"})

    assert world.outcome().status == "cancelled"
    paid_minor = world.paid_in()
    money = plus(before["balances"], {"1020": paid_minor, "3510": -paid_minor})
    assert world.world_around() == {**before, "balances": money}


def test_whoever_stayed_may_leave_later(world: LeavingWorld) -> None:
    world.to_dismantling()
    world.cancel()
    world.outcome()

    world.leave(in_days=0)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.complete(TaskKind.DISMANTLE, "dismantled", world.found())
    world.complete(TaskKind.SIGN_ACT, "signed")
    world.complete(TaskKind.REFUND, "refunded", {"payment_order": "PO-18"})

    assert world.outcome().status == "completed"
    assert not {"1210", "3510"} & world.balances().keys()
