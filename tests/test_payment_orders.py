"""Payment orders: filled in by themselves, never changed, and read by 1C."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.orm import Session

from activities import payment_order_export, payments
from api import accounts, billing, payment_orders
from models.contracts.bank import PaymentAnswer
from models.contracts.people import Role
from models.database import Database
from models.rules.client_bank_exchange import Exchange
from models.rules.client_bank_reading import parse
from models.tables.banks import Bank
from models.tables.people import Subscriber
from settings import Settings
from tests import factories
from tests.factories import TODAY, BankLogin, Customer, StaffLogin
from tests.http_client import ApiClient, api_with

OUR_IIK = "KZ798562203124676325"
DAY = date(2026, 11, 20)
NAME = "Сейткали Арман Болатович"


class Desk(NamedTuple):
    """An accountant at work, and a bank of which everything is known."""

    client: ApiClient
    bank: BankLogin
    accounting: StaffLogin

    def get(self, path: str, **query: Any) -> httpx.Response:
        return self.client.get(path, params=query, headers=self.accounting.headers)

    def order_of(self, answer: PaymentAnswer) -> dict[str, Any]:
        found = self.get(f"/v1/payment-orders/{answer.payment_id}")
        assert found.status_code == 200, found.text
        order: dict[str, Any] = found.json()
        return order

    def file(self, **query: str) -> httpx.Response:
        asked = {"bank": self.bank.row.code, "from": str(DAY), "to": str(DAY), **query}
        return self.get("/v1/payment-orders/export", **asked)

    def exported(self, **query: str) -> Exchange:
        answer = self.file(**query)
        assert answer.status_code == 200, answer.text
        exchange = parse(answer.content)
        assert exchange.problems == ()
        return exchange


@pytest.fixture
def desk(database: Database) -> Desk:
    with database.transaction() as session:
        bank = factories.bank(session)
        bank.row.bic, bank.row.bin, bank.row.iik = "KCJBKZKX", "980640000093", OUR_IIK
        session.flush()
        client = api_with(database, payment_orders.router, billing.router, accounts.router)
        return Desk(client, bank, factories.staff(session, Role.ACCOUNTING))


@pytest.fixture
def customer(database: Database) -> Customer:
    with database.transaction() as session:
        return factories.customer(session, full_name=NAME)


def pay(session: Session, bank: BankLogin, amount_minor: int, *, on: date = DAY, **payee: str | None) -> PaymentAnswer:
    """A payment that comes on a day, at eleven in the evening where the operator is."""
    received_at = datetime(on.year, on.month, on.day, 18, tzinfo=UTC)
    notice = factories.payment_notice(amount_minor, **payee).model_copy(update={"paid_at": received_at})
    return payments.take_payment(session, bank_id=bank.row.id, notice=notice, received_at=received_at, on=on)[0]


def reverse(session: Session, answer: PaymentAnswer, *, on: date) -> None:
    at = datetime(on.year, on.month, on.day, 18, tzinfo=UTC)
    payments.reverse_payment(session, answer.payment_id, reason="ошибка банка", on=on, at=at, actor="test")


# -- one order -------------------------------------------------------------------------------------------------------


def test_a_payment_is_a_payment_order_with_everything_filled_in(
    desk: Desk, database: Database, customer: Customer
) -> None:
    with database.transaction() as session:
        factories.connection_invoice(session, customer.account, 600)
        answer = pay(session, desk.bank, 900, account_no=customer.account.account_no)
        payment = payments.view(session, answer.payment_id)
    assert desk.order_of(answer) == {
        "id": str(answer.payment_id),
        "number": answer.receipt_no,
        "posted_on": "2026-11-20",
        "paid_at": "2026-11-20T18:00:00Z",
        "value_on": "2026-11-20",
        "bank": {"code": desk.bank.row.code, "name": "Demo Bank", "bic": "KCJBKZKX", "bin": "980640000093"},
        "bank_reference": payment.txn_id,
        "source": "online",
        "payer": {"name": NAME, "id_no": customer.subscriber.iin, "sector_code": "19", "account": None},
        "payee": {
            "name": Settings().operator_name, "id_no": Settings().operator_bin, "sector_code": "17",
            "account": OUR_IIK,
        },
        "purpose": f"Оплата услуг связи, лицевой счёт {customer.account.account_no}, квитанция {answer.receipt_no}, "
        f"операция {payment.txn_id} от 20.11.2026",
        "purpose_code": "853",
        "amount": {"amount_minor": 900, "currency": "KZT"},
        "debit": "1020",
        "credits": [
            {"account": "1210", "amount": {"amount_minor": 600, "currency": "KZT"}},
            {"account": "3510", "amount": {"amount_minor": 300, "currency": "KZT"}},
        ],
        "account_nos": [customer.account.account_no],
        "status": "posted",
        "reversed_on": None,
        "reversal_reason": None,
    }  # fmt: skip


def test_a_payment_for_several_accounts_is_one_order(desk: Desk, database: Database, customer: Customer) -> None:
    with database.transaction() as session:
        second = factories.another_account(session, customer.subscriber)
        for account in (customer.account, second):
            factories.connection_invoice(session, account, 300)
        answer = pay(session, desk.bank, 700, iin=customer.subscriber.iin)
        other_parts = payments.detail(session, answer.payment_id).other_parts
    order = desk.order_of(answer)
    assert order["amount"]["amount_minor"] == 700
    assert order["account_nos"] == [customer.account.account_no, second.account_no]
    assert {entry["account"]: entry["amount"]["amount_minor"] for entry in order["credits"]} == {
        "1210": 600, "3510": 100,
    }  # fmt: skip
    assert len(other_parts) == 1
    found = desk.get(f"/v1/payment-orders/{other_parts[0]}")
    assert found.json() == order
    (document,) = desk.exported().documents
    assert document.amount_minor == 700


def test_an_order_says_for_ever_what_was_true_when_the_payment_came(
    desk: Desk, database: Database, customer: Customer
) -> None:
    with database.transaction() as session:
        answer = pay(session, desk.bank, 900, account_no=customer.account.account_no)
    before = desk.order_of(answer)
    file = desk.exported().documents
    with database.transaction() as session:
        session.get_one(Subscriber, customer.subscriber.id).full_name = "Ахметова Алия"
        session.get_one(Bank, desk.bank.row.id).iik = "KZ000000000000000001"
        factories.connection_invoice(session, customer.account, 600)
    assert desk.order_of(answer) == before
    assert desk.exported().documents == file


def test_money_in_suspense_is_an_order_with_what_the_bank_named_until_its_owner_is_known(
    desk: Desk, database: Database, customer: Customer
) -> None:
    iin = factories.new_iin()
    with database.transaction() as session:
        answer = pay(session, desk.bank, 900, iin=iin)
    order = desk.order_of(answer)
    assert (order["status"], order["payer"]["name"], order["payer"]["id_no"]) == ("suspense", None, iin)
    assert f"указан номер {iin}" in order["purpose"]
    assert [entry["account"] for entry in order["credits"]] == ["3390"]
    (document,) = desk.exported().documents
    assert (document.payer.name, document.payer.id_no) == ("Плательщик не установлен", iin)
    with database.transaction() as session:
        payments.allocate_suspense(session, answer.payment_id, customer.account.account_no, on=DAY, actor="test")
    found = desk.order_of(answer)
    assert (found["payer"]["name"], found["account_nos"]) == (NAME, [customer.account.account_no])
    assert [entry["account"] for entry in found["credits"]] == ["3390"], "where it went when it came"


def test_a_bank_of_which_no_account_is_known_pays_to_the_operators_main_one(
    desk: Desk, database: Database, customer: Customer
) -> None:
    with database.transaction() as session:
        answer = pay(session, factories.bank(session), 900, account_no=customer.account.account_no)
    assert desk.order_of(answer)["payee"]["account"] == Settings().operator_iban


def test_what_does_not_exist_is_not_found(desk: Desk, customer: Customer) -> None:
    found = desk.get(f"/v1/payment-orders/{customer.account.id}")
    assert (found.status_code, found.json()["type"]) == (404, "payment_unknown")


# -- lists -----------------------------------------------------------------------------------------------------------


def test_orders_are_listed_by_days_banks_and_status_page_by_page(
    desk: Desk, database: Database, customer: Customer
) -> None:
    account_no = customer.account.account_no
    with database.transaction() as session:
        days = [DAY + timedelta(days=offset) for offset in range(3)]
        paid = [pay(session, desk.bank, 100 + number, on=day, account_no=account_no) for number, day in enumerate(days)]
        lost = pay(session, desk.bank, 900, account_no="0", on=days[1])
        reverse(session, paid[0], on=days[1])
        pay(session, factories.bank(session), 500, account_no=account_no)

    def listed(**query: Any) -> list[str]:
        ids: list[str] = []
        asked = {"bank": desk.bank.row.code, "limit": 2, **query}
        while True:
            page = desk.get("/v1/payment-orders", **asked).json()
            ids += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                return ids
            asked["cursor"] = page["next_cursor"]

    first, second, third, fourth = (str(one.payment_id) for one in (*paid, lost))
    assert listed() == [fourth, third, second, first]
    assert listed(**{"from": days[1]}) == [fourth, third, second]
    assert listed(**{"from": days[1], "to": days[1]}) == [fourth, second]
    assert listed(status="reversed") == [first]
    assert listed(status="suspense") == [fourth]


# -- the file for 1c -------------------------------------------------------------------------------------------------


def test_the_file_holds_the_days_payments_and_adds_up(desk: Desk, database: Database, customer: Customer) -> None:
    with database.transaction() as session:
        answers = [pay(session, desk.bank, amount, account_no=customer.account.account_no) for amount in (900, 100)]
        pay(session, desk.bank, 7, on=DAY + timedelta(days=1), account_no=customer.account.account_no)
        order = payments.view(session, answers[0].payment_id)
    exchange = desk.exported()
    (turnover,) = exchange.turnovers
    assert (turnover.account, turnover.received_minor, turnover.paid_minor) == (OUR_IIK, 1000, 0)
    assert [document.number for document in exchange.documents] == [answer.receipt_no for answer in answers]
    first = exchange.documents[0]
    assert (first.form, first.issued_on, first.operated_on, first.valued_on) == ("ПлатежноеПоручение", DAY, DAY, DAY)
    assert (first.payer.name, first.payer.id_no, first.payer.sector_code) == (NAME, customer.subscriber.iin, "19")
    assert (first.payee.account, first.payee.bank_bic, first.purpose_code) == (OUR_IIK, "KCJBKZKX", "853")
    assert order.txn_id in first.purpose


def test_what_was_taken_back_stands_on_the_day_of_that_so_the_file_of_a_day_never_changes(
    desk: Desk, database: Database, customer: Customer
) -> None:
    later = DAY + timedelta(days=3)
    with database.transaction() as session:
        answer = pay(session, desk.bank, 900, account_no=customer.account.account_no)
    before = desk.exported()
    with database.transaction() as session:
        reverse(session, answer, on=later)
    after = desk.exported()
    assert (after.documents, after.turnovers) == (before.documents, before.turnovers)
    then = desk.exported(**{"from": str(later), "to": str(later)})
    (document,) = then.documents
    assert (document.debited, document.credited, document.amount_minor) == (OUR_IIK, "", 900)
    assert (document.payer.account, document.payee.name) == (OUR_IIK, NAME)
    assert "ошибка банка" in document.purpose
    both = desk.exported(to=str(later))
    assert (both.turnovers[0].received_minor, both.turnovers[0].paid_minor) == (900, 900)


@pytest.mark.parametrize(
    ("charset", "encoding", "name"),
    [("auto", "utf-8-sig", "Нұрпейісов Әділ"), ("utf8", "utf-8-sig", "Нұрпейісов Әділ"),
     ("windows", "cp1251", "Нурпейісов Аділ")],
)  # fmt: skip
def test_a_kazakh_name_is_written_as_it_is_or_with_the_nearest_letters(
    desk: Desk, database: Database, charset: str, encoding: str, name: str
) -> None:  # fmt: skip
    with database.transaction() as session:
        person = factories.customer(session, full_name="Нұрпейісов Әділ")
        pay(session, desk.bank, 900, account_no=person.account.account_no)
    answer = desk.file(charset=charset)
    assert f"ПлательщикНаименование={name}" in answer.content.decode(encoding)
    assert answer.headers["content-type"].endswith("utf-8" if charset != "windows" else "windows-1251")


def test_russian_letters_are_written_for_windows(desk: Desk, database: Database, customer: Customer) -> None:
    with database.transaction() as session:
        pay(session, desk.bank, 900, account_no=customer.account.account_no)
    answer = desk.file()
    assert "Кодировка=Windows\r\n" in answer.content.decode("cp1251")
    assert answer.headers["content-disposition"].startswith("attachment")


def test_days_without_payments_are_an_empty_file(desk: Desk) -> None:
    assert desk.exported().documents == ()


@pytest.mark.parametrize(
    ("query", "status", "type_"),
    [
        ({"to": "2026-11-19"}, 422, "range_empty"),
        ({"to": "2027-11-21"}, 422, "range_too_wide"),
        ({"bank": "nobody"}, 404, "bank_unknown"),
        ({"charset": "dos"}, 422, "invalid_input"),
        ({"from": "1999-01-01"}, 422, "invalid_input"),
    ],
)
def test_a_file_that_can_not_be_is_refused_before_it_begins(
    desk: Desk, query: dict[str, str], status: int, type_: str
) -> None:
    answer = desk.file(**query)
    assert (answer.status_code, answer.json()["type"]) == (status, type_)


def test_too_many_documents_for_one_file_are_refused(
    desk: Desk, database: Database, customer: Customer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(payment_order_export, "MAX_DOCUMENTS", 1)
    with database.transaction() as session:
        for _ in range(2):
            pay(session, desk.bank, 900, account_no=customer.account.account_no)
    answer = desk.file()
    assert (answer.status_code, answer.json()["type"]) == (422, "range_too_wide")


@pytest.fixture
def payment_in_the_middle(database: Database, desk: Desk, customer: Customer) -> Iterator[list[str]]:
    """Somebody pays right after the totals of a file were read."""
    seen: list[str] = []

    def pay_once(_: Any, __: Any, statement: str, *___: Any) -> None:
        if "translate(" in statement and not seen:
            seen.append(statement)
            with database.transaction() as session:
                pay(session, desk.bank, 55, account_no=customer.account.account_no)

    event.listen(database.engine, "after_cursor_execute", pay_once)
    yield seen
    event.remove(database.engine, "after_cursor_execute", pay_once)


def test_totals_and_documents_are_of_one_moment(
    desk: Desk, database: Database, customer: Customer,
    payment_in_the_middle: list[str],
) -> None:  # fmt: skip
    with database.transaction() as session:
        pay(session, desk.bank, 900, account_no=customer.account.account_no)
    exchange = desk.exported()
    assert payment_in_the_middle
    assert exchange.turnovers[0].received_minor == sum(one.amount_minor for one in exchange.documents)


# -- accounts and reallocation over http -----------------------------------------------------------------------------


def test_accounting_and_operators_choose_an_accounts_rule_and_leave_a_trail(
    desk: Desk, database: Database, customer: Customer
) -> None:
    path = f"/v1/accounts/{customer.account.account_no}"
    with database.transaction() as session:
        operator, installer = factories.staff(session, Role.OPERATOR), factories.staff(session, Role.INSTALLER)
        old, new = (
            factories.connection_invoice(session, customer.account, 600, due_on=TODAY + timedelta(days=days)).id
            for days in (0, 9)
        )
    assert desk.client.get(path, headers=operator.headers).json()["allocation_rule"] == "oldest_due"
    change = {"allocation_rule": "newest_due", "reason": "старый счёт оспаривается"}
    for _ in range(2):
        answer = desk.client.patch(path, json=change, headers=operator.headers)
        assert answer.status_code == 200, answer.text
    (entry,) = answer.json()["changes"]
    assert entry["changed"] == {"allocation_rule": ["oldest_due", "newest_due"]}
    assert (entry["reason"], entry["changed_by"]) == ("старый счёт оспаривается", f"staff:{operator.row.id}")
    with database.transaction() as session:
        pay(session, desk.bank, 600, account_no=customer.account.account_no)
        statuses = [payments.view(session, one.id) for one in payments.page(
            session, subscriber_id=customer.subscriber.id, limit=5)[0]]  # fmt: skip
        covered = payments.detail(session, statuses[0].id).allocations
        assert [row.invoice_id for row in covered] == [new]
        assert old not in {row.invoice_id for row in covered}
    assert desk.client.patch(path, json=change, headers=installer.headers).status_code == 403
    assert (
        desk.client.patch(
            path, json={"allocation_rule": "any", "reason": "x y z"}, headers=operator.headers
        ).status_code
        == 422
    )
    assert desk.client.get("/v1/accounts/77", headers=operator.headers).status_code == 404


def test_accounting_reallocates_over_http_once_for_a_key(desk: Desk, database: Database, customer: Customer) -> None:
    with database.transaction() as session:
        old, new = (
            factories.connection_invoice(session, customer.account, 600, due_on=TODAY + timedelta(days=days)).id
            for days in (0, 9)
        )
        answer = pay(session, desk.bank, 600, account_no=customer.account.account_no)
    path = f"/v1/payments/{answer.payment_id}"
    body = {
        "allocations": [{"invoice_id": str(new), "amount": {"amount_minor": 250, "currency": "KZT"}}],
        "reason": "спор",
    }
    headers = {**desk.accounting.headers, "Idempotency-Key": factories.unique("key")}
    first = desk.client.post(f"{path}/reallocate", json=body, headers=headers)
    assert first.status_code == 200, first.text
    assert desk.client.post(f"{path}/reallocate", json=body, headers=headers).json() == first.json()
    rows = desk.get(path).json()["allocations"]
    assert [(row["invoice_id"], row["amount"]["amount_minor"]) for row in rows] == [
        (str(old), 600), (str(old), -600), (str(new), 250), (str(old), 350),
    ]  # fmt: skip
    assert rows[1]["decided_by"] == f"staff:{desk.accounting.row.id}"
    other = desk.client.post(f"{path}/reallocate", json=body | {"reason": "другое"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (409, "idempotency_key_reused")


def test_money_that_was_only_moved_is_no_order_and_goes_back_to_no_bank(
    desk: Desk, database: Database, customer: Customer
) -> None:
    from activities import balance_transfer  # noqa: PLC0415 - only here

    with database.transaction() as session:
        second = factories.another_account(session, customer.subscriber)
        pay(session, desk.bank, 900, account_no=customer.account.account_no)
        moved = balance_transfer.move(
            session, from_account_id=customer.account.id, to_account_id=second.id, amount_minor=400,
            key=factories.unique(), reason="по заявлению", on=DAY,
            at=datetime(2026, 11, 20, 18, tzinfo=UTC), actor="test",
        )  # fmt: skip
    assert len(desk.exported().documents) == 1
    for method, path, body in (
        ("GET", f"/v1/payment-orders/{moved.payment_id}", None),
        ("POST", f"/v1/payments/{moved.payment_id}/reversal", {"reason": "ошибка"}),
    ):
        answer = desk.client.request(method, path, json=body, headers=desk.accounting.headers)
        assert answer.status_code in {404, 409}, answer.text
