"""Twilio brings SMS from outside, and people who try the product without it send them in themselves."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode
from uuid import uuid4

import pytest
from httpx import Response
from pydantic import SecretStr
from sqlalchemy import func, select
from twilio.request_validator import RequestValidator

from activities.phone_messages import queue_to_phone
from api.app import create_app
from api.engine import Engine
from models.contracts.messaging import MessageStatus, Urgency
from models.contracts.people import Language, Role
from models.database import Database
from models.rules.sms_texts import Template
from models.tables.inbound import InboundSms
from models.tables.requests import Request, RequestText
from settings import Settings
from tests import factories
from tests.databases import database_of_its_own
from tests.fake_twilio import ACCOUNT_SID, AUTH_TOKEN, SENDER
from tests.http_client import ApiClient
from tests.messaging_world import World

PUBLIC_URL = "https://abonent.example"
PATH = "/webhooks/twilio/inbound"
LOCAL = "/v1/local/inbound-sms"
NOTHING = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


@pytest.fixture(scope="module")
def own_database(postgres_url: str) -> Iterator[Database]:
    with database_of_its_own(postgres_url) as database:
        yield database


@pytest.fixture
def world(own_database: Database, tmp_path: Path) -> World:
    return World(own_database, tmp_path)


def api(database: Database, **settings: Any) -> ApiClient:
    """No endpoint here needs the workflow engine: there is none."""
    return ApiClient(create_app(Settings(requests_per_second=10_000, **settings), database, cast(Engine, None)))


@pytest.fixture
def client(world: World) -> ApiClient:
    return api(
        world.database, sms_gateway="twilio", twilio_account_sid=ACCOUNT_SID,
        twilio_auth_token=SecretStr(AUTH_TOKEN), twilio_sender=SENDER, public_url=PUBLIC_URL,
    )  # fmt: skip


def post(client: ApiClient, **form: str) -> Response:
    """As Twilio posts: a form, signed with the public address."""
    signature = str(RequestValidator(AUTH_TOKEN).compute_signature(PUBLIC_URL + PATH, form))
    return client.post(PATH, data=form, headers={"X-Twilio-Signature": signature})


def sms(client: ApiClient, sender: str, body: str, **more: str) -> None:
    """An SMS comes in: it is acknowledged and never answered within the call."""
    answer = post(client, **({"From": sender, "To": SENDER, "Body": body, "MessageSid": f"SM{uuid4().hex}"} | more))
    assert (answer.status_code, answer.headers["content-type"], answer.text) == (200, "application/xml", NOTHING)


def requests_of(database: Database, sender: str) -> list[str]:
    """What the number wanted."""
    with database.transaction() as session:
        return list(
            session.scalars(
                select(RequestText.body)
                .join(Request, Request.process_id == RequestText.process_id)
                .where(Request.phone == sender)
                .order_by(RequestText.id)
            )
        )


def inbound_of(database: Database, sender: str) -> int:
    with database.transaction() as session:
        return session.scalars(select(func.count()).where(InboundSms.sender == sender)).one()


def test_stop_and_start_hold_for_everybody_with_that_number(world: World, client: ApiClient) -> None:
    phone = factories.new_phone()
    one, other, stranger = world.subscriber(phone=phone), world.subscriber(phone=phone), world.subscriber()
    sms(client, phone, "СТОП")
    first = world.opted_out_at(one)
    assert first is not None
    assert world.opted_out_at(stranger) is None
    # The first one keeps its time.
    sms(client, phone, "ТОҚТА")
    assert world.opted_out_at(one) == world.opted_out_at(other) == first
    sms(client, phone, "Старт")
    assert (world.opted_out_at(one), world.opted_out_at(other)) == (None, None)


def test_twilios_own_reading_of_an_opt_out_is_believed(world: World, client: ApiClient) -> None:
    subscriber = world.subscriber()
    sms(client, subscriber.phone, "Не пишите мне", OptOutType="STOP")
    assert world.opted_out_at(subscriber) is not None


def test_a_text_becomes_a_request_once_however_often_twilio_brings_it(world: World, client: ApiClient) -> None:
    phone, sid = factories.new_phone(), f"SM{uuid4().hex}"
    for _ in range(3):
        sms(client, phone, "Нет интернета, стоп", MessageSid=sid)
    assert requests_of(world.database, phone) == ["Нет интернета, стоп"]


def test_one_without_an_id_is_not_lost(world: World, client: ApiClient) -> None:
    phone = factories.new_phone()
    for odd in ("", "\x00", "S" * 500, "'; DROP TABLE request; --"):
        sms(client, phone, f"Перезвоните {len(odd)}", MessageSid=odd)
    assert len(requests_of(world.database, phone)) == 4


@pytest.mark.parametrize(
    "sender", ["", "Kaspi.kz", "1414", "client:Абонент", "\x00", "+", "+7701123456789012", "87011234567"]
)
def test_what_comes_from_no_number_is_acknowledged_and_left(world: World, client: ApiClient, sender: str) -> None:
    sms(client, sender, "Ваш код 1234")
    assert inbound_of(world.database, sender.replace("\x00", "")) == 0


@pytest.mark.parametrize(
    ("body", "kept"),
    [
        ("Нет\x00 интернета\x00", "Нет  интернета"),
        ("Нет интернета " + "a" * 60_000, ("Нет интернета " + "a" * 60_000)[:1600]),
        ("\u202eНет интернета\u200b", "Нет интернета"),
        ("Интернет 🙏 жоқ\r\nкөмектесіңіз", "Интернет 🙏 жоқ \nкөмектесіңіз"),
        ("=HYPERLINK(1)", "=HYPERLINK(1)"),
        ("{who} %s {0.__class__}", "{who} %s {0.__class__}"),
    ],
    ids=["NUL", "long", "invisible", "emoji", "formula", "format"],
)
def test_an_odd_text_is_kept_as_far_as_it_can_be_read(world: World, client: ApiClient, body: str, kept: str) -> None:
    phone = factories.new_phone()
    sms(client, phone, body)
    assert requests_of(world.database, phone) == [kept]


@pytest.mark.parametrize("body", ["", "\x00", "\u200b"])
def test_a_text_that_says_nothing_is_acknowledged(world: World, client: ApiClient, body: str) -> None:
    phone = factories.new_phone()
    sms(client, phone, body)
    assert post(client, From=phone).status_code == 200
    assert requests_of(world.database, phone) == []


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Twilio-Signature": ""}, {"X-Twilio-Signature": "nonsense"}, {"X-Twilio-Signature": "A" * 10_000}],
    ids=["none", "empty", "nonsense", "long"],
)
def test_what_twilio_did_not_sign_changes_nothing(world: World, client: ApiClient, headers: dict[str, str]) -> None:
    phone = factories.new_phone()
    for body in ("STOP", "Нет интернета"):
        form = {"From": phone, "Body": body, "MessageSid": f"SM{uuid4().hex}"}
        answer = client.post(PATH, data=form, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (403, "signature_invalid")
    assert inbound_of(world.database, phone) == 0


def test_a_signature_holds_for_one_text_alone(world: World, client: ApiClient) -> None:
    phone = factories.new_phone()
    form = {"From": phone, "Body": "Нет интернета", "MessageSid": f"SM{uuid4().hex}"}
    signature = str(RequestValidator(AUTH_TOKEN).compute_signature(PUBLIC_URL + PATH, form))
    for changed in ({"Body": "STOP"}, {"From": factories.new_phone()}, {"OptOutType": "STOP"}):
        answer = client.post(PATH, data=form | changed, headers={"X-Twilio-Signature": signature})
        assert answer.status_code == 403
    assert inbound_of(world.database, phone) == 0


def test_a_body_of_ten_megabytes_is_refused_whatever_it_declares(client: ApiClient) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b"a" * 10_000

    assert client.post(PATH, content=b"Body=" + b"a" * 10_000_000).status_code == 413
    assert client.post(PATH, content=in_pieces()).status_code == 413


@pytest.mark.parametrize(
    "body",
    [
        b"Body=\xff\xfe\xd0",
        "Body=Нет интернета".encode("utf-16"),
        "Body=Нет интернета".encode("cp1251"),
        b"Body=%FF%FE%00",
        b"Body=" + b"%00" * 10_000,
        b"&".join(b"From=%2B77010000001" for _ in range(2000)),
    ],
    ids=["bytes", "utf-16", "cp1251", "escaped", "nul", "fields"],
)
def test_an_odd_encoding_is_refused(client: ApiClient, body: bytes) -> None:
    for media_type in ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=utf-16", "x"):
        answer = client.post(PATH, content=body, headers={"Content-Type": media_type, "X-Twilio-Signature": "x"})
        assert answer.status_code == 403


def test_a_field_that_comes_twice_is_read_as_it_was_signed(world: World, client: ApiClient) -> None:
    phone = factories.new_phone()
    pairs = [("Body", "Нет интернета"), ("Body", "STOP"), ("From", phone), ("MessageSid", f"SM{uuid4().hex}")]
    values = {name: sorted({value for key, value in pairs if key == name}) for name, _ in pairs}
    signed = PUBLIC_URL + PATH + "".join(name + value for name in sorted(values) for value in values[name])
    signature = str(RequestValidator(AUTH_TOKEN).compute_signature(signed, {}))
    headers = {"X-Twilio-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
    assert client.post(PATH, content=urlencode(pairs), headers=headers).status_code == 200
    assert inbound_of(world.database, phone) == 1


def test_a_stop_withdraws_what_waits_for_a_number_of_nobody_known(world: World, client: ApiClient) -> None:
    world.empty_queue()
    phone = factories.new_phone()
    with world.database.transaction() as session:
        message_id = queue_to_phone(
            session, key=factories.unique(), template=Template.REQUEST_RECEIVED, facts={}, urgency=Urgency.NOTICE,
            at=world.clock.now, phone=phone, language=Language.RU,
        )  # fmt: skip
    sms(client, phone, "STOP")
    assert world.batch().withdrawn == 1
    message = world.row(message_id)
    assert (message.status, message.error_code) == (MessageStatus.WITHDRAWN, "opted_out")
    sms(client, phone, "START")
    with world.database.transaction() as session:
        again = queue_to_phone(
            session, key=factories.unique(), template=Template.REQUEST_RECEIVED, facts={}, urgency=Urgency.NOTICE,
            at=world.clock.now, phone=phone, language=Language.RU,
        )  # fmt: skip
    assert world.batch().sent == 1
    assert world.status(again) is MessageStatus.SENT
    assert len(world.gateway.bodies_to(phone)) == 1


# Without Twilio.


@pytest.fixture
def support(world: World) -> dict[str, str]:
    with world.database.transaction() as session:
        return factories.staff(session, Role.SUPPORT).headers


def test_without_twilio_an_sms_can_be_sent_in(world: World, support: dict[str, str]) -> None:
    client, phone, sid = api(world.database), factories.new_phone(), f"LI{uuid4().hex}"
    body = {"sender": phone, "body": "Интернет жоқ", "sid": sid}
    for _ in range(2):
        answer = client.post(LOCAL, json=body, headers=support)
        assert answer.status_code == 201
        view = answer.json()
        assert (view["sid"], view["outcome"]) == (sid, "registered")
    assert requests_of(world.database, phone) == ["Интернет жоқ"]
    with world.database.transaction() as session:
        assert (
            str(session.scalars(select(Request.process_id).where(Request.phone == phone)).one()) == view["process_id"]
        )
    stopped = client.post(LOCAL, json={"sender": phone, "body": "СТОП"}, headers=support).json()
    assert (stopped["outcome"], stopped["process_id"]) == ("stopped", None)


@pytest.mark.parametrize("body", [{"sender": "8 701", "body": "x"}, {"sender": "+77010000000", "body": "\x00"}, {}])
def test_what_is_sent_in_is_checked(world: World, support: dict[str, str], body: dict[str, str]) -> None:
    answer = api(world.database).post(LOCAL, json=body, headers=support)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_with_twilio_there_is_no_such_way(world: World, client: ApiClient, support: dict[str, str]) -> None:
    body = {"sender": factories.new_phone(), "body": "Интернет жоқ"}
    assert client.post(LOCAL, json=body, headers=support).status_code == 404
    assert LOCAL not in client.get("/openapi.json").json()["paths"]
    assert LOCAL in api(world.database).get("/openapi.json").json()["paths"]


# The policy. A module's last test: a version that was added holds for every one after it.


def test_how_many_sms_of_a_number_are_taken_is_a_policy(world: World, client: ApiClient) -> None:
    with world.database.transaction() as session:
        admin = factories.staff(session, Role.ADMIN).headers
    for body, status in (({"at_most": 0}, 422), ({"window": "-PT1H"}, 422), ({"at_most": 2, "window": "P1D"}, 201)):
        answer = client.post("/v1/policies/inbound_sms", json={"body": body}, headers=admin)
        assert answer.status_code == status
    phone = factories.new_phone()
    for text in ("Нет интернета", "Как оплатить?", "Хочу другой тариф"):
        sms(client, phone, text)
    assert requests_of(world.database, phone) == ["Нет интернета", "Как оплатить?"]
