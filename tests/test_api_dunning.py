"""Dunning over HTTP: what holds it, why it did something, what it would do, and what it achieved."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from activities import dunning_round
from api import dunning, policies, processes, promises
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.dunning_process import RoundInput
from models.contracts.people import Language, Role
from models.contracts.processes import ProcessStatus
from models.database import Database
from models.tables.billing import Invoice
from models.tables.messages import Message
from models.tables.processes import Process
from tests import factories
from tests.api_world import ApiStack, is_problem
from tests.connection_world import eventually
from tests.dunning_life import MONTH_MINOR, SETTINGS, ZONE, Life, life
from tests.factories import StaffLogin
from tests.http_client import ApiClient, api_with

pytest_plugins = ("tests.api_stack",)

Json = dict[str, Any]


class Office:
    """The routes of dunning over a database, without an engine."""

    def __init__(self, database: Database) -> None:
        self.client: ApiClient = api_with(database, dunning.router, promises.router, policies.router, processes.router)
        with database.transaction() as session:
            self.staff: dict[Role, StaffLogin] = {role: factories.staff(session, role) for role in Role}
            for login in self.staff.values():
                login.row.language = Language.EN

    def get(self, path: str, **params: Any) -> Json:
        answer = self.ask(path, **params)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    def ask(self, path: str, **params: Any) -> Any:
        return self.client.get(path, params=params, headers=self.staff[Role.ACCOUNTING].headers)

    def post(self, path: str, body: Json, role: Role = Role.OPERATOR) -> Any:
        return self.client.post(path, json=body, headers=self.staff[role].headers)


@pytest.fixture
def office(database: Database) -> Office:
    return Office(database)


@pytest.fixture
def debtor(database: Database) -> Life:
    """Somebody whose service is off for a debt, as of now."""
    today = datetime.now(ZONE).date()
    debtor = life(database, began_on=today - timedelta(days=45))
    debtor.bill(today - timedelta(days=45))
    debtor.pass_until(datetime.now(UTC))
    assert not debtor.is_on()
    return debtor


def path_of(debtor: Life, what: str) -> str:
    return f"/v1/subscribers/{debtor.account.subscriber_id}/{what}"


def day(days: int) -> str:
    return (datetime.now(ZONE).date() + timedelta(days=days)).isoformat()


# -- what holds it ---------------------------------------------------------------------------------------------------


def test_a_promise_is_taken_listed_and_withdrawn(office: Office, debtor: Life) -> None:
    amount = {"amount_minor": MONTH_MINOR, "currency": "KZT"}
    made = office.post(path_of(debtor, "promises"), {"amount": amount, "until": day(5)})
    assert made.status_code == 201, made.text
    assert made.json() | {"amount": amount, "until": day(5), "status": "open"} == made.json()

    listed = office.get(path_of(debtor, "promises"))["items"]
    gone = office.post(f"/v1/promises/{made.json()['id']}/withdraw", {}).json()

    assert [one["id"] for one in listed] == [made.json()["id"]]
    assert gone["status"] == "withdrawn"


@pytest.mark.parametrize(
    ("body", "slug"),
    [
        ({"until": day(40)}, "promise_too_long"),
        ({"until": day(3), "amount": {"amount_minor": 100, "currency": "KZT"}}, "promise_sum"),
    ],
)
def test_a_promise_beyond_the_limits_is_refused(office: Office, debtor: Life, body: Json, slug: str) -> None:
    is_problem(office.post(path_of(debtor, "promises"), body), 422, slug)


def test_a_dispute_is_opened_and_decided_by_accounting(office: Office, debtor: Life) -> None:
    with debtor.database.transaction() as session:
        invoice_id = session.scalars(select(Invoice.id).where(Invoice.account_id == debtor.account.id)).one()
    new = {"invoice_id": str(invoice_id), "reason": "the service did not work"}
    opened = office.post(path_of(debtor, "disputes"), new)
    assert opened.status_code == 201, opened.text

    decision = {"outcome": "rejected", "note": "it did"}
    is_problem(office.post(f"/v1/disputes/{opened.json()['id']}/decision", decision), 403)
    decided = office.post(f"/v1/disputes/{opened.json()['id']}/decision", decision, Role.ACCOUNTING).json()
    other = {**decision, "outcome": "upheld"}
    is_problem(
        office.post(f"/v1/disputes/{opened.json()['id']}/decision", other, Role.ACCOUNTING), 409, "dispute_decided"
    )

    assert (decided["outcome"], decided["note"]) == ("rejected", "it did")
    assert office.get(path_of(debtor, "disputes"))["items"] == [decided]


def test_an_exclusion_has_a_reason_and_an_end(office: Office, debtor: Life) -> None:
    made = office.post(path_of(debtor, "dunning-exclusions"), {"until": day(30), "reason": "in hospital"})
    assert made.status_code == 201, made.text

    ended = office.post(f"/v1/dunning-exclusions/{made.json()['id']}/end", {}).json()

    assert ended["ended_at"] is not None
    assert office.get(path_of(debtor, "dunning-exclusions"))["items"] == [ended]
    is_problem(office.post(path_of(debtor, "dunning-exclusions"), {"until": day(30)}), 422)
    is_problem(office.post(path_of(debtor, "dunning-exclusions"), {"reason": "in hospital"}), 422)


# -- why -------------------------------------------------------------------------------------------------------------


def test_an_episode_tells_its_steps_each_with_its_reason(office: Office, debtor: Life) -> None:
    items = office.get("/v1/dunning/episodes", subscriber_id=str(debtor.account.subscriber_id), open=True)["items"]
    (summary,) = items
    assert (summary["last_step"], summary["owed"]["amount_minor"]) == ("suspend", MONTH_MINOR)

    episode = office.get(f"/v1/dunning/episodes/{summary['id']}")

    assert [step["step"] for step in episode["steps"]] == [
        "notice", "reminder", "call_task", "final_warning", "throttle", "suspend",
    ]  # fmt: skip
    assert all("policy version" in step["why"] for step in episode["steps"])
    assert [one["restriction"] for one in episode["restrictions"]] == ["throttle", "suspend"]
    assert episode["waits_because"].startswith("The next step is due")


def test_for_an_sms_a_step_and_a_suspension_the_answer_says_why(office: Office, debtor: Life) -> None:
    with debtor.database.transaction() as session:
        message_id = session.scalars(
            select(Message.id).where(
                Message.subscriber_id == debtor.account.subscriber_id, Message.template == "dunning_final_warning"
            )
        ).one()
    warning = office.get("/v1/dunning/why", message_id=str(message_id))
    suspension = office.get("/v1/dunning/why", subscription_id=str(debtor.subscription_id))
    step = office.get("/v1/dunning/why", step_id=suspension["step"]["id"])

    assert warning["step"]["step"] == "final_warning"
    assert step == suspension
    assert suspension["rule"] == "individual/suspend/P25D"
    assert suspension["who"] == "The process"
    assert suspension["policy_version"] >= 1
    assert suspension["facts"]["owed_minor"] == MONTH_MINOR
    assert "25 days after" in suspension["why"]
    assert "no payment, promise, dispute" in suspension["why"]


def test_why_a_service_is_on_again_is_told_too(office: Office, debtor: Life) -> None:
    debtor.now = datetime.now(UTC)
    debtor.pay(MONTH_MINOR)
    with debtor.database.transaction() as session:
        message_id = session.scalars(
            select(Message.id).where(
                Message.subscriber_id == debtor.account.subscriber_id, Message.template == "dunning_restored"
            )
        ).one()

    restored = office.get("/v1/dunning/why", subscription_id=str(debtor.subscription_id))

    assert restored["rule"] == "paid"
    assert restored["why"] == "The debt is paid: dunning ends."
    assert office.get("/v1/dunning/why", message_id=str(message_id))["why"] == restored["why"]


@pytest.mark.parametrize("params", [{}, {"step_id": str(uuid4()), "message_id": str(uuid4())}], ids=["none", "two"])
def test_why_asks_about_one_thing(office: Office, params: Json) -> None:
    is_problem(office.ask("/v1/dunning/why", **params), 422, "why_what")


@pytest.mark.parametrize("name", ["step_id", "message_id", "subscription_id"])
def test_what_dunning_did_not_do_has_no_why(office: Office, name: str) -> None:
    is_problem(office.ask("/v1/dunning/why", **{name: str(uuid4())}), 404)


def test_the_timeline_of_an_episode_reads_as_sentences(office: Office, debtor: Life) -> None:
    (summary,) = office.get("/v1/dunning/episodes", subscriber_id=str(debtor.account.subscriber_id))["items"]

    timeline = office.get(f"/v1/processes/{summary['id']}/timeline")["items"]

    texts = [entry["text"] for entry in timeline]
    assert texts[0].startswith("6\u00a0500,00\u00a0₸ is overdue since")
    assert any("SMS: the final warning" in text for text in texts)
    assert not [text for text in texts if "dunning_" in text or "{" in text or "—" in text]
    assert all(entry["facts"].get("policy_version") for entry in timeline if entry["event"] == "dunning_suspend")


def test_a_closed_list_has_no_open_episode(office: Office, debtor: Life) -> None:
    subscriber_id = str(debtor.account.subscriber_id)

    assert office.get("/v1/dunning/episodes", subscriber_id=subscriber_id, open=False)["items"] == []
    assert len(office.get("/v1/dunning/episodes", subscriber_id=subscriber_id, waits_for="not_due_yet")["items"]) == 1
    page = office.get("/v1/dunning/episodes", limit=1)
    assert len(page["items"]) == 1


# -- the policy, forecasts and reports -------------------------------------------------------------------------------


def test_a_version_of_the_policy_is_checked_before_it_is_saved(office: Office) -> None:
    body = DunningPolicy().model_dump(mode="json")
    saved = office.post("/v1/policies/dunning", {"body": body}, Role.ADMIN)
    del body["ladders"]["vip"]["steps"][0]["text"]["kk"]

    refused = office.post("/v1/policies/dunning", {"body": body}, Role.ADMIN)

    assert saved.status_code == 201, saved.text
    problem = is_problem(refused, 422, "policy_invalid")
    assert any("kk" in error["field"] for error in problem["errors"])


def test_a_forecast_answers_day_by_day(office: Office, debtor: Life) -> None:
    del debtor
    request = {"from": day(0), "until": day(60)}
    answer = office.post("/v1/dunning/forecasts", request, Role.ACCOUNTING)
    assert answer.status_code == 200, answer.text

    found = answer.json()

    assert (found["from"], found["until"], len(found["days"])) == (day(0), day(60), 60)
    assert found["debtors"] >= 1
    assert found["total"]["disconnected"] >= 1
    assert found["days"][0]["debt"]["amount_minor"] >= MONTH_MINOR


def test_reports_say_which_step_brought_what(office: Office, debtor: Life) -> None:
    around = {"from": day(-1), "until": day(2)}
    other = office.get("/v1/reports/dunning-recovery", **around)
    debtor.now = datetime.now(UTC)
    debtor.pay(MONTH_MINOR // 2)
    # The time at which a payment is received is the test's; the report is about that time.
    report = office.get("/v1/reports/dunning-recovery", **around)

    def brought(found: Json) -> int:
        return sum(item["amount"]["amount_minor"] for item in found["items"] if item["step"] == "suspend")

    assert brought(report) - brought(other) == MONTH_MINOR // 2


def test_reports_say_what_is_open_and_which_promises_were_kept(office: Office, debtor: Life) -> None:
    office.post(path_of(debtor, "promises"), {"until": day(5)})
    debtor.now = datetime.now(UTC)
    debtor.pay(MONTH_MINOR)

    kept = office.get("/v1/reports/promises", **{"from": day(-1), "until": day(1)})
    is_open = office.get("/v1/reports/dunning-open")

    assert kept["kept"] >= 1
    assert kept["made"] == kept["open"] + kept["kept"] + kept["broken"] + kept["withdrawn"]
    assert is_open["episodes"] == sum(item["episodes"] for item in is_open["items"])


@pytest.mark.parametrize("path", ["dunning-recovery", "dunning-open", "promises"])
def test_reports_come_as_csv_too(office: Office, debtor: Life, path: str) -> None:
    del debtor
    answer = office.ask(f"/v1/reports/{path}", format="csv", **{"from": day(-1), "until": day(1)})

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/csv")
    assert len(answer.text.splitlines()) >= 2


# -- the whole way ---------------------------------------------------------------------------------------------------


def test_a_banks_payment_ends_dunning_and_the_process_says_so(api: ApiStack) -> None:
    """The workers and the relay run; the bank pays over HTTP."""
    today = datetime.now(ZONE).date()
    debtor = life(api.database, began_on=today - timedelta(days=2))
    debtor.bill(today - timedelta(days=2))
    with api.database.transaction() as session:
        part = RoundInput(after_number=debtor.account.number - 1, at=datetime.now(UTC))
        assert dunning_round.open_part(session, part, SETTINGS).opened == 1
    episode = debtor.episode()
    assert episode is not None
    process = api.get(f"/v1/processes/{episode.process_id}")
    assert (process["kind"], process["stages"][0]["name"]) == ("dunning", "due")
    made = api.post(path_of(debtor, "promises"), Role.OPERATOR, {"until": day(3)})
    assert made.status_code == 201, made.text

    assert api.pay(debtor.account.account_no, MONTH_MINOR).status_code == 201

    eventually(lambda: api.get(f"/v1/processes/{episode.process_id}")["status"] == "completed")
    assert api.get(path_of(debtor, "promises"))["items"][0]["status"] == "kept"
    with api.database.transaction() as session:
        assert session.get_one(Process, episode.process_id).status is ProcessStatus.COMPLETED
