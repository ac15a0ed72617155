"""Cancelling a tariff change at every stage leaves no residue; what a crew has mounted stays mounted."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import select

from models.contracts.engine import CANCEL_PROCESS
from models.contracts.processes import TaskKind
from models.contracts.tariff_change import TariffChangeStage
from models.database import Database
from models.tables.documents import Document
from tests.connection_world import eventually
from tests.engines import TemporalServer
from tests.tariff_change_world import TariffWorld, WaryNetwork, tariff_world

TimeSkipping = Callable[[], TemporalServer]
Reach = Callable[[TariffWorld], object]


STAGES: dict[str, tuple[dict[str, Any], Reach, list[str]]] = {
    "debt_control": ({}, TariffWorld.to_debt_control, []),
    "stock": ({"needs_equipment": True, "new_pieces": 0}, TariffWorld.to_purchase, []),
    "scheduling": ({"needs_equipment": True}, TariffWorld.to_scheduling, ["equipment_released"]),
    "replacement": ({"needs_equipment": True}, TariffWorld.to_replacement, ["visit_freed", "equipment_released"]),
    "effective_day": ({}, TariffWorld.to_effective_day, []),
}
"""The stages in which somebody is waited for, how they are reached, and what is given back."""
IN_TESTS_OF_THEIR_OWN = {TariffChangeStage.ACT, TariffChangeStage.SWITCHING}
NO_WAIT = {TariffChangeStage.REQUEST, TariffChangeStage.CLOSED}


def test_every_stage_is_cancelled_in_a_test_here() -> None:
    assert {*STAGES, *IN_TESTS_OF_THEIR_OWN} == set(TariffChangeStage) - NO_WAIT


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[TariffWorld]:
    with tariff_world(database, time_skipping()) as world:
        yield world


@pytest.fixture
def visited(database: Database, time_skipping: TimeSkipping) -> Iterator[TariffWorld]:
    with tariff_world(database, time_skipping(), needs_equipment=True) as world:
        yield world


@pytest.mark.parametrize("stage", STAGES)
def test_cancelling_at_this_stage_leaves_no_residue(
    database: Database, time_skipping: TimeSkipping, stage: str
) -> None:
    furniture, reach, undone = STAGES[stage]
    with tariff_world(database, time_skipping(), **furniture) as world:
        before = world.residue()
        reach(world)
        assert world.state().stage == stage

        world.cancel()

        assert world.outcome().status == "cancelled"
        assert world.residue() == before
        assert [event for event in world.events() if event in {"visit_freed", "equipment_released"}] == undone
        assert world.messages()[-1] == "tariff_change_cancelled"
        assert world.process().close_reason == "changed their mind"


def test_cancelling_gives_the_port_back_that_was_kept(database: Database, time_skipping: TimeSkipping) -> None:
    with tariff_world(database, time_skipping(), needs_mbps=1000, fast_ports=1) as world:
        before = world.residue()
        world.to_replacement()

        world.cancel()

        assert world.outcome().status == "cancelled"
        assert world.residue() == before
        assert "kept_port_released" in world.events()


def test_cancelling_while_the_network_is_silent_sets_it_back(database: Database, time_skipping: TimeSkipping) -> None:
    network = WaryNetwork(database, silent=True)
    with tariff_world(database, time_skipping(), network=network) as world:
        before = world.residue()
        world.ask_for()
        assert network.entered.wait(100)
        assert world.port() == (1, "active", "1G")

        world.cancel()
        network.answers.set()

        assert world.outcome().status == "cancelled"
        assert world.residue() == before


def test_what_is_mounted_stays_when_the_change_is_cancelled_and_its_act_is_signed_all_the_same(
    visited: TariffWorld,
) -> None:
    world = visited
    world.to_act()
    stock = (world.residue()["stock"], world.residue()["new_stock"])
    first = world.task(TaskKind.SIGN_ACT).id

    world.cancel()

    second = eventually(lambda: (task := world.open_task(TaskKind.SIGN_ACT)) and task.id != first and task)
    assert world.process().status == "cancelled"
    world.complete(TaskKind.SIGN_ACT, "signed")
    assert world.outcome().status == "cancelled"
    assert second.kind == "sign_act"
    assert (world.residue()["stock"], world.residue()["new_stock"]) == stock
    assert world.tariff_code_of_service() == world.tariff_code
    assert world.port() == (1, "active", "100M")
    with world.database.transaction() as session:
        act = session.scalars(select(Document).where(Document.process_id == world.process_id)).one()
    assert (act.signed_at is not None, act.withdrawn_at) == (True, None)


def test_a_subscriber_who_does_not_sign_keeps_their_tariff_and_the_act_is_withdrawn(visited: TariffWorld) -> None:
    world = visited
    world.to_act()

    world.complete(TaskKind.SIGN_ACT, "refused", {"reason": "wants the old box"})

    assert world.outcome().status == "cancelled"
    assert world.tariff_code_of_service() == world.tariff_code
    assert world.open_kinds() == []
    assert world.residue()["unsigned_documents"] == 0


def test_a_visit_that_can_not_be_made_cancels_the_change(visited: TariffWorld) -> None:
    world = visited
    before = world.residue()
    world.to_replacement()

    world.complete(TaskKind.REPLACE, "impossible", {"reason": "no way through the wall"})

    assert world.outcome().status == "cancelled"
    assert world.residue() == before


def test_a_purchase_that_procurement_refuses_cancels_the_change(
    database: Database, time_skipping: TimeSkipping
) -> None:
    with tariff_world(database, time_skipping(), needs_equipment=True, new_pieces=0) as world:
        before = world.residue()
        world.to_purchase()

        world.complete(TaskKind.PURCHASE, "refused", {"reason": "no longer made"})

        assert world.outcome().status == "cancelled"
        assert world.residue() == before


def test_the_wish_from_the_temporal_ui_gives_back_everything_too(visited: TariffWorld) -> None:
    world = visited
    before = world.residue()
    world.to_replacement()

    world.server.run(world.handle.cancel())

    assert world.outcome().status == "cancelled"
    assert world.residue() == before


def test_the_wish_from_the_temporal_ui_ends_the_wait_for_money_and_accounting(world: TariffWorld) -> None:
    before = world.residue()
    world.to_debt_control()

    world.server.run(world.handle.cancel())

    assert world.outcome().status == "cancelled"
    assert world.residue() == before
    assert world.open_kinds() == []


def test_a_wish_by_signal_is_a_wish_too(world: TariffWorld) -> None:
    world.to_effective_day()

    world.server.run(world.handle.signal(CANCEL_PROCESS, {"reason": "duplicate"}))

    assert world.outcome().status == "cancelled"
    assert world.process().close_reason == "duplicate"
