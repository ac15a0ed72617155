"""An outage of many: done in pieces, in one history after the other, and stopped in the middle."""

import threading
from collections.abc import Iterator

import pytest

from models.contracts.outage_process import OutageStep
from models.database import Database
from tests.connection_world import PATIENCE_SECONDS, eventually
from tests.engines import TemporalServer
from tests.outage_process_world import outage_world

PEOPLE = 12
LONGEST_HISTORY = 60


@pytest.fixture(scope="module")
def server() -> Iterator[TemporalServer]:
    """One that thinks a history long after a few pieces."""
    server = TemporalServer.local("--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=25")
    yield server
    server.stop()


def test_it_goes_on_in_new_histories_and_tells_everybody_once(database: Database, server: TemporalServer) -> None:
    with outage_world(database, server, people=PEOPLE, piece=1) as world:
        world.register()
        first_run = server.run(world.handle.describe()).run_id
        eventually(lambda: len(world.town.heard()) == PEOPLE)
        world.change(ended=True)
        eventually(lambda: len(world.town.heard()) == 2 * PEOPLE)
        eventually(lambda: world.process().stage == "closed")

        assert [world.town.heard(one) for one in world.town.people] == [["emergency", "restored"]] * PEOPLE
        last = server.run(world.handle.describe())
        assert last.run_id != first_run, "continued as new"
        assert len(world.history().events) < LONGEST_HISTORY


def test_cancelled_in_the_middle_it_tells_nobody_more_but_those_whom_it_told(
    database: Database, server: TemporalServer
) -> None:
    with outage_world(database, server, people=PEOPLE, piece=1) as world:
        deliver, cancelled = world.steps.after_step, threading.Event()

        def stop_after_five(step: OutageStep) -> None:
            deliver(step)
            if len(world.town.heard()) >= 5:
                cancelled.wait(PATIENCE_SECONDS)

        world.steps.after_step = stop_after_five
        world.register()
        eventually(lambda: len(world.town.heard()) >= 5)
        world.cancel()
        cancelled.set()
        eventually(lambda: world.process().stage == "closed")

        heard = [world.town.heard(one) for one in world.town.people]
        told = [occasions for occasions in heard if occasions]
        assert told == [["emergency", "called_off"]] * len(told)
        assert 5 <= len(told) < PEOPLE
        assert world.town.held() == set()
