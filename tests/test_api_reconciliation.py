"""Banks' days over HTTP: what banks send, what accounting reads and decides, and the money in transit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest

from models.contracts.people import Role
from tests import factories
from tests.api_world import ApiStack, is_problem
from tests.connection_world import eventually
from tests.factories import BankLogin
from tests.reconciliation_world import new_iik, osmp, statement_file

pytest_plugins = ("tests.api_stack",)

OSMP, CSV = "text/tab-separated-values", "text/csv"
Json = dict[str, Any]


@dataclass
class Bank:
    """A bank of the test's own, as it and accounting speak with the API."""

    api: ApiStack
    login: BankLogin
    account_no: str
    day: date
    own_iik: str = field(default_factory=new_iik)
    bank_iik: str = field(default_factory=new_iik)

    @property
    def code(self) -> str:
        return self.login.row.code

    def agree(self, **terms: Any) -> Json:
        usual: Json = {
            "starts_on": "2026-01-01",
            "registry_expected_at": "23:59:59",
            "fee": {"kind": "rule", "percent_bp": 100},
            "settlement": {"payer_accounts": [self.bank_iik]},
        }
        answer = self.api.call("PUT", f"/v1/banks/{self.code}/reconciliation", Role.ADMIN, json={**usual, **terms})
        assert answer.status_code == 200, answer.text
        agreed: Json = answer.json()
        return agreed

    def pay(self, amount_minor: int, *, txn: str | None = None) -> str:
        notice = {
            "txn_id": txn or factories.unique("txn"),
            "account_no": self.account_no,
            "amount": {"amount_minor": amount_minor, "currency": "KZT"},
            "paid_at": datetime.combine(self.day, datetime.min.time(), self.api.settings.zone).isoformat(),
        }
        answer = self.api.client.post("/bank/v1/payments", json=notice, auth=self.login.auth)
        assert answer.status_code == 201, answer.text
        return str(notice["txn_id"])

    def send(
        self, content: str | bytes, *, media_type: str = OSMP, day: date | str | None = None, role: Role | None = None,
        bank: str | None = None,
    ) -> httpx.Response:  # fmt: skip
        """The bank, or a member of staff, sends a registry."""
        params = {"date": str(day or self.day), **({} if bank is None else {"bank": bank})}
        credentials: Json = {"auth": self.login.auth} if role is None else {"headers": self.api.staff[role].headers}
        headers = {"content-type": media_type, **credentials.pop("headers", {})}
        return self.api.client.post(
            "/bank/v1/registries", params=params, content=content, headers=headers, **credentials
        )

    def registry(self, *rows: tuple[str, int]) -> str:
        return osmp([(txn, self.account_no, amount) for txn, amount in rows], self.day)

    def bring_in(self, amount: int, **other: Any) -> httpx.Response:
        """Accounting brings the statement with the bank's transfer in."""
        line = {"amount": amount, "on": self.day + timedelta(days=1), "payer_iik": self.bank_iik, **other}
        return self.statement(statement_file([line], account=self.own_iik))

    def statement(self, content: bytes, **params: Any) -> httpx.Response:
        return self.api.call(
            "POST", "/v1/bank-statements", Role.ACCOUNTING, content=content, params=params,
            headers={"content-type": "text/plain"},
        )  # fmt: skip

    def task(self, process_id: str, kind: str) -> Json:
        def found() -> Json | None:
            tasks = self.api.get("/v1/tasks", Role.ACCOUNTING, process_id=process_id, status="open")["items"]
            return next((task for task in tasks if task["kind"] == kind), None)

        task: Json = eventually(found)
        return task

    def complete(self, task: Json, outcome: str, data: Json | None = None) -> None:
        answer = self.api.post(
            f"/v1/tasks/{task['id']}/complete", Role.ACCOUNTING, {"outcome": outcome, "data": data or {}}
        )
        assert answer.status_code == 200, answer.text

    def reconciliation(self, reconciliation_id: str) -> Json:
        return self.api.get(f"/v1/reconciliations/{reconciliation_id}", Role.ACCOUNTING)


@pytest.fixture
def bank(api: ApiStack) -> Bank:
    factories.not_at_midnight(api.settings.zone)
    with api.database.transaction() as session:
        login, customer = factories.bank(session), factories.customer(session)
        account_no = customer.account.account_no
    found = Bank(api, login, account_no, datetime.now(api.settings.zone).date() - timedelta(days=1))
    found.agree()
    return found


def test_a_bank_sends_its_registry_and_the_day_is_closed_when_its_money_came(bank: Bank) -> None:
    one, two = bank.pay(100_000), bank.pay(200_000)
    answer = bank.send(bank.registry((one, 100_000), (two, 150_000), ("only-there", 50_000)))

    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert (told["version"], told["state"], told["rows"], told["total"]["amount_minor"]) == (1, "taken", 3, 300_000)
    assert told["comparison"] == {
        "posted": {"amount_minor": 300_000, "currency": "KZT"}, "differences": 2,
        "by_kind": {"missing_here": 1, "other_sum": 1},
    }  # fmt: skip
    missing = bank.task(told["process_id"], "post_payment")
    assert missing["outcomes"] == ["posted", "left"]
    assert missing["facts"]["registry_minor"] == 50_000
    bank.complete(missing, "posted")
    bank.complete(bank.task(told["process_id"], "correct_payment"), "corrected")
    settled = bank.bring_in(297_000)

    assert settled.status_code == 201, settled.text
    closed = eventually(
        lambda: day if (day := bank.reconciliation(told["reconciliation_id"]))["status"] == "completed" else None
    )
    figures = {
        "gross": 300_000,
        "posted": 300_000,
        "fee": 3_000,
        "received": 297_000,
        "fee_kept": 3_000,
        "in_transit": 0,
    }
    assert {name: closed[name]["amount_minor"] for name in figures} == figures
    assert closed["differences"] == {"resolved": 2}
    (settlement,) = closed["settlements"]
    assert (settlement["net"]["amount_minor"], settlement["fee"]["amount_minor"]) == (297_000, 3_000)
    timeline = bank.api.get(f"/v1/processes/{told['process_id']}/timeline", Role.ACCOUNTING)["items"]
    assert timeline[-1]["text"].startswith("The day is closed: 3 lines of 3\u00a0000,00\u00a0₸ in the registry")
    stages = bank.api.get(f"/v1/processes/{told['process_id']}", Role.ACCOUNTING)["stages"]
    assert [(stage["name"], stage["state"]) for stage in stages] == [
        ("registry", "done"), ("differences", "done"), ("settlement", "done"), ("closed", "done"),
    ]  # fmt: skip


def test_the_same_file_again_is_the_same_registry_and_another_one_a_correction(bank: Bank) -> None:
    txn = bank.pay(100_000)
    first = bank.send(bank.registry((txn, 100_000), ("A-1", 1_000)))
    again = bank.send(bank.registry((txn, 100_000), ("A-1", 1_000)))
    corrected = bank.send(bank.registry((txn, 100_000)))
    late = bank.send(bank.registry((txn, 100_000), ("A-1", 1_000)))

    assert (first.status_code, again.status_code, corrected.status_code, late.status_code) == (201, 200, 201, 200)
    assert first.json()["registry_id"] == again.json()["registry_id"] == late.json()["registry_id"]
    assert (first.json()["superseded"], late.json()["superseded"]) == (False, True)
    assert corrected.json()["version"] == 2
    assert corrected.json()["comparison"]["differences"] == 0
    day = bank.reconciliation(first.json()["reconciliation_id"])
    assert [(one["version"], one["in_force"], one["received_from"]) for one in day["registries"]] == [
        (1, False, f"bank:{bank.code}"), (2, True, f"bank:{bank.code}"),
    ]  # fmt: skip


def test_a_file_whose_total_does_not_agree_is_kept_and_waits_for_accounting(bank: Bank) -> None:
    txn = bank.pay(100_000)
    answer = bank.send(bank.registry((txn, 100_000)).replace("Total: 1", "Total: 2"))

    assert answer.status_code == 202
    told = answer.json()
    assert (told["state"], told["comparison"]) == ("doubtful", None)
    assert told["problems"][0]["reason"].startswith("The total says 2 lines of")
    bank.complete(bank.task(told["process_id"], "check_registry"), "accepted", {"reason": "a test line of the bank"})
    eventually(lambda: bank.reconciliation(told["reconciliation_id"])["stage"] == "settlement")


def test_a_csv_registry_is_read_by_what_was_agreed(bank: Bank) -> None:
    txn = bank.pay(100_050)
    text = f"Номер;Дата;Счёт;Сумма\n{txn};{bank.day:%d.%m.%Y} 10:15:00;{bank.account_no};1 000,50\n"
    is_problem(bank.send(text.encode("cp1251"), media_type="text/csv"), 422, "registry_format_not_agreed")
    columns = {"txn_id": "Номер", "paid_on": "Дата", "subscriber": "Счёт", "amount": "Сумма", "decimal_comma": True}
    assert bank.agree(csv=columns)["version"] == 2

    answer = bank.send(text.encode("cp1251"), media_type="text/csv; charset=windows-1251")

    assert answer.status_code == 201, answer.text
    assert answer.json()["comparison"]["differences"] == 0


def test_accounting_brings_a_registry_in_for_a_bank_that_it_names(bank: Bank) -> None:
    answer = bank.send(bank.registry(), role=Role.ACCOUNTING, bank=bank.code)

    assert answer.status_code == 201, answer.text
    assert answer.json()["bank"] == bank.code
    is_problem(bank.send(bank.registry(), role=Role.ACCOUNTING), 422, "bank_needed")
    is_problem(bank.send(bank.registry(), role=Role.ACCOUNTING, bank="no-such-bank"), 404, "bank_unknown")
    is_problem(bank.send(bank.registry(), role=Role.OPERATOR, bank=bank.code), 403, "role_not_allowed")
    is_problem(bank.send(bank.registry(), bank="another-bank"), 403, "bank_of_another")


@pytest.mark.parametrize(
    ("send", "status", "slug"),
    [
        pytest.param(lambda bank: bank.send(b"<html>"), 422, "registry_unreadable", id="html"),
        pytest.param(lambda bank: bank.send(b"\x00\x01\x02" * 100), 422, "registry_unreadable", id="binary"),
        pytest.param(lambda bank: bank.send(b""), 422, "registry_unreadable", id="empty"),
        pytest.param(lambda bank: bank.send(b"x\t" * 5_000_000), 422, "registry_unreadable", id="ten megabytes"),
        pytest.param(lambda bank: bank.send(b"x" * (16 * 1024 * 1024 + 1)), 413, "body_too_large", id="too large"),
        pytest.param(lambda bank: bank.send("{}", media_type="text/json"), 422, "registry_format_unknown", id="json"),
        pytest.param(lambda bank: bank.send("", day="2999-01-01"), 422, "invalid_input", id="far future"),
        pytest.param(lambda bank: bank.send("", day="soon"), 422, "invalid_input", id="no date"),
        pytest.param(
            lambda bank: bank.send("Total: 0 0.00", day=bank.day + timedelta(days=3)), 422, "day_in_future", id="future"
        ),
    ],
)  # fmt: skip
def test_what_can_not_be_a_registry_is_refused_with_a_sentence(
    bank: Bank, send: Callable[[Bank], httpx.Response], status: int, slug: str
) -> None:
    is_problem(send(bank), status, slug)


def test_a_registry_of_twenty_thousand_lines_is_taken_and_its_differences_are_one_task(bank: Bank) -> None:
    rows = [(f"M-{number}", 1_000 + number % 7) for number in range(20_000)]
    answer = bank.send(bank.registry(*rows))

    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert told["comparison"]["by_kind"] == {"missing_here": 20_000}
    task = bank.task(told["process_id"], "resolve_differences")
    assert task["facts"]["differences"] == 20_000
    corrected = bank.send(bank.registry())
    assert corrected.json()["comparison"]["differences"] == 0
    eventually(lambda: bank.reconciliation(told["reconciliation_id"])["status"] == "completed")
    assert bank.reconciliation(told["reconciliation_id"])["differences"] == {"vanished": 20_000}


def test_lines_and_differences_come_in_pages(bank: Bank) -> None:
    told = bank.send(bank.registry(*((f"A-{number}", 1_000) for number in range(5)))).json()
    place = f"/v1/reconciliations/{told['reconciliation_id']}"

    lines, cursor = [], None
    while True:
        params = {"limit": 2} | ({} if cursor is None else {"cursor": cursor})
        page = bank.api.get(f"{place}/rows", Role.ACCOUNTING, **params)
        lines += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert [line["txn_id"] for line in lines] == [f"A-{number}" for number in range(5)]
    first = bank.api.get(f"{place}/differences", Role.ACCOUNTING, limit=3, status="open")
    rest = bank.api.get(f"{place}/differences", Role.ACCOUNTING, limit=3, cursor=first["next_cursor"])
    assert [one["txn_id"] for one in [*first["items"], *rest["items"]]] == [f"A-{number}" for number in range(5)]
    shown = first["items"][0]
    assert (shown["kind"], shown["proposal"], shown["account_no"]) == ("missing_here", "post", bank.account_no)
    assert bank.api.get(f"{place}/differences", Role.ACCOUNTING, kind="other_sum")["items"] == []


def test_days_are_listed_by_bank_day_and_status(bank: Bank) -> None:
    told = bank.send(bank.registry((bank.pay(1_000), 1_000))).json()
    for query in (
        {"bank": bank.code},
        {"bank": bank.code, "date": str(bank.day)},
        {"bank": bank.code, "status": "open"},
    ):
        found = bank.api.get("/v1/reconciliations", Role.ACCOUNTING, **query)["items"]
        assert [day["id"] for day in found] == [told["reconciliation_id"]], query
    for query in ({"bank": bank.code, "date": "2026-01-01"}, {"bank": bank.code, "status": "cancelled"}):
        assert bank.api.get("/v1/reconciliations", Role.ACCOUNTING, **query)["items"] == []


def test_a_day_is_opened_by_hand_once_and_again_after_it_was_cancelled(bank: Bank) -> None:
    wanted = {"bank": bank.code, "date": str(bank.day)}
    first = bank.api.post("/v1/reconciliations", Role.ACCOUNTING, wanted)
    again = bank.api.post("/v1/reconciliations", Role.ACCOUNTING, wanted)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["process_id"] == again.json()["process_id"]
    process_id = first.json()["process_id"]
    eventually(lambda: bank.api.get(f"/v1/processes/{process_id}", Role.OPS)["waiting_for"] == "registry")
    cancelled = eventually(
        lambda: (
            answer
            if (
                answer := bank.api.post(f"/v1/processes/{process_id}/cancel", Role.OPS, {"reason": "on paper"})
            ).is_success
            else None
        )
    )
    assert cancelled.status_code == 200
    eventually(lambda: bank.reconciliation(first.json()["id"])["status"] == "cancelled")
    anew = bank.api.post("/v1/reconciliations", Role.ACCOUNTING, wanted)
    assert anew.status_code == 201
    assert (anew.json()["id"], anew.json()["process_id"] == process_id) == (first.json()["id"], False)


def test_a_process_that_was_terminated_in_the_temporal_ui_lets_its_day_go(bank: Bank) -> None:
    wanted = {"bank": bank.code, "date": str(bank.day)}
    lost = bank.api.post("/v1/reconciliations", Role.ACCOUNTING, wanted).json()
    handle = bank.api.server.client.get_workflow_handle(f"reconciliation/{bank.code}/{bank.day}")
    eventually(lambda: bank.api.get(f"/v1/processes/{lost['process_id']}", Role.OPS)["waiting_for"] == "registry")

    def terminated() -> bool:
        try:
            bank.api.server.run(handle.terminate("by hand"))
        except Exception:  # noqa: BLE001 - the relay may not have started it yet
            return False
        return True

    eventually(terminated)
    anew = bank.api.post("/v1/reconciliations", Role.ACCOUNTING, wanted)
    assert anew.status_code == 201, anew.text
    assert bank.api.get(f"/v1/processes/{lost['process_id']}", Role.OPS)["status"] == "failed"


def test_a_statement_is_taken_once_and_its_lines_are_listed(bank: Bank) -> None:
    first = bank.bring_in(123_456, purpose="Возврат за 24.11.2026", number="17")
    again = bank.bring_in(123_456, purpose="Возврат за 24.11.2026", number="17")

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]
    assert (first.json()["documents"], first.json()["new_lines"], first.json()["settled"]) == (1, 1, [])
    (line,) = bank.api.get("/v1/bank-statement-lines", Role.ACCOUNTING, account=bank.own_iik, unsettled=True)["items"]
    assert (line["amount"]["amount_minor"], line["number"], line["is_incoming"], line["settled"]) == (
        123_456, "17", True, [],
    )  # fmt: skip
    listed = bank.api.get("/v1/bank-statements", Role.ACCOUNTING, limit=500)["items"]
    assert [one["id"] for one in listed].count(first.json()["id"]) == 1


def test_a_statement_that_does_not_agree_with_itself_is_refused_unless_accounting_wants_it(bank: Bank) -> None:
    line = {"amount": 100_000, "on": bank.day, "payer_iik": bank.bank_iik}
    content = statement_file([line], account=bank.own_iik).replace(
        "ВсегоПоступило=1000.00".encode("cp1251"), "ВсегоПоступило=2000.00".encode("cp1251")
    )
    refused = is_problem(bank.statement(content), 422, "statement_disagrees")
    assert refused["errors"]

    assert bank.statement(content, despite_problems=True).status_code == 201
    is_problem(bank.statement(b"not a statement"), 422, "statement_unreadable")


def test_the_money_in_transit_is_explained_by_bank_and_day(bank: Bank) -> None:
    txn = bank.pay(100_000)
    told = bank.send(bank.registry((txn, 100_000))).json()

    def of_the_bank(report: str, **params: Any) -> list[Json]:
        answer = bank.api.get(f"/v1/reports/{report}", Role.ACCOUNTING, **params)
        return [day for day in answer["items"] if day["bank"] == bank.code]

    (day,) = of_the_bank("money-in-transit")
    assert (day["date"], day["taken"]["amount_minor"], day["balance"]["amount_minor"]) == (
        str(bank.day),
        100_000,
        100_000,
    )
    eventually(lambda: bank.reconciliation(told["reconciliation_id"])["stage"] == "settlement")
    (unsettled,) = of_the_bank("unsettled-days")
    assert (unsettled["expected"]["amount_minor"], unsettled["in_transit"]["amount_minor"]) == (99_000, 100_000)
    assert (unsettled["days_since"], unsettled["has_registry"], unsettled["open_differences"]) == (1, True, 0)

    settled = bank.bring_in(99_000).json()["settled"]
    assert settled == [
        {"bank": bank.code, "days": [str(bank.day)], "amount": {"amount_minor": 99_000, "currency": "KZT"}}
    ]
    eventually(lambda: bank.reconciliation(told["reconciliation_id"])["status"] == "completed")
    assert of_the_bank("money-in-transit") == of_the_bank("unsettled-days") == []
    (day,) = of_the_bank("money-in-transit", with_settled=True)
    assert (day["received"]["amount_minor"], day["fee"]["amount_minor"], day["balance"]["amount_minor"]) == (
        99_000,
        1_000,
        0,
    )


def test_all_days_in_transit_together_are_the_balance_of_1020(bank: Bank) -> None:
    bank.pay(77_000)
    until = (datetime.now(UTC) + timedelta(days=2)).date()
    as_of = (datetime.now(UTC) + timedelta(days=1)).date()

    def is_the_balance() -> bool:
        balances = bank.api.get(
            "/v1/reports/trial-balance", Role.ACCOUNTING, **{"from": "2020-01-01", "until": str(until)}
        )["items"]
        (transit,) = [line["closing"]["amount_minor"] for line in balances if line["code"] == "1020"]
        report = bank.api.get("/v1/reports/money-in-transit", Role.ACCOUNTING, as_of=str(as_of))
        total = report["total"]["amount_minor"]
        assert total == sum(day["balance"]["amount_minor"] for day in report["items"])
        return bool(total == transit)

    # Days of other tests may be settled between the two reports.
    eventually(is_the_balance)


@pytest.mark.parametrize("report", ["money-in-transit", "unsettled-days"])
def test_reports_are_csv_too(bank: Bank, report: str) -> None:
    bank.pay(100_000)
    answer = bank.api.call("GET", f"/v1/reports/{report}", Role.ACCOUNTING, params={"format": "csv"})

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text.startswith("\ufeffБанк;День;")
    assert any(line.startswith(f"{bank.code};{bank.day:%d.%m.%Y};") for line in answer.text.splitlines())


def test_what_is_agreed_with_a_bank_has_versions_and_the_same_again_is_none(bank: Bank) -> None:
    assert bank.agree()["version"] == 1
    changed = bank.agree(fee={"kind": "as_statement"})
    assert (changed["version"], changed["terms"]["fee"]["kind"]) == (2, "as_statement")
    assert bank.api.get(f"/v1/banks/{bank.code}/reconciliation", Role.ACCOUNTING)["version"] == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"fee": {"kind": "rule"}},
        {"fee": {"percent_bp": 95}},
        {"fee": {"kind": "rule", "percent_bp": 10_001}},
        {"fee": {"kind": "rule", "fixed_minor": -1}},
        {"starts_on": "1999-12-31"},
        {"csv": {"txn_id": "A", "paid_on": "B", "subscriber": "C", "amount": "D", "has_header": False}},
        {"settlement": {"payer_bins": ["12"]}},
        {"settlement": {"own_accounts": ["not an account"]}},
        {"settlement": {"within_days": 61}},
        {"registry_expected_at": "25:00"},
        {"colour": "red"},
        {"settlement": {"purpose_contains": ["a\u0000b"]}},
    ],
)
def test_what_can_not_be_agreed_is_refused_with_its_field(bank: Bank, wrong: Json) -> None:
    body = {"starts_on": "2026-01-01", **wrong}
    answer = bank.api.call("PUT", f"/v1/banks/{bank.code}/reconciliation", Role.ADMIN, json=body)
    assert is_problem(answer, 422, "invalid_input")["errors"]
