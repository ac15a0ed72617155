"""What is entered through the catalogue is what a run charges; what accounting takes back stays taken back."""

from datetime import date

from sqlalchemy import func, select

from activities import credit_notes, invoice_printing, ledger, service_terms, services, statements, tariff_prices
from models.contracts.billing import NewCreditNote
from models.contracts.documents import OperatorDetails
from models.contracts.people import Language
from models.contracts.services import NewCharge, NewDiscount
from models.database import Database
from models.rules.money import rounded_share
from models.tables.billing import Invoice, InvoiceLine
from models.tables.catalogue import Tariff
from tests import factories
from tests.billing_histories import bill
from tests.test_invoice_pdf import squeezed, text_of

NOVEMBER, DECEMBER, JANUARY = date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)
OPERATOR = OperatorDetails(name="ТОО «Жұлдыз Телеком»", bin="990140000014", iban="KZ86125KZT5004100100")


def share(fee_minor: int, from_day: int, to_day: int) -> int:
    """What days [from_day, to_day) of a month of thirty days cost."""
    return rounded_share(fee_minor, to_day, 30) - rounded_share(fee_minor, from_day, 30)


def test_discounts_charges_prices_freezes_and_credit_notes_meet_in_the_runs(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session, language=Language.KK).account
        subscription = factories.subscription(session, account, tariff_id=factories.tariff(session).id)
        services.begin(session, subscription, on=NOVEMBER)
        session.flush()
        discount = NewDiscount.model_validate({"title": "Друзья", "percent": 10, "from": "2026-11-01"})
        service_terms.add_discount(session, subscription.id, discount, actor="test", today=NOVEMBER)
        once = NewCharge.model_validate(
            {
                "kind": "one_off", "description": "Перенос розетки", "from": "2026-11-01",
                "amount": {"amount_minor": 300_000, "currency": "KZT"},
            }
        )  # fmt: skip
        service_terms.add_charge(session, subscription.id, once, actor="test", today=NOVEMBER)

        def charged_for(month_on: date) -> int:
            total = session.scalar(
                select(func.sum(InvoiceLine.total_minor)).where(
                    InvoiceLine.subscription_id == subscription.id, InvoiceLine.service_month_on == month_on,
                    InvoiceLine.charge_id.is_(None),
                )
            )  # fmt: skip
            return int(total or 0)

        bill(session, [account], NOVEMBER)
        assert charged_for(NOVEMBER) == 585_000
        invoice = session.scalars(select(Invoice).where(Invoice.account_id == account.id)).one()
        assert invoice.total_minor == 885_000
        paper = squeezed(text_of(invoice_printing.sheet(session, invoice.id, operator=OPERATOR).pdf()))
        for words in ("Абоненттік төлем, Домашний 100, қараша 2026", "Жеңілдік «Друзья»", "Перенос розетки",
                      "× 30/30 күн", "Төленуі тиіс 8 850,00 ₸"):  # fmt: skip
            assert squeezed(words) in paper, words

        # From the 10th until the 20th nobody was at home; the fee is dearer from December on.
        services.freeze(
            session, subscription.id, from_on=date(2026, 11, 10), until_on=date(2026, 11, 20), today=date(2026, 11, 24)
        )
        tariff = session.get_one(Tariff, subscription.tariff_id)
        tariff_prices.add_price(session, tariff.code, fee_minor=700_000, valid_from=DECEMBER)
        bill(session, [account], DECEMBER)
        assert charged_for(NOVEMBER) == share(585_000, 0, 9) + share(585_000, 19, 30)
        assert charged_for(DECEMBER) == 630_000

        december = session.scalars(
            select(Invoice).where(Invoice.account_id == account.id, Invoice.period_on == DECEMBER)
        ).one()
        order = NewCreditNote.model_validate(
            {"amount": {"amount_minor": 123_457, "currency": "KZT"}, "reason": "простой сети"}
        )
        credit_notes.issue(session, december.id, order, on=DECEMBER, actor="test", limit_minor=None)
        bill(session, [account], JANUARY)
        assert charged_for(DECEMBER) == 630_000, "what was credited is not charged again"
        last = session.scalars(
            select(Invoice).where(Invoice.account_id == account.id).order_by(Invoice.id.desc())
        ).first()
        assert last is not None
        assert last.total_minor == 630_000

        credit_notes.issue(
            session, december.id, NewCreditNote(reason="остальное"), on=JANUARY, actor="test", limit_minor=None
        )
        found = statements.statement(session, account, from_on=NOVEMBER, until_on=date(2027, 2, 1))
        assert found.closing.amount_minor == ledger.balance_minor(session, account.id) == -(885_000 + 630_000)
        assert ledger.check(session, account_id=account.id) == []
