"""Payments that cross a suspension or a disconnection: whichever is first, the service is on in the end.

Over real servers: the workers, the relay and the delivery of SMS run as in production. DUNNING_RACES says how many
races are run; `make test` runs a few, and several hundred are for whoever changes the interlocks.
"""

import os
import random
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import select

from activities import dunning_round, payments
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.dunning_process import RoundInput
from models.contracts.dunning_words import StepKind
from models.contracts.network import PortState
from models.contracts.processes import ProcessKind, ProcessStatus
from models.database import Database
from models.tables.dunning import DunningEpisode, DunningStep
from models.tables.messages import Message
from models.tables.network import NetworkPort
from models.tables.people import Account
from models.tables.processes import Process
from models.tables.subscriptions import Subscription
from settings import Settings
from tests import factories
from tests.api_world import relayed
from tests.connection_world import eventually
from tests.databases import database_of_its_own
from tests.dunning_life import MONTH_MINOR, at_any_time, issue, served_account, set_policy
from tests.engines import TemporalServer
from workers.registry import build_workers

RACES = int(os.environ.get("DUNNING_RACES", "8"))
AT_ONCE = 8
NOTICE = timedelta(seconds=3)
"""From the final warning to the cut."""


@dataclass
class Town:
    """Everything that runs, and a bank to pay through."""

    database: Database
    settings: Settings
    bank_id: UUID


@pytest.fixture(scope="module")
def town(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with ExitStack() as stack:
        database = stack.enter_context(database_of_its_own(postgres_url))
        server = TemporalServer.local()
        stack.callback(server.stop)
        settings = Settings(
            environment="local", local_dir=Path(tmp_path_factory.mktemp("races")), sms_quiet_from=clock_time(0),
            sms_quiet_until=clock_time(0), sms_weekdays_only=False, sms_per_second=500,
        )  # fmt: skip
        set_policy(database, at_any_time(fair_notice=f"PT{NOTICE.seconds}S"))
        with database.transaction() as session:
            bank_id = factories.bank(session).row.id
        stack.enter_context(relayed(server, database))
        stack.enter_context(server.workers(lambda client: build_workers(client, database, settings)))
        yield Town(database, settings, bank_id)


@dataclass
class Racer:
    """A debtor who is about to pay."""

    town: Town
    account: Account
    subscription_id: UUID

    def race(self, lead_seconds: float) -> str:
        """Pay so long after the cut is due (before it, where negative); answers which of the two was first."""
        warned_at: datetime = eventually(self._warned_at)
        time.sleep(max(0.0, (warned_at + NOTICE - datetime.now(UTC)).total_seconds() + lead_seconds))
        notice = factories.payment_notice(MONTH_MINOR, account_no=self.account.account_no)
        with self.town.database.transaction() as session:
            now = datetime.now(UTC)
            payments.take_payment(
                session, bank_id=self.town.bank_id, notice=notice, received_at=now, on=now.date()
            )  # fmt: skip
        eventually(self.is_over)
        eventually(self.is_on)
        time.sleep(0.3)
        assert self.is_on(), "and stays on"
        return "cut first" if StepKind.SUSPEND in self.kinds() else "paid first"

    def _warned_at(self) -> datetime | None:
        with self.town.database.transaction() as session:
            return session.scalar(
                select(Message.attempted_at).where(
                    Message.subscriber_id == self.account.subscriber_id, Message.template == "dunning_final_warning",
                    Message.status.in_(("sent", "delivered")),
                )
            )  # fmt: skip

    def is_over(self) -> bool:
        """Whether all processes of the account have ended."""
        with self.town.database.transaction() as session:
            is_open = select(Process.id).where(
                Process.account_id == self.account.id, Process.status == ProcessStatus.OPEN
            )
            return session.scalar(is_open.limit(1)) is None

    def is_on(self) -> bool:
        """Whether the service is on, for billing and on the network."""
        with self.town.database.transaction() as session:
            status = session.get_one(Subscription, self.subscription_id).status
            port = session.scalars(select(NetworkPort).where(NetworkPort.subscription_id == self.subscription_id)).one()
            return (status, port.state, port.profile) == (SubscriptionStatus.ACTIVE, PortState.ACTIVE, "100M")

    def kinds(self) -> list[StepKind]:
        """The steps that were taken."""
        with self.town.database.transaction() as session:
            return list(
                session.scalars(
                    select(DunningStep.kind)
                    .join(DunningEpisode, DunningEpisode.process_id == DunningStep.episode_id)
                    .where(DunningEpisode.account_id == self.account.id)
                )
            )


def race_of(town: Town, days_late: int) -> Counter[str]:
    """Some debtors whose cut comes at once, each paying at about that moment; answers how often which was first."""
    today = datetime.now(town.settings.zone).date()
    racers = []
    with town.database.transaction() as session:
        for _ in range(AT_ONCE):
            account, subscription_id = served_account(session, on=today - timedelta(days=300))
            issue(session, account.id, today - timedelta(days=days_late), MONTH_MINOR)
            racers.append(Racer(town, account, subscription_id))
    first = min(racer.account.number for racer in racers)
    with town.database.transaction() as session:
        part = RoundInput(after_number=first - 1, at=datetime.now(UTC))
        dunning_round.open_part(session, part, town.settings)
    with ThreadPoolExecutor(AT_ONCE) as people:
        leads = [random.uniform(-0.2, 1.0) for _ in racers]
        return Counter(people.map(lambda racer, lead: racer.race(lead), racers, leads))


def waves() -> range:
    return range(max(1, RACES // AT_ONCE))


@pytest.mark.timeout(60 + 30 * RACES)
def test_a_payment_that_crosses_the_suspension_ends_with_the_service_on(town: Town) -> None:
    outcomes: Counter[str] = Counter()
    for _ in waves():
        outcomes += race_of(town, days_late=40)

    print(f"{outcomes.total()} races: {dict(outcomes)}")  # noqa: T201 - what whoever runs hundreds wants to know
    if RACES >= 100:
        assert min(outcomes["cut first"], outcomes["paid first"]) > RACES // 20, "both happen, so the races are races"


@pytest.mark.timeout(60 + 30 * RACES)
def test_a_payment_that_crosses_the_disconnection_ends_with_the_service_on(town: Town) -> None:
    outcomes: Counter[str] = Counter()
    for _ in waves():
        outcomes += race_of(town, days_late=100)

    print(f"{outcomes.total()} races: {dict(outcomes)}")  # noqa: T201 - likewise
    with town.database.transaction() as session:
        ended = session.scalars(select(Process.status).where(Process.kind == ProcessKind.DISCONNECTION)).all()
    assert set(ended) <= {ProcessStatus.CANCELLED}, "nobody is disconnected who has paid"
