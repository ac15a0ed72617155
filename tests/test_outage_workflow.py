"""The process of an outage on a real engine: each way to its end, and what stays when somebody cancels it."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from models.contracts.outage import OutageKind
from models.contracts.processes import ProcessStatus, TaskStatus
from models.database import Database
from models.tables.processes import Task
from tests.connection_world import eventually
from tests.engines import TemporalServer, needs_time_skipping
from tests.outage_paths import PATHS
from tests.outage_process_world import World, outage_world

HEARD = {
    "planned": ["announced", "restored"],
    "moved": ["announced", "moved", "restored"],
    "called_off_before_its_start": ["announced", "called_off"],
    "called_off_before_anybody_was_told": [],
    "emergency": ["emergency", "restored"],
    "overrun_and_extended": ["emergency", "overrun", "new_end", "restored"],
    "extended_by_patch": ["emergency", "new_end", "restored"],
    "cancelled": ["emergency", "called_off"],
    "cancelled_while_the_dispatcher_is_asked": ["emergency", "called_off"],
    "cancelled_before_anybody_was_told": [],
    "cancelled_by_the_temporal_ui": ["emergency", "called_off"],
    "bad_signals": ["emergency", "restored"],
}
"""What each of those affected was told on a path."""


@pytest.fixture(scope="module")
def server() -> Iterator[TemporalServer]:
    needs_time_skipping()
    server = TemporalServer.time_skipping()
    yield server
    server.stop()


@pytest.mark.parametrize("name", [*HEARD, "other_nodes"])
def test_everybody_is_told_once_on_each_occasion_and_nothing_stays(
    name: str, database: Database, server: TemporalServer
) -> None:
    with PATHS[name].walked(database, server) as world:
        process = world.process()
        is_off = name.startswith(("cancelled", "called_off"))
        assert process.status is (ProcessStatus.CANCELLED if is_off else ProcessStatus.COMPLETED)
        assert process.stage == "closed"
        if name in HEARD:
            assert [world.town.heard(one) for one in world.town.people] == [HEARD[name]] * 2
        assert world.town.held() == set()
        assert {task.status for task in _tasks(world)} <= {TaskStatus.DONE, TaskStatus.WITHDRAWN}
        assert "outage_closed" in world.town.events(world.process_id)
        assert world.outcome().status is process.status


def _tasks(world: World) -> list[Task]:
    with world.database.transaction() as session:
        return list(session.scalars(select(Task).where(Task.process_id == world.process_id)))


def test_the_dispatchers_head_hears_of_an_end_that_passes_without_an_answer(
    database: Database, server: TemporalServer
) -> None:
    with outage_world(database, server) as world:
        world.register(ends=4)
        world.sleep(5)
        eventually(lambda: "task_escalated" in world.town.events(world.process_id))
        world.change(ended=True)
        world.outcome()
        assert [task.status for task in _tasks(world)] == [TaskStatus.WITHDRAWN]


def test_overlapping_outages_hear_of_each_other(database: Database, server: TemporalServer) -> None:
    with outage_world(database, server, people=1) as world:
        first = world.register(ends=6)
        world.wait_for("emergency")
        second = world.register(OutageKind.EMERGENCY, world.town.houses[0], ends=4)
        world.wait_for_stage("under_way")
        world.process_id = first
        world.change(ended=True)
        world.relay_until(lambda: world.town.heard() == ["emergency", "new_end"])
        world.process_id = second
        world.change(ended=True)
        world.outcome()
        assert world.town.heard() == ["emergency", "new_end", "restored"]


def test_a_worker_that_dies_after_a_piece_was_written_repeats_nothing(
    database: Database, server: TemporalServer
) -> None:
    with outage_world(database, server, people=6) as world:
        pieces = 0

        def die_once(_: object) -> None:
            nonlocal pieces
            pieces += 1
            if pieces in {1, 3}:
                raise ConnectionError("the answer never arrived")
            world.town.deliver_sms()

        world.steps.after_step = die_once
        world.register()
        world.wait_for(*["emergency"] * 6)
        eventually(lambda: pieces == 2)
        world.change(ended=True)
        world.outcome()
        assert [world.town.heard(one) for one in world.town.people] == [["emergency", "restored"]] * 6


def test_the_process_says_how_far_it_has_come(database: Database, server: TemporalServer) -> None:
    with outage_world(database, server, people=3) as world:
        world.register()
        eventually(lambda: world.progress().told == 3)
        progress = world.progress()
        assert (progress.listed, progress.looked_at) == (3, 3)
        assert world.state().stage == "under_way"
        world.change(ended=True)
        world.outcome()
