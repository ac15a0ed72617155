"""Whatever happens to a debtor, in whatever order: the ladder is climbed fairly, and stands still where it must.

Random sequences of invoices, payments, reversals, promises, disputes, exclusions, outages, freezes and days, over the
real facts, rules and steps. DUNNING_EXAMPLES says how many sequences; a few are played in every test run.
"""

import os
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, update

from activities import disputes, dunning_holds, exclusions, promises, services
from activities.dunning_policies import holidays_of_kazakhstan
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.dunning import DisputeDecision, NewDispute
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.dunning_words import CUTS, DisputeOutcome, HoldReason, StepKind
from models.contracts.money import PositiveMoney
from models.contracts.people import Segment
from models.contracts.processes import ProcessKind, ProcessStatus
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.billing import Invoice
from models.tables.dunning import DunningRound, DunningStep, Promise
from models.tables.payments import Allocation, Payment
from models.tables.processes import Process
from tests.dunning_life import MONTH_MINOR, ZONE, Life, life, set_policy

EXAMPLES = int(os.environ.get("DUNNING_EXAMPLES", "5"))
POLICY = DunningPolicy()
MINIMUM_MINOR = POLICY.ladders[Segment.INDIVIDUAL].minimum_minor
RUNGS = POLICY.ladder_of(Segment.INDIVIDUAL).rungs
BEGAN_ON = date(2026, 9, 10)


class Debtor(RuleBasedStateMachine):
    """What may happen to a debtor; what must always be true."""

    database: Database

    @initialize()
    def begin(self) -> None:
        set_policy(self.database, POLICY)
        self.life: Life = life(self.database, began_on=BEGAN_ON)
        self.payments: list[UUID] = []
        self.disputed: dict[UUID, tuple[UUID, int | None, datetime]] = {}
        self.promised_until: datetime | None = None
        self.excluded: dict[UUID, datetime] = {}
        self.holds: list[UUID] = []
        self.is_frozen = False
        self.reversed_at: datetime | None = None
        self.last_due_on = BEGAN_ON
        self.seen: set[UUID] = set()
        self.life.bill(BEGAN_ON)

    # -- what happens ---------------------------------------------------------------------------------------------

    @rule(days=st.sampled_from([0.2, 0.6, 1.0, 2.3, 5.0, 9.0]))
    def time_passes(self, days: float) -> None:
        """In short stretches, so that each step is looked at when it was taken."""
        end = self.life.now + timedelta(days=days)
        while self.life.now < end:
            self.life.pass_until(min(end, self.life.now + timedelta(days=0.5)))
            self._look_at_new_steps()

    @rule(days=st.integers(0, 20), amount_minor=st.sampled_from([20_000, 65_000, MONTH_MINOR]))
    def an_invoice_is_issued(self, days: int, amount_minor: int) -> None:
        self.last_due_on = max(self.last_due_on, self.life.today + timedelta(days=days))
        self.life.bill(self.last_due_on, amount_minor)

    @precondition(lambda self: self.life.owed_minor() > 0)
    @rule(percent=st.sampled_from([5, 40, 95, 100, 100, 130]))
    def they_pay(self, percent: int) -> None:
        self.payments.append(self.life.pay(max(1, self.life.owed_minor() * percent // 100)))
        self._end_disconnection_that_nobody_runs()

    @precondition(lambda self: self.payments)
    @rule(data=st.data())
    def a_payment_is_taken_back(self, data: st.DataObject) -> None:
        self.reversed_at = self.life.now
        self.life.reverse(self.payments.pop(data.draw(st.integers(0, len(self.payments) - 1))))

    @rule(days=st.integers(0, 14))
    def they_promise(self, days: int) -> None:
        until_on = self.life.today + timedelta(days=days)
        try:
            promise = self.life.do(
                promises.make, self.life.account.id, amount_minor=None, until_on=until_on, at=self.life.now, zone=ZONE,
                actor="staff:test",
            )  # fmt: skip
        except Refusal:
            return
        self.promised_until = promise.expires_at

    @rule(data=st.data(), is_part=st.booleans())
    def they_dispute(self, data: st.DataObject, *, is_part: bool) -> None:
        unpaid = self._unpaid()
        if not unpaid:
            return
        invoice_id = data.draw(st.sampled_from(sorted(unpaid)))
        amount_minor = max(1, unpaid[invoice_id][1] // 2) if is_part else None
        new = NewDispute(
            invoice_id=invoice_id, amount=PositiveMoney(amount_minor=amount_minor) if amount_minor else None,
            reason="не согласен",
        )  # fmt: skip
        try:
            dispute = self.life.do(
                disputes.open_dispute, self.life.account.id, new, at=self.life.now, actor="staff:test"
            )
        except Refusal:
            return
        self.disputed[dispute.id] = (invoice_id, amount_minor, self.life.now)

    @precondition(lambda self: self.disputed)
    @rule()
    def a_dispute_is_rejected(self) -> None:
        dispute_id, _ = self.disputed.popitem()
        decision = DisputeDecision(outcome=DisputeOutcome.REJECTED, note="счёт верный")
        self.life.do(disputes.decide_dispute, dispute_id, decision, at=self.life.now, actor="staff:test")

    @rule(days=st.integers(1, 9))
    def they_are_excluded(self, days: int) -> None:
        exclusion = self.life.do(
            exclusions.exclude, self.life.account.id, until_on=self.life.today + timedelta(days=days), reason="болезнь",
            at=self.life.now, zone=ZONE, actor="staff:test",
        )  # fmt: skip
        self.excluded[exclusion.id] = exclusion.expires_at

    @rule()
    def an_outage_begins(self) -> None:
        self.holds.append(uuid4())
        self.life.do(
            dunning_holds.place, [self.life.account.id], HoldReason.OUTAGE, source_id=self.holds[-1], at=self.life.now,
            until_at=None,
        )  # fmt: skip

    @precondition(lambda self: self.holds)
    @rule()
    def an_outage_ends(self) -> None:
        self.life.do(dunning_holds.release, self.holds.pop(), at=self.life.now)

    @rule()
    def they_freeze_or_unfreeze(self) -> None:
        today = self.life.today
        try:
            if self.is_frozen:
                self.life.do(services.unfreeze, self.life.subscription_id, on=today, today=today)
            else:
                self.life.do(services.freeze, self.life.subscription_id, from_on=today, until_on=None, today=today)
        except Refusal:
            return
        self.is_frozen = not self.is_frozen

    # -- what must be true ----------------------------------------------------------------------------------------

    @invariant()
    def who_owes_nothing_has_the_service(self) -> None:
        if self._due_minor() == 0:
            assert self.life.episode() is None
            assert self.life.service() is SubscriptionStatus.ACTIVE
            assert self.is_frozen or self.life.is_on()

    @invariant()
    def a_service_is_off_for_an_undisputed_debt_only(self) -> None:
        if self.life.service() is SubscriptionStatus.SUSPENDED:
            assert self.life.episode() is not None
            assert self._due_minor() >= MINIMUM_MINOR
            assert self._undisputed_minor() >= MINIMUM_MINOR
            assert not self._is_excluded()

    @invariant()
    def no_step_is_skipped_or_repeated(self) -> None:
        with self.life.database.transaction() as session:
            episode_ids = [episode.process_id for episode in self.life.episodes()]
            firsts = {
                (one.episode_id, one.number): one.first_position
                for one in session.scalars(select(DunningRound).where(DunningRound.episode_id.in_(episode_ids)))
            }
        positions: dict[tuple[UUID, int], list[int]] = {}
        reached = 0
        for step in self.life.steps():
            positions.setdefault((step.episode_id, step.round), []).append(step.position)
            reached = max(reached, step.position)
        for key, taken in positions.items():
            assert taken == list(range(firsts[key], firsts[key] + len(taken))), "one after the other"
        assert all(first <= reached + 1 for first in firsts.values()), "nothing is taken for done that was not"

    def teardown(self) -> None:
        """However it began: who never pays from here on reaches the last step."""
        if not hasattr(self, "life"):
            return
        for source_id in self.holds:
            self.life.do(dunning_holds.release, source_id, at=self.life.now)
        self.holds.clear()
        while self.disputed:
            self.a_dispute_is_rejected()
        if self.is_frozen:
            self.they_freeze_or_unfreeze()
        self.excluded.clear()
        self._end_disconnection_that_nobody_runs()
        self.life.pass_days(21)
        if self._due_minor() >= MINIMUM_MINOR:
            self.life.pass_days(120)
            assert self.life.kinds()[-1] is StepKind.DISCONNECT

    # -- what the test knows by itself ----------------------------------------------------------------------------

    def _look_at_new_steps(self) -> None:
        for step in self.life.steps():
            if step.id not in self.seen:
                self.seen.add(step.id)
                self._check(step)

    def _check(self, step: DunningStep) -> None:
        at = step.taken_at
        local = at.astimezone(ZONE)
        holidays = holidays_of_kazakhstan()
        assert self._undisputed_minor() >= MINIMUM_MINOR
        assert self.promised_until is None or self.promised_until <= at or not self._is_promise_open()
        assert not any(expires_at > at for expires_at in self.excluded.values())
        assert not self.holds
        assert not self.is_frozen
        assert local.weekday() < 5
        assert local.date() not in holidays
        if step.kind in CUTS:
            assert 9 <= local.hour < 17
            tomorrow = local.date() + timedelta(days=1)
            assert tomorrow.weekday() < 5
            assert tomorrow not in holidays
            self._check_notice(step)
        else:
            assert 9 <= local.hour < 21
        anchor_on = date.fromisoformat(step.facts["anchor_on"])
        assert local.date() >= anchor_on + RUNGS[step.position].after

    def _check_notice(self, step: DunningStep) -> None:
        warnings = [one.taken_at for one in self.life.steps() if one.kind is StepKind.FINAL_WARNING]
        assert warnings, "nobody is cut off unwarned"
        assert step.taken_at - max(warnings) >= POLICY.fair_notice
        if self.reversed_at is not None:
            assert step.taken_at - self.reversed_at >= POLICY.fair_notice

    def _unpaid(self, at_least: int = 1) -> dict[UUID, tuple[date, int]]:
        with self.life.database.transaction() as session:
            paid = (
                select(func.coalesce(func.sum(Allocation.amount_minor), 0))
                .where(Allocation.invoice_id == Invoice.id)
                .scalar_subquery()
            )
            rows: Any = session.execute(
                select(Invoice.id, Invoice.due_on, Invoice.total_minor - paid).where(
                    Invoice.account_id == self.life.account.id
                )
            )
            return {invoice_id: (due_on, int(unpaid)) for invoice_id, due_on, unpaid in rows if unpaid >= at_least}

    def _due_minor(self) -> int:
        return sum(unpaid for due_on, unpaid in self._unpaid().values() if due_on <= self.life.today)

    def _undisputed_minor(self) -> int:
        """What is due without what is disputed, whichever of it was covered since."""
        due = {key: unpaid for key, (due_on, unpaid) in self._unpaid(at_least=0).items() if due_on <= self.life.today}
        disputed = 0
        for invoice_id, amount_minor, opened_at in self.disputed.values():
            if invoice_id in due:
                unpaid_then = due[invoice_id] + self._paid_since(invoice_id, opened_at)
                disputed += unpaid_then if amount_minor is None else min(amount_minor, unpaid_then)
        return max(0, sum(due.values()) - disputed)

    def _paid_since(self, invoice_id: UUID, opened_at: datetime) -> int:
        with self.life.database.transaction() as session:
            covered = select(func.coalesce(func.sum(Allocation.amount_minor), 0)).join(Payment)
            return int(
                session.scalars(
                    covered.where(Allocation.invoice_id == invoice_id, Payment.received_at > opened_at)
                ).one()
            )

    def _is_promise_open(self) -> bool:
        with self.life.database.transaction() as session:
            found = select(func.count()).where(Promise.account_id == self.life.account.id, Promise.status == "open")
            return session.scalars(found).one() > 0

    def _is_excluded(self) -> bool:
        return any(expires_at > self.life.now for expires_at in self.excluded.values())

    def _end_disconnection_that_nobody_runs(self) -> None:
        """Its own process, which ends by itself when the debt is paid, does not run here."""
        with self.life.database.transaction() as session:
            session.execute(
                update(Process)
                .where(
                    Process.account_id == self.life.account.id, Process.kind == ProcessKind.DISCONNECTION,
                    Process.status == ProcessStatus.OPEN,
                )
                .values(status=ProcessStatus.CANCELLED, closed_at=self.life.now)
            )  # fmt: skip


@pytest.fixture
def machine(database: Database) -> type[Debtor]:
    Debtor.database = database
    return Debtor


@pytest.mark.timeout(900)
def test_the_ladder_is_climbed_fairly_whatever_happens(machine: type[Debtor]) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
