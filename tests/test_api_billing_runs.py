"""Billing runs and proration previews over HTTP.

The API's database is shared by many tests, so the runs here are of months long gone, in which nobody else was served.
"""

import asyncio
from calendar import monthrange
from datetime import date, datetime
from itertools import count
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import Range
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from activities.billing_opening import run_at_work
from api.app import create_app
from api.engine import Engine
from models.contracts.people import Role
from models.tables.catalogue import TariffPrice
from models.tables.people import Account
from models.tables.subscriptions import Subscription
from tests.api_world import ApiStack, Json, is_problem
from tests.billing_world import FEE_MINOR, furnish
from tests.connection_world import eventually
from tests.http_client import ApiClient
from workers.ports import free_port
from workflows.engine import connect

pytest_plugins = ("tests.api_stack",)

_months = count()
FIGURES = {
    "subscribers_total", "subscribers_done", "invoices_issued", "invoiced", "exceptions", "nothing_due",
    "subscribers_credited", "credited",
}  # fmt: skip


@pytest.fixture
def month_on() -> date:
    """A month that no other test bills: the day it begins."""
    years, months = divmod(next(_months), 12)
    return date(2030 - 10 - years, 1 + months, 1)


def ask(api: ApiStack, period: str, *, key: str | None = None, **more: Any) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return api.post("/v1/billing-runs", Role.ACCOUNTING, {"period": period, **more}, headers=headers)


def read(api: ApiStack, run_id: str) -> Json:
    return api.get(f"/v1/billing-runs/{run_id}", Role.ACCOUNTING)


def ended(api: ApiStack, run_id: str) -> Json:
    """The run, once it has ended."""
    run: Json = eventually(lambda: (found := read(api, run_id))["status"] != "open" and found)
    return run


def knows(api: ApiStack, handle: WorkflowHandle[Any, Any]) -> bool:
    """Whether Temporal has the process by now."""
    try:
        api.server.run(handle.describe())
    except RPCError:
        return False
    return True


def give_price(api: ApiStack, account: Account) -> None:
    """Mend the tariff of the account's service."""
    with api.database.transaction() as session:
        tariff_id = session.scalars(select(Subscription.tariff_id).where(Subscription.account_id == account.id)).one()
        session.add(TariffPrice(tariff_id=tariff_id, valid=Range(date(2000, 1, 1), None), fee_minor=FEE_MINOR))


def serve(api: ApiStack, month_on: date, *, priced: bool = True) -> Account:
    """Somebody who was served in that month alone."""
    until = date(month_on.year, month_on.month, 28)
    _, (account,) = furnish(api.database, 1, on=month_on, until=until, priced=priced)
    return account


def test_a_run_is_asked_for_followed_and_listed(api: ApiStack, month_on: date) -> None:
    serve(api, month_on)
    answer = ask(api, f"{month_on:%Y-%m}")
    assert answer.status_code == 201, answer.text
    opened = answer.json()
    assert (opened["period"], opened["dry_run"], opened["status"]) == (f"{month_on:%Y-%m}", False, "open")
    assert opened["closed_at"] is None
    assert set(opened["progress"]) == FIGURES

    run = ended(api, opened["id"])
    assert (run["status"], run["stage"], run["invoices_issued"], run["exceptions"]) == ("completed", "closed", 1, 0)
    _, days = monthrange(month_on.year, month_on.month)
    assert run["invoiced"] == {"amount_minor": round(FEE_MINOR * 27 / days), "currency": "KZT"}
    assert run["progress"] == {name: run[name] for name in FIGURES}
    assert run["subscribers_done"] == run["subscribers_total"] == run["nothing_due"] + 1
    assert date.fromisoformat(run["due_on"]) > date.fromisoformat(run["issued_on"])
    assert datetime.fromisoformat(run["closed_at"]) >= datetime.fromisoformat(run["opened_at"])
    listed = api.get("/v1/billing-runs", Role.ACCOUNTING, limit=1)
    assert (listed["items"], bool(listed["next_cursor"])) == ([run], listed["next_cursor"] is not None)


def test_its_process_and_timeline_read_like_any_other(api: ApiStack, month_on: date) -> None:
    run_id = ask(api, f"{month_on:%Y-%m}").json()["id"]
    ended(api, run_id)

    process = api.get(f"/v1/processes/{run_id}")
    assert (process["kind"], process["status"], process["subscriber_id"]) == ("billing_run", "completed", None)
    assert [stage["name"] for stage in process["stages"]] == ["planning", "billing", "notices", "closed"]
    assert process["temporal_url"].endswith(f"billing-run%2F{month_on:%Y-%m}")
    texts = [entry["text"] for entry in api.get(f"/v1/processes/{run_id}/timeline")["items"]]
    assert "opened the billing run of" in texts[0]
    assert texts[-1].startswith("Billed: 0 invoices for 0,00")
    for language in ("ru", "kk"):
        for entry in api.get(f"/v1/processes/{run_id}/timeline", lang=language)["items"]:
            assert entry["text"] != entry["event"]
            assert "—" not in entry["text"]


def test_the_same_key_is_the_same_run_and_another_body_is_refused(api: ApiStack, month_on: date) -> None:
    period, key = f"{month_on:%Y-%m}", f"run of {month_on}"
    first = ask(api, period, key=key)
    again = ask(api, period, key=key)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json()["id"] == first.json()["id"]
    is_problem(ask(api, period, key=key, dry_run=True), 409, "idempotency_key_reused")


def test_while_a_run_is_at_work_its_month_takes_no_other(api: ApiStack, month_on: date) -> None:
    period, key = f"{month_on:%Y-%m}", f"run of {month_on}"
    with api.without_workers():
        first = ask(api, period, key=key)
        assert first.status_code == 201
        refusal = is_problem(ask(api, period), 409, "billing_run_open")
        assert first.json()["id"] in refusal["detail"]
        assert ask(api, period, key=key).status_code == 200
        waiting = read(api, first.json()["id"])
        assert (waiting["stage"], waiting["issued_on"], waiting["subscribers_total"]) == ("planning", None, 0)
    assert ended(api, first.json()["id"])["status"] == "completed"
    assert ask(api, period).status_code == 201


def test_a_run_that_was_terminated_from_outside_keeps_its_month_no_longer(api: ApiStack, month_on: date) -> None:
    period = f"{month_on:%Y-%m}"
    with api.without_workers():
        lost = ask(api, period).json()["id"]
        handle = api.server.client.get_workflow_handle(f"billing-run/{period}")
        eventually(lambda: knows(api, handle))
        api.server.run(handle.terminate("by a person in the Temporal UI"))
        again = ask(api, period)
    assert again.status_code == 201
    assert read(api, lost)["status"] == "failed"
    assert ended(api, again.json()["id"])["status"] == "completed"
    events = [entry["event"] for entry in api.get(f"/v1/processes/{lost}/timeline")["items"]]
    assert events == ["billing_run_opened", "billing_run_lost"]


def test_an_exception_names_its_account_and_reason_and_is_billed_alone(api: ApiStack, month_on: date) -> None:
    account = serve(api, month_on, priced=False)
    run = ended(api, ask(api, f"{month_on:%Y-%m}").json()["id"])
    path = f"/v1/billing-runs/{run['id']}/exceptions"
    (exception,) = api.get(path, Role.ACCOUNTING)["items"]
    assert (exception["account_no"], exception["reason"]) == (account.account_no, "no_price")
    assert "price" in exception["detail"]

    bill = f"{path}/{exception['id']}/bill"
    is_problem(api.post(bill, Role.ACCOUNTING, None), 409, "account_no_price")
    give_price(api, account)
    billed = api.post(bill, Role.ACCOUNTING, None)
    assert billed.status_code == 200, billed.text
    assert billed.json()["account_id"] == str(account.id)
    invoice = api.get(f"/v1/invoices/{billed.json()['invoice_id']}", Role.ACCOUNTING)
    assert (invoice["account_no"], invoice["kind"]) == (account.account_no, "recurring")
    assert api.post(bill, Role.ACCOUNTING, None).json() == billed.json()
    assert api.get(path, Role.ACCOUNTING)["items"] == []
    assert read(api, run["id"])["invoices_issued"] == run["invoices_issued"] + 1


def test_a_dry_run_issues_nothing_and_its_exceptions_are_not_billed(api: ApiStack, month_on: date) -> None:
    serve(api, month_on, priced=False)
    run = ended(api, ask(api, f"{month_on:%Y-%m}", dry_run=True).json()["id"])
    assert (run["dry_run"], run["exceptions"], run["invoices_issued"]) == (True, 1, 0)
    (exception,) = api.get(f"/v1/billing-runs/{run['id']}/exceptions", Role.ACCOUNTING)["items"]
    bill = f"/v1/billing-runs/{run['id']}/exceptions/{exception['id']}/bill"
    is_problem(api.post(bill, Role.ACCOUNTING, None), 409, "billing_run_dry")


def test_a_run_is_cancelled_like_any_process(api: ApiStack, month_on: date) -> None:
    with api.without_workers():
        run_id = ask(api, f"{month_on:%Y-%m}").json()["id"]
        handle = api.server.client.get_workflow_handle(f"billing-run/{month_on:%Y-%m}")
        eventually(lambda: knows(api, handle))
        signal = handle.signal("cancel_process", {"reason": "not yet"})
        api.server.run(signal)
    run = ended(api, run_id)
    assert (run["status"], run["subscribers_done"]) == ("cancelled", 0)
    is_problem(api.post(f"/v1/processes/{run_id}/cancel", Role.OPS, {"reason": "too late"}), 409, "process_ended")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"period": "2099-01"}, ["period"]),
        ({"period": "2026-13"}, ["period"]),
        ({"period": "November"}, ["period"]),
        ({"period": 202611}, ["period"]),
        ({}, ["period"]),
        ({"period": "2025-01", "dry_run": "perhaps"}, ["dry_run"]),
        ({"period": "2025-01", "account": 1}, ["account"]),
    ],
)
def test_a_run_that_makes_no_sense_is_refused_by_its_field(api: ApiStack, body: Json, fields: list[str]) -> None:
    answer = is_problem(api.post("/v1/billing-runs", Role.ACCOUNTING, body), 422)
    assert [error["field"] for error in answer["errors"]] == fields


@pytest.mark.parametrize("path", ["", "/exceptions"])
def test_a_run_that_nobody_opened_is_not_found(api: ApiStack, path: str) -> None:
    with api.database.transaction() as session:
        unknown = session.scalars(select(func.uuidv7())).one()
    answer = api.call("GET", f"/v1/billing-runs/{unknown}{path}", Role.ACCOUNTING)
    is_problem(answer, 404, "billing_run_unknown")


def test_a_process_of_another_kind_is_no_run(api: ApiStack) -> None:
    process = api.case().apply()
    answer = api.call("GET", f"/v1/billing-runs/{process['id']}", Role.ACCOUNTING)
    is_problem(answer, 404, "billing_run_unknown")


def test_a_preview_explains_a_part_of_a_month_to_the_tiyn(api: ApiStack) -> None:
    fee = {"amount_minor": 650_000, "currency": "KZT"}
    body = {"fee": fee, "active": ["2026-11-14", "2026-12-01"], "period": "2026-11"}
    for role in (Role.OPERATOR, Role.ACCOUNTING):
        preview = api.post("/v1/proration-previews", role, body)
        assert preview.status_code == 200, preview.text
        (line,) = preview.json()["lines"]
        assert line["formula"] == "6\u00a0500,00\u00a0₸ × 17/30 дней"
        assert line["total"] == preview.json()["total"] == {"amount_minor": 368_333, "currency": "KZT"}
        assert line["vat_rate_percent"] == 16.0


def test_a_preview_of_a_tariff_change_has_a_line_for_each_side(api: ApiStack) -> None:
    change = {"from_tariff": "home-100", "to_tariff": "home-500", "on": "2026-11-11"}
    preview = api.post("/v1/proration-previews", Role.OPERATOR, {"tariff_change": change, "period": "2026-11"}).json()
    totals = [line["total"]["amount_minor"] for line in preview["lines"]]
    assert totals == [216_667, 660_000]
    assert preview["total"]["amount_minor"] == sum(totals)


@pytest.mark.parametrize(
    "body",
    [
        {"period": "2026-11"},
        {"period": "2026-11", "fee": {"amount_minor": -1}},
        {"period": "2026-11", "fee": {"amount_minor": 10**14}},
        {"period": "2026-11", "fee": {"amount_minor": 1}, "active": ["2026-11-14", "2026-11-14"]},
        {"period": "2026-11", "fee": {"amount_minor": 1}, "discounts": [{"title": "x", "percent_bp": -1}]},
        {"period": "2026-11", "tariff_change": {"from_tariff": "none", "to_tariff": "home-100", "on": "2026-11-02"}},
    ],
)
def test_a_preview_of_nonsense_is_refused(api: ApiStack, body: Json) -> None:
    is_problem(api.post("/v1/proration-previews", Role.OPERATOR, body), 422)


def test_the_policy_of_billing_is_listed_and_checked_when_it_changes(api: ApiStack) -> None:
    codes = [policy["code"] for policy in api.get("/v1/policies", limit=500)["items"]]
    assert "billing" in codes
    is_problem(api.post("/v1/policies/billing", Role.ADMIN, {"body": {"due_after": "-P1D"}}), 422, "policy_invalid")


def test_while_the_engine_is_away_nothing_is_written(api: ApiStack, month_on: date) -> None:
    settings = api.settings.model_copy(update={"temporal_address": f"127.0.0.1:{free_port()}"})
    engine = Engine(asyncio.run(connect(settings, lazy=True)))
    client = ApiClient(create_app(settings, api.database, engine))
    headers = api.staff[Role.ACCOUNTING].headers
    answer = client.post("/v1/billing-runs", json={"period": f"{month_on:%Y-%m}"}, headers=headers)

    is_problem(answer, 503, "engine_away")
    assert int(answer.headers["retry-after"]) > 0
    with api.database.transaction() as session:
        assert run_at_work(session, f"{month_on:%Y-%m}") is None
