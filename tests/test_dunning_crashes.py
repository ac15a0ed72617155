"""Dunning survives crashes: whatever is killed at whatever moment, no step is lost and none is taken twice."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from sqlalchemy import select

from activities import dunning_round
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.dunning_process import RoundInput
from models.contracts.dunning_words import StepKind
from models.contracts.network import PortState
from models.contracts.people import Segment
from models.contracts.processes import ProcessStatus
from models.tables.dunning import DunningEpisode, DunningStep
from models.tables.network import NetworkPort
from models.tables.people import Account
from models.tables.processes import Process, TimelineEntry
from models.tables.subscriptions import Subscription
from tests.crashing import CRASHES, Crash, steps_held_up
from tests.dunning_life import MONTH_MINOR, SETTINGS, at_any_time, issue, served_account, set_policy
from tests.running_product import Product, eventually, freeze, kill, notice, running

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

DEBTORS: Final = 6
LADDER: Final = [rung.kind for rung in DunningPolicy().ladder_of(Segment.INDIVIDUAL).rungs]
STORY: Final = Counter(
    dunning_opened=1, dunning_notice=1, dunning_reminder=1, dunning_call_task=1, task_opened=1, dunning_final_warning=1,
    dunning_throttle=1, dunning_suspend=1, dunning_ended_paid=1, dunning_service_restored=1, task_withdrawn=1,
)  # fmt: skip
"""What the timeline tells of somebody who pays when the service is off; what the network did is told besides."""


class AtAnyTime(Product):
    """SMS go at any hour."""

    def environment(self) -> dict[str, str]:
        open_all_day = {"SMS_QUIET_FROM": "00:00", "SMS_QUIET_UNTIL": "00:00", "SMS_WEEKDAYS_ONLY": "false"}
        return {**super().environment(), **open_all_day}


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with running(AtAnyTime) as product:
        # A second between two steps, so that a crash finds a ladder half climbed; and so much notice that the warning
        # has gone by then, also where the crash held it up, as it does for a heartbeat's time-out of the delivery
        # (30 s): else the cut waits for the next day.
        set_policy(product.database, at_any_time(pace="PT1S", fair_notice="PT60S"))
        yield product


def open_debts(product: Product, *, days_late: int) -> list[Account]:
    """Debts that have been due for so long, and their episodes."""
    today = datetime.now(SETTINGS.zone).date()
    with product.database.transaction() as session:
        accounts = []
        for _ in range(DEBTORS):
            account, _ = served_account(session, on=today - timedelta(days=200))
            issue(session, account.id, today - timedelta(days=days_late), MONTH_MINOR)
            accounts.append(account)
    part = RoundInput(after_number=min(account.number for account in accounts) - 1, at=datetime.now(UTC))
    with product.database.transaction() as session:
        dunning_round.open_part(session, part, SETTINGS)
    return accounts


def steps_of(product: Product, account: Account) -> list[StepKind]:
    with product.database.transaction() as session:
        return list(
            session.scalars(
                select(DunningStep.kind)
                .join(DunningEpisode, DunningEpisode.process_id == DunningStep.episode_id)
                .where(DunningEpisode.account_id == account.id)
                .order_by(DunningStep.position)
            )
        )


def service_of(product: Product, account: Account) -> tuple[SubscriptionStatus, PortState]:
    with product.database.transaction() as session:
        service = session.scalars(select(Subscription).where(Subscription.account_id == account.id)).one()
        port = session.scalars(select(NetworkPort).where(NetworkPort.subscription_id == service.id)).one()
        return service.status, port.state


def story_of(product: Product, account: Account) -> Counter[str]:
    with product.database.transaction() as session:
        events = session.scalars(
            select(TimelineEntry.event)
            .join(DunningEpisode, DunningEpisode.process_id == TimelineEntry.process_id)
            .where(DunningEpisode.account_id == account.id)
        )
        return Counter(event for event in events if event != "dunning_network_followed")


def is_over(product: Product, account: Account) -> bool:
    with product.database.transaction() as session:
        found = session.scalars(
            select(Process.status)
            .join(DunningEpisode, DunningEpisode.process_id == Process.id)
            .where(DunningEpisode.account_id == account.id)
        ).one()
        return found is ProcessStatus.COMPLETED


def stands_still(product: Product) -> None:
    """The engine is frozen while steps are in the middle of their transactions, which are then committed."""
    with steps_held_up(product, "dunning_step"):
        time.sleep(0.5)
        freeze(product.temporal)
    time.sleep(0.5)


@pytest.mark.parametrize("crash", CRASHES)
def test_whatever_is_killed_each_step_is_taken_once_and_whoever_pays_has_the_service_back(
    product: Product, crash: Crash
) -> None:
    accounts = open_debts(product, days_late=40)
    suspended = LADDER[: LADDER.index(StepKind.SUSPEND) + 1]
    eventually(lambda: len(steps_of(product, accounts[0])) >= 2, "the ladder is being climbed")

    stands_still(product)
    crash(product)
    eventually(lambda: all(steps_of(product, one) == suspended for one in accounts), "all are suspended")
    eventually(
        lambda: all(
            service_of(product, one) == (SubscriptionStatus.SUSPENDED, PortState.SUSPENDED) for one in accounts
        ),
        "the network follows",
    )
    kill(product.worker)
    for account in accounts:
        payment = notice(account.account_no, MONTH_MINOR)
        assert product.insist("bank", "POST", "/bank/v1/payments", json=payment).status_code in {200, 201}
    product.start_worker()

    eventually(lambda: all(is_over(product, one) for one in accounts), "all have ended")
    on = (SubscriptionStatus.ACTIVE, PortState.ACTIVE)
    eventually(lambda: all(service_of(product, one) == on for one in accounts), "all have their service back")
    eventually(lambda: [story_of(product, one) for one in accounts] == [STORY] * DEBTORS, "each has its whole story")
    assert set(product.sent_sms().values()) <= {1}, "no SMS goes twice"
