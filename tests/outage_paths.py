"""The ways that an outage can take, each driven from its registration to its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from models.contracts.outage import OutageKind
from models.database import Database
from tests.connection_world import eventually
from tests.engines import TemporalServer
from tests.outage_process_world import World, outage_world
from tests.outage_world import HOUR


@dataclass(frozen=True)
class Path:
    """A way from the registration to the end."""

    drive: Callable[[World], None]

    @contextmanager
    def walked(self, database: Database, server: TemporalServer) -> Iterator[World]:
        """The world in which this way was taken."""
        with outage_world(database, server) as world:
            self.drive(world)
            world.outcome()
            yield world


PATHS: dict[str, Path] = {}


def path(drive: Callable[[World], None]) -> Callable[[World], None]:
    """Add a path, walked by the function that this decorates."""
    PATHS[drive.__name__] = Path(drive)
    return drive


@path
def planned(world: World) -> None:
    world.register(OutageKind.PLANNED, starts=72, ends=76)
    world.wait_for_stage("waiting")
    world.sleep(74)
    world.change(ended=True)


@path
def moved(world: World) -> None:
    world.register(OutageKind.PLANNED, starts=20, ends=24)
    world.wait_for("announced", "announced")
    world.change(starts_at=world.now() + 40 * HOUR, ends_at=world.now() + 42 * HOUR)
    world.wait_for("announced", "announced", "moved", "moved")
    world.sleep(41)
    world.change(ended=True)


@path
def called_off_before_its_start(world: World) -> None:
    world.register(OutageKind.PLANNED, starts=20, ends=24)
    world.wait_for("announced", "announced")
    world.change(ended=True)


@path
def called_off_before_anybody_was_told(world: World) -> None:
    world.register(OutageKind.PLANNED, starts=90, ends=94)
    world.wait_for_stage("waiting")
    world.change(ended=True)


@path
def emergency(world: World) -> None:
    world.register()
    world.wait_for("emergency", "emergency")
    world.sleep(1)
    world.change(ended=True)


@path
def overrun_and_extended(world: World) -> None:
    world.register(ends=4)
    world.wait_for("emergency", "emergency")
    world.sleep(5)
    world.complete("extended", {"ends_at": (world.now() + 2 * HOUR).isoformat(), "comment": "муфта"})
    world.sleep(2.1)
    world.complete("ended", {"ended_at": (world.now() - timedelta(minutes=3)).isoformat()})


@path
def extended_by_patch(world: World) -> None:
    world.register(ends=4)
    world.wait_for("emergency", "emergency")
    world.sleep(4.1)
    world.task()
    world.change(ends_at=world.now() + 3 * HOUR)
    eventually(lambda: world.open_task() is None)
    world.sleep(1)
    world.change(ended=True)


@path
def other_nodes(world: World) -> None:
    world.register(OutageKind.EMERGENCY, world.town.houses[0])
    world.wait_for("emergency")
    world.change(node_ids=[world.town.houses[1]])
    world.wait_for("emergency", "restored", "emergency")
    world.change(ended=True)


@path
def cancelled(world: World) -> None:
    world.register()
    world.wait_for("emergency", "emergency")
    world.cancel()


@path
def cancelled_while_the_dispatcher_is_asked(world: World) -> None:
    world.register(ends=4)
    world.sleep(4.1)
    world.task()
    world.cancel()


@path
def cancelled_before_anybody_was_told(world: World) -> None:
    world.register(OutageKind.PLANNED, starts=90, ends=94)
    world.wait_for_stage("waiting")
    world.cancel()


@path
def cancelled_by_the_temporal_ui(world: World) -> None:
    world.register()
    world.wait_for("emergency", "emergency")
    world.server.run(world.handle.cancel())


@path
def bad_signals(world: World) -> None:
    world.register()
    world.wait_for("emergency", "emergency")
    world.server.run(world.handle.signal("look_again", args=["nonsense", 17]))
    world.server.run(world.handle.signal("another_outage_changed", {"what": None}))
    world.server.run(world.handle.signal("complete_task_signal", {"task_id": "nonsense"}))
    eventually(lambda: "act_refused" in world.town.events(world.process_id))
    world.change(ended=True)
