import logging
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
from pydantic import SecretStr

from activities.gateways import make_sms_gateway
from activities.gateways.local_sms import LocalSmsGateway
from activities.gateways.sms import Accepted, LookUpFailedError, NotSent, OutgoingSms, SmsGateway
from activities.gateways.twilio_sms import TwilioSmsGateway
from models.rules.sms_failures import FailureClass
from settings import Settings
from tests.connection_world import eventually
from tests.factories import new_phone
from tests.fake_twilio import ACCOUNT_SID, AUTH_TOKEN, SENDER, Failure, FakeTwilio

BODY = "Қызмет қосылды. Сумма 125\u00a0500,00\u00a0₸ & 100% «да»"


def twilio_settings(url: str | None, **changes: object) -> Settings:
    given: dict[str, object] = {
        "sms_gateway": "twilio",
        "twilio_account_sid": ACCOUNT_SID,
        "twilio_auth_token": SecretStr(AUTH_TOKEN),
        "twilio_sender": SENDER,
        "twilio_api_url": url,
        "public_url": "https://abonent.example",
    }
    return Settings.model_validate(given | changes)


def twilio_gateway(url: str, *, timeout_seconds: float = 60.0, sender: str = SENDER) -> TwilioSmsGateway:
    return TwilioSmsGateway(
        account_sid=ACCOUNT_SID,
        auth_token=AUTH_TOKEN,
        sender=sender,
        public_url="https://abonent.example/",
        api_url=url,
        timeout_seconds=timeout_seconds,
    )


@pytest.fixture
def fake() -> Iterator[FakeTwilio]:
    with FakeTwilio.running() as running:
        yield running


class Reopen(Protocol):
    def __call__(self) -> SmsGateway: ...


@dataclass
class Subject:
    """A gateway under the contract, and how a new process would open it."""

    gateway: SmsGateway
    reopened: Reopen


@contextmanager
def subject_of(kind: str, folder: Path) -> Iterator[Subject]:
    if kind == "local":
        settings = Settings(local_dir=folder, sms_gateway="local")
        yield Subject(make_sms_gateway(settings), lambda: make_sms_gateway(settings))
        return
    with FakeTwilio.running() as running:
        settings = twilio_settings(running.url)
        yield Subject(make_sms_gateway(settings), lambda: make_sms_gateway(settings))


@pytest.fixture(params=["local", "twilio"])
def subject(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Subject]:
    with subject_of(request.param, tmp_path / "local") as made:
        yield made


def sms(to: str, body: str = BODY) -> OutgoingSms:
    return OutgoingSms(uuid4(), 1, to, body)


def a_while_ago() -> datetime:
    return datetime.now(UTC) - timedelta(minutes=5)


def sent(gateway: SmsGateway, to: str, body: str = BODY) -> str:
    outcome = gateway.send(sms(to, body))
    assert isinstance(outcome, Accepted)
    return outcome.sid


# The contract of every gateway.


def test_what_was_sent_is_found_by_number_text_and_time(subject: Subject) -> None:
    to = new_phone()
    sid = sent(subject.gateway, to)
    assert subject.gateway.find(to=to, body=BODY, since=a_while_ago()) == [sid]
    assert subject.gateway.find(to=new_phone(), body=BODY, since=a_while_ago()) == []
    assert subject.gateway.find(to=to, body=BODY + "!", since=a_while_ago()) == []
    assert subject.gateway.find(to=to, body=BODY, since=datetime.now(UTC) + timedelta(minutes=1)) == []


def test_nothing_is_found_before_anything_was_sent(subject: Subject) -> None:
    assert subject.gateway.find(to=new_phone(), body=BODY, since=a_while_ago()) == []


def test_the_same_text_twice_is_two_sms_with_ids_of_their_own(subject: Subject) -> None:
    to = new_phone()
    sids = {sent(subject.gateway, to), sent(subject.gateway, to)}
    assert len(sids) == 2
    assert set(subject.gateway.find(to=to, body=BODY, since=a_while_ago())) == sids


def test_it_is_found_after_a_restart(subject: Subject) -> None:
    to = new_phone()
    sid = sent(subject.gateway, to)
    assert subject.reopened().find(to=to, body=BODY, since=a_while_ago()) == [sid]


def test_neither_number_nor_text_shows_in_the_repr_of_an_sms() -> None:
    to = new_phone()
    assert to not in repr(sms(to))
    assert BODY not in repr(sms(to))


# The local one.


def test_the_file_is_readable_for_its_owner_only_even_if_it_was_not_before(tmp_path: Path) -> None:
    gateway = LocalSmsGateway(tmp_path / "new")
    sent(gateway, new_phone())
    assert stat.S_IMODE(gateway.path.stat().st_mode) == 0o600
    gateway.path.chmod(0o644)
    sent(gateway, new_phone())
    assert stat.S_IMODE(gateway.path.stat().st_mode) == 0o600


def test_a_line_that_was_torn_spoils_no_other(tmp_path: Path) -> None:
    gateway = LocalSmsGateway(tmp_path)
    first = sent(gateway, new_phone())
    with gateway.path.open("ab") as file:
        file.write(b'{"sid": "LM-torn", "to": "+77')
    second = sent(gateway, new_phone())
    assert [line.sid for line in gateway.sent()] == [first, second]


def _send_many(folder: Path, to: str) -> None:
    gateway = LocalSmsGateway(folder)
    for number in range(100):
        sent(gateway, to, f"{number} {BODY}")


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    numbers = [new_phone() for _ in range(4)]
    context = get_context("spawn")
    processes = [context.Process(target=_send_many, args=(tmp_path, to)) for to in numbers]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    lines = LocalSmsGateway(tmp_path).sent()
    assert sorted((line.to, line.body) for line in lines) == sorted(
        (to, f"{number} {BODY}") for to in numbers for number in range(100)
    )


def test_a_file_that_cannot_be_written_or_read_is_an_unknown_result(tmp_path: Path) -> None:
    gateway = LocalSmsGateway(tmp_path)
    gateway.path.mkdir()
    assert gateway.send(sms(new_phone())) == NotSent(FailureClass.UNKNOWN, "file_not_written")
    with pytest.raises(LookUpFailedError):
        gateway.find(to=new_phone(), body=BODY, since=a_while_ago())


# Twilio's.


def test_a_create_carries_sender_callback_and_validity(fake: FakeTwilio) -> None:
    to = new_phone()
    message = OutgoingSms(uuid4(), 3, to, BODY, timedelta(minutes=90))
    twilio_gateway(fake.url).send(message)
    (taken,) = fake.to(to)
    assert taken.form == {
        "To": to,
        "From": SENDER,
        "Body": BODY,
        "ValidityPeriod": "5400",
        "StatusCallback": f"https://abonent.example/webhooks/twilio/status?message={message.message_id}&attempt=3",
    }


def test_a_messaging_service_is_named_as_one(fake: FakeTwilio) -> None:
    to = new_phone()
    twilio_gateway(fake.url, sender=f"MG{'1' * 32}").send(sms(to))
    (taken,) = fake.to(to)
    assert taken.form["MessagingServiceSid"] == f"MG{'1' * 32}"
    assert "From" not in taken.form


@pytest.mark.parametrize(
    ("asked", "given"), [(timedelta(days=2), "36000"), (timedelta(seconds=1), "60"), (timedelta(0), "60")]
)
def test_the_validity_stays_within_what_twilio_takes(fake: FakeTwilio, asked: timedelta, given: str) -> None:
    to = new_phone()
    twilio_gateway(fake.url).send(OutgoingSms(uuid4(), 1, to, BODY, asked))
    assert fake.to(to)[0].form["ValidityPeriod"] == given


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (Failure.refusal(20429, 429), NotSent(FailureClass.THROTTLED, "20429")),
        (Failure(429), NotSent(FailureClass.THROTTLED, "429")),
        (Failure.refusal(21611), NotSent(FailureClass.LATER, "21611")),
        (Failure.refusal(21211), NotSent(FailureClass.NUMBER, "21211")),
        (Failure.refusal(21610), NotSent(FailureClass.NUMBER, "21610")),
        (Failure.refusal(21614), NotSent(FailureClass.NUMBER, "21614")),
        (Failure.refusal(21635), NotSent(FailureClass.NUMBER, "21635")),
        (Failure.refusal(21606), NotSent(FailureClass.CONFIGURATION, "21606")),
        (Failure.refusal(21408, 403), NotSent(FailureClass.CONFIGURATION, "21408")),
        (Failure.refusal(20404, 404), NotSent(FailureClass.CONFIGURATION, "20404")),
        (Failure.refusal(20500, 500), NotSent(FailureClass.UNKNOWN, "20500")),
        (Failure(500, accepts=True), NotSent(FailureClass.UNKNOWN, "500")),
        (Failure(502, page="<html>Bad gateway</html>"), NotSent(FailureClass.UNKNOWN, "502")),
        (Failure(201, page="<html>Welcome</html>"), NotSent(FailureClass.UNKNOWN, "bad_answer")),
        (Failure(201, page="[]"), NotSent(FailureClass.UNKNOWN, "bad_answer")),
        (Failure(201, page="{}"), NotSent(FailureClass.UNKNOWN, "bad_answer")),
        (Failure(drops=True, accepts=True), NotSent(FailureClass.UNKNOWN, "no_answer")),
    ],
    ids=str,
)
def test_every_failure_gets_its_class_and_is_never_repeated_by_the_client(
    fake: FakeTwilio, failure: Failure, expected: NotSent
) -> None:
    to = new_phone()
    fake.script(failure)
    assert twilio_gateway(fake.url).send(sms(to)) == expected
    assert fake.creates == 1
    assert len(fake.to(to)) == int(failure.accepts)


def test_a_call_that_takes_too_long_is_unknown_and_found_afterwards(fake: FakeTwilio) -> None:
    to = new_phone()
    fake.script(Failure(accepts=True, hangs_seconds=10.0))
    assert twilio_gateway(fake.url, timeout_seconds=0.2).send(sms(to)) == NotSent(FailureClass.UNKNOWN, "no_answer")
    # The fake may be slower than the gateway's patience, and takes it all the same.
    taken = eventually(lambda: fake.to(to))
    assert fake.creates == 1
    assert twilio_gateway(fake.url).find(to=to, body=BODY, since=a_while_ago()) == [taken[0].sid]


def test_wrong_credentials_are_the_operators_to_mend(fake: FakeTwilio) -> None:
    gateway = make_sms_gateway(twilio_settings(fake.url, twilio_auth_token=SecretStr("wrong")))
    assert gateway.send(sms(new_phone())) == NotSent(FailureClass.CONFIGURATION, "20003")


def test_where_no_connection_is_made_nothing_was_processed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    gateway = twilio_gateway(f"http://127.0.0.1:{port}")
    assert gateway.send(sms(new_phone())) == NotSent(FailureClass.LATER, "not_connected")
    with pytest.raises(LookUpFailedError):
        gateway.find(to=new_phone(), body=BODY, since=a_while_ago())


def test_a_proxy_that_the_environment_names_is_used(fake: FakeTwilio, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", fake.url)
    to = new_phone()
    sent(twilio_gateway("http://sms.invalid"), to)
    assert len(fake.to(to)) == 1
    assert {path for _, path in fake.requests} == {
        f"http://sms.invalid/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
    }
    monkeypatch.setenv("no_proxy", "sms.invalid")
    assert twilio_gateway("http://sms.invalid").send(sms(to)) == NotSent(FailureClass.LATER, "not_connected")


def test_a_look_up_that_fails_says_so_and_does_not_quote_the_number(fake: FakeTwilio) -> None:
    to = new_phone()
    fake.is_listing = False
    with pytest.raises(LookUpFailedError) as failed:
        twilio_gateway(fake.url).find(to=to, body=BODY, since=a_while_ago())
    assert failed.value.__cause__ is None
    assert to not in str(failed.value)


def test_a_message_that_twilio_has_not_sent_yet_is_found_as_well(fake: FakeTwilio) -> None:
    to = new_phone()
    sid = sent(twilio_gateway(fake.url), to)
    assert fake.to(to)[0].sent_at is None
    assert twilio_gateway(fake.url).find(to=to, body=BODY, since=a_while_ago()) == [sid]


def test_a_trial_accounts_prefix_hides_no_message(fake: FakeTwilio) -> None:
    to = new_phone()
    sid = sent(twilio_gateway(fake.url), to)
    fake.to(to)[0].form["Body"] = f"Sent from your Twilio trial account - {BODY}"
    assert twilio_gateway(fake.url).find(to=to, body=BODY, since=a_while_ago()) == [sid]


def test_several_finds_come_newest_first(fake: FakeTwilio) -> None:
    to = new_phone()
    gateway = twilio_gateway(fake.url)
    older, newer = sent(gateway, to), sent(gateway, to)
    fake.to(to)[0].created_at -= timedelta(minutes=20)
    assert gateway.find(to=to, body=BODY, since=datetime.now(UTC) - timedelta(hours=1)) == [newer, older]
    assert gateway.find(to=to, body=BODY, since=datetime.now(UTC) - timedelta(minutes=10)) == [newer]


def test_the_client_logs_no_number(fake: FakeTwilio, caplog: pytest.LogCaptureFixture) -> None:
    to = new_phone()
    with caplog.at_level(logging.INFO):
        gateway = twilio_gateway(fake.url)
        sent(gateway, to)
        fake.script(Failure.refusal(21211))
        gateway.send(sms(to))
        gateway.find(to=to, body=BODY, since=a_while_ago())
    assert to[1:] not in caplog.text


def test_the_settings_choose_the_gateway_and_nothing_connects(tmp_path: Path) -> None:
    assert isinstance(make_sms_gateway(Settings(local_dir=tmp_path)), LocalSmsGateway)
    assert isinstance(make_sms_gateway(twilio_settings(None)), TwilioSmsGateway)
    assert list(tmp_path.iterdir()) == []
