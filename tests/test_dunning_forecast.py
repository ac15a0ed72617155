"""A forecast is what then happens: the same debtors, the same rule, one reckoned ahead and one lived through."""

from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from activities import disputes, dunning_holds, exclusions, opt_outs, promises, services
from activities.dunning_forecast import forecast
from activities.dunning_look import RESTORED
from models.contracts.dunning import Forecast, ForecastRequest, NewDispute
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.dunning_words import HoldReason, StepKind
from models.contracts.money import PositiveMoney
from models.contracts.people import Segment
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.billing import Invoice
from models.tables.dunning import DunningEpisode, DunningStep
from models.tables.messages import Message
from models.tables.outbox import Outbox
from models.tables.people import Subscriber
from models.tables.processes import Process, TimelineEntry
from tests.databases import database_of_its_own
from tests.dunning_life import MONTH_MINOR, SETTINGS, ZONE, Life, life, local, set_policy

FROM = date(2026, 10, 1)
UNTIL = date(2026, 11, 1)
BEGAN = FROM - timedelta(days=36)


@pytest.fixture
def alone(postgres_url: str) -> Iterator[Database]:
    """A forecast is about all accounts, so they are this test's alone."""
    with database_of_its_own(postgres_url) as database:
        set_policy(database, DunningPolicy())
        yield database


def ask(database: Database, now: Any, **facts: Any) -> Forecast:
    request = ForecastRequest.model_validate({"from": FROM, "until": UNTIL, **facts})
    with database.transaction() as session:
        return forecast(session, request, now=now, settings=SETTINGS)


def town(database: Database) -> list[Life]:
    """Debtors of all kinds, some weeks on their way."""
    segments = [*Segment, Segment.INDIVIDUAL]
    lives = []
    for number in range(11):
        debtor = life(database, began_on=BEGAN, segment=segments[number % 4])
        debtor.bill(BEGAN + timedelta(days=number * 3))
        debtor.bill(FROM + timedelta(days=number), 200_000)
        lives.append(debtor)
    small = life(database, began_on=BEGAN)
    small.bill(BEGAN, 30_000)
    small.bill(FROM + timedelta(days=4), 40_000)
    ahead = life(database, began_on=BEGAN)
    ahead.bill(FROM + timedelta(days=9))
    return [*lives, small, ahead]


def live_until(lives: list[Life], at: Any) -> None:
    """Let time pass for all, account by account."""
    for debtor in lives:
        # The daily round is for this account and those after it: the newest goes first, so that it finds its own only.
        debtor.pass_until(at)


def with_waits(lives: list[Life]) -> None:
    """What keeps some of them waiting, by the beginning of the month."""
    now = lives[0].now
    today = lives[0].today
    for debtor in lives[:3]:
        try:
            debtor.do(
                promises.make, debtor.account.id, amount_minor=None, until_on=today + timedelta(days=6), at=now,
                zone=ZONE, actor="test",
            )  # fmt: skip
        except Refusal:
            continue
    lives[3].do(
        exclusions.exclude, lives[3].account.id, until_on=today + timedelta(days=8), reason="болезнь", at=now,
        zone=ZONE, actor="test",
    )  # fmt: skip
    lives[4].do(
        dunning_holds.place, [lives[4].account.id], HoldReason.OUTAGE, source_id=uuid4(), at=now,
        until_at=now + timedelta(days=5),
    )  # fmt: skip
    lives[5].do(
        services.freeze, lives[5].subscription_id, from_on=today, until_on=today + timedelta(days=12), today=today
    )
    lives[5].look()
    with lives[6].database.transaction() as session:
        invoice_id = session.scalars(
            select(Invoice.id).where(Invoice.account_id == lives[6].account.id).order_by(Invoice.due_on).limit(1)
        ).one()
    new = NewDispute(invoice_id=invoice_id, amount=PositiveMoney(amount_minor=MONTH_MINOR), reason="не согласен")
    lives[6].do(disputes.open_dispute, lives[6].account.id, new, at=now, actor="test")
    lives[7].pay(MONTH_MINOR)
    with lives[8].database.transaction() as session:
        opt_outs.remember(session, session.get_one(Subscriber, lives[8].account.subscriber_id).phone, at=now)


def what_happened(database: Database) -> dict[date, Counter[str]]:
    """By day, what was done in the month."""
    days: dict[date, Counter[str]] = {}

    def count(at: Any, what: str) -> None:
        day = at.astimezone(ZONE).date()
        if FROM <= day < UNTIL:
            days.setdefault(day, Counter())[what] += 1

    names = {
        StepKind.CALL_TASK: "calls", StepKind.THROTTLE: "throttled", StepKind.SUSPEND: "suspended",
        StepKind.DISCONNECT: "disconnected",
    }  # fmt: skip
    with database.transaction() as session:
        for step in session.scalars(select(DunningStep)):
            if step.kind in names:
                count(step.taken_at, names[step.kind])
        for message in session.scalars(
            select(Message).where(Message.status != "withdrawn", Message.template != RESTORED)
        ):
            count(message.created_at, "sms")
        for opened_at in session.scalars(select(DunningEpisode.opened_at)):
            count(opened_at, "opened")
    return days


def counts_of(found: Forecast) -> dict[date, Counter[str]]:
    """By day, what was forecast."""
    names = ("opened", "sms", "calls", "throttled", "suspended", "disconnected")
    days = {day.on: Counter({name: getattr(day, name) for name in names}) for day in found.days}
    return {on: +counts for on, counts in days.items() if counts.total()}


def test_what_is_forecast_for_a_month_is_what_then_happens(alone: Database) -> None:
    """With promises, disputes, exclusions, outages and freezes of today; nobody pays and nothing is added."""
    lives = town(alone)
    for debtor in lives:
        debtor.is_woken_daily = False  # their own timers do it
    live_until(lives[::-1], local(FROM))
    with_waits(lives)

    found = ask(alone, local(FROM))
    live_until(lives[::-1], local(UNTIL) - timedelta(minutes=1))

    assert counts_of(found) == what_happened(alone)
    assert found.total.suspended > 0
    assert found.total.sms == sum(day.sms for day in found.days)
    last = found.days[-1]
    open_ones = [debtor for debtor in lives if debtor.episode() is not None]
    assert last.dunned == len(open_ones)
    assert last.debt.amount_minor == sum(debtor.owed_minor() for debtor in open_ones)


def test_a_forecast_writes_nothing(alone: Database) -> None:
    debtor = life(alone, began_on=BEGAN)
    debtor.bill(BEGAN)
    debtor.pass_until(local(FROM))
    tables = (DunningEpisode, DunningStep, Message, Outbox, Process, TimelineEntry)

    def rows() -> list[int]:
        with alone.transaction() as session:
            return [session.scalars(select(func.count()).select_from(table)).one() for table in tables]

    before = rows()
    ask(alone, local(FROM))

    assert rows() == before


def test_a_draft_changes_what_new_debts_will_see_and_leaves_open_episodes_their_version(alone: Database) -> None:
    under_way = life(alone, began_on=BEGAN)
    under_way.bill(BEGAN + timedelta(days=30))
    under_way.pass_until(local(FROM))
    ahead = life(alone, began_on=FROM)
    ahead.bill(FROM)
    draft = DunningPolicy().model_dump(mode="json")
    for ladder in draft["ladders"].values():
        ladder["minimum_minor"] = MONTH_MINOR + 1

    found = ask(alone, local(FROM), policy=draft)

    assert found.policy_version is None
    assert found.total.opened == 0
    assert found.total.suspended == 1, "the one under way"
    assert ask(alone, local(FROM)).total.opened == 1


@pytest.mark.parametrize(
    ("facts", "slug"),
    [
        ({"from": FROM - timedelta(days=1)}, "range_invalid"),
        ({"until": FROM}, "range_invalid"),
        ({"until": FROM + timedelta(days=400)}, "range_invalid"),
        ({"policy_version": 4711}, "policy_unknown"),
        ({"policy": {"pace": "P400D"}}, "policy_invalid"),
    ],
)
def test_a_question_that_can_not_be_answered_is_refused(database: Database, facts: dict[str, Any], slug: str) -> None:
    set_policy(database, DunningPolicy())

    with pytest.raises(Refusal) as refusal:
        ask(database, local(FROM), **facts)

    assert refusal.value.slug == slug
