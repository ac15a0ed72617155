"""Clarifications: what only a person can find out is asked once, and ends by itself when it is known otherwise."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import func, select
from temporalio.client import WorkflowUpdateFailedError

from activities import clarifications, ledger, payments
from activities.clarification_steps import STILL_ASKED, ClarificationActivities
from activities.payments import take_payment
from api import processes, tasks
from api.process_views import STAGES
from models.contracts.bank import PaymentStatus
from models.contracts.clarification import TASK_OF, ClarificationPolicy, ClarificationStage, Question
from models.contracts.clarification_forms import CLARIFICATION_FORMS
from models.contracts.people import Role
from models.contracts.processes import ProcessKind, ProcessStatus, TaskKind, TaskStatus
from models.contracts.steps import ProcessStep
from models.database import Database
from models.rules.accounting_sentences import ACCOUNTING_EVENTS
from models.tables.outbox import Outbox
from models.tables.payments import Clarification, Payment
from models.tables.processes import Process, Task
from tests import factories
from tests.clarification_paths import CLARIFICATION, PATHS, REASON
from tests.clarification_world import ClarificationWorld, clarification_world
from tests.engines import TemporalServer
from tests.factories import NOW, TODAY
from tests.histories import Recording, legible
from tests.history_reading import Steps, personal_data, replayer, steps_of
from tests.http_client import api_with

TimeSkipping = Callable[[], TemporalServer]
RECORDED = sorted(path.stem for path in CLARIFICATION.glob("*.json"))


@pytest.fixture
def world(database: Database, temporal: TemporalServer) -> Iterator[ClarificationWorld]:
    with clarification_world(database, temporal) as world:
        yield world


def ended(world: ClarificationWorld) -> ProcessStatus:
    """How it ended; whatever was asked is answered or withdrawn."""
    world.outcome()
    with world.database.transaction() as session:
        open_tasks = session.scalars(
            select(func.count()).where(Task.process_id == world.process_id, Task.status == TaskStatus.OPEN)
        ).one()
        assert open_tasks == 0
        assert ledger.check(session, account_id=world.account_id) == []
    assert world.process().stage == ClarificationStage.CLOSED
    return world.process().status


def advance(world: ClarificationWorld) -> int:
    with world.database.transaction() as session:
        return ledger.balance_minor(session, world.account_id)


# -- whose money is it? ----------------------------------------------------------------------------------------------


def test_accounting_is_asked_whose_money_it_is_and_gives_it_to_the_account(world: ClarificationWorld) -> None:
    world.ask_for_the_payee()
    task = world.task(TaskKind.FIND_PAYER)
    assert task.department is Role.ACCOUNTING
    assert (task.facts["payment_id"], task.facts["amount_minor"]) == (str(world.payment_id), 900)
    world.answer("found", account_no=world.account_no)
    assert ended(world) is ProcessStatus.COMPLETED
    assert (world.payment().status, advance(world)) == (PaymentStatus.POSTED, 300)
    assert world.events() == ["asked_unknown_payee", "task_opened", "payee_found", "clarification_closed"]


def test_a_number_that_nobody_has_leaves_the_task_open(world: ClarificationWorld) -> None:
    world.ask_for_the_payee()
    with pytest.raises(WorkflowUpdateFailedError):
        world.answer("found", account_no="77")
    assert world.payment().status is PaymentStatus.SUSPENSE
    world.answer("found", account_no=world.account_no)
    assert ended(world) is ProcessStatus.COMPLETED


def test_what_belongs_to_nobody_goes_back_to_the_bank(world: ClarificationWorld) -> None:
    world.ask_for_the_payee()
    world.answer("returned", reason=REASON)
    assert ended(world) is ProcessStatus.COMPLETED
    assert (world.payment().status, world.payment().reversal_reason) == (PaymentStatus.REVERSED, REASON)
    assert advance(world) == -600


@pytest.mark.parametrize("by", ["api", "bank", "api before it was asked"])
def test_the_question_goes_when_the_payment_is_given_or_taken_back_elsewhere(
    world: ClarificationWorld, by: str
) -> None:
    world.ask_for_the_payee(deliver=by != "api before it was asked")
    if by != "api before it was asked":
        world.task(TaskKind.FIND_PAYER)
    (world.cancel_by_bank if by == "bank" else world.give_by_api)()
    assert ended(world) is ProcessStatus.COMPLETED
    assert world.events()[-1] == "clarification_settled_elsewhere"
    assert advance(world) == (-600 if by == "bank" else 300)


def test_task_and_api_at_once_give_the_money_to_one_account(world: ClarificationWorld, database: Database) -> None:
    with database.transaction() as session:
        other = factories.customer(session).account
    world.ask_for_the_payee()
    task = world.task(TaskKind.FIND_PAYER)

    def by_task() -> None:
        world.complete_seen(task, "found", {"account_no": other.account_no})

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda act: act(), [_quietly(by_task), _quietly(world.give_by_api)]))
    world.deliver()
    assert ended(world) is ProcessStatus.COMPLETED
    with database.transaction() as session:
        given = sorted([ledger.balance_minor(session, other.id), ledger.balance_minor(session, world.account_id)])
    assert given in ([-600, 900], [0, 300])


def _quietly(act: Callable[[], None]) -> Callable[[], None]:
    def quietly() -> None:
        try:
            act()
        except Exception:  # noqa: BLE001 - whoever comes second is refused, by whichever way they came
            return

    return quietly


def test_a_payment_in_suspense_asks_once_however_often_it_is_reported(database: Database) -> None:
    with database.transaction() as session:
        bank_id = factories.bank(session).row.id
    notice = factories.payment_notice(900, iin=factories.new_iin())

    def report(_: int) -> Any:
        with database.transaction() as session:
            return take_payment(session, bank_id=bank_id, notice=notice, received_at=NOW, on=TODAY)[0].payment_id

    with ThreadPoolExecutor(12) as pool:
        (payment_id,) = set(pool.map(report, range(12)))
    with database.transaction() as session:
        asked = session.scalars(
            select(Process)
            .join(Clarification, Clarification.process_id == Process.id)
            .where(Clarification.payment_id == payment_id)
        ).one()
        assert asked.kind is ProcessKind.CLARIFICATION
        started = session.scalars(select(Outbox).where(Outbox.workflow_id == asked.workflow_id)).one()
        assert (started.workflow_type, started.task_queue) == ("Clarification", "processes")


def test_money_for_a_known_account_asks_nobody(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        answer = factories.pay(session, factories.bank(session).row.id, account, 900)
        asked = session.scalars(select(func.count()).where(Clarification.payment_id == answer.payment_id)).one()
        assert asked == 0


# -- which report is right? ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "data", "balance_minor"),
    [
        ("first_kept", {"comment": REASON}, 300),
        ("corrected", {"amount": {"amount_minor": 90, "currency": "KZT"}, "reason": REASON}, -510),
        ("agreed", {"agreement": REASON}, 300),
    ],
)
def test_accounting_finds_out_which_of_two_reports_is_right(
    world: ClarificationWorld, outcome: str, data: dict[str, Any], balance_minor: int
) -> None:
    world.ask_about_a_conflict()
    task = world.task(TaskKind.REVIEW_CONFLICT)
    assert (task.facts["amount_minor"], task.facts["reported_minor"]) == (900, 90)
    world.answer(outcome, **data)
    assert ended(world) is ProcessStatus.COMPLETED
    assert advance(world) == balance_minor
    assert world.process().account_id == world.account_id


def test_a_conflict_that_the_bank_repeats_is_asked_about_once(world: ClarificationWorld) -> None:
    world.ask_about_a_conflict()
    for amount_minor in (90, 90, 91):
        world.contradict(amount_minor)
    assert world.questions() == 2, "one for each meaning that it had"


def test_a_conflict_goes_when_the_bank_takes_the_transaction_back(world: ClarificationWorld) -> None:
    world.ask_about_a_conflict()
    world.task(TaskKind.REVIEW_CONFLICT)
    world.cancel_by_bank()
    assert ended(world) is ProcessStatus.COMPLETED
    assert world.events()[-1] == "clarification_settled_elsewhere"


# -- it is not forgotten ---------------------------------------------------------------------------------------------


def test_an_overdue_question_is_brought_before_the_head_of_accounting(
    database: Database, time_skipping: TimeSkipping
) -> None:
    with clarification_world(database, time_skipping()) as world:
        PATHS["overdue"](world)
        assert ended(world) is ProcessStatus.COMPLETED
        assert "task_escalated" in world.events()


@pytest.mark.parametrize("path", ["not_cancelled", "told_of_nothing"])
def test_it_ends_by_an_answer_alone(world: ClarificationWorld, path: str) -> None:
    PATHS[path](world)
    assert ended(world) is ProcessStatus.COMPLETED
    assert world.payment().status is PaymentStatus.POSTED


def test_ended_in_the_temporal_ui_the_money_stays_in_suspense(world: ClarificationWorld) -> None:
    PATHS["ended_in_the_temporal_ui"](world)
    assert ended(world) is ProcessStatus.CANCELLED
    assert world.payment().status is PaymentStatus.SUSPENSE
    with world.database.transaction() as session:
        suspended = {one.id for one in payments.page(session, status=PaymentStatus.SUSPENSE, limit=500)[0]}
    assert world.payment_id in suspended


def test_steps_that_are_done_again_change_nothing(world: ClarificationWorld) -> None:
    world.ask_for_the_payee()
    world.answer("found", account_no=world.account_no)
    ended(world)
    events, steps = world.events(), ClarificationActivities(world.database)
    again = ProcessStep(process_id=world.process_id, at=world.now())
    steps.close(again)
    assert not steps.look(again).is_open
    with world.database.transaction() as session:
        process_id = clarifications.open_clarification(
            session, question=Question.UNKNOWN_PAYEE, payment_id=world.payment_id, key="", at=NOW
        )
    assert process_id == world.process_id
    assert world.events() == events
    assert world.questions() == 1


# -- what staff sees of it --------------------------------------------------------------------------------------------


def test_staff_sees_a_question_like_any_process_though_it_is_about_no_subscriber(
    world: ClarificationWorld, database: Database
) -> None:
    with database.transaction() as session:
        accounting = factories.staff(session, Role.ACCOUNTING)
    world.ask_for_the_payee()
    task = world.task(TaskKind.FIND_PAYER)
    client = api_with(database, processes.router, tasks.router)

    def get(path: str, **query: str) -> Any:
        answer = client.get(path, params=query, headers=accounting.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    listed = get("/v1/processes", kind="clarification", limit="500")["items"]
    (shown,) = [one for one in listed if one["id"] == str(world.process_id)]
    assert (shown["subscriber_id"], shown["account_no"]) == (None, None)
    assert [(stage["name"], stage["state"]) for stage in shown["stages"]] == [
        ("asked", "current"),
        ("closed", "pending"),
    ]
    assert get(f"/v1/processes/{world.process_id}")["waiting_for"] == "task:find_payer"
    form = get(f"/v1/tasks/{task.id}")
    assert (form["department"], form["outcomes"]) == ("accounting", ["found", "returned"])
    for language, said in (("ru", "получатель не установлен"), ("kk", "анықталмады"), ("en", "nobody is known")):
        told = get(f"/v1/processes/{world.process_id}/timeline", lang=language)["items"]
        assert said in told[0]["text"]
        assert "9,00" in told[0]["text"]
    world.answer("found", account_no=world.account_no)
    ended(world)


# -- what is data, is complete ---------------------------------------------------------------------------------------


def test_every_question_has_its_task_its_duration_and_its_words() -> None:
    for question in Question:
        task = TASK_OF[question]
        assert task in CLARIFICATION_FORMS
        assert ClarificationPolicy().within(task).total_seconds() > 0
        assert f"asked_{question}" in ACCOUNTING_EVENTS
        assert STILL_ASKED[question]
    assert STAGES[ProcessKind.CLARIFICATION] == list(ClarificationStage)


# -- histories -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RECORDED)
def test_a_question_that_took_this_path_is_understood(name: str) -> None:
    recording, steps = Recording.read(f"clarification/{name}"), Steps()
    asyncio.run(replayer(interceptors=[steps]).replay_workflow(recording.for_replay()))
    assert dict(enumerate(steps.asked_for, start=1)) == steps_of(recording.events())


def test_every_path_is_recorded_and_they_lead_to_every_answer() -> None:
    assert set(RECORDED) == set(PATHS), "record them: python -m tests.clarification_paths"
    recordings = [Recording.read(f"clarification/{name}") for name in RECORDED]
    assert {outcome for recording in recordings for outcome in recording.outcomes} == {
        (kind, outcome) for kind, forms in CLARIFICATION_FORMS.items() for outcome in forms
    }
    assert {recording.status for recording in recordings} == {ProcessStatus.COMPLETED, ProcessStatus.CANCELLED}


@pytest.mark.parametrize("name", RECORDED)
def test_no_recorded_history_holds_what_people_wrote(name: str) -> None:
    told = legible(Recording.read(f"clarification/{name}").for_replay())
    assert personal_data(told) == []


@pytest.mark.parametrize("name", ["found", "returned", "corrected", "agreed", "first_report_kept"])
def test_what_people_wrote_reaches_no_history(world: ClarificationWorld, name: str) -> None:
    PATHS[name](world)
    world.outcome()
    told = legible(world.history())
    with world.database.transaction() as session:
        payment = session.get_one(Payment, world.payment_id)
    assert personal_data(told) == []
    assert [word for word in (world.named, world.iin, payment.payer_name, "Нұрпейісов") if word and word in told] == []
