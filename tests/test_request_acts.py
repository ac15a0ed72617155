"""What people do about requests: questions and answers, other owners, the clock, reopening, cancelling."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from activities.processes import close
from activities.request_clock import clock_of
from models.contracts.people import Language, Role
from models.contracts.processes import ProcessStatus, TaskKind
from models.contracts.refusals import Refusal
from models.contracts.request_policy import RequestPolicy
from models.contracts.request_words import Priority, RequestEnding, Turn
from models.contracts.steps import ProcessStep
from models.database import Database
from models.rules.sentences import EVENTS, sentence
from models.rules.sla import SlaState
from models.tables.messages import Message
from models.tables.outbox import Outbox
from models.tables.processes import Process, Task
from tests import factories
from tests.connection_paths import REASON
from tests.connection_world import SETTINGS
from tests.request_desk import MONDAY, Desk, request_desk
from tests.request_world import HOUR, set_policy

HANDLE = TaskKind.HANDLE_REQUEST


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    with request_desk(database) as desk:
        yield desk


def ask(desk: Desk) -> None:
    desk.complete(HANDLE, "ask", {"question": "Горит ли красная лампочка?"})


def sms_of_head(desk: Desk) -> list[str]:
    with desk.database.transaction() as session:
        of_it = (Message.process_id == desk.process_id, Message.staff_id.is_not(None))
        return list(session.scalars(select(Message.template).where(*of_it).order_by(Message.id)))


# -- questions -------------------------------------------------------------------------------------------------------


def test_a_question_goes_by_sms_and_the_clock_stands_still_until_the_answer(desk: Desk) -> None:
    desk.want()
    desk.sleep(HOUR)
    ask(desk)
    assert (desk.look().turn, desk.process().stage, desk.process().waiting_for) == ("question", "question", "answer")
    desk.sleep(30 * HOUR)
    desk.answer("Да, горит")

    assert desk.sms() == ["request_question"]
    assert desk.request().turn is Turn.WORK
    assert desk.texts() == ["wish", "question", "answer"]
    assert desk.request().sla_due_at == MONDAY + 34 * HOUR
    assert desk.pauses() == [("question", True)]
    assert desk.signals() == 1


def test_an_answer_is_kept_once_for_its_key(desk: Desk) -> None:
    desk.want()
    ask(desk)

    desk.answer("Да", key="sms:1")
    desk.answer("Да", key="sms:1")

    assert desk.texts() == ["wish", "question", "answer"]
    with pytest.raises(Refusal, match="another text"):
        desk.answer("Нет", key="sms:1")


def test_what_is_said_without_being_asked_is_a_note(desk: Desk) -> None:
    desk.want()
    desk.answer("И телевизор тоже")

    assert desk.texts() == ["wish", "note"]
    assert desk.request().turn is Turn.WORK


def test_an_answer_that_does_not_come_is_waited_for_as_long_as_the_policy_says(desk: Desk) -> None:
    desk.want()
    ask(desk)
    desk.sleep(timedelta(days=3, seconds=-1))
    assert desk.steps.give_up_waiting(ProcessStep(process_id=desk.process_id, at=desk.now())).turn is Turn.QUESTION

    desk.sleep(timedelta(seconds=1))
    assert desk.steps.give_up_waiting(ProcessStep(process_id=desk.process_id, at=desk.now())).turn is Turn.WORK
    assert desk.steps.give_up_waiting(ProcessStep(process_id=desk.process_id, at=desk.now())).turn is Turn.WORK
    assert "request_unanswered" in desk.events()


def test_nothing_is_added_to_a_closed_request(desk: Desk) -> None:
    desk.want()
    desk.solve()

    with pytest.raises(Refusal, match="closed"):
        desk.answer()
    with pytest.raises(Refusal, match="closed"):
        desk.change(priority="low")


# -- owners and priorities -------------------------------------------------------------------------------------------


def test_another_owner_takes_it_on_and_the_task_of_the_former_one_is_not_needed_any_more(desk: Desk) -> None:
    desk.want()
    task = desk.opened(HANDLE)
    assert task.department is Role.SUPPORT

    desk.change(owner="accounting", reason="it is about an invoice")
    desk.look()

    assert desk.opened(HANDLE).department is Role.ACCOUNTING
    with desk.database.transaction() as session:
        assert session.get_one(Task, task.id).status == "withdrawn"


def test_a_department_hands_over_to_another_one_and_not_to_itself(desk: Desk) -> None:
    desk.want()

    with pytest.raises(Refusal, match="this department's already"):
        desk.complete(HANDLE, "handed_over", {"owner": "support", "reason": REASON})
    desk.complete(HANDLE, "handed_over", {"owner": "accounting", "reason": REASON})

    assert (desk.request().owner, desk.request().turn) == (Role.ACCOUNTING, Turn.WORK)


def test_another_owner_of_what_waits_for_an_answer_gets_it_with_the_answer(desk: Desk) -> None:
    desk.want()
    ask(desk)

    desk.change(owner="operator")
    assert desk.request().turn is Turn.QUESTION
    desk.answer()

    assert desk.opened(HANDLE).department is Role.OPERATOR


def test_another_priority_moves_the_target_and_leaves_the_task(desk: Desk) -> None:
    desk.want()
    task = desk.opened(HANDLE)
    desk.sleep(HOUR)

    desk.change(priority="urgent")
    desk.look()

    assert desk.request().sla_due_at == MONDAY + 2 * HOUR
    assert desk.opened(HANDLE).id == task.id


def test_triage_says_what_it_is_about_whose_it_is_and_how_urgent(desk: Desk) -> None:
    desk.want(None)
    desk.complete(TaskKind.TRIAGE_REQUEST, "sorted", {"category": "billing"})
    assert (desk.request().category, desk.request().owner, desk.request().priority) == (
        "billing", Role.ACCOUNTING, Priority.NORMAL,
    )  # fmt: skip
    assert desk.request().sla_target == 27 * HOUR

    desk.want(None, phone=factories.new_phone())
    wanted = {"category": "slow", "owner": "ops", "priority": "urgent"}
    desk.complete(TaskKind.TRIAGE_REQUEST, "sorted", wanted)
    assert (desk.request().owner, desk.request().sla_target) == (Role.OPS, 4 * HOUR)

    desk.want(None, phone=factories.new_phone())
    with pytest.raises(Refusal, match="Choose one of"):
        desk.complete(TaskKind.TRIAGE_REQUEST, "sorted", {"category": "quarrel"})


def test_a_task_of_a_turn_that_has_passed_changes_nothing(desk: Desk) -> None:
    desk.want(None)
    desk.opened(TaskKind.TRIAGE_REQUEST)
    desk.change(owner="accounting")

    with pytest.raises(Refusal, match="moved on"):
        desk.complete(TaskKind.TRIAGE_REQUEST, "solved", {"solution": REASON})
    desk.look()

    assert desk.open_task(TaskKind.TRIAGE_REQUEST) is None
    assert desk.sms() == []


def test_whose_a_request_is_can_be_found_out_once(desk: Desk) -> None:
    desk.want(phone=factories.new_phone())
    desk.change(subscriber_id=desk.subscriber_id)
    desk.change(subscriber_id=desk.subscriber_id)

    assert desk.process().subscriber_id == desk.subscriber_id
    with desk.database.transaction() as session:
        other_id = factories.customer(session).subscriber.id
    with pytest.raises(Refusal, match="another subscriber's"):
        desk.change(subscriber_id=other_id)


def test_a_crew_goes_to_somebody_who_is_known(desk: Desk) -> None:
    desk.want(phone=factories.new_phone())
    crew = {"start": {"kind": "crew_visit", "what_to_do": REASON}}

    with pytest.raises(Refusal, match="whose request it is"):
        desk.complete(HANDLE, "start", crew)
    desk.change(subscriber_id=desk.subscriber_id)
    desk.complete(HANDLE, "start", crew)

    assert desk.request().turn is Turn.VISIT


# -- the clock -------------------------------------------------------------------------------------------------------


def test_the_head_of_the_department_hears_of_it_before_and_when_the_time_is_over_once_each(desk: Desk) -> None:
    desk.head(Role.SUPPORT)
    desk.want()
    desk.sleep(3 * HOUR - timedelta(seconds=1))
    assert desk.watch().clock_at == MONDAY + 3 * HOUR
    assert sms_of_head(desk) == []

    desk.sleep(timedelta(seconds=1))
    assert desk.watch().clock_at == MONDAY + 4 * HOUR
    desk.watch()
    assert sms_of_head(desk) == ["request_warned"]

    desk.sleep(HOUR)
    assert desk.watch().clock_at is None
    desk.watch()
    assert sms_of_head(desk) == ["request_warned", "request_breached"]
    assert [event for event in desk.events() if event in {"request_warned", "request_breached"}] == [
        "request_warned", "request_breached",
    ]  # fmt: skip


def test_who_comes_late_to_both_hears_of_the_breach_alone(desk: Desk) -> None:
    desk.head(Role.SUPPORT)
    desk.want()
    desk.sleep(9 * HOUR)
    desk.watch()

    assert sms_of_head(desk) == ["request_breached"]


def test_working_time_passes_in_working_hours_alone(desk: Desk) -> None:
    set_policy(desk.database, RequestPolicy())
    desk.moment = MONDAY + timedelta(days=4, hours=8)
    desk.want()

    assert desk.request().sla_due_at == MONDAY + timedelta(days=7, hours=3), "Friday at five, and Monday at noon"


def test_a_closed_request_says_how_long_it_took_and_whether_it_was_late(desk: Desk) -> None:
    desk.want()
    desk.sleep(5 * HOUR)
    desk.solve()

    request = desk.request()
    assert (request.sla_spent, request.sla_stopped_at, request.sla_due_at) == (
        5 * HOUR, MONDAY + 5 * HOUR, MONDAY + 4 * HOUR,
    )  # fmt: skip
    assert request.sla_stopped_at is not None
    with desk.database.transaction() as session:
        assert clock_of(session, request).state(desk.now()) is SlaState.MISSED


# -- the end and after -----------------------------------------------------------------------------------------------


def test_the_solution_is_told_and_closes_the_request(desk: Desk) -> None:
    desk.want(phone=(unknown := factories.new_phone()))
    desk.solve()

    assert desk.sms() == ["request_solved"]
    assert (desk.process().status, desk.process().close_reason) == (ProcessStatus.COMPLETED, "solved")
    assert desk.look().turn is Turn.CLOSED
    with desk.database.transaction() as session:
        assert session.scalars(select(Message.recipient).where(Message.process_id == desk.process_id)).one() == unknown


def test_a_subscriber_who_is_not_content_reopens_it_with_its_department_and_its_clock(desk: Desk) -> None:
    desk.want()
    desk.sleep(HOUR)
    desk.solve()
    first_run = desk.process().workflow_id
    desk.sleep(timedelta(days=6))
    desk.reopen("Через час снова пропал", key="sms:2")
    desk.reopen("Через час снова пропал", key="sms:2")

    request, process = desk.request(), desk.process()
    assert (request.turn, request.round, request.ended_as, request.owner) == (Turn.WORK, 2, None, Role.SUPPORT)
    assert (process.status, process.closed_at, process.stage) == (ProcessStatus.OPEN, None, "work")
    assert request.sla_due_at == MONDAY + timedelta(days=6, hours=4), "one hour of four was spent"
    assert desk.texts() == ["wish", "solution", "reopening"]
    assert process.workflow_id == f"{first_run}/2"
    with desk.database.transaction() as session:
        starts = session.scalars(select(Outbox).where(Outbox.workflow_id == process.workflow_id)).all()
    assert [start.workflow_type for start in starts] == ["Request"]


def test_each_time_that_it_is_solved_the_subscriber_hears_it(desk: Desk) -> None:
    desk.want()
    desk.solve()
    desk.reopen()
    desk.solve()

    assert desk.sms() == ["request_solved", "request_solved"]
    assert desk.request().round == 2


def test_after_its_days_or_while_it_is_open_a_request_can_not_be_reopened(desk: Desk) -> None:
    desk.want()
    with pytest.raises(Refusal, match="open"):
        desk.reopen()
    desk.solve()
    desk.sleep(timedelta(days=7))

    with pytest.raises(Refusal, match="register a new one"):
        desk.reopen()


@pytest.mark.parametrize("how", ["rejected", "cancelled"])
def test_what_nobody_was_told_of_can_not_be_reopened(desk: Desk, how: str) -> None:
    desk.want()
    if how == "rejected":
        desk.complete(HANDLE, "rejected", {"reason": REASON})
    else:
        desk.cancel_it()

    with pytest.raises(Refusal, match="register a new one"):
        desk.reopen()


def test_a_request_that_is_cancelled_leaves_nothing_and_says_so_to_whoever_heard_of_it(desk: Desk) -> None:
    desk.want()
    desk.opened(HANDLE)
    desk.cancel_it()
    assert desk.request().ended_as is RequestEnding.CANCELLED
    assert (desk.process().status, desk.process().close_reason) == (ProcessStatus.CANCELLED, "registered by mistake")
    assert (set(desk.left_over().values()), desk.sms()) == ({0}, [])

    desk.cut()
    desk.want()
    desk.cancel_it()
    assert set(desk.left_over().values()) == {0}
    assert desk.links() == [("outage", "left")]


def test_the_question_of_a_cancelled_request_is_not_sent_any_more(desk: Desk) -> None:
    desk.want()
    ask(desk)

    desk.cancel_it()

    assert set(desk.left_over().values()) == {0}
    assert desk.sms() == [], "it had not gone, so there is nothing to take back"


def test_too_late_a_request_is_not_cancelled(desk: Desk) -> None:
    desk.want()
    desk.solve()

    desk.cancel_it()

    assert desk.process().status is ProcessStatus.COMPLETED
    assert "request_cancelled_too_late" in desk.events()


def test_nothing_of_what_was_said_stands_in_what_the_engine_is_told(desk: Desk) -> None:
    desk.want(text="Сосед Ерлан обрезал кабель", phone=factories.new_phone())
    ask(desk)
    desk.answer("Да, это Ерлан")
    desk.change(priority="low", reason="Ерлан подождёт")
    desk.solve()
    desk.reopen("Ерлан снова")

    with desk.database.transaction() as session:
        rows = session.scalars(select(Outbox).where(Outbox.workflow_id.contains(str(desk.process_id)))).all()
        told = [str(row.start_input) + str(row.signal_input) for row in rows]
        phone = desk.request().phone
        assert session.scalars(select(func.count()).where(Process.id == desk.process_id)).one() == 1
    assert len(told) >= 4
    assert not any("Ерлан" in one or phone in one for one in told)


def test_the_timeline_tells_it_in_each_language_with_nothing_left_out(desk: Desk) -> None:
    desk.want(None)
    desk.complete(TaskKind.TRIAGE_REQUEST, "sorted", {"category": "tariff", "priority": "urgent"})
    ask(desk)
    desk.answer()
    desk.change(priority="low", owner="operator")
    started_id = desk.start(
        "tariff_change", subscription_id=str(desk.subscription_id), tariff_code=desk.to_code, effective="now"
    )
    with desk.database.transaction() as session:
        close(session, started_id, ProcessStatus.CANCELLED, at=desk.now())
    desk.look()
    desk.complete(HANDLE, "start", {"start": {"kind": "crew_visit", "what_to_do": REASON}})
    desk.complete(TaskKind.REPAIR, "repaired", {"report": REASON})
    desk.solve()
    desk.reopen()
    desk.complete(HANDLE, "declined", {"answer": REASON})

    for language in Language:
        told = [
            sentence(entry.event, entry.facts, who="Мадина", language=language, zone=SETTINGS.zone)
            for entry in desk.story()
        ]
        assert not [one for one in told if "—" in one.replace(" — ", " ") or "{" in one or "_" in one], told
    assert {entry.event for entry in desk.story()} <= EVENTS.keys()
