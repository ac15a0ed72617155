"""A look at a dunning episode: all facts anew, under the account's lock, and what follows from them, at once.

A payment of the account is either committed before, and seen, or waits for this transaction and then finds a process
to tell. So nothing is taken against a payment, a promise, a dispute, an exclusion or a hold that is known.
"""

from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from activities import dunning_facts, dunning_policies, dunning_restrictions, promises, settlement
from activities.dunning_facts import Debtor
from activities.dunning_policies import Terms
from activities.dunning_steps import Taking, take_step
from activities.message_queue import queue_text
from activities.processes import close, enter_stage, tell
from models.contracts.dunning_process import CallWanted, Look
from models.contracts.dunning_words import DunningStage, Ending, PromiseStatus, Rule
from models.contracts.messaging import Urgency
from models.contracts.processes import ProcessStatus
from models.contracts.steps import ProcessStep
from models.rules.dunning_ladder import Act, End, Owed, Restart, Wait, decide, owed_on, restarted
from models.tables.dunning import DunningEpisode, DunningRound, DunningStep, Promise
from models.tables.people import Account
from models.tables.processes import Process
from settings import Settings

RESTORED: Final = "dunning_restored"
"""The occasion of the SMS that tells that the service is on again."""
_PAID_ENOUGH: Final = frozenset({Ending.PAID, Ending.BELOW_MINIMUM})
_TOLD: Final = frozenset({
    Rule.PROMISE, Rule.DISPUTE, Rule.EXCLUSION, Rule.OUTAGE, Rule.DISCONNECTION, Rule.FREEZE, Rule.PAYMENT_IN_FLIGHT,
    Rule.WARNING_NOT_SENT, Rule.LADDER_ENDED,
})  # fmt: skip
"""What the timeline tells when it is waited for; that a step's time has not come goes without saying."""
_AT_MOST: Final = 100
"""Acts and rounds of one look: more would be a mistake in the rules."""

# A task that is open is asked for again, at the end too: a crash may have made the process forget it, and then nobody
# would take it back.
_CALLS = text("""
    SELECT step.id, step.owed_minor FROM dunning_step AS step
    LEFT JOIN task ON task.process_id = step.episode_id AND task.facts ->> 'step_id' = CAST(step.id AS text)
    WHERE step.episode_id = :episode_id AND step.kind = 'call_task'
      AND (task.status = 'open' OR (task.id IS NULL AND :is_open))
    ORDER BY step.taken_at
""")


def look(session: Session, step: ProcessStep, settings: Settings) -> Look:
    """Take whatever is due, end the episode where its debt is gone, and say when to look again."""
    episode = session.get_one(DunningEpisode, step.process_id)
    settlement.lock_account(session, episode.account_id)
    session.refresh(episode)
    if episode.ended_at is None:
        promises.decide(session, [episode.account_id], at=step.at)
        _climb(session, episode, settings, at=step.at)
        episode.looked_at = step.at
        session.flush()
    return _look_of(session, episode)


def cancel(session: Session, episode_id: UUID, *, reason: str, at: datetime, settings: Settings) -> Look:
    """End an episode because somebody wants so; what was due by today is not dunned any more."""
    episode = session.get_one(DunningEpisode, episode_id)
    settlement.lock_account(session, episode.account_id)
    session.refresh(episode)
    if episode.ended_at is None:
        on = at.astimezone(settings.zone).date()
        debtor = dunning_facts.load_one(session, episode.account_id, at=at, zone=settings.zone)
        owed = owed_on(debtor.standing.debts, on)
        end(session, episode, Ending.CANCELLED, owed, at=at, on=on, reason=reason)
        episode.forgives_until_on = on
        session.flush()
    return _look_of(session, episode)


def end(
    session: Session, episode: DunningEpisode, ending: Ending, owed: Owed, *, at: datetime, on: date,
    reason: str | None = None,
) -> None:  # fmt: skip
    """Write down that an episode has ended, and give back what it took. The account must be locked."""
    # Where the workflow is gone the debt is not: what it took is kept for the episode that goes on from here.
    keeps = ending is Ending.LOST
    lifted = 0 if keeps else dunning_restrictions.lift(session, episode.account_id, reason=ending, at=at, on=on)
    episode.ended_at, episode.ended_as, episode.waits_for, episode.wakes_at = at, ending, None, None
    session.flush()
    facts: dict[str, Any] = {**_sums(owed), "reason": reason}
    tell(session, episode.process_id, f"dunning_ended_{ending}", at=at, facts=facts)
    if lifted:
        _tell_restored(session, episode, at=at)
    if ending is Ending.PAID:
        session.execute(
            update(Promise)
            .where(Promise.account_id == episode.account_id, Promise.status == PromiseStatus.OPEN)
            .values(status=PromiseStatus.KEPT, decided_at=at)
        )
    if lifted and ending in _PAID_ENOUGH:
        _say_restored(session, episode, at=at)
    enter_stage(session, episode.process_id, DunningStage.CLOSED, at=at)
    cancelled = {Ending.CANCELLED: ProcessStatus.CANCELLED, Ending.LOST: ProcessStatus.FAILED}
    status = cancelled.get(ending, ProcessStatus.COMPLETED)
    close(session, episode.process_id, status, at=at, reason=reason or ending)


def _climb(session: Session, episode: DunningEpisode, settings: Settings, *, at: datetime) -> None:
    terms = dunning_policies.terms_of(session, episode.policy_id, episode.segment, settings)
    on = terms.calendar.day_of(at)
    for _ in range(_AT_MOST):
        debtor = dunning_facts.load_one(session, episode.account_id, at=at, zone=settings.zone)
        verdict = decide(terms.ladder, terms.calendar, debtor.standing, at)
        if isinstance(verdict, Wait):
            _wait(session, episode, debtor, verdict, at=at)
            return
        if isinstance(verdict, End):
            end(session, episode, verdict.ending, verdict.owed, at=at, on=on)
            return
        if isinstance(verdict, Restart):
            _begin_round(session, episode, debtor, verdict, terms, at=at)
        elif isinstance(verdict, Act):
            take_step(Taking(session, episode, debtor, verdict, terms, at))
    raise RuntimeError("the ladder of dunning finds no end: two of its rules contradict each other")


def _wait(session: Session, episode: DunningEpisode, debtor: Debtor, wait: Wait, *, at: datetime) -> None:
    episode.waits_for, episode.wakes_at = wait.rule, wait.until
    waiting_for = wait.rule if wait.rule in _TOLD else "payment"
    session.execute(update(Process).where(Process.id == episode.process_id).values(waiting_for=waiting_for))
    if wait.rule in _TOLD:
        until = None if wait.until is None else wait.until.isoformat()
        key = f"waits:{wait.rule}:{episode.round}:{debtor.standing.next_position}:{until}"
        facts = {**_sums(wait.owed), "until_at": until}
        facts = {name: fact for name, fact in facts.items() if fact is not None}
        tell(session, episode.process_id, f"dunning_waits_{wait.rule}", key=key, at=at, facts=facts)


def _begin_round(
    session: Session, episode: DunningEpisode, debtor: Debtor, restart: Restart, terms: Terms, *, at: datetime
) -> None:
    if restart.restores:
        dunning_restrictions.lift(
            session, episode.account_id, reason=restart.rule, at=at, on=terms.calendar.day_of(at)
        )  # fmt: skip
        _tell_restored(session, episode, at=at)
    began = restarted(debtor.standing, restart, at)
    assert began.began_at is not None, "a round has a beginning"
    episode.round += 1
    session.add(
        DunningRound(
            episode_id=episode.process_id, number=episode.round, began_at=began.began_at,
            first_position=began.first_position, is_resumed=True, rule=restart.rule,
        )
    )  # fmt: skip
    session.flush()
    rungs = terms.ladder.rungs
    following = rungs[began.first_position].kind if began.first_position < len(rungs) else "—"
    facts = {**_sums(restart.owed), "next": following}
    event = f"dunning_resumed_{restart.rule}"
    tell(session, episode.process_id, event, key=f"{event}:{episode.round}", at=at, facts=facts)


def _tell_restored(session: Session, episode: DunningEpisode, *, at: datetime) -> None:
    tell(session, episode.process_id, "dunning_service_restored", key=f"restored:{episode.round}", at=at)


def _say_restored(session: Session, episode: DunningEpisode, *, at: datetime) -> None:
    """Tell whoever paid at once, whatever the hour: they wait for it."""
    account = session.get_one(Account, episode.account_id)
    texts = dunning_policies.policy_of(session, episode.policy_id).restored_text.by_language()
    queue_text(
        session, key=f"{RESTORED}:{episode.process_id}", template=RESTORED,
        texts={language: text.format(account_no=account.account_no) for language, text in texts.items()},
        urgency=Urgency.REQUESTED, at=at, subscriber_id=account.subscriber_id, process_id=episode.process_id,
    )  # fmt: skip


def _look_of(session: Session, episode: DunningEpisode) -> Look:
    last = session.scalar(
        select(DunningStep.kind)
        .where(DunningStep.episode_id == episode.process_id)
        .order_by(DunningStep.round.desc(), DunningStep.position.desc())
        .limit(1)
    )
    within = dunning_policies.policy_of(session, episode.policy_id).call_within
    is_open = episode.ended_at is None
    return Look(
        stage=DunningStage.CLOSED if not is_open else DunningStage.DUE if last is None else DunningStage(last),
        ended_as=episode.ended_as,
        waits_for=episode.waits_for,
        wakes_at=episode.wakes_at,
        is_network_behind=dunning_restrictions.is_network_behind(session, episode.account_id),
        calls=[
            CallWanted(step_id=row.id, debt_minor=row.owed_minor, within=within)
            for row in session.execute(_CALLS, {"episode_id": episode.process_id, "is_open": is_open})
        ],
    )


def _sums(owed: Owed) -> dict[str, Any]:
    return {"owed_minor": owed.total_minor, "undisputed_minor": owed.undisputed_minor}
