"""SMS from outside: remembered opt-outs, requests, answers, reopenings, and numbers that send too many."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select

from activities import opt_outs, request_acts
from activities.inbound import IncomingSms, take
from activities.message_queue import queue_message
from activities.phone_messages import queue_answer, queue_to_phone
from activities.request_closing import close_request
from activities.request_registration import register_request
from activities.request_state import locked
from activities.subscribers import change
from models.contracts.engine import REQUEST, REQUEST_CHANGED
from models.contracts.inbound import InboundOutcome, InboundPolicy
from models.contracts.messaging import MessageStatus, Urgency
from models.contracts.outage import OutageKind
from models.contracts.people import Language, SubscriberChange
from models.contracts.processes import ProcessKind, ProcessStatus
from models.contracts.request import NewRequest
from models.contracts.request_words import Channel, LinkKind, RequestEnding, TextKind, Turn
from models.database import Database
from models.rules.sms_texts import Template
from models.tables.inbound import InboundSms
from models.tables.messages import Message
from models.tables.outages import Outage, OutageAffected
from models.tables.outbox import Outbox
from models.tables.people import Subscriber
from models.tables.processes import Process, TimelineEntry
from models.tables.requests import Request, RequestLink, RequestText
from tests import factories

NOW = datetime(2026, 11, 24, 6, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
Outcome = InboundOutcome
DEFAULT = InboundPolicy()


class Phone:
    """A number, and whoever has it."""

    def __init__(self, database: Database, number: str | None = None, language: Language = Language.RU) -> None:
        self.database = database
        self.number = number or factories.new_phone()
        self.language = language
        self.now = NOW

    def sends(self, body: str, *, sid: str | None = None, **more: Any) -> InboundOutcome:
        """An SMS comes in; answers what became of it."""
        with self.database.transaction() as session:
            return take(session, IncomingSms(sid or f"SM{uuid4().hex}", self.number, body, **more), at=self.now)

    def belongs_to_a_subscriber(self) -> Subscriber:
        with self.database.transaction() as session:
            return factories.customer(session, phone=self.number, language=self.language).subscriber

    def requests(self) -> list[Request]:
        """Their requests, in the order in which they were registered."""
        with self.database.transaction() as session:
            found = select(Request).where(Request.phone == self.number)
            return list(session.scalars(found.order_by(Request.process_id)))

    def request(self) -> Request:
        """Their only request."""
        (only,) = self.requests()
        return only

    def texts(self) -> list[tuple[str, str]]:
        """What they said, in the order in which it was kept."""
        with self.database.transaction() as session:
            ids = [request.process_id for request in self.requests()]
            rows = session.scalars(select(RequestText).where(RequestText.process_id.in_(ids)).order_by(RequestText.id))
            return [(row.kind, row.body) for row in rows]

    def is_asked(self, process_id: UUID) -> None:
        """A department asks something in a request of theirs."""
        with self.database.transaction() as session:
            request_acts.ask(
                session, locked(session, process_id), "Какой у вас роутер?", key=str(uuid4()), at=self.now,
                actor="test", within=3 * DAY,
            )  # fmt: skip

    def is_told_the_solution(self, process_id: UUID, ending: RequestEnding = RequestEnding.SOLVED) -> None:
        """A request of theirs is closed."""
        with self.database.transaction() as session:
            close_request(session, locked(session, process_id), ending, event="request_solved", at=self.now)

    def takes_sms(self) -> bool:
        with self.database.transaction() as session:
            return opt_outs.opted_out_at(session, self.number) is None

    def answers(self) -> list[tuple[MessageStatus, str | None]]:
        """The SMS that went to the number, with what became of them."""
        with self.database.transaction() as session:
            rows = session.scalars(select(Message).where(Message.recipient == self.number).order_by(Message.id))
            return [(row.status, row.error_code) for row in rows]

    def told(self, process_id: UUID) -> list[str]:
        """The events of a request's timeline."""
        with self.database.transaction() as session:
            return list(session.scalars(select(TimelineEntry.event).where(TimelineEntry.process_id == process_id)))


@pytest.fixture
def phone(database: Database) -> Phone:
    return Phone(database)


def process_of(phone: Phone, request: Request) -> Process:
    with phone.database.transaction() as session:
        return session.get_one(Process, request.process_id)


# STOP and START.


def test_a_number_of_nobody_known_is_remembered_and_honoured_for_whoever_has_it_later(phone: Phone) -> None:
    assert phone.sends("СТОП") is Outcome.STOPPED
    assert phone.requests() == []
    subscriber = phone.belongs_to_a_subscriber()
    with phone.database.transaction() as session:
        assert session.get_one(Subscriber, subscriber.id).sms_opt_out_at == NOW
        message_id = queue_message(
            session, key=factories.unique(), template=Template.CONNECTED, urgency=Urgency.EMERGENCY, at=NOW,
            facts={"tariff": "Домашний 100", "account_no": "1"}, subscriber_id=subscriber.id,
        )  # fmt: skip
        message = session.get_one(Message, message_id)
        assert (message.status, message.error_code) == (MessageStatus.WITHDRAWN, "opted_out")


def test_start_lifts_it(phone: Phone) -> None:
    subscriber = phone.belongs_to_a_subscriber()
    phone.sends("stop")
    assert phone.sends("Старт") is Outcome.STARTED
    with phone.database.transaction() as session:
        assert session.get_one(Subscriber, subscriber.id).sms_opt_out_at is None


def test_it_stays_with_the_number_when_its_subscriber_takes_another(phone: Phone) -> None:
    subscriber = phone.belongs_to_a_subscriber()
    phone.sends("STOP")
    with phone.database.transaction() as session:
        changed = change(session, subscriber.id, SubscriberChange(phone=factories.new_phone()))
        session.refresh(changed)
        assert changed.sms_opt_out_at is None
    assert not phone.takes_sms()


def test_a_stop_that_is_delivered_again_after_a_start_changes_nothing(phone: Phone) -> None:
    phone.sends("STOP", sid="SM1" + phone.number[1:])
    phone.sends("START")
    assert phone.sends("STOP", sid="SM1" + phone.number[1:]) is Outcome.STOPPED
    assert phone.takes_sms()


def test_the_providers_own_reading_of_a_text_is_believed(phone: Phone) -> None:
    assert phone.sends("Не пишите мне", opt_out_type="STOP") is Outcome.STOPPED
    assert not phone.takes_sms()


def test_an_sms_to_a_number_of_nobody_known_is_sent_unless_it_wants_none(phone: Phone) -> None:
    def queued(key: str) -> Message:
        with phone.database.transaction() as session:
            message_id = queue_to_phone(
                session, key=key, template=Template.REQUEST_RECEIVED, facts={}, urgency=Urgency.REQUESTED, at=NOW,
                phone=phone.number, language=Language.KK,
            )  # fmt: skip
            return session.get_one(Message, message_id)

    key = factories.unique()
    first = queued(key)
    assert (first.status, first.recipient, first.language) == (MessageStatus.QUEUED, phone.number, Language.KK)
    assert (first.subscriber_id, first.staff_id) == (None, None)
    assert queued(key).id == first.id
    phone.sends("STOP")
    withdrawn = queued(factories.unique())
    assert (withdrawn.status, withdrawn.error_code, withdrawn.settled_at) == ("withdrawn", "opted_out", NOW)


# New requests.


def test_a_text_becomes_a_request_that_starts_by_itself_and_is_answered(phone: Phone) -> None:
    subscriber = phone.belongs_to_a_subscriber()
    assert phone.sends("Нет интернета с утра") is Outcome.REGISTERED
    request = phone.request()
    assert (request.channel, request.category, request.turn) == (Channel.SMS, "no_internet", Turn.WORK)
    assert process_of(phone, request).subscriber_id == subscriber.id
    assert process_of(phone, request).opened_by == "subscriber"
    assert phone.texts() == [(TextKind.WISH, "Нет интернета с утра")]
    assert [status for status, _ in phone.answers()] == [MessageStatus.QUEUED]
    with phone.database.transaction() as session:
        # The workflow engine is told once it is there again.
        waiting = session.scalars(select(Outbox).where(Outbox.workflow_id == f"request/{request.process_id}")).one()
        assert waiting.workflow_type == REQUEST


@pytest.mark.parametrize(
    ("text", "category", "turn", "language"),
    [
        ("Интернет жоқ", "no_internet", Turn.WORK, Language.KK),
        ("my bill is wrong", "billing", Turn.WORK, Language.EN),
        ("Перезвоните мне, пожалуйста", "other", Turn.TRIAGE, Language.RU),
    ],
)
def test_a_number_of_nobody_known_is_registered_too_in_the_language_of_its_text(
    phone: Phone, text: str, category: str, turn: Turn, language: Language
) -> None:
    assert phone.sends(text) is Outcome.REGISTERED
    request = phone.request()
    assert (request.category, request.turn, request.language) == (category, turn, language)
    assert process_of(phone, request).subscriber_id is None


@pytest.mark.parametrize("number", ["+79161234567", "+14155550100", "+77272500000"])
def test_a_number_from_abroad_or_of_a_landline_is_registered_too(database: Database, number: str) -> None:
    phone = Phone(database, number)
    assert phone.sends(f"Позвоните мне {factories.unique()}") is Outcome.REGISTERED


def test_whoever_wants_no_sms_is_registered_and_not_answered(phone: Phone) -> None:
    phone.sends("STOP")
    assert phone.sends("Нет интернета") is Outcome.REGISTERED
    assert phone.answers() == [(MessageStatus.WITHDRAWN, "opted_out")]


def test_an_sms_that_is_delivered_again_is_one_request(phone: Phone) -> None:
    sid = f"SM{uuid4().hex}"
    with ThreadPoolExecutor(6) as pool:
        outcomes = set(pool.map(lambda _: phone.sends("Нет интернета", sid=sid), range(6)))
    assert outcomes == {Outcome.REGISTERED}
    assert len(phone.requests()) == 1
    assert len(phone.answers()) == 1


def test_another_sms_about_the_same_is_linked_to_the_first(phone: Phone) -> None:
    phone.sends("Нет интернета")
    phone.now += MINUTE
    assert phone.sends("Когда починят интернет? Не работает!") is Outcome.REGISTERED
    first, second = phone.requests()
    with phone.database.transaction() as session:
        link = session.scalars(select(RequestLink).where(RequestLink.process_id == second.process_id)).one()
    assert (link.follows_id, link.kind) == (first.process_id, LinkKind.DUPLICATE)


@pytest.mark.parametrize("text", ["", "\x00\x00", " \n ", "\u200b"])
def test_an_sms_that_says_nothing_is_no_request(phone: Phone, text: str) -> None:
    assert phone.sends(text) is Outcome.EMPTY
    assert phone.requests() == []


def test_a_start_that_there_was_no_stop_for_is_no_request(phone: Phone) -> None:
    assert phone.sends("старт") is Outcome.STARTED
    assert phone.requests() == []


# Answers.


def test_what_comes_from_whoever_was_asked_is_the_answer(phone: Phone) -> None:
    phone.belongs_to_a_subscriber()
    phone.sends("Медленный интернет")
    request = phone.request()
    phone.is_asked(request.process_id)
    phone.now += HOUR
    assert phone.sends("Опять вы спрашиваете! TP-Link, тариф Домашний") is Outcome.ANSWERED
    assert phone.request().turn is Turn.WORK
    assert phone.texts()[-1] == (TextKind.ANSWER, "Опять вы спрашиваете! TP-Link, тариф Домашний")
    with phone.database.transaction() as session:
        signals = session.scalars(
            select(Outbox.signal).where(Outbox.workflow_id == process_of(phone, request).workflow_id)
        ).all()
    assert REQUEST_CHANGED in signals


def test_yes_answers_a_question_although_it_also_starts_sms(phone: Phone) -> None:
    phone.sends("Медленный интернет")
    phone.is_asked(phone.request().process_id)
    assert phone.sends("Yes") is Outcome.ANSWERED
    assert phone.texts()[-1] == (TextKind.ANSWER, "Yes")


def test_of_several_questions_the_last_one_is_answered(phone: Phone) -> None:
    phone.sends("Медленный интернет")
    phone.sends("Как оплатить?")
    slow, billing = phone.requests()
    phone.is_asked(billing.process_id)
    phone.now += HOUR
    phone.is_asked(slow.process_id)
    phone.sends("TP-Link")
    assert [request.turn for request in phone.requests()] == [Turn.WORK, Turn.QUESTION]


def test_a_stranger_who_has_a_subscribers_old_number_answers_nothing_of_theirs(phone: Phone) -> None:
    subscriber = phone.belongs_to_a_subscriber()
    phone.sends("Медленный интернет")
    asked = phone.request().process_id
    phone.is_asked(asked)
    with phone.database.transaction() as session:
        new_number = change(session, subscriber.id, SubscriberChange(phone=factories.new_phone())).phone
    assert phone.sends("Кто это?") is Outcome.REGISTERED
    assert Phone(phone.database, new_number).sends("TP-Link") is Outcome.ANSWERED
    with phone.database.transaction() as session:
        answers = session.scalars(
            select(RequestText.body).where(RequestText.process_id == asked, RequestText.kind == TextKind.ANSWER)
        ).all()
    assert answers == ["TP-Link"]


# Reopening.


@pytest.fixture
def solved(phone: Phone) -> Phone:
    """A number whose request «no internet» was solved two days ago."""
    phone.belongs_to_a_subscriber()
    phone.sends("Нет интернета")
    phone.is_told_the_solution(phone.request().process_id)
    phone.now += 2 * DAY
    return phone


@pytest.mark.parametrize(
    "text", ["снова", "Опять то же самое", "не работает", "Нет интернета", "әлі жұмыс істемейді", "still down"]
)
def test_what_comes_again_after_its_solution_is_reopened(solved: Phone, text: str) -> None:
    assert solved.sends(text) is Outcome.REOPENED
    request = solved.request()
    assert (request.turn, request.round) == (Turn.WORK, 2)
    assert process_of(solved, request).status is ProcessStatus.OPEN
    assert solved.texts()[-1] == (TextKind.REOPENING, text)
    assert len(solved.answers()) == 2


def test_a_text_that_is_delivered_again_reopens_once(solved: Phone) -> None:
    sid = f"SM{uuid4().hex}"
    assert solved.sends("снова", sid=sid) is Outcome.REOPENED
    assert solved.sends("снова", sid=sid) is Outcome.REOPENED
    assert solved.request().round == 2


@pytest.mark.parametrize("text", ["Опять не пришёл счёт", "Хочу другой тариф", "Перезвоните мне"])
def test_what_is_about_something_else_is_a_new_request(solved: Phone, text: str) -> None:
    assert solved.sends(text) is Outcome.REGISTERED
    first, second = solved.requests()
    assert (first.turn, second.turn == Turn.CLOSED) == (Turn.CLOSED, False)


def test_after_the_days_of_the_policy_it_is_a_new_request(solved: Phone) -> None:
    solved.now += 6 * DAY
    assert solved.sends("Снова нет интернета") is Outcome.REGISTERED
    assert len(solved.requests()) == 2


def test_what_was_found_to_be_no_request_is_not_reopened(phone: Phone) -> None:
    phone.sends("Нет интернета")
    phone.is_told_the_solution(phone.request().process_id, RequestEnding.REJECTED)
    assert phone.sends("снова") is Outcome.REGISTERED


def test_the_one_that_was_solved_last_is_reopened(solved: Phone) -> None:
    solved.sends("Как оплатить?")
    second = solved.requests()[1].process_id
    solved.is_told_the_solution(second)
    solved.now += MINUTE
    assert solved.sends("так и не помогло") is Outcome.REOPENED
    assert [request.round for request in solved.requests()] == [1, 2]


def test_where_an_open_one_may_be_meant_a_new_one_is_linked_to_that(solved: Phone) -> None:
    with solved.database.transaction() as session:
        order = NewRequest(phone=solved.number, channel=Channel.CALL, category="no_internet", text="Нет интернета")
        process, _ = register_request(session, order, actor="test", idempotency_key=None, at=solved.now)
        open_id = process.id
    assert solved.sends("Снова нет интернета") is Outcome.REGISTERED
    with solved.database.transaction() as session:
        joined = solved.requests()[-1].process_id
        follows = session.scalars(select(RequestLink.follows_id).where(RequestLink.process_id == joined)).one()
    assert follows == open_id


def test_under_an_outage_a_fault_is_a_new_request_that_follows_it(solved: Phone) -> None:
    with solved.database.transaction() as session:
        subscriber = session.scalars(select(Subscriber).where(Subscriber.phone == solved.number)).one()
        account = factories.another_account(session, subscriber)
        service = factories.subscription(session, account)
        outage = factories.process(session, kind=ProcessKind.OUTAGE)
        session.add(
            Outage(
                process_id=outage.id, kind=OutageKind.EMERGENCY, reason="обрыв", starts_at=solved.now - HOUR,
                ends_at=solved.now + HOUR, registered_at=solved.now,
            )
        )  # fmt: skip
        session.flush()
        session.add(
            OutageAffected(
                outage_id=outage.id, position=1, subscription_id=service.id, subscriber_id=subscriber.id,
                account_id=account.id,
            )
        )  # fmt: skip
        outage_id = outage.id
    assert solved.sends("Снова нет интернета!") is Outcome.REGISTERED
    with solved.database.transaction() as session:
        follows = session.scalars(
            select(RequestLink.follows_id).where(RequestLink.process_id == solved.requests()[1].process_id)
        ).one()
    assert follows == outage_id


# Thanks.


def test_thanks_for_a_solution_bother_nobody(solved: Phone) -> None:
    assert solved.sends("Спасибо!") is Outcome.THANKED
    request = solved.request()
    assert request.turn is Turn.CLOSED
    assert "sms_thanks" in solved.told(request.process_id)


def test_thanks_of_somebody_who_had_no_request_are_one(phone: Phone) -> None:
    assert phone.sends("Спасибо") is Outcome.REGISTERED


# Too many.


def test_past_so_many_within_the_window_sms_are_counted_and_noted_once(phone: Phone) -> None:
    for number in range(DEFAULT.at_most):
        assert phone.sends(f"Нет интернета {number}") is Outcome.REGISTERED
        phone.now += MINUTE
    answered = len(phone.answers())
    for number in range(7):
        assert phone.sends(f"ОТВЕТЬТЕ {number}") is Outcome.REFUSED
    assert len(phone.requests()) == DEFAULT.at_most
    assert len(phone.answers()) == answered
    with phone.database.transaction() as session:
        refused = session.scalars(select(func.sum(InboundSms.refused_after)).where(InboundSms.sender == phone.number))
        assert refused.one() == 7
    notes = [phone.told(request.process_id).count("sms_flood") for request in phone.requests()]
    assert notes == [0, 0, 0, 0, 1]
    # Others are not held up, and once the window has passed, neither is this one.
    assert Phone(phone.database).sends("Нет интернета") is Outcome.REGISTERED
    phone.now += DEFAULT.window
    assert phone.sends("Нет интернета") is Outcome.REGISTERED


def test_a_flood_in_parallel_is_no_way_around_the_limit(phone: Phone) -> None:
    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(lambda number: phone.sends(f"Нет интернета {number}"), range(12)))
    assert outcomes.count(Outcome.REGISTERED) == len(phone.requests()) == DEFAULT.at_most
    assert outcomes.count(Outcome.REFUSED) == 12 - DEFAULT.at_most


def test_stop_and_start_are_obeyed_however_many_came_before(phone: Phone) -> None:
    for number in range(DEFAULT.at_most + 1):
        phone.sends(f"Нет интернета {number}")
    assert phone.sends("STOP") is Outcome.STOPPED
    assert not phone.takes_sms()
    assert phone.sends("START") is Outcome.STARTED
    assert phone.takes_sms()


def test_only_so_many_answers_a_day_go_to_one_number(phone: Phone) -> None:
    def answer(key: str) -> None:
        with phone.database.transaction() as session:
            queue_answer(
                session, key=key, template=Template.REQUEST_RECEIVED, facts={}, at=phone.now, phone=phone.number,
                language=Language.RU,
            )  # fmt: skip

    keys = [factories.unique("answer") for _ in range(DEFAULT.answers_a_day + 2)]
    for key in [*keys, keys[0]]:
        answer(key)
        phone.now += MINUTE
    sent = [(MessageStatus.QUEUED, None)] * DEFAULT.answers_a_day
    assert phone.answers() == [*sent, *[(MessageStatus.WITHDRAWN, "too_many_answers")] * 2]
    phone.now += DAY
    answer(factories.unique("answer"))
    assert phone.answers()[-1] == (MessageStatus.QUEUED, None)
