"""The billing run as a process: once for everybody, whatever breaks, and nothing twice."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest
from sqlalchemy import select
from temporalio.exceptions import ApplicationError

from activities.billing_exceptions import bill_listed_account
from models.contracts.billing import BillingProblem
from models.contracts.billing_run import PartitionOrder, RunProgress
from models.contracts.engine import PROGRESS, STATE
from models.contracts.messaging import MessageStatus, Urgency
from models.contracts.money import kzt
from models.contracts.people import Language
from models.contracts.processes import ProcessState, ProcessStatus
from models.contracts.refusals import Refusal
from models.tables.people import Subscriber
from tests.billing_world import FEE_MINOR, PARTITION, Month, month_of_billing, template_of
from tests.connection_world import eventually
from tests.engines import TemporalServer
from tests.histories import legible

SUBSCRIBERS = 23
WITHIN_SECONDS = 120
"""How long a step that is held up waits for its test, and a test for a step."""


@pytest.fixture(scope="module")
def template(postgres_url: str) -> Iterator[str]:
    with template_of(postgres_url, subscribers=SUBSCRIBERS) as url:
        yield url


@pytest.fixture
def month(template: str, temporal: TemporalServer) -> Iterator[Month]:
    with month_of_billing(template, temporal) as month:
        yield month


def test_everybody_is_billed_once_in_several_parts(month: Month) -> None:
    result = month.run()

    assert result.status is ProcessStatus.COMPLETED
    assert (result.subscribers_total, result.subscribers_done) == (SUBSCRIBERS, SUBSCRIBERS)
    assert (result.invoices_issued, result.exceptions, result.nothing_due) == (SUBSCRIBERS, 0, 0)
    assert result.invoiced == kzt(SUBSCRIBERS * FEE_MINOR)
    assert {invoice.total_minor for invoice in month.invoices()} == {FEE_MINOR}
    assert month.numbers() == list(range(1, SUBSCRIBERS + 1))
    assert month.ledger()["1210"] == SUBSCRIBERS * FEE_MINOR
    assert month.workflow_id == f"billing-run/{month.period}"
    process = month.process()
    assert (process.status, process.stage, process.waiting_for) == (ProcessStatus.COMPLETED, "closed", None)
    assert month.events() == ["billing_run_opened", "billing_run_planned", "billing_run_completed"]
    assert month.timeline()[-1].facts["invoices"] == SUBSCRIBERS
    assert month.timeline()[1].facts["partitions"] == -(-SUBSCRIBERS // PARTITION)


def test_a_part_whose_worker_dies_before_or_after_its_commit_is_billed_once(month: Month) -> None:
    tries: dict[str, int] = {"before": 0, "after": 0}

    def die(when: str, order: PartitionOrder) -> None:
        if order.first_number == 6:
            tries[when] += 1
            if tries[when] == 1:
                raise ConnectionError("the worker is gone")

    month.steps.before_partition = lambda order: die("before", order)
    month.steps.after_partition = lambda order: die("after", order)

    result = month.run()

    assert tries["before"] == 3
    assert result.invoices_issued == len(month.invoices()) == SUBSCRIBERS
    assert month.numbers() == list(range(1, SUBSCRIBERS + 1))
    assert month.ledger()["1210"] == SUBSCRIBERS * FEE_MINOR


def test_run_again_the_same_month_adds_nothing(month: Month) -> None:
    first = month.run()
    transfers, ledger = month.transfers(), month.ledger()
    second = month.run()

    assert second.run_id != first.run_id
    assert month.workflow_id == f"billing-run/{month.period}/{second.run_id}"
    assert (second.invoices_issued, second.exceptions, second.nothing_due) == (0, 0, SUBSCRIBERS)
    assert second.invoiced == kzt(0)
    assert (month.transfers(), month.ledger(), len(month.messages())) == (transfers, ledger, SUBSCRIBERS)


def test_a_second_run_adds_those_who_came_meanwhile(month: Month) -> None:
    month.run()
    month.furnish(2)
    second = month.run()

    assert (second.invoices_issued, second.nothing_due) == (2, SUBSCRIBERS)
    assert month.numbers() == list(range(1, SUBSCRIBERS + 3))


def test_two_runs_of_one_month_are_not_at_work_at_once(month: Month) -> None:
    gate = threading.Event()
    month.steps.before_partition = lambda _: gate.wait(WITHIN_SECONDS)
    first = month.open(key="the accountant's")
    try:
        with pytest.raises(Refusal) as refused:
            month.open()
        assert refused.value.slug == "billing_run_open"
        assert str(first) in refused.value.detail
        assert month.open(key="the accountant's") == first
        # A dry run only looks, so it may be beside it.
        assert month.open(dry_run=True) != first
    finally:
        gate.set()
    month.process_id = first
    assert month.result().invoices_issued == SUBSCRIBERS


def test_asked_for_at_once_by_many_a_month_is_run_by_one(month: Month) -> None:
    opened: list[UUID] = []
    refused: list[str] = []
    gate = threading.Event()
    month.steps.before_partition = lambda _: gate.wait(WITHIN_SECONDS)

    def ask() -> None:
        try:
            opened.append(month.open())
        except Refusal as refusal:
            refused.append(refusal.slug)

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    gate.set()

    assert len(opened) == 1
    assert refused == ["billing_run_open"] * 7
    month.process_id = opened[0]
    assert month.result().invoices_issued == SUBSCRIBERS


def test_a_dry_run_has_the_figures_of_the_run_and_posts_nothing(month: Month) -> None:
    month.furnish(2, priced=False)
    before = month.ledger()
    preview = month.run(dry_run=True)
    listed = [(one.account_id, one.reason) for one in month.exceptions()]

    assert month.workflow_id == f"billing-run/{month.period}/preview/{preview.run_id}"
    assert (month.invoices(), month.ledger(), month.messages()) == ([], before, [])
    assert month.events()[-1] == "billing_preview_completed"

    run = month.run()
    figures = set(RunProgress.model_fields)
    assert run.model_dump(include=figures) == preview.model_dump(include=figures)
    assert [(one.account_id, one.reason) for one in month.exceptions()] == listed
    assert (run.invoices_issued, run.exceptions) == (SUBSCRIBERS, 2)


def test_an_account_without_a_price_sinks_nobody_and_is_billed_alone_after_mending(month: Month) -> None:
    (account,) = month.furnish(1, priced=False)
    run = month.run()
    (exception,) = month.exceptions()
    assert (exception.account_id, exception.reason) == (account.id, BillingProblem.NO_PRICE)
    assert run.invoices_issued + run.exceptions + run.nothing_due == run.subscribers_total == SUBSCRIBERS + 1

    def bill() -> UUID | None:
        with month.database.transaction() as session:
            return bill_listed_account(
                session, run.run_id, exception.id, actor="staff:accounting", at=datetime.now(UTC), on=month.today
            ).invoice_id

    with pytest.raises(Refusal, match="price"):
        bill()
    month.mend_price()
    invoice_id = bill()
    assert invoice_id is not None
    assert bill() == invoice_id
    assert month.exceptions() == []
    figures = month.progress()
    assert (figures.invoices_issued, figures.exceptions) == (SUBSCRIBERS + 1, 0)
    assert month.numbers() == list(range(1, SUBSCRIBERS + 2))
    assert month.events()[-1] == "exception_billed"
    assert [message.unless_paid_invoice_id for message in month.messages()].count(invoice_id) == 1


def test_cancelled_between_parts_what_is_issued_stays_and_the_next_run_goes_on(month: Month) -> None:
    month.furnish(12)
    everybody = SUBSCRIBERS + 12
    ready, gate = threading.Event(), threading.Event()

    def wait(order: PartitionOrder) -> None:
        if order.first_number > 2 * PARTITION:
            ready.set()
            assert gate.wait(WITHIN_SECONDS)

    month.steps.before_partition = wait
    month.open()
    assert ready.wait(WITHIN_SECONDS)
    eventually(lambda: len(month.invoices()) >= 2 * PARTITION)
    month.cancel()
    gate.set()
    result = month.result()

    assert result.status is ProcessStatus.CANCELLED
    assert 2 * PARTITION <= result.invoices_issued == len(month.invoices()) < everybody
    process = month.process()
    assert (process.status, process.close_reason) == (ProcessStatus.CANCELLED, "wrong prices")
    last = month.timeline()[-1]
    assert (last.event, last.actor) == ("billing_run_cancelled", "staff:ops")
    assert last.facts["left"] == everybody - result.subscribers_done
    assert month.messages() == []

    again = month.run()
    assert again.invoices_issued == everybody - result.invoices_issued
    assert month.numbers() == list(range(1, everybody + 1))
    assert len(month.messages()) == everybody


def test_cancelled_during_an_outage_it_does_not_wait_for_its_end(month: Month) -> None:
    failed = threading.Event()

    def away(_: PartitionOrder) -> None:
        failed.set()
        raise ConnectionError("no database")

    month.steps.before_partition = away
    month.open()
    assert failed.wait(WITHIN_SECONDS)
    month.cancel()
    assert month.result().status is ProcessStatus.CANCELLED


def test_cancelled_in_the_temporal_ui_it_ends_as_if_by_the_api(month: Month) -> None:
    ready, gate = threading.Event(), threading.Event()

    def wait(_: PartitionOrder) -> None:
        ready.set()
        assert gate.wait(WITHIN_SECONDS)

    month.steps.before_partition = wait
    month.open()
    assert ready.wait(WITHIN_SECONDS)
    month.server.run(month.handle.cancel())
    gate.set()
    result = month.result()
    assert result.status is ProcessStatus.CANCELLED
    assert result.invoices_issued == len(month.invoices()) > 0
    assert month.process().close_reason == "cancelled in the Temporal UI"


def test_a_fault_that_is_final_ends_the_run_as_failed_and_frees_the_month(month: Month) -> None:
    def refuse(order: PartitionOrder) -> None:
        if order.first_number == 1:
            raise ApplicationError("broken", type="ProgrammingError", non_retryable=True)

    month.steps.before_partition = refuse
    month.open()
    eventually(lambda: month.process().status is ProcessStatus.FAILED)
    assert month.process().close_reason == "ProgrammingError"
    assert month.events()[-1] == "billing_run_failed"

    month.steps.before_partition = lambda _: None
    month.run()
    assert len(month.invoices()) == SUBSCRIBERS


def test_progress_can_be_asked_of_the_process_and_seen_in_the_temporal_ui(month: Month) -> None:
    gate = threading.Event()

    def wait(order: PartitionOrder) -> None:
        if order.first_number > PARTITION:
            assert gate.wait(WITHIN_SECONDS)

    month.steps.before_partition = wait
    month.open()

    def asked() -> RunProgress:
        answer: RunProgress = month.server.run(month.handle.query(PROGRESS, result_type=RunProgress))
        return answer

    try:
        eventually(lambda: asked().subscribers_done == PARTITION)
        assert asked().subscribers_total == SUBSCRIBERS
        state: ProcessState = month.server.run(month.handle.query(STATE, result_type=ProcessState))
        assert (state.stage, state.status) == ("billing", ProcessStatus.OPEN)
        assert month.process().stage == "billing"
        metadata = month.server.run(month.handle.query("__temporal_workflow_metadata"))
        assert f"{PARTITION} of {SUBSCRIBERS} subscribers done" in str(metadata)
    finally:
        gate.set()
    assert month.result().invoices_issued == SUBSCRIBERS


def test_each_invoice_with_something_to_pay_gets_one_notice(month: Month) -> None:
    (kazakh,) = month.furnish(1, language=Language.KK)
    (opted_out,) = month.furnish(1)
    (advanced,) = month.furnish(1)
    (covered,) = month.furnish(1)
    month.opt_out(opted_out)
    month.pay(advanced, 100_000)
    month.pay(covered, FEE_MINOR)

    month.run()
    by_subscriber = {message.subscriber_id: message for message in month.messages()}

    assert len(month.messages()) == len(by_subscriber) == SUBSCRIBERS + 3
    assert covered.subscriber_id not in by_subscriber
    assert "5\u00a0500,00\u00a0₸" in by_subscriber[advanced.subscriber_id].body
    assert by_subscriber[kazakh.subscriber_id].body.startswith("Байланыс қызметінің ақысы")
    assert by_subscriber[opted_out.subscriber_id].status is MessageStatus.WITHDRAWN
    notice = by_subscriber[kazakh.subscriber_id]
    assert kazakh.account_no in notice.body
    assert (notice.urgency, notice.status, notice.process_id) == (
        Urgency.NOTICE,
        MessageStatus.QUEUED,
        month.process_id,
    )
    assert {message.key for message in month.messages()} == {
        f"invoice_issued:{message.unless_paid_invoice_id}" for message in month.messages()
    }


def test_notices_come_in_batches_that_wake_the_delivery_once_each(
    month: Month, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.billing_notices.ACCOUNTS_A_BATCH", 10)
    crashes = iter([True])

    def crash(_: object) -> None:
        # After the commit: what is repeated must find everything done.
        if next(crashes, False):
            raise ConnectionError("the worker is gone")

    month.steps.after_notices = crash
    month.run()
    assert len(month.messages()) == SUBSCRIBERS
    assert month.wake_ups() == 3


def test_an_operator_who_wants_no_notices_sends_none(month: Month) -> None:
    month.policy(send_notices=False)
    assert month.run().invoices_issued == SUBSCRIBERS
    assert month.messages() == []


def test_a_run_keeps_to_the_policy_that_it_was_opened_under(month: Month) -> None:
    month.policy(due_after="P3D")
    month.run()
    assert {(invoice.due_on - invoice.issued_on).days for invoice in month.invoices()} == {3}


def test_histories_hold_ids_and_figures_and_no_people(month: Month) -> None:
    month.run()
    history = legible(month.server.run(month.handle.fetch_history()))
    assert str(month.process_id) in history
    with month.database.transaction() as session:
        for person in session.scalars(select(Subscriber)):
            assert not [word for word in (person.phone, person.full_name, person.iin) if word in history]


def test_a_run_of_very_many_parts_goes_on_in_a_new_history(template: str) -> None:
    server = TemporalServer.local("--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=25")
    try:
        with month_of_billing(template, server, billing_partition_size=1) as month:
            month.open()
            first = month.server.run(month.handle.describe()).run_id
            result = month.result()
            last = month.server.run(month.handle.describe()).run_id
            assert last != first
            assert result.invoices_issued == len(month.invoices()) == len(month.messages()) == SUBSCRIBERS
            assert month.events() == ["billing_run_opened", "billing_run_planned", "billing_run_completed"]
    finally:
        server.stop()
