"""Every path that a disconnection can take, each driven once to be recorded: see `tests/record_histories.py`."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from activities.gateways.network import LocalNetwork
from activities.tasks import TaskActivities
from models.contracts.engine import CANCEL_PROCESS, COMPLETE_TASK_SIGNAL, RESCHEDULE_VISIT
from models.contracts.processes import ProcessState, Rescheduling, TaskAct, TaskActOrder, TaskKind
from models.contracts.refusals import conflict
from models.database import Database
from tests.connection_paths import REASON, assign, cancel, refused, sign, signal
from tests.connection_world import SETTINGS, eventually
from tests.disconnection_world import LeavingWorld, leaving_world
from tests.paths import Paths

DAY = timedelta(days=1)
DEBT = 650_000


class TroubledNetwork(LocalNetwork):
    """Equipment that is away for a while, or that refuses for good to switch a service off."""

    def __init__(self, database: Database, *, outages: int = 0, refuses: bool = False) -> None:
        super().__init__(database)
        self._outages, self._refuses = outages, refuses

    def switch_off(self, subscription_id: UUID) -> None:
        if self._outages:
            self._outages -= 1
            raise ConnectionError(f"no route: {REASON}")
        if self._refuses:
            raise conflict("port_unknown", "The network knows no such port: ask operations to look at it.")
        super().switch_off(subscription_id)


PATHS = Paths(leaving_world)
path = PATHS.path


def leave(world: LeavingWorld, *, in_days: int = 0, equipment: int = 1, upfront: bool = False, **wish: Any) -> None:
    world.connect(equipment=equipment, upfront=upfront)
    world.leave(in_days=in_days, reason=REASON, **wish)


def asked(world: LeavingWorld) -> None:
    leave(world, in_days=5)
    world.task(TaskKind.SETTLE_ACCOUNT)


def invoiced(world: LeavingWorld) -> None:
    asked(world)
    world.complete(TaskKind.SETTLE_ACCOUNT, "invoiced", {"comment": REASON})
    world.wait_for_stage("settlement")


def paid(world: LeavingWorld) -> None:
    invoiced(world)
    world.pay(world.owed())
    world.task(TaskKind.ASSIGN_CREW)


def owing(world: LeavingWorld, *, equipment: int = 1) -> None:
    world.connect(equipment=equipment)
    world.owe(DEBT)
    world.suspend()
    world.leave(in_days=0, for_debt=True, reason=REASON)


def dismantle(world: LeavingWorld, condition: str = "tested_ok") -> None:
    form = {**world.found(condition), "comment": REASON, "photo_reference": REASON}
    for piece in form["equipment"]:
        piece["comment"] = REASON
    world.complete(TaskKind.DISMANTLE, "dismantled", form)


def give_back(world: LeavingWorld) -> None:
    """The crew comes, everything is there, and the act is signed."""
    assign(world)
    dismantle(world)
    sign(world)


def keep(world: LeavingWorld) -> None:
    world.complete(TaskKind.REFUND, "kept", {"comment": REASON})


# -- to the goal -----------------------------------------------------------------------------------------------------


@path()
def happy(world: LeavingWorld) -> None:
    invoiced(world)
    world.pay(world.owed())
    assign(world, days=5)
    world.sleep(5 * DAY)
    dismantle(world)
    sign(world)


@path()
def settled_by_itself(world: LeavingWorld) -> None:
    leave(world)
    give_back(world)


@path()
def given_back_and_refunded(world: LeavingWorld) -> None:
    leave(world, upfront=True)
    give_back(world)
    world.complete(TaskKind.REFUND, "refunded", {"payment_order": "PO-17"})


@path()
def moved_to_another_account(world: LeavingWorld) -> None:
    leave(world, upfront=True)
    give_back(world)
    world.complete(TaskKind.REFUND, "moved", {"account_no": world.another_account_no(), "comment": REASON})


@path()
def far_away(world: LeavingWorld) -> None:
    leave(world, in_days=40)
    eventually(lambda: world.state().waiting_for == "date")
    world.sleep(34 * DAY)
    world.complete(TaskKind.SETTLE_ACCOUNT, "invoiced")
    world.wait_for_stage("settlement")
    world.pay(world.owed())
    give_back(world)
    keep(world)


@path()
def paid_while_accounting_was_asked(world: LeavingWorld) -> None:
    asked(world)
    owed = world.task(TaskKind.SETTLE_ACCOUNT).facts["outstanding_minor"]
    world.pay(owed - 100)
    eventually(lambda: "payment_received" in world.events())
    world.pay(100)
    give_back(world)
    keep(world)


@path()
def reminded_and_asked_again(world: LeavingWorld) -> None:
    invoiced(world)
    world.sleep(10.5 * DAY)
    world.complete(TaskKind.SETTLE_ACCOUNT, "invoiced", {"comment": REASON})
    world.wait_for_stage("settlement")
    world.pay(world.owed())
    give_back(world)


@path()
def paid_unnoticed(world: LeavingWorld) -> None:
    invoiced(world)
    world.pay(world.owed(), deliver=False)
    world.sleep(10.5 * DAY)
    give_back(world)


@path()
def written_off(world: LeavingWorld) -> None:
    asked(world)
    for outcome in ("declined", "approved"):
        world.complete(TaskKind.SETTLE_ACCOUNT, "written_off", {"reason": REASON}, actor=world.accountant())
        form = {"reason": REASON} if outcome == "declined" else {"comment": REASON}
        world.complete(TaskKind.APPROVE_WRITE_OFF, outcome, form, actor=world.accountant(is_head=True))
    give_back(world)


@path()
def paid_before_the_write_off(world: LeavingWorld) -> None:
    asked(world)
    world.complete(TaskKind.SETTLE_ACCOUNT, "written_off", {"reason": REASON})
    world.pay(world.task(TaskKind.APPROVE_WRITE_OFF).facts["outstanding_minor"])
    give_back(world)
    keep(world)


@path()
def absent(world: LeavingWorld) -> None:
    leave(world)
    assign(world)
    world.complete(TaskKind.DISMANTLE, "absent", {"comment": REASON})
    assign(world, days=2)
    dismantle(world)
    sign(world)


@path()
def postponed_and_moved(world: LeavingWorld) -> None:
    leave(world)
    until = world.now() + 2 * DAY
    world.complete(TaskKind.ASSIGN_CREW, "postponed", {"until": until.isoformat(), "reason": REASON})
    eventually(lambda: world.open_task(TaskKind.ASSIGN_CREW) is None)
    world.sleep(2.1 * DAY)
    assign(world)
    world.task(TaskKind.DISMANTLE)
    move = Rescheduling(process_id=world.process_id, actor="staff:dispatcher", **world.slot(days=3, hour=11))
    world.ask(RESCHEDULE_VISIT, move, ProcessState)
    dismantle(world)
    sign(world)


@path()
def overdue(world: LeavingWorld) -> None:
    leave(world)
    world.task(TaskKind.ASSIGN_CREW)
    world.sleep(1.5 * DAY)
    eventually(lambda: "task_escalated" in world.events())
    give_back(world)


@path()
def lost(world: LeavingWorld) -> None:
    leave(world, equipment=2)
    assign(world)
    dismantle(world, "lost")
    sign(world)


@path()
def unsigned(world: LeavingWorld) -> None:
    leave(world)
    assign(world)
    dismantle(world, "broken")
    world.complete(TaskKind.SIGN_ACT, "refused", {"reason": REASON})


@path()
def without_equipment(world: LeavingWorld) -> None:
    leave(world, equipment=0)


@path()
def without_equipment_on_a_later_day(world: LeavingWorld) -> None:
    world.connect(equipment=0)
    world.pay(1_000_000)
    world.leave(in_days=5, reason=REASON)
    eventually(lambda: world.state().stage == "termination")
    world.sleep(5.5 * DAY)
    keep(world)


@path(network=lambda database: TroubledNetwork(database, outages=2))
def switched_off_at_the_third_attempt(world: LeavingWorld) -> None:
    leave(world, equipment=0)


@path(network=lambda database: TroubledNetwork(database, refuses=True))
def switched_off_by_hand(world: LeavingWorld) -> None:
    leave(world, equipment=0)
    world.complete(TaskKind.MEND_NETWORK, "mended", {"comment": REASON})


@path()
def completed_by_signal(world: LeavingWorld) -> None:
    leave(world)
    assign(world)
    task = world.task(TaskKind.DISMANTLE)
    signal(world, COMPLETE_TASK_SIGNAL, {"task_id": str(uuid4()), "outcome": "dismantled"})
    act = {"task_id": str(task.id), "outcome": "dismantled", "data": world.found()}
    signal(world, COMPLETE_TASK_SIGNAL, act)
    sign(world)


@path()
def refused_acts(world: LeavingWorld) -> None:
    asked(world)
    somebody = world.accountant()
    world.complete(TaskKind.SETTLE_ACCOUNT, "written_off", {"reason": REASON}, actor=somebody)
    refused(lambda: world.complete(TaskKind.APPROVE_WRITE_OFF, "approved", actor=somebody))
    world.complete(TaskKind.APPROVE_WRITE_OFF, "approved", actor=world.accountant(is_head=True))
    assign(world)
    piece = {"serial": "SN-FOREIGN", "condition": "lost", "comment": REASON}
    refused(lambda: world.complete(TaskKind.DISMANTLE, "dismantled", {"equipment": [piece]}))
    dismantle(world)
    sign(world)


# -- for a debt ------------------------------------------------------------------------------------------------------


@path()
def for_a_debt(world: LeavingWorld) -> None:
    owing(world)
    give_back(world)


@path()
def for_a_debt_without_equipment(world: LeavingWorld) -> None:
    owing(world, equipment=0)


@path()
def debt_paid(world: LeavingWorld) -> None:
    owing(world)
    world.task(TaskKind.ASSIGN_CREW)
    world.pay(DEBT - 1)
    eventually(lambda: "payment_received" in world.events())
    world.pay(1)


@path()
def debt_paid_before_the_dismantling_was_reported(world: LeavingWorld) -> None:
    owing(world)
    assign(world)
    world.task(TaskKind.DISMANTLE)
    world.pay(DEBT, deliver=False)
    refused(lambda: dismantle(world))


@path()
def debt_not_paid_and_given_up(world: LeavingWorld) -> None:
    owing(world)
    assign(world)
    world.task(TaskKind.DISMANTLE)
    cancel(world)


# -- given up --------------------------------------------------------------------------------------------------------


@path()
def cancelled_in_request(world: LeavingWorld) -> None:
    leave(world, in_days=40)
    eventually(lambda: world.state().waiting_for == "date")
    cancel(world)


@path()
def cancelled_in_control(world: LeavingWorld) -> None:
    asked(world)
    cancel(world)


@path()
def cancelled_in_settlement(world: LeavingWorld) -> None:
    invoiced(world)
    world.pay(10_000)
    eventually(lambda: "payment_received" in world.events())
    cancel(world)


@path()
def cancelled_in_scheduling(world: LeavingWorld) -> None:
    paid(world)
    cancel(world)


@path()
def cancelled_in_dismantling(world: LeavingWorld) -> None:
    paid(world)
    assign(world)
    world.task(TaskKind.DISMANTLE)
    cancel(world)


@path()
def cancelled_in_termination(world: LeavingWorld) -> None:
    world.connect(equipment=0)
    world.pay(1_000_000)
    world.leave(in_days=5, reason=REASON)
    eventually(lambda: world.state().stage == "termination")
    cancel(world)


@path()
def cancelled_too_late(world: LeavingWorld) -> None:
    leave(world)
    assign(world)
    task = world.task(TaskKind.DISMANTLE)
    act = TaskAct(task_id=task.id, outcome="dismantled", actor="staff:installer", data=world.found())
    order = TaskActOrder(act=act, process_id=world.process_id, at=world.now())
    TaskActivities(world.database, SETTINGS).complete(order)
    cancel(world)
    sign(world)


@path()
def cancelled_by_the_temporal_ui(world: LeavingWorld) -> None:
    invoiced(world)
    world.server.run(world.handle.cancel())


@path()
def cancelled_by_signal(world: LeavingWorld) -> None:
    invoiced(world)
    signal(world, CANCEL_PROCESS, {"reason": "duplicate"})


@path()
def impossible(world: LeavingWorld) -> None:
    leave(world)
    assign(world)
    world.complete(TaskKind.DISMANTLE, "impossible", {"reason": REASON})
