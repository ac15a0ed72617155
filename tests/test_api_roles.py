"""Who may call what: every route, every role, no credentials, wrong ones, and a bank's."""

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from api.app import create_app
from models.contracts.people import Role
from tests import factories
from tests.api_world import ApiStack

pytest_plugins = ("tests.api_stack",)

OPERATOR, ACCOUNTING, DISPATCHER = Role.OPERATOR, Role.ACCOUNTING, Role.DISPATCHER
STAFF = frozenset(Role)
ADMIN_ONLY: frozenset[Role] = frozenset()
BANK = "bank"

WHO: dict[tuple[str, str], frozenset[Any] | str] = {
    ("POST", "/v1/subscribers"): frozenset({OPERATOR}),
    ("GET", "/v1/subscribers"): frozenset({OPERATOR}),
    ("GET", "/v1/subscribers/{subscriber_id}"): frozenset({OPERATOR}),
    ("PATCH", "/v1/subscribers/{subscriber_id}"): frozenset({OPERATOR}),
    ("GET", "/v1/subscribers/{subscriber_id}/ledger"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/tariffs"): STAFF,
    ("POST", "/v1/tariffs"): ADMIN_ONLY,
    ("GET", "/v1/network-nodes"): STAFF,
    ("POST", "/v1/network-nodes"): ADMIN_ONLY,
    ("GET", "/v1/premises"): STAFF,
    ("POST", "/v1/premises"): ADMIN_ONLY,
    ("GET", "/v1/stock"): STAFF,
    ("POST", "/v1/stock"): ADMIN_ONLY,
    ("GET", "/v1/crews"): STAFF,
    ("POST", "/v1/crews"): ADMIN_ONLY,
    ("GET", "/v1/crews/{crew_id}/slots"): STAFF,
    ("GET", "/v1/policies"): STAFF,
    ("POST", "/v1/policies/{code}"): ADMIN_ONLY,
    ("POST", "/v1/connections"): frozenset({OPERATOR}),
    ("POST", "/v1/disconnections"): frozenset({OPERATOR}),
    ("POST", "/v1/tariff-changes"): frozenset({OPERATOR}),
    ("POST", "/v1/outages"): frozenset({DISPATCHER}),
    ("PATCH", "/v1/outages/{process_id}"): frozenset({DISPATCHER}),
    ("GET", "/v1/outages"): STAFF,
    ("GET", "/v1/outages/{process_id}"): STAFF,
    ("GET", "/v1/outages/{process_id}/affected"): frozenset({DISPATCHER, OPERATOR, Role.SUPPORT}),
    ("POST", "/v1/requests"): frozenset({OPERATOR, Role.SUPPORT}),
    ("GET", "/v1/requests/{process_id}"): STAFF,
    ("PATCH", "/v1/requests/{process_id}"): frozenset({OPERATOR, Role.SUPPORT}),
    ("POST", "/v1/requests/{process_id}/answers"): frozenset({OPERATOR, Role.SUPPORT}),
    ("POST", "/v1/requests/{process_id}/reopen"): frozenset({OPERATOR, Role.SUPPORT}),
    ("GET", "/v1/equipment-models"): STAFF,
    ("POST", "/v1/equipment-models"): ADMIN_ONLY,
    ("GET", "/v1/tariffs/{code}/equipment"): STAFF,
    ("PUT", "/v1/tariffs/{code}/equipment"): ADMIN_ONLY,
    ("GET", "/v1/processes"): STAFF,
    ("GET", "/v1/processes/{process_id}"): STAFF,
    ("GET", "/v1/processes/{process_id}/timeline"): STAFF,
    ("POST", "/v1/processes/{process_id}/cancel"): frozenset({OPERATOR, Role.OPS}),
    ("POST", "/v1/processes/{process_id}/reschedule"): frozenset({DISPATCHER}),
    # Any department reads; whose task it is decides who completes it.
    ("GET", "/v1/requests"): STAFF,
    ("GET", "/v1/reports/requests"): STAFF,
    ("POST", "/v1/local/inbound-sms"): frozenset({Role.SUPPORT}),
    ("GET", "/v1/tasks"): STAFF,
    ("GET", "/v1/tasks/{task_id}"): STAFF,
    ("POST", "/v1/tasks/{task_id}/claim"): STAFF,
    ("POST", "/v1/tasks/{task_id}/complete"): STAFF,
    ("GET", "/v1/invoices"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/invoices/{invoice_id}"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/invoices/{invoice_id}/pdf"): frozenset({OPERATOR, ACCOUNTING}),
    ("POST", "/v1/invoices/{invoice_id}/credit-notes"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/subscribers/{subscriber_id}/statement"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/reports/aged-receivables"): frozenset({ACCOUNTING}),
    ("GET", "/v1/reports/trial-balance"): frozenset({ACCOUNTING}),
    ("GET", "/v1/reports/money-in-transit"): frozenset({ACCOUNTING}),
    ("GET", "/v1/reports/unsettled-days"): frozenset({ACCOUNTING}),
    ("GET", "/v1/tariffs/{code}/prices"): STAFF,
    ("POST", "/v1/tariffs/{code}/prices"): ADMIN_ONLY,
    ("GET", "/v1/subscriptions/{subscription_id}/periods"): frozenset({OPERATOR, ACCOUNTING}),
    ("POST", "/v1/subscriptions/{subscription_id}/freeze"): frozenset({OPERATOR}),
    ("POST", "/v1/subscriptions/{subscription_id}/unfreeze"): frozenset({OPERATOR}),
    ("GET", "/v1/subscriptions/{subscription_id}/discounts"): frozenset({OPERATOR, ACCOUNTING}),
    ("POST", "/v1/subscriptions/{subscription_id}/discounts"): frozenset({OPERATOR, ACCOUNTING}),
    ("DELETE", "/v1/subscriptions/{subscription_id}/discounts/{discount_id}"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/subscriptions/{subscription_id}/charges"): frozenset({OPERATOR, ACCOUNTING}),
    ("POST", "/v1/subscriptions/{subscription_id}/charges"): frozenset({OPERATOR, ACCOUNTING}),
    ("DELETE", "/v1/subscriptions/{subscription_id}/charges/{charge_id}"): frozenset({OPERATOR, ACCOUNTING}),
    ("POST", "/v1/billing-runs"): frozenset({ACCOUNTING}),
    ("GET", "/v1/billing-runs"): frozenset({ACCOUNTING}),
    ("GET", "/v1/billing-runs/{run_id}"): frozenset({ACCOUNTING}),
    ("GET", "/v1/billing-runs/{run_id}/exceptions"): frozenset({ACCOUNTING}),
    ("POST", "/v1/billing-runs/{run_id}/exceptions/{exception_id}/bill"): frozenset({ACCOUNTING}),
    ("POST", "/v1/proration-previews"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/payments"): frozenset({ACCOUNTING}),
    ("GET", "/v1/payments/{payment_id}"): frozenset({ACCOUNTING}),
    ("POST", "/v1/payments/{payment_id}/reversal"): frozenset({ACCOUNTING}),
    ("POST", "/v1/payments/{payment_id}/reallocate"): frozenset({ACCOUNTING}),
    ("POST", "/v1/payments/{payment_id}/allocate"): frozenset({ACCOUNTING}),
    ("GET", "/v1/payment-orders"): frozenset({ACCOUNTING}),
    ("GET", "/v1/payment-orders/export"): frozenset({ACCOUNTING}),
    ("GET", "/v1/payment-orders/{payment_id}"): frozenset({ACCOUNTING}),
    ("GET", "/v1/accounts/{account_no}"): frozenset({ACCOUNTING, OPERATOR}),
    ("PATCH", "/v1/accounts/{account_no}"): frozenset({ACCOUNTING, OPERATOR}),
    ("POST", "/v1/subscribers/{subscriber_id}/promises"): frozenset({OPERATOR}),
    ("GET", "/v1/subscribers/{subscriber_id}/promises"): frozenset({OPERATOR, ACCOUNTING}),
    ("POST", "/v1/promises/{promise_id}/withdraw"): frozenset({OPERATOR}),
    ("POST", "/v1/subscribers/{subscriber_id}/disputes"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/subscribers/{subscriber_id}/disputes"): frozenset({OPERATOR, ACCOUNTING}),
    ("POST", "/v1/disputes/{dispute_id}/decision"): frozenset({ACCOUNTING}),
    ("POST", "/v1/subscribers/{subscriber_id}/dunning-exclusions"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/subscribers/{subscriber_id}/dunning-exclusions"): frozenset({OPERATOR, ACCOUNTING}),
    ("POST", "/v1/dunning-exclusions/{exclusion_id}/end"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/dunning/episodes"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/dunning/episodes/{episode_id}"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/dunning/why"): frozenset({OPERATOR, ACCOUNTING}),
    ("POST", "/v1/dunning/forecasts"): frozenset({ACCOUNTING}),
    ("GET", "/v1/reports/dunning-recovery"): frozenset({ACCOUNTING}),
    ("GET", "/v1/reports/dunning-open"): frozenset({OPERATOR, ACCOUNTING}),
    ("GET", "/v1/reports/promises"): frozenset({ACCOUNTING}),
    ("GET", "/v1/messages"): STAFF,
    ("GET", "/v1/documents"): STAFF,
    ("GET", "/v1/documents/{document_id}"): STAFF,
    ("GET", "/v1/banks"): frozenset({ACCOUNTING, Role.OPS}),
    ("POST", "/v1/banks"): ADMIN_ONLY,
    ("PATCH", "/v1/banks/{code}"): ADMIN_ONLY,
    ("POST", "/v1/banks/{code}/secret"): ADMIN_ONLY,
    ("GET", "/v1/payment-conflicts"): frozenset({ACCOUNTING}),
    ("GET", "/v1/banks/{code}/reconciliation"): frozenset({ACCOUNTING, Role.OPS}),
    ("PUT", "/v1/banks/{code}/reconciliation"): ADMIN_ONLY,
    ("GET", "/v1/reconciliations"): frozenset({ACCOUNTING, Role.OPS}),
    ("POST", "/v1/reconciliations"): frozenset({ACCOUNTING}),
    ("GET", "/v1/reconciliations/{reconciliation_id}"): frozenset({ACCOUNTING, Role.OPS}),
    ("GET", "/v1/reconciliations/{reconciliation_id}/differences"): frozenset({ACCOUNTING}),
    ("GET", "/v1/reconciliations/{reconciliation_id}/rows"): frozenset({ACCOUNTING}),
    ("POST", "/v1/bank-statements"): frozenset({ACCOUNTING}),
    ("GET", "/v1/bank-statements"): frozenset({ACCOUNTING}),
    ("GET", "/v1/bank-statement-lines"): frozenset({ACCOUNTING}),
    ("GET", "/bank/v1/customers/{iin}"): BANK,
    # The bank itself, or accounting with the file that it got otherwise.
    ("POST", "/bank/v1/registries"): frozenset({ACCOUNTING, BANK}),
    ("POST", "/bank/v1/payments"): BANK,
    ("POST", "/bank/v1/payments/{txn_id}/cancel"): BANK,
}
"""Besides these roles, the admin may do everything that staff may."""

FACES = {("GET", "/bank/osmp"): 401, ("POST", "/bank/osmp"): 401, ("GET", "/bank/kaspi"): 200}
"""Banks' dialects that answer in their own words, with the HTTP status of wrong credentials."""
OPEN = {("GET", path) for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs")}
PAGES_OF_DOCS = ("any method", "/static/docs")
"""What the browser needs to show /docs."""
BY_SIGNATURE = {("POST", "/webhooks/twilio/status"), ("POST", "/webhooks/twilio/inbound")}

PLACES = {"iin": "880101300014", "txn_id": "20261124000001", "code": "connection"}
"""Path parameters that aren't ids."""


def routes_of(app: Any) -> set[tuple[str, str]]:
    """Everything that the app answers, listed in its document or not."""
    return {
        (method, context.path or "")
        for context in iter_route_contexts(app.routes)
        for method in (context.methods or {"any method"}) - {"HEAD"}
    }


def asked(api: ApiStack, method: str, path: str, **credentials: Any) -> httpx.Response:
    body: dict[str, Any] | None = None if method == "GET" else {}
    somewhere = re.sub(r"\{(\w+)\}", lambda place: PLACES.get(place[1], str(uuid4())), path)
    return api.client.request(method, somewhere, json=body, **credentials)


def is_mixed(who: frozenset[Any] | str) -> bool:
    """Whether banks and staff may call it."""
    return who != BANK and BANK in who


def staff_routes() -> Iterator[tuple[str, str]]:
    return (route for route, who in WHO.items() if who != BANK)


def test_every_route_has_an_entry_here(api: ApiStack) -> None:
    app = create_app(api.settings, api.database, None)  # type: ignore[arg-type]  # nothing is asked of the engine
    documented = {
        (method.upper(), path)
        for path, operations in api.client.get("/openapi.json").json()["paths"].items()
        for method in operations
    }

    assert routes_of(app) == set(WHO) | set(FACES) | OPEN | BY_SIGNATURE | {PAGES_OF_DOCS}
    assert documented == (set(WHO) | set(FACES) | OPEN | BY_SIGNATURE) - {("GET", "/openapi.json"), ("GET", "/docs")}


@pytest.mark.parametrize("role", Role)
def test_a_role_may_call_exactly_its_routes(api: ApiStack, role: Role) -> None:
    headers = api.staff[role].headers
    answers = {route: asked(api, *route, headers=headers) for route in staff_routes()}

    refused = {route for route, answer in answers.items() if answer.status_code == 403}
    assert refused == {route for route in answers if role not in {*WHO[route], Role.ADMIN}}
    assert {answer.json()["type"] for route, answer in answers.items() if route in refused} <= {"role_not_allowed"}
    assert not [
        route for route, answer in answers.items() if answer.status_code in {401, 405} or answer.is_server_error
    ]


BAD_CREDENTIALS = [
    pytest.param({}, id="none"),
    pytest.param({"headers": {"Authorization": "Bearer nobody"}}, id="a token that nobody has"),
    pytest.param({"headers": {"Authorization": "Bearer"}}, id="no token"),
    pytest.param({"headers": {"Authorization": "nonsense"}}, id="no scheme"),
    pytest.param({"headers": {"Authorization": "Basic !!!"}}, id="broken Basic"),
    pytest.param({"auth": ("nobody", "nothing")}, id="a user whom nobody knows"),
    pytest.param({"auth": ("with\0nul", "nothing")}, id="a user who can't be"),
]


@pytest.mark.parametrize("credentials", BAD_CREDENTIALS)
def test_without_good_credentials_every_route_is_closed(api: ApiStack, credentials: dict[str, Any]) -> None:
    for route, who in WHO.items():
        answer = asked(api, *route, **credentials)
        assert answer.status_code == 401, (route, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        challenges = ("Basic", "Bearer") if is_mixed(who) else ("Basic" if who == BANK else "Bearer",)
        assert answer.headers["www-authenticate"].startswith(challenges)
        assert answer.json()["type"] == "not_authenticated"


@pytest.mark.parametrize("credentials", BAD_CREDENTIALS)
def test_without_good_credentials_the_dialects_are_closed_in_their_own_words(
    api: ApiStack, credentials: dict[str, Any]
) -> None:
    for route, status in FACES.items():
        answer = asked(api, *route, **credentials)
        assert answer.status_code == status, (route, answer.text)
        assert answer.headers.get("www-authenticate", "").startswith("Basic") == (status == 401)
        assert "Доступ запрещён" in answer.text
        assert "Доступ запрещён" not in asked(api, *route, auth=api.bank.auth).text


def test_a_bank_may_call_exactly_the_banks_routes(api: ApiStack) -> None:
    for route, who in WHO.items():
        status = asked(api, *route, auth=api.bank.auth).status_code
        assert (status == 401) == (BANK not in who), route
        assert status != 403, route


@pytest.mark.parametrize("role", [Role.OPERATOR, Role.ACCOUNTING, Role.ADMIN])
def test_staff_may_not_speak_as_a_bank(api: ApiStack, role: Role) -> None:
    for route, who in WHO.items():
        if who == BANK:
            assert asked(api, *route, headers=api.staff[role].headers).status_code == 401
    for route, status in FACES.items():
        assert asked(api, *route, headers=api.staff[role].headers).status_code == status


def test_a_person_who_has_left_is_let_in_no_more(api: ApiStack) -> None:
    with api.database.transaction() as session:
        left = factories.staff(session, Role.OPERATOR)
        left.row.active = False

    assert api.client.get("/v1/processes", headers=left.headers).status_code == 401


def test_open_routes_need_no_credentials_and_mind_none(api: ApiStack) -> None:
    for method, path in OPEN:
        assert api.client.request(method, path).status_code == 200, path
        assert api.client.request(method, path, headers={"Authorization": "Bearer nobody"}).status_code == 200, path


def test_webhooks_believe_a_signature_and_no_other_credentials(api: ApiStack) -> None:
    for route in BY_SIGNATURE:
        for credentials in ({}, {"headers": api.staff[Role.ADMIN].headers}, {"auth": api.bank.auth}):
            # Here SMS are not sent through Twilio, so there is nobody to listen to.
            assert asked(api, *route, **credentials).status_code == 404, route


def test_the_document_says_who_has_to_show_which_credentials(api: ApiStack) -> None:
    document = api.client.get("/openapi.json").json()
    schemes = {name: scheme["scheme"] for name, scheme in document["components"]["securitySchemes"].items()}

    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            said = {schemes[name] for entry in operation.get("security", []) for name in entry}
            route = (method.upper(), path)
            who = BANK if route in FACES else WHO.get(route)
            expected = set() if who is None else {"basic"} if who == BANK else {"bearer"}
            expected |= {"basic"} if who is not None and is_mixed(who) else set()
            assert said == expected, (method, path)
