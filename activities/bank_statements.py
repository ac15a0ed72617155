"""Statements of the operator's bank accounts: kept, each document once, and given to the days that they pay for."""

import hashlib
import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities.bank_settlement import settle_bank
from activities.reconciliation_news import tell_days
from models.contracts.bank_statements import BankStatementLineView, BankStatementView, SettledByStatement
from models.contracts.money import kzt
from models.contracts.reconciliation import RegistryProblemView
from models.contracts.refusals import invalid
from models.rules.client_bank_exchange import Exchange, ExchangeDocument, ExchangeError, Party
from models.rules.client_bank_reading import parse
from models.tables.bank_statements import BankSettlement, BankSettlementDay, BankStatement, BankStatementLine
from models.tables.banks import Bank
from models.tables.reconciliation import Reconciliation

_MOST_PROBLEMS = 50


def read(content: bytes, *, despite_problems: bool) -> Exchange:
    """What a file says.

    Raises:
        Refusal: it is no statement, or it does not agree with itself and nobody says to take it all the same.
    """
    try:
        exchange = parse(content)
    except ExchangeError as unreadable:
        raise invalid("statement_unreadable", str(unreadable)) from None
    if exchange.problems and not despite_problems:
        errors = {
            f"line {problem.line}" if problem.line else f"file {number}": problem.text
            for number, problem in enumerate(exchange.problems[:_MOST_PROBLEMS], start=1)
        }
        raise invalid(
            "statement_disagrees",
            "The file does not agree with itself: ask the bank for another, or send it with despite_problems=true.",
            errors,
        )
    return exchange


def take(
    session: Session, exchange: Exchange, content: bytes, *, actor: str, at: datetime
) -> tuple[BankStatement, bool]:
    """Keep a statement and those of its documents that no earlier one had; answers whether the file is new."""
    digest = hashlib.sha256(content).digest()
    statement_id = session.scalar(
        insert(BankStatement)
        .values(
            sha256=digest, content=content, accounts=_accounts(exchange), from_on=exchange.from_on,
            to_on=exchange.to_on, documents=len(exchange.documents), new_lines=0,
            problems=[{"line": problem.line, "reason": problem.text} for problem in _problems(exchange)],
            received_at=at, received_from=actor,
        )
        .on_conflict_do_nothing(index_elements=["sha256"])
        .returning(BankStatement.id)
    )  # fmt: skip
    if statement_id is None:
        return session.scalars(select(BankStatement).where(BankStatement.sha256 == digest)).one(), False
    lines = [line for document in exchange.documents for line in _lines(statement_id, document)]
    new: Sequence[UUID] = []
    if lines:
        added = insert(BankStatementLine).on_conflict_do_nothing(index_elements=["sha256"])
        new = session.scalars(added.returning(BankStatementLine.id), lines).all()
    statement = session.get_one(BankStatement, statement_id)
    statement.new_lines = len(new)
    session.flush()
    return statement, True


def settle_what_came(session: Session, *, at: datetime) -> list[SettledByStatement]:
    """Give new lines to the days of all banks; the processes of days that still wait look for themselves."""
    unsettled = select(Reconciliation.bank_id, Reconciliation.id).where(Reconciliation.settled_at.is_(None))
    waiting: dict[UUID, list[UUID]] = {}
    for bank_id, day_id in session.execute(unsettled.order_by(Reconciliation.bank_id)):
        waiting.setdefault(bank_id, []).append(day_id)
    settled: list[SettledByStatement] = []
    for bank_id, day_ids in waiting.items():
        settle_bank(session, bank_id, at=at)
        tell_days(session, day_ids)
        settled += _settled(session, day_ids, at)
    return settled


def view(statement: BankStatement) -> BankStatementView:
    """A statement as accounting sees it."""
    return BankStatementView(
        id=statement.id, accounts=statement.accounts, from_on=statement.from_on, to_on=statement.to_on,
        documents=statement.documents, new_lines=statement.new_lines,
        problems=[RegistryProblemView(**problem) for problem in statement.problems],
        received_at=statement.received_at,
    )  # fmt: skip


def lines(*, statement_id: UUID | None, account: str | None, unsettled: bool | None) -> Select[Any]:
    """Statement: lines of statements, those that came in and settle nothing yet where `unsettled` is asked for."""
    listed = select(BankStatementLine)
    if statement_id is not None:
        listed = listed.where(BankStatementLine.statement_id == statement_id)
    if account is not None:
        listed = listed.where(BankStatementLine.account == account)
    if unsettled is not None:
        is_open = BankStatementLine.is_incoming & BankStatementLine.settlement_id.is_(None)
        listed = listed.where(is_open if unsettled else BankStatementLine.settlement_id.is_not(None))
    return listed


def line_view(session: Session, line: BankStatementLine) -> BankStatementLineView:
    """A line as accounting sees it."""
    days = (
        select(Reconciliation.day_on)
        .join(BankSettlementDay, BankSettlementDay.reconciliation_id == Reconciliation.id)
        .where(BankSettlementDay.settlement_id == line.settlement_id)
        .order_by(Reconciliation.day_on)
    )
    return BankStatementLineView(
        id=line.id, statement_id=line.statement_id, account=line.account, is_incoming=line.is_incoming,
        number=line.number, booked_on=line.booked_on, amount=kzt(line.amount_minor), party_name=line.party_name,
        party_id_no=line.party_id_no, party_account=line.party_account, purpose=line.purpose,
        settled=[] if line.settlement_id is None else list(session.scalars(days)),
    )  # fmt: skip


def _accounts(exchange: Exchange) -> list[str]:
    named = [*exchange.accounts, *(turnover.account for turnover in exchange.turnovers)]
    return list(dict.fromkeys(account for account in named if account))


def _problems(exchange: Exchange) -> list[Any]:
    return list(exchange.problems[:_MOST_PROBLEMS])


def _lines(statement_id: UUID, document: ExchangeDocument) -> list[dict[str, Any]]:
    """A line for each account of the operator that the document is about: two where money went between them."""
    booked_on = document.booked_on
    if booked_on is None or document.currency != "KZT":
        return []
    sides = [(document.credited, True, document.payer), (document.debited, False, document.payee)]
    return [
        {
            "statement_id": statement_id,
            "sha256": _digest(document, account, booked_on, is_incoming=is_incoming, party=party),
            "account": account, "is_incoming": is_incoming, "number": document.number,
            "issued_on": document.issued_on, "booked_on": booked_on, "amount_minor": document.amount_minor,
            "party_name": party.name, "party_id_no": party.id_no, "party_account": party.account,
            "purpose": document.purpose, "purpose_code": document.purpose_code,
        }
        for account, is_incoming, party in sides
        if account
    ]  # fmt: skip


def _digest(document: ExchangeDocument, account: str, booked_on: date, *, is_incoming: bool, party: Party) -> bytes:
    """What makes a document the same in every statement: the day on which it was written before that of its booking."""
    meaning = [
        account, is_incoming, document.number, (document.issued_on or booked_on).isoformat(), document.amount_minor,
        party.account or party.id_no, None if document.number else document.purpose,
    ]  # fmt: skip
    return hashlib.sha256(json.dumps(meaning).encode()).digest()


def _settled(session: Session, day_ids: Sequence[UUID], at: datetime) -> list[SettledByStatement]:
    rows = session.execute(
        select(BankSettlement.id, BankSettlement.amount_minor, Bank.code, Reconciliation.day_on)
        .join(BankSettlementDay, BankSettlementDay.settlement_id == BankSettlement.id)
        .join(Reconciliation, Reconciliation.id == BankSettlementDay.reconciliation_id)
        .join(Bank, Bank.id == BankSettlement.bank_id)
        .where(Reconciliation.id.in_(day_ids), BankSettlement.settled_at == at)
        .order_by(BankSettlement.id, Reconciliation.day_on)
    ).all()
    found: dict[UUID, SettledByStatement] = {}
    for row in rows:
        one = found.setdefault(row.id, SettledByStatement(bank=row.code, days=[], amount=kzt(row.amount_minor)))
        one.days.append(row.day_on)
    return list(found.values())
