"""Requests that follow something: an outage, an earlier request, a process that they started."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, text

from activities import request_following
from activities.processes import close
from models.contracts.processes import ProcessStatus, TaskKind
from models.contracts.refusals import Refusal
from models.contracts.request_words import RequestEnding, Turn
from models.database import Database
from models.tables.outages import OutageNotice
from models.tables.people import Subscriber
from models.tables.processes import Process
from tests import factories
from tests.connection_paths import REASON
from tests.request_desk import MONDAY, Desk, request_desk
from tests.request_world import HOUR


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    with request_desk(database) as desk:
        yield desk


def work_of(desk: Desk, outcome: str, **data: Any) -> None:
    desk.complete(TaskKind.HANDLE_REQUEST, outcome, data)


# -- outages ---------------------------------------------------------------------------------------------------------


def test_when_the_outage_is_over_its_requests_are_closed_and_everybody_hears_it_once(desk: Desk) -> None:
    outage_id = desk.cut()
    desk.want()

    desk.sleep(HOUR)
    desk.change_outage(outage_id, ended=True)
    desk.look()

    assert desk.signals() == 1
    assert desk.request().ended_as is RequestEnding.OUTAGE_OVER
    assert (desk.process().status, desk.process().stage) == (ProcessStatus.COMPLETED, "closed")
    assert desk.links() == [("outage", "closed_with")]
    assert desk.sms_of_subscriber() == ["request_outage", "outage_restored"], "what had not gone is withdrawn"
    assert desk.request().sla_spent == timedelta(0), "the clock of a request that follows stands still"


def test_whoever_looks_before_the_outage_tells_them_says_nothing_either(desk: Desk) -> None:
    outage_id = desk.cut()
    desk.want()
    with desk.database.transaction() as session:
        session.execute(
            text("UPDATE outage SET ended_at = :at WHERE process_id = :id"), {"at": desk.now(), "id": outage_id}
        )
    desk.look()
    desk.look_at_outage(outage_id)

    assert desk.request().ended_as is RequestEnding.OUTAGE_OVER
    assert desk.sms() == ["request_outage"]
    assert desk.sms_of_subscriber().count("outage_restored") == 1


def test_somebody_whom_the_outage_never_reached_is_told_by_the_request_itself(desk: Desk) -> None:
    outage_id = desk.cut()
    desk.want()
    with desk.database.transaction() as session:
        session.execute(delete(OutageNotice).where(OutageNotice.outage_id == outage_id))

    desk.change_outage(outage_id, ended=True)
    desk.look()

    assert desk.sms() == ["request_outage", "request_restored"]


def test_a_moved_end_is_written_down_once_and_the_outage_alone_tells_of_it(desk: Desk) -> None:
    outage_id = desk.cut()
    desk.want()
    before = desk.sms()
    desk.look()
    assert "request_outage_expected" not in desk.events(), "that is what it follows from the beginning"

    desk.change_outage(outage_id, ends_at=desk.now() + 9 * HOUR)
    desk.look()
    desk.look()

    assert desk.events().count("request_outage_expected") == 1
    assert desk.request().turn is Turn.FOLLOWING
    assert desk.sms() == before


def test_an_outage_that_was_none_leaves_the_request_to_its_department_with_the_clock_running(desk: Desk) -> None:
    outage_id = desk.cut()
    desk.want()
    desk.sleep(HOUR)

    desk.change_outage(outage_id, ended_at=MONDAY - timedelta(days=1))
    desk.look()

    assert desk.request().turn is Turn.WORK
    assert desk.links() == [("outage", "came_to_nothing")]
    assert desk.request().sla_due_at == MONDAY + 5 * HOUR, "four hours, and the one in which it stood still"


def test_what_nobody_had_sorted_goes_to_triage_when_the_outage_was_none(desk: Desk) -> None:
    outage_id = desk.cut()
    desk.want(None)

    desk.change_outage(outage_id, ended_at=MONDAY - timedelta(days=1))
    desk.look()

    assert desk.request().turn is Turn.TRIAGE


def test_where_another_outage_keeps_the_service_away_the_request_follows_that_one(desk: Desk) -> None:
    outage_id = desk.cut(ends_in=6 * HOUR)
    desk.want()
    other_id = desk.cut(ends_in=3 * HOUR)

    desk.change_outage(outage_id, ended=True)
    assert desk.look().followed_id == other_id
    desk.change_outage(other_id, ended=True)
    desk.look()

    assert desk.links() == [("outage", "left"), ("outage", "closed_with")]
    assert desk.request().ended_as is RequestEnding.OUTAGE_OVER
    assert desk.pauses() == [("following", True)]


def test_whoever_is_not_affected_any_more_has_their_request_closed(desk: Desk) -> None:
    outage_id = desk.cut()
    desk.want()
    with desk.database.transaction() as session:
        elsewhere = factories.node(session).id

    desk.change_outage(outage_id, node_ids=[elsewhere])
    assert desk.signals() == 1
    desk.look()

    assert desk.request().ended_as is RequestEnding.OUTAGE_OVER


def test_an_outage_that_ends_while_a_request_is_registered_finds_it_or_is_found_over(desk: Desk) -> None:
    for _ in range(6):
        outage_id = desk.cut()
        with ThreadPoolExecutor(2) as together:
            ending = together.submit(desk.change_outage, outage_id, ended=True)
            wanting = together.submit(desk.want, "slow", phone=desk.phone)
            process_id = wanting.result()
            ending.result()

        is_following = desk.request(process_id).turn is Turn.FOLLOWING
        assert not is_following or desk.signals(process_id) == 1, "linked too late to be told"
        desk.process_id = process_id
        desk.look()
        if not is_following:
            desk.solve()


# -- an earlier request ----------------------------------------------------------------------------------------------


def test_followers_are_closed_with_the_first_and_the_person_hears_it_once(desk: Desk) -> None:
    first_id = desk.want()
    second_id = desk.want()

    desk.process_id = first_id
    work_of(desk, "solved", solution=REASON)
    desk.look(second_id)

    assert desk.signals(second_id) == 1
    assert desk.request(second_id).ended_as is RequestEnding.WITH_DUPLICATE
    assert desk.links(second_id) == [("duplicate", "closed_with")]
    assert (desk.sms(first_id), desk.sms(second_id)) == (["request_solved"], [])


@pytest.mark.parametrize("how", ["cancelled", "rejected"])
def test_when_the_first_comes_to_nothing_its_follower_goes_on_by_itself(desk: Desk, how: str) -> None:
    first_id = desk.want()
    second_id = desk.want()

    desk.process_id = first_id
    if how == "cancelled":
        desk.cancel_it()
    else:
        work_of(desk, "rejected", reason=REASON)
    desk.look(second_id)

    assert desk.request(second_id).turn is Turn.WORK
    assert desk.links(second_id) == [("duplicate", "came_to_nothing")]
    assert desk.request(second_id).sla_paused_at is None


def test_the_end_of_the_first_while_another_is_registered_is_not_missed(desk: Desk) -> None:
    for _ in range(6):
        first_id = desk.want("equipment")
        task = desk.opened(TaskKind.HANDLE_REQUEST)
        assert task is not None
        with ThreadPoolExecutor(2) as together:
            solving = together.submit(work_of, desk, "solved", solution=REASON)
            second_id = together.submit(_another, desk).result()
            solving.result()

        is_following = desk.request(second_id).turn is Turn.FOLLOWING
        assert not is_following or desk.signals(second_id) == 1
        assert desk.request(first_id).turn is Turn.CLOSED
        desk.process_id = second_id
        if not is_following:
            desk.solve()
        desk.look()


def _another(desk: Desk) -> Any:
    other = Desk(desk.database, desk.server, queue="", subscriber_id=desk.subscriber_id, steps=desk.steps)
    return other.want("equipment")


# -- a process that it started ---------------------------------------------------------------------------------------


def start_tariff_change(desk: Desk) -> Any:
    desk.want("tariff")
    return desk.start(
        "tariff_change", subscription_id=str(desk.subscription_id), tariff_code=desk.to_code, effective="now"
    )


def end(desk: Desk, process_id: Any, status: ProcessStatus) -> None:
    with desk.database.transaction() as session:
        close(session, process_id, status, at=desk.now())


def test_a_request_whose_process_is_done_is_closed_with_it(desk: Desk) -> None:
    started_id = start_tariff_change(desk)
    assert desk.look().followed_id == started_id
    assert desk.process().stage == "following"

    desk.sleep(HOUR)
    end(desk, started_id, ProcessStatus.COMPLETED)
    desk.look()

    assert desk.signals() == 1
    assert desk.request().ended_as is RequestEnding.PROCESS_DONE
    assert desk.sms() == [], "the process that was started tells them"


def test_a_request_whose_process_came_to_nothing_is_its_departments_again(desk: Desk) -> None:
    started_id = start_tariff_change(desk)

    end(desk, started_id, ProcessStatus.CANCELLED)
    stand = desk.look()

    assert (stand.turn, stand.owner) == (Turn.WORK, "operator")
    assert desk.links() == [("started", "came_to_nothing")]
    work_of(desk, "declined", answer=REASON)


def test_a_process_that_ends_twice_tells_once(desk: Desk) -> None:
    started_id = start_tariff_change(desk)

    end(desk, started_id, ProcessStatus.COMPLETED)
    end(desk, started_id, ProcessStatus.CANCELLED)

    assert desk.signals() == 1


def test_a_wish_to_leave_starts_a_disconnection(desk: Desk) -> None:
    desk.want("disconnection")

    started_id = desk.start(
        "disconnection", subscription_id=str(desk.subscription_id), reason=REASON,
        requested_on=(MONDAY + timedelta(days=3)).date().isoformat(),
    )  # fmt: skip

    with desk.database.transaction() as session:
        assert session.get_one(Process, started_id).kind == "disconnection"


def test_a_newcomer_becomes_a_subscriber_with_the_connection_that_their_request_starts(desk: Desk) -> None:
    phone = factories.new_phone()
    desk.want("connection", phone=phone)
    newcomer = {"iin": factories.new_iin(), "full_name": "Нұрпейісов Ерлан", "phone": phone}

    desk.start("connection", subscriber=newcomer, premises_id=str(desk.premises_id), tariff_code=desk.tariff_code)

    subscriber_id = desk.process().subscriber_id
    assert subscriber_id is not None
    with desk.database.transaction() as session:
        assert session.get_one(Subscriber, subscriber_id).phone == phone
    assert desk.links() == [("started", None)]


def test_nothing_is_started_for_another_subscriber(desk: Desk) -> None:
    with desk.database.transaction() as session:
        stranger = factories.customer(session)
        theirs = factories.subscription(session, stranger.account).id
        stranger_id = stranger.subscriber.id
    desk.want("tariff")

    for kind, order in (
        ("tariff_change", {"subscription_id": str(theirs), "tariff_code": desk.to_code, "effective": "now"}),
        ("disconnection", {"subscription_id": str(theirs), "reason": REASON, "requested_on": "2026-12-01"}),
        ("connection", {
            "subscriber_id": str(stranger_id), "premises_id": str(desk.premises_id), "tariff_code": desk.tariff_code,
        }),
    ):  # fmt: skip
        with pytest.raises(Refusal, match="for the subscriber of the request"):
            desk.start(kind, **order)

    assert desk.request().turn is Turn.WORK
    assert desk.open_task(TaskKind.HANDLE_REQUEST) is not None


def test_what_the_started_process_refuses_leaves_the_task_open(desk: Desk) -> None:
    desk.want("tariff")

    with pytest.raises(Refusal):
        desk.start(
            "tariff_change", subscription_id=str(desk.subscription_id), tariff_code="nothing-such", effective="now"
        )

    assert desk.request().turn is Turn.WORK


def test_no_process_can_be_followed_that_has_ended(desk: Desk) -> None:
    process_id = desk.want()
    desk.solve()

    with desk.database.transaction() as session:
        assert not request_following.holds_open(session, process_id)


def test_a_request_follows_one_thing_at_a_time(desk: Desk) -> None:
    desk.cut()
    desk.want()
    with desk.database.transaction() as session:
        assert session.scalar(select(Process.status).where(Process.id == desk.process_id)) is ProcessStatus.OPEN

    with desk.database.transaction() as session, pytest.raises(Exception, match="uq_request_link_one_at_a_time"):
        session.execute(
            text(
                "INSERT INTO request_link (process_id, follows_id, kind, linked_at) "
                "SELECT process_id, follows_id, 'started', linked_at FROM request_link WHERE process_id = :id"
            ),
            {"id": desk.process_id},
        )


# -- those who call before the outage is known ------------------------------------------------------------------------


def test_whoever_calls_before_the_outage_is_registered_follows_it_too_and_hears_of_it_once(desk: Desk) -> None:
    desk.want()
    desk.opened(TaskKind.HANDLE_REQUEST)
    desk.sleep(HOUR)
    outage_id = desk.cut()

    assert desk.signals() == 1
    assert desk.look().followed_id == outage_id
    desk.look_at_outage(outage_id)

    assert desk.open_task(TaskKind.HANDLE_REQUEST) is None, "nobody has to do anything about it"
    assert desk.sms_of_subscriber() == ["outage_emergency"]
    desk.change_outage(outage_id, ended=True)
    desk.look()
    assert desk.request().ended_as is RequestEnding.OUTAGE_OVER


def test_where_the_outage_has_not_told_them_yet_the_request_does(desk: Desk) -> None:
    desk.want()
    outage_id = desk.cut()
    with desk.database.transaction() as session:
        session.execute(delete(OutageNotice).where(OutageNotice.outage_id == outage_id))
        session.execute(text("DELETE FROM message WHERE process_id = :id"), {"id": outage_id})

    desk.look()
    desk.look()

    assert desk.sms_of_subscriber() == ["request_outage"]


@pytest.mark.parametrize("why_not", ["another matter", "long before", "reopened", "asked"])
def test_what_was_about_something_else_stands_for_itself(desk: Desk, why_not: str) -> None:
    desk.want("billing" if why_not == "another matter" else "slow")
    if why_not == "long before":
        desk.sleep(7 * HOUR)
    if why_not == "reopened":
        desk.solve()
        desk.reopen()
    if why_not == "asked":
        work_of(desk, "ask", question=REASON)

    desk.cut()
    desk.look()

    assert desk.links() == []
