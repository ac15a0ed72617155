"""One partition of a billing run: what it issues, whom it can't bill, and that it is done once."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import Session

from activities import billing_run, credit_notes, invoicing, ledger
from activities.billing_run import bill_account, exceptions_page, open_run, progress
from models.contracts.billing import BillingProblem, InvoiceStatus, NewCreditNote
from models.contracts.billing_run import BillingPolicy, PartitionFigures, RunOrder, first_day_of
from models.contracts.catalogue import ChargeKind, Charging
from models.contracts.processes import ProcessKind
from models.contracts.refusals import Refusal
from models.database import Database
from models.rules.money import rounded_share
from models.tables.billing import CreditNote, Invoice, InvoiceLine, NumberSeries, RecalculationLine
from models.tables.catalogue import TariffPrice
from models.tables.ledger import Transfer
from models.tables.people import Account
from models.tables.subscriptions import Charge, ServicePeriod, Subscription
from tests import factories
from tests.billing_histories import LONG_AGO, bill, bill_partition, invoice_lines, run_over, serve
from tests.databases import database_of_its_own

OCTOBER = date(2026, 10, 1)
NOVEMBER = date(2026, 11, 1)
DECEMBER = date(2026, 12, 1)
FEE = 650_000


def served(session: Session, *, since: date = NOVEMBER, fee_minor: int | None = FEE) -> Account:
    """An account with one service, charged in advance."""
    account = factories.customer(session).account
    serve(session, account, factories.tariff(session, fee_minor=fee_minor).id, since=since)
    return account


def audit(session: Session, *accounts: Account) -> list[ledger.Finding]:
    return [finding for account in accounts for finding in ledger.check(session, account_id=account.id)]


def invoice_of(session: Session, account: Account, period_on: date) -> Invoice:
    return session.scalars(
        select(Invoice).where(Invoice.account_id == account.id, Invoice.period_on == period_on)
    ).one()


def test_a_month_is_charged_ahead_with_a_sentence_for_its_sum(database: Database) -> None:
    with database.transaction() as session:
        account = served(session)
        figures = bill(session, [account], NOVEMBER)
        [line] = invoice_lines(session, account, NOVEMBER)
        assert line.description == "Абонентская плата, Домашний 100, ноябрь 2026"
        assert line.formula == "6\u00a0500,00\u00a0₸ × 30/30 дней"
        assert (line.total_minor, line.vat_minor, line.vat_rate_bp) == (650_000, 89_655, 1600)
        assert (line.service_month_on, line.charge_id) == (NOVEMBER, None)
        invoice = invoice_of(session, account, NOVEMBER)
        assert (invoice.total_minor, invoice.due_on) == (650_000, date(2026, 11, 11))
        assert invoicing.view(session, invoice.id).status is InvoiceStatus.OPEN
        assert (figures.invoices, figures.invoiced_minor, figures.nothing_due) == (1, 650_000, 0)
        assert ledger.debt_minor(session, account.id) == 650_000
        assert audit(session, account) == []


def test_a_month_in_arrears_is_charged_when_it_is_over(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        tariff = factories.tariff(session, charging=Charging.ARREARS)
        serve(session, account, tariff.id, since=date(2026, 11, 14))
        assert bill(session, [account], NOVEMBER).nothing_due == 1
        bill(session, [account], DECEMBER)
        [line] = invoice_lines(session, account, DECEMBER)
        assert line.description == "Абонентская плата, Домашний 100, ноябрь 2026 (14–30)"
        assert line.formula == "6\u00a0500,00\u00a0₸ × 17/30 дней"
        assert line.total_minor == 368_333


def test_a_service_that_stopped_within_a_month_charged_ahead_gets_the_rest_back(database: Database) -> None:
    with database.transaction() as session:
        account = served(session)
        other = serve(session, account, factories.tariff(session, fee_minor=1_000_000).id, since=NOVEMBER)
        bill(session, [account], NOVEMBER)
        session.execute(
            update(ServicePeriod)
            .where(ServicePeriod.subscription_id != other, ServicePeriod.during == Range(NOVEMBER, None))
            .where(ServicePeriod.subscription_id.in_(_services_of(session, account)))
            .values(during=Range(NOVEMBER, date(2026, 11, 11)))
        )
        bill(session, [account], DECEMBER)
        lines = invoice_lines(session, account, DECEMBER)
        assert sorted(line.total_minor for line in lines) == [-650_000, 216_667, 1_000_000]
        taken_back = next(line for line in lines if line.total_minor < 0)
        assert taken_back.description == "Перерасчёт, Домашний 100, ноябрь 2026"
        assert taken_back.formula == "выставлено ранее: 6\u00a0500,00\u00a0₸"
        assert audit(session, account) == []


def _services_of(session: Session, account: Account) -> list[UUID]:
    periods = select(ServicePeriod.subscription_id)
    billed = select(InvoiceLine.subscription_id).join(Invoice).where(Invoice.account_id == account.id)
    return list(session.scalars(periods.where(ServicePeriod.subscription_id.in_(billed))))


@pytest.mark.parametrize(
    ("active_from", "made_up"), [(date(2026, 10, 1), []), (date(2026, 10, 14), [-650_000, 377_419])]
)
def test_the_first_month_of_a_connection_invoice_counts_as_billed(
    database: Database, active_from: date, made_up: list[int]
) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        tariff = factories.tariff(session)
        service = serve(session, account, tariff.id, since=active_from)
        connection = factories.process(session, account=account, subscription_id=service)
        invoicing.issue_connection_invoice(
            session, process_id=connection.id, account_id=account.id, tariff_id=tariff.id, equipment=[],
            issued_on=date(2026, 9, 28), due_on=date(2026, 10, 5),
        )  # fmt: skip
        bill(session, [account], NOVEMBER)
        amounts = [line.total_minor for line in invoice_lines(session, account, NOVEMBER)]
        assert amounts == [*made_up, 650_000]
        assert audit(session, account) == []


def test_a_charge_of_one_day_is_billed_once(database: Database) -> None:
    with database.transaction() as session:
        account = served(session)
        [service] = session.scalars(select(Subscription.id).where(Subscription.account_id == account.id))
        day = date(2026, 11, 20)
        session.add(
            Charge(
                subscription_id=service, kind=ChargeKind.ONE_OFF, description="Выезд мастера", amount_minor=300_000,
                during=Range(day, date(2026, 11, 21)), created_by="test",
            )
        )  # fmt: skip
        session.flush()
        for period in (NOVEMBER, DECEMBER):
            bill(session, [account], period)
        lines = invoice_lines(session, account, NOVEMBER) + invoice_lines(session, account, DECEMBER)
        assert [(line.description, line.formula) for line in lines if line.charge_id] == [
            ("Выезд мастера", "3\u00a0000,00\u00a0₸ × 1")
        ]


def test_a_correction_over_a_change_of_the_vat_rate_takes_each_rate_back_as_it_was(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        tariff = factories.tariff(session)
        january = date(2026, 1, 1)
        service = serve(session, account, tariff.id, since=january)
        connection = factories.process(session, account=account, subscription_id=service)
        invoicing.issue_connection_invoice(
            session, process_id=connection.id, account_id=account.id, tariff_id=tariff.id, equipment=[],
            issued_on=date(2025, 12, 28), due_on=date(2025, 12, 30),
        )  # fmt: skip
        session.execute(
            update(ServicePeriod)
            .where(ServicePeriod.subscription_id == service)
            .values(during=Range(january, date(2026, 2, 1)))
        )
        bill(session, [account], date(2026, 2, 1))
        lines = invoice_lines(session, account, date(2026, 2, 1))
        assert [(line.total_minor, line.vat_rate_bp) for line in lines] == [(-650_000, 1200), (650_000, 1600)]
        invoice = invoice_of(session, account, date(2026, 2, 1))
        assert (invoice.total_minor, invoice.net_minor) == (0, -invoice.vat_minor)
        assert audit(session, account) == []


def test_running_a_month_twice_adds_nothing(database: Database) -> None:
    with database.transaction() as session:
        accounts = [served(session) for _ in range(3)]
        run_id = run_over(session, accounts, NOVEMBER)
        first = bill_partition(session, run_id)
    with database.transaction() as session:
        posted = session.scalar(select(func.count()).select_from(Transfer))
        assert bill_partition(session, run_id) == first
        again = bill(session, accounts, NOVEMBER)
        assert (again.invoices, again.nothing_due) == (0, 3)
        assert session.scalar(select(func.count()).select_from(Transfer)) == posted


def test_a_dry_run_says_what_is_then_issued_and_posts_nothing(database: Database) -> None:
    with database.transaction() as session:
        accounts = [served(session), served(session, fee_minor=None), served(session, since=DECEMBER)]
        numbers = last_numbers(session)
        run_id = run_over(session, accounts, NOVEMBER, dry_run=True)
        preview = bill_partition(session, run_id)
        assert last_numbers(session) == numbers
        assert all(invoice_lines(session, account, NOVEMBER) == [] for account in accounts)
        assert all(ledger.debt_minor(session, account.id) == 0 for account in accounts)
        listed, _ = exceptions_page(session, run_id, limit=10)
        assert [exception.account_no for exception in listed] == [accounts[1].account_no]
        assert bill(session, accounts, NOVEMBER) == preview


def last_numbers(session: Session) -> dict[tuple[str, int], int]:
    """The last number of each series and year."""
    series = session.execute(select(NumberSeries.series, NumberSeries.year, NumberSeries.last))
    return {(name, year): last for name, year, last in series}


def breaks(session: Session, reason: BillingProblem) -> Account:
    """An account that can't be billed for November."""
    if reason is BillingProblem.NO_PRICE:
        return served(session, fee_minor=None)
    if reason is BillingProblem.AMOUNT_BEYOND_LIMIT:
        return served(session, fee_minor=9 * 10**18)
    account = left_on_the_second(session)
    credit_notes.issue(
        session, invoice_of(session, account, OCTOBER).id, NewCreditNote(reason="за простой"), on=OCTOBER, actor="test",
        limit_minor=None,
    )  # fmt: skip
    return account


def left_on_the_second(session: Session) -> Account:
    """An account that was billed for the whole of October, and whose service ended on its second day."""
    account = served(session, since=OCTOBER)
    bill(session, [account], OCTOBER)
    session.execute(
        update(ServicePeriod)
        .where(ServicePeriod.subscription_id.in_(_services_of(session, account)))
        .values(during=Range(OCTOBER, date(2026, 10, 2)))
    )
    return account


@pytest.mark.parametrize(
    "reason", [BillingProblem.NO_PRICE, BillingProblem.AMOUNT_BEYOND_LIMIT, BillingProblem.NEGATIVE_TOTAL]
)
def test_an_account_that_cant_be_billed_is_listed_and_sinks_nobody_else(
    database: Database, reason: BillingProblem
) -> None:
    with database.transaction() as session:
        accounts = [served(session), breaks(session, reason), served(session)]
        run_id = run_over(session, accounts, NOVEMBER)
        figures = bill_partition(session, run_id)
        assert (figures.invoices, figures.exceptions, figures.nothing_due) == (2, 1, 0)
        [exception], following = exceptions_page(session, run_id, limit=10)
        assert (exception.reason, exception.account_no, following) == (reason, accounts[1].account_no, None)
        assert exception.detail
        assert invoice_lines(session, accounts[1], NOVEMBER) == []
        assert audit(session, *accounts) == []
        with pytest.raises(Refusal) as refusal:
            bill_account(session, run_id, accounts[1].id, on=date(2026, 11, 5))
        assert refusal.value.slug == f"account_{reason}"


def credit_notes_of(session: Session, account: Account) -> list[CreditNote]:
    """Oldest first."""
    return list(
        session.scalars(
            select(CreditNote)
            .join(Invoice, Invoice.id == CreditNote.invoice_id)
            .where(Invoice.account_id == account.id)
            .order_by(CreditNote.id)
        )
    )


def test_who_gets_back_more_than_is_charged_gets_a_credit_note_with_the_reckoning(database: Database) -> None:
    day = rounded_share(FEE, 1, 31)
    with database.transaction() as session:
        account = left_on_the_second(session)
        bank = factories.bank(session).row
        factories.pay(session, bank.id, account, FEE)
        figures = bill(session, [account, served(session)], NOVEMBER)
        assert (figures.invoices, figures.exceptions, figures.nothing_due) == (1, 0, 0)
        assert (figures.credited, figures.credited_minor) == (1, FEE - day)
        assert invoice_lines(session, account, NOVEMBER) == []
        [note] = credit_notes_of(session, account)
        assert (note.invoice_id, note.total_minor) == (invoice_of(session, account, OCTOBER).id, FEE - day)
        assert note.reason == "перерасчёт за октябрь 2026"
        lines = session.scalars(
            select(RecalculationLine)
            .where(RecalculationLine.recalculation_id == note.recalculation_id)
            .order_by(RecalculationLine.line_no)
        ).all()
        assert [(line.description, line.formula, line.total_minor) for line in lines] == [
            ("Перерасчёт, Домашний 100, октябрь 2026", "выставлено ранее: 6\u00a0500,00\u00a0₸", -FEE),
            ("Абонентская плата, Домашний 100, октябрь 2026 (1)", "6\u00a0500,00\u00a0₸ × 1/31 дней", day),
        ]
        assert ledger.standing_of(session, account.id) == (0, FEE - day), "what was paid is their money again"
        assert bill(session, [account], NOVEMBER).nothing_due == 1, "once"
        assert bill(session, [account], DECEMBER).nothing_due == 1
        assert audit(session, account) == []


def test_what_is_given_back_covers_what_else_is_owed(database: Database) -> None:
    with database.transaction() as session:
        account = left_on_the_second(session)
        factories.pay(session, factories.bank(session).row.id, account, FEE)
        owed = factories.connection_invoice(session, account, 1_000_000)
        bill(session, [account], NOVEMBER)
        left = 1_000_000 - (FEE - rounded_share(FEE, 1, 31))
        assert invoicing.outstanding_minor(session, owed.id) == left
        assert ledger.standing_of(session, account.id) == (left, 0)
        assert audit(session, account) == []


def test_a_dry_run_says_how_much_would_be_given_back_and_gives_nothing(database: Database) -> None:
    with database.transaction() as session:
        account = left_on_the_second(session)
        preview = bill(session, [account], NOVEMBER, dry_run=True)
        assert credit_notes_of(session, account) == []
        assert bill(session, [account], NOVEMBER) == preview
        assert preview.credited == 1
        assert len(credit_notes_of(session, account)) == 1


def test_an_exception_that_turns_out_negative_is_given_back_when_it_is_billed_alone(database: Database) -> None:
    with database.transaction() as session:
        account = left_on_the_second(session)
        unpriced = factories.tariff(session, fee_minor=None)
        serve(session, account, unpriced.id, since=date(2026, 10, 31), until=NOVEMBER)
        run_id = run_over(session, [account], NOVEMBER)
        assert bill_partition(session, run_id).exceptions == 1
        session.add(TariffPrice(tariff_id=unpriced.id, valid=Range(LONG_AGO, None), fee_minor=31_000))
        session.flush()
        for _ in range(2):
            assert bill_account(session, run_id, account.id, on=date(2026, 11, 5)).invoice_id is None
        [note] = credit_notes_of(session, account)
        assert (note.total_minor, note.issued_on) == (FEE - rounded_share(FEE, 1, 31) - 1_000, date(2026, 11, 5))
        standing = progress(session, run_id)
        assert (standing.exceptions, standing.nothing_due, standing.subscribers_credited) == (0, 0, 1)
        assert standing.credited.amount_minor == note.total_minor
        assert audit(session, account) == []


def test_many_accounts_get_their_money_back_in_one_partition(database: Database) -> None:
    with database.transaction() as session:
        accounts = [left_on_the_second(session) for _ in range(4)]
        bank_id = factories.bank(session).row.id
        for account in accounts[:2]:
            factories.pay(session, bank_id, account, FEE + 1)
        figures = bill(session, accounts, NOVEMBER)
        assert (figures.credited, figures.credited_minor) == (4, 4 * (FEE - rounded_share(FEE, 1, 31)))
        numbers = [note.number for account in accounts for note in credit_notes_of(session, account)]
        assert len(set(numbers)) == 4
        assert [ledger.balance_minor(session, account.id) for account in accounts] == [
            FEE + 1 - rounded_share(FEE, 1, 31)] * 2 + [-rounded_share(FEE, 1, 31)] * 2  # fmt: skip
        assert audit(session, *accounts) == []


def test_days_without_a_vat_rate_are_an_exception(database: Database) -> None:
    """The first VAT rate of the reference data holds from 2009 on."""
    december = date(2008, 12, 1)
    with database.transaction() as session:
        account = factories.customer(session).account
        tariff = factories.tariff(session, priced_from=date(2000, 1, 1))
        serve(session, account, tariff.id, since=december)
        run_id = run_over(session, [account], december)
        assert bill_partition(session, run_id).exceptions == 1
        [exception], _ = exceptions_page(session, run_id, limit=10)
        assert exception.reason is BillingProblem.NO_TAX_RATE


def test_a_gap_of_one_day_in_a_price_is_an_exception(database: Database) -> None:
    with database.transaction() as session:
        account = factories.customer(session).account
        tariff = factories.tariff(session, fee_minor=None)
        days = ((LONG_AGO, date(2026, 11, 10)), (date(2026, 11, 11), None))
        session.add_all(TariffPrice(tariff_id=tariff.id, valid=Range(*valid), fee_minor=FEE) for valid in days)
        serve(session, account, tariff.id, since=NOVEMBER)
        assert bill(session, [account], NOVEMBER).exceptions == 1


def test_an_exception_is_billed_alone_after_it_was_mended(database: Database) -> None:
    with database.transaction() as session:
        accounts = [served(session), served(session, fee_minor=None)]
        mended = accounts[1]
        run_id = run_over(session, accounts, NOVEMBER)
        bill_partition(session, run_id)
        tariff_id = session.scalars(select(Subscription.tariff_id).where(Subscription.account_id == mended.id)).one()
        session.add(TariffPrice(tariff_id=tariff_id, valid=Range(LONG_AGO, None), fee_minor=FEE))
        session.flush()
        billed = bill_account(session, run_id, mended.id, on=date(2026, 11, 7))
        invoice = invoice_of(session, mended, NOVEMBER)
        assert billed.invoice_id == invoice.id
        assert (invoice.total_minor, invoice.issued_on, invoice.due_on) == (FEE, date(2026, 11, 7), date(2026, 11, 17))
        assert bill_account(session, run_id, mended.id, on=date(2026, 11, 8)) == billed
        standing = progress(session, run_id)
        assert (standing.invoices_issued, standing.exceptions, standing.invoiced.amount_minor) == (2, 0, 2 * FEE)
        assert exceptions_page(session, run_id, limit=10) == ([], None)
        assert audit(session, *accounts) == []


def test_who_is_not_on_the_exception_list_is_not_billed_alone(database: Database) -> None:
    with database.transaction() as session:
        account = served(session, since=DECEMBER)
        run_id = run_over(session, [account], NOVEMBER)
        dry_run_id = run_over(session, [account], NOVEMBER, dry_run=True)
        bill_partition(session, run_id)
        for run, who, slug in (
            (run_id, account.id, "account_not_excepted"),
            (dry_run_id, account.id, "billing_run_dry"),
            (uuid4(), account.id, "billing_run_unknown"),
            (run_id, uuid4(), "account_unknown"),
        ):
            with pytest.raises(Refusal) as refusal:
                bill_account(session, run, who, on=NOVEMBER)
            assert refusal.value.slug == slug


def test_advances_cover_the_invoice_oldest_money_first(database: Database) -> None:
    with database.transaction() as session:
        account, other = served(session), served(session)
        bank = factories.bank(session).row
        paid = [factories.pay(session, bank.id, account, amount) for amount in (400_000, 100_000, 900_000)]
        factories.pay(session, bank.id, other, 1)
        bill(session, [account, other], NOVEMBER)
        view = invoicing.view(session, invoice_of(session, account, NOVEMBER).id)
        assert [(part.payment_id, part.amount.amount_minor) for part in view.allocations] == [
            (paid[0].payment_id, 400_000), (paid[1].payment_id, 100_000), (paid[2].payment_id, 150_000),
        ]  # fmt: skip
        assert view.status is InvoiceStatus.PAID
        assert ledger.standing_of(session, account.id) == (0, 750_000)
        assert ledger.standing_of(session, other.id) == (FEE - 1, 0)
        assert audit(session, account, other) == []


def test_a_payment_that_races_the_run_is_never_lost_or_taken_twice(database: Database) -> None:
    with database.transaction() as session:
        accounts = [served(session) for _ in range(12)]
        bank_id = factories.bank(session).row.id
        run_id = run_over(session, accounts, NOVEMBER)
    start = threading.Barrier(4)

    def pay(some: list[Account]) -> None:
        start.wait()
        for account in some:
            with database.transaction() as session:
                factories.pay(session, bank_id, account, 700_000)

    def run() -> None:
        start.wait()
        with database.transaction() as session:
            bill_partition(session, run_id)

    with ThreadPoolExecutor(4) as threads:
        work = [threads.submit(run), *(threads.submit(pay, accounts[part::3]) for part in range(3))]
        for job in work:
            job.result()
    with database.transaction() as session:
        assert {tuple(ledger.standing_of(session, account.id)) for account in accounts} == {(0, 50_000)}
        assert audit(session, *accounts) == []


def test_two_workers_at_one_partition_bill_it_once(database: Database) -> None:
    with database.transaction() as session:
        accounts = [served(session) for _ in range(4)]
        run_id = run_over(session, accounts, NOVEMBER)

    def run() -> PartitionFigures:
        with database.transaction() as session:
            return bill_partition(session, run_id)

    with ThreadPoolExecutor(3) as threads:
        answers = [job.result() for job in [threads.submit(run) for _ in range(3)]]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0].invoices == 4
    with database.transaction() as session:
        assert audit(session, *accounts) == []


def test_numbers_have_no_gaps_when_a_partition_is_rolled_back(database: Database) -> None:
    year = date(2031, 3, 1)
    with database.transaction() as session:
        lost, kept = [served(session, since=year) for _ in range(3)], [served(session, since=year) for _ in range(2)]
    with pytest.raises(RuntimeError, match="worker died"), database.transaction() as session:  # noqa: PT012
        bill(session, lost, year)
        raise RuntimeError("worker died")
    with database.transaction() as session:
        bill(session, kept, year)
    with database.transaction() as session:
        bill(session, lost, year)
        numbers = sorted(session.scalars(select(Invoice.number).where(Invoice.number.startswith("СЧ-2031-"))))
        assert numbers == [f"СЧ-2031-{number:06d}" for number in range(1, 6)]


def test_a_run_divides_all_accounts_into_partitions_and_accounts_for_each(postgres_url: str) -> None:
    # Each run is over all accounts: here over those of no other test.
    with database_of_its_own(postgres_url) as database, database.transaction() as session:
        for _ in range(7):
            served(session)
        process = factories.process(session, kind=ProcessKind.BILLING_RUN, stage="planning")
        order = RunOrder(run_id=process.id, period_on=NOVEMBER, dry_run=True, at=datetime(2026, 11, 1, tzinfo=UTC))
        opened = open_run(session, order, issued_on=NOVEMBER, policy=BillingPolicy(), partition_size=3)
        again = open_run(session, order, issued_on=DECEMBER, policy=BillingPolicy())
        assert again == opened
        assert opened.due_on == date(2026, 11, 11)
        figures = [billing_run.bill_partition(session, process.id, first) for first in opened.partitions]
        standing = progress(session, process.id)
        accounts = session.scalar(select(func.count()).select_from(Account))
        assert sum(part.accounts for part in figures) == accounts == standing.subscribers_total
        assert standing.subscribers_done == standing.subscribers_total
        assert all(part.accounts == part.invoices + part.exceptions + part.nothing_due for part in figures)
        session.rollback()


def test_a_period_in_the_future_or_badly_written_is_refused(database: Database) -> None:
    with database.transaction() as session:
        process = factories.process(session, kind=ProcessKind.BILLING_RUN, stage="planning")
        for period_on, slug in ((DECEMBER, "period_in_future"), (date(2026, 10, 2), "period_invalid")):
            order = RunOrder(
                run_id=process.id, period_on=period_on, dry_run=False, at=datetime(2026, 11, 30, tzinfo=UTC)
            )
            with pytest.raises(Refusal) as refusal:
                open_run(session, order, issued_on=date(2026, 11, 30), policy=BillingPolicy())
            assert refusal.value.slug == slug
        for run, first in ((uuid4(), 1), (run_over(session, [served(session)], NOVEMBER), 0)):
            with pytest.raises(Refusal, match="no such"):
                billing_run.bill_partition(session, run, first)
    for text in ("2026-13", "2026-1", "11.2026", "", "2026-11-01"):
        with pytest.raises(Refusal, match="year and month"):
            first_day_of(text)
    assert first_day_of("2024-02") == date(2024, 2, 1)


def test_invoices_of_many_accounts_have_numbers_one_after_another(database: Database) -> None:
    period = date(2032, 2, 1)
    with database.transaction() as session:
        accounts = [served(session, since=period) for _ in range(5)]
        bill(session, accounts, period)
        bill(session, [served(session, since=period)], period)
        numbers = [invoice_of(session, account, period).number for account in accounts]
        assert Counter(numbers) == Counter(f"СЧ-2032-{number:06d}" for number in range(1, 6))
