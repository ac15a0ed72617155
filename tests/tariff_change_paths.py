"""Every path that a tariff change can take, each driven once to be recorded: see `tests/record_histories.py`."""

from typing import Any

from sqlalchemy import update

from activities import stock
from models.contracts.engine import CANCEL_PROCESS, COMPLETE_TASK_SIGNAL, RESCHEDULE_VISIT
from models.contracts.processes import ProcessState, Rescheduling, TaskKind
from models.contracts.stock import Delivery
from models.database import Database
from models.tables.catalogue import Tariff
from tests import factories
from tests.connection_paths import REASON, assign, cancel, refused, sign, signal
from tests.connection_world import eventually
from tests.paths import Paths
from tests.tariff_change_world import DAY, TariffWorld, WaryNetwork, tariff_world

PATHS = Paths(tariff_world)
path = PATHS.path


def replace(world: TariffWorld, **facts: Any) -> None:
    form = world.replaced(comment=REASON, photo_reference=REASON, **facts)
    for piece in form["equipment"]:
        piece["comment"] = REASON
    world.complete(TaskKind.REPLACE, "replaced", form)


def deliver(world: TariffWorld) -> None:
    serials = [factories.unique("SN").upper()]
    form = {"deliveries": [{"sku": world.to_sku, "serials": serials}], "supplier_document": REASON}
    world.complete(TaskKind.PURCHASE, "delivered", form)


# -- to the goal -----------------------------------------------------------------------------------------------------


@path()
def remote(world: TariffWorld) -> None:
    world.ask_for()


@path()
def on_a_day(world: TariffWorld) -> None:
    world.sleep_until(world.to_effective_day())


@path()
def next_period(world: TariffWorld) -> None:
    world.ask_for("next_period")
    world.wait_for_stage("effective_day")
    world.sleep_until(world.first_day(months=1))


@path()
def paid_in_parts(world: TariffWorld) -> None:
    debt_minor = world.to_debt_control()
    world.pay(100)
    eventually(lambda: "payment_received" in world.events())
    world.pay(debt_minor - 100)


@path()
def paid_after_the_reminder(world: TariffWorld) -> None:
    debt_minor = world.to_debt_control()
    world.sleep(4 * DAY)
    eventually(lambda: "debt_reminded" in world.events())
    world.pay(debt_minor)


@path()
def paid_unnoticed(world: TariffWorld) -> None:
    world.pay(world.to_debt_control(), deliver=False)
    world.sleep(11 * DAY)


@path()
def allowed(world: TariffWorld) -> None:
    world.to_debt_control()
    world.complete(TaskKind.CONTROL_DEBT, "allowed", {"reason": REASON})


@path(needs_equipment=True)
def visited(world: TariffWorld) -> None:
    world.to_replacement()
    replace(world, readings={"download_mbps": 940.0})
    sign(world)


@path(needs_equipment=True)
def visited_for_a_day(world: TariffWorld) -> None:
    day = world.today() + 40 * DAY
    world.ask_for(day)
    assign(world)
    replace(world)
    sign(world)
    world.wait_for_stage("effective_day")
    world.sleep_until(day)


@path(needs_mbps=1000, fast_ports=1)
def another_port(world: TariffWorld) -> None:
    world.to_replacement()
    world.complete(TaskKind.REPLACE, "replaced", {"serials": [], "equipment": []})
    sign(world)


@path(needs_equipment=True, new_pieces=0)
def purchased(world: TariffWorld) -> None:
    world.to_purchase()
    deliver(world)
    assign(world)
    replace(world)
    sign(world)


@path(needs_equipment=True, new_pieces=0)
def delivered_for_somebody_else(world: TariffWorld) -> None:
    world.to_purchase()
    with world.database.transaction() as session:
        stock.receive(session, [Delivery(sku=world.to_sku, serials=[factories.unique("SN").upper()])])
    world.deliver()
    assign(world)
    replace(world)
    sign(world)


@path(needs_equipment=True)
def postponed(world: TariffWorld) -> None:
    world.to_scheduling()
    until = world.now() + 5 * DAY
    world.complete(TaskKind.ASSIGN_CREW, "postponed", {"until": until.isoformat(), "reason": REASON})
    eventually(lambda: world.open_task(TaskKind.ASSIGN_CREW) is None)
    world.sleep(6 * DAY)
    assign(world)
    replace(world)
    sign(world)


@path(needs_equipment=True)
def absent(world: TariffWorld) -> None:
    world.to_replacement()
    world.complete(TaskKind.REPLACE, "absent", {"comment": REASON})
    assign(world, days=2)
    replace(world)
    sign(world)


@path(needs_equipment=True)
def rescheduled(world: TariffWorld) -> None:
    world.to_replacement()
    move = Rescheduling(process_id=world.process_id, actor="staff:dispatcher", **world.slot(days=3, hour=11))
    world.ask(RESCHEDULE_VISIT, move, ProcessState)
    replace(world)
    sign(world)


@path(needs_equipment=True)
def lost_and_escalated(world: TariffWorld) -> None:
    world.to_replacement()
    world.sleep(4 * DAY)
    eventually(lambda: "task_escalated" in world.events())
    form = world.replaced()
    form["equipment"][0]["condition"] = "lost"
    world.complete(TaskKind.REPLACE, "replaced", form)
    sign(world)


@path(network=lambda database: WaryNetwork(database, outages=2))
def switched_at_the_third_attempt(world: TariffWorld) -> None:
    world.ask_for()


@path(needs_equipment=True)
def completed_by_signal(world: TariffWorld) -> None:
    world.to_replacement()
    task = world.task(TaskKind.REPLACE)
    signal(world, COMPLETE_TASK_SIGNAL, {"task_id": str(task.id), "outcome": "replaced", "data": world.replaced()})
    sign(world)


@path(needs_equipment=True)
def refused_acts(world: TariffWorld) -> None:
    world.to_replacement()
    refused(lambda: world.complete(TaskKind.REPLACE, "replaced", {"serials": ["SN-FOREIGN"], "equipment": []}))
    signal(world, COMPLETE_TASK_SIGNAL, "just text")
    eventually(lambda: "act_refused" in world.events())
    replace(world)
    sign(world)


# -- to an end before the goal ---------------------------------------------------------------------------------------


@path()
def expired(world: TariffWorld) -> None:
    world.to_debt_control()
    world.sleep(11 * DAY)


@path()
def debt_refused(world: TariffWorld) -> None:
    world.to_debt_control()
    world.complete(TaskKind.CONTROL_DEBT, "refused", {"reason": REASON})


@path(needs_equipment=True, new_pieces=0)
def purchase_refused(world: TariffWorld) -> None:
    world.to_purchase()
    world.complete(TaskKind.PURCHASE, "refused", {"reason": REASON})


@path(needs_equipment=True)
def replacement_impossible(world: TariffWorld) -> None:
    world.to_replacement()
    world.complete(TaskKind.REPLACE, "impossible", {"reason": REASON})


@path(needs_equipment=True)
def signature_refused(world: TariffWorld) -> None:
    world.to_act()
    world.complete(TaskKind.SIGN_ACT, "refused", {"reason": REASON})


@path(network=lambda database: WaryNetwork(database, refuses={"1G"}))
def refused_by_the_network(world: TariffWorld) -> None:
    world.ask_for()


@path(network=lambda database: WaryNetwork(database, refuses={"1G", "100M"}))
def refused_by_the_network_there_and_back(world: TariffWorld) -> None:
    world.ask_for()
    world.complete(TaskKind.MEND_NETWORK, "mended", {"comment": REASON})


@path()
def sold_no_more_on_the_day(world: TariffWorld) -> None:
    day = world.to_effective_day()
    with world.database.transaction() as session:
        session.execute(update(Tariff).where(Tariff.code == world.to_code).values(active=False))
    world.sleep_until(day)


@path(network=WaryNetwork)
def refused_by_billing_after_the_network_changed(world: TariffWorld) -> None:
    def sell_no_more(database: Database, profile: str) -> None:
        with database.transaction() as session:
            session.execute(update(Tariff).where(Tariff.code == world.to_code).values(active=profile != "1G"))

    world.__dict__["network"].when_asked = sell_no_more
    world.ask_for()


@path()
def cancelled_in_debt_control(world: TariffWorld) -> None:
    world.to_debt_control()
    cancel(world)


@path(needs_equipment=True, new_pieces=0)
def cancelled_in_stock(world: TariffWorld) -> None:
    world.to_purchase()
    cancel(world)


@path(needs_equipment=True)
def cancelled_in_scheduling(world: TariffWorld) -> None:
    world.to_scheduling()
    cancel(world)


@path(needs_equipment=True)
def cancelled_in_replacement(world: TariffWorld) -> None:
    world.to_replacement()
    cancel(world)


@path(needs_equipment=True)
def cancelled_in_act(world: TariffWorld) -> None:
    world.to_act()
    first = world.task(TaskKind.SIGN_ACT).id
    cancel(world)
    eventually(lambda: (task := world.open_task(TaskKind.SIGN_ACT)) and task.id != first)
    sign(world)


@path()
def cancelled_in_effective_day(world: TariffWorld) -> None:
    world.to_effective_day()
    cancel(world)


@path(network=lambda database: WaryNetwork(database, silent=True))
def cancelled_in_switching(world: TariffWorld) -> None:
    network: WaryNetwork = world.__dict__["network"]
    world.ask_for()
    assert network.entered.wait(100)
    cancel(world)
    network.answers.set()


@path()
def cancelled_by_the_temporal_ui(world: TariffWorld) -> None:
    world.to_debt_control()
    world.server.run(world.handle.cancel())


@path()
def cancelled_by_signal(world: TariffWorld) -> None:
    world.to_effective_day()
    signal(world, CANCEL_PROCESS, {"reason": "duplicate"})
