"""Paths through a process about a service: each is walked once to be recorded, see `tests/record_histories.py`."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from activities.gateways.network import NetworkGateway
from models.database import Database
from tests.connection_world import World
from tests.engines import TemporalServer

SomeWorld = TypeVar("SomeWorld", bound=World)
MakeNetwork = Callable[[Database], NetworkGateway]


@dataclass(frozen=True)
class Path(Generic[SomeWorld]):
    """One way through a process."""

    drive: Callable[[SomeWorld], object]
    opened: Callable[..., AbstractContextManager[SomeWorld]]
    furniture: dict[str, Any]
    network: MakeNetwork | None

    @contextmanager
    def world(self, database: Database, server: TemporalServer) -> Iterator[SomeWorld]:
        """A world in which this path can be taken; its `network` is the path's own, where it has one."""
        network = None if self.network is None else self.network(database)
        with self.opened(database, server, network=network, **self.furniture) as world:
            if network is not None:
                world.__dict__["network"] = network
            yield world

    @contextmanager
    def walked(self, database: Database, server: TemporalServer) -> Iterator[SomeWorld]:
        """The same world, once the path has been walked to its end."""
        with self.world(database, server) as world:
            self.drive(world)
            world.outcome()
            yield world


class Paths(dict[str, Path[SomeWorld]]):
    """All paths of a process, each by the name of the function that walks it."""

    def __init__(self, opened: Callable[..., AbstractContextManager[SomeWorld]]) -> None:
        super().__init__()
        self._opened = opened

    def path(
        self, *, network: MakeNetwork | None = None, **furniture: Any
    ) -> Callable[[Callable[[SomeWorld], object]], Callable[[SomeWorld], object]]:
        """Add a path, walked by the function that this decorates."""

        def add(drive: Callable[[SomeWorld], object]) -> Callable[[SomeWorld], object]:
            self[drive.__name__] = Path(drive, self._opened, furniture, network)
            return drive

        return add
