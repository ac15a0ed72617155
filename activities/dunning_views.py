"""Dunning as staff sees it: episodes with their steps, and why something was done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import dunning_facts
from activities.dunning_look import RESTORED
from models.contracts.dunning import EpisodeSummary, EpisodeView, RestrictionView, StepView, Why
from models.contracts.dunning_words import Ending
from models.contracts.money import kzt
from models.contracts.people import Language
from models.contracts.processes import PROCESS_ACTOR, ProcessKind
from models.contracts.refusals import not_found
from models.rules.dunning_ladder import owed_on
from models.rules.dunning_sentences import STEP_TITLES
from models.rules.sentences import sentence
from models.tables.catalogue import Policy
from models.tables.dunning import DunningEpisode, DunningRestriction, DunningStep
from models.tables.messages import Message
from models.tables.people import Account
from models.tables.processes import TimelineEntry
from settings import Settings

_DURATION: Final = TypeAdapter(timedelta)


@dataclass(frozen=True)
class Reader:
    """Who reads: in which language, and when."""

    language: Language
    settings: Settings
    now: datetime

    @property
    def today(self) -> date:
        """The day in the operator's zone."""
        return self.now.astimezone(self.settings.zone).date()


def summaries(session: Session, episodes: Sequence[DunningEpisode], reader: Reader) -> list[EpisodeSummary]:
    """Several episodes, with a fixed number of statements."""
    account_ids = [episode.account_id for episode in episodes]
    accounts = {row.id: row for row in session.scalars(select(Account).where(Account.id.in_(account_ids)))}
    versions = dict(
        session.execute(
            select(Policy.id, Policy.version).where(Policy.id.in_({episode.policy_id for episode in episodes}))
        ).all()
    )
    debts = dunning_facts.debts_of(session, account_ids)
    ids = [episode.process_id for episode in episodes]
    last: dict[UUID, DunningStep] = {}
    for step in session.scalars(
        select(DunningStep).where(DunningStep.episode_id.in_(ids)).order_by(DunningStep.round, DunningStep.position)
    ):
        last[step.episode_id] = step
    return [
        EpisodeSummary(
            id=episode.process_id,
            account_no=accounts[episode.account_id].account_no,
            subscriber_id=accounts[episode.account_id].subscriber_id,
            number=episode.number,
            segment=episode.segment,
            policy_version=versions[episode.policy_id],
            opened_at=episode.opened_at,
            opened_with=kzt(episode.opened_minor),
            owed=kzt(owed_on(debts.get(episode.account_id, []), reader.today).total_minor),
            round=episode.round,
            last_step=last[episode.process_id].kind if episode.process_id in last else None,
            waits_for=episode.waits_for,
            wakes_at=episode.wakes_at,
            ended_at=episode.ended_at,
            ended_as=episode.ended_as,
        )
        for episode in episodes
    ]


def view(session: Session, episode_id: UUID, reader: Reader) -> EpisodeView:
    """One episode with its steps and what it kept services at.

    Raises:
        Refusal: there is none with this id.
    """
    episode = session.get(DunningEpisode, episode_id)
    if episode is None:
        raise not_found("episode_unknown", "There is no such episode: take its id from GET /v1/dunning/episodes.")
    steps = session.scalars(
        select(DunningStep)
        .where(DunningStep.episode_id == episode_id)
        .order_by(DunningStep.taken_at, DunningStep.round, DunningStep.position)
    )
    restrictions = session.scalars(
        select(DunningRestriction).where(DunningRestriction.episode_id == episode_id).order_by(DunningRestriction.id)
    )
    return EpisodeView(
        **summaries(session, [episode], reader)[0].model_dump(),
        steps=[_step_view(step, reader) for step in steps],
        restrictions=[
            RestrictionView(
                subscription_id=one.subscription_id,
                restriction=one.kind,
                step_id=one.step_id,
                since_at=one.since_at,
                lifted_at=one.lifted_at,
                lifted_by=one.lifted_by,
            )
            for one in restrictions
        ],
        waits_because=_waits_because(session, episode, reader),
    )


def why_step(session: Session, step_id: UUID, reader: Reader) -> Why:
    """Why a step was taken.

    Raises:
        Refusal: there is none with this id.
    """
    step = session.get(DunningStep, step_id)
    if step is None:
        raise not_found("step_unknown", "There is no such step: take its id from GET /v1/dunning/episodes/{id}.")
    return _why(step, reader)


def why_message(session: Session, message_id: UUID, reader: Reader) -> Why:
    """Why an SMS of dunning was sent.

    Raises:
        Refusal: there is no such SMS, or it is not one of dunning.
    """
    message = session.get(Message, message_id)
    if message is None:
        raise not_found("message_unknown", "There is no such SMS: take its id from GET /v1/messages.")
    step = session.scalar(select(DunningStep).where(DunningStep.message_id == message_id))
    if step is not None:
        return _why(step, reader)
    if message.template == RESTORED and message.process_id is not None:
        return _why_ended(session, session.get_one(DunningEpisode, message.process_id), reader)
    raise not_found(
        "not_of_dunning", "This SMS is not one of dunning: its process tells in its timeline what it is for."
    )


def why_service(session: Session, subscription_id: UUID, at: datetime, reader: Reader) -> Why:
    """Why a service was throttled or suspended at an instant, or why it was given back last before it.

    Raises:
        Refusal: dunning has done nothing with this service by then.
    """
    restriction = session.scalar(
        select(DunningRestriction)
        .where(DunningRestriction.subscription_id == subscription_id, DunningRestriction.since_at <= at)
        .order_by(DunningRestriction.since_at.desc(), DunningRestriction.id.desc())
        .limit(1)
    )
    if restriction is None:
        raise not_found("no_restriction", "Dunning has neither throttled nor suspended this service by then.")
    if restriction.lifted_at is not None and restriction.lifted_at <= at:
        return _why_lifted(session, restriction, reader)
    return _why(session.get_one(DunningStep, restriction.step_id), reader)


def _why(step: DunningStep, reader: Reader) -> Why:
    shown = _step_view(step, reader)
    return Why(
        episode_id=step.episode_id,
        process_id=step.episode_id,
        step=shown,
        policy_code=ProcessKind.DUNNING,
        policy_version=step.facts["policy_version"],
        rule=f"{step.facts['segment']}/{step.kind}/{step.facts['after']}",
        who=PROCESS_ACTOR,
        at=step.taken_at,
        why=shown.why,
        facts=step.facts,
    )


def _why_lifted(session: Session, restriction: DunningRestriction, reader: Reader) -> Why:
    assert restriction.lifted_at is not None, "whoever calls has checked it"
    # The one that was open then: an episode that was lost leaves it to the next to give back what it kept.
    account_id = session.get_one(DunningEpisode, restriction.episode_id).account_id
    episode = session.scalars(
        select(DunningEpisode)
        .where(DunningEpisode.account_id == account_id, DunningEpisode.opened_at <= restriction.lifted_at)
        .order_by(DunningEpisode.number.desc())
        .limit(1)
    ).one()
    if episode.ended_at == restriction.lifted_at:
        return _why_ended(session, episode, reader)
    event = f"dunning_resumed_{restriction.lifted_by}"
    return _told(session, episode, event, reader, at=restriction.lifted_at, rule=str(restriction.lifted_by))


def _why_ended(session: Session, episode: DunningEpisode, reader: Reader) -> Why:
    ending = episode.ended_as or Ending.PAID
    at = episode.ended_at or reader.now
    return _told(session, episode, f"dunning_ended_{ending}", reader, at=at, rule=ending)


def _told(session: Session, episode: DunningEpisode, event: str, reader: Reader, *, at: datetime, rule: str) -> Why:
    """What the timeline says of it."""
    entry = session.scalar(
        select(TimelineEntry)
        .where(TimelineEntry.process_id == episode.process_id, TimelineEntry.event == event, TimelineEntry.at <= at)
        .order_by(TimelineEntry.at.desc())
        .limit(1)
    )
    facts: dict[str, Any] = {} if entry is None else entry.facts
    version = session.scalars(select(Policy.version).where(Policy.id == episode.policy_id)).one()
    return Why(
        episode_id=episode.process_id,
        process_id=episode.process_id,
        step=None,
        policy_code=ProcessKind.DUNNING,
        policy_version=version,
        rule=rule,
        who=PROCESS_ACTOR if entry is None else entry.actor,
        at=at,
        why=_sentence(event, facts, reader),
        facts=facts,
    )


def _step_view(step: DunningStep, reader: Reader) -> StepView:
    facts = {
        **step.facts,
        "title": STEP_TITLES[step.kind][reader.language],
        "after": _in_days(step.facts["after"]),
        "taken_at": step.taken_at.isoformat(),
    }
    return StepView(
        id=step.id,
        episode_id=step.episode_id,
        round=step.round,
        position=step.position,
        step=step.kind,
        due_at=step.due_at,
        taken_at=step.taken_at,
        owed=kzt(step.owed_minor),
        message_id=step.message_id,
        why=_sentence("dunning_why", facts, reader),
        facts=step.facts,
    )


def _in_days(duration: str) -> str:
    length = _DURATION.validate_python(duration)
    return str(length.days) if length % timedelta(days=1) == timedelta(0) else duration


def _waits_because(session: Session, episode: DunningEpisode, reader: Reader) -> str | None:
    if episode.ended_at is not None or episode.waits_for is None:
        return None
    event = f"dunning_waits_{episode.waits_for}"
    entry = session.scalar(
        select(TimelineEntry)
        .where(TimelineEntry.process_id == episode.process_id, TimelineEntry.event == event)
        .order_by(TimelineEntry.at.desc())
        .limit(1)
    )
    if entry is not None:
        return _sentence(event, entry.facts, reader)
    facts = {} if episode.wakes_at is None else {"until_at": episode.wakes_at.isoformat()}
    return _sentence(f"dunning_next_{episode.waits_for}", facts, reader)


def _sentence(event: str, facts: dict[str, Any], reader: Reader) -> str:
    return sentence(event, facts, who=PROCESS_ACTOR, language=reader.language, zone=reader.settings.zone)
