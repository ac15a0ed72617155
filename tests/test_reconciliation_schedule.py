"""The calendar opens banks' days: yesterday each morning, and whatever days were missed."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select
from temporalio.client import Schedule, ScheduleActionStartWorkflow, ScheduleHandle, ScheduleOverlapPolicy

from activities.bank_day_opening import CATCH_UP_DAYS, open_missed_days
from models.contracts.engine import DAILY_RECONCILIATION_SCHEDULE, OPEN_RECONCILIATIONS, PROCESSES_QUEUE
from models.contracts.processes import SCHEDULE_ACTOR
from models.database import Database
from models.tables.banks import Bank
from models.tables.outbox import Outbox
from models.tables.processes import Process
from models.tables.reconciliation import Reconciliation
from settings import Settings
from tests.connection_world import eventually
from tests.databases import database_of_its_own
from tests.engines import TemporalServer
from tests.reconciliation_world import SETTINGS, ZONE, BankWorld, worker
from tests.test_billing_schedule import delete_schedules
from workers.schedules import RECONCILIATION_OFF_BY_SETTINGS, keep_schedules

NOW = datetime(2026, 11, 24, 5, 0, tzinfo=ZONE)
YESTERDAY = date(2026, 11, 23)


@pytest.fixture(scope="module")
def own(postgres_url: str) -> Iterator[Database]:
    """A database of its own: the schedule opens days of all banks."""
    with database_of_its_own(postgres_url) as database:
        yield database


@pytest.fixture
def bank(own: Database) -> BankWorld:
    with own.transaction() as session:
        for other in session.scalars(select(Bank)):
            other.active = False
    world = BankWorld(own, None, "")
    world.furnish(accounts=0, starts_on="2026-11-20")
    return world


def opened(bank: BankWorld) -> list[tuple[date, str]]:
    with bank.database.transaction() as session:
        rows = session.execute(
            select(Reconciliation.day_on, Process.opened_by)
            .join(Process, Process.id == Reconciliation.process_id)
            .where(Reconciliation.bank_id == bank.bank_id)
            .order_by(Reconciliation.day_on)
        )
        return [(day_on, opened_by) for day_on, opened_by in rows]


def open_missed(bank: BankWorld, at: datetime = NOW) -> list[UUID]:
    with bank.database.transaction() as session:
        return open_missed_days(session, at=at, zone=ZONE)


def test_each_missed_day_up_to_yesterday_is_opened_once(bank: BankWorld) -> None:
    first, again = open_missed(bank), open_missed(bank)

    assert (len(first), again) == (4, [])
    assert opened(bank) == [(date(2026, 11, day), SCHEDULE_ACTOR) for day in (20, 21, 22, 23)]
    assert len(open_missed(bank, NOW + timedelta(days=1))) == 1


def test_the_first_minutes_of_a_day_belong_to_it_in_the_operators_zone(bank: BankWorld) -> None:
    open_missed(bank, datetime(2026, 11, 24, 0, 1, tzinfo=ZONE))
    assert opened(bank)[-1][0] == YESTERDAY


def test_a_day_that_somebody_opened_before_is_left_alone(bank: BankWorld) -> None:
    bank.open(YESTERDAY)
    assert len(open_missed(bank)) == 3
    assert dict(opened(bank))[YESTERDAY] == "schedule"


@pytest.mark.parametrize("why", ["not enabled", "not active", "not yet"])
def test_days_of_a_bank_that_is_not_reconciled_are_not_opened(bank: BankWorld, why: str) -> None:
    if why == "not enabled":
        bank.agree(enabled=False, starts_on="2026-11-20")
    if why == "not active":
        with bank.database.transaction() as session:
            session.get_one(Bank, bank.bank_id).active = False
    if why == "not yet":
        bank.agree(starts_on="2026-12-01")

    assert open_missed(bank) == []


def test_days_of_long_ago_are_not_caught_up(bank: BankWorld) -> None:
    bank.agree(starts_on="2020-01-01")
    open_missed(bank)

    days = [day_on for day_on, _ in opened(bank)]
    assert (len(days), days[-1]) == (CATCH_UP_DAYS, YESTERDAY)


def test_a_cancelled_day_is_not_opened_again_by_the_schedule(bank: BankWorld) -> None:
    open_missed(bank)
    with bank.database.transaction() as session:
        process = session.get_one(Process, bank.reconciliation(YESTERDAY).process_id)
        process.status, process.closed_at = "cancelled", NOW  # type: ignore[assignment]  # the column's own word

    assert open_missed(bank) == []


# -- on Temporal ------------------------------------------------------------------------------------------------------


@pytest.fixture
def schedule(temporal: TemporalServer) -> Iterator[ScheduleHandle]:
    delete_schedules(temporal)
    yield temporal.client.get_schedule_handle(DAILY_RECONCILIATION_SCHEDULE)
    delete_schedules(temporal)


def keep(temporal: TemporalServer, **settings: Any) -> Schedule:
    temporal.run(keep_schedules(temporal.client, Settings.model_validate(settings)))
    handle = temporal.client.get_schedule_handle(DAILY_RECONCILIATION_SCHEDULE)
    return temporal.run(handle.describe()).schedule


def test_days_are_opened_each_morning_at_the_hour_of_the_settings(
    temporal: TemporalServer, schedule: ScheduleHandle
) -> None:
    made = keep(temporal)
    times = temporal.run(schedule.describe()).info.next_action_times

    assert {moment.astimezone(ZONE).hour for moment in times} == {SETTINGS.reconciliation_hour}
    assert len({moment.astimezone(ZONE).date() for moment in times}) == len(times) > 1
    assert made.policy.overlap is ScheduleOverlapPolicy.SKIP
    assert isinstance(made.action, ScheduleActionStartWorkflow)
    assert (made.action.workflow, made.action.task_queue) == (OPEN_RECONCILIATIONS, PROCESSES_QUEUE)
    off = keep(temporal, reconciliation_schedule_enabled=False)
    assert (off.state.paused, off.state.note) == (True, RECONCILIATION_OFF_BY_SETTINGS)
    assert not keep(temporal).state.paused


def test_triggered_it_opens_yesterday_and_a_process_starts_for_it(
    temporal: TemporalServer, schedule: ScheduleHandle, bank: BankWorld
) -> None:
    yesterday = datetime.now(ZONE).date() - timedelta(days=1)
    bank.agree(starts_on=yesterday.isoformat())
    bank.queue = PROCESSES_QUEUE
    keep(temporal)
    with temporal.workers(lambda client: [worker(client, bank)]):
        temporal.run(schedule.trigger())
        eventually(lambda: opened(bank))

    assert opened(bank) == [(yesterday, SCHEDULE_ACTOR)]
    with bank.database.transaction() as session:
        start = session.scalars(select(Outbox).where(Outbox.workflow_id.endswith(f"{bank.code}/{yesterday}"))).one()
    assert (start.workflow_type, start.task_queue) == ("Reconciliation", PROCESSES_QUEUE)
