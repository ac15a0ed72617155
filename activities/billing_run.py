"""The monthly billing run: opened once, billed partition by partition, each in one transaction; and its exceptions.

A partition is a range of account numbers. Its transaction locks the accounts first, as a payment locks its payee, so a
payment waits for one partition at most; and a partition that was done is never done again.
"""

from datetime import date
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, select, text
from sqlalchemy.orm import Session

from activities import billing_bills, settlement
from models.contracts.billing import BillingProblem
from models.contracts.billing_run import (
    BilledAccount,
    BillingPolicy,
    ExceptionView,
    OpenedRun,
    PartitionFigures,
    RunOrder,
    RunProgress,
)
from models.contracts.money import kzt
from models.contracts.refusals import Refusal, conflict, invalid, not_found
from models.tables.billing import BillingException, BillingPartition, BillingRun, Invoice, Recalculation
from models.tables.people import Account

PARTITION_SIZE = 10_000
"""Accounts a transaction bills: large enough to be set-based, short enough for a payment to wait for."""

PROBLEMS: dict[BillingProblem, str] = {
    BillingProblem.NO_PRICE: "A day of service has no price for its tariff: enter the price, then bill the account.",
    BillingProblem.NO_TAX_RATE: "A day of service has no VAT rate: enter the rate, then bill the account.",
    BillingProblem.AMOUNT_BEYOND_LIMIT: "The sum is larger than any can be: mend the price or the charge, then bill.",
    BillingProblem.NEGATIVE_TOTAL: "More is to be given back than earlier invoices still hold: see whether credit "
    "notes gave it back already.",
}

_PARTITIONS = text("""
    INSERT INTO billing_partition (run_id, first_number, last_number)
    SELECT :run_id, place * :size + 1, (place + 1) * :size
    FROM (SELECT DISTINCT (number - 1) / :size AS place FROM account) AS taken
""")
_LOCKED = text("""
    SELECT count(*) FROM (SELECT FROM account WHERE number BETWEEN :first_number AND :last_number
                          ORDER BY number FOR NO KEY UPDATE) AS locked
""")
_COUNTED = text("SELECT count(*) FROM account WHERE number BETWEEN :first_number AND :last_number")
_EXCEPTIONS = text("""
    INSERT INTO billing_exception (run_id, account_id, subscription_id, reason)
    SELECT :run_id, account_id, subscription_id, problem FROM bill_invoice WHERE problem IS NOT NULL
""")
_DONE = text("""
    UPDATE billing_partition
    SET done_at = now(), accounts = :accounts, invoices = :invoices, invoiced_minor = :invoiced_minor,
        exceptions = :exceptions, nothing_due = :accounts - :invoices - :exceptions - :credited, credited = :credited,
        credited_minor = :credited_minor
    WHERE run_id = :run_id AND first_number = :first_number
""")
_MENDED = text("""
    UPDATE billing_partition
    SET exceptions = exceptions - 1, invoices = invoices + :invoices, invoiced_minor = invoiced_minor + :invoiced_minor,
        nothing_due = nothing_due + 1 - :invoices - :credited, credited = credited + :credited,
        credited_minor = credited_minor + :credited_minor
    WHERE run_id = :run_id AND first_number = :first_number
""")


def open_run(
    session: Session, order: RunOrder, *, issued_on: date, policy: BillingPolicy, partition_size: int = PARTITION_SIZE
) -> OpenedRun:
    """Divide the accounts of today into partitions, once for a process; `issued_on` is the local date of the order.

    Raises:
        Refusal: the month has not begun, or the day is not the first of a month.
    """
    if session.get(BillingRun, order.run_id) is None:
        if order.period_on.day != 1:
            raise invalid("period_invalid", "A run bills a whole month: name it by its first day.")
        if order.period_on > issued_on:
            raise invalid(
                "period_in_future", "A month is billed from its first day on: choose this month or an earlier one."
            )
        session.add(
            BillingRun(
                process_id=order.run_id,
                period_on=order.period_on,
                dry_run=order.dry_run,
                issued_on=issued_on,
                due_on=issued_on + policy.due_after,
                charge_suspended=policy.charge_suspended,
                charge_frozen=policy.charge_frozen,
                accounts_total=session.scalars(select(func.count()).select_from(Account)).one(),
            )
        )
        session.flush()
        session.execute(_PARTITIONS, {"run_id": order.run_id, "size": partition_size})
    run = get_run(session, order.run_id)
    partitions = session.scalars(
        select(BillingPartition.first_number)
        .where(BillingPartition.run_id == run.process_id)
        .order_by(BillingPartition.first_number)
    )
    return OpenedRun(
        run_id=run.process_id,
        period_on=run.period_on,
        issued_on=run.issued_on,
        due_on=run.due_on,
        accounts_total=run.accounts_total,
        partitions=list(partitions),
    )


def get_run(session: Session, run_id: UUID) -> BillingRun:
    """The run.

    Raises:
        Refusal: there is none with this id.
    """
    run = session.get(BillingRun, run_id)
    if run is None:
        raise not_found("billing_run_unknown", "There is no such billing run: take its id from GET /v1/billing-runs.")
    return run


def bill_partition(session: Session, run_id: UUID, first_number: int) -> PartitionFigures:
    """Bill the accounts of a partition; one that is done is answered as it was. A dry run posts nothing.

    Raises:
        Refusal: the run or its partition is unknown.
    """
    run = get_run(session, run_id)
    partition = _locked_partition(session, run_id, BillingPartition.first_number == first_number)
    if partition.done_at is not None:
        return _figures(partition)
    numbers = {"first_number": partition.first_number, "last_number": partition.last_number}
    accounts = session.execute(_COUNTED if run.dry_run else _LOCKED, numbers).scalar_one()
    found = billing_bills.lay_out(session, run, first_number=partition.first_number, last_number=partition.last_number)
    if not run.dry_run:
        billing_bills.issue(session, run, found, issued_on=run.issued_on)
    session.execute(_EXCEPTIONS, {"run_id": run_id})
    session.execute(
        _DONE, {"run_id": run_id, "first_number": first_number, "accounts": accounts, **found.as_facts()}
    )  # fmt: skip
    session.refresh(partition)
    return _figures(partition)


def _locked_partition(session: Session, run_id: UUID, condition: ColumnElement[bool]) -> BillingPartition:
    partition = session.scalar(
        select(BillingPartition)
        .where(BillingPartition.run_id == run_id, condition)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if partition is None:
        raise not_found("billing_partition_unknown", "The run has no such partition: take it from the run's plan.")
    return partition


def bill_account(session: Session, run_id: UUID, account_id: UUID, *, on: date) -> BilledAccount:
    """Bill an account of the exception list after it was mended, with today (`on`) as the day of issue.

    It leaves the list, and the run's figures follow. Once it is billed, the answer stays the same.

    Raises:
        Refusal: the run or the account is unknown; it was a dry run; the account isn't on its list; it still can't be
            billed.
    """
    run = get_run(session, run_id)
    account = session.get(Account, account_id)
    if account is None:
        raise not_found("account_unknown", "There is no such account: take it from the run's exception list.")
    if run.dry_run:
        raise conflict("billing_run_dry", "A dry run bills nobody: bill the account in the month's run.")
    within = (BillingPartition.first_number <= account.number) & (BillingPartition.last_number >= account.number)
    partition = _locked_partition(session, run_id, within)
    settlement.lock_account(session, account_id)
    listed = (BillingException.run_id == run_id) & (BillingException.account_id == account_id)
    if session.scalar(select(BillingException.id).where(listed)) is None:
        return _billed_before(session, run, account_id)
    found = billing_bills.lay_out(session, run, first_number=account.number, last_number=account.number)
    if found.exceptions:
        raise _still_unbillable(session)
    billing_bills.issue(session, run, found, issued_on=on)
    session.execute(delete(BillingException).where(listed))
    session.execute(_MENDED, {"run_id": run_id, "first_number": partition.first_number, **found.as_facts()})
    return BilledAccount(account_id=account_id, invoice_id=_invoice_of(session, run, account_id))


def _billed_before(session: Session, run: BillingRun, account_id: UUID) -> BilledAccount:
    invoice_id = _invoice_of(session, run, account_id)
    gave_back = select(Recalculation.id).where(
        Recalculation.process_id == run.process_id, Recalculation.account_id == account_id
    )
    if invoice_id is None and session.scalar(gave_back) is None:
        raise conflict(
            "account_not_excepted", "The account isn't on the run's exception list: there is nothing to bill."
        )
    return BilledAccount(account_id=account_id, invoice_id=invoice_id)


def _invoice_of(session: Session, run: BillingRun, account_id: UUID) -> UUID | None:
    return session.scalar(
        select(Invoice.id).where(Invoice.account_id == account_id, Invoice.period_on == run.period_on)
    )


def _still_unbillable(session: Session) -> Refusal:
    problem = BillingProblem(session.execute(text("SELECT problem FROM bill_invoice")).scalar_one())
    return conflict(f"account_{problem}", PROBLEMS[problem])


def _figures(partition: BillingPartition) -> PartitionFigures:
    return PartitionFigures(
        first_number=partition.first_number,
        accounts=partition.accounts or 0,
        invoices=partition.invoices or 0,
        invoiced_minor=partition.invoiced_minor or 0,
        exceptions=partition.exceptions or 0,
        nothing_due=partition.nothing_due or 0,
        credited=partition.credited or 0,
        credited_minor=partition.credited_minor or 0,
    )


def progress(session: Session, run_id: UUID) -> RunProgress:
    """How far a run has come; nothing yet where it was not divided into partitions."""
    run = session.get(BillingRun, run_id)
    done = session.execute(
        select(
            *(
                func.coalesce(func.sum(column), 0)
                for column in (
                    BillingPartition.accounts,
                    BillingPartition.invoices,
                    BillingPartition.invoiced_minor,
                    BillingPartition.exceptions,
                    BillingPartition.nothing_due,
                    BillingPartition.credited,
                    BillingPartition.credited_minor,
                )
            )
        ).where(BillingPartition.run_id == run_id)
    ).one()
    accounts, invoices, invoiced_minor, exceptions, nothing_due, credited, credited_minor = map(int, done)
    return RunProgress(
        subscribers_total=0 if run is None else run.accounts_total,
        subscribers_done=accounts,
        invoices_issued=invoices,
        invoiced=kzt(invoiced_minor),
        exceptions=exceptions,
        nothing_due=nothing_due,
        subscribers_credited=credited,
        credited=kzt(credited_minor),
    )


def exceptions_page(
    session: Session, run_id: UUID, *, limit: int, after: UUID | None = None
) -> tuple[list[ExceptionView], UUID | None]:
    """Accounts that a run could not bill, as they were found, and where the next page starts.

    Raises:
        Refusal: there is no such run.
    """
    get_run(session, run_id)
    statement = (
        select(BillingException, Account.account_no)
        .join(Account, Account.id == BillingException.account_id)
        .where(BillingException.run_id == run_id)
        .order_by(BillingException.id)
        .limit(limit + 1)
    )
    if after is not None:
        statement = statement.where(BillingException.id > after)
    rows = session.execute(statement).all()
    shown = rows[:limit]
    return [_exception_view(exception, account_no) for exception, account_no in shown], shown[-1][0].id if len(
        rows
    ) > limit else None


def _exception_view(exception: BillingException, account_no: str) -> ExceptionView:
    return ExceptionView(
        id=exception.id,
        account_id=exception.account_id,
        account_no=account_no,
        subscription_id=exception.subscription_id,
        reason=exception.reason,
        detail=PROBLEMS[exception.reason],
        found_at=exception.found_at,
    )
