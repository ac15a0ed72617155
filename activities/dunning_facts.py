"""What is known of debtors, of one or of thousands, in two statements.

It is the same for a process, its interlocks, the daily opening and a forecast. What another open process collects,
such as the prepayment of a connection or the final invoice of a disconnection, is not dunned. Nor is what was due
before somebody cancelled an episode of the account.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import ARRAY, Row, Uuid, any_, cast, exists, func, select, text
from sqlalchemy.orm import Session

from activities import dunning_policies, settlement
from models.contracts.dunning_words import Ending, HoldReason, Rule, StepKind
from models.contracts.messaging import MessageStatus
from models.contracts.people import Segment
from models.contracts.processes import ProcessStatus
from models.rules.dunning_calendar import Calendar
from models.rules.dunning_ladder import Debt, Hold, Ladder, Standing, Taken, owed_on, resumed
from models.tables.billing import Invoice
from models.tables.dunning import Dispute, DunningEpisode
from models.tables.payments import Allocation, Payment
from models.tables.processes import Process

_UNSENT: Final = frozenset({"queued", "sending", "unknown"})
_GONE_WITH_ITS_REASON: Final = "paid"

_CLOCKS: Final = timedelta(minutes=1)
"""Between the clocks of whoever takes a payment and of the engine."""

# Money that is known of and not booked: paid for an account that was named together with somebody else's IIN, or
# listed by a bank and never reported by it.
_FACTS = text("""
    WITH listed AS MATERIALIZED (
        SELECT account_id, sum(coalesce(registry_minor, 0)) AS amount_minor FROM reconciliation_difference
        WHERE status = 'open' AND kind IN ('missing_here', 'other_account') AND account_id IS NOT NULL
        GROUP BY account_id
    ), in_suspense AS MATERIALIZED (
        SELECT named_iin, named_account_no, amount_minor - refunded_minor AS amount_minor FROM payment
        WHERE status = 'suspense'
    )
    SELECT account.id AS account_id, account.account_no, account.number, account.subscriber_id, subscriber.segment,
           NOT EXISTS (SELECT FROM phone_opt_out WHERE phone = subscriber.phone) AS takes_sms,
           episode.process_id AS episode_id, episode.policy_id, episode.segment AS pinned_segment,
           episode.number AS episode_number, episode.opened_at, episode.ended_at, episode.ended_as,
           episode.round, episode.wakes_at,
           round.began_at, round.first_position, round.is_resumed,
           (SELECT json_agg(json_build_array(step.position, step.kind, step.taken_at, message.status,
                                             message.attempted_at, message.error_code, step.facts ->> 'cut_on')
                            ORDER BY step.position)
            FROM dunning_step AS step LEFT JOIN message ON message.id = step.message_id
            WHERE step.episode_id = episode.process_id AND step.round = episode.round) AS steps,
           EXISTS (SELECT FROM dunning_restriction AS restriction
                   JOIN subscription ON subscription.id = restriction.subscription_id
                   WHERE subscription.account_id = account.id AND restriction.lifted_at IS NULL) AS is_restricted,
           EXISTS (SELECT FROM subscription
                   WHERE account_id = account.id AND status IN ('active', 'suspended')) AS is_served,
           (SELECT expires_at FROM promise WHERE account_id = account.id AND status = 'open') AS promised_until,
           (SELECT max(expires_at) FROM dunning_exclusion WHERE account_id = account.id) AS excluded_until,
           (SELECT json_agg(json_build_array(reason, until_at) ORDER BY since_at)
            FROM dunning_hold
            WHERE account_id = account.id AND released_at IS NULL) AS holds,
           EXISTS (SELECT FROM process
                   WHERE account_id = account.id AND status = 'open' AND kind = 'disconnection') AS is_disconnecting,
           frozen.is_frozen, frozen.until_on AS frozen_until_on,
           (SELECT max(reversed_at) FROM payment
            WHERE account_id = account.id AND status = 'reversed') AS reversed_at,
           EXISTS (SELECT FROM payment
                   WHERE account_id = account.id AND status = 'reversed' AND reversed_at > episode.ended_at
                     AND received_at <= episode.ended_at + :clocks) AS is_reversed,
           coalesce((SELECT amount_minor FROM listed WHERE account_id = account.id), 0)
           + coalesce((SELECT sum(amount_minor) FROM in_suspense
                       WHERE named_account_no = account.account_no OR named_iin = subscriber.iin), 0)
           AS in_flight_minor
    FROM account
    JOIN subscriber ON subscriber.id = account.subscriber_id
    LEFT JOIN LATERAL (
        SELECT * FROM dunning_episode WHERE account_id = account.id ORDER BY number DESC LIMIT 1
    ) AS episode ON true
    LEFT JOIN dunning_round AS round ON round.episode_id = episode.process_id AND round.number = episode.round
    LEFT JOIN LATERAL (
        SELECT bool_and(coalesce(period.state = 'frozen', false)) AS is_frozen, min(upper(period.during)) AS until_on
        FROM subscription
        LEFT JOIN service_period AS period ON period.subscription_id = subscription.id AND period.during @> :today
        WHERE subscription.account_id = account.id AND subscription.status IN ('active', 'suspended')
    ) AS frozen ON true
    WHERE account.id = ANY(:ids)
    ORDER BY account.number
""")


@dataclass(frozen=True)
class Debtor:
    """An account, its open episode if it has one, and how it stands."""

    account_id: UUID
    account_no: str
    number: int
    subscriber_id: UUID
    segment: Segment
    """Of an open episode the one that it was opened with."""
    takes_sms: bool
    episode_id: UUID | None
    """The open episode."""
    policy_id: UUID | None
    """The version that the open episode pins."""
    episodes: int
    """How many there have been."""
    round: int
    wakes_at: datetime | None
    carries: int | None
    """Where no episode is open: the step that was next when the last one ended, if a new one goes on from there."""
    carries_because: Rule | None
    """None also where the last one was lost."""
    standing: Standing


def load(session: Session, account_ids: Sequence[UUID], *, at: datetime, zone: ZoneInfo) -> list[Debtor]:
    """How these accounts stand at a moment, in the order of their numbers."""
    if not account_ids:
        return []
    today = at.astimezone(zone).date()
    debts = debts_of(session, account_ids)
    midnight = Calendar(zone=zone)
    rows = session.execute(_FACTS, {"ids": list(account_ids), "today": today, "clocks": _CLOCKS})
    return [_debtor(row, tuple(debts.get(row.account_id, ())), midnight) for row in rows]


def load_one(session: Session, account_id: UUID, *, at: datetime, zone: ZoneInfo) -> Debtor:
    """How one account stands at a moment."""
    return load(session, [account_id], at=at, zone=zone)[0]


def over_among(session: Session, episode_ids: Sequence[UUID], today: date) -> set[UUID]:
    """Those of these episodes that have ended, or will as soon as their process looks: too little is owed."""
    episodes = session.scalars(
        select(DunningEpisode)
        .where(DunningEpisode.process_id == any_(cast(list(episode_ids), ARRAY(Uuid))))
        .execution_options(populate_existing=True)
    ).all()
    debts = debts_of(session, [episode.account_id for episode in episodes if episode.ended_at is None])
    policies = {
        policy_id: dunning_policies.policy_of(session, policy_id)
        for policy_id in {episode.policy_id for episode in episodes}
    }
    return {
        episode.process_id
        for episode in episodes
        if episode.ended_at is not None
        or owed_on(debts.get(episode.account_id, []), today).total_minor
        < policies[episode.policy_id].ladder_of(episode.segment).minimum_minor
    }


def opening_of(debtor: Debtor, ladder: Ladder, at: datetime) -> Standing:
    """How an account stands whose episode is opened now.

    Where a payment was taken back that had ended the last episode, or that one was lost, the ladder goes on where it
    stood; the final warning comes again before a cut, unless the service is off all the while.
    """
    if debtor.carries is None:
        return replace(debtor.standing, began_at=at)
    position = debtor.carries if debtor.standing.is_restricted else resumed(ladder, debtor.carries)
    return replace(
        debtor.standing, began_at=at, is_resumed=True, first_position=min(position, len(ladder.rungs))
    )  # fmt: skip


def debts_of(session: Session, account_ids: Sequence[UUID]) -> dict[UUID, list[Debt]]:
    """What is unpaid on these accounts and may be dunned, oldest first, due or not; disputed invoices also if paid."""
    # What came since the dispute was opened was paid for something else.
    paid_since = (
        select(func.coalesce(func.sum(Allocation.amount_minor), 0))
        .join(Payment, Payment.id == Allocation.payment_id)
        .where(Allocation.invoice_id == Invoice.id, Payment.received_at > Dispute.opened_at)
        .correlate(Invoice, Dispute)
        .scalar_subquery()
    )
    unpaid_then = settlement.outstanding_of_invoice() + paid_since
    disputed = (
        select(func.least(func.coalesce(Dispute.amount_minor, unpaid_then), unpaid_then))
        .where(Dispute.invoice_id == Invoice.id, Dispute.outcome.is_(None))
        .correlate(Invoice)
        .scalar_subquery()
    )
    is_forgiven = exists().where(
        DunningEpisode.account_id == Invoice.account_id, DunningEpisode.forgives_until_on >= Invoice.due_on
    )
    is_collected = exists().where(Process.id == Invoice.process_id, Process.status == ProcessStatus.OPEN)
    unpaid = (
        select(
            Invoice.account_id,
            Invoice.id,
            Invoice.due_on,
            settlement.outstanding_of_invoice().label("outstanding_minor"),
            disputed.label("disputed_minor"),
        )
        .where(Invoice.account_id == any_(cast(list(account_ids), ARRAY(Uuid))), ~is_collected, ~is_forgiven)
        .subquery()
    )
    debts: dict[UUID, list[Debt]] = {}
    is_of_interest = (unpaid.c.outstanding_minor > 0) | (unpaid.c.disputed_minor > 0)
    statement = select(unpaid).where(is_of_interest).order_by(unpaid.c.due_on, unpaid.c.id)
    for row in session.execute(statement):
        debt = Debt(row.id, row.due_on, int(row.outstanding_minor), int(row.disputed_minor or 0))
        debts.setdefault(row.account_id, []).append(debt)
    return debts


def _debtor(row: Row[Any], debts: tuple[Debt, ...], calendar: Calendar) -> Debtor:
    is_open = row.episode_id is not None and row.ended_at is None
    steps = [_StepRow(*step) for step in row.steps or ()]
    standing = Standing(
        debts=debts,
        is_restricted=row.is_restricted,
        promised_until=row.promised_until,
        excluded_until=row.excluded_until,
        in_flight_minor=int(row.in_flight_minor),
        holds=tuple(_holds(row, calendar)),
        is_served=row.is_served,
        reversed_at=row.reversed_at,
    )
    if is_open:
        warning = next((step for step in steps if step.kind == StepKind.FINAL_WARNING), None)
        standing = replace(
            standing,
            began_at=row.began_at,
            is_resumed=row.is_resumed,
            first_position=row.first_position,
            taken=tuple(Taken(step.position, step.instant) for step in steps),
            warned_at=None if warning is None else warning.went_at,
            cut_announced_on=None if warning is None else warning.cut_announced_on,
            is_warning_unsent=warning is not None and warning.status in _UNSENT,
            is_warning_gone=warning is not None and warning.is_gone,
        )
    return Debtor(
        account_id=row.account_id,
        account_no=row.account_no,
        number=row.number,
        subscriber_id=row.subscriber_id,
        segment=Segment(row.pinned_segment if is_open else row.segment),
        takes_sms=row.takes_sms,
        episode_id=row.episode_id if is_open else None,
        policy_id=row.policy_id if is_open else None,
        episodes=row.episode_number or 0,
        round=row.round or 0,
        wakes_at=row.wakes_at,
        carries=row.first_position + len(steps) if not is_open and _goes_on(row) else None,
        carries_because=Rule.PAYMENT_REVERSED if not is_open and _is_reversed(row) else None,
        standing=standing,
    )


def _goes_on(row: Row[Any]) -> bool:
    return row.ended_as == Ending.LOST or _is_reversed(row)


def _is_reversed(row: Row[Any]) -> bool:
    """Whether the money is gone again that ended the last episode; what happened to later debts is another matter."""
    return row.is_reversed and row.ended_as in {Ending.PAID, Ending.BELOW_MINIMUM}


def _holds(row: Row[Any], calendar: Calendar) -> Iterator[Hold]:
    if row.is_disconnecting:
        yield Hold(Rule.DISCONNECTION)
    for reason, until_at in row.holds or ():
        yield Hold(_RULE_OF[reason], None if until_at is None else datetime.fromisoformat(until_at))
    if row.is_frozen:
        yield Hold(Rule.FREEZE, None if row.frozen_until_on is None else calendar.start_of(row.frozen_until_on))


_RULE_OF: Final = {
    HoldReason.OUTAGE.value: Rule.OUTAGE,
    HoldReason.PAYMENT_IN_FLIGHT.value: Rule.PAYMENT_IN_FLIGHT,
}


class _StepRow(NamedTuple):
    """A step of the present round, with what became of its SMS."""

    position: int
    kind: str
    taken_at: str
    status: str | None
    attempted_at: str | None
    error_code: str | None
    cut_on: str | None

    @property
    def instant(self) -> datetime:
        return datetime.fromisoformat(self.taken_at)

    @property
    def went_at(self) -> datetime:
        """When the SMS went, which may be long after the step was taken."""
        return max(self.instant, datetime.fromisoformat(self.attempted_at)) if self.attempted_at else self.instant

    @property
    def cut_announced_on(self) -> date | None:
        return None if self.cut_on is None else date.fromisoformat(self.cut_on)

    @property
    def is_gone(self) -> bool:
        """Whether it was withdrawn, because the debt was paid for a moment."""
        return self.status == MessageStatus.WITHDRAWN and self.error_code == _GONE_WITH_ITS_REASON
