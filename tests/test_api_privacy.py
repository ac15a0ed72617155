"""Neither logs, nor errors, nor figures, nor histories carry who a subscriber is."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from models.contracts.people import Role
from models.tables.network import Premises
from tests import factories
from tests.api_world import ApiStack, Case

pytest_plugins = ("tests.api_stack",)

SILENT = ("httpx", "httpcore", "uvicorn.access")
"""As `workers.logs` has it; pytest listens even to loggers that were told to pass nothing on."""


@contextmanager
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What the program, its libraries and its servers log until the block ends."""
    lines: list[str] = []
    caplog.set_level(logging.INFO)
    for name in SILENT:
        caplog.set_level(logging.ERROR, logger=name)
    with capture_logs() as entries:
        yield lines
    lines += [str(entry) for entry in entries]
    lines += [f"{record.getMessage()} {record.exc_text} {record.args}" for record in caplog.records]


@pytest.fixture
def case(api: ApiStack) -> Case:
    return api.case()


def secrets_of(case: Case) -> list[str]:
    """By what the person could be known."""
    with case.api.database.transaction() as session:
        address = session.scalars(select(Premises.address).where(Premises.id == case.place.premises_id)).one()
    phone = case.person["phone"]
    return [case.person["iin"], *case.person["full_name"].split(), phone, phone[-10:], address]


def test_a_connection_and_what_goes_wrong_with_it_is_logged_without_the_person(
    case: Case, caplog: pytest.LogCaptureFixture
) -> None:
    api = case.api
    with everything_logged(caplog) as lines:
        case.to_the_end()
        person = case.person
        name = person["full_name"]
        # Searched by, registered again, asked for by the bank, sent where it does not belong, sent in pieces.
        api.get("/v1/subscribers", iin=person["iin"])
        api.get("/v1/subscribers", phone=person["phone"], q=name[:10])
        api.post("/v1/subscribers", Role.OPERATOR, person)
        api.client.get(f"/bank/v1/customers/{person['iin']}", auth=api.bank.auth)
        api.call("GET", f"/v1/subscribers/{person['iin']}", Role.OPERATOR)
        api.call("GET", f"/v1/{person['iin']}", Role.OPERATOR)
        answers = [
            api.post("/v1/subscribers", Role.OPERATOR, {**person, "iin": f"{person['iin']}0"}),
            api.post("/v1/subscribers", Role.OPERATOR, {**person, "phone": f"{person['phone']}99"}),
            api.post(
                "/v1/subscribers", Role.OPERATOR, {**person, "iin": factories.new_iin(), "full_name": name + "\0"}
            ),
            api.post("/v1/subscribers", Role.OPERATOR, {**person, "language": name}),
            api.post("/v1/connections", Role.OPERATOR, {"subscriber": person, "premises_id": person["phone"]}),
            case.send({**case.order(), "subscriber": person}),
            case.cancel(),
        ]

    said = "\n".join(lines)
    assert "request" in said
    assert case.process_id in said, "a log can be followed by the process"
    assert str(api.staff[Role.OPERATOR].row.id) in said, "and says who acted"
    assert [answer.status_code for answer in answers] == [422, 422, 422, 422, 422, 409, 409]
    case.person = person
    for secret in secrets_of(case):
        assert secret not in said
        for answer in answers:
            assert secret not in answer.text, answer.text
        assert secret not in api.client.get("/metrics").text


def test_the_history_of_a_connection_is_about_nobody(case: Case) -> None:
    case.to_the_end()
    handle = case.api.server.client.get_workflow_handle(f"connection/{case.process_id}")
    history = case.api.server.run(handle.fetch_history()).to_json()
    assert case.process_id in history
    for secret in secrets_of(case):
        assert secret not in history
