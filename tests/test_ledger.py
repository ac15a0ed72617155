"""The ledger: append-only, balanced, and equal to everything that is kept beside it."""

from datetime import date, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from activities import invoicing, ledger, payments
from activities.ledger import KeyReusedError, Posting
from models.contracts.ledger import Chart
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.ledger import Transfer
from models.tables.payments import Payment
from models.tables.people import Account
from tests import factories
from tests.factories import NOW, TODAY

slow = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def an_account(session: Session) -> Account:
    return factories.customer(session).account


def posting(account: Account, amount_minor: int, *, key: str | None = None) -> Posting:
    return Posting(
        key=key or factories.unique(), debit=Chart.RECEIVABLES, credit=Chart.REVENUE, amount_minor=amount_minor,
        account_id=account.id, document_kind="test", document_id=uuid4(), reason="проба", effective_on=TODAY,
    )  # fmt: skip


def test_a_key_posts_once_and_never_means_something_else(database: Database) -> None:
    key = factories.unique()
    with database.transaction() as session:
        account = an_account(session)
        assert ledger.post_all(session, [posting(account, 500, key=key)]) == {key}
        assert ledger.post_all(session, [posting(account, 500, key=key)]) == set()
        assert ledger.balance_minor(session, account.id) == -500
        with pytest.raises(KeyReusedError):
            ledger.post_all(session, [posting(account, 501, key=key)])


def test_nothing_is_posted_for_nothing(database: Database) -> None:
    with database.transaction() as session:
        account = an_account(session)
        assert ledger.post_all(session, [posting(account, 0)]) == set()
        assert ledger.statement(session, account.id, limit=10) == ([], None)


def test_a_document_is_reversed_once_and_leaves_nothing(database: Database) -> None:
    with database.transaction() as session:
        account = an_account(session)
        posted = posting(account, 900)
        ledger.post_all(session, [posted])
        for _ in range(2):
            ledger.reverse(session, document_id=posted.document_id, reason="ошибка", effective_on=TODAY)
        assert ledger.balance_minor(session, account.id) == 0
        rows = session.scalars(select(Transfer).where(Transfer.document_id == posted.document_id)).all()
        assert sorted((row.debit, row.credit, row.reverses_id is None) for row in rows) == [
            ("1210", "6010", True), ("6010", "1210", False),
        ]  # fmt: skip


@pytest.mark.parametrize(
    "forbidden",
    [
        "UPDATE transfer SET amount_minor = amount_minor + 1",
        "DELETE FROM transfer",
        "TRUNCATE transfer CASCADE",
        "UPDATE invoice SET total_minor = 0, net_minor = 0, vat_minor = 0",
        "DELETE FROM allocation",
        "TRUNCATE credit_note CASCADE",
    ],
)
def test_the_database_itself_refuses_to_change_what_was_posted(database: Database, forbidden: str) -> None:
    with database.transaction() as session:
        account = an_account(session)
        factories.pay(session, factories.bank(session).row.id, account, 500)
        factories.connection_invoice(session, account, 500)
    with pytest.raises(IntegrityError, match="append-only"), database.transaction() as session:
        session.execute(text(forbidden))


def test_a_statement_lists_transfers_newest_first_with_the_balance_after_each(database: Database) -> None:
    with database.transaction() as session:
        account = an_account(session)
        factories.connection_invoice(session, account, 116_000)
        factories.pay(session, factories.bank(session).row.id, account, 200_000)
        first, cursor = ledger.statement(session, account.id, limit=3)
        assert cursor is not None
        rest, end = ledger.statement(session, account.id, limit=3, before=cursor)
        assert end is None
        shown = [(row.debit, row.credit, row.amount.amount_minor, row.balance.amount_minor) for row in first + rest]
        assert shown == [
            ("1020", "3510", 84_000, 84_000),
            ("1020", "1210", 116_000, 0),
            ("1210", "3130", 16_000, -116_000),
            ("1210", "6010", 100_000, -100_000),
        ]
        assert first[0].balance.amount_minor == ledger.balance_minor(session, account.id)


def test_the_check_finds_a_posting_that_no_document_explains(database: Database) -> None:
    with database.transaction() as session:
        account = an_account(session)
        assert ledger.check(session, account_id=account.id) == []
        ledger.post_all(session, [posting(account, 777)])
        found = ledger.check(session, account_id=account.id)
        assert [(finding.rule, finding.expected_minor, finding.found_minor) for finding in found] == [
            ("receivables are what invoices ask for", 0, 777)
        ]
        session.rollback()


def test_the_check_finds_a_balance_that_was_tampered_with(database: Database) -> None:
    with database.transaction() as session:
        account = an_account(session)
        factories.pay(session, factories.bank(session).row.id, account, 500)
        session.execute(
            text("UPDATE ledger_balance SET balance_minor = 0 WHERE account_id = :id AND chart_code = '1020'"),
            {"id": account.id},
        )
        found = ledger.check(session, account_id=account.id)
        assert [(finding.rule, finding.expected_minor, finding.found_minor) for finding in found] == [
            ("a balance is the sum of its transfers", 500, 0)
        ]
        session.rollback()


def test_the_check_finds_a_payment_that_was_not_posted(database: Database) -> None:
    with database.transaction() as session:
        account = an_account(session)
        paid = factories.pay(session, factories.bank(session).row.id, account, 500)
        ledger.reverse(session, document_id=paid.payment_id, reason="проба", effective_on=TODAY)
        found = {finding.rule: finding for finding in ledger.check(session, account_id=account.id)}
        finding = found["a payment is posted"]
        assert (finding.subject, finding.expected_minor, finding.found_minor) == (str(paid.payment_id), 500, 0)
        session.rollback()


def test_a_trial_balance_balances_and_shows_the_turnover_of_the_range(database: Database) -> None:
    with database.transaction() as session:
        account = an_account(session)
        day = date(2199, 5, 17)  # on which no other test posts, however far ahead its time runs
        factories.connection_invoice(session, account, 116_000, issued_on=day)
        rows = ledger.trial_balance(session, from_on=day, until_on=day + timedelta(days=1))
        assert sum(row.opening_minor for row in rows) == 0
        assert sum(row.closing_minor for row in rows) == 0
        assert sum(row.debit_minor for row in rows) == sum(row.credit_minor for row in rows) == 116_000
        turnover = {row.code: row.debit_minor - row.credit_minor for row in rows}
        assert (turnover["1210"], turnover["6010"], turnover["3130"]) == (116_000, -100_000, -16_000)
        for row in rows:
            assert row.opening_minor + row.debit_minor - row.credit_minor == row.closing_minor
        session.rollback()


class Books:
    """What a bookkeeper with paper and pencil would know of one account: nothing but documents and their sums."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.account = an_account(session)
        self.bank_id = factories.bank(session).row.id
        self.invoices: dict[UUID, int] = {}
        self.payments: dict[UUID, int] = {}
        self.refunded_minor = 0

    @property
    def balance_minor(self) -> int:
        return sum(self.payments.values()) - self.refunded_minor - sum(self.invoices.values())

    def act(self, what: str, size: int) -> None:
        getattr(self, what)(size)

    def invoice(self, size: int) -> None:
        due_on = TODAY + timedelta(days=size % 5)
        issued = factories.connection_invoice(self.session, self.account, size, due_on=due_on)
        self.invoices[issued.id] = size

    def pay(self, size: int) -> None:
        answer = factories.pay(self.session, self.bank_id, self.account, size + 1)
        self.payments[answer.payment_id] = size + 1
        assert answer.balance.amount_minor == self.balance_minor

    def credit(self, size: int) -> None:
        if self.invoices:
            invoice_id = list(self.invoices)[size % len(self.invoices)]
            invoicing.credit_invoice(self.session, invoice_id, reason="ошибка", on=TODAY, actor="test")
            self.invoices[invoice_id] = 0

    def reverse(self, size: int) -> None:
        if not self.payments:
            return
        payment_id = list(self.payments)[size % len(self.payments)]
        if self.session.get_one(Payment, payment_id).refunded_minor > 0:
            with pytest.raises(Refusal, match="paid back"):
                self.take_back(payment_id)
        else:
            self.take_back(payment_id)
            self.payments[payment_id] = 0

    def take_back(self, payment_id: UUID) -> None:
        payments.reverse_payment(self.session, payment_id, reason="ошибка", on=TODAY, at=NOW, actor="test")

    def refund(self, size: int) -> None:
        amount_minor = min(size, max(0, self.balance_minor))
        payments.refund_advance(
            self.session, account_id=self.account.id, amount_minor=amount_minor, key=factories.unique(),
            document_id=uuid4(), reason="возврат аванса", on=TODAY,
        )  # fmt: skip
        self.refunded_minor += amount_minor

    def compare(self) -> None:
        standing = ledger.standing_of(self.session, self.account.id)
        assert standing == (max(0, -self.balance_minor), max(0, self.balance_minor))
        outstanding = [invoicing.outstanding_minor(self.session, invoice_id) for invoice_id in self.invoices]
        assert sum(outstanding) == ledger.debt_minor(self.session, self.account.id)


ACTS = st.tuples(st.sampled_from(["invoice", "pay", "credit", "reverse", "refund"]), st.integers(0, 1000))


@slow
@given(st.lists(ACTS, max_size=12))
def test_whatever_happens_the_ledger_agrees_with_the_documents(database: Database, acts: list[tuple[str, int]]) -> None:
    with database.transaction() as session:
        books = Books(session)
        for what, size in acts:
            books.act(what, size)
            books.compare()
        assert ledger.check(session, account_id=books.account.id) == []
