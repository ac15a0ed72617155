"""The steps of a ladder: what each does to the world, written down together with why it was taken."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import dunning_restrictions
from activities.disconnection_request import register_disconnection
from activities.dunning_facts import Debtor
from activities.dunning_policies import Terms
from activities.message_queue import queue_text
from activities.processes import enter_stage, tell
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.disconnection import NewDisconnection
from models.contracts.dunning_words import CUTS, SPOKEN, DunningStage, Restriction, StepKind
from models.contracts.messaging import Urgency
from models.contracts.processes import PROCESS_ACTOR
from models.contracts.refusals import Refusal
from models.rules.dunning_ladder import Act, cut_at
from models.rules.money import tenge
from models.tables.dunning import DunningEpisode, DunningStep
from models.tables.subscriptions import Subscription

_A_DAY: Final = timedelta(days=1)
_ISO: Final = TypeAdapter(timedelta)
TEMPLATE: Final = "dunning_{kind}"
"""How the occasion of a step's SMS is called."""


@dataclass(frozen=True)
class Taking:
    """A step that is taken: for whom, by which terms, when."""

    session: Session
    episode: DunningEpisode
    debtor: Debtor
    act: Act
    terms: Terms
    at: datetime

    @property
    def on(self) -> date:
        """The day in the operator's zone."""
        return self.terms.calendar.day_of(self.at)

    def tell(self, event: str, *, key: str, **facts: object) -> None:
        """Write an event into the episode's timeline."""
        tell(self.session, self.episode.process_id, event, key=key, at=self.at, facts=facts)


def take_step(taking: Taking) -> DunningStep:
    """Take a step, with its reasons. The account must be locked and its facts just read."""
    session, episode, act, at = taking.session, taking.episode, taking.act, taking.at
    facts = facts_of(taking)
    step = DunningStep(
        id=session.scalars(select(func.uuidv7())).one(), episode_id=episode.process_id, round=episode.round,
        position=act.position, kind=act.kind, due_at=act.due_at, taken_at=at, owed_minor=act.owed.undisputed_minor,
        facts=facts,
    )  # fmt: skip
    if act.kind in SPOKEN:
        step.message_id = _say(taking, facts)
    session.add(step)
    session.flush()
    taking.tell(f"dunning_{act.kind}", key=f"step:{episode.round}:{act.position}", **facts, step_id=str(step.id))
    enter_stage(session, episode.process_id, DunningStage(act.kind), at=at)
    if act.kind is StepKind.DISCONNECT:
        _disconnect(taking, step)
    elif act.kind in CUTS:
        dunning_restrictions.impose(
            session, episode.account_id, Restriction(act.kind), episode_id=episode.process_id, step_id=step.id, at=at,
            on=taking.on,
        )  # fmt: skip
    return step


def facts_of(taking: Taking) -> dict[str, Any]:
    """What was known when a step was taken."""
    act, ladder, calendar, standing = taking.act, taking.terms.ladder, taking.terms.calendar, taking.debtor.standing
    assert act.owed.anchor_on is not None, "something is owed"
    facts: dict[str, Any] = {
        "policy_version": taking.terms.version,
        "segment": taking.terms.segment,
        "rule": act.rule,
        "step": act.kind,
        "after": _ISO.dump_python(ladder.rungs[act.position].after, mode="json"),
        "anchor_on": act.owed.anchor_on.isoformat(),
        "due_at": act.due_at.isoformat(),
        "owed_minor": act.owed.undisputed_minor,
        "overdue_minor": act.owed.total_minor,
        "minimum_minor": ladder.minimum_minor,
        "invoices": [
            str(debt.invoice_id) for debt in standing.debts if debt.due_on <= taking.on and debt.outstanding_minor
        ],
        "round": taking.episode.round,
    }
    if act.kind in CUTS and standing.warned_at is not None:
        facts["warned_at"] = standing.warned_at.isoformat()
    if act.kind is StepKind.FINAL_WARNING:
        facts["cut_on"] = calendar.day_of(cut_at(ladder, calendar, standing, act, taking.at)).isoformat()
    return facts


def _say(taking: Taking, facts: dict[str, Any]) -> UUID:
    episode, act = taking.episode, taking.act
    places = {
        "debt": tenge(act.owed.undisputed_minor),
        "due_on": _shown(facts["anchor_on"]),
        "account_no": taking.debtor.account_no,
        "cut_on": _shown(facts["cut_on"]) if "cut_on" in facts else "",
    }
    texts = taking.terms.policy.ladders[taking.terms.segment].text_of(act.position).by_language()
    return queue_text(
        taking.session, key=f"dunning:{episode.process_id}:{episode.round}:{act.position}",
        template=TEMPLATE.format(kind=act.kind), at=taking.at, urgency=Urgency.NOTICE,
        texts={language: text.format_map(places) for language, text in texts.items()},
        subscriber_id=taking.debtor.subscriber_id, process_id=episode.process_id,
        unless_over_episode_id=episode.process_id,
    )  # fmt: skip


def _shown(iso: str) -> str:
    return f"{date.fromisoformat(iso):%d.%m.%Y}"


def _disconnect(taking: Taking, step: DunningStep) -> None:
    """Begin a disconnection for each service; one that can't be begun is told of, and left to accounting.

    Where nobody has to come for equipment the service ends tomorrow: the SMS says that paying stops it.
    """
    live = (SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED)
    statement = select(Subscription.id).where(
        Subscription.account_id == taking.episode.account_id, Subscription.status.in_(live)
    )
    for subscription_id in taking.session.scalars(statement.order_by(Subscription.id)).all():
        order = NewDisconnection(
            subscription_id=subscription_id, reason=f"долг {tenge(step.owed_minor)}", requested_on=taking.on + _A_DAY
        )
        key = f"dunning:{step.id}:{subscription_id}"
        try:
            with taking.session.begin_nested():
                process, _ = register_disconnection(
                    taking.session, order, actor=PROCESS_ACTOR, idempotency_key=key, at=taking.at,
                    zone=taking.terms.calendar.zone, dunning_process_id=taking.episode.process_id,
                )  # fmt: skip
        except Refusal as refusal:
            taking.tell("dunning_disconnection_impossible", key=f"impossible:{key}", detail=refusal.detail)
        else:
            taking.tell("dunning_disconnection_opened", key=f"opened:{key}", disconnection=str(process.id))
