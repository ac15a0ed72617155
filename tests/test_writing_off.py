"""Debts that nobody will pay any more: off the books of what is owed, and owed again when that was wrong."""

from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import credit_notes, invoice_printing, invoicing, ledger, receivables, settlement, writing_off
from models.contracts.billing import InvoiceStatus, NewCreditNote
from models.contracts.documents import OperatorDetails
from models.contracts.ledger import Chart
from models.contracts.people import Language
from models.contracts.refusals import Refusal
from models.contracts.reports import AgedAccount
from models.database import Database
from models.tables.billing import Invoice
from models.tables.ledger import Transfer
from models.tables.people import Account
from tests import factories
from tests.factories import TODAY
from tests.test_invoice_pdf import squeezed, text_of

ZONE = ZoneInfo("Asia/Almaty")
OPERATOR = OperatorDetails(name="ТОО «Жұлдыз Телеком»", bin="990140000014", iban="KZ86125KZT5004100100")


class Debtor:
    """An account with two unpaid invoices."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.account: Account = factories.customer(session).account
        self.first, self.second = (
            factories.connection_invoice(session, self.account, amount) for amount in (300_000, 200_000)
        )

    def write_off(self, *invoices: Invoice, key: str = "k") -> int:
        return writing_off.write_off(
            self.session, account_id=self.account.id, invoice_ids=[one.id for one in invoices] or None,
            reason="должник выехал", approved_by="raushan", key=key, on=TODAY, actor="gulnara",
        )  # fmt: skip

    def take_back(self, *invoices: Invoice, key: str = "back") -> int:
        return writing_off.take_back(
            self.session, account_id=self.account.id, invoice_ids=[one.id for one in invoices] or None,
            reason="должник нашёлся", key=key, on=TODAY, actor="gulnara",
        )  # fmt: skip

    def pay(self, amount_minor: int) -> None:
        factories.pay(self.session, factories.bank(self.session).row.id, self.account, amount_minor)

    def statuses(self) -> list[InvoiceStatus]:
        return [invoicing.view(self.session, one.id).status for one in (self.first, self.second)]

    def debt_minor(self) -> int:
        return ledger.debt_minor(self.session, self.account.id)

    def is_sound(self) -> bool:
        return ledger.check(self.session, account_id=self.account.id) == []


def test_a_debt_that_is_written_off_is_outstanding_no_more_and_goes_to_bad_debt(database: Database) -> None:
    with database.transaction() as session:
        debtor = Debtor(session)
        debtor.pay(50_000)
        assert debtor.write_off() == 450_000
        assert debtor.write_off() == 450_000, "once for its key"
        assert debtor.debt_minor() == 0
        assert debtor.statuses() == [InvoiceStatus.WRITTEN_OFF] * 2
        view = invoicing.view(session, debtor.first.id)
        assert (view.allocated.amount_minor, view.written_off.amount_minor, view.outstanding.amount_minor) == (
            50_000, 250_000, 0,
        )  # fmt: skip
        posted = session.execute(
            select(Transfer.debit, Transfer.credit, Transfer.amount_minor)
            .where(Transfer.account_id == debtor.account.id, Transfer.document_kind == "write_off")
            .order_by(Transfer.amount_minor)
        ).all()
        assert posted == [("7440", "1210", 200_000), ("7440", "1210", 250_000)]
        assert session.execute(settlement.open_invoices(debtor.account.id)).all() == []
        assert debtor.is_sound()


def test_single_invoices_are_written_off_and_others_stay_owed(database: Database) -> None:
    with database.transaction() as session:
        debtor = Debtor(session)
        assert debtor.write_off(debtor.second) == 200_000
        assert debtor.statuses() == [InvoiceStatus.OPEN, InvoiceStatus.WRITTEN_OFF]
        debtor.pay(350_000)
        assert debtor.statuses() == [InvoiceStatus.PAID, InvoiceStatus.WRITTEN_OFF]
        assert ledger.advance_minor(session, debtor.account.id) == 50_000, "nothing else is owed"
        assert debtor.is_sound()


def test_a_debt_that_is_owed_again_is_covered_by_what_was_paid_meanwhile(database: Database) -> None:
    with database.transaction() as session:
        debtor = Debtor(session)
        debtor.write_off()
        debtor.pay(350_000)
        for _ in range(2):
            assert debtor.take_back() == 500_000
        assert debtor.debt_minor() == 150_000
        assert debtor.statuses() == [InvoiceStatus.PAID, InvoiceStatus.PARTLY_PAID]
        assert debtor.take_back(key="again") == 0, "there is nothing more to be taken back"
        assert debtor.write_off(key="k-2") == 150_000
        assert debtor.is_sound()


def test_a_credit_note_on_a_written_off_invoice_takes_the_write_off_back_before_any_payment(database: Database) -> None:
    with database.transaction() as session:
        debtor = Debtor(session)
        debtor.pay(100_000)
        debtor.write_off()
        part = NewCreditNote.model_validate({"amount": {"amount_minor": 150_000}, "reason": "за простой"})
        credit_notes.issue(session, debtor.first.id, part, on=TODAY, actor="test", limit_minor=None)
        view = invoicing.view(session, debtor.first.id)
        assert (view.written_off.amount_minor, view.allocated.amount_minor) == (50_000, 100_000)
        credit_notes.issue(
            session, debtor.first.id, NewCreditNote(reason="остальное"), on=TODAY, actor="test", limit_minor=None
        )
        assert ledger.advance_minor(session, debtor.account.id) == 100_000, "only what was paid is their money"
        assert debtor.is_sound()


def test_aged_receivables_know_a_write_off_from_its_day_on(database: Database) -> None:
    with database.transaction() as session:
        debtor = Debtor(session)
        before = [row.total.amount_minor for row in _aged(session, debtor, TODAY)]
        debtor.write_off(debtor.second)
        assert before == [500_000]
        assert [row.total.amount_minor for row in _aged(session, debtor, TODAY)] == [300_000]
        assert _aged(session, debtor, TODAY - timedelta(days=1)) == []
        whole = receivables.total(session, TODAY, ZONE).total.amount_minor
        debtor.write_off(debtor.first, key="k-2")
        assert receivables.total(session, TODAY, ZONE).total.amount_minor == whole - 300_000


def _aged(session: Session, debtor: Debtor, as_of: date) -> list[AgedAccount]:
    return [row for row in receivables.stream(session, as_of, ZONE) if row.account_id == debtor.account.id]


def test_an_invoice_is_printed_with_what_was_written_off(database: Database) -> None:
    with database.transaction() as session:
        debtor = Debtor(session)
        debtor.write_off(debtor.first)
        for language, words in ((Language.RU, "Списано 3 000,00 ₸"), (Language.EN, "Written off 3 000,00 ₸")):
            paper = invoice_printing.sheet(session, debtor.first.id, operator=OPERATOR, language=language)
            assert squeezed(words) in squeezed(text_of(paper.pdf()))


@pytest.mark.parametrize("what", ["write_off", "take_back"])
def test_an_invoice_of_somebody_else_is_refused(database: Database, what: str) -> None:
    with database.transaction() as session:
        debtor, other = Debtor(session), Debtor(session)
        with pytest.raises(Refusal) as refused:
            getattr(debtor, what)(other.first)
        assert refused.value.slug == "invoice_unknown"
        assert other.debt_minor() == 500_000


def test_the_audit_finds_a_write_off_that_nobody_posted(database: Database) -> None:
    with database.transaction() as session:
        debtor = Debtor(session)
        writing_off.write_off(
            session, account_id=debtor.account.id, invoice_ids=[debtor.first.id], reason="x", approved_by="raushan",
            key="k", on=TODAY, actor="test",
        )  # fmt: skip
        posted = session.scalars(
            select(Transfer).where(Transfer.document_kind == "write_off", Transfer.account_id == debtor.account.id)
        ).all()
        ledger.post(
            session, key=f"wrong/{posted[-1].id}", debit=Chart.RECEIVABLES, credit=Chart.BAD_DEBT,
            amount_minor=1, account_id=debtor.account.id, document_kind="write_off",
            document_id=posted[-1].document_id, reason="x", effective_on=TODAY,
        )  # fmt: skip
        rules = {finding.rule for finding in ledger.check(session, account_id=debtor.account.id)}
        assert {"a write-off is posted", "receivables are what invoices ask for"} <= rules
        session.rollback()
