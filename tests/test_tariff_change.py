"""The tariff change process, from the wish to closed, on a server in which days pass at once."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities import stock
from models.contracts.processes import ProcessStatus, TaskDurations, TaskKind
from models.contracts.stock import Delivery
from models.contracts.tariff_change import TariffChangePolicy
from models.database import Database
from models.rules.money import tenge
from models.tables.billing import Invoice, InvoiceLine
from models.tables.catalogue import Tariff, TariffEquipment
from models.tables.documents import Document
from models.tables.network import NetworkPort
from models.tables.processes import Task
from models.tables.stock import StockItem
from tests import factories
from tests.connection_world import eventually
from tests.engines import TemporalServer
from tests.tariff_change_world import DAY, NEW_FEE, TariffWorld, WaryNetwork, tariff_world

TimeSkipping = Callable[[], TemporalServer]
NO_VISIT = ["tariff_change_requested", "nothing_owed", "equipment_fits", "tariff_changed", "tariff_change_closed"]


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[TariffWorld]:
    with tariff_world(database, time_skipping()) as world:
        yield world


@pytest.fixture
def visited(database: Database, time_skipping: TimeSkipping) -> Iterator[TariffWorld]:
    with tariff_world(database, time_skipping(), needs_equipment=True) as world:
        yield world


def refusal_of(act: Callable[[], object]) -> ApplicationError:
    """How the process refuses an act."""
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        act()
    assert isinstance(failure.value.cause, ApplicationError)
    return failure.value.cause


# -- at a distance ---------------------------------------------------------------------------------------------------


def test_a_subscriber_without_debts_whose_equipment_fits_is_on_the_new_tariff_without_anybody_doing_anything(
    world: TariffWorld,
) -> None:
    assert world.changed().status == "completed"

    assert world.events() == NO_VISIT
    assert world.messages() == ["tariff_changed"]
    assert world.tariff_code_of_service() == world.to_code
    assert world.port() == (1, "active", "1G")
    assert [(period.tariff_code, period.from_on) for period in world.days()] == [
        (world.tariff_code, world.first_day(months=-1)), (world.to_code, world.today()),
    ]  # fmt: skip


def test_the_subscriber_is_told_the_fee_and_what_the_next_invoice_will_hold(world: TariffWorld) -> None:
    world.changed()

    facts = world.facts_of("tariff_changed")
    assert facts["fee_minor"] == NEW_FEE
    text = world.sms("tariff_changed")
    assert tenge(NEW_FEE) in text
    assert tenge(facts["next_minor"]) in text


def test_a_change_on_a_day_waits_for_the_beginning_of_that_day_where_the_operator_is(world: TariffWorld) -> None:
    day = world.today() + 40 * DAY
    world.ask_for(day)
    world.wait_for_stage("effective_day")
    assert (world.messages(), world.tariff_code_of_service()) == (["tariff_change_planned"], world.tariff_code)
    assert world.process().waiting_for == f"date:{day.isoformat()}"
    world.sleep_until(day)

    assert world.outcome().status == "completed"

    assert world.days()[-1].from_on == world.today() == day
    assert world.messages() == ["tariff_change_planned", "tariff_changed"]


def test_a_change_from_the_next_period_takes_effect_on_the_first_of_the_month(world: TariffWorld) -> None:
    first = world.first_day(months=1)
    world.ask_for("next_period")
    world.wait_for_stage("effective_day")
    world.sleep_until(first)

    assert world.outcome().status == "completed"

    assert world.days()[-1].from_on == first


def test_a_change_from_the_next_period_that_is_ready_too_late_waits_for_the_first_of_another_month(
    visited: TariffWorld,
) -> None:
    world = visited
    world.ask_for("next_period")
    world.task(TaskKind.ASSIGN_CREW)
    world.sleep(world.first_day(months=1) + 2 * DAY - world.today())
    second = world.first_day(months=1)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.complete(TaskKind.REPLACE, "replaced", world.replaced())
    world.complete(TaskKind.SIGN_ACT, "signed")
    world.wait_for_stage("effective_day")
    world.sleep_until(second)

    assert world.outcome().status == "completed"

    assert world.days()[-1].from_on == second


def test_a_change_on_a_day_that_is_ready_too_late_takes_effect_at_once(visited: TariffWorld) -> None:
    world = visited
    world.ask_for(world.today() + DAY)
    world.task(TaskKind.ASSIGN_CREW)
    world.sleep(4 * DAY)
    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot())
    world.complete(TaskKind.REPLACE, "replaced", world.replaced())
    ready_on = world.today()
    world.complete(TaskKind.SIGN_ACT, "signed")

    assert world.outcome().status == "completed"

    assert world.days()[-1].from_on == ready_on


# -- debt control ----------------------------------------------------------------------------------------------------


def test_whoever_owes_something_pays_it_first(world: TariffWorld) -> None:
    debt_minor = world.to_debt_control()
    assert world.messages() == ["tariff_change_debt"]
    assert tenge(debt_minor) in world.sms("tariff_change_debt")
    assert world.task(TaskKind.CONTROL_DEBT).facts == {"debt_minor": debt_minor}

    world.pay(debt_minor - 100)
    eventually(lambda: "payment_received" in world.events())
    assert world.state().stage == "debt_control"
    world.pay(100)

    assert world.outcome().status == "completed"
    assert [event for event in world.events() if "debt" in event or "task" in event] == [
        "debt_found", "task_opened", "debt_paid", "task_withdrawn",
    ]  # fmt: skip


def test_accounting_may_let_the_tariff_change_although_something_is_owed(world: TariffWorld) -> None:
    debt_minor = world.to_debt_control()

    world.complete(TaskKind.CONTROL_DEBT, "allowed", {"reason": "pays on the fifth"})

    assert world.outcome().status == "completed"
    assert world.facts_of("debt_allowed") == {"debt_minor": debt_minor, "reason": "pays on the fifth"}
    assert world.balances()["1210"] == debt_minor


def test_accounting_may_refuse_the_change(world: TariffWorld) -> None:
    before = world.residue()
    world.to_debt_control()

    world.complete(TaskKind.CONTROL_DEBT, "refused", {"reason": "owes too much"})

    assert world.outcome().status == "cancelled"
    assert world.residue() == before
    assert world.messages()[-1] == "tariff_change_cancelled"


def test_a_debt_that_is_not_paid_is_reminded_of_once_and_then_the_change_is_given_up(world: TariffWorld) -> None:
    before = world.residue()
    world.to_debt_control()

    world.sleep(11 * DAY)

    assert world.outcome().status == "cancelled"
    assert world.process().close_reason == "payment_expired"
    assert [message for message in world.messages() if message != "task_escalated"] == [
        "tariff_change_debt", "tariff_change_debt_reminder", "tariff_change_expired",
    ]  # fmt: skip
    assert world.residue() == before
    assert world.open_kinds() == []


def test_an_overdue_debt_control_is_escalated_while_the_money_is_waited_for(world: TariffWorld) -> None:
    debt_minor = world.to_debt_control()
    world.sleep(2 * DAY + timedelta(hours=1))
    eventually(lambda: "task_escalated" in world.events())

    world.pay(debt_minor)

    assert world.outcome().status == "completed"


def test_money_that_came_in_unnoticed_saves_the_change_from_expiry(world: TariffWorld) -> None:
    debt_minor = world.to_debt_control()
    world.pay(debt_minor, deliver=False)

    world.sleep(11 * DAY)

    assert world.outcome().status == "completed"


def test_what_is_owed_later_does_not_stop_a_change_that_was_agreed(world: TariffWorld) -> None:
    day = world.to_effective_day()
    world.owe()
    world.sleep_until(day)

    assert world.outcome().status == "completed"


# -- other equipment -------------------------------------------------------------------------------------------------


def test_a_tariff_that_needs_other_equipment_brings_a_crew_who_replaces_it(visited: TariffWorld) -> None:
    world = visited
    (old, _), (new, _) = world.residue()["stock"][0], world.residue()["new_stock"][0]
    world.to_replacement()
    assert world.task(TaskKind.REPLACE).facts == {"mount": [world.to_sku], "take_back": [old]}
    assert world.state().stage == "replacement"

    world.complete(TaskKind.REPLACE, "replaced", world.replaced(readings={"download_mbps": 940.0}))
    world.complete(TaskKind.SIGN_ACT, "signed")

    assert world.outcome().status == "completed"
    assert (world.residue()["stock"], world.residue()["new_stock"]) == ([(old, "in_stock")], [(new, "installed")])
    assert world.events() == [
        "tariff_change_requested", "nothing_owed", "equipment_unfit", "equipment_reserved", "task_opened",
        "visit_booked", "task_opened", "equipment_replaced", "act_drawn_up", "task_opened", "act_signed",
        "tariff_changed", "tariff_change_closed",
    ]  # fmt: skip
    assert world.messages() == ["visit_booked", "tariff_changed"]
    with world.database.transaction() as session:
        act = session.scalars(select(Document).where(Document.process_id == world.process_id)).one()
    assert (act.kind, act.number[:4], act.signed_at is not None) == ("replacement_act", "АКТ-", True)
    assert act.facts["mounted"][0]["serial"] == new
    assert [(one["serial"], one["condition"]) for one in act.facts["taken_back"]] == [(old, "tested_ok")]


def test_any_model_that_the_tariff_works_with_may_stay(visited: TariffWorld) -> None:
    world = visited
    with world.database.transaction() as session:
        to_tariff = session.scalars(select(Tariff.id).where(Tariff.code == world.to_code)).one()
        session.add(TariffEquipment(tariff_id=to_tariff, sku=world.sku, place=2))

    assert world.changed().status == "completed"

    assert world.events() == NO_VISIT


def test_where_nothing_of_the_kind_is_mounted_the_piece_is_mounted_beside(
    database: Database, time_skipping: TimeSkipping
) -> None:
    with tariff_world(database, time_skipping(), needs_equipment=True, mounted=False) as world:
        world.to_replacement()
        assert world.task(TaskKind.REPLACE).facts["take_back"] == []

        world.complete(TaskKind.REPLACE, "replaced", world.replaced())
        world.complete(TaskKind.SIGN_ACT, "signed")

        assert world.outcome().status == "completed"


def test_missing_equipment_is_bought_and_the_change_goes_on_with_the_delivery(
    database: Database, time_skipping: TimeSkipping
) -> None:
    with tariff_world(database, time_skipping(), needs_equipment=True, new_pieces=0) as world:
        world.to_purchase()
        assert world.task(TaskKind.PURCHASE).facts == {"missing": [world.to_sku]}

        serial = factories.unique("SN").upper()
        world.complete(TaskKind.PURCHASE, "delivered", {"deliveries": [{"sku": world.to_sku, "serials": [serial]}]})

        world.task(TaskKind.ASSIGN_CREW)
        assert (serial, "reserved") in world.residue()["new_stock"]


def test_a_delivery_for_somebody_else_lets_the_change_go_on_and_withdraws_the_purchase(
    database: Database, time_skipping: TimeSkipping
) -> None:
    with tariff_world(database, time_skipping(), needs_equipment=True, new_pieces=0) as world:
        world.to_purchase()
        purchase = world.task(TaskKind.PURCHASE)

        with database.transaction() as session:
            stock.receive(session, [Delivery(sku=world.to_sku, serials=[factories.unique("SN").upper()])])
        world.deliver()

        world.task(TaskKind.ASSIGN_CREW)
        with database.transaction() as session:
            assert session.get_one(Task, purchase.id).status == "withdrawn"


def test_an_absent_subscriber_gets_another_visit(visited: TariffWorld) -> None:
    world = visited
    world.to_replacement()
    world.complete(TaskKind.REPLACE, "absent")

    world.complete(TaskKind.ASSIGN_CREW, "assigned", world.slot(days=2))
    world.complete(TaskKind.REPLACE, "replaced", world.replaced())
    world.complete(TaskKind.SIGN_ACT, "signed")

    assert world.outcome().status == "completed"


def test_an_old_piece_that_is_left_out_or_was_never_there_is_refused(visited: TariffWorld) -> None:
    world = visited
    world.to_replacement()
    form = world.replaced()
    left_out, foreign = {**form, "equipment": []}, {**form, "serials": ["SN-FOREIGN"]}

    assert refusal_of(lambda: world.complete(TaskKind.REPLACE, "replaced", left_out)).type == "serials_not_installed"
    assert refusal_of(lambda: world.complete(TaskKind.REPLACE, "replaced", foreign)).type == "serials_not_reserved"
    assert world.open_task(TaskKind.REPLACE) is not None


@pytest.mark.parametrize(("condition", "state"), [("broken", "scrapped"), ("lost", "lost")])
def test_an_old_piece_that_is_broken_or_lost_does_not_come_back_to_stock(
    visited: TariffWorld, condition: str, state: str
) -> None:
    world = visited
    world.to_replacement()
    form = world.replaced()
    form["equipment"][0]["condition"] = condition

    world.complete(TaskKind.REPLACE, "replaced", form)

    assert [found for _, found in world.residue()["stock"]] == [state]


def test_a_lost_piece_is_paid_at_its_residual_price_by_an_invoice_of_its_own(visited: TariffWorld) -> None:
    world = visited
    world.to_replacement()
    form = world.replaced()
    form["equipment"][0]["condition"] = "lost"
    world.complete(TaskKind.REPLACE, "replaced", form)
    world.complete(TaskKind.SIGN_ACT, "signed")
    assert world.outcome().status == "completed"

    with world.database.transaction() as session:
        invoice = session.scalars(select(Invoice).where(Invoice.process_id == world.process_id)).one()
        (line,) = session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id))
    assert invoice.kind == "equipment"
    assert 0 < invoice.total_minor < 1_500_000, "it is more than a year old"
    assert form["equipment"][0]["serial"] in line.description
    assert tenge(invoice.total_minor) in world.sms("lost_equipment")
    assert world.balances()["1210"] == invoice.total_minor


def test_a_piece_that_is_mounted_instead_of_the_reserved_one_stands_in_the_act(
    database: Database, time_skipping: TimeSkipping
) -> None:
    with tariff_world(database, time_skipping(), needs_equipment=True, new_pieces=2) as world:
        world.to_replacement()
        form = world.replaced()
        (reserved,) = form["serials"]
        spare = next(serial for serial, state in world.residue()["new_stock"] if state == "in_stock")
        swap = {"reserved": reserved, "mounted": spare, "reason": "dead on arrival"}

        world.complete(TaskKind.REPLACE, "replaced", {**form, "serials": [spare], "swaps": [swap]})
        world.task(TaskKind.SIGN_ACT)

        with database.transaction() as session:
            act = session.scalars(select(Document).where(Document.process_id == world.process_id)).one()
        assert act.facts["mounted"] == [{"serial": spare, "model": "ONT GPON", "instead_of": reserved}]
        assert dict(world.residue()["new_stock"]) == {reserved: "in_stock", spare: "installed"}


# -- another port ----------------------------------------------------------------------------------------------------


def test_a_port_that_does_not_carry_the_tariff_is_exchanged_for_one_that_does(
    database: Database, time_skipping: TimeSkipping
) -> None:
    with tariff_world(database, time_skipping(), needs_mbps=1000, fast_ports=1) as world:
        world.to_replacement()
        assert world.residue()["kept_ports"] == 1
        assert world.port() == (1, "active", "100M")

        world.complete(TaskKind.REPLACE, "replaced", {"serials": [], "equipment": []})
        world.task(TaskKind.SIGN_ACT)
        assert world.port() == (2, "active", "100M"), "on the new port, at the old speed"
        world.complete(TaskKind.SIGN_ACT, "signed")

        assert world.outcome().status == "completed"
        assert world.port() == (2, "active", "1G")
        assert world.facts_of("port_moved") == {"port": 2}
        assert world.residue()["ports"] == [(1, "free", None), (2, "active", "1G"), (3, "free", None)]


# -- the network -----------------------------------------------------------------------------------------------------


def test_an_outage_of_the_network_is_waited_for(database: Database, time_skipping: TimeSkipping) -> None:
    network = WaryNetwork(database, outages=3)
    with tariff_world(database, time_skipping(), network=network) as world:
        assert world.changed().status == "completed"

    assert network.asked_for == ["1G"] * 4


def test_where_the_network_refuses_for_good_nothing_is_billed_otherwise(
    database: Database, time_skipping: TimeSkipping
) -> None:
    network = WaryNetwork(database, refuses={"1G"})
    with tariff_world(database, time_skipping(), network=network) as world:
        before = world.residue()

        assert world.changed().status == "cancelled"

        assert world.residue() == before
        assert world.process().close_reason == "profile_unknown"
        assert world.facts_of("refused_for_good")["detail"].startswith("The network has no such profile")
        assert world.messages() == ["tariff_change_cancelled"]
    assert network.asked_for == ["1G", "100M"], "asked once, and set back"


def test_where_billing_refuses_after_the_network_has_changed_the_network_is_set_back(
    database: Database, time_skipping: TimeSkipping
) -> None:
    network = WaryNetwork(database)
    with tariff_world(database, time_skipping(), network=network) as world:
        before = world.residue()

        def sell_no_more(database: Database, profile: str) -> None:
            with database.transaction() as session:
                session.execute(update(Tariff).where(Tariff.code == world.to_code).values(active=profile != "1G"))

        network.when_asked = sell_no_more

        assert world.changed().status == "cancelled"

        assert world.residue() == before
        assert world.process().close_reason == "tariff_closed"
    assert network.asked_for == ["1G", "100M"]


def test_what_the_network_refuses_to_take_back_is_set_right_by_hand(
    database: Database, time_skipping: TimeSkipping
) -> None:
    network = WaryNetwork(database, refuses={"1G", "100M"})
    with tariff_world(database, time_skipping(), network=network) as world:
        world.ask_for()
        task = world.task(TaskKind.MEND_NETWORK)
        assert (task.department, task.facts["to_do"]) == ("ops", "give the service the speed that it had")

        world.complete(TaskKind.MEND_NETWORK, "mended")

        assert world.outcome().status == "cancelled"


def test_a_service_without_a_port_is_refused_by_the_network_for_good(world: TariffWorld) -> None:
    with world.database.transaction() as session:
        session.execute(
            update(StockItem).where(StockItem.sku == world.sku).values(state="in_stock", subscription_id=None)
        )
        session.execute(
            update(NetworkPort)
            .where(NetworkPort.subscription_id == world.subscription_id)
            .values(state="free", subscription_id=None, profile=None)
        )

    world.ask_for()
    world.complete(TaskKind.MEND_NETWORK, "mended")

    assert world.outcome().status == "cancelled"
    assert world.process().close_reason == "no_port"


# -- special states --------------------------------------------------------------------------------------------------


def test_a_suspended_service_has_another_tariff_and_stays_suspended(world: TariffWorld) -> None:
    world.suspend()

    assert world.changed().status == "completed"

    assert world.days()[-1].tariff_code == world.to_code
    assert world.days()[-1].state == "suspended"
    assert world.port() == (1, "suspended", None)


def test_a_service_that_is_suspended_before_the_day_changes_on_the_day_and_stays_suspended(world: TariffWorld) -> None:
    day = world.to_effective_day()
    world.suspend()
    world.sleep_until(day)

    assert world.outcome().status == "completed"

    assert (world.days()[-1].tariff_code, world.days()[-1].state) == (world.to_code, "suspended")
    assert world.port() == (1, "suspended", None)


def test_a_frozen_service_has_another_tariff_and_stays_frozen(world: TariffWorld) -> None:
    today = world.today()
    world.freeze(today, today + 10 * DAY)

    world.changed()

    assert [(period.tariff_code, period.state) for period in world.days()] == [
        (world.tariff_code, "active"), (world.to_code, "frozen"), (world.to_code, "active"),
    ]  # fmt: skip


def test_a_tariff_that_is_sold_no_more_on_the_day_is_not_changed_to(world: TariffWorld) -> None:
    before = world.residue()
    day = world.to_effective_day()
    with world.database.transaction() as session:
        session.execute(update(Tariff).where(Tariff.code == world.to_code).values(active=False))
    world.sleep_until(day)

    assert world.outcome().status == "cancelled"

    assert world.residue() == before
    assert world.process().close_reason == "tariff_closed"
    assert world.messages() == ["tariff_change_planned", "tariff_change_cancelled"]


def test_a_policy_in_seconds_runs_in_seconds(world: TariffWorld) -> None:
    hasty = TariffChangePolicy(
        debt_reminder_after=timedelta(seconds=5), debt_expires_after=timedelta(seconds=9),
        tasks=TaskDurations(control_debt=timedelta(seconds=1)),
    )  # fmt: skip
    world.owe()
    world.ask_for(policy=hasty)
    eventually(lambda: "debt_found" in world.events())

    world.sleep(timedelta(seconds=10))

    assert world.outcome().status == "cancelled"
    assert world.events().count("task_escalated") == 1
    assert world.process().status is ProcessStatus.CANCELLED
