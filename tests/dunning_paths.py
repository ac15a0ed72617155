"""The ways that an episode of dunning can take, each driven from its beginning to its end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from activities import dunning_holds, promises, services
from activities.gateways.network import LocalNetwork, NetworkGateway
from activities.processes import request_cancellation
from models.contracts.dunning_words import HoldReason
from models.contracts.engine import CANCEL_PROCESS
from models.contracts.processes import CancelRequest
from models.database import Database
from tests.connection_world import eventually
from tests.dunning_life import MONTH_MINOR, ZONE, without_days_off
from tests.dunning_world import World, dunning_world
from tests.engines import TemporalServer

DAY = timedelta(days=1)
REASON = "Сосед Ерлан Нұрпейісов обещал заплатить за неё"
"""What people write into forms, and must never be found in a history."""


class AwayTwice(LocalNetwork):
    """Equipment that answers to the third call."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._failures = 2

    def suspend(self, subscription_id: UUID) -> None:
        if self._failures:
            self._failures -= 1
            raise ConnectionError("away")
        super().suspend(subscription_id)


@dataclass(frozen=True)
class Path:
    """A way from the opening to the end."""

    drive: Callable[[World], None]
    network: Callable[[Database], NetworkGateway] = LocalNetwork

    @contextmanager
    def walked(self, database: Database, server: TemporalServer) -> Iterator[World]:
        """The world in which this way was taken."""
        with dunning_world(database, server, network=self.network(database), policy=without_days_off()) as world:
            world.owe()
            world.open()
            self.drive(world)
            world.outcome()
            yield world


def _paid_after(days: int) -> Callable[[World], None]:
    def drive(world: World) -> None:
        world.sleep(days * DAY)
        world.pay(MONTH_MINOR)

    return drive


def _partly_paid(world: World) -> None:
    world.sleep(12 * DAY)
    world.pay(MONTH_MINOR // 2)
    world.sleep(25 * DAY)
    world.pay(MONTH_MINOR - MONTH_MINOR // 2)


def _reversed(world: World) -> None:
    world.sleep(16 * DAY)
    payment_id = world.pay(MONTH_MINOR // 2)
    world.reverse(payment_id)
    world.sleep(20 * DAY)
    world.pay(MONTH_MINOR)


def _promised(world: World) -> None:
    world.sleep(6 * DAY)
    world.do(
        promises.make, world.life.account.id, amount_minor=None, until_on=world.today() + 9 * DAY, at=world.now(),
        zone=ZONE, actor="staff:operator",
    )  # fmt: skip
    world.sleep(20 * DAY)
    world.pay(MONTH_MINOR)


def _held(world: World) -> None:
    source_id = uuid4()
    world.sleep(2 * DAY)
    facts = {"source_id": source_id, "at": world.now(), "until_at": None}
    world.do(dunning_holds.place, [world.life.account.id], HoldReason.OUTAGE, **facts)
    world.sleep(10 * DAY)
    world.do(dunning_holds.release, source_id, at=world.now())
    world.sleep(5 * DAY)
    world.pay(MONTH_MINOR)


def _called(outcome: str, data: dict[str, str]) -> Callable[[World], None]:
    def drive(world: World) -> None:
        world.sleep(11 * DAY)
        world.complete(outcome, data)
        world.sleep(2 * DAY)
        world.pay(MONTH_MINOR)

    return drive


def _called_promised(world: World) -> None:
    world.sleep(11 * DAY)
    world.complete("promised", {"until_on": (world.today() + 5 * DAY).isoformat(), "comment": REASON})
    world.sleep(2 * DAY)
    world.pay(MONTH_MINOR)


def _disconnected(world: World) -> None:
    world.sleep(95 * DAY)
    today = world.today()
    world.do(services.terminate, world.life.subscription_id, on=today, today=today)
    world.round()


def _cancelled(world: World) -> None:
    world.sleep(30 * DAY)
    # As the API does it: the words stay in the database.
    with world.database.transaction() as session:
        request_id = request_cancellation(
            session, world.process_id, reason=REASON, actor="staff:ops", at=world.now()
        )  # fmt: skip
    request = CancelRequest(actor="staff:ops", request_id=request_id)
    world.server.run(world.handle.execute_update(CANCEL_PROCESS, request))


def _cancelled_by_the_temporal_ui(world: World) -> None:
    world.sleep(12 * DAY)
    world.server.run(world.handle.cancel())


def _bad_signals(world: World) -> None:
    world.sleep(2 * DAY)
    world.server.run(world.handle.signal("payment_received", args=["nonsense", 17]))
    world.server.run(world.handle.signal("look_again", {"what": None}))
    world.server.run(world.handle.signal("complete_task_signal", {"task_id": "nonsense"}))
    eventually(lambda: "act_refused" in world.life.events())
    world.pay(MONTH_MINOR)


PATHS: dict[str, Path] = {
    "paid_before_the_first_step": Path(_paid_after(0)),
    "paid_after_the_reminder": Path(_paid_after(7)),
    "paid_when_throttled": Path(_paid_after(22)),
    "paid_when_suspended": Path(_paid_after(30)),
    "paid_while_it_is_disconnected": Path(_paid_after(95)),
    "partly_paid": Path(_partly_paid),
    "reversed": Path(_reversed),
    "promised": Path(_promised),
    "held_by_an_outage": Path(_held),
    "reached": Path(_called("reached", {"comment": REASON})),
    "promised_on_the_phone": Path(_called_promised),
    "refused": Path(_called("refused", {"reason": REASON})),
    "no_answer": Path(_called("no_answer", {"comment": REASON})),
    "wrong_number": Path(_called("wrong_number", {"comment": REASON})),
    "disconnected": Path(_disconnected),
    "switched_at_the_third_attempt": Path(_paid_after(30), network=AwayTwice),
    "cancelled": Path(_cancelled),
    "cancelled_by_the_temporal_ui": Path(_cancelled_by_the_temporal_ui),
    "bad_signals": Path(_bad_signals),
}
