"""An advance goes to another account of the same subscriber, whole or in part, and back."""

from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import balance_transfer, invoicing, ledger, payments
from models.contracts.bank import PaymentStatus
from models.contracts.engine import PAYMENT_RECEIVED
from models.contracts.payments import PaymentSource
from models.contracts.processes import ProcessKind
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.balance_transfers import BalanceTransfer
from models.tables.outbox import Outbox
from models.tables.payments import Payment
from models.tables.people import Account, account_no_sequence
from tests import factories
from tests.factories import NOW, TODAY


class Family:
    """A subscriber with two accounts, and an advance of two payments on the first."""

    def __init__(self, session: Session) -> None:
        self.session = session
        customer = factories.customer(session)
        self.source = customer.account
        number = session.execute(account_no_sequence.next_value().select()).scalar_one()
        self.target = Account(
            account_no=str(number * 10), subscriber_id=customer.subscriber.id, opened_on=date(2026, 1, 1)
        )
        session.add(self.target)
        session.flush()
        self.bank_id = factories.bank(session).row.id
        self.paid = [factories.pay(session, self.bank_id, self.source, amount) for amount in (60_000, 40_000)]

    def move(self, amount_minor: int, *, key: str = "k", to: Account | None = None) -> BalanceTransfer:
        return balance_transfer.move(
            self.session, from_account_id=self.source.id, to_account_id=(to or self.target).id,
            amount_minor=amount_minor, key=f"{key}/{self.source.id}", reason="остаток перенесён", on=TODAY, at=NOW,
            actor="gulnara",
        )  # fmt: skip

    def take_back(self, transfer: BalanceTransfer) -> None:
        balance_transfer.take_back(self.session, transfer.id, reason="по ошибке", on=TODAY, at=NOW, actor="gulnara")

    def balances(self) -> tuple[int, int]:
        balances = [ledger.balance_minor(self.session, account.id) for account in (self.source, self.target)]
        return balances[0], balances[1]

    def is_sound(self) -> bool:
        return [ledger.check(self.session, account_id=one.id) for one in (self.source, self.target)] == [[], []]


def test_an_advance_is_gone_on_one_account_and_covers_what_is_owed_on_the_other(database: Database) -> None:
    with database.transaction() as session:
        family = Family(session)
        invoice = factories.connection_invoice(session, family.target, 50_000)
        first, again = family.move(70_000), family.move(70_000)
        assert first == again, "once for its key"
        assert family.balances() == (30_000, 20_000)
        assert invoicing.outstanding_minor(session, invoice.id) == 0
        assert [session.get_one(Payment, one.payment_id).refunded_minor for one in family.paid] == [60_000, 10_000]
        payment = session.get_one(Payment, first.payment_id)
        assert (payment.source, payment.account_id) == (PaymentSource.BALANCE_TRANSFER, family.target.id)
        in_transit = sum(
            row.closing_minor
            for row in ledger.trial_balance(session, from_on=TODAY, until_on=date(2026, 11, 25))
            if row.code == "1020"
        )
        family.move(30_000, key="k-2")
        assert in_transit == sum(
            row.closing_minor
            for row in ledger.trial_balance(session, from_on=TODAY, until_on=date(2026, 11, 25))
            if row.code == "1020"
        ), "no money came in or left"
        assert family.balances() == (0, 50_000)
        assert family.is_sound()


def test_processes_of_the_other_account_hear_of_the_money(database: Database) -> None:
    with database.transaction() as session:
        family = Family(session)
        waiting = factories.process(session, kind=ProcessKind.DUNNING, account=family.target)
        family.move(1_000)
        told = session.scalars(select(Outbox.signal).where(Outbox.workflow_id == waiting.workflow_id)).all()
        assert told == [PAYMENT_RECEIVED]


def test_an_advance_that_is_taken_back_is_where_it_was(database: Database) -> None:
    with database.transaction() as session:
        family = Family(session)
        invoice = factories.connection_invoice(session, family.target, 50_000)
        transfer = family.move(70_000)
        for _ in range(2):
            family.take_back(transfer)
        assert family.balances() == (100_000, -50_000)
        assert invoicing.outstanding_minor(session, invoice.id) == 50_000
        assert session.get_one(Payment, transfer.payment_id).status is PaymentStatus.REVERSED
        assert all(session.get_one(Payment, one.payment_id).refunded_minor == 0 for one in family.paid)
        assert family.is_sound()
        payments.reverse_payment(
            session, family.paid[0].payment_id, reason="ошибка", on=TODAY, at=NOW, actor="gulnara"
        )  # fmt: skip
        assert family.balances() == (40_000, -50_000)


def test_a_payment_whose_advance_was_moved_is_not_reversed_before_that_is_taken_back(database: Database) -> None:
    with database.transaction() as session:
        family = Family(session)
        family.move(60_000)
        with pytest.raises(Refusal) as refused:
            payments.reverse_payment(
                session, family.paid[0].payment_id, reason="ошибка", on=TODAY, at=NOW, actor="bank"
            )
        assert refused.value.slug == "payment_refunded"
        assert family.is_sound()


def test_money_that_was_paid_back_from_the_other_account_cant_be_taken_back(database: Database) -> None:
    with database.transaction() as session:
        family = Family(session)
        transfer = family.move(60_000)
        payments.refund_advance(
            session, account_id=family.target.id, amount_minor=1_000, key=f"refund/{transfer.id}",
            document_id=transfer.id, reason="возврат", on=TODAY,
        )  # fmt: skip
        with pytest.raises(Refusal) as refused:
            family.take_back(transfer)
        assert refused.value.slug == "payment_refunded"


@pytest.mark.parametrize(
    ("case", "slug"),
    [
        ("too much", "advance_too_small"),
        ("nothing", "advance_too_small"),
        ("the same account", "same_account"),
        ("somebody else", "not_the_same_subscriber"),
    ],
)
def test_what_cant_be_moved_is_refused(database: Database, case: str, slug: str) -> None:
    with database.transaction() as session:
        family = Family(session)
        amount = {"too much": 100_001, "nothing": 0}.get(case, 1_000)
        to = None
        if case == "the same account":
            to = family.source
        elif case == "somebody else":
            to = factories.customer(session).account
        with pytest.raises(Refusal) as refused:
            family.move(amount, to=to)
        assert refused.value.slug == slug
        assert family.balances() == (100_000, 0)


def test_the_audit_finds_a_moved_balance_of_which_one_side_was_reversed(database: Database) -> None:
    with database.transaction() as session:
        family = Family(session)
        transfer = family.move(60_000)
        payments.reverse_payment(session, transfer.payment_id, reason="ошибка", on=TODAY, at=NOW, actor="gulnara")
        findings = ledger.check(session, account_id=family.source.id)
        assert [finding.rule for finding in findings] == ["a moved balance stands on both accounts or on none"]
        family.take_back(transfer)
        assert family.balances() == (100_000, 0)
        assert family.is_sound()
