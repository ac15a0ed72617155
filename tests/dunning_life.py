"""A debtor's life without an engine: the real facts, rules and steps over the real database, at a time that tests turn.

`pass_until` does what the processes and the schedule do: a look whenever an episode wants to be looked at or was told
something, the daily round every morning, and the delivery of SMS. The processes themselves are tested elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Range

from activities import (
    dunning_look,
    dunning_restrictions,
    ledger,
    message_claims,
    message_log,
    payments,
    promises,
    settlement,
)
from activities import dunning_round as rounds
from activities.gateways.sms import Accepted
from activities.ledger import Posting
from models.contracts.billing import InvoiceKind
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.dunning_process import RoundInput
from models.contracts.dunning_words import StepKind
from models.contracts.ledger import Chart
from models.contracts.network import PortState
from models.contracts.people import Language, Segment
from models.contracts.steps import ProcessStep
from models.database import Database
from models.rules.quiet_hours import next_allowed
from models.tables.billing import Invoice, InvoiceLine
from models.tables.catalogue import Policy
from models.tables.dunning import DunningEpisode, DunningStep
from models.tables.messages import Message
from models.tables.network import NetworkPort
from models.tables.outbox import Outbox
from models.tables.people import Account, Subscriber
from models.tables.processes import Process, TimelineEntry
from models.tables.subscriptions import ServicePeriod, Subscription
from settings import Settings
from tests import factories

SETTINGS = Settings(environment="local")
ZONE = SETTINGS.zone
MONTH_MINOR = 650_000


def local(day: date, hour: int = 0, minute: int = 0) -> datetime:
    """An instant of a day in the operator's zone."""
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE).astimezone(UTC)


@dataclass
class Life:
    """One account with a service, and the time."""

    database: Database
    now: datetime
    account: Account
    subscription_id: UUID
    bank_id: UUID
    told: int = 0
    """How many signals were heard."""
    calls: list[UUID] = field(default_factory=list)
    is_woken_daily: bool = True
    """Whether the daily round looks after the open episode too, beside its own timer."""
    has_sms: bool = True
    """Whether one may be waiting."""
    sms_at_any_time: bool = False

    # -- what happens ---------------------------------------------------------------------------------------------

    def bill(self, due_on: date, amount_minor: int = MONTH_MINOR) -> UUID:
        """An invoice of the billing run, due on a day."""
        with self.database.transaction() as session:
            return issue(session, self.account.id, due_on, amount_minor)

    def pay(self, amount_minor: int) -> UUID:
        """The subscriber pays through a bank."""
        notice = factories.payment_notice(amount_minor, account_no=self.account.account_no)
        with self.database.transaction() as session:
            answer, _ = payments.take_payment(
                session, bank_id=self.bank_id, notice=notice, received_at=self.now, on=self.today
            )
        self.hear()
        return answer.payment_id

    def reverse(self, payment_id: UUID) -> None:
        """The bank takes a payment back."""
        with self.database.transaction() as session:
            payments.reverse_payment(
                session, payment_id, reason="возврат", on=self.today, at=self.now, actor="staff:test"
            )
        self.hear()

    def do(self, act: Any, *arguments: Any, **named: Any) -> Any:
        """Somebody does something in a transaction of its own; processes hear of it."""
        with self.database.transaction() as session:
            answer = act(session, *arguments, **named)
        self.hear()
        return answer

    def hear(self) -> None:
        """Look, as the process does that was signalled."""
        with self.database.transaction() as session:
            signals = session.scalars(
                select(Outbox)
                .join(Process, Process.workflow_id == Outbox.workflow_id)
                .where(Process.account_id == self.account.id, Outbox.signal.is_not(None), Outbox.delivered_at.is_(None))
            ).all()
            for signal in signals:
                signal.delivered_at = datetime.now(UTC)
        if signals:
            self.told += len(signals)
            self.look()

    def look(self) -> None:
        """The process looks, the network follows."""
        episode = self.episode()
        if episode is None:
            return
        step = ProcessStep(process_id=episode.process_id, at=self.now)
        self.has_sms = True
        with self.database.transaction() as session:
            look = dunning_look.look(session, step, SETTINGS)
            self.calls += [call.step_id for call in look.calls if call.step_id not in self.calls]
        self.let_network_follow()

    def let_network_follow(self) -> None:
        """What the process has the gateway do."""
        with self.database.transaction() as session:
            for service in dunning_restrictions.wanted(session, self.account.id, []):
                if service.profile is not None:
                    port = session.scalars(
                        select(NetworkPort).where(NetworkPort.subscription_id == service.subscription_id)
                    ).one()
                    is_off = service.restriction == "suspend"
                    port.state = PortState.SUSPENDED if is_off else PortState.ACTIVE
                    port.profile = None if is_off else service.profile
                dunning_restrictions.note_followed(session, service, at=self.now)

    def morning(self, *, has_episode: bool | None = None) -> bool:
        """The daily round, for this account and those that came after it; answers whether anything came of it."""
        part = RoundInput(after_number=self.account.number - 1, at=self.now)
        if has_episode is None:
            has_episode = self.episode() is not None
        with self.database.transaction() as session:
            # Of this account alone: other lives in the same database have other times.
            promises.decide(session, [self.account.id], at=self.now)
            is_lost = rounds.close_lost(session, part, SETTINGS) > 0
            woken = rounds.wake_part(session, part, SETTINGS).woken if has_episode else 0
        if woken:
            self.hear()
        if is_lost or woken or not has_episode:
            with self.database.transaction() as session:
                opened = rounds.open_part(session, part, SETTINGS).opened
            return bool(is_lost or woken or opened)
        return False

    def deliver_sms(self) -> None:
        """What the delivery does with this subscriber's SMS by now."""
        notices_from = self.now
        if not self.sms_at_any_time:
            notices_from = next_allowed(
                self.now, zone=ZONE, quiet_from=SETTINGS.sms_quiet_from, quiet_until=SETTINGS.sms_quiet_until,
                weekdays_only=False, holidays=frozenset(),
            )  # fmt: skip
        with self.database.transaction() as session:
            waiting = session.scalars(
                select(Message.id).where(
                    Message.subscriber_id == self.account.subscriber_id, Message.status == "queued"
                )
            ).all()
            claimed = message_claims.claim(
                session, waiting, now=self.now, today=self.today, notices_from=notices_from,
                notice_validity=timedelta(hours=1),
            )  # fmt: skip
            sent = [message_log.Outcome(sms, Accepted(uuid4().hex)) for sms in claimed.sms]
            message_log.settle(session, sent, now=self.now)
            self.has_sms = len(claimed.sms) < len(waiting)

    def pass_until(self, until: datetime) -> None:
        """Let time pass: timers, mornings, deliveries."""
        while True:
            episode = self.episode()
            at = self._next_at(episode)
            if at > until:
                break
            self.now = max(self.now, at)
            local_now = self.now.astimezone(ZONE)
            if (local_now.hour, local_now.minute) == (SETTINGS.dunning_hour, 0):
                has_changed = self.morning(has_episode=episode is not None)
                episode = self.episode() if has_changed else episode
            if episode is not None and episode.wakes_at is not None and episode.wakes_at <= self.now:
                self.look()
            if self.has_sms:
                self.deliver_sms()
        self.now = until
        self.deliver_sms()

    def pass_days(self, days: float) -> None:
        """Let so many days pass."""
        self.pass_until(self.now + timedelta(days=days))

    def _next_at(self, episode: DunningEpisode | None) -> datetime:
        candidates = [datetime.max.replace(tzinfo=UTC)]
        if episode is None or self.is_woken_daily:
            morning = local(self.today, SETTINGS.dunning_hour)
            if morning <= self.now:
                morning = local(self.today + timedelta(days=1), SETTINGS.dunning_hour)
            candidates.append(morning)
        if episode is not None and episode.wakes_at is not None:
            candidates.append(max(episode.wakes_at, self.now))
        return min(candidates)

    # -- what can be seen -----------------------------------------------------------------------------------------

    @property
    def today(self) -> date:
        return self.now.astimezone(ZONE).date()

    def episode(self) -> DunningEpisode | None:
        """The open episode."""
        with self.database.transaction() as session:
            return session.scalar(
                select(DunningEpisode).where(
                    DunningEpisode.account_id == self.account.id, DunningEpisode.ended_at.is_(None)
                )
            )

    def episodes(self) -> Sequence[DunningEpisode]:
        """All episodes, oldest first."""
        with self.database.transaction() as session:
            return session.scalars(
                select(DunningEpisode)
                .where(DunningEpisode.account_id == self.account.id)
                .order_by(DunningEpisode.number)
            ).all()

    def steps(self) -> Sequence[DunningStep]:
        """All steps of all episodes, oldest first."""
        with self.database.transaction() as session:
            return session.scalars(
                select(DunningStep)
                .join(DunningEpisode, DunningEpisode.process_id == DunningStep.episode_id)
                .where(DunningEpisode.account_id == self.account.id)
                .order_by(DunningStep.taken_at, DunningStep.id)
            ).all()

    def kinds(self) -> list[StepKind]:
        """The kinds of the steps that were taken."""
        return [step.kind for step in self.steps()]

    def taken_on(self) -> list[tuple[str, date]]:
        """Each step with its local day."""
        return [(step.kind.value, step.taken_at.astimezone(ZONE).date()) for step in self.steps()]

    def messages(self) -> list[tuple[str, str]]:
        """Occasion and status of each SMS, oldest first."""
        with self.database.transaction() as session:
            rows = session.execute(
                select(Message.template, Message.status)
                .where(Message.subscriber_id == self.account.subscriber_id)
                .order_by(Message.id)
            )
            return [(row.template, row.status.value) for row in rows]

    def events(self) -> list[str]:
        """The timeline of all episodes."""
        with self.database.transaction() as session:
            return list(
                session.scalars(
                    select(TimelineEntry.event)
                    .join(DunningEpisode, DunningEpisode.process_id == TimelineEntry.process_id)
                    .where(DunningEpisode.account_id == self.account.id)
                    .order_by(TimelineEntry.at, TimelineEntry.id)
                )
            )

    def service(self) -> SubscriptionStatus:
        """How the service is for billing."""
        with self.database.transaction() as session:
            return session.get_one(Subscription, self.subscription_id).status

    def port(self) -> tuple[PortState, str | None]:
        """How the service is on the network."""
        with self.database.transaction() as session:
            port = session.scalars(select(NetworkPort).where(NetworkPort.subscription_id == self.subscription_id)).one()
            return port.state, port.profile

    def is_on(self) -> bool:
        """Whether the service is on, for billing and on the network."""
        return self.service() is SubscriptionStatus.ACTIVE and self.port() == (PortState.ACTIVE, "100M")

    def owed_minor(self) -> int:
        """What the ledger says is owed, due or not."""
        with self.database.transaction() as session:
            return ledger.debt_minor(session, self.account.id)


def issue(session: Any, account_id: UUID, due_on: date, amount_minor: int) -> UUID:
    """An invoice as a billing run issues it: for a month of its own, posted, covered by what was paid in advance."""
    settlement.lock_account(session, account_id)
    taken = set(session.scalars(select(Invoice.period_on).where(Invoice.account_id == account_id)))
    month_on = date(2020, 1, 1)
    while month_on in taken:
        month_on = (month_on + timedelta(days=32)).replace(day=1)
    invoice = Invoice(
        number=factories.unique("СЧ"), kind=InvoiceKind.RECURRING, account_id=account_id, period_on=month_on,
        issued_on=due_on - timedelta(days=10), due_on=due_on, net_minor=amount_minor, vat_minor=0,
        total_minor=amount_minor,
    )  # fmt: skip
    session.add(invoice)
    session.flush()
    session.add(
        InvoiceLine(
            invoice_id=invoice.id, line_no=1, description="Абонентская плата", formula="1 × месяц", quantity=1,
            unit_minor=amount_minor, vat_rate_bp=0, net_minor=amount_minor, vat_minor=0, total_minor=amount_minor,
        )
    )  # fmt: skip
    ledger.post_all(
        session,
        [
            Posting(
                key=f"invoice/{invoice.id}/net", debit=Chart.RECEIVABLES, credit=Chart.REVENUE,
                amount_minor=amount_minor, account_id=account_id, document_kind="invoice", document_id=invoice.id,
                reason="счёт", effective_on=invoice.issued_on,
            )
        ],
    )  # fmt: skip
    settlement.settle(session, account_id, reason="зачёт", on=invoice.issued_on)
    return invoice.id


def served_account(
    session: Any, *, on: date, segment: Segment = Segment.INDIVIDUAL, language: Language = Language.RU, **facts: Any
) -> tuple[Account, UUID]:
    """A subscriber whose service has been on since a day."""
    customer = factories.customer(session, language=language, opened_on=on, **facts)
    session.get_one(Subscriber, customer.subscriber.id).segment = segment
    tariff = factories.tariff(session)
    place = factories.premises(session, ports=1)
    service = factories.subscription(
        session, customer.account, tariff_id=tariff.id, premises_id=place.id, status=SubscriptionStatus.ACTIVE,
        active_from=on,
    )  # fmt: skip
    session.add(ServicePeriod(subscription_id=service.id, during=Range(on, None), tariff_id=tariff.id))
    port = session.scalars(select(NetworkPort).where(NetworkPort.node_id == place.node_id)).one()
    port.state, port.subscription_id, port.profile = PortState.ACTIVE, service.id, "100M"
    session.flush()
    return customer.account, service.id


def life(database: Database, *, began_on: date, **facts: Any) -> Life:
    """A subscriber whose service has been on for a while before this day, which begins."""
    with database.transaction() as session:
        account, subscription_id = served_account(session, on=began_on - timedelta(days=40), **facts)
        bank_id = factories.bank(session).row.id
    return Life(database, local(began_on), account, subscription_id, bank_id)


def at_any_time(*, pace: str = "PT0S", fair_notice: str = "PT1S") -> DunningPolicy:
    """A ladder whose late steps come within seconds, at any time of any day."""
    policy = DunningPolicy().model_dump(mode="json")
    policy["quiet_hours"] = {"begins_at": "00:00", "ends_at": "00:00", "talk_on_days_off": True}
    policy["cuts"] = {"begins_at": "00:00", "ends_at": "00:00", "on_days_off": True}
    return DunningPolicy.model_validate({**policy, "pace": pace, "fair_notice": fair_notice})


def without_days_off() -> DunningPolicy:
    """The first ladder, for processes that begin on the day on which a test runs: weekends and holidays move nothing.

    What days off do to the ladder is tested at dates that are known, without an engine.
    """
    policy = DunningPolicy().model_dump(mode="json")
    policy["quiet_hours"]["talk_on_days_off"] = True
    policy["cuts"]["on_days_off"] = True
    return DunningPolicy.model_validate(policy)


def set_policy(database: Database, policy: DunningPolicy) -> int:
    """The operator saves a version of the policy, for episodes that are opened from now on."""
    with database.transaction() as session:
        versions = select(Policy.version).where(Policy.code == "dunning").order_by(Policy.version.desc()).limit(1)
        version = (session.scalar(versions) or 0) + 1
        factories.policy(session, policy.model_dump(mode="json"), code="dunning", version=version)
        return version
