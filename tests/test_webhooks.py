import itertools
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode
from uuid import UUID

import pytest
from httpx import Response
from pydantic import SecretStr
from twilio.request_validator import RequestValidator

from api.app import create_app
from api.engine import Engine
from models.contracts.messaging import MessageStatus
from models.contracts.people import Role
from models.database import Database
from models.tables.messages import Message
from settings import Settings
from tests import factories
from tests.databases import database_of_its_own
from tests.fake_twilio import ACCOUNT_SID, AUTH_TOKEN, SENDER
from tests.http_client import ApiClient
from tests.messaging_world import World

PUBLIC_URL = "https://abonent.example"
STATUS, INBOUND = "/webhooks/twilio/status", "/webhooks/twilio/inbound"


@pytest.fixture(scope="module")
def own_database(postgres_url: str) -> Iterator[Database]:
    with database_of_its_own(postgres_url) as database:
        yield database


@pytest.fixture
def world(own_database: Database, tmp_path: Path) -> World:
    world = World(own_database, tmp_path)
    world.empty_queue()
    return world


def api(database: Database, settings: Settings) -> ApiClient:
    return ApiClient(create_app(settings, database, cast(Engine, None)))  # no endpoint here needs the engine


@pytest.fixture
def client(world: World) -> ApiClient:
    settings = Settings(
        sms_gateway="twilio",
        twilio_account_sid=ACCOUNT_SID,
        twilio_auth_token=SecretStr(AUTH_TOKEN),
        twilio_sender=SENDER,
        public_url=PUBLIC_URL,
        requests_per_second=10_000,
    )
    return api(world.database, settings)


def signature(path: str, form: dict[str, str], token: str = AUTH_TOKEN) -> str:
    return str(RequestValidator(token).compute_signature(PUBLIC_URL + path, form))


def post(client: ApiClient, path: str, form: dict[str, str]) -> Response:
    """As Twilio posts: a form, signed with the public address."""
    return client.post(path, data=form, headers={"X-Twilio-Signature": signature(path, form)})


def report(client: ApiClient, sid: str, status: str, code: int | None = None, query: str = "") -> None:
    form = {"MessageSid": sid, "MessageStatus": status, "AccountSid": ACCOUNT_SID, "To": "+77010000000", "From": SENDER}
    if code is not None:
        form["ErrorCode"] = str(code)
    assert post(client, STATUS + query, form).status_code == 204


def sent(world: World) -> Message:
    """A message that the provider took."""
    message_id = world.queue(world.subscriber())
    assert world.batch().sent == 1
    return world.row(message_id)


def sid_of(message: Message) -> str:
    assert message.provider_sid is not None
    return message.provider_sid


# Status.


def test_a_delivered_sms_is_settled(world: World, client: ApiClient) -> None:
    message = sent(world)
    report(client, sid_of(message), "delivered")
    settled = world.row(message.id)
    assert settled.status is MessageStatus.DELIVERED
    assert settled.settled_at is not None


@pytest.mark.parametrize("order", list(itertools.permutations(["queued", "sending", "sent", "delivered"])))
def test_whatever_the_order_and_however_often_delivered_stays_delivered(
    world: World, client: ApiClient, order: tuple[str, ...]
) -> None:
    message = sent(world)
    for status in (*order, *order):
        report(client, sid_of(message), status)
    assert world.status(message.id) is MessageStatus.DELIVERED


def test_a_late_failure_never_overwrites_delivered_and_a_repetition_changes_nothing(
    world: World, client: ApiClient
) -> None:
    message = sent(world)
    report(client, sid_of(message), "delivered")
    settled_at = world.row(message.id).settled_at
    for status in ("undelivered", "failed", "canceled", "delivered", "read", "sent"):
        report(client, sid_of(message), status, 30003)
    row = world.row(message.id)
    assert (row.status, row.error_code, row.settled_at) == (MessageStatus.DELIVERED, None, settled_at)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        ("undelivered", 30005, MessageStatus.UNDELIVERED),
        ("undelivered", 30999, MessageStatus.UNDELIVERED),
        ("undelivered", None, MessageStatus.UNDELIVERED),
        ("failed", 30006, MessageStatus.FAILED),
        ("canceled", None, MessageStatus.FAILED),
    ],
)
def test_an_sms_that_was_not_delivered_says_why(
    world: World, client: ApiClient, status: str, code: int | None, expected: MessageStatus
) -> None:
    message = sent(world)
    report(client, sid_of(message), status, code)
    row = world.row(message.id)
    assert (row.status, row.error_code) == (expected, None if code is None else str(code))
    assert row.settled_at is not None


def test_an_unreachable_handset_is_tried_again_a_few_times_and_the_old_attempts_callbacks_are_ignored(
    world: World, client: ApiClient
) -> None:
    message = sent(world)
    attempts = 1
    while True:
        sid = sid_of(world.row(message.id))
        woken = world.wake_ups()
        report(client, sid, "undelivered", 30003)
        report(client, sid, "delivered", query=f"?message={message.id}&attempt={attempts}")
        row = world.row(message.id)
        if row.status is not MessageStatus.QUEUED:
            break
        assert world.wake_ups() == woken + 1
        world.clock.now = row.not_before
        assert world.batch().sent == 1
        attempts += 1
    assert attempts == len(world.gateway.calls) == 4
    # The last attempt's own late success is believed.
    assert row.status is MessageStatus.DELIVERED


def test_an_opt_out_that_a_callback_reports_is_remembered(world: World, client: ApiClient) -> None:
    subscriber = world.subscriber()
    message_id = world.queue(subscriber)
    world.batch()
    report(client, sid_of(world.row(message_id)), "failed", 21610)
    assert world.status(message_id) is MessageStatus.FAILED
    assert world.opted_out_at(subscriber) is not None


def test_an_unknown_message_is_answered_and_changes_nothing(world: World, client: ApiClient) -> None:
    message = sent(world)
    report(client, "SM" + "f" * 32, "delivered")
    report(client, "SM" + "f" * 32, "delivered", query=f"?message={message.id}&attempt=1")
    report(client, sid_of(message), "a-status-of-tomorrow")
    assert world.status(message.id) is MessageStatus.SENT


@pytest.mark.parametrize("status", [MessageStatus.SENDING, MessageStatus.UNKNOWN])
def test_a_callback_that_overtakes_the_answer_settles_the_message_it_names(
    world: World, client: ApiClient, status: MessageStatus
) -> None:
    message_id = world.queue(world.subscriber())
    with world.database.transaction() as session:
        row = session.get(Message, message_id)
        assert row is not None
        row.status, row.attempts, row.attempted_at = status, 2, world.clock.now
    sid = factories.unique("SM").replace("-", "")
    report(client, sid, "delivered", query=f"?message={message_id}&attempt=1")
    assert world.status(message_id) is status
    report(client, sid, "delivered", query=f"?message={message_id}&attempt=2")
    settled = world.row(message_id)
    assert (settled.status, settled.provider_sid) == (MessageStatus.DELIVERED, sid)
    assert world.batch().next_due_at is None
    assert world.gateway.calls == []


def test_a_callback_during_the_call_is_not_overwritten_by_its_answer(world: World, client: ApiClient) -> None:
    def answer_late(sms: Any) -> Any:
        outcome = world.gateway.local.send(sms)
        report(client, outcome.sid, "delivered", query=f"?message={sms.message_id}&attempt={sms.attempt}")  # type: ignore[union-attr] # accepted
        return outcome

    message_id = world.queue(world.subscriber())
    world.gateway.orders.append(answer_late)
    world.batch()
    assert world.status(message_id) is MessageStatus.DELIVERED


# Signatures and hostile bodies.


@pytest.mark.parametrize("path", [STATUS, INBOUND])
def test_only_twilios_signature_over_the_public_address_is_believed(world: World, client: ApiClient, path: str) -> None:
    message = sent(world)
    form = {"MessageSid": sid_of(message), "MessageStatus": "delivered", "From": "+77010000000", "Body": "STOP"}
    signed_elsewhere = RequestValidator(AUTH_TOKEN).compute_signature(f"http://testserver{path}", form)
    for wrong in (
        {},
        {"X-Twilio-Signature": ""},
        {"X-Twilio-Signature": "nonsense"},
        {"X-Twilio-Signature": signature(path, form, token="other")},
        {"X-Twilio-Signature": signature(path, {**form, "MessageStatus": "sent"})},
        {"X-Twilio-Signature": signed_elsewhere},
    ):
        answer = client.post(path, data=form, headers=wrong)
        assert answer.status_code == 403
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == "signature_invalid"
    added = client.post(
        f"{path}?message={message.id}", data=form, headers={"X-Twilio-Signature": signature(path, form)}
    )
    assert added.status_code == 403
    assert world.status(message.id) is MessageStatus.SENT


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b"%ff%fe=%00",
        b"&" * 1000,
        b"a=1&" * 5000,
        b"{}",
        b"MessageSid",
        "MessageSid=\ud800".encode("utf-8", "surrogatepass"),
        b'--x\r\nContent-Disposition: form-data; name="MessageSid"; filename="a"\r\n\r\nSM1\r\n--x--',
    ],
    ids=range(9),
)
def test_a_hostile_body_is_refused_and_breaks_nothing(client: ApiClient, body: bytes) -> None:
    for path in (STATUS, INBOUND):
        for media_type in ("application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json"):
            headers = {"Content-Type": media_type, "X-Twilio-Signature": "x"}
            assert client.post(path, content=body, headers=headers).status_code == 403


def test_a_body_that_is_too_large_is_refused_whatever_it_declares(client: ApiClient) -> None:
    async def in_pieces() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"a" * 10_000

    answer = client.post(STATUS, content=b"a" * 70_000)
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert client.post(STATUS, content=in_pieces()).status_code == 413


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"MessageSid": "", "MessageStatus": "delivered"},
        {"MessageSid": "\x00", "MessageStatus": "delivered"},
        {"MessageSid": "SM'; DROP TABLE message; --", "MessageStatus": "delivered"},
        {"MessageSid": "S" * 5000, "MessageStatus": "delivered"},
        {"MessageSid": "SM1", "MessageStatus": "\x00", "ErrorCode": "9" * 4000},
        {"MessageSid": "SM1", "MessageStatus": "delivered", "ErrorCode": "-1"},
        {"From": "\x00", "Body": "STOP"},
        {"From": "+77010000001", "Body": "\x00" * 100},
        {"From": "client:Абонент", "Body": "STOP"},
    ],
    ids=range(10),
)
def test_odd_fields_are_harmless_even_when_they_are_signed(client: ApiClient, form: dict[str, str]) -> None:
    for query in ("", "?message=1&attempt=x", f"?message={UUID(int=0)}&attempt={'9' * 50}", "?attempt=%00"):
        assert post(client, STATUS + query, form).status_code == 204
    assert post(client, INBOUND, form).status_code == 200


def test_several_values_of_a_field_are_signed_as_twilio_signs_them(client: ApiClient) -> None:
    pairs = [("MessageSid", "SM1"), ("MediaUrl", "b"), ("MediaUrl", "a"), ("MessageStatus", "sent")]
    values = {name: sorted(value for key, value in pairs if key == name) for name, _ in pairs}
    text = PUBLIC_URL + STATUS + "".join(name + value for name in sorted(values) for value in values[name])
    signed = RequestValidator(AUTH_TOKEN).compute_signature(text, {})
    answer = client.post(
        STATUS,
        content=urlencode(pairs),
        headers={"X-Twilio-Signature": str(signed), "Content-Type": "application/x-www-form-urlencoded"},
    )
    assert answer.status_code == 204


def test_without_twilio_there_are_no_webhooks(world: World) -> None:
    client = api(world.database, Settings(sms_gateway="local"))
    for path in (STATUS, INBOUND):
        answer = post(client, path, {"MessageSid": "SM1", "MessageStatus": "sent", "From": "+77010000000"})
        assert (answer.status_code, answer.json()["type"]) == (404, "webhook_unknown")


# The list.


def test_staff_see_messages_newest_first_by_subscriber_process_and_status(world: World, client: ApiClient) -> None:
    with world.database.transaction() as session:
        headers = factories.staff(session, Role.SUPPORT).headers
        process_id = factories.process(session).id
    subscriber = world.subscriber()
    first = world.queue(subscriber, process_id=process_id)
    second = world.queue(subscriber, at=datetime(2100, 1, 1, tzinfo=UTC))
    world.queue(world.subscriber())
    world.batch()

    def listed(**query: Any) -> list[str]:
        answer = client.get("/v1/messages", params=query, headers=headers)
        assert answer.status_code == 200
        return [item["id"] for item in answer.json()["items"]]

    assert listed(subscriber_id=subscriber.id) == [str(second), str(first)]
    assert listed(subscriber_id=subscriber.id, status="sent") == [str(first)]
    assert listed(process_id=process_id) == [str(first)]
    page = client.get("/v1/messages", params={"subscriber_id": str(subscriber.id), "limit": 1}, headers=headers).json()
    assert [item["id"] for item in page["items"]] == [str(second)]
    assert listed(subscriber_id=subscriber.id, cursor=page["next_cursor"]) == [str(first)]
    assert page["items"][0]["body"].startswith("Услуга подключена")


def test_messages_are_for_staff_only(client: ApiClient) -> None:
    assert client.get("/v1/messages").status_code == 401
    assert client.get("/v1/messages", headers={"Authorization": "Bearer nobody"}).status_code == 401
