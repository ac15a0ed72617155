"""The daily round and its schedule; and an episode that hears so much that it goes on in a new history."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select
from temporalio.client import Client
from temporalio.worker import Worker

from activities import dunning_round
from activities.dunning import DunningRoundActivities
from activities.failures import FailureBoundary
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.dunning_process import DailyRound
from models.contracts.dunning_words import StepKind
from models.contracts.engine import DAILY_DUNNING_SCHEDULE, OPEN_DUNNING
from models.contracts.processes import ProcessStatus
from models.database import Database
from models.tables.dunning import DunningEpisode
from models.tables.outbox import Outbox
from settings import Settings
from tests import factories
from tests.connection_world import eventually
from tests.databases import database_of_its_own
from tests.dunning_life import MONTH_MINOR, SETTINGS, ZONE, Life, at_any_time, life, set_policy
from tests.dunning_world import World, dunning_world
from tests.engines import TemporalServer
from workers.registry import activities_of
from workers.schedules import keep_schedules
from workflows.dunning import DAILY_WORKFLOWS

OFTEN = "limit.historyCount.suggestContinueAsNew=40"


@pytest.fixture
def alone(postgres_url: str) -> Iterator[Database]:
    with database_of_its_own(postgres_url) as database:
        set_policy(database, DunningPolicy())
        yield database


def _has_looked(world: World, already: int) -> bool:
    return world.steps.looks > already


def town(database: Database, debtors: int) -> list[Life]:
    today = datetime.now(ZONE).date()
    lives = [life(database, began_on=today) for _ in range(debtors)]
    for debtor in lives:
        debtor.bill(today)
    return lives


def run_round(server: TemporalServer, database: Database) -> DailyRound:
    queue = factories.unique("rounds")

    def worker(client: Client) -> list[Worker]:
        steps = activities_of(DunningRoundActivities(database, SETTINGS))
        return [
            Worker(
                client, task_queue=queue, workflows=DAILY_WORKFLOWS, activities=steps,
                activity_executor=ThreadPoolExecutor(4), interceptors=[FailureBoundary()],
            )
        ]  # fmt: skip

    with server.workers(worker) as client:
        done: DailyRound = server.run(
            client.execute_workflow(OPEN_DUNNING, id=queue, task_queue=queue, result_type=DailyRound)
        )
    return done


def test_the_round_opens_an_episode_for_each_debtor_in_batches_and_none_for_those_who_pay(
    alone: Database, temporal: TemporalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dunning_round, "OPENED_AT_ONCE", 2)
    monkeypatch.setattr(dunning_round, "LOOKED_AT_ONCE", 2)
    lives = town(alone, 6)
    lives[2].pay(MONTH_MINOR)

    first, second = run_round(temporal, alone), run_round(temporal, alone)

    assert (first.opened, second.opened, second.woken) == (5, 0, 0)
    with alone.transaction() as session:
        starts = session.scalars(select(Outbox.workflow_id).where(Outbox.workflow_type == "Dunning")).all()
        accounts = session.scalars(select(DunningEpisode.account_id)).all()
    paying = lives.pop(2)
    assert sorted(starts) == sorted(f"dunning/{debtor.account.account_no}/1" for debtor in lives)
    assert paying.account.id not in accounts


def test_the_schedule_starts_the_round_every_morning_in_the_operators_zone(temporal: TemporalServer) -> None:
    temporal.run(keep_schedules(temporal.client, Settings(dunning_hour=7)))

    schedule = temporal.run(temporal.client.get_schedule_handle(DAILY_DUNNING_SCHEDULE).describe())

    (next_at, after_that) = (at.astimezone(ZONE) for at in schedule.info.next_action_times[:2])
    assert (next_at.hour, next_at.minute) == (7, 0)
    assert after_that - next_at == timedelta(days=1)


def test_settings_switch_the_schedule_off_and_on(temporal: TemporalServer) -> None:
    def is_paused(*, enabled: bool) -> bool:
        temporal.run(keep_schedules(temporal.client, Settings(dunning_schedule_enabled=enabled)))
        handle = temporal.client.get_schedule_handle(DAILY_DUNNING_SCHEDULE)
        return temporal.run(handle.describe()).schedule.state.paused

    assert is_paused(enabled=False)
    assert not is_paused(enabled=True)


def test_an_episode_that_hears_a_lot_goes_on_in_a_new_history(database: Database) -> None:
    server = TemporalServer.local("--dynamic-config-value", OFTEN)
    try:
        with dunning_world(database, server, policy=at_any_time()) as world:
            world.owe(days_ago=12)
            world.open()
            world.complete("no_answer")
            first = server.run(world.handle.describe()).run_id
            for _ in range(12):
                already = world.steps.looks
                server.run(world.handle.signal("look_again"))
                eventually(partial(_has_looked, world, already))

            eventually(lambda: server.run(world.handle.describe()).run_id != first)
            world.pay(MONTH_MINOR)

            assert world.outcome().status is ProcessStatus.COMPLETED
            assert world.life.kinds() == [StepKind.NOTICE, StepKind.REMINDER, StepKind.CALL_TASK]
            assert world.life.events().count("task_opened") == 1, "nobody is called twice"
    finally:
        server.stop()
