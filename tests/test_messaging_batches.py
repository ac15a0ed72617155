"""SMS by the batch: asked for together, taken back together, claimed and settled together."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from temporalio.testing import ActivityEnvironment

from activities import message_claims, message_log, opt_outs
from activities.gateways.sms import Accepted, NotSent, OutgoingSms, SendOutcome, SmsGateway
from activities.message_callbacks import StatusReport, record_status
from activities.message_queue import Notice, delivery_figures, queue_notices, withdraw_unsent
from models.contracts.messaging import DeliveryFigures, MessageStatus, Urgency
from models.contracts.people import Language
from models.contracts.processes import ProcessKind
from models.database import Database
from models.rules.sms_failures import FailureClass
from models.rules.sms_texts import Template
from models.tables.people import Subscriber
from tests import factories
from tests.databases import database_of_its_own
from tests.fake_twilio import FakeTwilio
from tests.messaging_world import FACTS, World, invoice_of, pay
from tests.test_sms_gateways import twilio_gateway

LEASE_IS_OVER = timedelta(minutes=3)
GRACE_IS_OVER = timedelta(minutes=6)
LATER = NotSent(FailureClass.LATER, "21611")


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
def process_id(world: World) -> UUID:
    with world.database.transaction() as session:
        return factories.process(session, kind=ProcessKind.OUTAGE).id


def subscribers(world: World, number: int) -> list[Subscriber]:
    return [world.subscriber() for _ in range(number)]


def notify(
    world: World, people: list[Subscriber], process_id: UUID, *, prefix: str = "cut:1:", urgency: Urgency | None = None
) -> int:
    notices = [Notice(f"{prefix}{one.id}", one.id, FACTS) for one in people]
    with world.database.transaction() as session:
        more = {} if urgency is None else {"urgency": urgency}
        return queue_notices(
            session, notices, template=Template.CONNECTED, process_id=process_id, at=world.clock.now, **more
        )  # fmt: skip


def take_back(world: World, process_id: UUID, **more: Any) -> int:
    with world.database.transaction() as session:
        return withdraw_unsent(session, process_id, at=world.clock.now, reason="outdated", **more)


def figures(world: World, process_id: UUID) -> DeliveryFigures:
    with world.database.transaction() as session:
        return delivery_figures(session, process_id)


def ids_of(world: World, process_id: UUID) -> list[UUID]:
    with world.database.transaction() as session:
        return list(
            session.scalars(text("SELECT id FROM message WHERE process_id = :id ORDER BY id"), {"id": process_id})
        )


# Asked for together.


def test_many_are_written_at_once_each_in_its_recipients_language_and_never_twice(
    world: World, process_id: UUID
) -> None:
    people = [world.subscriber(language=language) for language in Language for _ in range(2)]
    assert notify(world, people, process_id, urgency=Urgency.EMERGENCY) == 6
    assert notify(world, people, process_id, urgency=Urgency.EMERGENCY) == 0
    assert world.wake_ups() == 1
    rows = [world.row(message_id) for message_id in ids_of(world, process_id)]
    assert {row.urgency for row in rows} == {Urgency.EMERGENCY}
    by_language = {row.language: row.body for row in rows}
    assert "дербес шот: 1000019" in by_language[Language.KK]
    assert "Account number" in by_language[Language.EN]
    assert len({row.body for row in rows}) == 3


def test_they_are_notices_unless_said_and_whoever_opted_out_is_left_out(world: World, process_id: UUID) -> None:
    asked, silent = subscribers(world, 2)
    with world.database.transaction() as session:
        opt_outs.remember(session, silent.phone, at=world.clock.now)
    notify(world, [asked, silent], process_id)
    assert {world.row(message_id).urgency for message_id in ids_of(world, process_id)} == {Urgency.NOTICE}
    assert figures(world, process_id) == DeliveryFigures(queued=1, withdrawn=1)


# Taken back together.


def test_what_nobody_has_begun_to_send_is_withdrawn_and_what_was_claimed_goes(world: World, process_id: UUID) -> None:
    people = subscribers(world, 5)
    notify(world, people, process_id)
    taken_back: list[int] = []

    def cancel(sms: OutgoingSms) -> SendOutcome:
        notify(world, people, process_id, prefix="cut:2:")
        taken_back.append(take_back(world, process_id))
        return world.gateway.local.send(sms)

    world.gateway.orders.append(cancel)
    batch = world.batch()
    assert (batch.sent, taken_back) == (5, [5])
    assert figures(world, process_id) == DeliveryFigures(sent=5, withdrawn=5)
    assert len(world.gateway.calls) == 5


def test_only_what_was_chosen_is_withdrawn(world: World, process_id: UUID) -> None:
    with world.database.transaction() as session:
        other = factories.process(session, kind=ProcessKind.OUTAGE).id
    people = subscribers(world, 2)
    for prefix in ("cut_1:", "cut%1:"):
        notify(world, people, process_id, prefix=prefix)
    notify(world, people, other, prefix="other:")
    assert take_back(world, process_id, key_prefix="cut_1:") == 2
    assert take_back(world, process_id, key_prefix="cut_1:") == 0
    assert figures(world, process_id) == DeliveryFigures(queued=2, withdrawn=2)
    assert figures(world, other) == DeliveryFigures(queued=2)


@pytest.mark.parametrize("comes_back", [LATER, "undelivered", "given back"])
def test_what_was_taken_back_while_it_was_under_way_is_not_tried_again(
    world: World, process_id: UUID, comes_back: NotSent | str
) -> None:
    people = subscribers(world, 1)
    notify(world, people, process_id)
    environment = ActivityEnvironment()

    def meanwhile(sms: OutgoingSms) -> SendOutcome:
        world.clock.turn(timedelta(seconds=1))
        assert take_back(world, process_id) == 0
        notify(world, people, process_id, prefix="cut:2:")
        return comes_back if isinstance(comes_back, NotSent) else world.gateway.local.send(sms)

    if comes_back == "given back":
        with world.database.transaction() as session:
            claimed = claim(world, session, ids_of(world, process_id))
        meanwhile(replace(claimed[0], to="+77010000000"))
        with world.database.transaction() as session:
            message_claims.give_back(session, claimed)
    else:
        world.gateway.orders.append(meanwhile)
        environment.run(world.activities().send_due)
    if comes_back == "undelivered":
        (old, _) = [world.row(message_id) for message_id in ids_of(world, process_id)]
        with world.database.transaction() as session:
            report = StatusReport(str(old.provider_sid), "undelivered", 30003)
            assert record_status(session, report, at=world.clock.now) is MessageStatus.QUEUED
    world.clock.turn(timedelta(hours=1))
    world.batch()
    old, new = (world.row(message_id) for message_id in ids_of(world, process_id))
    assert (old.status, old.error_code, new.status) == (MessageStatus.WITHDRAWN, "outdated", MessageStatus.SENT)


# Claimed together.


def claim(world: World, session: Session, ids: list[UUID]) -> list[OutgoingSms]:
    now = world.clock.now
    return message_claims.claim(
        session, ids, now=now, today=now.date(), notices_from=now, notice_validity=timedelta(hours=1)
    ).sms  # fmt: skip


def test_a_batch_decides_for_each_of_its_messages_alone(world: World) -> None:
    with world.database.transaction() as session:
        paid, unpaid = invoice_of(session), invoice_of(session)
        pay(session, paid, paid.total_minor)
    people = subscribers(world, 5)
    ids = [
        world.queue(people[0]),
        world.queue(people[1], unless_paid_invoice_id=paid.id),
        world.queue(people[2], unless_paid_invoice_id=unpaid.id),
        world.queue(people[3]),
        world.queue(people[4], at=world.clock.now + timedelta(minutes=1)),
    ]
    number = factories.new_phone()
    with world.database.transaction() as session:
        opt_outs.remember(session, people[0].phone, at=world.clock.now)
        session.get_one(Subscriber, people[3].id).phone = number
    batch = world.batch()
    assert (batch.sent, batch.withdrawn) == (2, 2)
    assert [world.row(message_id).error_code for message_id in ids] == ["opted_out", "paid", None, None, None]
    assert {sms.to for sms in world.gateway.calls} == {people[2].phone, number}
    assert world.row(ids[3]).recipient == number
    assert world.status(ids[4]) is MessageStatus.QUEUED


def test_what_can_wait_never_goes_before_what_cannot_however_many_claims_it_takes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.messaging.CLAIM_SIZE", 2)
    monkeypatch.setattr("activities.sms_calls.CALLS_AT_ONCE", 1)
    urgency = [Urgency.NOTICE, Urgency.EMERGENCY, Urgency.REQUESTED, Urgency.NOTICE, Urgency.REQUESTED]
    minutes = [9, 3, 1, 8, 2]
    people = subscribers(world, 5)
    ids = [
        world.queue(person, urgency=how, at=world.clock.now - timedelta(minutes=ago))
        for person, how, ago in zip(people, urgency, minutes, strict=True)
    ]
    assert world.batch().sent == 5
    assert [ids.index(sms.message_id) for sms in world.gateway.calls] == [1, 4, 2, 0, 3]


def test_to_find_what_goes_next_the_rest_of_the_queue_is_not_looked_at(world: World) -> None:
    statements: list[tuple[str, Any]] = []
    engine = world.database.engine

    def overhear(*call: Any) -> None:
        statements.append((call[2], call[3]))

    event.listen(engine, "before_cursor_execute", overhear)
    try:
        with world.database.transaction() as session:
            message_claims.due_ids(session, now=world.clock.now, limit=100)
            message_claims.next_due(session)
    finally:
        event.remove(engine, "before_cursor_execute", overhear)
    with engine.connect() as connection:
        # An empty table is read as a whole unless that is forbidden.
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        connection.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        for statement, parameters in statements:
            plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters))
            assert "ix_message_queued" in plan
            assert "Sort" not in plan


def test_an_old_claim_is_not_used(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.sms_calls.GOOD_FOR_SECONDS", -1.0)
    message_id = world.queue(world.subscriber())
    batch = world.batch()
    assert (batch.handled, batch.next_due_at, world.gateway.calls) == (0, world.clock.now, [])
    assert (world.status(message_id), world.row(message_id).attempts) == (MessageStatus.QUEUED, 0)


def test_what_is_given_back_was_no_attempt_and_what_became_unknown_meanwhile_stays_so(world: World) -> None:
    ids = [world.queue(person) for person in subscribers(world, 2)]
    with world.database.transaction() as session:
        claimed = claim(world, session, ids)
    world.clock.turn(LEASE_IS_OVER)
    with world.database.transaction() as session:
        session.execute(text("UPDATE message SET status = 'unknown' WHERE id = :id"), {"id": ids[0]})
        message_claims.give_back(session, claimed)
    assert [world.status(message_id) for message_id in ids] == [MessageStatus.UNKNOWN, MessageStatus.QUEUED]
    assert [world.row(message_id).attempts for message_id in ids] == [1, 0]


# Settled together.


def test_every_outcome_of_a_batch_is_settled_for_its_own_message(world: World) -> None:
    outcomes = [
        None, NotSent(FailureClass.NUMBER, "21211"), LATER, NotSent(FailureClass.UNKNOWN, "no_answer"), None,
        NotSent(FailureClass.NUMBER, "21610"),
    ]  # fmt: skip
    people = subscribers(world, 6)
    ids = [world.queue(person) for person in people]
    by_message = dict(zip(ids, outcomes, strict=True))

    def answer(sms: OutgoingSms) -> SendOutcome:
        return by_message[sms.message_id] or Accepted(f"SM-{sms.message_id}")

    world.gateway.orders.extend([answer] * 6)
    batch = world.batch()
    assert (batch.sent, batch.failed, batch.postponed, batch.unknown) == (2, 2, 1, 1)
    assert [world.status(message_id) for message_id in ids] == [
        MessageStatus.SENT, MessageStatus.FAILED, MessageStatus.QUEUED, MessageStatus.UNKNOWN, MessageStatus.SENT,
        MessageStatus.FAILED,
    ]  # fmt: skip
    assert [world.row(message_id).provider_sid for message_id in (ids[0], ids[4])] == [f"SM-{ids[0]}", f"SM-{ids[4]}"]
    assert world.opted_out_at(people[5]) == world.clock.now


def is_anybody_waiting(world: World) -> bool:
    """Asked in a transaction of its own: within one, the answer stays what it was at first."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with world.database.transaction() as session:
        return bool(session.scalar(text(waiting)))


def test_a_callback_that_waits_for_the_settling_of_its_message_is_not_lost(world: World) -> None:
    message_id = world.queue(world.subscriber())
    heard: list[MessageStatus | None] = []

    def call_back() -> None:
        report = StatusReport("SM-1", "delivered", message_id=message_id, attempt=1)
        with world.database.transaction() as session:
            heard.append(record_status(session, report, at=world.clock.now))

    with world.database.transaction() as session:
        (sms,) = claim(world, session, [message_id])
    caller = threading.Thread(target=call_back)
    with world.database.transaction() as session:
        message_log.settle(session, [message_log.Outcome(sms, Accepted("SM-1"))], now=world.clock.now)
        caller.start()
        while not is_anybody_waiting(world):
            time.sleep(0.02)
    caller.join()
    assert (heard, world.status(message_id)) == ([MessageStatus.DELIVERED], MessageStatus.DELIVERED)


def test_outcomes_that_could_not_be_written_down_are_looked_up_and_nothing_is_sent_twice(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = subscribers(world, 20)
    for person in people:
        world.queue(person)

    def away(*_: object, **__: object) -> None:
        raise OperationalError("the database is away", None, Exception())

    with monkeypatch.context() as patch:
        patch.setattr(message_log, "settle", away)
        with pytest.raises(OperationalError):
            world.batch()
    assert world.batch().handled == 0
    world.clock.turn(LEASE_IS_OVER)
    batch = world.batch()
    assert (batch.sent, batch.next_due_at) == (20, None)
    assert sorted(sms.to for sms in world.gateway.local.sent()) == sorted(person.phone for person in people)


# Looked up together.


def in_doubt(world: World, people: list[Subscriber], gateway: SmsGateway, *, reached: int) -> list[UUID]:
    """Messages that a process which then died had claimed; so many of them had reached the provider."""
    ids = [world.queue(person) for person in people]
    with world.database.transaction() as session:
        claimed = claim(world, session, ids)
    for sms in claimed[:reached]:
        assert isinstance(gateway.send(sms), Accepted)
    world.clock.turn(LEASE_IS_OVER)
    return ids


def test_all_that_a_crash_left_in_doubt_is_looked_up_at_once(world: World) -> None:
    ids = in_doubt(world, subscribers(world, 150), world.gateway.local, reached=100)
    batch = world.batch()
    assert (batch.sent, batch.unknown, world.gateway.calls) == (100, 50, [])
    assert [world.status(message_id) for message_id in ids] == [MessageStatus.SENT] * 100 + [MessageStatus.UNKNOWN] * 50
    world.clock.turn(GRACE_IS_OVER)
    world.batch()
    assert world.batch().next_due_at is None
    assert len(world.gateway.local.sent()) == 150


def test_of_two_alike_that_are_in_doubt_the_provider_s_one_counts_for_one(world: World) -> None:
    subscriber = world.subscriber()
    in_doubt(world, [subscriber, subscriber], world.gateway.local, reached=1)
    assert world.batch().sent == 1
    world.clock.turn(GRACE_IS_OVER)
    world.batch()
    assert world.batch().next_due_at is None
    assert len(world.gateway.bodies_to(subscriber.phone)) == 2


def test_while_the_provider_does_not_answer_it_is_asked_for_few_of_them(world: World) -> None:
    with FakeTwilio.running() as fake:
        gateway = twilio_gateway(fake.url)
        ids = in_doubt(world, subscribers(world, 60), gateway, reached=60)
        fake.is_listing = False
        assert world.batch(gateway).sent == 0
        assert {world.status(message_id) for message_id in ids} == {MessageStatus.UNKNOWN}
        assert sum(method == "GET" for method, _ in fake.requests) < 30
        fake.is_listing = True
        world.clock.turn(timedelta(hours=2))
        assert world.batch(gateway).sent == 60
        assert fake.creates == 60


# A crash in the middle of a batch.


class _Killing:
    """Ends the process at the given call: before the provider has it, or after."""

    def __init__(self, gateway: SmsGateway, *, at: int, before: bool) -> None:
        self.gateway, self.at, self.before = gateway, at, before
        self.calls = 0
        self.lock = threading.Lock()

    def send(self, sms: OutgoingSms) -> SendOutcome:
        with self.lock:
            self.calls += 1
            mine = self.calls
        if mine == self.at and self.before:
            os.kill(os.getpid(), signal.SIGKILL)
        outcome = self.gateway.send(sms)
        if mine == self.at:
            os.kill(os.getpid(), signal.SIGKILL)
        return outcome

    def find(self, **what: Any) -> list[str]:
        return self.gateway.find(**what)


def _send_and_die(url: str, folder: Path, twilio_url: str, at: int, before: bool) -> None:
    world = World(Database(url), folder, sms_per_second=30)
    world.batch(_Killing(twilio_gateway(twilio_url), at=at, before=before))


def test_a_worker_killed_in_the_middle_of_batches_tells_everybody_once(world: World, tmp_path: Path) -> None:
    people = subscribers(world, 120)
    ids = [world.queue(person) for person in people]
    with FakeTwilio.running() as fake:
        for at, before in ((1, True), (15, False)):
            process = get_context("spawn").Process(
                target=_send_and_die, args=(world.database.url, tmp_path, fake.url, at, before)
            )
            process.start()
            process.join()
            assert process.exitcode == -signal.SIGKILL
        assert len(fake.messages) < 120
        assert MessageStatus.SENDING in {world.status(message_id) for message_id in ids}
        gateway = twilio_gateway(fake.url)
        world.clock.turn(LEASE_IS_OVER)
        batch = world.batch(gateway)
        while batch.next_due_at is not None:
            world.clock.now = max(world.clock.now, batch.next_due_at)
            batch = world.batch(gateway)
        assert {world.status(message_id) for message_id in ids} == {MessageStatus.SENT}
        assert sorted(message.to for message in fake.messages) == sorted(person.phone for person in people)
