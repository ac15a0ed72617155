"""What is wrong with a request, or with the machines behind it, is answered by a problem and harms nothing."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import APIRouter
from structlog.testing import capture_logs

from api.app import create_app
from api.engine import Engine
from models.contracts.people import Role
from models.database import Database
from settings import Settings
from tests import factories
from tests.api_world import ApiStack, Case, app_client, is_problem
from tests.http_client import ApiClient
from workers.ports import free_port

pytest_plugins = ("tests.api_stack",)

SEVERAL_MB = 10 * 1024 * 1024


# -- what can't be read -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"nonsense", b"[]", b'"text"', b"null", b"1", b"{'a': 1}", b'{"reason": "x"',
        b"\xff\xfe", b'{"reason": "\xd0"}', b"\x00", b'{"reason": NaN}',
        pytest.param(b'{"reason": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="deep lists"),
        pytest.param(b'{"a":' * 50_000 + b"1" + b"}" * 50_000, id="deep objects"),
        pytest.param(b'{"reason": ' + b"9" * 10_000 + b"}", id="a number of 10,000 digits"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_such_json_is_refused(api: ApiStack, content: bytes) -> None:
    answer = api.call(
        "POST", f"/v1/processes/{uuid4()}/cancel", Role.OPERATOR, content=content,
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    is_problem(answer, 422, "invalid_input")


def test_where_json_is_broken_the_body_is_named_and_no_position(api: ApiStack) -> None:
    answer = api.call(
        "POST", "/v1/connections", Role.OPERATOR, content=b'{"premises_id": }',
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert [error["field"] for error in is_problem(answer, 422)["errors"]] == ["body"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", ""])
def test_another_kind_of_content_is_refused(api: ApiStack, content_type: str) -> None:
    answer = api.call(
        "POST", f"/v1/processes/{uuid4()}/cancel", Role.OPERATOR, content=b'{"reason": "none of it"}',
        headers={"Content-Type": content_type},
    )  # fmt: skip
    is_problem(answer, 422, "invalid_input")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_ten_megabytes_is_too_large(api: ApiStack, *, chunked: bool) -> None:
    part = b"x" * (SEVERAL_MB // 10)
    content: Any = iter([part] * 10) if chunked else part * 10
    is_problem(api.call("POST", "/v1/connections", Role.OPERATOR, content=content), 413, "body_too_large")
    assert api.get("/v1/processes", limit=1)["items"] is not None


def test_data_that_is_nested_as_deep_as_json_goes_is_refused_and_nothing_breaks(case: Case) -> None:
    task = case.to_scheduling()
    deep: Any = "x"
    for _ in range(400):
        deep = [deep]
    body = is_problem(case.complete(task, "assigned", {**case.slot(), "comment": deep}), 422, "form_invalid")
    assert [error["field"] for error in body["errors"]] == ["data.comment"]


@pytest.fixture
def case(api: ApiStack) -> Case:
    return api.case()


# -- what can be read and can't be kept ---------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a\0b", "\0", "half of a pair: \ud800"], ids=["NUL within", "NUL", "surrogate"])
def test_text_that_no_database_keeps_is_refused_wherever_it_stands(case: Case, text: str) -> None:
    api, task = case.api, case.to_scheduling()
    order = case.order()
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in text).encode()

    def sent(method: str, path: str, role: Role, template: bytes) -> httpx.Response:
        content = template.replace(b"TEXT", escaped + b"xyz")
        return api.call(method, path, role, content=content, headers={"Content-Type": "application/json"})

    for answer in (
        sent("POST", "/v1/subscribers", Role.OPERATOR,
             b'{"iin": "%s", "full_name": "TEXT", "phone": "%s"}'
             % (order["subscriber"]["iin"].encode(), order["subscriber"]["phone"].encode())),
        sent("POST", f"/v1/processes/{case.process_id}/cancel", Role.OPERATOR, b'{"reason": "TEXT"}'),
        sent("POST", f"/v1/tasks/{task['id']}/complete", Role.DISPATCHER,
             b'{"outcome": "postponed", "data": {"until": "2099-01-01T00:00:00Z", "reason": "TEXT"}}'),
        sent("POST", f"/v1/tasks/{task['id']}/complete", Role.DISPATCHER, b'{"outcome": "TEXT"}'),
        sent("POST", "/v1/stock", Role.ADMIN, b'{"sku": "TEXT", "serials": ["abc"]}'),
        sent("POST", "/v1/premises", Role.ADMIN, b'{"address": "TEXT", "node_id": "%s"}'
             % str(case.place.node_id).encode()),
        sent("POST", f"/v1/payments/{uuid4()}/allocate", Role.ACCOUNTING, b'{"account_no": "TEXT"}'),
    ):  # fmt: skip
        is_problem(answer, 422)
    assert case.cancel().status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/v1/subscribers?q=a%00b", "/v1/stock?sku=%00", "/v1/processes?stage=%00", "/v1/subscribers?iin=%00",
     "/v1/subscribers?phone=%00"],
)  # fmt: skip
def test_a_filter_that_no_database_knows_is_refused(api: ApiStack, path: str) -> None:
    is_problem(api.call("GET", path, Role.OPERATOR), 422, "invalid_input")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/processes?limit=0", "limit"), ("/v1/processes?limit=1000000", "limit"),
        ("/v1/processes?limit=many", "limit"), ("/v1/processes?limit=99999999999999999999", "limit"),
        ("/v1/processes?cursor=here", "cursor"), ("/v1/processes?kind=party", "kind"),
        ("/v1/processes?status=lost", "status"), ("/v1/processes?subscriber_id=7", "subscriber_id"),
        ("/v1/tasks?department=kitchen", "department"), ("/v1/subscribers?iin=880101300015", "iin"),
        ("/v1/subscribers?phone=12", "phone"), ("/v1/subscribers?q=a", "q"),
        ("/v1/processes/7", "process_id"), ("/v1/tasks/not-an-id", "task_id"), ("/v1/documents/%00", "document_id"),
        ("/v1/crews/019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071/slots", "on"),
        ("/v1/crews/019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071/slots?on=tomorrow", "on"),
        ("/v1/crews/019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071/slots?on=9999-12-31", "on"),
        ("/v1/processes/019ab3c4-5d6e-7f80-9a1b-2c3d4e5f6071/timeline?lang=fr", "lang"),
    ],
)  # fmt: skip
def test_a_parameter_that_cannot_be_is_refused_by_its_name(api: ApiStack, path: str, field: str) -> None:
    body = is_problem(api.call("GET", path, Role.OPERATOR), 422, "invalid_input")
    (error,) = body["errors"]
    assert error["field"].split(".")[-1] == field


@pytest.mark.parametrize("on", ["2000-01-01", "2099-12-31"])
def test_the_first_and_the_last_day_of_the_calendar_have_slots(case: Case, on: str) -> None:
    assert len(case.api.get(f"/v1/crews/{case.place.crew_id}/slots", on=on)["items"]) == 5


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"opens_at": "09:00:00+05:00"}, "opens_at"), ({"opens_at": "19:00", "closes_at": "09:00"}, "closes_at"),
        ({"weekdays": [0]}, "weekdays.0"), ({"weekdays": [10**30]}, "weekdays.0"), ({"weekdays": []}, "weekdays"),
        ({"slot_minutes": 1}, "slot_minutes"),
    ],
)  # fmt: skip
def test_a_crew_whose_day_cannot_be_is_refused(api: ApiStack, wrong: dict[str, Any], field: str) -> None:
    new = {"code": factories.unique("crew"), "name": "Бригада", **wrong}
    body = is_problem(api.post("/v1/crews", Role.ADMIN, new), 422)
    assert [error["field"] for error in body["errors"]] == [field]


# -- where nothing is ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/v1", "/v2/processes", "/v1/processes/", "/bank/v1", "/docs/x", "/%00"])
def test_an_unknown_address_is_not_found(api: ApiStack, path: str) -> None:
    is_problem(api.call("GET", path, Role.ADMIN), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("DELETE", "/v1/processes"), ("PUT", "/v1/connections"), ("GET", "/v1/connections"), ("OPTIONS", "/v1/tasks"),
     ("POST", "/healthz"), ("BREW", "/v1/tasks")],
)  # fmt: skip
def test_an_unknown_method_is_refused_with_those_that_are_known(api: ApiStack, method: str, path: str) -> None:
    answer = api.call(method, path, Role.ADMIN)
    is_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]


def test_a_head_request_is_refused_without_a_body(api: ApiStack) -> None:
    answer = api.call("HEAD", "/v1/tasks", Role.ADMIN)
    assert (answer.status_code, answer.content) == (405, b"")


def test_made_up_methods_do_not_become_figures_of_their_own(api: ApiStack) -> None:
    for number in range(5):
        api.call(f"BREW{number}", "/v1/tasks", Role.ADMIN)
    figures = api.client.get("/metrics").text
    assert 'method="BREW' not in figures
    assert re.search(r'abonent_http_requests_total\{method="other",.*status="405"', figures)


def test_figures_are_kept_by_route_and_name_nobody(api: ApiStack) -> None:
    iin = factories.new_iin()
    api.client.get(f"/bank/v1/customers/{iin}", auth=api.bank.auth)
    figures = api.client.get("/metrics").text
    assert 'route="/bank/v1/customers/{iin}",status="404"' in figures
    assert iin not in figures


# -- who is too much ----------------------------------------------------------------------------------------------


def test_whoever_asks_too_fast_is_told_when_to_ask_again(api: ApiStack) -> None:
    client = app_client(api, requests_per_second=2)
    answers = [client.get("/v1/tasks", headers=api.staff[Role.OPERATOR].headers) for _ in range(30)]
    slowed = [answer for answer in answers if answer.status_code != 200]
    assert slowed
    assert answers[0].status_code == 200
    for answer in slowed:
        is_problem(answer, 429, "too_many_requests")
        assert answer.headers["retry-after"] == "1"


def test_one_who_asks_too_fast_slows_nobody_else_down(api: ApiStack) -> None:
    client = app_client(api, requests_per_second=2)
    for _ in range(10):
        client.get("/v1/tasks", headers=api.staff[Role.OPERATOR].headers)
    assert client.get("/v1/tasks", headers=api.staff[Role.SUPPORT].headers).status_code == 200


def test_guessing_is_slowed_down_however_many_tokens_are_tried(api: ApiStack) -> None:
    client = app_client(api, requests_per_second=2)
    tokens = [{"Authorization": f"Bearer {uuid4()}"} for _ in range(30)]
    answers = {client.get("/v1/tasks", headers=token).status_code for token in tokens}
    assert answers == {401, 429}


def test_callers_behind_the_operators_own_proxy_are_counted_one_by_one(api: ApiStack) -> None:
    client = app_client(api, address="10.0.0.1", trusted_proxies=["10.0.0.1"], requests_per_second=2)
    for _ in range(10):
        client.get("/v1/tasks", headers={"X-Forwarded-For": "198.51.100.1"})
    assert client.get("/v1/tasks", headers={"X-Forwarded-For": "198.51.100.2"}).status_code == 401


# -- where a bank calls from --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "forwarded", "status"),
    [
        pytest.param("198.51.100.9", [], 404, id="from its own network"),
        pytest.param("203.0.113.5", [], 403, id="from elsewhere"),
        pytest.param("203.0.113.5", ["198.51.100.9"], 403, id="claims its network, nobody vouches"),
        pytest.param("10.0.0.1", ["198.51.100.9"], 404, id="our proxy vouches"),
        pytest.param("10.0.0.1", ["198.51.100.9, 203.0.113.5"], 403, id="claims its network through our proxy"),
        pytest.param("10.0.0.1", ["198.51.100.9", "203.0.113.5"], 403, id="claims it in a header of its own"),
        pytest.param("10.0.0.1", ["203.0.113.5, 198.51.100.9, 10.0.0.2"], 404, id="two of our proxies vouch"),
        pytest.param("10.0.0.1", ["198.51.100.9, nonsense"], 403, id="a proxy passes nonsense on"),
        pytest.param("10.0.0.1", [], 403, id="our proxy itself"),
        pytest.param("::ffff:198.51.100.9", [], 404, id="IPv4 at a socket for both families"),
        pytest.param("2001:db8::1", [], 403, id="IPv6 from elsewhere"),
    ],
)
def test_a_bank_is_let_in_from_its_own_networks_alone(
    api: ApiStack, address: str, forwarded: list[str], status: int
) -> None:
    with api.database.transaction() as session:
        bank = factories.bank(session, allowed_networks=["198.51.100.7/24"])
    client = app_client(api, address=address, trusted_proxies=["10.0.0.1", "10.0.0.2"])
    headers = [("X-Forwarded-For", value) for value in forwarded]
    answer = client.get("/bank/v1/customers/880101300014", auth=bank.auth, headers=headers)
    is_problem(answer, status, "address_not_allowed" if status == 403 else "customer_unknown")


# -- when the database is away, or we are wrong -------------------------------------------------------------------


def test_without_the_database_everything_but_life_signs_is_put_off(api: ApiStack) -> None:
    nowhere = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    client = ApiClient(create_app(api.settings, nowhere, Engine(api.server.client)))
    operator = api.staff[Role.OPERATOR].headers
    for answer in (
        client.get("/v1/processes", headers=operator),
        client.post("/v1/connections", json={}, headers=operator),
        client.get("/bank/v1/customers/880101300014", auth=api.bank.auth),
    ):
        is_problem(answer, 503, "database_away")
        assert int(answer.headers["retry-after"]) > 0
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").json() == {"ready": False, "database": False, "workflow_engine": True}
    figures = client.get("/metrics")
    assert figures.status_code == 200
    assert "abonent_http_requests_total" in figures.text


def test_a_fault_of_ours_is_answered_and_logged_without_what_it_says(database: Database) -> None:
    faulty = APIRouter()
    secret = "Key (iin)=(880101300014) already exists"

    @faulty.get("/faulty")
    def fail() -> None:
        raise KeyError(secret)

    app = create_app(Settings(), database, None)  # type: ignore[arg-type]  # nothing is asked of the engine
    app.include_router(faulty)
    with capture_logs() as logs:
        answer = ApiClient(app).get("/faulty")

    is_problem(answer, 500, "internal_error")
    failed = next(entry for entry in logs if entry["event"] == "request_failed")
    assert failed["kind"] == "KeyError"
    assert failed["at"][-1].endswith("fail")
    assert "880101300014" not in f"{answer.text} {logs}"
    assert any(entry["event"] == "request" and entry["status"] == 500 for entry in logs)
