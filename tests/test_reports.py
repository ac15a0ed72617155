"""What accounting reads: statements are the ledger, aged receivables are the facts of their day."""

import asyncio
import csv
import io
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, cast
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from activities import credit_notes, ledger, payments, receivables, statements
from api import reports
from api.app import create_app
from api.csv_answers import csv_answer
from api.engine import Engine
from models.contracts.billing import NewCreditNote
from models.contracts.money import kzt
from models.contracts.people import Role
from models.contracts.reports import AgedSums, StatementEntryKind
from models.database import Database
from models.tables.ledger import Transfer
from models.tables.payments import Allocation
from models.tables.people import Account
from settings import Settings
from tests import factories
from tests.accounting import Line, invoice_of
from tests.databases import database_of_its_own
from tests.factories import NOW, TODAY
from tests.http_client import ApiClient, api_with
from workers import cli

ZONE = ZoneInfo("Asia/Almaty")
DAY = timedelta(days=1)


@pytest.fixture
def client(database: Database) -> ApiClient:
    return api_with(database, reports.router)


@pytest.fixture
def accountant(database: Database) -> dict[str, str]:
    with database.transaction() as session:
        return factories.staff(session, Role.ACCOUNTING).headers


def rows_of(content: bytes) -> list[list[str]]:
    """The cells of a CSV file as Excel in Kazakhstan takes them apart."""
    assert content.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


def sum_of(cell: str) -> int:
    return int(Decimal(cell.replace(",", ".")) * 100)


def credit(session: Session, invoice_id: UUID, amount_minor: int, *, on: date, reason: str = "перерасчёт") -> None:
    amount = {"amount_minor": amount_minor, "currency": "KZT"}
    order = NewCreditNote.model_validate({"amount": amount, "reason": reason})
    credit_notes.issue(session, invoice_id, order, on=on, actor="test", limit_minor=None)


# --- Statements ------------------------------------------------------------------------------------------------------


def busy_account(session: Session, *, reason: str = "простой сети") -> Account:
    """An account that everything happens to, from 1 to 24 November."""
    bank, account = factories.bank(session).row.id, factories.customer(session).account
    first = invoice_of(session, account, [Line(500_000)], issued_on=date(2026, 11, 1))
    factories.pay(session, bank, account, 700_000)
    invoice_of(session, account, [Line(650_000)], issued_on=date(2026, 11, 20))
    credit(session, first.id, 120_000, on=date(2026, 11, 21), reason=reason)
    wrong = factories.pay(session, bank, account, 1_000_000)
    payments.reverse_payment(session, wrong.payment_id, reason="ошибка", on=TODAY, at=NOW, actor="test")
    factories.pay(session, bank, account, 900_000)
    payments.refund_advance(
        session, account_id=account.id, amount_minor=50_000, key=f"refund/{uuid4()}", document_id=uuid4(),
        reason="возврат, п/п 17", on=TODAY,
    )  # fmt: skip
    return account


def test_a_statement_names_each_document_and_ends_at_the_balance(database: Database) -> None:
    with database.transaction() as session:
        account = busy_account(session)
        found = statements.statement(session, account, from_on=date(2026, 11, 1), until_on=TODAY + DAY)
        assert found.opening == kzt(0)
        assert found.closing == kzt(ledger.balance_minor(session, account.id))
        kinds = [(item.kind, item.debit.amount_minor, item.credit.amount_minor) for item in found.items]
        assert sorted(kinds) == sorted([
            (StatementEntryKind.INVOICE, 500_000, 0), (StatementEntryKind.INVOICE, 650_000, 0),
            (StatementEntryKind.PAYMENT, 0, 700_000), (StatementEntryKind.CREDIT_NOTE, 0, 120_000),
            (StatementEntryKind.PAYMENT, 0, 1_000_000), (StatementEntryKind.REVERSAL, 1_000_000, 0),
            (StatementEntryKind.PAYMENT, 0, 900_000), (StatementEntryKind.REFUND, 50_000, 0),
        ])  # fmt: skip
        numbers = [item.number for item in found.items if item.kind is not StatementEntryKind.REFUND]
        assert all(numbers), "every document has its number"
        assert [item.on for item in found.items] == sorted(item.on for item in found.items)


def test_statements_of_any_two_neighbouring_ranges_fit_together_and_equal_the_ledger(database: Database) -> None:
    with database.transaction() as session:
        account = busy_account(session)
        begins, ends = date(2026, 10, 30), TODAY + DAY
        whole = statements.statement(session, account, from_on=begins, until_on=ends)
        for cut in (begins + n * DAY for n in range(1, (ends - begins).days)):
            before = statements.statement(session, account, from_on=begins, until_on=cut)
            after = statements.statement(session, account, from_on=cut, until_on=ends)
            assert before.closing == after.opening == kzt(by_hand(session, account.id, cut))
            assert [*before.items, *after.items] == whole.items
            assert after.closing == whole.closing
        for found in (whole, before, after):
            opening, debit, credited = (sums.amount_minor for sums in (found.opening, found.debit, found.credit))
            assert found.closing.amount_minor == opening - debit + credited


def by_hand(session: Session, account_id: UUID, before: date) -> int:
    """The balance of all transfers with a date before that day."""
    balance = 0
    for transfer in session.scalars(select(Transfer).where(Transfer.account_id == account_id)):
        if transfer.effective_on < before:
            balance += transfer.amount_minor * (transfer.credit in {"1210", "3510"})
            balance -= transfer.amount_minor * (transfer.debit in {"1210", "3510"})
    return balance


def test_money_from_suspense_stands_on_the_statement(database: Database) -> None:
    with database.transaction() as session:
        bank, account = factories.bank(session).row.id, factories.customer(session).account
        notice = factories.payment_notice(5_000, account_no="0")
        lost = payments.take_payment(session, bank_id=bank, notice=notice, received_at=NOW, on=TODAY)[0]
        payments.allocate_suspense(session, lost.payment_id, account.account_no, on=TODAY, actor="test")
        found = statements.statement(session, account, from_on=TODAY, until_on=TODAY + DAY)
        assert [(item.kind, item.number, item.credit) for item in found.items] == [
            (StatementEntryKind.PAYMENT, lost.receipt_no, kzt(5_000))
        ]


def test_the_api_gives_a_statement_as_json_and_as_csv(
    client: ApiClient, database: Database, accountant: dict[str, str]
) -> None:
    with database.transaction() as session:
        account = busy_account(session, reason='=HYPERLINK("http://evil";"click")')
    path = f"/v1/subscribers/{account.subscriber_id}/statement"
    span = {"from": "2026-11-01", "until": "2026-11-25"}
    found = client.get(path, params=span, headers=accountant).json()
    answer = client.get(path, params={**span, "format": "csv"}, headers=accountant)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert account.account_no in answer.headers["content-disposition"]
    header, opening, *items, closing = rows_of(answer.content)
    assert header == ["Дата", "Документ", "Номер", "Основание", "Начислено", "Поступило", "Сальдо"]
    assert opening[1:] == ["Сальдо на начало", "", "", "", "", "0,00"]
    assert [sum_of(row[6]) for row in items] == [item["balance"]["amount_minor"] for item in found["items"]]
    assert [row[2] for row in items if row[1] != "Возврат"] == [i["number"] for i in found["items"] if i["number"]]
    assert sum_of(closing[6]) == found["closing"]["amount_minor"]
    assert found["from"] == "2026-11-01"
    assert found["until"] == "2026-11-25"


@pytest.mark.parametrize(
    "span",
    [
        {"from": "2026-11-02", "until": "2026-11-02"},
        {"from": "2026-11-02", "until": "2026-11-01"},
        {"from": "2026-11-02"},
        {"from": "0001-01-01", "until": "2026-11-01"},
        {"from": "2026-02-30", "until": "2026-11-01"},
        {"from": "2026-11-01", "until": "2026-11-02", "format": "xls"},
    ],
)
def test_a_range_without_a_day_is_refused(
    client: ApiClient, database: Database, accountant: dict[str, str], span: dict[str, str]
) -> None:
    with database.transaction() as session:
        subscriber = factories.customer(session).subscriber
    answer = client.get(f"/v1/subscribers/{subscriber.id}/statement", params=span, headers=accountant)
    assert answer.status_code == 422
    if len(span) == 2 and span["from"] > "2000":
        assert client.get("/v1/reports/trial-balance", params=span, headers=accountant).status_code == 422


def test_nobodys_statement_is_not_found(client: ApiClient, accountant: dict[str, str]) -> None:
    span = {"from": "2026-11-01", "until": "2026-11-02"}
    assert client.get(f"/v1/subscribers/{uuid4()}/statement", params=span, headers=accountant).status_code == 404


# --- Aged receivables ------------------------------------------------------------------------------------------------


class Fact(NamedTuple):
    """Something that changed what is owed on one invoice, and on which day it was known."""

    due_on: date
    known_on: date
    amount_minor: int


def random_account(session: Session, chance: random.Random, bank_id: UUID) -> tuple[Account, list[Fact]]:
    """An account with invoices, credit notes and allocations on random days."""
    account = factories.customer(session, full_name="=1+1 Иванов; «Иван»").account
    facts: list[Fact] = []
    for _ in range(chance.randint(1, 4)):
        issued_on = date(2026, 6, 1) + chance.randint(0, 150) * DAY
        due_on = issued_on + chance.randint(0, 20) * DAY
        total = chance.randint(1, 900_000)
        invoice = invoice_of(session, account, [Line(total)], issued_on=issued_on, due_on=due_on)
        facts.append(Fact(due_on, issued_on, total))
        if chance.random() < 0.4:
            part = chance.randint(1, total // 2 + 1)
            credited_on = issued_on + chance.randint(0, 60) * DAY
            credit(session, invoice.id, min(part, total), on=credited_on)
            facts.append(Fact(due_on, credited_on, -min(part, total)))
            total -= min(part, total)
        while total and chance.random() < 0.6:
            part = chance.randint(1, total)
            # The last minute of a day where the operator is: in UTC that is the evening before or that day's.
            moment = datetime.combine(issued_on + chance.randint(0, 80) * DAY, datetime.max.time(), ZONE)
            payment_id = payment(session, bank_id, part)
            session.execute(
                insert(Allocation).values(
                    payment_id=payment_id, invoice_id=invoice.id, amount_minor=part, reason="test",
                    allocated_at=moment.replace(second=0),
                )
            )  # fmt: skip
            facts.append(Fact(due_on, moment.date(), -part))
            total -= part
    return account, facts


def payment(session: Session, bank_id: UUID, amount_minor: int) -> UUID:
    """A payment in suspense: it covers nothing by itself."""
    notice = factories.payment_notice(amount_minor, account_no="0")
    answer = payments.take_payment(session, bank_id=bank_id, notice=notice, received_at=NOW, on=TODAY)[0]
    return answer.payment_id


def aged_by_hand(facts: Sequence[Fact], as_of: date) -> dict[str, int]:
    """The buckets of an account, day by day and invoice by invoice."""
    owed: dict[str, int] = dict.fromkeys(AgedSums.model_fields, 0)
    for due_on in {fact.due_on for fact in facts}:
        open_minor = sum(fact.amount_minor for fact in facts if fact.due_on == due_on and fact.known_on <= as_of)
        days = (as_of - due_on).days
        bucket = (
            "current" if days <= 0 else "days_1_30" if days <= 30 else "days_31_60" if days <= 60
            else "days_61_90" if days <= 90 else "days_over_90"
        )  # fmt: skip
        owed[bucket] += open_minor
        owed["total"] += open_minor
    return owed


def sums(aged: AgedSums) -> dict[str, int]:
    return {name: getattr(aged, name).amount_minor for name in AgedSums.model_fields}


def test_aged_receivables_are_those_of_the_day_whatever_came_later(database: Database) -> None:
    chance = random.Random(20261124)
    days = [date(2026, 6, 15) + n * 29 * DAY for n in range(8)]
    # Rolled back at the end: allocations on made-up days belong to no ledger.
    with database.engine.connect() as connection, connection.begin() as undone, Session(connection) as session:
        bank_id = factories.bank(session).row.id
        known = dict(random_account(session, chance, bank_id) for _ in range(25))
        for as_of in days:
            expected = {account.id: aged_by_hand(facts, as_of) for account, facts in known.items()}
            found = {row.account_id: sums(row) for row in receivables.stream(session, as_of, ZONE)}
            mine = {account_id: aged for account_id, aged in found.items() if account_id in expected}
            assert mine == {account_id: aged for account_id, aged in expected.items() if aged["total"]}
            total = sums(receivables.total(session, as_of, ZONE))
            assert total == {name: sum(aged[name] for aged in found.values()) for name in total}
            paged, after = [], None
            while True:
                items, after = receivables.page(session, as_of, ZONE, limit=7, after=after)
                paged += items
                if after is None:
                    break
            assert {row.account_id: sums(row) for row in paged} == found
        undone.rollback()


def test_the_oldest_bucket_begins_after_ninety_days_and_due_today_is_not_late(database: Database) -> None:
    due_on = date(2026, 3, 1)
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice_of(session, account, [Line(1_000)], issued_on=due_on, due_on=due_on)
        for days, bucket in (
            (0, "current"), (1, "days_1_30"), (30, "days_1_30"), (31, "days_31_60"), (60, "days_31_60"),
            (61, "days_61_90"), (90, "days_61_90"), (91, "days_over_90"),
        ):  # fmt: skip
            rows = {row.account_id: sums(row) for row in receivables.stream(session, due_on + days * DAY, ZONE)}
            assert {name for name, amount in rows[account.id].items() if amount} == {bucket, "total"}, days
        assert account.id not in {row.account_id for row in receivables.stream(session, due_on - DAY, ZONE)}


def test_todays_aged_receivables_are_the_debts_of_the_ledger(database: Database) -> None:
    with database.transaction() as session:
        accounts = [busy_account(session) for _ in range(2)]
        owing = factories.customer(session).account
        invoice = invoice_of(session, owing, [Line(90_000)])
        factories.pay(session, factories.bank(session).row.id, owing, 20_000)
        credit(session, invoice.id, 30_000, on=TODAY)
        today = max(TODAY, datetime.now(tz=ZONE).date())
        found = {row.account_id: row.total.amount_minor for row in receivables.stream(session, today, ZONE)}
        assert found[owing.id] == ledger.debt_minor(session, owing.id) == 40_000
        assert all(found.get(one.id, 0) == ledger.debt_minor(session, one.id) for one in accounts)


def test_the_api_gives_aged_receivables_in_pages_and_as_one_file(
    client: ApiClient, database: Database, accountant: dict[str, str]
) -> None:
    name = "=cmd|' /C calc'!A0"
    with database.transaction() as session:
        for _ in range(3):
            account = factories.customer(session, full_name=name).account
            invoice_of(session, account, [Line(123_456)], issued_on=date(2024, 1, 1))
    path, as_of = "/v1/reports/aged-receivables", {"as_of": "2024-02-01"}
    pages = [client.get(path, params={**as_of, "limit": 2}, headers=accountant).json()]
    while pages[-1]["next_cursor"]:
        query = {**as_of, "limit": 2, "cursor": pages[-1]["next_cursor"]}
        pages.append(client.get(path, params=query, headers=accountant).json())
    items = [item for page in pages for item in page["items"]]
    assert [page["total"] is None for page in pages] == [False, *[True] * (len(pages) - 1)]
    total = pages[0]["total"]["total"]["amount_minor"]
    assert total == sum(item["total"]["amount_minor"] for item in items) >= 3 * 123_456

    answer = client.get(path, params={**as_of, "format": "csv"}, headers=accountant)
    header, *rows, last = rows_of(answer.content)
    assert header[:3] == ["Лицевой счёт", "Абонент", "Срок не наступил"]
    assert [row[0] for row in rows] == [item["account_no"] for item in items]
    assert [sum_of(row[7]) for row in rows] == [item["total"]["amount_minor"] for item in items]
    assert (last[0], sum_of(last[7])) == ("Итого", total)
    assert [row[1] for row in rows if "cmd" in row[1]] == [f"'{name}"] * 3, "a name is no formula"
    assert all(row[3] == "0,00" and row[4] == "1234,56" for row in rows if "cmd" in row[1])
    assert client.get(path, headers=accountant).status_code == 422


# --- CSV -------------------------------------------------------------------------------------------------------------


def encoded(*cells: Any) -> list[str]:
    async def read() -> bytes:
        parts = csv_answer("t", ["a"], [list(cells)]).body_iterator
        return b"".join([part if isinstance(part, bytes) else str(part).encode() async for part in parts])

    return rows_of(asyncio.run(read()))[1]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+7", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\u00a0=1", "＝1", "\ufeff=1", '=HYPERLINK("x";1)'],
)
def test_a_text_in_csv_is_never_a_formula(text: str) -> None:
    assert encoded(text) == [f"'{text}"]


def test_a_sum_in_csv_is_a_number_even_when_it_is_negative() -> None:
    assert encoded(kzt(-650_050), kzt(5), date(2026, 11, 24), None, 'Иванов; "Иван"\nИванович', "№ 5") == [
        "-6500,50", "0,05", "24.11.2026", "", 'Иванов; "Иван"\nИванович', "№ 5",
    ]  # fmt: skip


# --- The trial balance -----------------------------------------------------------------------------------------------


def test_the_trial_balance_balances_over_any_range(
    client: ApiClient, database: Database, accountant: dict[str, str]
) -> None:
    with database.transaction() as session:
        busy_account(session)
    for span in ({"from": "2026-11-01", "until": "2026-11-21"}, {"from": "2000-01-01", "until": "2099-01-01"}):
        found = client.get("/v1/reports/trial-balance", params=span, headers=accountant).json()
        assert found["debit"] == found["credit"]
        assert found["debit"]["amount_minor"] > 0
        for column in ("opening", "closing"):
            assert sum(item[column]["amount_minor"] for item in found["items"]) == 0
        for item in found["items"]:
            opening, debit, credited, closing = (
                item[column]["amount_minor"] for column in ("opening", "debit", "credit", "closing")
            )
            assert closing == opening + debit - credited
        assert {"1210", "3130", "3510", "6010"} <= {item["code"] for item in found["items"]}
        as_csv = client.get("/v1/reports/trial-balance", params={**span, "format": "csv"}, headers=accountant)
        assert [row[0] for row in rows_of(as_csv.content)[1:-1]] == [item["code"] for item in found["items"]]


def test_the_command_checks_the_ledger_and_prints_a_trial_balance_for_a_range(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A database of its own: the command looks at all of it, and other tests do with theirs what they like.
    with database_of_its_own(postgres_url) as database:
        with database.transaction() as session:
            account = factories.customer(session).account
            invoice_of(session, account, [Line(1_160)], issued_on=date(2026, 1, 15), due_on=date(2026, 1, 15))
        monkeypatch.setenv("DATABASE_URL", database.url)
        assert cli.main(["ledger-check", "--from", "2026-01-15", "--until", "2026-01-16"]) == 0
        said = " ".join(capsys.readouterr().out.split())
        assert "1210 0,00 ₸ 11,60 ₸ 0,00 ₸ 11,60 ₸" in said
        assert "3130 0,00 ₸ 0,00 ₸ 1,60 ₸ −1,60 ₸" in said
        assert said.endswith("11,60 ₸ 11,60 ₸ The ledger is right: 0 findings.")
        assert cli.main(["ledger-check"]) == 0
        assert capsys.readouterr().out == "The ledger is right: 0 findings.\n"
        assert cli.main(["ledger-check", "--from", "2026-01-16", "--until", "2026-01-16"]) == 1
        assert "must come after --from" in capsys.readouterr().err


def test_now_is_the_day_of_these_tests_in_the_operators_zone() -> None:
    assert NOW.astimezone(ZONE).date() == TODAY
    assert NOW.tzinfo is UTC


def test_the_whole_api_streams_a_file_through_its_middleware(database: Database, accountant: dict[str, str]) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        invoice_of(session, account, [Line(7_700)], issued_on=date(2024, 5, 1))
    whole = ApiClient(create_app(Settings(), database, cast(Engine, None)))
    answer = whole.get("/v1/reports/aged-receivables?as_of=2024-05-31&format=csv", headers=accountant)
    assert answer.status_code == 200
    assert account.account_no in {row[0] for row in rows_of(answer.content)}
