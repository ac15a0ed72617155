"""Statements of the operator's accounts: each document is one line, whoever shows it and however it is written."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from activities import bank_statements
from activities.ledger_audit import check
from models.contracts.refusals import Refusal
from models.database import Database
from models.rules.client_bank_exchange import Exchange, ExchangeDocument, Party
from models.tables.bank_statements import BankSettlementDay, BankStatement, BankStatementLine
from tests.reconciliation_world import BankWorld, new_iik, statement_file


@pytest.fixture
def world(database: Database) -> BankWorld:
    world = BankWorld(database, None, "")
    world.furnish(accounts=1)
    return world


def take(world: BankWorld, content: bytes) -> BankStatement:
    exchange = bank_statements.read(content, despite_problems=False)
    return take_exchange(world, exchange, content)


def take_exchange(world: BankWorld, exchange: Exchange, content: bytes) -> BankStatement:
    with world.database.transaction() as session:
        return bank_statements.take(session, exchange, content, actor="staff:accountant", at=world.now())[0]


def lines(world: BankWorld, account: str | None = None) -> Sequence[BankStatementLine]:
    with world.database.transaction() as session:
        return session.scalars(
            select(BankStatementLine)
            .where(BankStatementLine.account == (account or world.own_iik))
            .order_by(BankStatementLine.id)
        ).all()


def document(world: BankWorld, **other: Any) -> ExchangeDocument:
    usual: dict[str, Any] = {
        "number": "17", "issued_on": world.day, "operated_on": world.day, "amount_minor": 100_000,
        "credited": world.own_iik, "payer": Party(name="АО Банк", id_no="010140000012", account=world.bank_iik),
        "purpose": "Платежи",
    }  # fmt: skip
    return ExchangeDocument(**{**usual, **other})


def test_a_line_says_who_paid_what_when_and_for_what(world: BankWorld) -> None:
    statement = take(
        world, statement_file([world.transfer(123_456, number="17", purpose="за вчера")], account=world.own_iik)
    )

    assert (statement.documents, statement.new_lines, statement.accounts) == (1, 1, [world.own_iik])
    (line,) = lines(world)
    assert (line.number, line.amount_minor, line.is_incoming, line.purpose) == ("17", 123_456, True, "за вчера")
    assert (line.party_account, line.party_id_no, line.party_name) == (world.bank_iik, "010140000012", "АО Банк")
    assert line.booked_on == world.day + timedelta(days=1)


def test_statements_that_overlap_share_their_documents(world: BankWorld) -> None:
    monday, tuesday = world.transfer(1_000, number="1"), world.transfer(2_000, number="2")
    first = take(world, statement_file([monday], account=world.own_iik))
    second = take(world, statement_file([monday, tuesday], account=world.own_iik))
    in_other_letters = statement_file([monday, tuesday], account=world.own_iik).decode("cp1251").encode("utf-8-sig")
    third = take(world, in_other_letters)

    assert [one.new_lines for one in (first, second, third)] == [1, 1, 0]
    assert [line.amount_minor for line in lines(world)] == [1_000, 2_000]


def test_documents_that_differ_in_anything_that_counts_are_different_ones(world: BankWorld) -> None:
    documents = [
        document(world),
        document(world, number="18"),
        document(world, amount_minor=100_001),
        document(world, issued_on=world.day - timedelta(days=1)),
        document(world, payer=Party(account=new_iik())),
        document(world, number="", purpose="one"),
        document(world, number="", purpose="two"),
    ]
    statement = take_exchange(world, Exchange(documents=tuple(documents)), b"1" + world.own_iik.encode())
    assert statement.new_lines == len(documents)
    again = [document(world, operated_on=world.day + timedelta(days=1), purpose="Платежи, уточнено")]
    assert take_exchange(world, Exchange(documents=tuple(again)), b"2" + world.own_iik.encode()).new_lines == 0


def test_money_between_two_of_our_accounts_is_a_line_on_each(world: BankWorld) -> None:
    other = new_iik()
    moved = document(world, debited=other, payer=Party(account=other), payee=Party(account=world.own_iik))
    take_exchange(world, Exchange(documents=(moved,)), world.own_iik.encode())

    assert [line.is_incoming for line in lines(world)] == [True]
    assert [line.is_incoming for line in lines(world, other)] == [False]


def test_other_currencies_and_documents_without_a_date_are_no_lines(world: BankWorld) -> None:
    documents = (document(world, currency="USD"), document(world, issued_on=None, operated_on=None))
    assert take_exchange(world, Exchange(documents=documents), world.own_iik.encode()).new_lines == 0


def test_a_line_of_another_payer_settles_no_day(world: BankWorld) -> None:
    world.send(world.rows(world.pay(100_000)))
    world.bring_in(world.transfer(99_050, payer_iik=new_iik()))
    assert world.reconciliation().settled_at is None
    world.bring_in(world.transfer(99_050, number="2"))

    assert world.reconciliation().settled_at is not None
    with world.database.transaction() as session:
        settled = session.execute(
            select(BankSettlementDay.id, BankSettlementDay.settlement_id).where(
                BankSettlementDay.reconciliation_id == world.reconciliation().id
            )
        ).all()
        own = {str(one) for ids in settled for one in ids}
        assert len(own) == 2
        assert [finding for finding in check(session) if finding.subject in own] == []


def test_a_bank_is_known_by_its_purpose_or_its_bin_as_agreed(world: BankWorld) -> None:
    own = {"own_accounts": [world.own_iik]}
    world.agree(settlement={**own, "purpose_contains": ["ПЛАТЕЖИ ФИЗ"]}, fee={})
    world.send(world.rows(world.pay(100_000)))
    world.bring_in(world.transfer(100_000, purpose="Прочие платежи", payer_iik=new_iik(), number="1"))
    assert world.reconciliation().settled_at is None
    world.bring_in(world.transfer(100_000, purpose="Платежи физ. лиц", payer_iik=new_iik(), number="2"))
    assert world.reconciliation().settled_at is not None


def test_nothing_is_recognised_where_nothing_was_agreed(world: BankWorld) -> None:
    world.agree(settlement={"own_accounts": [world.own_iik]}, fee={})
    world.send(world.rows(world.pay(100_000)))
    world.bring_in(world.transfer(100_000))
    assert world.reconciliation().settled_at is None


def test_what_is_no_statement_is_refused_with_a_sentence() -> None:
    for content in (b"", b"<html>", b"\x00" * 10, "1CClientBankExchange".encode("utf-16")):
        with pytest.raises(Refusal) as refusal:
            bank_statements.read(content, despite_problems=False)
        assert len(refusal.value.detail.split()) > 3
