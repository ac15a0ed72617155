"""Whatever is thrown at the dialects is answered in the dialect, and never becomes a payment that nobody made."""

from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.bank_access import BankCaller
from api.bank_requests import Parameters, paid_at_of, payee_of, sum_of
from models.contracts.banks import PayeeNumber
from models.contracts.refusals import Refusal
from models.database import Database
from settings import Settings
from tests import bank_world, factories
from tests.bank_world import (
    PAID_ON,
    BankClient,
    balance_minor,
    bank_client,
    in_parallel,
    new_txn_id,
    owing,
    payments_of,
)
from tests.factories import NOW, Customer

DIALECTS = ("osmp", "kaspi")
FINAL = {"osmp": 300, "kaspi": 5}
TEN_MB = 10 * 1024 * 1024


@pytest.fixture
def bank(database: Database) -> BankClient:
    return bank_client(database)


@pytest.fixture
def customer(database: Database) -> Customer:
    return owing(database)


def paying(customer: Customer, **other: str) -> dict[str, str]:
    asked = {"command": "pay", "txn_id": new_txn_id(), "txn_date": PAID_ON, "account": customer.account.account_no}
    return {**asked, "sum": "1.00", **other}


# -- sums -----------------------------------------------------------------------------------------------------------

NO_SUMS = [
    "1e5", "1E5", "-1", "-1.00", "+1.00", "0", "0.00", "00", "0.001", "1.001", "NaN", "nan", "inf", "Infinity", "١٢٣",
    "१.००", "１.００", "10^30", "1,00", "1 000.00", " 1.00", "1.00 ", "1.", ".5", "1..0", "1.0.0", "0x10", "1_000.00",
    "1'000.00", "", "٫", "1.00\n", "1.00\x00", "true", "null", "$1.00", "1.00KZT", "9" * 10_000, "−1.00", "1.00;2.00",
    "1/2", "½", "ⅷ.00",
]  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("amount", NO_SUMS, ids=lambda amount: ascii(amount[:20]))
def test_what_is_no_sum_is_no_payment(
    bank: BankClient, database: Database, customer: Customer, dialect: str, amount: str
) -> None:
    answer = bank.ask(dialect, paying(customer, sum=amount))
    assert answer.result in {FINAL[dialect], 241}
    assert "sum" in answer.comment or answer.result == 241
    assert payments_of(database, bank.login) == []


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("amount", [f"1{'0' * 30}", "100000000000.01", "9" * 40])
def test_a_sum_that_no_payment_can_be_is_no_payment(
    bank: BankClient, database: Database, customer: Customer, dialect: str, amount: str
) -> None:
    assert bank.ask(dialect, paying(customer, sum=amount)).result == {"osmp": 242, "kaspi": 5}[dialect]
    assert payments_of(database, bank.login) == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_sum_is_right_to_the_tiyn(bank: BankClient, database: Database, customer: Customer, dialect: str) -> None:
    written = {"0.01": "0.01", "1": "1.00", "1.5": "1.50", "007.10": "7.10", "100000000000.00": "100000000000.00"}
    for amount, understood in written.items():
        answer = bank.ask(dialect, paying(customer, sum=amount))
        assert (answer.result, answer.sum) == (0, understood)
    assert balance_minor(database, customer) == 1 + 100 + 150 + 710 + 10**13


@given(st.text(alphabet="0123456789.,eE+-_ xNa٣∞\0", max_size=20))
def test_any_text_is_either_the_sum_that_it_says_or_refused(text: str) -> None:
    asked = Parameters(f"sum={quote(text)}".encode())
    try:
        amount_minor = sum_of(asked)
    except Refusal:
        return
    whole, _, tiyn = text.partition(".")
    assert text.replace(".", "", 1).isascii()
    assert text.replace(".", "", 1).isdigit()
    assert amount_minor == int(whole) * 100 + int(tiyn.ljust(2, "0") or 0)


# -- dates, numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "written",
    [
        "", "0", "20261124", "2026112410150", "202611241015000", "20261324101500", "20260230101500", "20261124246000",
        "00010101000000", "99991231235959", "19991231235959", "21000101000000", "2026-11-24T10:15", "١" * 14,
        "20261124101560", "2026112410150 ", "-2026112410150", "20261124101500\0", "7" * 20_000,
    ],
    ids=lambda written: ascii(written[:20]),
)  # fmt: skip
def test_what_is_no_date_is_no_payment(
    bank: BankClient, database: Database, customer: Customer, dialect: str, written: str
) -> None:
    answer = bank.ask(dialect, paying(customer, txn_date=written))
    assert (answer.result, "txn_date" in answer.comment) == (FINAL[dialect], True)
    assert payments_of(database, bank.login) == []


@given(st.text(alphabet="0123456789T-: ٣", max_size=16) | st.from_regex(r"\A20[0-9]{12}\Z"))
def test_any_date_is_either_the_local_time_that_it_says_or_refused(written: str) -> None:
    zone = Settings().zone
    try:
        paid_at, accounting_on = paid_at_of(Parameters(f"txn_date={quote(written)}".encode()), zone, NOW)
    except Refusal:
        return
    assert paid_at.astimezone(zone).strftime("%Y%m%d%H%M%S") == written
    assert accounting_on.strftime("%Y%m%d") == written[:8]


def caller(**agreed: Any) -> BankCaller:
    usual: dict[str, Any] = {
        "id": uuid4(), "code": "bank", "payee_number": PayeeNumber.EITHER, "payee_parameter": None,
        "receipt_field": None, "shown_fields": None, "min_amount_minor": None, "max_amount_minor": None,
        "takes_advances": True,
    }  # fmt: skip
    return BankCaller(**usual | agreed)


@given(st.text(max_size=60) | st.from_regex(r"\A[0-9]{1,45}\Z"), st.sampled_from(PayeeNumber))
def test_any_text_is_either_a_payees_number_or_refused(number: str, agreed: PayeeNumber) -> None:
    try:
        payee = payee_of(
            Parameters(b"account=" + quote(number, errors="replace").encode()), caller(payee_number=agreed)
        )
    except Refusal as refusal:
        assert refusal.slug == "account_malformed"  # noqa: PT017 - both are right: a number, or this refusal
        return
    assert payee.number == number.strip()
    assert payee.number.isascii()
    assert payee.number.isdigit()
    assert not payee.is_iin or (len(payee.number) == 12 and agreed is not PayeeNumber.ACCOUNT)


# -- encodings, repetitions, lengths ----------------------------------------------------------------------------------

BROKEN: list[tuple[str, bytes]] = [
    ("invalid UTF-8", b"command=pay&txn_id=1&account=%FF%FE&sum=1.00"),
    ("half a character", b"command=pay&txn_id=1&account=%D0&sum=1.00"),
    ("overlong NUL", b"command=pay&txn_id=1&account=%C0%80&sum=1.00"),
    ("a surrogate", b"command=pay&txn_id=1&account=%ED%A0%80&sum=1.00"),
    ("invalid UTF-8 in what nobody reads", b"command=pay&txn_id=1&account=1234567&sum=1.00&data1=%FF"),
    ("no hex", b"command=pay&txn_id=1&account=1234567&sum=%GG"),
    ("half an escape", b"command=pay&txn_id=1&account=1234567&sum=1.00%2"),
    ("a percent", b"command=pay&txn_id=1&account=1234567&sum=1.00%"),
    ("NUL", b"command=pay&txn_id=1%00&account=1234567&sum=1.00"),
    ("semicolons", b"command=pay;txn_id=1;account=1234567;sum=1.00"),
    ("two sums", b"command=pay&txn_id=1&account=1234567&sum=1.00&sum=2.00"),
    ("the same sum twice", b"command=pay&txn_id=1&account=1234567&sum=1.00&sum=1.00"),
    ("two transactions", b"command=pay&txn_id=1&txn_id=2&account=1234567&sum=1.00"),
    ("two commands", b"command=check&command=pay&txn_id=1&account=1234567&sum=1.00"),
    ("arrays", b"command=pay&txn_id=1&account=1234567&sum[]=1.00"),
    ("another case", b"COMMAND=pay&TXN_ID=1&ACCOUNT=1234567&SUM=1.00"),
    ("a thousand parameters", b"command=pay&txn_id=1&account=1234567&sum=1.00" + b"&x=1" * 1000),
    ("nothing", b""),
    ("nonsense", b"%%%&&&==="),
    ("JSON", b'{"command":"pay","txn_id":"1","account":"1234567","sum":"1.00"}'),
    ("XML", b"<!DOCTYPE+x+[<!ENTITY+e+SYSTEM+'file:///etc/passwd'>]><command>%26e;</command>"),
    ("SQL", b"command=pay&txn_id=1'+OR+1=1--&account=1234567&sum=1.00"),
    ("a very long transaction id", b"command=pay&txn_id=" + b"1" * 30_000 + b"&account=1234567&sum=1.00"),
]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("query", [query for _, query in BROKEN], ids=[name for name, _ in BROKEN])
def test_a_request_that_cannot_be_read_is_no_payment(
    bank: BankClient, database: Database, dialect: str, query: bytes
) -> None:
    answer = bank.ask(dialect, query)
    assert (answer.result, answer.http.status_code) == (FINAL[dialect], 200)
    assert payments_of(database, bank.login) == []


@pytest.mark.parametrize("query", [query for _, query in BROKEN], ids=[name for name, _ in BROKEN])
def test_neither_is_a_form_that_cannot_be_read(bank: BankClient, database: Database, query: bytes) -> None:
    assert bank.ask("osmp", query, method="POST").result == FINAL["osmp"]
    assert payments_of(database, bank.login) == []


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("query", [b"account=1&account=2", b"account=%00", b"account=%E2%80%AE1234567", b"account="])
def test_a_number_that_cannot_be_read_is_nobodys(
    bank: BankClient, database: Database, dialect: str, query: bytes
) -> None:
    asked = b"command=pay&txn_id=1&sum=1.00&" + query
    assert bank.ask(dialect, asked).result in {4, 1, FINAL[dialect]}
    assert payments_of(database, bank.login) == []


@pytest.mark.parametrize("dialect", DIALECTS)
def test_only_a_readable_transaction_id_is_repeated_in_the_answer(bank: BankClient, dialect: str) -> None:
    for txn_id in ("<b>1</b>", "1&2", "٣", "1" * 21, '"', "1\n2", "]]>"):
        answer = bank.ask(dialect, {"command": "check", "txn_id": txn_id, "account": "1"})
        assert (answer.txn_id, answer.result) == ("", FINAL[dialect])


def test_parameters_of_query_and_form_may_not_contradict_each_other(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    form = urlencode(paying(customer))
    answer = bank.client.post(
        "/bank/osmp?sum=1.00", content=form, auth=bank.login.auth,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    assert bank_world.read("osmp", answer).result == 300
    assert payments_of(database, bank.login) == []


@pytest.mark.parametrize("kind", ["application/json", "application/xml", "text/xml", "multipart/form-data", ""])
def test_a_body_that_is_no_form_is_not_read(
    bank: BankClient, database: Database, customer: Customer, kind: str
) -> None:
    bomb = b'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><lolz>&b;</lolz>'
    for content in (bomb, urlencode(paying(customer)).encode()):
        answer = bank.client.post("/bank/osmp", content=content, auth=bank.login.auth, headers={"Content-Type": kind})
        assert bank_world.read("osmp", answer).result == 300
    assert payments_of(database, bank.login) == []


def test_a_form_of_ten_megabytes_is_too_large(bank: BankClient, database: Database, customer: Customer) -> None:
    form = f"{urlencode(paying(customer))}&data1={'x' * TEN_MB}".encode()
    answer = bank.ask("osmp", form, method="POST")
    assert (answer.result, answer.http.status_code) == (300, 413)
    assert payments_of(database, bank.login) == []


def test_another_method_or_path_of_osmp_keeps_its_status(bank: BankClient) -> None:
    for method, path, status in (("PUT", "/bank/osmp", 405), ("GET", "/bank/osmp/x", 404), ("GET", "/bank/osmp/", 404)):
        answer = bank_world.read("osmp", bank.client.request(method, path, auth=bank.login.auth))
        assert (answer.http.status_code, answer.result) == (status, 300)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.binary(max_size=60) | st.from_regex(rb"(command|txn_id|account|sum|=|&|%|[0-9]){1,20}", fullmatch=True))
def test_any_query_is_answered_in_the_dialect(bank: BankClient, query: bytes) -> None:
    for dialect in DIALECTS:
        http = bank.client.get(f"/bank/{dialect}?{quote(query, safe='=&%')}", auth=bank.login.auth)
        assert bank_world.read(dialect, http).result in {FINAL[dialect], 4, 5, 1}


# -- the stored answer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_transaction_fifty_times_in_parallel_is_one_payment_with_one_answer(
    bank: BankClient, database: Database, customer: Customer, dialect: str
) -> None:
    asked = paying(customer, sum="700.00")
    answers = in_parallel(50, lambda _: bank.ask(dialect, asked).http.content)
    assert len(set(answers)) == 1
    assert len(payments_of(database, bank.login)) == 1
    assert balance_minor(database, customer) == 70_000
    assert bank.ask(dialect, asked).http.content == answers[0], "and for ever"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_check_and_pay_may_share_a_transaction_id_at_the_same_time(
    bank: BankClient, database: Database, customer: Customer, dialect: str
) -> None:
    asked = paying(customer, sum="700.00")

    def one(number: int) -> tuple[str, int, bytes]:
        command = ("pay", "check")[number % 2]
        answer = bank.ask(dialect, asked | {"command": command})
        return command, answer.result, answer.http.content if command == "pay" else b""

    answers = in_parallel(50, one)
    assert {result for _, result, _ in answers} == {0}
    assert len({content for command, _, content in answers if command == "pay"}) == 1
    assert len(payments_of(database, bank.login)) == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_one_transaction_with_many_meanings_in_parallel_is_the_payment_of_one_of_them(
    bank: BankClient, database: Database, dialect: str
) -> None:
    customers = [owing(database) for _ in range(4)]
    txn_id = new_txn_id()

    def one(number: int) -> tuple[int, str | None]:
        answer = bank.ask(dialect, paying(customers[number % 4], txn_id=txn_id, sum=f"{number % 3 + 1}.00"))
        return answer.result, answer.receipt

    answers = in_parallel(36, one)
    assert len({receipt for result, receipt in answers if result == 0}) == 1
    assert {result for result, _ in answers} == {0, FINAL[dialect]}
    (payment,) = payments_of(database, bank.login)
    assert sum(balance_minor(database, customer) for customer in customers) == payment.amount_minor


def test_banks_do_not_share_their_transaction_ids(database: Database, customer: Customer) -> None:
    asked = paying(customer)
    receipts = {bank_client(database).ask(dialect, asked).receipt for dialect in DIALECTS for _ in range(2)}
    assert len(receipts) == 4
    assert balance_minor(database, customer) == 400


def test_two_dialects_of_one_bank_share_its_transaction_ids(
    bank: BankClient, database: Database, customer: Customer
) -> None:
    asked = paying(customer)
    assert bank.ask("osmp", asked).receipt == bank.ask("kaspi", asked).receipt
    assert bank.ask("kaspi", asked | {"sum": "2.00"}).result == 5
    assert balance_minor(database, customer) == 100


def test_what_a_payer_typed_is_in_no_log(
    bank: BankClient, customer: Customer, capsys: pytest.CaptureFixture[str]
) -> None:
    iin = factories.new_iin()
    for dialect in DIALECTS:
        for number in (iin, customer.subscriber.iin, customer.account.account_no):
            txn_id = new_txn_id()
            for amount in ("1.00", "2.00"):
                bank.ask(dialect, paying(customer, account=number, txn_id=txn_id, sum=amount))
    said = "".join(capsys.readouterr())
    assert "payment_conflict" in said
    for secret in (iin, customer.subscriber.iin, customer.account.account_no, customer.subscriber.full_name):
        assert secret not in said
