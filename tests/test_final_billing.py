"""The end of a service in money: billed to the day, once, in the run's words; and as if it had not been."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from activities import credit_notes, final_billing, invoicing, ledger, service_terms, services, writing_off
from models.contracts.billing import InvoiceKind, InvoiceStatus, NewCreditNote
from models.contracts.catalogue import Charging, SubscriptionStatus
from models.contracts.final_billing import FinalBill
from models.contracts.processes import ProcessKind
from models.contracts.refusals import Refusal
from models.contracts.services import NewCharge, NewDiscount
from models.database import Database
from models.rules.money import rounded_share
from models.tables.billing import CreditNote, CreditNoteLine, Invoice, InvoiceLine, RecalculationLine
from models.tables.catalogue import TariffPrice
from models.tables.ledger import Transfer
from models.tables.people import Account
from models.tables.subscriptions import Charge, Discount, Subscription
from tests import factories
from tests.billing_histories import bill, bill_partition, invoice_lines, run_over, serve

OCTOBER, NOVEMBER, DECEMBER, JANUARY = date(2026, 10, 1), date(2026, 11, 1), date(2026, 12, 1), date(2027, 1, 1)
FEE = 650_000
TODAY = date(2026, 11, 20)
END = date(2026, 11, 26)
"""The first day that is no longer charged: 25 days of November are."""
USED = rounded_share(FEE, 25, 30)


class Leaving:
    """A subscriber with one service who wants to leave, and their disconnection."""

    def __init__(self, session: Session, *, since: date = OCTOBER, **tariff: Any) -> None:
        self.session = session
        self.account: Account = factories.customer(session).account
        self.tariff = factories.tariff(session, first_period_upfront=False, **tariff)
        self.service_id = serve(session, self.account, self.tariff.id, since=since)
        self.process_id = factories.process(
            session, kind=ProcessKind.DISCONNECTION, account=self.account, subscription_id=self.service_id
        ).id

    @property
    def service(self) -> Subscription:
        return self.session.get_one(Subscription, self.service_id)

    def run(self, month: date, *, on: date | None = None) -> None:
        assert bill(self.session, [self.account], month, issued_on=on).exceptions == 0

    def pay(self, amount_minor: int) -> None:
        factories.pay(self.session, factories.bank(self.session).row.id, self.account, amount_minor)

    def preview(self, end_on: date = END, *, on: date = TODAY) -> int:
        return final_billing.preview(self.session, self.service_id, end_on=end_on, on=on).total.amount_minor

    def issue(self, end_on: date = END, *, on: date = TODAY) -> FinalBill:
        return final_billing.issue(
            self.session, process_id=self.process_id, subscription_id=self.service_id, end_on=end_on, issued_on=on,
            due_on=on,
        )  # fmt: skip

    def end(self, on: date, *, today: date | None = None) -> FinalBill:
        return final_billing.end_service(
            self.session, process_id=self.process_id, subscription_id=self.service_id, on=on, today=today or on,
            due_on=today or on,
        )  # fmt: skip

    def give_up(self, on: date = TODAY) -> FinalBill | None:
        return final_billing.give_up(
            self.session, process_id=self.process_id, subscription_id=self.service_id, issued_on=on, due_on=on
        )

    def documents(self) -> list[tuple[InvoiceKind, int]]:
        rows = self.session.execute(
            select(Invoice.kind, Invoice.total_minor).where(Invoice.account_id == self.account.id).order_by(Invoice.id)
        )
        return [(row.kind, row.total_minor) for row in rows]

    def credited(self) -> list[int]:
        rows = self.session.scalars(
            select(CreditNote.total_minor)
            .join(Invoice, Invoice.id == CreditNote.invoice_id)
            .where(Invoice.account_id == self.account.id)
            .order_by(CreditNote.id)
        )
        return list(rows)

    def charged_minor(self) -> int:
        """Invoiced less credited."""
        return sum(total for _, total in self.documents()) - sum(self.credited())

    def balance_minor(self) -> int:
        return ledger.balance_minor(self.session, self.account.id)

    def is_sound(self) -> bool:
        return ledger.check(self.session, account_id=self.account.id) == []


def test_what_was_charged_in_advance_is_given_back_to_the_day(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session)
        one.pay(2 * FEE)
        for month in (OCTOBER, NOVEMBER):
            one.run(month)
        assert one.balance_minor() == 0
        assert one.preview() == USED - FEE
        given = one.issue()
        assert (given.total_minor, given.credited_minor, given.invoice_id) == (USED - FEE, FEE - USED, None)
        [note_id] = given.credit_note_ids
        note = session.get_one(CreditNote, note_id)
        november = session.scalars(
            select(Invoice).where(Invoice.account_id == one.account.id, Invoice.period_on == NOVEMBER)
        ).one()
        assert (note.invoice_id, note.reason) == (november.id, "окончательный расчёт")
        assert ledger.advance_minor(session, one.account.id) == FEE - USED, "the money is theirs again"
        assert one.is_sound()


def test_what_is_given_back_says_how_it_was_reckoned_in_the_words_of_a_run(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session)
        one.run(OCTOBER)
        one.run(NOVEMBER)
        shown = final_billing.preview(session, one.service_id, end_on=END, on=TODAY)
        given = one.issue()
        lines = session.scalars(
            select(RecalculationLine)
            .where(RecalculationLine.recalculation_id == given.recalculation_id)
            .order_by(RecalculationLine.line_no)
        ).all()
        assert [(line.description, line.formula) for line in lines] == [
            ("Перерасчёт, Домашний 100, ноябрь 2026", "выставлено ранее: 6\u00a0500,00\u00a0₸"),
            ("Абонентская плата, Домашний 100, ноябрь 2026 (1–25)", "6\u00a0500,00\u00a0₸ × 25/30 дней"),
        ]
        said = [(line.description, line.formula, line.total_minor) for line in lines]
        assert [(line.description, line.formula, line.total.amount_minor) for line in shown.lines] == said
        [note] = credit_notes.views(session, [session.get_one(CreditNote, one) for one in given.credit_note_ids])
        assert [(line.description, line.formula, line.total.amount_minor) for line in note.reckoning] == said


def test_a_preview_writes_nothing(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session)
        one.run(NOVEMBER)
        own = select(func.count()).select_from(Transfer).where(Transfer.account_id == one.account.id)
        transfers = session.scalar(own)
        before = one.charged_minor()
        one.preview()
        assert session.scalar(own) == transfers
        assert (one.charged_minor(), one.service.ending_on) == (before, None)


def test_days_that_nobody_has_charged_yet_are_an_invoice(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session, charging=Charging.ARREARS)
        one.run(OCTOBER)
        one.run(NOVEMBER)
        assert one.preview() == USED
        first, again = one.issue(), one.issue(date(2026, 11, 28), on=date(2026, 11, 21))
        assert first == again, "one final invoice for a process"
        assert first.invoice_id is not None
        view = invoicing.view(session, first.invoice_id)
        assert (view.kind, view.status, view.total.amount_minor) == (InvoiceKind.FINAL, InvoiceStatus.OPEN, USED)
        assert [(line.description, line.formula) for line in view.lines] == [
            ("Абонентская плата, Домашний 100, ноябрь 2026 (1–25)", "6\u00a0500,00\u00a0₸ × 25/30 дней")
        ]
        assert view.process_id == one.process_id
        assert one.is_sound()


def test_an_advance_covers_the_final_invoice_at_once(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session, since=NOVEMBER, charging=Charging.ARREARS)
        one.pay(FEE)
        invoice_id = one.issue().invoice_id
        assert invoice_id is not None
        assert invoicing.outstanding_minor(session, invoice_id) == 0
        assert one.balance_minor() == FEE - USED
        assert one.is_sound()


def test_where_nothing_is_owed_either_way_nothing_is_issued(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session)
        one.run(OCTOBER)
        one.run(NOVEMBER)
        for _ in range(2):
            assert one.issue(DECEMBER) == FinalBill(total_minor=0)
        assert final_billing.of_process(session, one.process_id) is None
        assert one.service.ending_on == DECEMBER
        one.run(DECEMBER)
        assert one.documents() == [(InvoiceKind.RECURRING, FEE)] * 2, "December is not charged any more"


def test_after_a_final_invoice_runs_neither_charge_nor_correct_the_service(database: Database) -> None:
    """Though nobody has dismantled anything yet, and the days of the service go on."""
    with database.transaction() as session:
        ahead, behind = Leaving(session), Leaving(session, charging=Charging.ARREARS)
        for one in (ahead, behind):
            for month in (OCTOBER, NOVEMBER):
                one.run(month)
            one.issue()
            charged = one.charged_minor()
            for month in (DECEMBER, JANUARY):
                one.run(month)
            assert one.charged_minor() == charged == FEE + USED
            assert one.is_sound()


def test_the_final_invoice_of_a_later_month_charges_both_months_and_the_run_adds_nothing(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session, since=NOVEMBER)
        given = one.issue(date(2026, 12, 11))
        assert given.total_minor == FEE + rounded_share(FEE, 10, 31)
        one.run(NOVEMBER, on=date(2026, 11, 21))
        one.run(DECEMBER)
        assert one.documents() == [(InvoiceKind.FINAL, given.total_minor)]


@pytest.mark.parametrize(("ended_on", "charged_days"), [(date(2026, 11, 23), 22), (END, 25), (date(2026, 12, 3), 25)])
def test_an_earlier_end_is_given_back_and_a_late_dismantling_is_not_charged(
    database: Database, ended_on: date, charged_days: int
) -> None:
    with database.transaction() as session:
        one = Leaving(session, since=NOVEMBER, charging=Charging.ARREARS)
        one.issue()
        if ended_on > DECEMBER:
            one.run(DECEMBER)
        first, again = one.end(ended_on), one.end(ended_on, today=date(2026, 12, 4))
        assert first == again
        assert one.charged_minor() == rounded_share(FEE, charged_days, 30)
        assert one.service.status is SubscriptionStatus.TERMINATED
        assert (one.service.active_to, one.service.ending_on) == (min(ended_on, END), None)
        for month in (DECEMBER, JANUARY):
            one.run(month)
        assert one.charged_minor() == rounded_share(FEE, charged_days, 30)
        assert one.is_sound()


def test_an_end_without_a_final_invoice_is_billed_by_itself(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session)
        one.run(NOVEMBER)
        assert one.end(END).total_minor == USED - FEE
        behind = Leaving(session, since=NOVEMBER, charging=Charging.ARREARS)
        assert behind.end(END).total_minor == USED
        assert behind.documents() == [(InvoiceKind.FINAL, USED)]


def test_whoever_leaves_on_the_first_day_of_a_month_gets_the_whole_month_back(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session)
        for month in (OCTOBER, NOVEMBER, DECEMBER):
            one.run(month)
        assert one.end(DECEMBER).total_minor == -FEE
        assert one.charged_minor() == 2 * FEE
        assert one.is_sound()


def test_a_service_is_given_back_out_of_the_lines_that_charged_it(database: Database) -> None:
    """The other service of the account keeps what it was charged, line by line."""
    with database.transaction() as session:
        one = Leaving(session)
        other = serve(session, one.account, factories.tariff(session, fee_minor=1_000_000).id, since=OCTOBER)
        one.run(OCTOBER)
        one.run(NOVEMBER)
        one.issue()
        touched = session.execute(
            select(InvoiceLine.subscription_id, InvoiceLine.service_month_on, CreditNoteLine.total_minor)
            .join(CreditNote, CreditNote.invoice_id == InvoiceLine.invoice_id)
            .join(
                CreditNoteLine,
                (CreditNoteLine.credit_note_id == CreditNote.id) & (CreditNoteLine.line_no == InvoiceLine.line_no),
            )
            .where(InvoiceLine.subscription_id.in_([one.service_id, other]))
        ).all()
        assert touched == [(one.service_id, NOVEMBER, FEE - USED)]


def test_more_than_an_invoice_holds_comes_out_of_the_one_before(database: Database) -> None:
    """A favour of accounting has left little of November's invoice: the rest is taken out of October's."""
    with database.transaction() as session:
        one = Leaving(session)
        one.run(OCTOBER)
        one.run(NOVEMBER)
        november = session.scalars(
            select(Invoice.id).where(Invoice.account_id == one.account.id, Invoice.period_on == NOVEMBER)
        ).one()
        favour = NewCreditNote.model_validate({"amount": {"amount_minor": FEE - 1_000}, "reason": "за простой"})
        credit_notes.issue(session, november, favour, on=TODAY, actor="test", limit_minor=None)
        given = one.issue()
        assert given.credited_minor == FEE - USED
        assert one.credited() == [FEE - 1_000, 1_000, FEE - USED - 1_000]
        assert one.is_sound()


def test_nothing_is_given_back_that_accounting_gave_back_already(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session, since=NOVEMBER)
        one.run(NOVEMBER)
        invoice_id = session.scalars(select(Invoice.id).where(Invoice.account_id == one.account.id)).one()
        credit_notes.issue(
            session, invoice_id, NewCreditNote(reason="за простой"), on=TODAY, actor="test", limit_minor=None
        )
        given = one.issue()
        assert (given.total_minor, given.credited_minor, given.credit_note_ids) == (USED - FEE, 0, [])
        one.run(DECEMBER)
        assert one.charged_minor() == 0
        assert one.is_sound()


def test_a_final_invoice_that_races_the_run_comes_to_the_same(database: Database) -> None:
    with database.transaction() as session:
        leaving = [Leaving(session) for _ in range(6)]
        for month in (OCTOBER, NOVEMBER):
            bill(session, [one.account for one in leaving], month)
        run_id = run_over(session, [one.account for one in leaving], DECEMBER)
    start = threading.Barrier(2)

    def run() -> None:
        start.wait()
        with database.transaction() as session:
            bill_partition(session, run_id)

    def leave() -> None:
        start.wait()
        for one in leaving:
            with database.transaction() as session:
                one.session = session
                one.issue(on=DECEMBER)

    with ThreadPoolExecutor(2) as threads:
        for job in [threads.submit(run), threads.submit(leave)]:
            job.result()
    with database.transaction() as session:
        for one in leaving:
            one.session = session
            assert one.charged_minor() == FEE + USED
            assert one.is_sound()


# --- Given up --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_paid", [False, True])
def test_a_final_invoice_that_is_given_up_is_credited_and_the_next_run_charges_as_ever(
    database: Database, *, is_paid: bool
) -> None:
    with database.transaction() as session:
        one = Leaving(session, since=NOVEMBER, charging=Charging.ARREARS)
        invoice_id = one.issue().invoice_id
        assert invoice_id is not None
        if is_paid:
            one.pay(USED)
        for _ in range(2):
            assert one.give_up() is None
        assert invoicing.view(session, invoice_id).status is InvoiceStatus.CREDITED
        assert one.balance_minor() == (USED if is_paid else 0), "what was paid is an advance again"
        assert one.service.ending_on is None
        one.run(DECEMBER)
        assert [line.total_minor for line in invoice_lines(session, one.account, DECEMBER)] == [FEE]
        assert one.charged_minor() == FEE
        assert one.is_sound()


def test_what_was_given_back_is_charged_again_at_once_when_the_service_goes_on(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session, since=NOVEMBER)
        one.pay(FEE)
        one.run(NOVEMBER)
        one.issue()
        assert one.balance_minor() == FEE - USED
        made_up = one.give_up()
        assert made_up == one.give_up(date(2026, 11, 21))
        assert made_up is not None
        assert made_up.invoice_id is not None
        assert [(line.description, line.formula) for line in invoicing.view(session, made_up.invoice_id).lines] == [
            ("Перерасчёт, Домашний 100, ноябрь 2026", "выставлено ранее: −1\u00a0083,33\u00a0₸")
        ]
        assert (one.balance_minor(), one.charged_minor()) == (0, FEE), "the world is as it was"
        one.run(DECEMBER)
        assert [line.total_minor for line in invoice_lines(session, one.account, DECEMBER)] == [FEE]
        assert one.is_sound()


def test_months_that_runs_have_closed_meanwhile_are_made_up_at_once(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session)
        for month in (OCTOBER, NOVEMBER):
            one.run(month)
        one.issue()
        for month in (DECEMBER, JANUARY):
            one.run(month)
        assert one.charged_minor() == FEE + USED
        made_up = one.give_up(date(2027, 1, 5))
        assert made_up is not None
        assert made_up.total_minor == FEE - USED + FEE, "the rest of November, and December"
        assert one.give_up(date(2027, 1, 6)) == made_up
        assert one.documents()[-1] == (InvoiceKind.CORRECTION, made_up.total_minor)
        one.run(date(2027, 2, 1))
        assert one.charged_minor() == 5 * FEE
        assert one.is_sound()


def test_a_month_that_runs_left_out_is_made_up_though_nothing_stood_on_the_final_invoice(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session, since=NOVEMBER)
        one.run(NOVEMBER)
        one.issue(DECEMBER)
        for month in (DECEMBER, JANUARY):
            one.run(month)
        made_up = one.give_up(date(2027, 1, 5))
        assert made_up is not None
        assert made_up.total_minor == FEE


def test_a_final_invoice_credited_in_part_keeps_that_favour(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session, since=NOVEMBER, charging=Charging.ARREARS)
        invoice_id = one.issue().invoice_id
        assert invoice_id is not None
        favour = NewCreditNote.model_validate({"amount": {"amount_minor": 100_000}, "reason": "за простой"})
        credit_notes.issue(session, invoice_id, favour, on=TODAY, actor="test", limit_minor=None)
        one.give_up()
        one.run(DECEMBER)
        assert one.charged_minor() == FEE - 100_000
        assert one.is_sound()


def test_a_favour_that_left_nothing_to_give_back_holds_when_the_service_goes_on(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session, since=NOVEMBER)
        one.run(NOVEMBER)
        invoice_id = session.scalars(select(Invoice.id).where(Invoice.account_id == one.account.id)).one()
        free = NewCreditNote(reason="за простой")
        credit_notes.issue(session, invoice_id, free, on=TODAY, actor="test", limit_minor=None)
        one.issue()
        for _ in range(2):
            one.give_up()
        assert one.charged_minor() == 0, "November stays free"
        one.run(DECEMBER)
        assert one.charged_minor() == FEE
        assert one.is_sound()


def test_a_written_off_final_invoice_that_is_given_up_leaves_no_money_behind(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session, since=NOVEMBER, charging=Charging.ARREARS)
        invoice_id = one.issue().invoice_id
        assert invoice_id is not None
        one.pay(1_000)
        writing_off.write_off(
            session, account_id=one.account.id, reason="безнадёжный долг", approved_by="raushan", key="k", on=TODAY,
            actor="test",
        )  # fmt: skip
        assert invoicing.view(session, invoice_id).status is InvoiceStatus.WRITTEN_OFF
        one.give_up()
        assert one.balance_minor() == 1_000, "only what was really paid"
        assert one.is_sound()


# --- Services that are not simply active ------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["suspended", "frozen"])
def test_days_without_service_are_not_charged_at_the_end_either(database: Database, state: str) -> None:
    with database.transaction() as session:
        one = Leaving(session)
        one.run(OCTOBER)
        one.run(NOVEMBER)
        if state == "suspended":
            services.suspend(session, one.service_id, on=date(2026, 11, 11), today=date(2026, 11, 11))
        else:
            services.freeze(session, one.service_id, from_on=date(2026, 11, 11), until_on=None, today=TODAY)
        given = one.issue()
        assert given.total_minor == rounded_share(FEE, 10, 30) - FEE
        one.end(END)
        assert [period.until_on for period in services.days_of(session, one.service_id).periods][-1] == END
        one.run(DECEMBER)
        assert one.charged_minor() == FEE + rounded_share(FEE, 10, 30)
        assert one.is_sound()


def test_charges_and_discounts_end_with_the_service(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session)
        rent, later = (
            service_terms.add_charge(
                session, one.service_id,
                NewCharge.model_validate(
                    {"kind": "equipment", "description": "Аренда роутера", "from": since,
                     "amount": {"amount_minor": 30_000}}
                ),
                actor="test", today=TODAY,
            ).charge.id
            for since in (NOVEMBER, date(2026, 12, 5))
        )  # fmt: skip
        discount = NewDiscount.model_validate({"title": "Друзья", "percent": 10, "from": NOVEMBER})
        discount_id = service_terms.add_discount(
            session, one.service_id, discount, actor="test", today=TODAY
        ).discount.id
        one.run(NOVEMBER)
        one.end(END)
        session.expire_all()
        assert session.get_one(Charge, rent).during == Range(NOVEMBER, END)
        assert session.get_one(Discount, discount_id).during == Range(NOVEMBER, END)
        assert session.get(Charge, later) is None
        one.run(DECEMBER)
        november = rounded_share(585_000, 25, 30) + rounded_share(30_000, 25, 30)
        assert one.charged_minor() - FEE == november, "October was made up by the run of November"
        assert one.is_sound()


def test_what_is_charged_once_stands_on_the_final_invoice_and_on_the_next_bill_when_that_is_given_up(
    database: Database,
) -> None:
    with database.transaction() as session:
        one = Leaving(session, since=NOVEMBER, charging=Charging.ARREARS)
        visit = NewCharge.model_validate(
            {"kind": "one_off", "description": "Выезд мастера", "from": TODAY, "amount": {"amount_minor": 300_000}}
        )
        service_terms.add_charge(session, one.service_id, visit, actor="test", today=TODAY)
        assert one.issue().total_minor == USED + 300_000
        one.give_up()
        one.run(DECEMBER)
        assert one.charged_minor() == FEE + 300_000
        one.run(JANUARY)
        assert one.charged_minor() == 2 * FEE + 300_000, "and never again"


# --- Refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "end_on", "slug"),
    [
        (SubscriptionStatus.PENDING, END, "service_not_active"),
        (SubscriptionStatus.TERMINATED, END, "service_not_active"),
        (SubscriptionStatus.ACTIVE, date(2026, 9, 30), "end_before_start"),
    ],
)
def test_only_a_service_that_lasts_is_billed_to_its_end(
    database: Database, status: SubscriptionStatus, end_on: date, slug: str
) -> None:
    with database.transaction() as session:
        one = Leaving(session)
        if status is SubscriptionStatus.PENDING:
            one.service_id = factories.subscription(session, one.account).id
        elif status is SubscriptionStatus.TERMINATED:
            services.terminate(session, one.service_id, on=TODAY, today=TODAY)
        for what in (one.preview, one.issue):
            with pytest.raises(Refusal) as refused:
                what(end_on)
            assert refused.value.slug == slug


def test_a_day_without_a_price_is_refused_and_leaves_nothing(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session, fee_minor=None)
        session.add(
            TariffPrice(tariff_id=one.tariff.id, valid=Range(date(2020, 1, 1), date(2026, 11, 10)), fee_minor=1)
        )
        session.flush()
        with pytest.raises(Refusal) as refused:
            one.issue()
        assert refused.value.slug == "tariff_price_missing"
        assert (one.documents(), one.service.ending_on) == ([], None)


def test_giving_up_what_was_never_begun_does_nothing(database: Database) -> None:
    with database.transaction() as session:
        one = Leaving(session)
        assert one.give_up() is None
        one.end(END)
        assert one.give_up() is None
        assert one.service.status is SubscriptionStatus.TERMINATED
