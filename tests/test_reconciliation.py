"""A bank's day from payments to closed: the registry, the differences, the money, and what may go otherwise."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from models.contracts.people import Language
from models.contracts.processes import ProcessStatus, TaskKind
from models.contracts.reconciliation import DifferenceStatus
from models.contracts.reconciliation_process import ReconciliationPolicy, ReconciliationStage
from models.database import Database
from models.rules.reconciliation_sentences import RECONCILIATION_EVENTS
from models.rules.sentences import EVENTS, sentence
from models.tables.payments import Payment
from tests.connection_world import eventually
from tests.engines import TemporalServer
from tests.reconciliation_world import ZONE, BankWorld, bank_world

TimeSkipping = Callable[[], TemporalServer]


@pytest.fixture
def world(database: Database, time_skipping: TimeSkipping) -> Iterator[BankWorld]:
    with bank_world(database, time_skipping()) as world:
        yield world


@pytest.fixture
def bank(database: Database, time_skipping: TimeSkipping) -> Iterator[Callable[..., BankWorld]]:
    """A bank with other terms."""
    with ExitStack() as stack:
        yield lambda **terms: stack.enter_context(bank_world(database, time_skipping(), **terms))


def type_of_refusal(act: Callable[[], object]) -> str | None:
    with pytest.raises(WorkflowUpdateFailedError) as failure:
        act()
    assert isinstance(failure.value.cause, ApplicationError)
    return failure.value.cause.type


def net(gross_minor: int) -> int:
    """What the bank passes on of a sum: it keeps 0.95 %."""
    return gross_minor - round(gross_minor * 95 / 10_000)


# -- the whole day ----------------------------------------------------------------------------------------------------


def test_a_day_without_differences_closes_by_itself_once_the_money_is_there(world: BankWorld) -> None:
    txns = [world.pay(1_000_000, 0), world.pay(2_000_000, 1), world.pay(500_000, 2, by_iin=True)]
    world.open()
    world.send(world.rows(*txns))
    world.wait_for_stage("settlement")
    world.bring_in(world.transfer(net(3_500_000)))

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books() == {"1030": 3_466_750, "3510": -3_500_000, "7210": 33_250}
    assert world.events() == ["bank_day_opened", "registry_taken", "bank_day_settled", "bank_day_closed"]
    figures = world.timeline()[-1].facts
    assert figures == {
        "lines": 3, "gross_minor": 3_500_000, "posted_minor": 3_500_000, "net_minor": 3_466_750, "fee_minor": 33_250,
        "in_transit_minor": 0,
    }  # fmt: skip
    assert (world.process().stage, world.process().status) == ("closed", ProcessStatus.COMPLETED)


def test_a_day_with_every_kind_of_difference_ends_with_the_banks_figures(world: BankWorld) -> None:
    """The whole day: what is proposed is carried out, the money comes, and nothing stays in transit."""
    eve = world.day - timedelta(days=1)
    same, extra, other_sum = (world.pay(amount) for amount in (1_000_000, 300_000, 50_000))
    misdirected, taken_back = world.pay(70_000, 0), world.pay(80_000, 1)
    world.reverse(taken_back, at=world.at(hour=20))
    of_the_eve = world.pay(90_000, 2, day=eve)
    one, two, three = world.accounts
    world.send(
        [(same, one, 1_000_000), (other_sum, one, 5_000), (misdirected, two, 70_000), (taken_back, two, 80_000),
         (of_the_eve, three, 90_000), ("only-there", three, 40_000), ("nobodys", "0000000", 10_000),
         ("too-much", one, -1_000)]
    )  # fmt: skip
    expected = {
        "extra_here": ("reverse_payment", "reversed"), "other_sum": ("correct_payment", "corrected"),
        "other_account": ("correct_payment", "corrected"), "reversed_here": ("post_payment", "posted"),
        "other_date": ("accept_date", "accepted"), "missing_here": ("post_payment", "posted"),
        "unknown_account": ("post_payment", "posted"), "refund_unknown": ("explain_difference", "left"),
    }  # fmt: skip
    eventually(lambda: len(world.open_tasks()) == len(expected))
    assert {task.facts["kind"]: task.kind for task in world.open_tasks()} == {
        kind: task for kind, (task, _) in expected.items()
    }
    for task in world.open_tasks():
        outcome = expected[task.facts["kind"]][1]
        world.complete(task, outcome, {"reason": "the bank mends it"} if outcome == "left" else {})
    world.wait_for_stage("settlement")
    gross = world.reconciliation().gross_minor
    assert gross == 1_000_000 + 5_000 + 70_000 + 80_000 + 90_000 + 40_000 + 10_000 - 1_000
    world.bring_in(world.transfer(net(gross)))

    assert world.outcome().status is ProcessStatus.COMPLETED
    books = world.books()
    assert (books["1030"], books["7210"]) == (net(gross), gross - net(gross))
    assert books["1020"] == 1_000, "what was left with a reason: a refund that nobody can explain"
    assert world.timeline()[-1].facts["in_transit_minor"] == 1_000
    assert world.standing() == {
        same: 1_000_000, other_sum: 5_000, misdirected: 70_000, taken_back: 80_000, of_the_eve: 90_000,
        "only-there": 40_000, "nobodys": 10_000,
    }  # fmt: skip
    assert extra not in world.standing()
    eventually(lambda: world.open_tasks() == [])


# -- the registry -----------------------------------------------------------------------------------------------------


def test_a_registry_that_does_not_come_is_a_task_that_its_arrival_takes_away(world: BankWorld) -> None:
    txn = world.pay(100_000)
    world.open()
    world.sleep(timedelta(days=1, hours=1))
    task = world.task(TaskKind.GET_REGISTRY)
    assert (world.process().stage, task.facts["day_on"]) == ("registry", world.day.isoformat())

    assert type_of_refusal(lambda: world.complete(task, "received")) == "registry_missing"
    world.send(world.rows(txn))

    world.wait_for_stage("settlement")
    eventually(lambda: world.open_tasks() == [])
    assert world.events().count("task_withdrawn") == 1


def test_a_registry_that_does_not_come_is_brought_before_the_head_of_accounting(world: BankWorld) -> None:
    world.open()
    world.sleep(timedelta(days=2, hours=1))

    eventually(lambda: world.task(TaskKind.GET_REGISTRY).escalated_at)


def test_a_day_on_which_nothing_was_paid_is_closed_with_a_reason(world: BankWorld) -> None:
    world.open()
    world.sleep(timedelta(days=1, hours=1))
    world.complete(world.task(TaskKind.GET_REGISTRY), "nothing_was_paid", {"reason": "the bank had a holiday"})

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.registry_versions() == [(1, "taken")]
    assert world.books() == {}


def test_nothing_was_paid_makes_payments_of_the_day_differences(world: BankWorld) -> None:
    world.pay(100_000)
    world.open()
    world.sleep(timedelta(days=1, hours=1))
    world.complete(world.task(TaskKind.GET_REGISTRY), "nothing_was_paid", {"reason": "so the bank says"})

    world.complete(world.task(TaskKind.REVERSE_PAYMENT), "reversed")
    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books() == {}


def test_a_registry_before_its_time_opens_the_day_by_itself(world: BankWorld) -> None:
    world.send(world.rows(world.pay(100_000)))

    world.wait_for_stage("settlement")
    assert world.events()[:2] == ["bank_day_opened", "registry_taken"]


DOUBTFUL = "A-1\t{on}\t10:00:00\t{account}\t100.00\nTotal: 2 200.00\n"


def doubtful(world: BankWorld) -> str:
    return DOUBTFUL.format(on=f"{world.day:%d.%m.%Y}", account=world.accounts[0])


def test_nothing_is_taken_from_a_registry_whose_total_does_not_agree_until_accounting_says_so(
    world: BankWorld,
) -> None:
    world.pay(10_000, txn="A-1")
    world.send(doubtful(world))
    task = world.task(TaskKind.CHECK_REGISTRY)
    assert (task.facts["version"], task.facts["lines"], task.facts["problems"]) == (1, 1, 1)
    assert world.reconciliation().registry_id is None

    world.complete(task, "accepted", {"reason": "the bank counts a test payment"})

    world.wait_for_stage("settlement")
    assert world.registry_versions() == [(1, "taken")]


def test_a_doubtful_registry_goes_when_a_better_one_comes(world: BankWorld) -> None:
    txn = world.pay(10_000)
    world.send(doubtful(world))
    task = world.task(TaskKind.CHECK_REGISTRY)
    world.send(world.rows(txn))

    world.wait_for_stage("settlement")
    eventually(lambda: world.open_tasks() == [])
    assert world.registry_versions() == [(1, "doubtful"), (2, "taken")]
    assert type_of_refusal(lambda: world.complete(task, "accepted", {"reason": "too late"})) in {
        "task_unknown", "task_not_open",
    }  # fmt: skip


def test_after_a_refused_registry_another_one_is_waited_for(world: BankWorld) -> None:
    world.open()
    world.send(doubtful(world))
    world.complete(world.task(TaskKind.CHECK_REGISTRY), "refused", {"reason": "cut off in the middle"})

    eventually(lambda: world.state().stage == ReconciliationStage.REGISTRY)
    world.send([])
    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.registry_versions() == [(1, "refused"), (2, "taken")]


def test_a_corrected_registry_is_compared_anew_and_the_earlier_is_kept(world: BankWorld) -> None:
    txn = world.pay(10_000)
    first = world.send([])
    world.task(TaskKind.REVERSE_PAYMENT)
    assert world.send(world.rows(txn)) != first

    world.wait_for_stage("settlement")
    eventually(lambda: world.open_tasks() == [])
    assert world.registry_versions() == [(1, "taken"), (2, "taken")]
    assert world.send([]) == first, "the same content again is the same registry"
    assert world.differences() == []


def test_a_correction_after_the_close_opens_the_day_again_for_what_is_missing(world: BankWorld) -> None:
    txn = world.pay(100_000)
    world.send(world.rows(txn))
    world.bring_in(world.transfer(net(100_000)))
    assert world.outcome().status is ProcessStatus.COMPLETED

    world.send([*world.rows(txn), ("A-2", world.accounts[1], 50_000)])
    world.complete(world.task(TaskKind.POST_PAYMENT), "posted")
    world.wait_for_stage("settlement")
    world.bring_in(world.transfer(net(150_000) - net(100_000), number=7))

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.events()[0] == "bank_day_opened_again"
    books = world.books()
    assert (books.get("1020", 0), books["1030"], books["7210"]) == (0, net(150_000), 150_000 - net(150_000))


# -- differences ------------------------------------------------------------------------------------------------------


def test_a_late_payment_takes_its_difference_away(world: BankWorld) -> None:
    world.send([("A-1", world.accounts[0], 10_000)])
    world.task(TaskKind.POST_PAYMENT)
    world.pay(10_000, txn="A-1", late=True)

    world.wait_for_stage("settlement")
    eventually(lambda: world.open_tasks() == [])
    assert [one.status for one in world.differences(None)] == [DifferenceStatus.VANISHED]


def test_a_payment_that_an_accountant_takes_back_by_hand_takes_its_difference_away(world: BankWorld) -> None:
    txn = world.pay(10_000)
    world.send([])
    world.task(TaskKind.REVERSE_PAYMENT)
    world.reverse(txn, at=world.now())

    # Taken back today, it is yesterday's all the same: the registry that lacks it is yesterday's.
    world.complete(world.task(TaskKind.ACCEPT_DATE), "accepted")
    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books() == {}


def test_a_difference_that_is_left_stays_in_transit_with_its_reason(world: BankWorld) -> None:
    txn = world.pay(10_000)
    world.send([])
    world.complete(world.task(TaskKind.REVERSE_PAYMENT), "left", {"reason": "it comes in the next registry"})

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books() == {"1020": 10_000, "3510": -10_000}
    assert world.standing() == {txn: 10_000}
    assert [one.reason for one in world.differences(DifferenceStatus.LEFT)] == ["it comes in the next registry"]


def test_the_next_registry_takes_a_payment_over_and_the_earlier_days_difference_goes(world: BankWorld) -> None:
    world.day -= timedelta(days=1)
    eve, day = world.day, world.day + timedelta(days=1)
    world.pay(10_000, txn="A-1", hour=23)
    world.send([])
    world.task(TaskKind.REVERSE_PAYMENT)
    world.send([("A-1", world.accounts[0], 10_000)], day=day)
    world.day = day
    world.complete(world.task(TaskKind.ACCEPT_DATE), "accepted")

    assert world.outcome(eve).status is ProcessStatus.COMPLETED
    world.wait_for_stage("settlement")


def test_a_refused_action_leaves_the_task_open_and_says_why(world: BankWorld) -> None:
    world.send([("A-1", "0000000", 10_000)])
    task = world.task(TaskKind.POST_PAYMENT)

    refused = type_of_refusal(lambda: world.complete(task, "posted", {"account_no": "nobody"}))

    assert refused == "account_unknown"
    world.complete(world.task(TaskKind.POST_PAYMENT), "posted", {"account_no": world.accounts[1]})
    world.wait_for_stage("settlement")
    assert world.balance_of(1) == 10_000


def test_many_differences_are_one_task_and_are_carried_out_together(world: BankWorld) -> None:
    world.policy = ReconciliationPolicy(most_tasks=3)
    extra = [world.pay(1_000) for _ in range(2)]
    rows = [(f"A-{number}", world.accounts[number % 3], 1_000 + number) for number in range(10)]
    world.send([*rows, ("too-much", world.accounts[0], -500)])
    task = world.task(TaskKind.RESOLVE_DIFFERENCES)
    assert len(world.open_tasks()) == 1
    assert task.facts["by_kind"] == {"extra_here": 2, "missing_here": 10, "refund_unknown": 1}

    world.complete(task, "carried_out", {"kinds": ["missing_here"]})
    eventually(lambda: set(world.standing()) == {*extra, *(txn for txn, _, _ in rows)})
    for task in eventually(lambda: tasks if len(tasks := world.open_tasks()) == 3 else None):
        outcome = {"reverse_payment": "reversed", "explain_difference": "left"}[task.kind]
        world.complete(task, outcome, {"reason": "a test of the bank"} if outcome == "left" else {})

    world.wait_for_stage("settlement")
    assert set(world.standing()) == {txn for txn, _, _ in rows}
    assert world.events().count("differences_carried_out") == 1


def test_many_differences_are_left_together(world: BankWorld) -> None:
    world.policy = ReconciliationPolicy(most_tasks=1)
    for _ in range(3):
        world.pay(1_000)
    world.send([])
    task = world.task(TaskKind.RESOLVE_DIFFERENCES)
    assert type_of_refusal(
        lambda: world.complete(task, "left", {"kinds": ["other_sum"], "reason": "none of these"})
    ) == "nothing_to_leave"  # fmt: skip
    world.complete(task, "left", {"reason": "a fault of the bank's export"})

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books()["1020"] == 3_000


def test_what_can_not_be_carried_out_together_gets_a_task_that_says_why(world: BankWorld) -> None:
    world.policy = ReconciliationPolicy(most_tasks=1)
    with_refund, without = world.pay(10_000, 0), world.pay(20_000, 1)
    refund_in_part(world, with_refund)
    world.send([])
    world.complete(world.task(TaskKind.RESOLVE_DIFFERENCES), "carried_out")

    task = world.task(TaskKind.REVERSE_PAYMENT)
    assert task.facts["txn_id"] == with_refund
    assert "paid back to the subscriber" in task.facts["refusal"]
    assert set(world.standing()) == {with_refund}
    assert without not in world.standing()


def refund_in_part(world: BankWorld, txn: str) -> None:
    with world.database.transaction() as session:
        session.execute(
            update(Payment).where(Payment.bank_id == world.bank_id, Payment.txn_id == txn).values(refunded_minor=1)
        )


# -- the money --------------------------------------------------------------------------------------------------------


def test_days_around_a_weekend_are_settled_by_one_line(world: BankWorld) -> None:
    days = [world.day - timedelta(days=back) for back in (2, 1, 0)]
    for on, amount in zip(days, (100_000, 200_000, 300_000), strict=True):
        world.send(world.rows(world.pay(amount, day=on)), day=on)
        world.wait_for_stage("settlement", on)
    world.bring_in(world.transfer(sum(net(amount) for amount in (100_000, 200_000, 300_000))))

    for on in days:
        assert world.outcome(on).status is ProcessStatus.COMPLETED
    assert world.books() == {"1030": 594_300, "3510": -600_000, "7210": 5_700}


def test_money_that_came_before_the_registry_settles_the_day_once_it_is_compared(world: BankWorld) -> None:
    txn = world.pay(100_000)
    world.bring_in(world.transfer(net(100_000)))
    world.open()
    world.send(world.rows(txn))

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert "1020" not in world.books()


def test_the_same_statement_twice_and_another_that_overlaps_settle_once(world: BankWorld) -> None:
    world.send(world.rows(world.pay(100_000)))
    transfer = world.transfer(net(100_000), number=1)
    world.bring_in(transfer)
    world.bring_in(transfer)
    world.bring_in(transfer, world.transfer(123_456, number=2, payer_iik="KZ000000000000000009"))

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books() == {"1030": net(100_000), "3510": -100_000, "7210": 100_000 - net(100_000)}


def test_a_transfer_that_does_not_come_is_a_task_that_its_arrival_takes_away(world: BankWorld) -> None:
    world.send(world.rows(world.pay(100_000)))
    world.wait_for_stage("settlement")
    world.sleep(timedelta(days=8, hours=1))
    task = world.task(TaskKind.SETTLE_BANK_DAY)
    assert (task.facts["gross_minor"], task.facts["fee_minor"], task.facts["expected_minor"]) == (100_000, 950, 99_050)
    world.bring_in(world.transfer(net(100_000)))

    assert world.outcome().status is ProcessStatus.COMPLETED
    eventually(lambda: world.open_tasks() == [])


def mismatched(world: BankWorld, amount: int) -> Any:
    """The bank's transfer names the day and has another sum; answers the task about it."""
    world.send(world.rows(world.pay(100_000)))
    world.wait_for_stage("settlement")
    world.bring_in(world.transfer(amount, purpose=f"Платежи за {world.day:%d.%m.%Y}"))
    return world.task(TaskKind.SETTLE_BANK_DAY)


def test_a_transfer_of_another_sum_is_a_task_with_the_numbers_and_may_be_accepted(world: BankWorld) -> None:
    task = mismatched(world, 98_000)
    (candidate,) = task.facts["candidates"]
    assert candidate["amount_minor"] == 98_000
    world.complete(task, "settled", {"line_ids": [candidate["line_id"]], "reason": "a new price list"})

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books() == {"1030": 98_000, "3510": -100_000, "7210": 2_000}


def test_what_is_missing_beside_the_fee_stays_in_transit(world: BankWorld) -> None:
    task = mismatched(world, 90_000)
    data = {"line_ids": [task.facts["candidates"][0]["line_id"]], "fee_minor": 950, "reason": "the rest is claimed"}
    world.complete(task, "settled", data)

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books() == {"1020": 9_050, "1030": 90_000, "3510": -100_000, "7210": 950}


def test_a_transfer_of_more_than_the_registry_needs_a_fee_that_somebody_names(world: BankWorld) -> None:
    task = mismatched(world, 110_000)
    lines = [task.facts["candidates"][0]["line_id"]]

    assert type_of_refusal(
        lambda: world.complete(task, "settled", {"line_ids": lines, "reason": "whatever it is"})
    ) == "more_than_the_registry"  # fmt: skip
    world.complete(task, "settled", {"line_ids": lines, "fee_minor": 0, "reason": "to be paid back"})

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books() == {"1020": -10_000, "1030": 110_000, "3510": -100_000}


def test_money_that_came_in_without_a_statement_is_entered_by_hand(world: BankWorld) -> None:
    world.send(world.rows(world.pay(100_000)))
    world.sleep(timedelta(days=8, hours=1))
    task = world.task(TaskKind.SETTLE_BANK_DAY)
    money = {"amount": {"amount_minor": 99_000, "currency": "KZT"}, "reference": "п/п 17"}

    early = {**money, "received_on": (world.day - timedelta(days=1)).isoformat()}
    assert type_of_refusal(lambda: world.complete(task, "received", early)) == "received_when"
    world.complete(task, "received", {**money, "received_on": world.day.isoformat()})

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books() == {"1030": 99_000, "3510": -100_000, "7210": 1_000}


def test_several_days_are_settled_by_hand_together(world: BankWorld) -> None:
    eve = world.day - timedelta(days=1)
    for on in (eve, world.day):
        world.send(world.rows(world.pay(100_000, day=on)), day=on)
        world.wait_for_stage("settlement", on)
    purpose = f"за {eve:%d.%m.%Y}-{world.day:%d.%m.%Y}"
    world.bring_in(world.transfer(190_000, purpose=purpose))
    task = world.task(TaskKind.SETTLE_BANK_DAY)
    line_ids = [task.facts["candidates"][0]["line_id"]]
    not_ready = {"line_ids": line_ids, "days": [(eve - timedelta(days=1)).isoformat()], "reason": "a wrong day"}
    assert type_of_refusal(lambda: world.complete(task, "settled", not_ready)) == "day_not_ready"
    days = [eve.isoformat(), world.day.isoformat()]
    world.complete(task, "settled", {"line_ids": line_ids, "days": days, "reason": "five percent, as agreed"})

    for on in (eve, world.day):
        assert world.outcome(on).status is ProcessStatus.COMPLETED
    assert world.books() == {"1030": 190_000, "3510": -200_000, "7210": 10_000}
    assert world.open_tasks(day=eve) == []


def test_a_transfer_that_is_waited_for_no_longer_leaves_the_money_in_transit(world: BankWorld) -> None:
    world.send(world.rows(world.pay(100_000)))
    world.sleep(timedelta(days=8, hours=1))
    world.complete(world.task(TaskKind.SETTLE_BANK_DAY), "left", {"reason": "the bank is insolvent"})

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books() == {"1020": 100_000, "3510": -100_000}


def test_the_fee_may_be_what_the_statement_says(bank: Callable[..., BankWorld]) -> None:
    world = bank(fee={"kind": "as_statement", "at_most_bp": 200})
    world.send(world.rows(world.pay(100_000)))
    world.wait_for_stage("settlement")
    world.bring_in(world.transfer(98_765))

    assert world.outcome().status is ProcessStatus.COMPLETED
    assert world.books() == {"1030": 98_765, "3510": -100_000, "7210": 1_235}


def test_refunds_beyond_a_days_payments_are_kept_back_from_the_next_transfer(world: BankWorld) -> None:
    eve, old = world.day - timedelta(days=1), world.day - timedelta(days=2)
    world.agree(fee={})
    txn = world.pay(70_000, day=old)
    world.send(world.rows(txn), day=old)
    world.send([(txn, world.accounts[0], -70_000)], day=eve)
    task = eventually(lambda: next(iter(world.open_tasks(TaskKind.REVERSE_PAYMENT, day=eve)), None))
    world.complete(task, "reversed")
    world.send(world.rows(world.pay(100_000)))
    for on in (old, eve, world.day):
        world.wait_for_stage("settlement", on)
    world.bring_in(world.transfer(100_000, number=1))

    for on in (old, eve, world.day):
        assert world.outcome(on).status is ProcessStatus.COMPLETED
    assert world.books() == {"1030": 100_000, "3510": -100_000}


# -- the end ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["registry", "differences", "settlement"])
def test_a_cancelled_day_asks_nothing_more_undoes_nothing_and_may_be_opened_again(world: BankWorld, stage: str) -> None:
    txn = world.pay(100_000)
    world.open()
    if stage != "registry":
        world.send(world.rows(txn) if stage == "settlement" else [("A-1", world.accounts[1], 10_000)])
    eventually(lambda: world.state().stage == stage)
    before = world.books()
    world.cancel("the bank sends these on paper")

    assert world.outcome().status is ProcessStatus.CANCELLED
    assert (world.open_tasks(), world.books()) == ([], before)
    assert world.process().close_reason == "the bank sends these on paper"
    assert "bank_day_cancelled" in world.events()
    world.open()
    world.send(world.rows(txn))
    world.bring_in(world.transfer(net(100_000)))
    assert world.outcome().status is ProcessStatus.COMPLETED


def test_a_day_cancelled_in_the_temporal_ui_ends_as_cancelled(world: BankWorld) -> None:
    world.send([("A-1", world.accounts[0], 10_000)])
    world.task(TaskKind.POST_PAYMENT)
    assert world.server is not None
    world.server.run(world.handle().cancel())

    assert world.outcome().status is ProcessStatus.CANCELLED
    assert (world.open_tasks(), world.process().status) == ([], ProcessStatus.CANCELLED)


def test_a_closed_day_can_not_be_cancelled(world: BankWorld) -> None:
    world.send([])
    world.outcome()

    with pytest.raises(Exception, match=r"completed|not found"):
        world.cancel()


def test_tasks_that_are_overdue_are_brought_before_the_head_side_by_side(world: BankWorld) -> None:
    world.send([(f"A-{number}", world.accounts[0], 1_000) for number in range(3)])
    eventually(lambda: len(world.open_tasks(TaskKind.POST_PAYMENT)) == 3)
    world.sleep(timedelta(days=3, hours=1))

    eventually(lambda: all(task.escalated_at for task in world.open_tasks(TaskKind.POST_PAYMENT)))


def test_the_books_are_looked_at_now_and_then_although_nobody_says_that_they_changed(world: BankWorld) -> None:
    world.send([("A-1", world.accounts[0], 10_000)])
    world.task(TaskKind.POST_PAYMENT)
    server, world.server = world.server, None  # so that nobody tells the process
    at = world.day
    world.pay(10_000, txn="A-1", day=at)
    world.server = server
    world.sleep(timedelta(hours=7))

    world.wait_for_stage("settlement")


@pytest.mark.parametrize("language", Language)
def test_everything_that_happens_is_a_sentence(language: Language) -> None:
    facts = {
        "bank": "Demo Bank", "day_on": "2026-11-23", "version": 1, "lines": 3, "total_minor": 1, "problems": 1,
        "reason": "so it is", "txn_id": "A-1", "registry_minor": 1, "standing_minor": 1, "posted_minor": 1, "count": 2,
        "amount_minor": 1, "received_on": "2026-11-24", "days": 2, "net_minor": 1, "fee_minor": 1, "gross_minor": 1,
        "in_transit_minor": 0,
    }  # fmt: skip
    assert set(RECONCILIATION_EVENTS) <= set(EVENTS)
    for event in RECONCILIATION_EVENTS:
        said = sentence(event, facts, who="Гульнара", language=language, zone=ZONE)
        assert "—" not in said.replace(" — so it is", "").replace(" — в", ""), (event, said)
