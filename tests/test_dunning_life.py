"""Ninety days of a debtor: which step comes when, what it waits for, and how it ends."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from activities import disputes, dunning_holds, exclusions, opt_outs, payments, promises, services, writing_off
from activities.credit_notes import credit_invoice
from activities.dunning_look import look
from activities.dunning_views import Reader, why_service
from models.contracts.catalogue import ServiceState, SubscriptionStatus
from models.contracts.dunning import DisputeDecision, NewDispute
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.dunning_words import DisputeOutcome, Ending, HoldReason, Rule, StepKind
from models.contracts.money import PositiveMoney
from models.contracts.network import PortState
from models.contracts.people import Language, Role, Segment
from models.contracts.processes import ProcessKind, ProcessStatus, TaskKind, TaskStatus
from models.contracts.reconciliation import DifferenceKind, DifferenceStatus
from models.contracts.refusals import Refusal
from models.contracts.steps import ProcessStep
from models.database import Database
from models.tables.billing import Invoice
from models.tables.disconnection import DisconnectionRequest
from models.tables.dunning import DunningRestriction, Promise
from models.tables.messages import Message
from models.tables.outbox import Outbox
from models.tables.people import Subscriber
from models.tables.processes import Process, Task
from models.tables.reconciliation import Reconciliation, ReconciliationDifference
from models.tables.subscriptions import ServicePeriod, Subscription
from tests import factories
from tests.dunning_life import MONTH_MINOR, SETTINGS, ZONE, Life, life, local, served_account, set_policy

DUE = date(2026, 9, 10)
"""A Thursday."""


@pytest.fixture(autouse=True)
def policy(database: Database) -> DunningPolicy:
    """What the tests reckon with is the newest version."""
    policy = DunningPolicy()
    set_policy(database, policy)
    return policy


@pytest.fixture
def debtor(database: Database) -> Life:
    """Somebody with an invoice that falls due today. Once it has begun, an episode's own timer does all."""
    debtor = life(database, began_on=DUE)
    debtor.is_woken_daily = False
    debtor.bill(DUE)
    return debtor


@pytest.fixture
def looked_after(debtor: Life) -> Life:
    """The same, whose episode is looked after by the daily round as well, as in production."""
    debtor.is_woken_daily = True
    return debtor


def suspended(debtor: Life) -> Life:
    """The same, once the service is off."""
    debtor.pass_days(26)
    assert not debtor.is_on()
    return debtor


# -- ninety days -----------------------------------------------------------------------------------------------------


def test_who_never_pays_reaches_the_last_step_by_the_calendar(debtor: Life) -> None:
    debtor.pass_days(95)

    assert debtor.taken_on() == [
        ("notice", date(2026, 9, 11)),
        ("reminder", date(2026, 9, 15)),
        ("call_task", date(2026, 9, 21)),  # the 20th is a Sunday
        ("final_warning", date(2026, 9, 25)),
        ("throttle", date(2026, 9, 30)),
        ("suspend", date(2026, 10, 5)),
        ("disconnect", date(2026, 12, 7)),  # the 4th is a Friday: no cut before a weekend
    ]
    assert debtor.service() is SubscriptionStatus.SUSPENDED
    assert debtor.port() == (PortState.SUSPENDED, None)
    assert [template for template, _ in debtor.messages()] == [
        "dunning_notice", "dunning_reminder", "dunning_final_warning", "dunning_throttle", "dunning_suspend",
        "dunning_disconnect",
    ]  # fmt: skip
    assert {status for _, status in debtor.messages()} == {"sent"}


def test_who_pays_in_time_never_gets_an_episode(debtor: Life) -> None:
    debtor.pay(MONTH_MINOR)

    debtor.pass_days(40)

    assert debtor.episodes() == []


def test_each_segment_has_its_own_ladder(database: Database) -> None:
    firm = life(database, began_on=DUE, segment=Segment.BUSINESS)
    firm.bill(DUE)

    firm.pass_days(36)

    assert firm.kinds() == [
        StepKind.NOTICE, StepKind.REMINDER, StepKind.CALL_TASK, StepKind.FINAL_WARNING, StepKind.SUSPEND,
    ]  # fmt: skip


def test_a_small_debt_is_not_dunned(database: Database) -> None:
    debtor = life(database, began_on=DUE)
    debtor.bill(DUE, 49_999)

    debtor.pass_days(40)

    assert debtor.episodes() == []


@pytest.mark.parametrize(("language", "word"), [("ru", "предупреждение"), ("kk", "ескерту"), ("en", "warning")])
def test_texts_are_in_the_subscribers_language_with_sum_and_day(database: Database, language: str, word: str) -> None:
    debtor = life(database, began_on=DUE, language=Language(language))
    debtor.bill(DUE)

    debtor.pass_days(16)

    with database.transaction() as session:
        body = session.scalars(
            select(Message.body).where(
                Message.subscriber_id == debtor.account.subscriber_id, Message.template == "dunning_final_warning"
            )
        ).one()
    assert word in body
    assert "6\u00a0500,00\u00a0₸" in body
    assert "30.09.2026" in body, "the day on which the throttling comes, if nobody pays"
    assert debtor.account.account_no in body


def test_a_throttled_service_is_slow_and_then_off(debtor: Life) -> None:
    debtor.pass_days(21)
    assert debtor.port() == (PortState.ACTIVE, "1M")
    assert debtor.service() is SubscriptionStatus.ACTIVE, "a slow service is charged"

    debtor.pass_days(5)

    assert debtor.port() == (PortState.SUSPENDED, None)
    with debtor.database.transaction() as session:
        restrictions = session.scalars(
            select(DunningRestriction)
            .where(DunningRestriction.subscription_id == debtor.subscription_id)
            .order_by(DunningRestriction.id)
        ).all()
    assert [(one.kind, one.lifted_by) for one in restrictions] == [("throttle", "replaced"), ("suspend", None)]


def test_suspended_days_are_days_of_their_own_for_billing(debtor: Life) -> None:
    suspended(debtor)

    with debtor.database.transaction() as session:
        periods = session.scalars(
            select(ServicePeriod).where(ServicePeriod.subscription_id == debtor.subscription_id)
        ).all()
    assert {(one.during.lower, one.state) for one in periods if one.during.upper is None} == {
        (date(2026, 10, 5), ServiceState.SUSPENDED)
    }


def test_an_episode_keeps_the_version_that_it_began_with(debtor: Life, policy: DunningPolicy) -> None:
    debtor.pass_days(2)
    slower = policy.model_dump(mode="json")
    slower["ladders"]["individual"]["steps"][1]["after"] = "P8D"
    version = set_policy(debtor.database, DunningPolicy.model_validate(slower))
    later = life(debtor.database, began_on=debtor.today)
    later.bill(debtor.today)

    debtor.pass_days(5)
    later.pass_days(6)

    assert debtor.kinds() == [StepKind.NOTICE, StepKind.REMINDER]
    assert later.kinds() == [StepKind.NOTICE]
    assert later.steps()[0].facts["policy_version"] == version
    assert debtor.steps()[-1].facts["policy_version"] < version


def test_what_another_open_process_collects_is_not_dunned(database: Database) -> None:
    debtor = life(database, began_on=DUE)
    with database.transaction() as session:
        process_id = factories.connection_invoice(session, debtor.account, MONTH_MINOR, issued_on=DUE).process_id

    debtor.pass_days(20)
    assert debtor.episodes() == []

    with database.transaction() as session:
        closed = {"status": ProcessStatus.COMPLETED, "closed_at": debtor.now}
        session.execute(update(Process).where(Process.id == process_id).values(**closed))
    debtor.pass_days(2)
    assert debtor.episode() is not None


def test_all_services_of_an_account_are_suspended_given_back_and_in_the_end_disconnected(debtor: Life) -> None:
    with debtor.database.transaction() as session:
        other, second_id = served_account(session, on=debtor.today - timedelta(days=40))
        session.get_one(Subscription, second_id).account_id = debtor.account.id
    del other
    second = replace(debtor, subscription_id=second_id)
    suspended(debtor)
    assert second.service() is SubscriptionStatus.SUSPENDED

    payment_id = debtor.pay(MONTH_MINOR)
    assert debtor.is_on()
    assert second.is_on()
    debtor.reverse(payment_id)
    debtor.pass_days(75)

    with debtor.database.transaction() as session:
        leaving = session.scalars(
            select(Process.subscription_id).where(
                Process.kind == ProcessKind.DISCONNECTION, Process.account_id == debtor.account.id
            )
        ).all()
    assert set(leaving) == {debtor.subscription_id, second_id}


# -- money -----------------------------------------------------------------------------------------------------------


def credited(debtor: Life) -> None:
    with debtor.database.transaction() as session:
        invoice_id = session.scalars(select(Invoice.id).where(Invoice.account_id == debtor.account.id)).one()
        credit_invoice(session, invoice_id, reason="ошибка", on=debtor.today, actor="test")


def written_off(debtor: Life) -> None:
    with debtor.database.transaction() as session:
        writing_off.write_off(
            session, account_id=debtor.account.id, reason="безнадёжный", approved_by="staff:head", key=str(uuid4()),
            on=debtor.today, actor="test",
        )  # fmt: skip


@pytest.mark.parametrize("hour", [3, 12, 23])
def test_paid_in_full_it_ends_at_once_and_the_service_is_back_at_any_hour(debtor: Life, hour: int) -> None:
    suspended(debtor)
    debtor.now = local(date(2026, 10, 11), hour)  # a Sunday

    debtor.pay(MONTH_MINOR)

    assert debtor.episode() is None
    assert debtor.is_on()
    assert debtor.episodes()[0].ended_as is Ending.PAID
    assert debtor.events()[-2:] == ["dunning_ended_paid", "dunning_service_restored"]
    assert debtor.messages()[-1][0] == "dunning_restored"
    debtor.deliver_sms()
    assert debtor.messages()[-1][1] == "sent", "whoever paid waits for the answer: no quiet hours"


@pytest.mark.parametrize("how", [credited, written_off], ids=["credited", "written off"])
@pytest.mark.usefixtures("looked_after")
def test_a_debt_that_is_gone_otherwise_ends_it_with_the_next_daily_round(
    debtor: Life, how: Callable[[Life], None]
) -> None:
    suspended(debtor)

    how(debtor)
    debtor.pass_days(1)

    assert debtor.episode() is None
    assert debtor.is_on()


def test_a_partial_payment_skips_and_repeats_nothing(debtor: Life) -> None:
    debtor.pass_days(12)
    debtor.pay(MONTH_MINOR // 2)

    debtor.pass_days(85)

    assert debtor.kinds() == [rung.kind for rung in DunningPolicy().ladder_of(Segment.INDIVIDUAL).rungs]
    assert [step.owed_minor for step in debtor.steps()][2:4] == [MONTH_MINOR, MONTH_MINOR // 2]


def test_below_the_minimum_debt_it_ends(debtor: Life) -> None:
    suspended(debtor)

    debtor.pay(MONTH_MINOR - 10_000)

    assert debtor.episodes()[0].ended_as is Ending.BELOW_MINIMUM
    assert debtor.is_on()
    assert debtor.messages()[-1][0] == "dunning_restored"


def test_a_payment_that_covers_the_oldest_invoice_gives_time(debtor: Life) -> None:
    debtor.bill(date(2026, 10, 1))
    debtor.pass_days(24)
    assert debtor.kinds()[-1] is StepKind.THROTTLE

    debtor.pay(MONTH_MINOR)
    debtor.pass_days(20)

    assert debtor.kinds()[-1] is StepKind.THROTTLE
    debtor.pass_days(10)
    assert debtor.taken_on()[-1] == ("suspend", date(2026, 10, 27)), "25 days after the newer due date is a day off"


def test_a_reversed_payment_resumes_the_ladder_with_fair_notice(debtor: Life) -> None:
    suspended(debtor)
    payment_id = debtor.pay(MONTH_MINOR)
    debtor.pass_days(3)
    assert debtor.episode() is None

    debtor.reverse(payment_id)
    debtor.pass_days(1)
    assert debtor.is_on(), "not suspended at once"
    debtor.pass_days(12)

    first, second = debtor.episodes()
    assert (first.number, second.number) == (1, 2)
    steps = [step for step in debtor.steps() if step.episode_id == second.process_id]
    assert [step.kind for step in steps] == [StepKind.FINAL_WARNING, StepKind.THROTTLE, StepKind.SUSPEND]
    assert steps[1].taken_at - steps[0].taken_at >= timedelta(days=3)


def test_a_reversal_that_has_nothing_to_do_with_an_old_debt_does_not_take_its_steps_for_done(debtor: Life) -> None:
    """Whoever was suspended last year is told of a new debt from the beginning."""
    suspended(debtor)
    debtor.pay(MONTH_MINOR)
    debtor.pass_days(10)
    debtor.bill(debtor.today + timedelta(days=5))
    payment_id = debtor.pay(MONTH_MINOR)

    debtor.reverse(payment_id)
    debtor.pass_days(8)

    episode = debtor.episode()
    assert episode is not None
    assert [step.kind for step in debtor.steps() if step.episode_id == episode.process_id] == [StepKind.NOTICE]


def test_after_a_second_reversal_it_is_warned_of_a_third_time(debtor: Life) -> None:
    debtor.pass_days(16)
    for _ in range(2):
        payment_id = debtor.pay(MONTH_MINOR // 2)
        debtor.pass_days(1)
        debtor.reverse(payment_id)
        debtor.pass_days(2)

    debtor.pass_days(6)

    assert debtor.kinds().count(StepKind.FINAL_WARNING) == 3
    warned, throttled = [step for step in debtor.steps() if step.round == 3][:2]
    assert throttled.kind is StepKind.THROTTLE
    assert throttled.taken_at - warned.taken_at >= timedelta(days=3)


def test_who_is_slow_when_a_payment_is_reversed_is_warned_before_the_service_is_off(debtor: Life) -> None:
    payment_id = debtor.pay(MONTH_MINOR // 2)
    debtor.pass_days(21)
    assert debtor.kinds()[-1] is StepKind.THROTTLE

    debtor.reverse(payment_id)
    debtor.pass_days(12)

    assert debtor.kinds()[-3:] == [StepKind.FINAL_WARNING, StepKind.THROTTLE, StepKind.SUSPEND]


def test_a_partial_payment_that_is_reversed_under_way_is_warned_of_anew(debtor: Life) -> None:
    debtor.pass_days(16)
    payment_id = debtor.pay(MONTH_MINOR // 2)
    debtor.pass_days(3)

    debtor.reverse(payment_id)
    debtor.pass_days(10)

    kinds = debtor.kinds()
    assert kinds.count(StepKind.FINAL_WARNING) == 2
    assert kinds.count(StepKind.REMINDER) == 1
    assert "dunning_resumed_payment_reversed" in debtor.events()
    warned, throttled = [step for step in debtor.steps() if step.round == 2][:2]
    assert throttled.kind is StepKind.THROTTLE
    assert throttled.taken_at - warned.taken_at >= timedelta(days=3)


def test_paid_in_the_night_no_reminder_goes_in_the_morning(debtor: Life) -> None:
    """Even where the process has not heard of the payment yet, because the engine is away."""
    debtor.pass_until(local(date(2026, 9, 15), 9) - timedelta(minutes=1))
    debtor.now = local(date(2026, 9, 15), 20, 59)
    debtor.look()
    assert debtor.messages()[-1] == ("dunning_reminder", "queued")
    with debtor.database.transaction() as session:
        session.execute(
            update(Message)
            .where(Message.subscriber_id == debtor.account.subscriber_id, Message.status == "queued")
            .values(not_before=local(date(2026, 9, 16), 9))
        )
    debtor.hear, hears = (lambda: None), debtor.hear  # type: ignore[method-assign]  # the engine is away
    debtor.pay(MONTH_MINOR)
    debtor.now = local(date(2026, 9, 16), 9)

    debtor.deliver_sms()

    assert debtor.messages()[-1] == ("dunning_reminder", "withdrawn")
    hears()
    assert debtor.episode() is None


# -- what it waits for -----------------------------------------------------------------------------------------------


def promise(debtor: Life, until_on: date, amount_minor: int | None = None) -> Promise:
    found: Promise = debtor.do(
        promises.make, debtor.account.id, amount_minor=amount_minor, until_on=until_on, at=debtor.now, zone=ZONE,
        actor="staff:operator",
    )  # fmt: skip
    return found


def status_of(debtor: Life, made: Promise) -> str:
    with debtor.database.transaction() as session:
        return session.get_one(Promise, made.id).status.value


def test_a_promise_holds_the_ladder_and_expires_by_itself(debtor: Life) -> None:
    debtor.pass_days(16)
    made = promise(debtor, date(2026, 10, 4))
    debtor.pass_until(local(date(2026, 10, 4), 23))
    assert debtor.kinds()[-1] is StepKind.FINAL_WARNING
    assert debtor.episode() is not None
    assert debtor.events()[-2:] == ["promise_made", "dunning_waits_promise"]

    debtor.pass_days(1)

    assert status_of(debtor, made) == "broken"
    assert debtor.taken_on()[-1] == ("throttle", date(2026, 10, 5))


def test_a_promise_is_kept_by_paying_what_was_promised(debtor: Life) -> None:
    debtor.pass_days(16)
    made = promise(debtor, date(2026, 10, 4), MONTH_MINOR // 2)

    debtor.pay(MONTH_MINOR // 2)

    assert status_of(debtor, made) == "kept"
    assert debtor.episode() is not None, "half of it is still owed"
    debtor.pass_days(6)
    assert debtor.kinds()[-1] is StepKind.THROTTLE, "and dunned"


def test_a_promise_made_before_the_due_date_is_kept_without_an_episode(database: Database) -> None:
    debtor = life(database, began_on=DUE)
    debtor.bill(DUE + timedelta(days=5))
    made = promise(debtor, DUE + timedelta(days=9))

    debtor.pass_days(3)
    debtor.pay(MONTH_MINOR)
    debtor.pass_days(4)

    assert debtor.episodes() == []
    assert status_of(debtor, made) == "kept"


@pytest.mark.parametrize(
    ("amount_minor", "days", "slug"),
    [
        (MONTH_MINOR // 3, 5, "promise_sum"),
        (MONTH_MINOR + 1, 5, "promise_sum"),
        (None, 15, "promise_too_long"),
        (None, -1, "promise_too_long"),
    ],
)
def test_a_promise_has_limits(debtor: Life, amount_minor: int | None, days: int, slug: str) -> None:
    debtor.pass_days(3)

    with pytest.raises(Refusal) as refusal:
        promise(debtor, debtor.today + timedelta(days=days), amount_minor)

    assert refusal.value.slug == slug


def test_a_promise_withdrawn_after_days_counts_and_one_mended_at_once_does_not(debtor: Life) -> None:
    debtor.pass_days(3)
    for kept_days in (0, 3, 2):
        made = promise(debtor, debtor.today + timedelta(days=10))
        debtor.pass_days(kept_days)
        debtor.do(promises.withdraw, made.id, at=debtor.now, actor="staff:operator")

    with pytest.raises(Refusal, match="last 90 days"):
        promise(debtor, debtor.today + timedelta(days=1))


def test_promises_are_used_up(debtor: Life) -> None:
    debtor.pass_days(3)
    for _ in range(2):
        promise(debtor, debtor.today + timedelta(days=1))
        debtor.pass_days(3)

    with pytest.raises(Refusal, match="last 90 days"):
        promise(debtor, debtor.today + timedelta(days=1))


def test_the_same_promise_twice_is_one_and_another_one_is_refused(debtor: Life) -> None:
    debtor.pass_days(3)
    on = debtor.today + timedelta(days=2)
    made = promise(debtor, on)

    assert promise(debtor, on).id == made.id
    with pytest.raises(Refusal, match="is open"):
        promise(debtor, on + timedelta(days=1))


def test_who_owes_nothing_need_not_promise(debtor: Life) -> None:
    debtor.pay(MONTH_MINOR)

    with pytest.raises(Refusal, match="Nothing is owed"):
        promise(debtor, debtor.today)


def test_a_promise_that_is_withdrawn_holds_nothing(debtor: Life) -> None:
    debtor.pass_days(16)
    made = promise(debtor, date(2026, 10, 8))
    debtor.do(promises.withdraw, made.id, at=debtor.now, actor="staff:operator")

    debtor.pass_days(6)

    assert debtor.kinds()[-1] is StepKind.THROTTLE


def test_where_the_policy_says_so_a_promise_gives_the_service_back(debtor: Life, policy: DunningPolicy) -> None:
    terms = policy.promises.model_copy(update={"restores_service": True})
    set_policy(debtor.database, policy.model_copy(update={"promises": terms}))
    suspended(debtor)

    promise(debtor, debtor.today + timedelta(days=5))
    assert debtor.is_on()
    debtor.pass_days(20)

    kinds = debtor.kinds()
    assert kinds.count(StepKind.FINAL_WARNING) == 2, "warned of anew before it is off again"
    assert kinds[-1] is StepKind.SUSPEND


def dispute(debtor: Life, invoice_id: UUID, amount_minor: int | None = None) -> UUID:
    new = NewDispute(
        invoice_id=invoice_id, amount=None if amount_minor is None else PositiveMoney(amount_minor=amount_minor),
        reason="не пользовался",
    )  # fmt: skip
    found: UUID = debtor.do(
        disputes.open_dispute, debtor.account.id, new, at=debtor.now, actor="staff:operator"
    ).id  # fmt: skip
    return found


def decide(debtor: Life, dispute_id: UUID, outcome: DisputeOutcome = DisputeOutcome.REJECTED) -> None:
    decision = DisputeDecision(outcome=outcome, note="проверено")
    debtor.do(disputes.decide_dispute, dispute_id, decision, at=debtor.now, actor="staff:accounting")


def test_only_the_disputed_part_is_held(debtor: Life) -> None:
    newer = debtor.bill(DUE)
    dispute(debtor, newer)

    debtor.pass_days(26)

    assert debtor.kinds()[-1] is StepKind.SUSPEND
    assert {step.owed_minor for step in debtor.steps()} == {MONTH_MINOR}


def test_who_disputes_last_month_and_pays_for_this_one_is_left_in_peace(debtor: Life) -> None:
    """Even though the money covers the disputed invoice, which is older."""
    debtor.pass_days(2)
    with debtor.database.transaction() as session:
        invoice_id = session.scalars(select(Invoice.id).where(Invoice.account_id == debtor.account.id)).one()
    dispute_id = dispute(debtor, invoice_id)
    debtor.bill(date(2026, 10, 10))
    debtor.pass_days(1)
    debtor.pay(MONTH_MINOR)

    debtor.pass_until(local(date(2026, 11, 20)))
    assert debtor.kinds() == [StepKind.NOTICE]
    assert debtor.is_on()
    decide(debtor, dispute_id)
    debtor.pass_days(1.5)

    assert debtor.kinds() == [StepKind.NOTICE, StepKind.NOTICE], "now it is a debt, and told of from the beginning"


def test_only_what_is_left_of_a_partly_paid_invoice_can_be_disputed(debtor: Life) -> None:
    debtor.pay(MONTH_MINOR // 2)
    with debtor.database.transaction() as session:
        invoice_id = session.scalars(select(Invoice.id).where(Invoice.account_id == debtor.account.id)).one()
    newer = debtor.bill(DUE)
    dispute(debtor, invoice_id)

    debtor.pass_days(2)

    assert [step.owed_minor for step in debtor.steps()] == [MONTH_MINOR], "the newer one, as a whole"
    assert newer != invoice_id


def test_a_debt_that_is_disputed_as_a_whole_waits_for_the_decision(debtor: Life) -> None:
    debtor.pass_days(2)
    with debtor.database.transaction() as session:
        invoice_id = session.scalars(select(Invoice.id).where(Invoice.account_id == debtor.account.id)).one()
    dispute_id = dispute(debtor, invoice_id)
    debtor.pass_days(30)
    assert debtor.kinds() == [StepKind.NOTICE]
    episode = debtor.episode()
    assert episode is not None
    assert episode.waits_for is Rule.DISPUTE

    decide(debtor, dispute_id)
    debtor.pass_days(15)

    assert debtor.kinds()[-1] is StepKind.SUSPEND


def test_a_dispute_about_the_whole_debt_gives_the_service_back(debtor: Life) -> None:
    suspended(debtor)
    with debtor.database.transaction() as session:
        invoice_id = session.scalars(select(Invoice.id).where(Invoice.account_id == debtor.account.id)).one()

    dispute_id = dispute(debtor, invoice_id)

    assert debtor.is_on()
    decide(debtor, dispute_id)
    debtor.pass_days(1)
    assert debtor.is_on(), "not off at once: the warning comes first"
    debtor.pass_days(15)
    assert debtor.kinds()[-3:] == [StepKind.FINAL_WARNING, StepKind.THROTTLE, StepKind.SUSPEND]


def test_a_dispute_has_limits(debtor: Life, database: Database) -> None:
    other = life(database, began_on=DUE)
    foreign = other.bill(DUE)
    with database.transaction() as session:
        own = session.scalars(select(Invoice.id).where(Invoice.account_id == debtor.account.id)).one()

    for invoice_id, amount_minor, slug in (
        (foreign, None, "invoice_unknown"),
        (own, MONTH_MINOR + 1, "dispute_too_large"),
    ):
        with pytest.raises(Refusal) as refusal:
            dispute(debtor, invoice_id, amount_minor)
        assert refusal.value.slug == slug
    assert dispute(debtor, own, 100) == dispute(debtor, own, 100)
    with pytest.raises(Refusal, match="disputed already"):
        dispute(debtor, own)


def exclude(debtor: Life, until_on: date) -> UUID:
    found: UUID = debtor.do(
        exclusions.exclude, debtor.account.id, until_on=until_on, reason="в больнице", at=debtor.now, zone=ZONE,
        actor="staff:operator",
    ).id  # fmt: skip
    return found


def test_an_excluded_account_gets_no_episode_until_its_day(debtor: Life) -> None:
    exclude(debtor, date(2026, 10, 10))

    debtor.pass_until(local(date(2026, 10, 9), 23))
    assert debtor.episodes() == []
    debtor.pass_days(4)

    assert debtor.kinds() == [StepKind.NOTICE, StepKind.REMINDER]


def test_an_exclusion_under_way_holds_the_ladder_and_gives_the_service_back(debtor: Life) -> None:
    suspended(debtor)

    exclusion_id = exclude(debtor, date(2026, 11, 10))
    assert debtor.is_on()
    debtor.pass_days(10)
    assert debtor.is_on()
    debtor.do(exclusions.end_exclusion, exclusion_id, at=debtor.now, actor="staff:operator")
    debtor.pass_days(15)

    assert debtor.kinds()[-3:] == [StepKind.FINAL_WARNING, StepKind.THROTTLE, StepKind.SUSPEND]


def test_an_exclusion_needs_an_end_within_a_year(debtor: Life) -> None:
    for until_on in (debtor.today, debtor.today + timedelta(days=400)):
        with pytest.raises(Refusal, match="Choose a day"):
            exclude(debtor, until_on)


def test_an_outage_holds_the_ladder_until_it_is_over(debtor: Life) -> None:
    source_id = uuid4()
    debtor.pass_days(16)
    debtor.do(
        dunning_holds.place, [debtor.account.id], HoldReason.OUTAGE, source_id=source_id, at=debtor.now, until_at=None
    )
    debtor.pass_days(20)
    assert debtor.kinds()[-1] is StepKind.FINAL_WARNING

    debtor.do(dunning_holds.release, source_id, at=debtor.now)
    debtor.pass_days(4)

    assert debtor.kinds()[-1] is StepKind.THROTTLE


def test_a_planned_outage_holds_until_its_end_and_no_longer(debtor: Life) -> None:
    debtor.pass_days(16)
    debtor.do(
        dunning_holds.place, [debtor.account.id], HoldReason.OUTAGE, source_id=uuid4(), at=debtor.now,
        until_at=local(date(2026, 10, 7), 4),
    )  # fmt: skip

    debtor.pass_days(20)

    assert ("throttle", date(2026, 10, 7)) in debtor.taken_on()


def test_a_freeze_holds_the_ladder_until_it_is_over(debtor: Life) -> None:
    debtor.pass_days(16)
    debtor.do(
        services.freeze, debtor.subscription_id, from_on=debtor.today, until_on=date(2026, 10, 20), today=debtor.today
    )
    debtor.look()

    debtor.pass_days(30)

    assert debtor.taken_on()[4] == ("throttle", date(2026, 10, 20))


def test_paid_while_it_is_frozen_a_service_that_was_off_is_on_in_the_network(debtor: Life) -> None:
    debtor.do(
        services.freeze, debtor.subscription_id, from_on=date(2026, 10, 10), until_on=date(2026, 10, 20),
        today=debtor.today,
    )  # fmt: skip
    suspended(debtor)
    debtor.pass_until(local(date(2026, 10, 12)))

    debtor.pay(MONTH_MINOR)

    assert debtor.is_on()


def test_money_in_suspense_that_was_meant_for_the_account_holds_the_ladder(debtor: Life) -> None:
    """The payer named the account, and by mistake somebody else's IIN: accounting finds out, and nobody is cut off."""
    debtor.pass_days(16)
    with debtor.database.transaction() as session:
        stranger = factories.customer(session)
        notice = factories.payment_notice(
            MONTH_MINOR, account_no=debtor.account.account_no, iin=stranger.subscriber.iin
        )  # fmt: skip
        answer, _ = payments.take_payment(
            session, bank_id=debtor.bank_id, notice=notice, received_at=debtor.now, on=debtor.today
        )
    debtor.pass_days(20)
    episode = debtor.episode()
    assert episode is not None
    assert (episode.waits_for, debtor.kinds()[-1]) == (Rule.PAYMENT_IN_FLIGHT, StepKind.FINAL_WARNING)

    debtor.do(
        payments.allocate_suspense, answer.payment_id, debtor.account.account_no, on=debtor.today, actor="test"
    )  # fmt: skip

    assert debtor.episode() is None
    assert debtor.is_on()


@pytest.mark.usefixtures("looked_after")
def test_a_payment_that_only_the_banks_registry_knows_holds_the_ladder_until_it_is_decided(debtor: Life) -> None:
    debtor.pass_days(16)
    with debtor.database.transaction() as session:
        process = Process(
            kind=ProcessKind.RECONCILIATION, workflow_id=f"reconciliation/{uuid4()}", stage="differences",
            opened_by="test",
        )  # fmt: skip
        session.add(process)
        session.flush()
        day = Reconciliation(bank_id=debtor.bank_id, day_on=debtor.today, process_id=process.id)
        session.add(day)
        session.flush()
        missing = ReconciliationDifference(
            reconciliation_id=day.id, txn_id=factories.unique("txn"), kind=DifferenceKind.MISSING_HERE,
            fingerprint="1", registry_minor=MONTH_MINOR, account_id=debtor.account.id, found_at=debtor.now,
        )  # fmt: skip
        session.add(missing)
    debtor.pass_days(20)
    assert debtor.kinds()[-1] is StepKind.FINAL_WARNING

    with debtor.database.transaction() as session:
        left = session.get_one(ReconciliationDifference, missing.id)
        left.status, left.closed_at, left.closed_by = DifferenceStatus.LEFT, debtor.now, "test"
    debtor.pass_days(4)

    assert debtor.kinds()[-1] is StepKind.THROTTLE


def test_a_hold_counts_however_late_its_clock_is(debtor: Life) -> None:
    """The process that looks may have begun to before the outage did; what is in the database counts."""
    debtor.pass_until(local(date(2026, 9, 30), 9) - timedelta(seconds=1))
    with debtor.database.transaction() as session:
        dunning_holds.place(
            session, [debtor.account.id], HoldReason.OUTAGE, source_id=uuid4(),
            at=debtor.now + timedelta(minutes=1), until_at=None,
        )  # fmt: skip
    debtor.now += timedelta(seconds=1)

    debtor.look()

    assert debtor.kinds()[-1] is StepKind.FINAL_WARNING


@pytest.mark.usefixtures("looked_after")
def test_a_disconnection_that_the_subscriber_wished_holds_the_ladder(debtor: Life) -> None:
    debtor.pass_days(16)
    with debtor.database.transaction() as session:
        process = Process(
            kind=ProcessKind.DISCONNECTION, workflow_id=f"disconnection/{uuid4()}", stage="control", opened_by="test",
            account_id=debtor.account.id, subscription_id=debtor.subscription_id,
        )  # fmt: skip
        session.add(process)
    debtor.pass_days(20)
    assert debtor.kinds()[-1] is StepKind.FINAL_WARNING

    with debtor.database.transaction() as session:
        cancelled = {"status": ProcessStatus.CANCELLED, "closed_at": debtor.now}
        session.execute(update(Process).where(Process.id == process.id).values(**cancelled))
    debtor.pass_days(4)

    assert debtor.kinds()[-1] is StepKind.THROTTLE


def test_nobody_is_cut_off_while_the_sms_do_not_go(debtor: Life) -> None:
    debtor.deliver_sms, delivers = (lambda: None), debtor.deliver_sms  # type: ignore[method-assign]  # the provider is away
    debtor.pass_days(40)
    assert debtor.kinds()[-1] is StepKind.FINAL_WARNING
    assert debtor.events()[-1] == "dunning_waits_warning_not_sent"

    debtor.deliver_sms = delivers  # type: ignore[method-assign]  # it is back
    debtor.pass_days(1)
    went_at = debtor.now
    debtor.pass_days(10)

    throttled = next(step for step in debtor.steps() if step.kind is StepKind.THROTTLE)
    assert throttled.taken_at - went_at >= timedelta(days=2), "fair notice runs from when it went"


def test_who_wants_no_sms_is_dunned_without(debtor: Life) -> None:
    with debtor.database.transaction() as session:
        opt_outs.remember(session, session.get_one(Subscriber, debtor.account.subscriber_id).phone, at=debtor.now)

    debtor.pass_days(26)

    assert debtor.kinds()[-1] is StepKind.SUSPEND
    assert {status for _, status in debtor.messages()} == {"withdrawn"}


# -- how it ends otherwise -------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("looked_after")
def test_a_service_that_is_disconnected_ends_it(debtor: Life) -> None:
    debtor.pass_days(95)
    with debtor.database.transaction() as session:
        services.terminate(session, debtor.subscription_id, on=debtor.today, today=debtor.today)

    debtor.pass_days(1)

    assert debtor.episodes()[0].ended_as is Ending.DISCONNECTED
    debtor.pass_days(30)
    assert len(debtor.episodes()) == 1, "what is left of the debt is accounting's"


def test_the_last_step_opens_a_disconnection_for_the_debt(debtor: Life) -> None:
    debtor.pass_days(95)

    with debtor.database.transaction() as session:
        process = session.scalars(
            select(Process).where(
                Process.kind == ProcessKind.DISCONNECTION, Process.account_id == debtor.account.id
            )
        ).one()  # fmt: skip
        assert process.subscription_id == debtor.subscription_id
        wanted = session.get_one(DisconnectionRequest, process.id)
    assert wanted.requested_on == date(2026, 12, 8), "the SMS says that paying stops it: not on the same day"
    assert "dunning_disconnection_opened" in debtor.events()
    episode = debtor.episode()
    assert episode is not None
    assert episode.waits_for is Rule.DISCONNECTION


@pytest.mark.usefixtures("looked_after")
def test_an_episode_whose_workflow_is_gone_goes_on_in_another_one(debtor: Life) -> None:
    suspended(debtor)
    lose_workflow(debtor)

    debtor.pass_days(1)

    assert not debtor.is_on(), "the debt is not gone with the workflow"
    lost, following = debtor.episodes()
    assert lost.ended_as is Ending.LOST
    debtor.pass_days(70)
    kinds = [step.kind for step in debtor.steps() if step.episode_id == following.process_id]
    assert kinds == [StepKind.DISCONNECT]


@pytest.mark.usefixtures("looked_after")
def test_what_was_kept_by_a_lost_episode_is_given_back_by_the_next_one(debtor: Life) -> None:
    test_an_episode_whose_workflow_is_gone_goes_on_in_another_one(debtor)
    with debtor.database.transaction() as session:
        ended = {"status": ProcessStatus.CANCELLED, "closed_at": debtor.now}
        of_debtor = (Process.account_id == debtor.account.id, Process.kind == ProcessKind.DISCONNECTION)
        session.execute(update(Process).where(*of_debtor).values(**ended))

    debtor.pay(MONTH_MINOR)

    assert debtor.is_on()


def lose_workflow(debtor: Life) -> None:
    """Somebody ends the workflow from outside; the next signal finds nobody."""
    with debtor.database.transaction() as session:
        workflow_id = session.get_one(Process, debtor.episodes()[-1].process_id).workflow_id
        session.add(
            Outbox(
                workflow_id=workflow_id, signal="look_again", delivered_at=debtor.now, last_error="nobody listens"
            )
        )  # fmt: skip


@pytest.mark.usefixtures("looked_after")
def test_who_pays_while_the_workflow_is_gone_has_the_service_back_with_the_next_round(debtor: Life) -> None:
    suspended(debtor)
    lose_workflow(debtor)
    debtor.hear, hears = (lambda: None), debtor.hear  # type: ignore[method-assign]  # nobody hears of it
    debtor.pay(MONTH_MINOR)
    debtor.hear = hears  # type: ignore[method-assign]

    debtor.pass_days(1)

    assert [episode.ended_as for episode in debtor.episodes()] == [Ending.LOST, Ending.PAID]
    assert debtor.is_on()
    reader = Reader(Language.EN, SETTINGS, debtor.now)
    with debtor.database.transaction() as session:
        why = why_service(session, debtor.subscription_id, debtor.now, reader)
    assert (why.rule, why.process_id) == (Ending.PAID, debtor.episodes()[-1].process_id)
    debtor.bill(debtor.today)
    debtor.pass_days(3)
    assert debtor.kinds()[-1] is StepKind.NOTICE, "a new debt is told of from the beginning"


@pytest.mark.usefixtures("looked_after")
def test_who_pays_while_the_workflow_is_gone_and_the_service_on_has_paid(debtor: Life) -> None:
    debtor.pass_days(6)
    lose_workflow(debtor)
    debtor.hear = lambda: None  # type: ignore[method-assign]  # nobody hears of it
    debtor.pay(MONTH_MINOR)

    debtor.pass_days(2)

    assert [episode.ended_as for episode in debtor.episodes()] == [Ending.PAID]


def test_steps_say_why_they_were_taken(debtor: Life) -> None:
    suspended(debtor)

    step = debtor.steps()[-1]

    assert step.kind is StepKind.SUSPEND
    assert step.facts["segment"] == "individual"
    assert step.facts["after"] == "P25D"
    assert step.facts["anchor_on"] == "2026-09-10"
    assert step.facts["owed_minor"] == MONTH_MINOR
    assert step.facts["minimum_minor"] == 50_000
    assert len(step.facts["invoices"]) == 1
    assert step.facts["warned_at"].startswith("2026-09-25")


def test_a_call_is_asked_for_until_it_is_made(debtor: Life) -> None:
    """Also where its task is open: a crash may have made the process forget it."""
    debtor.pass_days(12)
    episode = debtor.episode()
    assert episode is not None
    call = debtor.steps()[-1]
    assert call.kind is StepKind.CALL_TASK

    def asked() -> list[UUID]:
        with debtor.database.transaction() as session:
            looked = look(session, ProcessStep(process_id=episode.process_id, at=debtor.now), SETTINGS)
            return [one.step_id for one in looked.calls]

    with debtor.database.transaction() as session:
        task = Task(
            process_id=episode.process_id, kind=TaskKind.CALL_DEBTOR, department=Role.OPERATOR,
            facts={"step_id": str(call.id)}, opened_at=debtor.now, due_at=debtor.now,
        )  # fmt: skip
        session.add(task)
    assert asked() == [call.id]
    debtor.pay(MONTH_MINOR)
    assert asked() == [call.id], "so that its process takes the task back"

    with debtor.database.transaction() as session:
        withdrawn = session.get_one(Task, task.id)
        withdrawn.status = TaskStatus.WITHDRAWN
    assert asked() == []


def test_looking_twice_changes_nothing(debtor: Life) -> None:
    suspended(debtor)
    before: dict[str, Any] = {"steps": debtor.taken_on(), "sms": debtor.messages(), "events": debtor.events()}

    for _ in range(3):
        debtor.look()

    assert before == {"steps": debtor.taken_on(), "sms": debtor.messages(), "events": debtor.events()}


def test_two_rounds_a_day_open_one_episode(debtor: Life) -> None:
    debtor.pass_until(local(DUE, 7))
    debtor.morning()
    debtor.morning()

    assert len(debtor.episodes()) == 1
