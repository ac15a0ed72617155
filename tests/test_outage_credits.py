"""What outages give back, from the list of those affected to the line on the bill."""

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError
from pypdf import PdfReader
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import credit_notes, final_billing, invoice_printing, ledger, service_terms, services
from activities.outage_credits import CreditPart, credit_part
from models.contracts.catalogue import ChargeKind, Charging, VatMode
from models.contracts.documents import OperatorDetails
from models.contracts.outage import CreditRule, OutageKind
from models.contracts.people import Language
from models.contracts.processes import ProcessKind
from models.contracts.services import NewCharge, NewDiscount
from models.database import Database
from models.rules.invoice_words import in_language
from models.rules.money import rounded_share, vat_inside
from models.tables.billing import CreditNote, Invoice, InvoiceLine, RecalculationLine
from models.tables.outage_credits import CreditedOutage
from models.tables.outages import Outage, OutageAffected
from models.tables.people import Account
from models.tables.subscriptions import Charge, Subscription
from tests import factories
from tests.billing_histories import bill, invoice_lines, serve

ALMATY = ZoneInfo("Asia/Almaty")
OCTOBER, NOVEMBER, DECEMBER, JANUARY = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)
FEE = 650_000
START = datetime(2026, 11, 24, 9, 0, tzinfo=ALMATY)
SIX_HOURS = timedelta(hours=6, minutes=12)
GIVEN = rounded_share(FEE, 312, 43_200)
"""Of six hours and twelve minutes, the first hour is not credited."""
FORMULA = "6\u00a0500,00\u00a0₸ × (372 − 60)/43\u00a0200 минут"
TODAY = date(2026, 11, 25)


class Cut:
    """Subscribers whose services an outage affects."""

    def __init__(self, session: Session, count: int = 1, *, since: date = OCTOBER, **tariff: Any) -> None:
        self.session = session
        self.tariff = factories.tariff(session, first_period_upfront=False, **tariff)
        self.accounts: list[Account] = [factories.customer(session).account for _ in range(count)]
        self.services = [serve(session, account, self.tariff.id, since=since) for account in self.accounts]

    def outage(
        self, start: datetime = START, lasts: timedelta = SIX_HOURS, *, kind: OutageKind = OutageKind.EMERGENCY
    ) -> UUID:
        return outage_of(self.session, self.services, start, lasts, kind=kind)

    def credit(self, outage_id: UUID, **rule: Any) -> CreditPart:
        return credit_all(self.session, outage_id, **rule)

    def run(self, month: date) -> None:
        assert bill(self.session, self.accounts, month).exceptions == 0

    def lines(self, month: date) -> list[tuple[str, str, int]]:
        """Of the first subscriber's invoice of a month."""
        lines = invoice_lines(self.session, self.accounts[0], month)
        return [(line.description, line.formula, line.total_minor) for line in lines]

    def charged_minor(self) -> int:
        """Of the first subscriber: invoiced less credited."""
        account_id = self.accounts[0].id
        invoiced = self.session.scalar(select(func.sum(Invoice.total_minor)).where(Invoice.account_id == account_id))
        credited = self.session.scalar(
            select(func.sum(CreditNote.total_minor))
            .join(Invoice, Invoice.id == CreditNote.invoice_id)
            .where(Invoice.account_id == account_id)
        )
        assert ledger.check(self.session, account_id=account_id) == []
        return int(invoiced or 0) - int(credited or 0)


def outage_of(
    session: Session,
    services: list[UUID],
    start: datetime = START,
    lasts: timedelta = SIX_HOURS,
    *,
    kind: OutageKind = OutageKind.EMERGENCY,
) -> UUID:
    """An outage that has ended, and the list of those that it affected."""
    process = factories.process(session, kind=ProcessKind.OUTAGE, stage="settlement")
    session.add(
        Outage(
            process_id=process.id, kind=kind, reason="обрыв кабеля", starts_at=start, ends_at=start + lasts,
            registered_at=start, ended_at=start + lasts,
        )
    )  # fmt: skip
    session.flush()
    for position, service_id in enumerate(services, start=1):
        account = session.get_one(Account, session.get_one(Subscription, service_id).account_id)
        session.add(
            OutageAffected(
                outage_id=process.id, position=position, subscription_id=service_id, account_id=account.id,
                subscriber_id=account.subscriber_id,
            )
        )  # fmt: skip
    session.flush()
    return process.id


def credit_all(session: Session, outage_id: UUID, *, size: int = 100, **rule: Any) -> CreditPart:
    after: int | None = 0
    credited = credited_minor = 0
    while after is not None:
        part = credit_part(
            session, outage_id, after=after, size=size, at=START + SIX_HOURS, rule=CreditRule(**rule), zone=ALMATY
        )
        after, credited, credited_minor = (
            part.next_position, credited + part.credited, credited_minor + part.credited_minor,
        )  # fmt: skip
    return CreditPart(None, credited, credited_minor)


# --- On the next invoice ----------------------------------------------------------------------------------------------


def test_a_credit_is_a_line_with_its_formula_on_the_next_invoice_and_on_no_other(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session)
        for month in (OCTOBER, NOVEMBER):
            one.run(month)
        assert one.credit(one.outage()) == CreditPart(None, 1, GIVEN)
        assert one.charged_minor() == 2 * FEE, "nothing is posted before the bill"
        for month in (DECEMBER, JANUARY):
            one.run(month)
        assert one.lines(DECEMBER) == [
            ("Абонентская плата, Домашний 100, декабрь 2026", "6\u00a0500,00\u00a0₸ × 31/31 дней", FEE),
            ("Возврат за перерыв связи, Домашний 100, ноябрь 2026 (24)", FORMULA, -GIVEN),
        ]
        [_, credited] = invoice_lines(session, one.accounts[0], DECEMBER)
        assert (credited.vat_rate_bp, credited.vat_minor) == (1600, -vat_inside(GIVEN, 1600))
        assert one.charged_minor() == 4 * FEE - GIVEN


def test_a_credit_never_comes_before_the_fee_that_it_is_of(database: Database) -> None:
    """A run of the credited month itself charges nothing for it yet where that is charged in arrears."""
    with database.transaction() as session:
        one = Cut(session, since=NOVEMBER, charging=Charging.ARREARS)
        one.credit(one.outage())
        for month in (NOVEMBER, DECEMBER):
            one.run(month)
        assert one.lines(NOVEMBER) == []
        assert [total for _, _, total in one.lines(DECEMBER)] == [FEE, -GIVEN]


def test_a_credit_is_printed_in_the_subscribers_language(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session)
        one.credit(one.outage(lasts=timedelta(hours=14)), cap_percent=1)
        one.run(DECEMBER)
        invoice = session.scalars(select(Invoice).where(Invoice.account_id == one.accounts[0].id)).one()
        for language, said in (
            (Language.RU, ["Возврат за перерыв связи, ", "/43 200 минут, не больше 65,00 ₸", "−65,00 ₸"]),
            (Language.KK, ["Байланыс үзілісі үшін қайтарым, ", "қараша 2026 (24)", "/43 200 минут, ең көбі 65,00 ₸"]),
            (Language.EN, ["Credit for an outage, ", "November 2026 (24)", "/43 200 minutes, at most 65,00 ₸"]),
        ):
            pdf = invoice_printing.sheet(session, invoice.id, operator=OPERATOR, language=language).pdf()
            text = "".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)
            for words in said:
                assert _squeezed(words) in _squeezed(text), words
        session.rollback()


OPERATOR = OperatorDetails(name="ТОО «Жұлдыз Телеком»", bin="990140000014", iban="KZ86125KZT5004100100")


def _squeezed(text: str) -> str:
    return "".join(text.replace("\u200b", "").split())


def test_words_of_minutes_are_translated_only_at_the_end_of_a_formula() -> None:
    assert in_language("Пакет 300 минут, ноябрь 2026", "en") == "Пакет 300 минут, November 2026"
    assert in_language(FORMULA, "en") == FORMULA.replace("минут", "minutes")


def test_a_month_that_is_closed_long_since_is_still_credited(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session)
        for month in (OCTOBER, NOVEMBER, DECEMBER, JANUARY):
            one.run(month)
        one.credit(one.outage(datetime(2026, 10, 5, 9, tzinfo=ALMATY), timedelta(hours=61)))
        one.run(date(2027, 2, 1))
        [*_, (said, formula, total)] = one.lines(date(2027, 2, 1))
        assert (said, formula) == (
            "Возврат за перерыв связи, Домашний 100, октябрь 2026 (5–7)",
            "6\u00a0500,00\u00a0₸ × (3\u00a0660 − 60)/44\u00a0640 минут",
        )
        assert total == -rounded_share(FEE, 3_600, 44_640)


def test_an_outage_over_the_end_of_a_year_is_credited_at_the_vat_rates_of_its_days(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session, since=date(2025, 12, 1))
        one.credit(one.outage(datetime(2025, 12, 31, 22, tzinfo=ALMATY), timedelta(hours=6)))
        one.run(date(2026, 1, 1))
        credited = [line for line in invoice_lines(session, one.accounts[0], date(2026, 1, 1)) if line.charge_id]
        assert {(line.service_month_on, line.vat_rate_bp, line.total_minor) for line in credited} == {
            (date(2025, 12, 1), 1200, -rounded_share(FEE, 60, 44_640)),
            (date(2026, 1, 1), 1600, -rounded_share(FEE, 240, 44_640)),
        }


def test_what_is_given_back_is_of_the_fee_after_discounts_with_vat_as_its_tariff_has_it(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session)
        one.tariff.vat_mode = VatMode.ON_TOP
        session.flush()
        new = NewDiscount.model_validate({"title": "Акция", "percent": Decimal(10), "from": date(2026, 11, 20)})
        service_terms.add_discount(session, one.services[0], new, actor="test", today=TODAY)
        part = one.credit(one.outage())
        net = rounded_share(585_000, 312, 43_200)
        assert part.credited_minor == net + rounded_share(net, 1600, 10_000)
        one.run(NOVEMBER)
        assert [(formula, total) for said, formula, total in one.lines(NOVEMBER) if "перерыв" in said] == [
            ("5\u00a0850,00\u00a0₸ × (372 − 60)/43\u00a0200 минут", -part.credited_minor)
        ]


# --- Once, and only for what is paid ----------------------------------------------------------------------------------


def test_repeated_it_gives_once_and_answers_the_same(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session, 5)
        outage_id = one.outage()
        first = credit_part(session, outage_id, after=0, size=2, at=START, rule=CreditRule(), zone=ALMATY)
        assert first == CreditPart(2, 2, 2 * GIVEN)
        again = credit_part(session, outage_id, after=0, size=2, at=START, rule=CreditRule(), zone=ALMATY)
        assert again == first
        for size in (2, 5, 100):
            assert credit_all(session, outage_id, size=size) == CreditPart(None, 5, 5 * GIVEN)
        assert session.scalar(select(func.count()).select_from(Charge).where(Charge.outage_id == outage_id)) == 5
        one.run(DECEMBER)
        assert one.charged_minor() == 2 * FEE - GIVEN, "November is made up with December"


@pytest.mark.parametrize(("credits_planned", "credited"), [(False, 0), (True, 1)])
def test_planned_works_are_credited_where_the_rule_says_so(
    database: Database, credits_planned: bool, credited: int
) -> None:
    with database.transaction() as session:
        one = Cut(session)
        outage_id = one.outage(kind=OutageKind.PLANNED)
        assert one.credit(outage_id, credits_planned=credits_planned).credited == credited
        assert session.scalar(select(func.count()).where(CreditedOutage.outage_id == outage_id)) == credited


def test_time_that_nobody_pays_for_is_not_given_back(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session, 6, since=date(2026, 10, 5))
        paying, suspended, frozen, leaving, ended, partly = one.services
        services.suspend(session, suspended, on=date(2026, 11, 24), today=date(2026, 11, 24))
        services.freeze(session, frozen, from_on=date(2026, 11, 20), until_on=None, today=TODAY)
        session.get_one(Subscription, leaving).ending_on = date(2026, 11, 24)
        services.terminate(session, ended, on=date(2026, 11, 20), today=TODAY)
        services.freeze(session, partly, from_on=date(2026, 11, 24), until_on=date(2026, 11, 25), today=TODAY)
        one.services.append(factories.subscription(session, one.accounts[0], tariff_id=one.tariff.id).id)
        outage_id = one.outage(datetime(2026, 11, 24, 12, tzinfo=ALMATY), timedelta(hours=16))
        assert one.credit(outage_id).credited == 2
        given = {
            charge.subscription_id: (charge.formula, charge.amount_minor)
            for charge in session.scalars(select(Charge).where(Charge.outage_id == outage_id))
        }
        whole, rest = rounded_share(FEE, 15 * 60, 43_200), rounded_share(FEE, 4 * 60, 43_200)
        assert given == {
            paying: ("6\u00a0500,00\u00a0₸ × (960 − 60)/43\u00a0200 минут", -whole),
            partly: ("6\u00a0500,00\u00a0₸ × 240/43\u00a0200 минут", -rest),
        }


def test_a_change_of_tariff_within_an_outage_gives_back_of_both(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session)
        faster = factories.tariff(session, fee_minor=990_000, first_period_upfront=False)
        services.change_tariff(session, one.services[0], faster.id, on=date(2026, 11, 25), today=date(2026, 11, 24))
        one.credit(one.outage(datetime(2026, 11, 24, 12, tzinfo=ALMATY), timedelta(hours=16)))
        one.run(DECEMBER)
        credited = [(formula, total) for said, formula, total in one.lines(DECEMBER) if "перерыв" in said]
        assert sorted(credited) == [
            ("6\u00a0500,00\u00a0₸ × (720 − 60)/43\u00a0200 минут", -rounded_share(FEE, 660, 43_200)),
            ("9\u00a0900,00\u00a0₸ × 240/43\u00a0200 минут", -rounded_share(990_000, 240, 43_200)),
        ]


def test_outages_that_overlap_give_a_minute_back_once(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session, 2)
        first = one.outage(START, timedelta(hours=3))
        second = one.outage(START + timedelta(hours=2), timedelta(hours=3))
        together = [one.credit(outage_id).credited_minor for outage_id in (first, second)]
        assert together == [2 * rounded_share(FEE, minutes, 43_200) for minutes in (120, 120)]


def test_two_outages_that_are_credited_at_once_give_a_minute_back_once(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session, 20)
        outages = [one.outage(START + timedelta(minutes=30 * number), timedelta(hours=3)) for number in range(4)]
        accounts = [account.id for account in one.accounts]

    def give(outage_id: UUID) -> None:
        with database.transaction() as session:
            credit_all(session, outage_id)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(give, outages))
    with database.transaction() as session:
        spans = session.execute(
            select(CreditedOutage.subscription_id, CreditedOutage.credited, CreditedOutage.total_minor).where(
                CreditedOutage.outage_id.in_(outages)
            )
        ).all()
        for service_id in {row.subscription_id for row in spans}:
            given = sum(row.total_minor for row in spans if row.subscription_id == service_id)
            # One interruption of four and a half hours; each part may be rounded by half a tiyn.
            assert abs(given - rounded_share(FEE, 210, 43_200)) <= 2
        assert len(accounts) * len(outages) == len(spans)


# --- Whatever bills the service takes it along ------------------------------------------------------------------------


def leave(session: Session, one: Cut, end_on: date, *, on: date = TODAY) -> tuple[UUID, Any]:
    process_id = factories.process(
        session, kind=ProcessKind.DISCONNECTION, account=one.accounts[0], subscription_id=one.services[0]
    ).id
    given = final_billing.issue(
        session, process_id=process_id, subscription_id=one.services[0], end_on=end_on, issued_on=on, due_on=on
    )
    return process_id, given


def end(session: Session, one: Cut, process_id: UUID, on: date) -> None:
    final_billing.end_service(
        session, process_id=process_id, subscription_id=one.services[0], on=on, today=on, due_on=on
    )


def test_a_final_invoice_takes_it_along_and_the_end_does_not_repeat_it(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session, charging=Charging.ARREARS)
        one.run(NOVEMBER)
        one.credit(one.outage())
        process_id, given = leave(session, one, date(2026, 11, 26))
        used = rounded_share(FEE, 25, 30)
        assert given.total_minor == used - GIVEN
        lines = session.scalars(select(InvoiceLine).where(InvoiceLine.invoice_id == given.invoice_id)).all()
        assert [line.formula for line in lines if line.charge_id] == [FORMULA]
        end(session, one, process_id, date(2026, 11, 26))
        one.run(DECEMBER)
        assert one.charged_minor() == FEE + used - GIVEN


def test_where_the_final_bill_gives_back_the_credit_goes_with_it(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session)
        one.run(OCTOBER)
        one.run(NOVEMBER)
        one.credit(one.outage())
        shown = final_billing.preview(session, one.services[0], end_on=date(2026, 11, 26), on=TODAY)
        _, given = leave(session, one, date(2026, 11, 26))
        used = rounded_share(FEE, 25, 30)
        assert shown.total.amount_minor == given.total_minor == used - FEE - GIVEN
        assert given.credited_minor == FEE - used + GIVEN
        [note] = credit_notes.views(session, [session.get_one(CreditNote, one_) for one_ in given.credit_note_ids])
        assert [line.formula for line in note.reckoning if "перерыв" in line.description] == [FORMULA]


@pytest.mark.parametrize("charging", list(Charging))
def test_who_stays_after_all_keeps_the_credit(database: Database, charging: Charging) -> None:
    with database.transaction() as session:
        one = Cut(session, since=NOVEMBER, charging=charging)
        if charging is Charging.ADVANCE:
            one.run(NOVEMBER)
        one.credit(one.outage())
        process_id, _ = leave(session, one, date(2026, 11, 26))
        for _ in range(2):
            final_billing.give_up(
                session, process_id=process_id, subscription_id=one.services[0], issued_on=TODAY, due_on=TODAY
            )
        one.run(DECEMBER)
        one.run(JANUARY)
        assert one.charged_minor() == (2 if charging is Charging.ARREARS else 3) * FEE - GIVEN


def test_a_credit_that_comes_after_the_end_is_given_back_by_a_credit_note(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session)
        one.run(OCTOBER)
        one.run(NOVEMBER)
        process_id, _ = leave(session, one, date(2026, 11, 26))
        end(session, one, process_id, date(2026, 11, 26))
        before = one.charged_minor()
        one.credit(one.outage())
        figures = bill(session, one.accounts, DECEMBER)
        assert (figures.credited, figures.credited_minor, figures.exceptions) == (1, GIVEN, 0)
        assert one.charged_minor() == before - GIVEN
        one.run(JANUARY)
        assert one.charged_minor() == before - GIVEN
        assert ledger.advance_minor(session, one.accounts[0].id) == 0


def test_a_credit_of_more_than_the_bill_is_given_back_out_of_the_fee_that_it_is_for(database: Database) -> None:
    """With the VAT that the credited month was invoiced with, though newer invoices are there too."""
    november, december, january, february = (date(2025, 11, 1), date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1))
    with database.transaction() as session:
        one = Cut(session, since=november)
        for month in (november, december, january):
            one.run(month)
        services.freeze(
            session, one.services[0], from_on=february, until_on=None, today=date(2026, 1, 20)
        )  # fmt: skip
        one.credit(one.outage(datetime(2025, 12, 10, 9, tzinfo=ALMATY)))
        given = rounded_share(FEE, 312, 44_640)
        figures = bill(session, one.accounts, february)
        assert (figures.credited, figures.credited_minor) == (1, given)
        note = session.scalars(
            select(CreditNote).join(Invoice).where(Invoice.account_id == one.accounts[0].id)
        ).one()  # fmt: skip
        assert session.get_one(Invoice, note.invoice_id).period_on == december
        assert (note.total_minor, note.vat_minor) == (given, vat_inside(given, 1200))
        [line] = session.scalars(
            select(RecalculationLine).where(RecalculationLine.recalculation_id == note.recalculation_id)
        )
        assert (line.total_minor, line.vat_minor) == (-given, -vat_inside(given, 1200))


def test_days_that_are_not_charged_after_all_take_their_credit_with_them(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session, charging=Charging.ARREARS)
        one.run(NOVEMBER)
        one.credit(one.outage())
        process_id, given = leave(session, one, date(2026, 11, 21))
        assert given.total_minor == rounded_share(FEE, 20, 30)
        end(session, one, process_id, date(2026, 11, 21))
        one.run(DECEMBER)
        assert one.charged_minor() == FEE + rounded_share(FEE, 20, 30)


def test_what_was_given_for_days_that_are_not_charged_after_all_is_taken_back(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session, since=NOVEMBER)
        one.run(NOVEMBER)
        one.credit(one.outage())
        figures = bill(session, one.accounts, DECEMBER)
        assert (figures.invoices, figures.invoiced_minor) == (1, FEE - GIVEN)
        process_id, given = leave(session, one, date(2026, 11, 21), on=date(2026, 12, 1))
        assert given.total_minor == rounded_share(FEE, 20, 30) - 2 * FEE + GIVEN
        said = session.execute(
            select(RecalculationLine.description, RecalculationLine.formula, RecalculationLine.total_minor).where(
                RecalculationLine.recalculation_id == given.recalculation_id, RecalculationLine.charge_id.is_not(None)
            )
        ).one()
        assert tuple(said) == (
            "Перерасчёт, Возврат за перерыв связи, Домашний 100, ноябрь 2026 (24)",
            "выставлено ранее: −46,94\u00a0₸",
            GIVEN,
        )
        for _ in range(2):
            end(session, one, process_id, date(2026, 11, 21))
        one.run(JANUARY)
        assert one.charged_minor() == rounded_share(FEE, 20, 30)


def test_a_dry_run_says_what_is_then_given_and_bills_nothing(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session, since=NOVEMBER)
        one.credit(one.outage())
        dry = bill(session, one.accounts, NOVEMBER, dry_run=True)
        assert (dry.invoices, dry.invoiced_minor, one.charged_minor()) == (1, FEE - GIVEN, 0)
        assert bill(session, one.accounts, NOVEMBER).invoiced_minor == FEE - GIVEN


# --- As people see it -------------------------------------------------------------------------------------------------


def test_a_credit_stands_among_the_charges_of_its_service_and_nobody_enters_one(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session)
        outage_id = one.outage()
        one.credit(outage_id)
        [shown] = service_terms.charges(session, one.services[0])
        assert (shown.kind, shown.amount.amount_minor) == (ChargeKind.CREDIT, -GIVEN)
        assert (shown.outage_id, shown.formula) == (outage_id, FORMULA)
    with pytest.raises(ValidationError, match="comes of an outage by itself"):
        NewCharge.model_validate(
            {"kind": "credit", "description": "За терпение", "from": "2026-11-24", "amount": {"amount_minor": 1}}
        )


def test_a_wrong_credit_can_be_taken_away_until_it_is_billed(database: Database) -> None:
    with database.transaction() as session:
        one = Cut(session)
        outage_id = one.outage()
        one.credit(outage_id)
        [shown] = service_terms.charges(session, one.services[0])
        service_terms.end_charge(session, one.services[0], shown.id, on=shown.from_on, today=TODAY)
        assert one.credit(outage_id).credited == 1, "what was decided stays decided"
        one.run(DECEMBER)
        assert one.charged_minor() == 2 * FEE
