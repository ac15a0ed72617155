"""The OSMP dialect: every row of its result table, its limits, and what it says when we are at fault."""

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from sqlalchemy import select, update

from activities import ledger, payments
from models.contracts.bank import PaymentStatus
from models.database import Database
from models.tables.payments import Payment
from models.tables.people import Account, Subscriber
from settings import Settings
from tests import bank_world, factories
from tests.bank_world import PAID_ON, BankClient, balance_minor, bank_client, new_txn_id, owing, payments_of
from tests.factories import TODAY, Customer


@pytest.fixture
def bank(database: Database) -> BankClient:
    return bank_client(database)


@pytest.fixture
def customer(database: Database) -> Customer:
    return owing(database, 500_000, 150_050)


# -- 0 ------------------------------------------------------------------------------------------------------------


def test_check_tells_who_it_is_and_what_is_due(bank: BankClient, customer: Customer) -> None:
    answer = bank.check("osmp", customer.account.account_no, txn_id="1234567", sum="10.45")
    assert (answer.result, answer.txn_id, answer.comment, answer.http.status_code) == (0, "1234567", "OK", 200)
    assert answer.fields == {
        "Абонент": "С*** Арман Б.",
        "Лицевой счёт": customer.account.account_no,
        "К оплате": "6500.50",
    }
    assert (answer.receipt, answer.sum) == (None, None), "those are of pay alone"


def test_an_answer_is_xml_in_utf_8_of_the_documented_form(bank: BankClient, customer: Customer) -> None:
    content = bank.check("osmp", customer.account.account_no, txn_id="1").http.content
    assert content.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    assert "Абонент".encode() in content
    assert [child.tag for child in ET.fromstring(content)] == ["osmp_txn_id", "result", "comment", "fields"]
    paid = bank.pay("osmp", customer.account.account_no).http.content
    assert [child.tag for child in ET.fromstring(paid)] == [
        "osmp_txn_id", "prv_txn", "sum", "result", "comment",
    ]  # fmt: skip


@pytest.mark.parametrize("by", ["account number", "IIN"])
def test_a_payer_types_an_account_number_or_an_iin(bank: BankClient, customer: Customer, by: str) -> None:
    number = customer.account.account_no if by == "account number" else customer.subscriber.iin
    assert bank.check("osmp", number).fields["К оплате"] == "6500.50"
    assert bank.pay("osmp", number, "6500.50").result == 0
    assert bank.check("osmp", number).fields["К оплате"] == "0.00"


def test_pay_posts_the_payment_and_answers_with_the_receipt(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    answer = bank.pay("osmp", customer.account.account_no, "10.45", txn_id="20261124000001", trm_id="7", data1="x")
    assert (answer.result, answer.txn_id, answer.sum) == (0, "20261124000001", "10.45")
    assert answer.receipt is not None
    assert answer.receipt.isdigit()
    assert len(answer.receipt) <= 20
    (payment,) = payments_of(database, bank.login)
    assert (payment.receipt_no, payment.amount_minor, payment.status) == (int(answer.receipt), 1045, "posted")
    assert balance_minor(database, customer) == 1045 - 650_050


def test_the_date_is_the_operators_local_time_and_kept_as_the_bank_wrote_it(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    bank.pay("osmp", customer.account.account_no, txn_date="20261231235959")
    (payment,) = payments_of(database, bank.login)
    assert payment.paid_at.isoformat() == "2026-12-31T18:59:59+00:00"
    assert str(payment.accounting_on) == "2026-12-31"


def test_a_form_asks_the_same(bank: BankClient, database: Database, customer: Customer) -> None:
    asked = {
        "command": "pay",
        "txn_id": "5",
        "txn_date": PAID_ON,
        "account": customer.account.account_no,
        "sum": "1.00",
    }
    first = bank.ask("osmp", asked, method="POST")
    again = bank.ask("osmp", asked)
    assert (first.result, first.http.content) == (0, again.http.content)
    assert balance_minor(database, customer) == 100 - 650_050


def test_get_info_tells_the_debt_and_needs_no_transaction(bank: BankClient, customer: Customer) -> None:
    answer = bank.ask("osmp", {"command": "getInfo", "account": customer.account.account_no, "ccy": "KZT"})
    assert (answer.result, answer.sum, answer.receipt) == (0, "6500.50", None)
    assert answer.fields["К оплате"] == "6500.50"


def test_cancel_takes_the_payment_back_and_twice_is_once(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    receipt = bank.pay("osmp", customer.account.account_no, "100.00").receipt
    assert receipt is not None
    first, again = bank.cancel(receipt, txn_id="9"), bank.cancel(receipt, txn_id="9")
    assert (first.result, first.receipt, first.txn_id) == (0, receipt, "9")
    assert first.http.content == again.http.content
    assert balance_minor(database, customer) == -650_050


def test_a_payment_that_was_taken_back_still_gets_its_first_answer(bank: BankClient, customer: Customer) -> None:
    paid = bank.pay("osmp", customer.account.account_no, "100.00", txn_id="1")
    assert paid.receipt is not None
    bank.cancel(paid.receipt)
    assert bank.pay("osmp", customer.account.account_no, "100.00", txn_id="1").http.content == paid.http.content


def test_a_payment_for_a_number_that_nobody_has_is_taken_into_suspense(bank: BankClient, database: Database) -> None:
    for number in (factories.new_iin(), "99999999990"):
        assert bank.pay("osmp", number).result == 0
    assert {payment.status for payment in payments_of(database, bank.login)} == {PaymentStatus.SUSPENSE}


def test_a_payment_for_an_account_whose_service_has_ended_becomes_an_advance(
    bank: BankClient, database: Database
) -> None:
    customer = owing(database)
    bank_world.end_service(database, customer)
    assert bank.pay("osmp", customer.account.account_no, "100.00").result == 0
    assert balance_minor(database, customer) == 10_000


# -- 1 and 90: ask again --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["check", "pay", "getInfo", "cancel"])
def test_while_the_database_is_away_the_caller_is_to_ask_again(bank: BankClient, command: str) -> None:
    away = BankClient(bank_world.app_client(bank_world.nowhere()), bank.login)
    answer = away.ask("osmp", {"command": command, "txn_id": "3", "account": "1", "sum": "1.00", "prv_txn": "1"})
    assert (answer.result, answer.txn_id, answer.http.status_code) == (1, "3", 200)


def test_who_asks_too_fast_is_to_ask_again(bank: BankClient, database: Database) -> None:
    hasty = BankClient(bank_world.app_client(database, settings=Settings(requests_per_second=1)), bank.login)
    answers = [hasty.check("osmp", "1") for _ in range(10)]
    slowed = [answer for answer in answers if answer.result == 1]
    assert slowed
    assert {answer.http.status_code for answer in slowed} == {200}


def test_a_fault_of_ours_while_paying_is_to_be_asked_again(bank: BankClient) -> None:
    # Without any database the endpoint fails in a way that nobody foresaw.
    faulty = BankClient(bank_world.app_client(None), bank.login)
    assert faulty.pay("osmp", "1").result == 1


def test_while_somebody_else_holds_the_account_the_payment_is_not_finished(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    with bank_world.impatient(database) as hurried, database.transaction() as session:
        session.execute(select(Account).where(Account.id == customer.account.id).with_for_update())
        busy = BankClient(bank_world.app_client(hurried), bank.login)
        assert busy.pay("osmp", customer.account.account_no, txn_id="4").result == 90
    assert bank.pay("osmp", customer.account.account_no, txn_id="4").result == 0
    assert len(payments_of(database, bank.login)) == 1


# -- what is final --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["", "abc", "1000-28", "٢٢٢٢٢٢٢", "1 2", "7" * 41, "-1", "1.0", "0x10"])
@pytest.mark.parametrize("command", ["check", "pay", "getInfo"])
def test_4_what_can_be_nobodys_number(bank: BankClient, database: Database, command: str, number: str) -> None:
    asked = {"command": command, "txn_id": "1", "account": number, "sum": "1.00"}
    assert bank.ask("osmp", asked).result == 4
    assert payments_of(database, bank.login) == []


def test_4_where_iins_are_agreed_and_it_has_no_twelve_digits(database: Database, customer: Customer) -> None:
    by_iin = bank_client(database, payee_number="iin")
    assert by_iin.check("osmp", customer.account.account_no).result == 4
    assert by_iin.check("osmp", customer.subscriber.iin).result == 0


@pytest.mark.parametrize("number", ["123456789012", "9999999", "880101300015"])
@pytest.mark.parametrize("command", ["check", "getInfo"])
def test_5_nobody_has_this_number(bank: BankClient, command: str, number: str) -> None:
    answer = bank.ask("osmp", {"command": command, "txn_id": "8", "account": number, "sum": "1.00"})
    assert (answer.result, answer.http.status_code) == (5, 200)


def test_7_the_dialect_is_not_agreed(database: Database, customer: Customer) -> None:
    other = bank_client(database, dialects=["kaspi"])
    answer = other.pay("osmp", customer.account.account_no)
    assert (answer.result, answer.http.status_code) == (7, 200)
    assert payments_of(database, other.login) == []


def test_7_nothing_is_owed_and_no_advances_are_agreed(database: Database, customer: Customer) -> None:
    exact = bank_client(database, takes_advances=False)
    number = customer.account.account_no
    assert exact.check("osmp", number).result == 0
    assert exact.pay("osmp", number, "6500.50").result == 0
    assert exact.check("osmp", number).result == 7


def test_7_the_money_was_given_back_to_the_subscriber(bank: BankClient, database: Database) -> None:
    customer = owing(database)
    receipt = bank.pay("osmp", customer.account.account_no, "100.00").receipt
    assert receipt is not None
    with database.transaction() as session:
        payments.refund_advance(
            session, account_id=customer.account.id, amount_minor=10_000, key=factories.unique(),
            document_id=customer.account.id, reason="возврат", on=TODAY,
        )  # fmt: skip
    assert bank.cancel(receipt).result == 7


def test_8_wrong_credentials(bank: BankClient, customer: Customer) -> None:
    answer = bank.ask("osmp", {"command": "check", "txn_id": "1", "account": customer.account.account_no},
                      auth=(bank.login.row.username, "guess"))  # fmt: skip
    assert (answer.result, answer.http.status_code) == (8, 401)
    assert answer.http.headers["www-authenticate"].startswith("Basic")


def test_8_another_address(database: Database) -> None:
    elsewhere = bank_client(database, allowed_networks=["10.0.0.0/8"])
    answer = elsewhere.check("osmp", "1")
    assert (answer.result, answer.http.status_code) == (8, 403)


@pytest.mark.parametrize("command", ["check", "getInfo"])
def test_79_the_service_has_ended_and_nothing_is_owed(bank: BankClient, database: Database, command: str) -> None:
    customer = owing(database)
    number = customer.account.account_no
    asked = {"command": command, "txn_id": "1", "account": number}
    assert bank.ask("osmp", asked).result == 0, "they have no service yet"
    bank_world.end_service(database, customer)
    assert bank.ask("osmp", asked).result == 79
    with database.transaction() as session:
        factories.connection_invoice(session, customer.account, 100)
    assert bank.ask("osmp", asked).result == 0, "there is a debt to pay"


@pytest.mark.parametrize("prv_txn", ["1", "99999999999999999999", "0"])
def test_79_no_such_payment_of_this_bank(
    bank: BankClient, database: Database, customer: Customer, prv_txn: str
) -> None:
    stranger = bank_client(database)
    for one in (stranger, bank):
        receipt = one.pay("osmp", customer.account.account_no, "100.00", txn_id="1").receipt
        assert receipt is not None
        assert bank_client(database).cancel(receipt).result == 79, "of another bank"
        assert stranger.cancel(receipt).result == (0 if one is stranger else 79), "though their txn_ids are the same"
    assert bank.cancel(prv_txn).result == 79
    assert balance_minor(database, customer) == 10_000 - 650_050


def test_241_242_the_sum_is_outside_of_the_agreed_limits(database: Database, customer: Customer) -> None:
    limited = bank_client(database, min_amount_minor=10_000, max_amount_minor=1_000_000)
    number = customer.account.account_no
    expected = {"0.01": 241, "99.99": 241, "100.00": 0, "10000.00": 0, "10000.01": 242, "99999999999.00": 242}
    for amount, result in expected.items():
        assert limited.check("osmp", number, sum=amount).result == result, amount
        assert limited.pay("osmp", number, amount).result == result, amount
    assert limited.check("osmp", number, sum="0.00").result == 0, "a terminal that does not know the sum yet"
    assert limited.pay("osmp", number, "0.00").result == 241
    assert len(payments_of(database, limited.login)) == 2


def test_242_a_sum_that_is_no_payment(bank: BankClient, customer: Customer) -> None:
    assert bank.pay("osmp", customer.account.account_no, "100000000000.01").result == 242
    assert bank.pay("osmp", customer.account.account_no, f"1{'0' * 30}").result == 242


def test_limits_that_changed_do_not_take_an_answer_back(database: Database, customer: Customer) -> None:
    bank = bank_client(database)
    first = bank.pay("osmp", customer.account.account_no, "10.00", txn_id="1")
    with database.transaction() as session:
        bank.login.row.min_amount_minor = 100_000
        session.merge(bank.login.row)
    assert bank.pay("osmp", customer.account.account_no, "10.00", txn_id="1").http.content == first.http.content
    assert bank.pay("osmp", customer.account.account_no, "10.00", txn_id="2").result == 241


@pytest.mark.parametrize("command", ["check", "getInfo"])
def test_243_a_fault_of_ours_while_looking_up(bank: BankClient, command: str) -> None:
    faulty = BankClient(bank_world.app_client(None), bank.login)
    assert faulty.ask("osmp", {"command": command, "txn_id": "1", "account": "1"}).result == 243


@pytest.mark.parametrize(
    "wrong",
    [
        {"command": "verify"}, {"command": ""}, {"command": "PAY"}, {"txn_id": ""}, {"txn_id": "x"},
        {"txn_id": "1" * 21}, {"txn_id": "-1"}, {"sum": ""}, {"sum": "1,00"}, {"txn_date": "20261301000000"},
        {"txn_date": "2026-11-24"}, {"txn_date": ""}, {"ccy": "USD"},
    ],
)  # fmt: skip
def test_300_a_request_that_makes_no_sense(
    bank: BankClient, database: Database, customer: Customer, wrong: dict[str, str]
) -> None:
    answer = bank.pay("osmp", customer.account.account_no, **wrong)
    assert (answer.result, answer.http.status_code) == (300, 200)
    assert next(iter(wrong)) in answer.comment
    assert payments_of(database, bank.login) == []


@pytest.mark.parametrize("prv_txn", ["", "R-00000001", "-1", "1e3", "1" * 21])
def test_300_what_is_no_receipt_number(bank: BankClient, prv_txn: str) -> None:
    assert bank.cancel(prv_txn).result == 300


@pytest.mark.parametrize("other", ["another sum", "another account"])
def test_300_a_transaction_id_with_another_meaning(
    bank: BankClient, database: Database, customer: Customer, other: str
) -> None:
    somebody = owing(database)
    txn_id = new_txn_id()
    first = bank.pay("osmp", customer.account.account_no, "10.00", txn_id=txn_id)
    if other == "another sum":
        refused = bank.pay("osmp", customer.account.account_no, "10.01", txn_id=txn_id)
    else:
        refused = bank.pay("osmp", somebody.account.account_no, "10.00", txn_id=txn_id)
    assert refused.result == 300
    again = bank.pay("osmp", customer.account.account_no, "10.00", txn_id=txn_id, txn_date="20261125000000")
    assert again.http.content == first.http.content, "a repetition may carry another date"
    assert (balance_minor(database, customer), balance_minor(database, somebody)) == (1000 - 650_050, 0)


# -- as agreed ------------------------------------------------------------------------------------------------------


def test_names_of_parameters_and_fields_are_as_agreed(database: Database, customer: Customer) -> None:
    bank = bank_client(
        database,
        payee_parameter="ls",
        receipt_field="provider_txn",
        shown_fields=[{"title": "FIO", "value": "name"}, {"title": "Долг", "value": "debt"}],
    )
    assert bank.check("osmp", customer.account.account_no).result == 4, "account is not what was agreed"
    asked: dict[str, Any] = {"txn_id": "1", "ls": customer.account.account_no, "sum": "10.00"}
    assert bank.ask("osmp", {"command": "check", **asked}).fields == {"FIO": "С*** Арман Б.", "Долг": "6500.50"}
    paid = bank.ask("osmp", {"command": "pay", **asked})
    assert paid.receipt is not None
    assert b"<provider_txn>" in paid.http.content
    assert bank.ask("osmp", {"command": "cancel", "provider_txn": paid.receipt}).result == 0


def test_a_name_that_no_xml_can_hold_is_shown_without_what_it_cannot(bank: BankClient, database: Database) -> None:
    customer = owing(database)
    with database.transaction() as session:
        session.execute(
            update(Subscriber)
            .where(Subscriber.id == customer.subscriber.id)
            .values(full_name="<Сейткали> A\x01&<b>]]> Б")
        )
    assert bank.check("osmp", customer.account.account_no).fields["Абонент"] == "<*** A &<b>]]> Б."


def test_without_a_date_it_was_paid_now(bank: BankClient, database: Database, customer: Customer) -> None:
    asked = {"command": "pay", "txn_id": "1", "account": customer.account.account_no, "sum": "1.00"}
    assert bank.ask("osmp", asked).result == 0
    (payment,) = payments_of(database, bank.login)
    assert payment.paid_at == payment.received_at
    assert payment.accounting_on is not None


@pytest.mark.parametrize("command", ["check", "getInfo"])
def test_looking_up_writes_nothing(bank: BankClient, database: Database, customer: Customer, command: str) -> None:
    with database.transaction() as session:
        before = session.scalar(select(Payment.id).order_by(Payment.id.desc()).limit(1))
    for _ in range(3):
        assert bank.ask("osmp", {"command": command, "txn_id": "1", "account": customer.account.account_no}).result == 0
    with database.transaction() as session:
        assert session.scalar(select(Payment.id).order_by(Payment.id.desc()).limit(1)) == before
        assert ledger.balance_minor(session, customer.account.id) == -650_050
    assert payments_of(database, bank.login) == []
    assert bank.pay("osmp", customer.account.account_no, txn_id="1").result == 0, "the id is free still"
