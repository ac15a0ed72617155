"""The process of dunning on a real engine: ninety days pass at once, and money ends it at any moment."""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from activities import dunning_holds, promises
from activities.gateways.network import LocalNetwork
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.dunning_words import Ending, HoldReason, StepKind
from models.contracts.network import PortState
from models.contracts.people import Role
from models.contracts.processes import ProcessStatus, TaskKind
from models.contracts.refusals import conflict
from models.contracts.steps import ProcessStep
from models.database import Database
from models.tables.dunning import Promise
from models.tables.outbox import Outbox
from tests.connection_world import PATIENCE_SECONDS, eventually
from tests.dunning_life import MONTH_MINOR, ZONE, at_any_time, without_days_off
from tests.dunning_world import World, dunning_world
from tests.engines import TemporalServer

TimeSkipping = Callable[[], TemporalServer]
DAY = timedelta(days=1)
EVENTS_OF_NINETY_DAYS = 100


class StuckNetwork(LocalNetwork):
    """Equipment that does what it is told late: a suspension hangs until it is let go, and is done then."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.entered = threading.Event()
        self.goes_on = threading.Event()
        self.done = threading.Event()

    def suspend(self, subscription_id: UUID) -> None:
        self.entered.set()
        self.goes_on.wait(PATIENCE_SECONDS)
        super().suspend(subscription_id)
        self.done.set()


class BrokenNetwork(LocalNetwork):
    """Equipment that is away for some calls, or refuses for good."""

    def __init__(self, database: Database, *, failures: int = 0, refuses: tuple[str, ...] = ()) -> None:
        super().__init__(database)
        self.failures = failures
        self.refuses = refuses

    def _refuse(self, what: str) -> None:
        if what in self.refuses:
            raise conflict("no_port", "The network has no port for this service: ask its operations to enter it.")

    def switch_on(self, subscription_id: UUID, profile: str) -> None:
        self._refuse("switch_on")
        super().switch_on(subscription_id, profile)

    def suspend(self, subscription_id: UUID) -> None:
        self._refuse("suspend")
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the controller does not answer")
        super().suspend(subscription_id)


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[World]:
    with dunning_world(database, time_skipping(), policy=without_days_off()) as world:
        yield world


def to_suspension(world: World) -> World:
    """Until the service is off."""
    world.owe()
    world.open()
    world.sleep(30 * DAY)
    eventually(lambda: world.life.port() == (PortState.SUSPENDED, None))
    return world


def test_a_debt_that_nobody_pays_ends_in_a_disconnection_with_a_small_history(world: World) -> None:
    world.owe()
    world.open()

    world.sleep(95 * DAY)

    assert world.life.kinds() == [
        StepKind.NOTICE, StepKind.REMINDER, StepKind.CALL_TASK, StepKind.FINAL_WARNING, StepKind.THROTTLE,
        StepKind.SUSPEND, StepKind.DISCONNECT,
    ]  # fmt: skip
    assert (world.state().stage, world.state().waiting_for) == ("disconnect", "disconnection")
    assert world.process().waiting_for == "disconnection"
    assert len(world.history().events) <= EVENTS_OF_NINETY_DAYS
    assert world.steps.looks <= 10, "a look for each step, not for each day"


def test_paid_while_the_disconnection_runs_everything_is_back(world: World) -> None:
    world.owe()
    world.open()
    world.sleep(95 * DAY)

    world.pay(MONTH_MINOR)

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.life.is_on()
    assert world.open_task() is None, "nobody is called any more"


def test_paid_in_full_it_ends_at_once_and_the_service_is_back(world: World) -> None:
    to_suspension(world)

    world.pay(MONTH_MINOR)

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.life.is_on()
    assert world.life.episodes()[0].ended_as is Ending.PAID
    assert world.process().status is ProcessStatus.COMPLETED
    assert world.process().close_reason == "paid"


def test_a_partial_payment_is_looked_at_and_the_ladder_goes_on(world: World) -> None:
    to_suspension(world)

    world.pay(MONTH_MINOR // 2)
    world.sleep(65 * DAY)

    assert world.life.kinds().count(StepKind.SUSPEND) == 1
    assert world.life.kinds()[-1] is StepKind.DISCONNECT


def test_a_payment_before_the_first_step_ends_it_unspoken(world: World) -> None:
    world.owe()
    world.open()

    world.pay(MONTH_MINOR)

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.life.messages() == []


def test_a_reversal_under_way_is_warned_of_anew(world: World) -> None:
    world.owe()
    world.open()
    world.sleep(16 * DAY)
    payment_id = world.pay(MONTH_MINOR // 2)

    world.reverse(payment_id)
    world.sleep(20 * DAY)

    assert world.life.kinds().count(StepKind.FINAL_WARNING) == 2
    assert world.life.kinds()[-1] is StepKind.SUSPEND


def test_a_promise_is_waited_for_until_it_expires(world: World) -> None:
    world.owe()
    world.open()
    world.sleep(16 * DAY)
    made: Promise = world.do(
        promises.make, world.life.account.id, amount_minor=None, until_on=world.today() + 10 * DAY, at=world.now(),
        zone=ZONE, actor="staff:operator",
    )  # fmt: skip
    eventually(lambda: world.process().waiting_for == "promise")

    world.sleep(16 * DAY)

    with world.database.transaction() as session:
        assert session.get_one(Promise, made.id).status.value == "broken"
    throttled = next(step for step in world.life.steps() if step.kind is StepKind.THROTTLE)
    assert throttled.taken_at >= made.expires_at


def test_an_outage_is_waited_for_until_its_process_releases_it(world: World) -> None:
    world.owe()
    world.open()
    outage_id = UUID(int=17)
    world.do(
        dunning_holds.place, [world.life.account.id], HoldReason.OUTAGE, source_id=outage_id, at=world.now(),
        until_at=None,
    )  # fmt: skip
    world.sleep(20 * DAY)
    assert world.life.kinds() == []

    world.do(dunning_holds.release, outage_id, at=world.now())
    world.sleep(5 * DAY)

    assert world.life.kinds()[0] is StepKind.NOTICE


def test_what_no_timer_knows_of_is_found_by_the_daily_round(world: World) -> None:
    to_suspension(world)
    # A signal that is lost: the payment is in the ledger, and nobody told the process.
    world.pay(MONTH_MINOR, deliver=False)
    with world.database.transaction() as session:
        session.execute(delete(Outbox).where(Outbox.workflow_id == world.workflow_id, Outbox.delivered_at.is_(None)))

    world.round()

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.life.is_on()


def test_the_daily_round_leaves_those_alone_for_whom_nothing_has_changed(world: World) -> None:
    to_suspension(world)
    looks = world.steps.looks

    world.round()
    world.sleep(timedelta(minutes=1))

    assert world.steps.looks == looks


# -- calls -----------------------------------------------------------------------------------------------------------


def to_the_call(world: World) -> None:
    world.owe()
    world.open()
    world.sleep(11 * DAY)
    world.task()


def test_the_ladder_does_not_wait_for_a_call(world: World) -> None:
    to_the_call(world)

    world.sleep(9 * DAY)

    assert world.open_task() is not None
    assert world.life.kinds()[-1] in {StepKind.FINAL_WARNING, StepKind.THROTTLE}


@pytest.mark.parametrize(
    ("outcome", "data", "event"),
    [
        ("reached", {"comment": "заплатит"}, "debtor_reached"),
        ("refused", {"reason": "нет денег"}, "debtor_refused"),
        ("no_answer", {}, "debtor_not_answering"),
        ("wrong_number", {}, "debtor_wrong_number"),
    ],
)
def test_what_was_said_on_the_phone_is_kept(world: World, outcome: str, data: dict[str, Any], event: str) -> None:
    to_the_call(world)

    assert world.complete(outcome, data).outcome == outcome

    assert event in world.life.events()
    world.sleep(6 * DAY)
    assert world.life.kinds()[-1] is StepKind.FINAL_WARNING


def test_a_promise_on_the_phone_is_a_promise(world: World) -> None:
    to_the_call(world)

    world.complete("promised", {"until_on": (world.today() + 9 * DAY).isoformat()})

    eventually(lambda: world.process().waiting_for == "promise")
    world.sleep(8 * DAY)
    assert world.life.kinds()[-1] is StepKind.CALL_TASK


def test_a_promise_beyond_the_limits_is_refused_and_the_call_stays_open(world: World) -> None:
    to_the_call(world)

    with pytest.raises(WorkflowUpdateFailedError) as failure:
        world.complete("promised", {"until_on": (world.today() + 60 * DAY).isoformat()})

    assert isinstance(failure.value.cause, ApplicationError)
    assert failure.value.cause.type == "promise_too_long"
    assert world.open_task() is not None


def test_paid_meanwhile_the_call_is_not_needed_any_more(world: World) -> None:
    to_the_call(world)

    world.pay(MONTH_MINOR)

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.open_task() is None


# -- the network -----------------------------------------------------------------------------------------------------


def test_an_outage_of_the_network_is_waited_out(database: Database, time_skipping: TimeSkipping) -> None:
    network = BrokenNetwork(database, failures=3)
    with dunning_world(database, time_skipping(), network=network, policy=without_days_off()) as world:
        to_suspension(world)

        assert network.failures == 0


def test_what_the_network_can_not_do_people_are_asked_for_and_it_holds_nothing_up(
    database: Database, time_skipping: TimeSkipping
) -> None:
    network = BrokenNetwork(database, refuses=("suspend",))
    with dunning_world(database, time_skipping(), network=network, policy=without_days_off()) as world:
        world.owe()
        world.open()
        world.sleep(30 * DAY)
        eventually(lambda: "dunning_network_refused" in world.life.events())
        asked = world.task(TaskKind.MEND_NETWORK)
        assert asked.facts["to_do"] == "suspend the service"

        world.pay(MONTH_MINOR)

        assert world.outcome().status is ProcessStatus.COMPLETED
        assert world.life.is_on()
        assert world.open_task(TaskKind.MEND_NETWORK) is None, "nobody suspends whoever has paid"


def test_who_paid_and_can_not_be_switched_on_is_switched_on_by_people(
    database: Database, time_skipping: TimeSkipping
) -> None:
    network = BrokenNetwork(database, refuses=("switch_on",))
    with dunning_world(database, time_skipping(), network=network, policy=without_days_off()) as world:
        to_suspension(world)

        world.pay(MONTH_MINOR)
        asked = world.task(TaskKind.MEND_NETWORK)
        assert asked.facts["to_do"] == "switch the service on as its tariff wants it"
        assert asked.department is Role.OPS
        world.complete("mended", kind=TaskKind.MEND_NETWORK)

        assert world.outcome().status is ProcessStatus.COMPLETED


def test_a_look_that_the_database_held_up_goes_by_the_clock_of_its_end(
    database: Database, temporal: TemporalServer
) -> None:
    """Nobody is cut off at night because the database was away since the afternoon."""
    asked_at: list[datetime] = []

    def is_away(step: ProcessStep) -> None:
        asked_at.append(step.at)
        if len(set(asked_at)) < 2:
            raise ConnectionError("the database is away")

    with dunning_world(database, temporal, policy=at_any_time()) as world:
        world.owe(days_ago=2)
        world.steps.before_look = is_away
        world.open()

        world.wait_for_step(StepKind.NOTICE)

        first, last = asked_at[0], asked_at[-1]
        assert asked_at.count(first) > 1, "at first it is only tried again"
        assert last - first >= timedelta(seconds=5)
        assert world.life.steps()[0].taken_at == last


def test_a_suspension_that_hangs_does_not_keep_whoever_paid_off_the_network(
    database: Database, temporal: TemporalServer
) -> None:
    """Even where the equipment does it after the service was given back."""
    network = StuckNetwork(database)
    with dunning_world(database, temporal, network=network, policy=at_any_time()) as world:
        world.life.sms_at_any_time = True
        world.owe(days_ago=40)
        world.open()
        assert network.entered.wait(PATIENCE_SECONDS)

        world.pay(MONTH_MINOR)

        assert world.outcome().status is ProcessStatus.COMPLETED
        network.goes_on.set()
        assert network.done.wait(PATIENCE_SECONDS)
        eventually(world.life.is_on)


# -- cancelling ------------------------------------------------------------------------------------------------------


def test_a_cancelled_episode_gives_the_service_back_and_its_debts_are_not_dunned_again(world: World) -> None:
    to_suspension(world)

    world.cancel("agreed on another way")

    assert world.outcome().status is ProcessStatus.CANCELLED
    assert world.life.is_on()
    assert world.process().close_reason == "agreed on another way"
    world.life.now = world.now()
    world.life.pass_days(3)
    assert len(world.life.episodes()) == 1
    world.life.bill(world.life.today)
    world.life.pass_days(3)
    assert len(world.life.episodes()) == 2, "a new debt is dunned"
    assert world.life.episodes()[-1].opened_minor == MONTH_MINOR


def test_a_call_that_is_open_is_taken_back_when_somebody_cancels(world: World) -> None:
    to_the_call(world)

    world.cancel()

    assert world.outcome().status is ProcessStatus.CANCELLED
    assert world.open_task() is None


def test_the_temporal_uis_own_cancel_button_does_the_same(world: World) -> None:
    to_suspension(world)

    world.server.run(world.handle.cancel())

    assert world.outcome().status is ProcessStatus.CANCELLED
    assert world.life.is_on()
    assert world.life.service() is SubscriptionStatus.ACTIVE


def test_a_signal_that_makes_no_sense_is_a_look_and_no_failure(world: World) -> None:
    to_suspension(world)

    world.server.run(world.handle.signal("payment_received", args=["nonsense", 17]))
    world.server.run(world.handle.signal("look_again", {"what": None}))
    world.pay(MONTH_MINOR)

    assert world.outcome().status is ProcessStatus.COMPLETED
