"""Every path that a request can take, each driven once to be recorded: see `tests/record_histories.py`."""

from datetime import timedelta

from activities.processes import request_cancellation
from models.contracts.engine import CANCEL_PROCESS
from models.contracts.people import Role
from models.contracts.processes import CancelRequest, ProcessState, TaskKind
from tests.connection_paths import REASON
from tests.connection_world import eventually
from tests.paths import Paths
from tests.request_world import HOUR, RequestWorld, request_world

DAY = timedelta(days=1)
PATHS = Paths(request_world)
path = PATHS.path


def cancel(world: RequestWorld) -> None:
    """As the API does it: the words stay in the database."""
    with world.database.transaction() as session:
        request_id = request_cancellation(
            session, world.process_id, reason=REASON, actor="staff:ops", at=world.now()
        )  # fmt: skip
    world.ask(CANCEL_PROCESS, CancelRequest(actor="staff:ops", request_id=request_id), ProcessState)


@path()
def solved(world: RequestWorld) -> None:
    world.want()
    world.solve()


@path()
def declined(world: RequestWorld) -> None:
    world.want("billing")
    world.work("declined", answer=REASON)


@path()
def rejected(world: RequestWorld) -> None:
    world.want()
    world.work("rejected", reason=REASON)


@path()
def sorted_first(world: RequestWorld) -> None:
    world.want("other")
    world.complete(TaskKind.TRIAGE_REQUEST, "sorted", {"category": "billing", "priority": "high", "comment": REASON})
    world.solve()


@path()
def solved_in_triage(world: RequestWorld) -> None:
    world.want(None)
    world.complete(TaskKind.TRIAGE_REQUEST, "solved", {"solution": REASON})


@path()
def rejected_in_triage(world: RequestWorld) -> None:
    world.want(None, phone="+77015550101")
    world.complete(TaskKind.TRIAGE_REQUEST, "rejected", {"reason": REASON})


@path()
def asked_and_answered(world: RequestWorld) -> None:
    world.want()
    world.work("ask", question=REASON)
    world.wait_for_stage("question")
    world.sleep(5 * HOUR)
    world.answer()
    world.solve()


@path()
def asked_in_vain(world: RequestWorld) -> None:
    world.want()
    world.work("ask", question=REASON)
    world.wait_for_stage("question")
    world.sleep(4 * DAY)
    world.solve()


@path()
def handed_over(world: RequestWorld) -> None:
    world.want()
    world.work("handed_over", owner="accounting", reason=REASON)
    eventually(lambda: world.task(TaskKind.HANDLE_REQUEST).department is Role.ACCOUNTING)
    world.change(owner="operator", reason=REASON)
    eventually(lambda: world.task(TaskKind.HANDLE_REQUEST).department is Role.OPERATOR)
    world.solve()


@path()
def taken_out_of_triage(world: RequestWorld) -> None:
    world.want(None)
    world.task(TaskKind.TRIAGE_REQUEST)
    world.change(owner="accounting")
    world.solve()


@path()
def late(world: RequestWorld) -> None:
    world.want(priority="urgent")
    world.task(TaskKind.HANDLE_REQUEST)
    world.sleep(3 * HOUR)
    world.change(priority="low")
    world.sleep(20 * DAY)
    world.solve()


@path()
def visited(world: RequestWorld) -> None:
    world.want()
    world.work("start", start={"kind": "crew_visit", "what_to_do": REASON})
    until = world.now() + 2 * DAY
    world.complete(TaskKind.ASSIGN_CREW, "postponed", {"until": until.isoformat(), "reason": REASON})
    world.sleep(2 * DAY + HOUR)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.complete(TaskKind.REPAIR, "absent", {"comment": REASON})
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot(days=2))
    world.complete(TaskKind.REPAIR, "not_repaired", {"report": REASON})
    world.work("start", start={"kind": "crew_visit", "what_to_do": REASON})
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot(days=3))
    world.complete(TaskKind.REPAIR, "repaired", {"report": REASON})
    world.solve()


@path()
def reopened(world: RequestWorld) -> None:
    world.want()
    world.work("start", start={"kind": "crew_visit", "what_to_do": REASON})
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.complete(TaskKind.REPAIR, "repaired", {"report": REASON})
    world.solve()
    world.outcome()
    world.sleep(DAY)
    world.reopen()
    world.work("start", start={"kind": "crew_visit", "what_to_do": REASON})
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.complete(TaskKind.REPAIR, "repaired", {"report": REASON})
    world.solve()


@path()
def another_tariff(world: RequestWorld) -> None:
    world.want("tariff")
    world.start("tariff_change", subscription_id=str(world.subscription_id), tariff_code=world.to_code, effective="now")
    eventually(lambda: _delivered(world))


def _delivered(world: RequestWorld) -> bool:
    world.deliver()
    return world.process().status == "completed"


@path()
def outage_over(world: RequestWorld) -> None:
    outage_id = world.cut()
    world.want()
    world.wait_for_stage("following")
    world.change_outage(outage_id, ends_at=world.now() + 8 * HOUR)
    eventually(lambda: world.events().count("request_outage_expected") > 0)
    world.change_outage(outage_id, ended=True)


@path()
def outage_called_off(world: RequestWorld) -> None:
    outage_id = world.cut()
    world.want()
    world.wait_for_stage("following")
    world.change_outage(outage_id, ended_at=world.now() - DAY)
    world.solve()


@path()
def with_the_first(world: RequestWorld) -> None:
    first_id = world.want()
    second_id = world.want()
    world.wait_for_stage("following")
    world.process_id = first_id
    world.solve()
    world.process_id = second_id
    world.deliver()


@path()
def bad_signals(world: RequestWorld) -> None:
    world.want()
    world.task(TaskKind.HANDLE_REQUEST)
    world.server.run(world.handle.signal("request_changed", args=["nonsense", 17]))
    world.server.run(world.handle.signal("complete_task_signal", {"task_id": "nonsense"}))
    eventually(lambda: "act_refused" in world.events())
    world.solve()


@path()
def cancelled_in_following(world: RequestWorld) -> None:
    world.cut()
    world.want()
    world.wait_for_stage("following")
    cancel(world)


@path()
def cancelled_in_triage(world: RequestWorld) -> None:
    world.want(None)
    world.task(TaskKind.TRIAGE_REQUEST)
    cancel(world)


@path()
def cancelled_in_work(world: RequestWorld) -> None:
    world.want()
    world.task(TaskKind.HANDLE_REQUEST)
    cancel(world)


@path()
def cancelled_in_question(world: RequestWorld) -> None:
    world.want()
    world.work("ask", question=REASON)
    world.wait_for_stage("question")
    cancel(world)


@path()
def cancelled_in_scheduling(world: RequestWorld) -> None:
    world.want()
    world.work("start", start={"kind": "crew_visit", "what_to_do": REASON})
    world.task(TaskKind.ASSIGN_CREW)
    cancel(world)


@path()
def cancelled_in_visit(world: RequestWorld) -> None:
    world.want()
    world.work("start", start={"kind": "crew_visit", "what_to_do": REASON})
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.task(TaskKind.REPAIR)
    cancel(world)


@path()
def cancelled_by_the_temporal_ui(world: RequestWorld) -> None:
    world.want()
    world.task(TaskKind.HANDLE_REQUEST)
    world.server.run(world.handle.cancel())
