"""The Kaspi dialect: always HTTP 200, every row of its result table, and what it says when we are at fault."""

import json
from typing import Any

import pytest
from sqlalchemy import select

from models.contracts.bank import PaymentStatus
from models.database import Database
from models.tables.people import Account
from settings import Settings
from tests import bank_world, factories
from tests.bank_world import PAID_ON, BankClient, balance_minor, bank_client, new_txn_id, owing, payments_of
from tests.factories import Customer


@pytest.fixture
def bank(database: Database) -> BankClient:
    return bank_client(database)


@pytest.fixture
def customer(database: Database) -> Customer:
    return owing(database, 400_000, 100_005)


# -- 0 ------------------------------------------------------------------------------------------------------------


def test_check_answers_the_sum_to_pay_and_never_the_one_that_was_sent(bank: BankClient, customer: Customer) -> None:
    for dummy in ("200.00", "0.00", "nonsense", "-5"):
        answer = bank.check("kaspi", customer.account.account_no, txn_id="1234567", sum=dummy)
        assert json.loads(answer.http.content) == {
            "txn_id": "1234567",
            "result": 0,
            "sum": "5000.05",
            "comment": "OK",
            "fields": {
                "field1": {"@name": "Абонент", "#text": "С*** Арман Б."},
                "field2": {"@name": "Лицевой счёт", "#text": customer.account.account_no},
            },
        }


def test_pay_posts_the_payment_and_answers_with_the_receipt(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    answer = bank.pay("kaspi", customer.account.account_no, "200.00", txn_id="77324")
    (payment,) = payments_of(database, bank.login)
    assert json.loads(answer.http.content) == {
        "txn_id": "77324",
        "prv_txn_id": str(payment.receipt_no),
        "result": 0,
        "sum": "200.00",
        "comment": "OK",
    }
    assert payment.status == PaymentStatus.POSTED
    assert balance_minor(database, customer) == 20_000 - 500_005


@pytest.mark.parametrize("parameter", ["account", "iin"])
def test_a_payer_types_an_account_number_or_an_iin(bank: BankClient, customer: Customer, parameter: str) -> None:
    number = customer.subscriber.iin
    asked = {"command": "check", "txn_id": "1", parameter: number}
    assert bank.ask("kaspi", asked).sum == "5000.05"
    assert bank.ask("kaspi", asked | {"command": "pay", "sum": "5000.05"}).result == 0
    assert bank.ask("kaspi", asked).sum == "0.00"


def test_both_parameters_at_once_name_nobody(bank: BankClient, customer: Customer) -> None:
    both = {"account": customer.account.account_no, "iin": customer.subscriber.iin}
    assert bank.ask("kaspi", {"command": "check", "txn_id": "1", **both}).result == 1


def test_part_of_the_debt_and_more_than_the_debt_are_taken(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    for amount in ("0.01", "4999.99", "9000.00"):
        assert bank.pay("kaspi", customer.account.account_no, amount).result == 0
    assert balance_minor(database, customer) == 1 + 499_999 + 900_000 - 500_005


def test_the_accounting_date_is_kept_as_the_bank_wrote_it(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    bank.pay("kaspi", customer.account.account_no, txn_date="20261231235959")
    (payment,) = payments_of(database, bank.login)
    assert (str(payment.accounting_on), payment.paid_at.isoformat()) == ("2026-12-31", "2026-12-31T18:59:59+00:00")


def test_a_payment_for_a_number_that_nobody_has_is_taken_into_suspense(bank: BankClient, database: Database) -> None:
    for number in (factories.new_iin(), "99999999990"):
        assert bank.pay("kaspi", number).result == 0
    assert {payment.status for payment in payments_of(database, bank.login)} == {PaymentStatus.SUSPENSE}


def test_limits_are_not_held_against_money_that_is_debited_already(database: Database, customer: Customer) -> None:
    limited = bank_client(database, min_amount_minor=10_000, max_amount_minor=20_000)
    assert limited.check("kaspi", customer.account.account_no, sum="1.00").result == 0
    for amount in ("1.00", "500.00"):
        assert limited.pay("kaspi", customer.account.account_no, amount).result == 0


def test_the_bank_takes_back_by_registry_alone(bank: BankClient) -> None:
    assert bank.ask("kaspi", {"command": "cancel", "txn_id": "1", "prv_txn": "1"}).result == 5


# -- 1, 2, 3 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["123456789012", "9999999", "", "abc", "٢٢٢٢٢٢٢", "7" * 41, "1000-28"])
def test_1_nobody_has_this_number(bank: BankClient, number: str) -> None:
    answer = bank.check("kaspi", number, txn_id="5")
    assert (answer.result, answer.txn_id) == (1, "5")


@pytest.mark.parametrize("number", ["", "abc", "٢٢٢٢٢٢٢", "7" * 41])
def test_1_a_payment_for_what_is_no_number_at_all(bank: BankClient, database: Database, number: str) -> None:
    assert bank.pay("kaspi", number).result == 1
    assert payments_of(database, bank.login) == []


def test_2_the_service_has_ended_and_nothing_is_owed(bank: BankClient, database: Database) -> None:
    customer = owing(database)
    number = customer.account.account_no
    assert bank.check("kaspi", number).result == 0, "they have no service yet"
    bank_world.end_service(database, customer)
    assert bank.check("kaspi", number).result == 2
    assert bank.pay("kaspi", number, "100.00").result == 0, "the payer's money is debited already"
    assert balance_minor(database, customer) == 10_000


def test_3_everything_is_paid_and_no_advances_are_agreed(database: Database, customer: Customer) -> None:
    exact = bank_client(database, takes_advances=False)
    number = customer.account.account_no
    assert exact.check("kaspi", number).result == 0
    assert exact.pay("kaspi", number, "5000.05").result == 0
    assert exact.check("kaspi", number).result == 3
    assert exact.pay("kaspi", number, "1.00").result == 0, "the payer's money is debited already"


# -- 4: ask again ---------------------------------------------------------------------------------------------------


def test_4_while_the_database_is_away_a_payment_is_in_progress_and_a_check_fails(bank: BankClient) -> None:
    away = BankClient(bank_world.app_client(bank_world.nowhere()), bank.login)
    paid = away.pay("kaspi", "1", txn_id="3")
    assert (paid.result, paid.txn_id) == (4, "3")
    assert away.check("kaspi", "1").result == 5


def test_4_while_somebody_else_holds_the_account(bank: BankClient, database: Database, customer: Customer) -> None:
    with bank_world.impatient(database) as hurried, database.transaction() as session:
        session.execute(select(Account).where(Account.id == customer.account.id).with_for_update())
        busy = BankClient(bank_world.app_client(hurried), bank.login)
        assert busy.pay("kaspi", customer.account.account_no, txn_id="4").result == 4
        assert busy.check("kaspi", customer.account.account_no).sum == "5000.05", "looking up waits for nobody"
    assert bank.pay("kaspi", customer.account.account_no, txn_id="4").result == 0
    assert len(payments_of(database, bank.login)) == 1


def test_4_who_asks_too_fast_is_to_ask_again(bank: BankClient, database: Database) -> None:
    hasty = BankClient(bank_world.app_client(database, settings=Settings(requests_per_second=1)), bank.login)
    assert {hasty.pay("kaspi", "1234567").result for _ in range(10)} == {0, 4}
    assert 5 in {hasty.check("kaspi", "1234567").result for _ in range(10)}


def test_4_a_fault_of_ours_while_paying(bank: BankClient) -> None:
    faulty = BankClient(bank_world.app_client(None), bank.login)
    assert (faulty.pay("kaspi", "1").result, faulty.check("kaspi", "1").result) == (4, 5)


# -- 5: everything else -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"command": "verify"}, {"command": ""}, {"command": "PAY"}, {"txn_id": ""}, {"txn_id": "x"},
        {"txn_id": "1" * 21}, {"txn_id": "-1"}, {"sum": ""}, {"sum": "1,00"}, {"sum": "0"}, {"sum": "0.00"},
        {"txn_date": "20261301000000"}, {"txn_date": "2026-11-24"}, {"txn_date": ""},
    ],
)  # fmt: skip
def test_5_a_payment_that_makes_no_sense(
    bank: BankClient, database: Database, customer: Customer, wrong: dict[str, str]
) -> None:
    answer = bank.pay("kaspi", customer.account.account_no, **wrong)
    assert answer.result == 5
    assert next(iter(wrong)) in answer.comment
    assert payments_of(database, bank.login) == []


@pytest.mark.parametrize("other", ["another sum", "another account"])
def test_5_a_transaction_id_with_another_meaning(
    bank: BankClient, database: Database, customer: Customer, other: str
) -> None:
    somebody = owing(database)
    txn_id = new_txn_id()
    first = bank.pay("kaspi", customer.account.account_no, "10.00", txn_id=txn_id)
    if other == "another sum":
        refused = bank.pay("kaspi", customer.account.account_no, "10.01", txn_id=txn_id)
    else:
        refused = bank.pay("kaspi", somebody.account.account_no, "10.00", txn_id=txn_id)
    assert refused.result == 5, "and not 3: the bank would believe that the other sum has arrived"
    again = bank.pay("kaspi", customer.account.account_no, "10.00", txn_id=txn_id, txn_date="20261125000000")
    assert again.http.content == first.http.content, "a repetition may carry another date"
    assert (balance_minor(database, customer), balance_minor(database, somebody)) == (1000 - 500_005, 0)


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param({"auth": ("nobody", "nothing")}, id="a user whom nobody knows"),
        pytest.param({"auth": ("with\0nul", "nothing")}, id="a user who can't be"),
        pytest.param({"headers": {"Authorization": "Basic !!!"}, "auth": None}, id="broken Basic"),
        pytest.param({"headers": {"Authorization": "Bearer x"}, "auth": None}, id="a token"),
        pytest.param({"headers": {"X-Bank-Secret": "guess"}, "auth": None}, id="a secret that nobody has"),
        pytest.param({"auth": None}, id="nothing"),
    ],
)
def test_5_wrong_credentials(bank: BankClient, customer: Customer, request_: dict[str, Any]) -> None:
    asked = {"command": "check", "txn_id": "1", "account": customer.account.account_no}
    answer = bank.ask("kaspi", asked, **request_)
    assert (answer.result, answer.txn_id, answer.sum, answer.fields) == (5, "1", None, {})


def test_5_another_address(database: Database) -> None:
    assert bank_client(database, allowed_networks=["10.0.0.0/8"]).check("kaspi", "1").result == 5


def test_5_the_dialect_is_not_agreed(database: Database, customer: Customer) -> None:
    other = bank_client(database, dialects=["osmp", "json_v1"])
    assert other.pay("kaspi", customer.account.account_no).result == 5
    assert payments_of(database, other.login) == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "BREW"])
def test_5_another_method_is_answered_all_the_same(bank: BankClient, method: str) -> None:
    answer = bank_world.read("kaspi", bank.client.request(method, "/bank/kaspi", auth=bank.login.auth))
    assert answer.result == 5


@pytest.mark.parametrize("path", ["/bank/kaspi/", "/bank/kaspi/check", "/bank/kaspi/%00", "/bank/kaspi/../kaspi/x"])
def test_5_another_path_under_the_prefix_is_answered_all_the_same(bank: BankClient, path: str) -> None:
    assert bank_world.read("kaspi", bank.client.get(path, auth=bank.login.auth)).result == 5


def test_5_a_body_of_ten_megabytes_is_answered_all_the_same(bank: BankClient) -> None:
    answer = bank.client.request("GET", "/bank/kaspi", auth=bank.login.auth, content=b"x" * 10 * 1024 * 1024)
    assert bank_world.read("kaspi", answer).result == 5


def test_guessing_is_slowed_down_though_every_answer_is_200(database: Database) -> None:
    client = bank_world.app_client(database, settings=Settings(requests_per_second=2))
    path = "/bank/kaspi?command=pay&txn_id=1&account=1&sum=1.00"
    guesses = [bank_world.read("kaspi", client.get(path, auth=("nobody", f"guess {n}"))).result for n in range(30)]
    assert set(guesses) == {5, 4}


# -- as agreed ------------------------------------------------------------------------------------------------------


def test_names_of_parameters_and_fields_are_as_agreed(database: Database, customer: Customer) -> None:
    bank = bank_client(
        database, payee_number="iin", payee_parameter="iin", receipt_field="prv_txn",
        shown_fields=[{"title": "Клиент", "value": "name"}],
    )  # fmt: skip
    assert bank.check("kaspi", customer.subscriber.iin).result == 1, "account is not what was agreed"
    asked = {"txn_id": "1", "iin": customer.subscriber.iin, "sum": "10.00"}
    assert bank.ask("kaspi", {"command": "check", **asked}).fields == {"Клиент": "С*** Арман Б."}
    assert bank.ask("kaspi", {"command": "check", **asked, "iin": customer.account.account_no}).result == 1
    assert bank.ask("kaspi", {"command": "pay", **asked, "txn_date": PAID_ON}).receipt is not None


def test_results_are_counted_on_metrics(bank: BankClient, customer: Customer) -> None:
    bank.check("kaspi", customer.account.account_no)
    bank.check("kaspi", "123")
    figures = bank.client.get("/metrics").text
    for result in (0, 1):
        assert f'abonent_bank_results_total{{dialect="kaspi",result="{result}"}}' in figures
    # The figures themselves have many digits: any number may be found in them.
    labels = [line.rpartition(" ")[0] for line in figures.splitlines()]
    assert not [label for label in labels if customer.account.account_no in label]
