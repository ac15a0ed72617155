"""The daily round of dunning, in parts: new debts get an episode, and episodes whose facts have changed are woken.

Each part is a handful of statements for hundreds of accounts. Nothing is kept for subscribers who pay, and a workflow
is started for those who owe alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, select, text
from sqlalchemy.orm import Session

from activities import dunning_facts, dunning_policies, settlement
from activities.dunning_facts import Debtor
from activities.dunning_look import end
from activities.dunning_news import look_again
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.dunning_process import DunningInput, RoundInput, RoundPart
from models.contracts.dunning_words import Ending, Rule
from models.contracts.engine import DUNNING, NOBODY_LISTENS, PROCESSES_QUEUE
from models.contracts.ledger import Chart
from models.contracts.people import Segment
from models.contracts.processes import SCHEDULE_ACTOR, ProcessKind
from models.rules.dunning_ladder import End, Owed, Standing, Verdict, Wait, decide, is_to_be_opened, owed_on
from models.tables.billing import Invoice
from models.tables.catalogue import Policy
from models.tables.dunning import DunningEpisode, DunningRestriction
from models.tables.ledger import LedgerBalance
from models.tables.outbox import Outbox
from models.tables.people import Account
from models.tables.processes import Process
from models.tables.subscriptions import Subscription
from settings import Settings

OPENED_AT_ONCE: Final = 500
LOOKED_AT_ONCE: Final = 1000

_OPEN = text("""
    WITH debtor AS (
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:workflow_ids AS text[]), CAST(:subscriber_ids AS uuid[]),
            CAST(:account_ids AS uuid[]), CAST(:numbers AS bigint[]), CAST(:segments AS text[]),
            CAST(:owed AS bigint[]), CAST(:positions AS bigint[]), CAST(:resumed AS boolean[]),
            CAST(:rules AS text[]), CAST(:wakes AS timestamptz[]), CAST(:waits AS text[]), CAST(:facts AS jsonb[]),
            CAST(:inputs AS jsonb[]))
            AS one (id, workflow_id, subscriber_id, account_id, number, segment, owed_minor, first_position,
                    is_resumed, rule, wakes_at, waits_for, facts, start_input)
    ), opened AS (
        INSERT INTO process (id, kind, workflow_id, stage, waiting_for, subscriber_id, account_id, policy_id, opened_by,
                             opened_at)
        SELECT id, :kind, workflow_id, 'due', 'payment', subscriber_id, account_id, :policy_id, :actor, :at FROM debtor
    ), staged AS (
        INSERT INTO process_stage (process_id, name, entered_at) SELECT id, 'due', :at FROM debtor
    ), episodes AS (
        INSERT INTO dunning_episode (process_id, account_id, number, policy_id, segment, opened_at, opened_minor, round,
                                     looked_at, waits_for, wakes_at)
        SELECT id, account_id, number, :policy_id, segment, :at, owed_minor, 1, :at, waits_for, wakes_at FROM debtor
    ), rounds AS (
        INSERT INTO dunning_round (episode_id, number, began_at, first_position, is_resumed, rule)
        SELECT id, 1, :at, first_position, is_resumed, rule FROM debtor
    ), told AS (
        INSERT INTO timeline_entry (process_id, key, event, at, actor, facts)
        SELECT id, 'dunning_opened', 'dunning_opened', :at, :actor, facts FROM debtor
    )
    INSERT INTO outbox (workflow_id, workflow_type, task_queue, start_input)
    SELECT workflow_id, :workflow_type, :task_queue, start_input FROM debtor ORDER BY number
""")


@dataclass(frozen=True)
class _Opening:
    """A debtor whose episode is opened."""

    debtor: Debtor
    standing: Standing
    owed: Owed
    wakes_at: datetime | None
    waits_for: Rule | None


def open_part(session: Session, part: RoundInput, settings: Settings) -> RoundPart:
    """Open episodes for the next accounts that owe and have none; the order to start each goes into the outbox."""
    # Two rounds at once would find the same debtors: the later one waits, and finds that they have an episode.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('dunning-round', 4))"))
    found = _owing(session, part, settings)
    ids = [row.id for row in found[:OPENED_AT_ONCE]]
    policy = dunning_policies.newest(session)
    openings = [
        opening
        for debtor in dunning_facts.load(session, ids, at=part.at, zone=settings.zone)
        if (opening := _opening(session, debtor, policy, part.at, settings)) is not None
    ]
    if openings:
        _write(session, openings, policy, part.at)
    more = len(found) > OPENED_AT_ONCE
    return RoundPart(opened=len(openings), next_number=found[OPENED_AT_ONCE - 1].number if more else None)


def wake_part(session: Session, part: RoundInput, settings: Settings) -> RoundPart:
    """Have those of the next open episodes look again for which there is something to do by now.

    Each process has its own timer. This finds what no timer knows of: a disconnection or a freeze that has ended, an
    invoice that fell due, a signal that was lost.
    """
    rows = session.execute(
        select(Account.id, Account.number)
        .join(DunningEpisode, DunningEpisode.account_id == Account.id)
        .where(DunningEpisode.ended_at.is_(None), Account.number > part.after_number)
        .order_by(Account.number)
        .limit(LOOKED_AT_ONCE + 1)
    ).all()
    ids = [row.id for row in rows[:LOOKED_AT_ONCE]]
    debtors = dunning_facts.load(session, ids, at=part.at, zone=settings.zone)
    stale = [debtor.account_id for debtor in debtors if _is_stale(session, debtor, part.at, settings)]
    if stale:
        look_again(session, stale)
    more = len(rows) > LOOKED_AT_ONCE
    return RoundPart(woken=len(stale), next_number=rows[LOOKED_AT_ONCE - 1].number if more else None)


def close_lost(session: Session, part: RoundInput, settings: Settings) -> int:
    """Close episodes whose workflow is gone; answers how many.

    A process whose workflow was ended from outside can't say so: somebody wanted to tell it something, and nobody
    listened. It is closed here, and its debt gets a new episode that goes on where this one stood.
    """
    unheard = select(Outbox.workflow_id).where(
        Outbox.last_error == NOBODY_LISTENS, Outbox.workflow_id.startswith("dunning/", autoescape=True)
    )
    # Few: a process that has ended in order is told nothing any more.
    workflow_ids = session.scalars(unheard.distinct()).all()
    if not workflow_ids:
        return 0
    lost = session.scalars(
        select(DunningEpisode)
        .join(Process, Process.id == DunningEpisode.process_id)
        .where(DunningEpisode.ended_at.is_(None), Process.workflow_id.in_(workflow_ids))
        .order_by(DunningEpisode.account_id)
    ).all()
    for episode in lost:
        _close_lost(session, episode, part.at, settings)
    return len(lost)


def _close_lost(session: Session, episode: DunningEpisode, at: datetime, settings: Settings) -> None:
    settlement.lock_account(session, episode.account_id)
    terms = dunning_policies.terms_of(session, episode.policy_id, episode.segment, settings)
    standing = dunning_facts.load_one(session, episode.account_id, at=at, zone=settings.zone).standing
    verdict = decide(terms.ladder, terms.calendar, standing, at)
    # What it keeps from the subscriber is for the next one to give back, which can tell the network.
    ending = verdict.ending if isinstance(verdict, End) and not standing.is_restricted else Ending.LOST
    end(session, episode, ending, verdict.owed, at=at, on=terms.calendar.day_of(at))


def _owing(session: Session, part: RoundInput, settings: Settings) -> Sequence[Any]:
    """Accounts without an episode that owe; and those that an episode which was lost keeps from their service."""
    today = part.at.astimezone(settings.zone).date()
    has_episode = exists().where(DunningEpisode.account_id == Account.id, DunningEpisode.ended_at.is_(None))
    is_served = exists().where(
        Subscription.account_id == Account.id,
        Subscription.status.in_((SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED)),
    )
    is_overdue = exists().where(
        Invoice.account_id == Account.id, Invoice.due_on <= today, settlement.outstanding_of_invoice() > 0
    )
    next_ones = (
        select(Account.id, Account.number)
        .where(Account.number > part.after_number, ~has_episode)
        .order_by(Account.number)
        .limit(OPENED_AT_ONCE + 1)
    )
    owing = next_ones.join(LedgerBalance, LedgerBalance.account_id == Account.id).where(
        LedgerBalance.chart_code == Chart.RECEIVABLES.value, LedgerBalance.balance_minor > 0, is_served, is_overdue
    )
    kept = (
        next_ones.join(Subscription, Subscription.account_id == Account.id)
        .join(DunningRestriction, DunningRestriction.subscription_id == Subscription.id)
        .where(DunningRestriction.lifted_at.is_(None))
        .distinct()
    )
    found = {row.id: row for statement in (owing, kept) for row in session.execute(statement)}
    return sorted(found.values(), key=_by_number)[: OPENED_AT_ONCE + 1]


def _by_number(row: Any) -> int:
    number: int = row.number
    return number


def _opening(session: Session, debtor: Debtor, policy: Policy, at: datetime, settings: Settings) -> _Opening | None:
    terms = dunning_policies.terms_of(session, policy.id, debtor.segment, settings)
    today = terms.calendar.day_of(at)
    if debtor.episode_id is not None or not is_to_be_opened(terms.ladder, debtor.standing, today, at):
        return None
    standing = dunning_facts.opening_of(debtor, terms.ladder, at)
    verdict = decide(terms.ladder, terms.calendar, standing, at)
    owed = owed_on(standing.debts, today, terms.ladder.minimum_minor)
    wakes_at, waits_for = _first_wait(verdict, at)
    return _Opening(debtor, standing, owed, wakes_at, waits_for)


def _first_wait(verdict: Verdict, at: datetime) -> tuple[datetime | None, Rule | None]:
    return (verdict.until, verdict.rule) if isinstance(verdict, Wait) else (at, None)


def _write(session: Session, openings: Sequence[_Opening], policy: Policy, at: datetime) -> None:
    ids = session.scalars(text("SELECT uuidv7() FROM generate_series(1, :count)"), {"count": len(openings)}).all()
    columns: dict[str, list[Any]] = {name: [] for name in _COLUMNS}
    for process_id, one in zip(ids, openings, strict=True):
        row = _row(process_id, one, policy)
        for name, value in row.items():
            columns[name].append(value)
    session.execute(
        _OPEN,
        {
            **columns,
            "kind": ProcessKind.DUNNING.value,
            "policy_id": policy.id,
            "actor": SCHEDULE_ACTOR,
            "at": at,
            "workflow_type": DUNNING,
            "task_queue": PROCESSES_QUEUE,
        },
    )


_COLUMNS: Final = (
    "ids", "workflow_ids", "subscriber_ids", "account_ids", "numbers", "segments", "owed", "positions", "resumed",
    "rules", "wakes", "waits", "facts", "inputs",
)  # fmt: skip


def _row(process_id: UUID, one: _Opening, policy: Policy) -> dict[str, Any]:
    debtor, number = one.debtor, one.debtor.episodes + 1
    start_input = DunningInput(
        process_id=process_id, subscriber_id=debtor.subscriber_id, account_no=debtor.account_no, wakes_at=one.wakes_at
    )
    facts = {
        "owed_minor": one.owed.total_minor,
        **({} if one.owed.anchor_on is None else {"anchor_on": one.owed.anchor_on.isoformat()}),
        "policy_version": policy.version,
        "segment": Segment(debtor.segment).value,
    }
    return {
        "ids": process_id,
        "workflow_ids": f"dunning/{debtor.account_no}/{number}",
        "subscriber_ids": debtor.subscriber_id,
        "account_ids": debtor.account_id,
        "numbers": number,
        "segments": debtor.segment.value,
        "owed": one.owed.total_minor,
        "positions": one.standing.first_position,
        "resumed": one.standing.is_resumed,
        "rules": None if debtor.carries_because is None else debtor.carries_because.value,
        "wakes": one.wakes_at,
        "waits": None if one.waits_for is None else one.waits_for.value,
        "facts": json.dumps(facts),
        "inputs": start_input.model_dump_json(),
    }


def _is_stale(session: Session, debtor: Debtor, at: datetime, settings: Settings) -> bool:
    """Whether an episode would do, or wait for, something else than it does."""
    assert debtor.policy_id is not None, "an open episode pins a version"
    terms = dunning_policies.terms_of(session, debtor.policy_id, debtor.segment, settings)
    verdict = decide(terms.ladder, terms.calendar, debtor.standing, at)
    if not isinstance(verdict, Wait):
        return True
    return verdict.until is not None and (debtor.wakes_at is None or verdict.until < debtor.wakes_at)
