import time as clock_time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import REGISTRY
from temporalio.exceptions import CancelledError
from temporalio.testing import ActivityEnvironment

from activities import opt_outs
from activities.gateways.sms import NotSent, OutgoingSms, SendOutcome
from activities.message_queue import queue_message
from models.contracts.messaging import MessageStatus, Urgency
from models.contracts.people import Language, Role
from models.contracts.refusals import Refusal
from models.database import Database
from models.rules.sms_failures import FailureClass
from models.rules.sms_texts import Template
from models.tables.people import Subscriber
from tests import factories
from tests.databases import database_of_its_own
from tests.messaging_world import FACTS, World, invoice_of, pay


@pytest.fixture(scope="module")
def own_database(postgres_url: str) -> Iterator[Database]:
    with database_of_its_own(postgres_url) as database:
        yield database


@pytest.fixture
def world(own_database: Database, tmp_path: Path) -> World:
    world = World(own_database, tmp_path)
    world.empty_queue()
    return world


# What is queued.


def test_a_message_is_written_in_the_recipients_language_with_its_segments(world: World) -> None:
    row = world.row(world.queue(world.subscriber(language=Language.KK)))
    assert row.language is Language.KK
    assert "дербес шот: 1000019" in row.body
    assert (row.status, row.segments, row.template) == (MessageStatus.QUEUED, 2, "connected")
    assert row.not_before == world.clock.now


def test_the_same_key_is_one_message_and_wakes_the_delivery_once(world: World) -> None:
    subscriber = world.subscriber()
    first = world.queue(subscriber, key="connected:1")
    assert world.queue(subscriber, key="connected:1", facts={**FACTS, "tariff": "Другой"}) == first
    assert "Домашний 100" in world.row(first).body
    assert world.wake_ups() == 1


def test_the_same_key_at_the_same_time_is_one_message(world: World) -> None:
    subscriber = world.subscriber()
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: world.queue(subscriber, key="connected:2"), range(16)))
    assert len(found) == 1
    assert world.wake_ups() == 1


def test_whoever_opted_out_gets_nothing_not_even_an_emergency(world: World) -> None:
    subscriber = world.subscriber()
    with world.database.transaction() as session:
        opt_outs.remember(session, subscriber.phone, at=world.clock.now)
    message = world.row(world.queue(subscriber, urgency=Urgency.EMERGENCY))
    assert (message.status, message.error_code) == (MessageStatus.WITHDRAWN, "opted_out")
    assert message.settled_at is not None
    assert world.wake_ups() == 0


def test_staff_are_written_to_as_well_and_without_a_number_it_is_kept_as_withdrawn(world: World) -> None:
    facts = {"task": "Закупить оборудование", "process": "P-1"}
    with world.database.transaction() as session:
        head, silent = factories.staff(session, Role.PROCUREMENT).row, factories.staff(session, Role.PROCUREMENT).row
        silent.phone = None
        session.flush()
        ids = [
            queue_message(
                session, key=factories.unique("escalated"), template=Template.TASK_ESCALATED, facts=facts,
                urgency=Urgency.REQUESTED, at=world.clock.now, staff_id=person.id,
            )
            for person in (head, silent)
        ]  # fmt: skip
    assert (world.status(ids[0]), world.status(ids[1])) == (MessageStatus.QUEUED, MessageStatus.WITHDRAWN)
    assert world.row(ids[1]).error_code == "no_phone"
    assert world.batch().sent == 1
    assert len(world.gateway.bodies_to(str(head.phone))) == 1


def test_a_recipient_must_exist_and_be_one(world: World) -> None:
    subscriber = world.subscriber()
    with pytest.raises(ValueError, match="subscriber or to a member of staff"):
        world.queue(subscriber, staff_id=uuid4())
    with world.database.transaction() as session, pytest.raises(Refusal) as refused:
        queue_message(
            session, key="nobody", template=Template.CONNECTED, facts=FACTS, urgency=Urgency.REQUESTED,
            at=world.clock.now, subscriber_id=uuid4(),
        )  # fmt: skip
    assert refused.value.slug == "subscriber_unknown"


# What is sent.


def test_what_is_due_is_sent_once_and_nothing_is_left(world: World) -> None:
    subscriber = world.subscriber()
    message_id = world.queue(subscriber)
    batch = world.batch()
    assert (batch.sent, batch.handled, batch.next_due_at) == (1, 1, None)
    row = world.row(message_id)
    assert (row.status, row.attempts) == (MessageStatus.SENT, 1)
    assert row.provider_sid == world.gateway.local.sent()[0].sid
    assert world.batch().handled == 0
    assert world.gateway.bodies_to(subscriber.phone) == [row.body]


def test_the_intent_is_committed_before_the_call_and_no_transaction_is_open_during_it(world: World) -> None:
    seen: list[tuple[MessageStatus, int, datetime | None, int]] = []

    def look(sms: OutgoingSms) -> SendOutcome:
        row = world.row(sms.message_id)
        with world.database.engine.connect() as connection:
            open_ones = connection.exec_driver_sql(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND starts_with(state, 'idle in transaction')"
            ).scalar_one()
        seen.append((row.status, row.attempts, row.attempted_at, open_ones))
        return world.gateway.local.send(sms)

    message_id = world.queue(world.subscriber())
    world.gateway.orders.append(look)
    world.batch()
    assert seen == [(MessageStatus.SENDING, 1, world.clock.now, 0)]
    assert world.status(message_id) is MessageStatus.SENT


def test_what_is_not_due_waits_and_its_time_is_answered(world: World) -> None:
    later = world.clock.now + timedelta(hours=2)
    message_id = world.queue(world.subscriber(), at=later)
    batch = world.batch()
    assert (batch.handled, batch.next_due_at) == (0, later)
    assert world.status(message_id) is MessageStatus.QUEUED


def test_two_deliveries_at_once_send_everything_once(world: World) -> None:
    subscribers = [world.subscriber() for _ in range(30)]
    for subscriber in subscribers:
        world.queue(subscriber)
    with ThreadPoolExecutor(3) as pool:
        batches = list(pool.map(lambda _: world.batch(), range(3)))
    assert sum(batch.sent for batch in batches) == 30
    assert sorted(sms.to for sms in world.gateway.local.sent()) == sorted(s.phone for s in subscribers)


def test_no_more_than_so_many_a_second_begin_also_at_the_start(world: World) -> None:
    world.settings.sms_per_second = 20
    for _ in range(6):
        world.queue(world.subscriber())
    began = clock_time.monotonic()
    assert world.batch().sent == 6
    # A lower bound: sleeping never takes less than asked for.
    assert clock_time.monotonic() - began >= 6 / 20


def test_a_batch_is_bounded_and_says_that_more_is_due(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.messaging.BATCH_SIZE", 3)
    for _ in range(4):
        world.queue(world.subscriber())
    first = world.batch()
    assert (first.sent, first.next_due_at) == (3, world.clock.now)
    second = world.batch()
    assert (second.sent, second.next_due_at) == (1, None)


def test_what_cannot_wait_goes_before_older_notices(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.sms_calls.CALLS_AT_ONCE", 1)
    notice = world.queue(world.subscriber(), urgency=Urgency.NOTICE, at=world.clock.now - timedelta(hours=1))
    urgent = world.queue(world.subscriber())
    world.batch()
    assert [sms.message_id for sms in world.gateway.calls] == [urgent, notice]


def test_an_exception_of_a_gateway_is_an_unknown_result_and_sinks_nobody_elses_sms(world: World) -> None:
    def broken(_: OutgoingSms) -> SendOutcome:
        raise RuntimeError("a fault of the gateway")

    first, second = world.queue(world.subscriber()), world.queue(world.subscriber())
    world.gateway.orders.append(broken)
    batch = world.batch()
    assert (batch.sent, batch.unknown) == (1, 1)
    assert {world.status(first), world.status(second)} == {MessageStatus.SENT, MessageStatus.UNKNOWN}


# The reason is checked again right before the call.


def test_a_reminder_is_withdrawn_once_its_invoice_is_paid(world: World) -> None:
    with world.database.transaction() as session:
        paid, open_one = invoice_of(session), invoice_of(session)
    ids = [world.queue(world.subscriber(), unless_paid_invoice_id=invoice.id) for invoice in (paid, open_one)]
    with world.database.transaction() as session:
        pay(session, paid, paid.total_minor)
        pay(session, open_one, open_one.total_minor - 1)
    batch = world.batch()
    assert (batch.sent, batch.withdrawn) == (1, 1)
    assert (world.row(ids[0]).status, world.row(ids[0]).error_code) == (MessageStatus.WITHDRAWN, "paid")
    assert world.status(ids[1]) is MessageStatus.SENT


def test_an_opt_out_after_queueing_withdraws(world: World) -> None:
    subscriber = world.subscriber()
    message_id = world.queue(subscriber)
    with world.database.transaction() as session:
        opt_outs.remember(session, subscriber.phone, at=world.clock.now)
    assert world.batch().withdrawn == 1
    assert world.row(message_id).error_code == "opted_out"
    assert world.gateway.calls == []


def test_a_number_that_changed_after_queueing_is_the_one_that_gets_it(world: World) -> None:
    subscriber = world.subscriber()
    world.queue(subscriber)
    changed = factories.new_phone()
    with world.database.transaction() as session:
        row = session.get(Subscriber, subscriber.id)
        assert row is not None
        row.phone = changed
    world.batch()
    assert [sms.to for sms in world.gateway.calls] == [changed]


# Quiet hours.

NIGHT = datetime(2026, 11, 27, 23, 0, tzinfo=ZoneInfo("Asia/Almaty"))  # a Friday
MONDAY_MORNING = datetime(2026, 11, 30, 9, 0, tzinfo=ZoneInfo("Asia/Almaty"))


@pytest.fixture
def by_night(own_database: Database, tmp_path: Path) -> World:
    world = World(own_database, tmp_path, sms_quiet_from=time(21), sms_quiet_until=time(9), sms_weekdays_only=True)
    world.empty_queue()
    world.clock.now = NIGHT.astimezone(UTC)
    return world


def test_a_notice_waits_for_the_morning_and_all_else_goes_at_once(by_night: World) -> None:
    notice, requested, emergency = (by_night.queue(by_night.subscriber(), urgency=urgency) for urgency in (
        Urgency.NOTICE, Urgency.REQUESTED, Urgency.EMERGENCY,
    ))  # fmt: skip
    batch = by_night.batch()
    assert (batch.sent, batch.postponed, batch.next_due_at) == (2, 1, MONDAY_MORNING)
    assert by_night.status(notice) is MessageStatus.QUEUED
    assert {by_night.status(requested), by_night.status(emergency)} == {MessageStatus.SENT}
    by_night.clock.now = MONDAY_MORNING.astimezone(UTC)
    assert by_night.batch().sent == 1
    assert by_night.status(notice) is MessageStatus.SENT


def test_a_notice_that_was_paid_over_the_night_is_not_sent_in_the_morning(by_night: World) -> None:
    with by_night.database.transaction() as session:
        invoice = invoice_of(session)
    by_night.queue(by_night.subscriber(), urgency=Urgency.NOTICE, unless_paid_invoice_id=invoice.id)
    by_night.batch()
    with by_night.database.transaction() as session:
        pay(session, invoice, invoice.total_minor)
    by_night.clock.now = MONDAY_MORNING.astimezone(UTC)
    assert by_night.batch().withdrawn == 1
    assert by_night.gateway.calls == []


def test_the_provider_gives_a_notice_up_when_the_quiet_hours_begin(by_night: World) -> None:
    by_night.clock.now = datetime(2026, 11, 24, 20, 30, tzinfo=ZoneInfo("Asia/Almaty")).astimezone(UTC)
    by_night.queue(by_night.subscriber(), urgency=Urgency.NOTICE)
    by_night.queue(by_night.subscriber())
    by_night.batch()
    assert sorted(sms.valid_for for sms in by_night.gateway.calls) == [timedelta(minutes=30), timedelta(hours=10)]


# Failures.


def test_a_throttled_call_is_repeated_at_once_and_then_later(world: World) -> None:
    throttled = NotSent(FailureClass.THROTTLED, "20429")
    message_id = world.queue(world.subscriber())
    world.gateway.orders.extend([throttled])
    assert world.batch().sent == 1
    assert (world.row(message_id).attempts, len(world.gateway.calls)) == (1, 2)

    other = world.queue(world.subscriber())
    world.gateway.orders.extend([throttled] * 3)
    batch = world.batch()
    assert batch.postponed == 1
    assert batch.next_due_at is not None
    assert world.status(other) is MessageStatus.QUEUED
    world.clock.now = batch.next_due_at
    assert world.batch().sent == 1


@pytest.mark.parametrize("failure", [FailureClass.LATER, FailureClass.CONFIGURATION, FailureClass.UNREACHABLE])
def test_a_failure_that_may_pass_is_tried_again_ever_later_and_in_the_end_given_up(
    world: World, failure: FailureClass
) -> None:
    message_id = world.queue(world.subscriber())
    pauses: list[timedelta] = []
    while world.status(message_id) is MessageStatus.QUEUED:
        world.gateway.orders.append(NotSent(failure, "21611"))
        batch = world.batch()
        if batch.next_due_at is not None:
            pauses.append(batch.next_due_at - world.clock.now)
            world.clock.now = batch.next_due_at
    row = world.row(message_id)
    assert (row.status, row.error_code) == (MessageStatus.FAILED, "21611")
    assert row.settled_at == world.clock.now
    assert len(pauses) == len(world.gateway.calls) - 1
    assert pauses == sorted(pauses)
    assert pauses[0] >= timedelta(minutes=1)


def test_a_number_that_will_not_take_it_is_given_up_at_once(world: World) -> None:
    subscriber = world.subscriber()
    message_id = world.queue(subscriber)
    world.gateway.orders.append(NotSent(FailureClass.NUMBER, "21211"))
    batch = world.batch()
    assert (batch.failed, batch.next_due_at) == (1, None)
    assert (world.status(message_id), world.row(message_id).error_code) == (MessageStatus.FAILED, "21211")
    assert world.opted_out_at(subscriber) is None


def test_21610_is_remembered_as_an_opt_out_of_everybody_with_that_number(world: World) -> None:
    phone = factories.new_phone()
    asked, relative, stranger = world.subscriber(phone=phone), world.subscriber(phone=phone), world.subscriber()
    world.queue(asked)
    world.gateway.orders.append(NotSent(FailureClass.NUMBER, "21610"))
    world.batch()
    assert world.opted_out_at(asked) == world.opted_out_at(relative) == world.clock.now
    assert world.opted_out_at(stranger) is None
    assert world.status(world.queue(asked)) is MessageStatus.WITHDRAWN


def test_a_configuration_that_is_wrong_is_counted_for_an_alert_and_mends_itself_once_mended(world: World) -> None:
    def alerts() -> float:
        return REGISTRY.get_sample_value("abonent_sms_configuration_errors_total", {"code": "21606"}) or 0.0

    before = alerts()
    message_id = world.queue(world.subscriber())
    world.gateway.orders.append(NotSent(FailureClass.CONFIGURATION, "21606"))
    batch = world.batch()
    assert alerts() == before + 1
    assert world.status(message_id) is MessageStatus.QUEUED
    assert batch.next_due_at is not None
    world.clock.now = batch.next_due_at
    assert world.batch().sent == 1
    assert world.row(message_id).error_code is None


# Cancellation and shutdown.


def test_cancelled_it_finishes_what_is_in_flight_and_begins_nothing_more(world: World) -> None:
    environment = ActivityEnvironment()

    def cancel(sms: OutgoingSms) -> SendOutcome:
        environment.cancel()
        return world.gateway.local.send(sms)

    for _ in range(40):
        world.queue(world.subscriber())
    world.settings.sms_per_second = 10
    world.gateway.orders.append(cancel)
    with pytest.raises(CancelledError):
        environment.run(world.activities().send_due)
    world.settings.sms_per_second = 1000
    sent = len(world.gateway.local.sent())
    assert 1 <= sent < 40
    assert world.batch().sent == 40 - sent


def test_a_worker_that_shuts_down_ends_its_batch_early(world: World) -> None:
    environment = ActivityEnvironment()

    def shut_down(sms: OutgoingSms) -> SendOutcome:
        environment.worker_shutdown()
        return world.gateway.local.send(sms)

    for _ in range(40):
        world.queue(world.subscriber())
    world.settings.sms_per_second = 10
    world.gateway.orders.append(shut_down)
    batch = environment.run(world.activities().send_due)
    world.settings.sms_per_second = 1000
    assert 1 <= batch.sent < 40
    assert batch.next_due_at == world.clock.now
    assert world.batch().sent == 40 - batch.sent
