import os
import signal
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from activities.gateways.local_sms import LocalSmsGateway
from activities.gateways.sms import OutgoingSms, SendOutcome, SmsGateway
from models.contracts.messaging import MessageStatus
from models.database import Database
from tests.connection_world import eventually
from tests.databases import database_of_its_own
from tests.fake_twilio import Failure, FakeTwilio
from tests.messaging_world import World
from tests.test_sms_gateways import twilio_gateway

LEASE_IS_OVER = timedelta(minutes=3)
GRACE_IS_OVER = timedelta(minutes=6)


@pytest.fixture(scope="module")
def own_database(postgres_url: str) -> Iterator[Database]:
    with database_of_its_own(postgres_url) as database:
        yield database


@pytest.fixture
def world(own_database: Database, tmp_path: Path) -> World:
    world = World(own_database, tmp_path)
    world.empty_queue()
    return world


@pytest.fixture
def fake() -> Iterator[FakeTwilio]:
    with FakeTwilio.running() as running:
        yield running


@pytest.mark.parametrize(
    "failure",
    [Failure(500, accepts=True), Failure(accepts=True, hangs_seconds=3.0), Failure(drops=True, accepts=True)],
    ids=["500 after accepting", "time-out after accepting", "connection lost after accepting"],
)
def test_a_result_that_is_unknown_is_looked_up_and_never_sent_again(
    world: World, fake: FakeTwilio, failure: Failure
) -> None:
    subscriber = world.subscriber()
    message_id = world.queue(subscriber)
    fake.script(failure)
    batch = world.batch(twilio_gateway(fake.url, timeout_seconds=1.0))
    assert batch.unknown == 1
    assert world.status(message_id) is MessageStatus.UNKNOWN
    assert batch.next_due_at is not None
    world.clock.now = batch.next_due_at
    eventually(lambda: fake.to(subscriber.phone))
    found = world.batch(twilio_gateway(fake.url))
    assert (found.sent, found.next_due_at) == (1, None)
    (taken,) = fake.to(subscriber.phone)
    assert (world.status(message_id), world.row(message_id).provider_sid) == (MessageStatus.SENT, taken.sid)


def test_a_500_without_acceptance_is_sent_again_only_after_the_grace_period(world: World, fake: FakeTwilio) -> None:
    gateway = twilio_gateway(fake.url)
    subscriber = world.subscriber()
    message_id = world.queue(subscriber)
    fake.script(Failure(500))
    began = world.clock.now
    batch = world.batch(gateway)
    while world.status(message_id) is MessageStatus.UNKNOWN:
        assert fake.creates == 1
        assert batch.next_due_at is not None
        world.clock.now = batch.next_due_at
        batch = world.batch(gateway)
    assert world.clock.now - began >= timedelta(minutes=5)
    assert (world.status(message_id), world.row(message_id).attempts) == (MessageStatus.SENT, 2)
    assert len(fake.to(subscriber.phone)) == 1


def test_while_the_provider_cannot_be_asked_nothing_is_sent_again(world: World, fake: FakeTwilio) -> None:
    gateway = twilio_gateway(fake.url)
    message_id = world.queue(world.subscriber())
    fake.script(Failure(500, accepts=True))
    fake.is_listing = False
    batch = world.batch(gateway)
    for _ in range(12):
        assert batch.next_due_at is not None
        world.clock.now = batch.next_due_at
        batch = world.batch(gateway)
        assert world.status(message_id) is MessageStatus.UNKNOWN
    fake.is_listing = True
    assert batch.next_due_at is not None
    world.clock.now = batch.next_due_at
    assert world.batch(gateway).sent == 1
    assert fake.creates == 1


def test_the_same_text_sent_before_is_not_taken_for_the_unknown_one(world: World, fake: FakeTwilio) -> None:
    gateway = twilio_gateway(fake.url)
    subscriber = world.subscriber()
    first = world.queue(subscriber)
    world.batch(gateway)
    second = world.queue(subscriber)
    fake.script(Failure(500))
    world.batch(gateway)
    world.clock.turn(timedelta(minutes=1))
    world.batch(gateway)
    assert (world.status(first), world.status(second)) == (MessageStatus.SENT, MessageStatus.UNKNOWN)
    world.clock.turn(GRACE_IS_OVER)
    world.batch(gateway)
    assert world.status(second) is MessageStatus.SENT
    assert len(fake.to(subscriber.phone)) == 2


class Killed(BaseException):
    """The process ends here."""


class DyingGateway:
    """Ends the process at a call, after or before it reached the provider."""

    def __init__(self, gateway: SmsGateway, die: Callable[[], None], *, reaches_provider: bool) -> None:
        self.gateway, self.die, self.reaches_provider = gateway, die, reaches_provider

    def send(self, sms: OutgoingSms) -> SendOutcome:
        if self.reaches_provider:
            self.gateway.send(sms)
        self.die()
        raise AssertionError("unreachable")

    def find(self, *, to: str, body: str, since: datetime) -> list[str]:
        return self.gateway.find(to=to, body=body, since=since)


def _kill_this_process() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _deliver_and_die(url: str, folder: Path, twilio_url: str | None, reaches_provider: bool) -> None:
    gateway = LocalSmsGateway(folder) if twilio_url is None else twilio_gateway(twilio_url)
    world = World(Database(url), folder)
    world.batch(DyingGateway(gateway, _kill_this_process, reaches_provider=reaches_provider))


@pytest.mark.parametrize("reaches_provider", [True, False])
@pytest.mark.parametrize("kind", ["local", "twilio"])
def test_a_process_killed_between_the_call_and_its_outcome_leads_to_one_sms(
    world: World, fake: FakeTwilio, tmp_path: Path, kind: str, reaches_provider: bool
) -> None:
    twilio_url = fake.url if kind == "twilio" else None
    subscriber = world.subscriber()
    message_id = world.queue(subscriber)
    process = get_context("spawn").Process(
        target=_deliver_and_die, args=(world.database.url, tmp_path, twilio_url, reaches_provider)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert world.status(message_id) is MessageStatus.SENDING

    gateway: SmsGateway = LocalSmsGateway(tmp_path) if twilio_url is None else twilio_gateway(twilio_url)
    batch = world.batch(gateway)
    assert (batch.handled, world.status(message_id)) == (0, MessageStatus.SENDING)
    assert batch.next_due_at is not None
    world.clock.turn(LEASE_IS_OVER)
    world.batch(gateway)
    assert world.status(message_id) is (MessageStatus.SENT if reaches_provider else MessageStatus.UNKNOWN)
    world.clock.turn(GRACE_IS_OVER)
    assert world.batch(gateway).next_due_at is None
    assert world.status(message_id) is MessageStatus.SENT
    local = [sms for sms in LocalSmsGateway(tmp_path).sent() if sms.to == subscriber.phone]
    assert len(fake.to(subscriber.phone)) + len(local) == 1


def test_a_crash_in_the_middle_of_a_batch_leaves_only_what_was_in_the_call_in_doubt(world: World) -> None:
    def die(sms: OutgoingSms) -> SendOutcome:
        world.gateway.local.send(sms)
        raise Killed

    subscribers = [world.subscriber() for _ in range(20)]
    ids = [world.queue(subscriber) for subscriber in subscribers]
    world.gateway.orders.append(die)
    with pytest.raises(Killed):
        world.batch()
    in_doubt = [message_id for message_id in ids if world.status(message_id) is MessageStatus.SENDING]
    assert len(in_doubt) == 1
    world.batch()
    world.clock.turn(LEASE_IS_OVER)
    assert world.batch().next_due_at is None
    assert sorted(sms.to for sms in world.gateway.local.sent()) == sorted(s.phone for s in subscribers)
