"""The process of dunning on a real engine: ninety days pass at once, and money ends it at any moment."""

from collections.abc import Callable, Iterator

import pytest

from models.contracts.dunning_policy import DunningPolicy
from models.database import Database
from tests.dunning_life import MONTH_MINOR
from tests.dunning_world import World, dunning_world
from tests.engines import TemporalServer

TimeSkipping = Callable[[], TemporalServer]


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[World]:
    with dunning_world(database, time_skipping(), policy=DunningPolicy()) as world:
        yield world


def test_a_debt_that_nobody_pays_ends_in_a_disconnection(world: World) -> None:
    from datetime import timedelta

    world.owe()
    world.open()

    world.sleep(timedelta(days=95))
    print(world.life.taken_on())
    print(world.life.events())
    for e in world.history().events:
        print(e.event_id, e.event_type)
    print(world.state(), world.life.port())
    world.pay(MONTH_MINOR)
    print(world.outcome(), len(world.history().events), world.life.is_on(), world.life.service(), world.life.port())
    print(world.life.events()[-8:])
