"""What happens twice in a tariff change, or at the same time as something else, happens once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select, text
from temporalio.client import WorkflowUpdateFailedError

from activities import service_tariffs, stock
from activities.debt_control import DebtControlActivities
from activities.equipment_reservation import reserve_for
from activities.gateways.network import LocalNetwork
from activities.network import NetworkActivities
from activities.processes import get_process
from activities.tariff_change import TariffChangeActivities
from activities.tasks import submit
from models.contracts.engine import COMPLETE_TASK
from models.contracts.processes import TaskDone, TaskKind
from models.contracts.steps import ClosingStep, Outstanding, PaymentStep, ProcessStep, Residue
from models.contracts.stock import Delivery, Equipment
from models.contracts.tariff_change import Compatibility, DebtStep
from models.database import Database
from models.rules.money import rounded_share
from models.tables.outbox import Outbox
from models.tables.tariff_changes import TariffChange
from tests import factories
from tests.connection_world import SETTINGS, eventually
from tests.engines import TemporalServer
from tests.tariff_change_world import DAY, NEW_FEE, OLD_FEE, TariffWorld, tariff_world

AT_ONCE = 4


@pytest.fixture
def world(database: Database, temporal: TemporalServer) -> Iterator[TariffWorld]:
    with tariff_world(database, temporal) as world:
        yield world


@pytest.fixture
def visited(database: Database, temporal: TemporalServer) -> Iterator[TariffWorld]:
    with tariff_world(database, temporal, needs_equipment=True) as world:
        yield world


def steps_of(world: TariffWorld) -> TariffChangeActivities:
    return TariffChangeActivities(world.database, SETTINGS)


def now(world: TariffWorld) -> ProcessStep:
    return ProcessStep(process_id=world.process_id, at=world.now())


def all_at_once(step: Callable[[], Any]) -> list[Any]:
    """What a step answers that is done several times at once."""
    together = Barrier(AT_ONCE)

    def do() -> Any:
        together.wait()
        return step()

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [future.result() for future in [pool.submit(do) for _ in range(AT_ONCE)]]


def seen(world: TariffWorld) -> tuple[Any, ...]:
    """All that can be seen of a change."""
    return world.residue(), world.events(), world.messages(), world.process().status, world.balances()


# -- steps that are done again ---------------------------------------------------------------------------------------


def test_the_control_of_a_debt_asks_once(world: TariffWorld) -> None:
    debt_minor = world.to_debt_control()
    before = seen(world)
    again = DebtStep(process_id=world.process_id, at=world.now(), pay_within=10 * DAY)

    answers = all_at_once(lambda: DebtControlActivities(world.database, SETTINGS).control_debt(again))

    assert answers == [Outstanding(outstanding_minor=debt_minor)] * AT_ONCE
    assert seen(world) == before


def test_a_debt_that_was_paid_before_its_control_was_done_again_is_told_as_paid(world: TariffWorld) -> None:
    world.pay(world.to_debt_control(), deliver=False)
    steps = DebtControlActivities(world.database, SETTINGS)

    again = DebtStep(process_id=world.process_id, at=world.now(), pay_within=10 * DAY)
    assert steps.control_debt(again) == Outstanding(outstanding_minor=0)

    assert world.events()[-3:] == ["task_withdrawn", "payment_received", "debt_paid"]
    look = PaymentStep(process_id=world.process_id, at=world.now())
    assert steps.check_debt(look) == Outstanding(outstanding_minor=0)
    assert world.events().count("debt_paid") == 1


def test_equipment_is_compared_and_reserved_once(visited: TariffWorld) -> None:
    world = visited
    world.to_scheduling()
    before, steps = seen(world), steps_of(world)

    fits = all_at_once(lambda: steps.compare_equipment(now(world)))
    reserved = all_at_once(lambda: steps.reserve_equipment(now(world)))

    assert (
        fits == [Compatibility(needs_visit=True, mount=[world.to_sku], take_back=[before[0]["stock"][0][0]])] * AT_ONCE
    )
    assert reserved == [Equipment(missing=[])] * AT_ONCE
    assert seen(world) == before


def test_a_port_is_kept_once_and_given_back_once(database: Database, temporal: TemporalServer) -> None:
    with tariff_world(database, temporal, needs_mbps=1000, fast_ports=2) as world:
        world.to_scheduling()
        before = seen(world)

        all_at_once(lambda: steps_of(world).compare_equipment(now(world)))
        assert seen(world) == before

        all_at_once(lambda: steps_of(world).give_port_back(now(world)))
        assert world.residue()["kept_ports"] == 0
        assert world.events().count("kept_port_released") == 1


def test_the_act_is_drawn_up_once(visited: TariffWorld) -> None:
    world = visited
    world.to_act()
    before = seen(world)

    all_at_once(lambda: steps_of(world).draw_up_act(now(world)))

    assert seen(world) == before


def test_the_day_is_set_and_told_once(world: TariffWorld) -> None:
    world.to_effective_day()
    before = seen(world)

    days = all_at_once(lambda: steps_of(world).set_day(now(world)))

    assert len({day.on for day in days}) == 1
    assert seen(world) == before


def test_a_change_that_took_effect_is_not_repeated_on_another_day(world: TariffWorld) -> None:
    world.changed()
    before = seen(world)
    tomorrow = ProcessStep(process_id=world.process_id, at=world.now() + DAY)

    all_at_once(lambda: steps_of(world).take_effect(tomorrow))

    assert seen(world) == before


def test_a_change_takes_effect_once_however_often_at_once(world: TariffWorld) -> None:
    day = world.to_effective_day()
    on_the_day = ProcessStep(process_id=world.process_id, at=world.now() + (day - world.today()))

    all_at_once(lambda: steps_of(world).take_effect(on_the_day))

    assert world.events().count("tariff_changed") == 1
    assert world.messages().count("tariff_changed") == 1
    assert [period.tariff_code for period in world.days()] == [world.tariff_code, world.to_code]


def test_looking_whether_a_change_can_be_changes_nothing(world: TariffWorld) -> None:
    world.to_effective_day()
    residue = world.residue()

    all_at_once(lambda: steps_of(world).begin_switching(now(world)))

    assert world.residue() == residue


def test_what_is_given_back_is_given_back_once(visited: TariffWorld) -> None:
    world = visited
    world.to_scheduling()

    all_at_once(lambda: steps_of(world).release_equipment(now(world)))
    closing = ClosingStep(process_id=world.process_id, at=world.now(), actor="staff:operator", reason="cancelled")
    residues = all_at_once(lambda: steps_of(world).close_as_cancelled(closing))

    assert residues == [Residue(advance_minor=0)] * AT_ONCE
    assert world.events().count("equipment_released") == 1
    assert world.messages().count("tariff_change_cancelled") == 1


def test_the_network_is_set_to_the_wanted_speed_and_back(world: TariffWorld) -> None:
    world.to_effective_day()
    steps = NetworkActivities(world.database, LocalNetwork(world.database))

    all_at_once(lambda: steps.change_profile(now(world)))
    assert world.port() == (1, "active", "1G")
    all_at_once(lambda: steps.restore_profile(now(world)))
    assert world.port() == (1, "active", "100M")


# -- at the same time as something else ------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(3))
def test_a_payment_at_the_moment_of_accountings_refusal_leads_to_one_end_or_the_other(
    world: TariffWorld, turn: int
) -> None:
    del turn
    before = world.residue()
    debt_minor = world.to_debt_control()
    task, together = world.task(TaskKind.CONTROL_DEBT), Barrier(2)

    def pay() -> None:
        together.wait()
        world.pay(debt_minor)

    def refuse() -> None:
        form = {"reason": "owes too much"}
        with world.database.transaction() as session:
            act, _ = submit(session, task, outcome="refused", data=form, actor="staff:somebody", source="test")
        together.wait()
        with suppress(WorkflowUpdateFailedError):
            world.ask(COMPLETE_TASK, act, TaskDone)

    with ThreadPoolExecutor(2) as pool:
        for act in [pool.submit(pay), pool.submit(refuse)]:
            act.result()
    outcome = world.outcome()

    changed = outcome.status == "completed"
    assert changed == (world.tariff_code_of_service() == world.to_code)
    assert ("tariff_changed" in world.messages()) == changed
    assert ("tariff_change_cancelled" in world.messages()) != changed
    assert changed or world.residue() == before
    assert world.open_kinds() == []
    assert world.balances().get("1210", 0) == 0, "the money is taken either way"


@pytest.mark.parametrize("turn", range(3))
def test_of_a_change_and_a_billing_run_at_once_the_month_is_charged_right(world: TariffWorld, turn: int) -> None:
    del turn
    world.to_effective_day()
    together, at_once = Barrier(2), now(world)

    def change() -> None:
        together.wait()
        steps_of(world).take_effect(at_once)

    def bill() -> None:
        together.wait()
        world.bill(world.first_day())

    with ThreadPoolExecutor(2) as pool:
        for act in [pool.submit(change), pool.submit(bill)]:
            act.result()
    world.bill(world.first_day(months=1))

    today = world.today()
    days = (world.first_day(months=1) - world.first_day()).days
    before = rounded_share(OLD_FEE, today.day - 1, days)
    after = NEW_FEE - rounded_share(NEW_FEE, today.day - 1, days)
    assert world.invoiced_minor(world.first_day()) == before + after
    assert world.invoiced_minor(world.first_day(months=1)) == NEW_FEE


def test_of_a_change_and_a_suspension_at_once_both_come_true_in_any_order(world: TariffWorld) -> None:
    world.to_effective_day()
    with world.database.transaction() as session:
        to_id = session.get_one(TariffChange, world.process_id).to_tariff_id
    together, today = Barrier(2), world.today()

    def change() -> None:
        together.wait()
        with world.database.transaction() as session:
            service_tariffs.change_tariff(session, world.subscription_id, to_id, on=today, today=today)

    def suspend() -> None:
        together.wait()
        world.suspend()

    with ThreadPoolExecutor(2) as pool:
        for act in [pool.submit(change), pool.submit(suspend)]:
            act.result()

    assert (world.days()[-1].tariff_code, world.days()[-1].state) == (world.to_code, "suspended")


def test_a_delivery_at_the_moment_in_which_a_process_begins_to_wait_wakes_it(
    database: Database, temporal: TemporalServer
) -> None:
    """Either the process finds what was delivered, or the delivery finds the process."""
    with tariff_world(database, temporal, needs_equipment=True, new_pieces=0) as world:
        world.to_purchase()
        with database.transaction() as session:
            session.execute(text("UPDATE process SET stage = 'debt_control' WHERE id = :id"), {"id": world.process_id})
        delivered = [Delivery(sku=world.to_sku, serials=[factories.unique("SN").upper()])]
        with ThreadPoolExecutor(1) as pool:
            with database.transaction() as session:
                process = get_process(session, world.process_id)
                equipment = reserve_for(session, process, [world.to_sku], at=world.now())
                assert equipment.missing == [world.to_sku]
                delivering = pool.submit(deliver, database, delivered)
                eventually(lambda: waits_for_lock(database))
            delivering.result()

        with database.transaction() as session:
            told = session.scalars(select(Outbox.signal).where(Outbox.workflow_id == world.workflow_id)).all()
        assert "stock_arrived" in told


def deliver(database: Database, deliveries: list[Delivery]) -> None:
    with database.transaction() as session:
        stock.receive(session, deliveries)


def waits_for_lock(database: Database) -> bool:
    with database.transaction() as session:
        waiting = text(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND wait_event = 'advisory'"
        )
        return bool(session.scalar(waiting))
