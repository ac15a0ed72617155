"""Requests are registered: whose they are, what they are about, and what answers them already."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from pydantic import ValidationError
from sqlalchemy import select

from activities import opt_outs
from models.contracts.people import Language, Role
from models.contracts.processes import TaskKind
from models.contracts.refusals import Refusal
from models.contracts.request import NewRequest
from models.contracts.request_policy import CategoryTerms, RequestPolicy, Targets, Titles
from models.contracts.request_words import Channel, Priority, Turn
from models.database import Database
from models.tables.messages import Message
from models.tables.outages import OutageNotice
from models.tables.processes import Process
from models.tables.requests import RequestText
from tests import factories
from tests.request_desk import MONDAY, Desk, request_desk
from tests.request_world import HOUR, set_policy


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    with request_desk(database) as desk:
        yield desk


def body_of(desk: Desk, template: str) -> str:
    with desk.database.transaction() as session:
        return session.scalars(
            select(Message.body).where(Message.process_id == desk.process_id, Message.template == template)
        ).one()


def test_a_request_has_its_categorys_department_and_priority_and_its_subscribers_number(desk: Desk) -> None:
    desk.want("billing")

    request = desk.request()
    assert (request.owner, request.priority, request.turn) == (Role.ACCOUNTING, Priority.NORMAL, Turn.WORK)
    assert (request.phone, desk.process().subscriber_id) == (desk.phone, desk.subscriber_id)
    assert desk.process().account_id is not None
    assert desk.texts() == ["wish"]
    assert desk.sms() == []


def test_what_is_said_is_kept_in_a_table_and_nowhere_else(desk: Desk) -> None:
    desk.want(text="Сосед Ерлан обрезал кабель")

    with desk.database.transaction() as session:
        assert session.scalars(select(RequestText.body).where(RequestText.process_id == desk.process_id)).one()
    assert all("Ерлан" not in str(entry.facts) for entry in desk.story())


def test_whoever_registers_it_may_say_how_urgent_it_is(desk: Desk) -> None:
    desk.want(priority="urgent")

    assert desk.request().priority is Priority.URGENT
    assert desk.request().sla_target == 2 * HOUR


def test_what_has_no_category_or_an_uncertain_one_goes_to_triage(desk: Desk) -> None:
    desk.want(None)
    assert (desk.request().category, desk.request().turn) == ("other", Turn.TRIAGE)

    desk.want("other", phone=factories.new_phone())
    assert desk.request().turn is Turn.TRIAGE


def test_an_unknown_category_is_refused_with_those_that_there_are(desk: Desk) -> None:
    with pytest.raises(Refusal, match=r"Choose one of: .*no_internet") as refused:
        desk.want("quarrel")

    assert refused.value.slug == "category_unknown"


def test_a_number_of_exactly_one_subscriber_is_theirs_however_it_is_written(desk: Desk) -> None:
    desk.want(phone=f"8 ({desk.phone[2:5]}) {desk.phone[5:]}")

    assert desk.process().subscriber_id == desk.subscriber_id


def test_a_number_of_several_subscribers_or_of_nobody_says_nothing_of_who_it_is(desk: Desk) -> None:
    with desk.database.transaction() as session:
        factories.customer(session, phone=desk.phone)

    desk.want(phone=desk.phone)
    assert (desk.process().subscriber_id, desk.request().phone) == (None, desk.phone)

    desk.want(phone=(unknown := factories.new_phone()), language=Language.KK)
    assert (desk.process().subscriber_id, desk.request().phone, desk.request().language) == (None, unknown, "kk")


@pytest.mark.parametrize(
    "wrong",
    [{}, {"phone": "not a number"}, {"phone": "+7 495 123 45 67"}, {"phone": "+77011234567", "text": " "},
     {"phone": "+77011234567", "text": "NUL \0"}, {"phone": "+77011234567", "channel": "telepathy"}],
)  # fmt: skip
def test_what_makes_no_sense_is_no_request(wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        NewRequest.model_validate({"channel": "call", "category": "other", "text": "no internet", **wrong})


def test_the_same_key_is_the_same_request_and_another_body_is_refused(desk: Desk) -> None:
    key = factories.unique("key")

    assert desk.want(key=key) == desk.want(key=key)
    with pytest.raises(Refusal, match="another request"):
        desk.want(key=key, text="something else")


def test_another_open_one_of_the_same_person_about_the_same_follows_the_first(desk: Desk) -> None:
    first_id = desk.want()
    second_id = desk.want(text="still nothing")
    third_id = desk.want(phone=desk.phone)

    assert [desk.links(one) for one in (first_id, second_id, third_id)] == [
        [], [("duplicate", None)], [("duplicate", None)],
    ]  # fmt: skip
    assert desk.look().followed_id == first_id
    assert desk.request().sla_paused_at is not None


def test_about_something_else_or_of_somebody_else_or_after_the_first_was_closed_it_stands_for_itself(
    desk: Desk,
) -> None:
    desk.want()
    desk.want("billing")
    assert desk.links() == []
    desk.want(phone=factories.new_phone())
    assert desk.links() == []
    desk.want()
    desk.process_id = first_id = desk.known[0]
    desk.solve()
    desk.want()

    assert desk.links() == []
    assert first_id != desk.process_id


def test_a_category_may_keep_its_requests_apart(desk: Desk) -> None:
    policy = RequestPolicy()
    policy.categories["other"].joins_open = False
    set_policy(desk.database, policy)

    desk.want("other")
    desk.want("other")

    assert desk.links() == []


def test_two_at_once_of_one_person_are_one_and_its_follower(desk: Desk) -> None:
    def want(number: int) -> None:
        Desk(
            desk.database, desk.server, queue="", subscriber_id=desk.subscriber_id, steps=desk.steps, tasks=desk.tasks
        ).want(text=f"call {number}")

    with ThreadPoolExecutor(4) as together:
        list(together.map(want, range(8)))

    with desk.database.transaction() as session:
        ids = session.scalars(select(Process.id).where(Process.subscriber_id == desk.subscriber_id)).all()
    assert sorted(len(desk.links(process_id)) for process_id in ids) == [0, 1, 1, 1, 1, 1, 1, 1]


# -- outages ---------------------------------------------------------------------------------------------------------


def test_under_an_outage_it_follows_that_and_the_subscriber_hears_when_it_is_expected_to_end(desk: Desk) -> None:
    desk.moment = MONDAY.replace(second=30)
    desk.cut(ends_in=4 * HOUR)

    desk.want()

    assert desk.links() == [("outage", None)]
    assert desk.request().turn is Turn.FOLLOWING
    assert desk.sms() == ["request_outage"]
    assert "23.11 13:01" in body_of(desk, "request_outage"), "local time, and never before the real end"


def test_an_outage_whose_expected_end_has_passed_is_answered_without_one(desk: Desk) -> None:
    desk.cut(ends_in=HOUR)
    desk.sleep(2 * HOUR)

    desk.want()

    assert desk.sms() == ["request_outage_overrun"]


def test_an_outage_explains_faults_and_what_nobody_has_sorted_but_no_question_about_money(desk: Desk) -> None:
    desk.cut()

    desk.want("billing")
    assert desk.links() == []
    desk.want("other")
    assert desk.links() == []
    desk.want(None, channel=Channel.SMS, phone=desk.phone)
    assert desk.links() == [("duplicate", None)], "the same person has asked something unsorted before"
    desk.want("slow")
    assert desk.links() == [("outage", None)]


def test_somebody_else_is_not_under_the_outage(desk: Desk) -> None:
    with desk.database.transaction() as session:
        elsewhere = factories.node(session).id
    desk.cut(node_id=elsewhere)

    desk.want()

    assert desk.links() == []


def test_whoever_asks_again_under_an_outage_follows_their_first_request_and_is_answered_again(desk: Desk) -> None:
    desk.cut()
    desk.want()

    desk.want()

    assert desk.links() == [("duplicate", None)]
    assert desk.sms() == ["request_outage"]


def test_the_outage_does_not_say_again_what_the_answer_has_said(desk: Desk) -> None:
    outage_id = desk.cut()
    told_by_outage = desk.sms_of_subscriber()

    desk.want()
    desk.look_at_outage(outage_id)

    assert desk.sms_of_subscriber() == [*told_by_outage, "request_outage"]
    with desk.database.transaction() as session:
        heard = session.scalars(select(OutageNotice).where(OutageNotice.outage_id == outage_id)).all()
    assert {notice.subscriber_id for notice in heard} == {desk.subscriber_id}
    assert len(heard) == 2


# -- by SMS ----------------------------------------------------------------------------------------------------------


def test_an_sms_is_answered_that_it_has_come(desk: Desk) -> None:
    desk.want(None, channel=Channel.SMS, phone=factories.new_phone(), language=Language.KK)

    assert desk.sms() == ["request_received"]
    assert "Өтінішіңіз" in body_of(desk, "request_received")


def test_whoever_wants_no_sms_gets_none(desk: Desk) -> None:
    phone = factories.new_phone()
    with desk.database.transaction() as session:
        opt_outs.remember(session, phone, at=MONDAY)

    desk.want(None, channel=Channel.SMS, phone=phone)

    assert desk.sms() == []


# -- the policy ------------------------------------------------------------------------------------------------------


def test_a_new_version_of_the_policy_does_not_rewrite_the_clock_of_an_open_request(desk: Desk) -> None:
    desk.want(priority="low")
    before = desk.request()
    policy = RequestPolicy(calendar=RequestPolicy().calendar)
    policy.categories["no_internet"].targets = Targets(
        urgent=timedelta(minutes=1), high=timedelta(minutes=2), normal=timedelta(minutes=3), low=timedelta(minutes=4)
    )
    set_policy(desk.database, policy)

    desk.change(priority="normal")
    desk.complete(TaskKind.HANDLE_REQUEST, "ask", {"question": "Is it red?"})
    desk.sleep(HOUR)
    desk.answer()

    after = desk.request()
    assert (before.sla_target, after.sla_target) == (18 * HOUR, 9 * HOUR), "both by the version that it began with"
    assert after.sla_due_at == MONDAY + 10 * HOUR


@pytest.mark.parametrize(
    "wrong",
    [
        {"unsorted": "nothing_such"},
        {"calendar": {"days": {}}},
        {"calendar": {"days": {"1": []}}},
        {"calendar": {"zone": "Mars/Olympus"}},
        {"calendar": {"zone": "../../etc/passwd"}},
        {"calendar": {"days": {"1": [{"opens": "09:00", "closes": "13:00"}, {"opens": "12:00", "closes": "18:00"}]}}},
        {"warn_percent": 0},
        {"answer_within": "PT0S"},
        {"categories": {}},
        {"categories": {"Bad Code": {}}},
    ],
)
def test_a_policy_that_can_not_work_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RequestPolicy.model_validate(wrong)


def test_what_is_more_urgent_may_not_take_longer() -> None:
    with pytest.raises(ValidationError, match="more urgent"):
        Targets(urgent=2 * HOUR, high=HOUR, normal=3 * HOUR, low=4 * HOUR)


def test_a_category_of_the_operators_own_is_as_good_as_any(desk: Desk) -> None:
    own = CategoryTerms(
        titles=Titles(ru="Видеонаблюдение", kk="Бейнебақылау", en="CCTV"), department=Role.OPS,
        targets=Targets(urgent=HOUR, high=HOUR, normal=HOUR, low=HOUR),
    )  # fmt: skip
    set_policy(desk.database, RequestPolicy(categories={"cctv": own, "rest": own}, unsorted="rest"))

    desk.want("cctv")

    assert desk.request().owner is Role.OPS
