"""What a subscriber owes when one of their services ends: what was billed before, and its final billing."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import exists, func, or_, select
from sqlalchemy.orm import Session

from activities import final_billing, ledger, settlement, writing_off
from activities.processes import get_process
from models.contracts.disconnection import Settlement
from models.contracts.final_billing import FinalBill
from models.tables.billing import Invoice, InvoiceLine, WriteOff
from models.tables.disconnection import DisconnectionRequest
from models.tables.processes import Process


class Leaving(NamedTuple):
    """A disconnection, and whom and what it is about."""

    process: Process
    request: DisconnectionRequest
    account_id: UUID
    subscription_id: UUID

    @property
    def is_for_debt(self) -> bool:
        """Whether dunning started it."""
        return self.request.dunning_process_id is not None


def leaving(session: Session, process_id: UUID) -> Leaving:
    """The disconnection of this process. Its account is locked: nobody pays or bills while it is looked at."""
    process = get_process(session, process_id)
    assert process.account_id is not None, "a disconnection is about an account"
    assert process.subscription_id is not None, "a disconnection is about a service"
    settlement.lock_account(session, process.account_id)
    request = session.get_one(DisconnectionRequest, process_id, populate_existing=True)
    return Leaving(process, request, process.account_id, process.subscription_id)


def settlement_of(session: Session, who: Leaving, *, on: date) -> Settlement:
    """What is to be paid before the service is dismantled.

    Raises:
        Refusal: the service can't be billed up to its end.
    """
    owed_minor = owed_in_all(session, who, on=on)
    bill = final_billing.of_process(session, who.process.id)
    if bill is not None:
        return Settlement(outstanding_minor=owed_minor, final_minor=bill.total_minor, is_invoiced=True)
    preview = final_billing.preview(session, who.subscription_id, end_on=who.request.requested_on, on=on)
    final_minor = preview.total.amount_minor
    left_minor = owed_minor + final_minor - ledger.advance_minor(session, who.account_id)
    return Settlement(outstanding_minor=max(0, left_minor), final_minor=final_minor, is_invoiced=False)


def owed_invoices(session: Session, who: Leaving, *, on: date) -> dict[UUID, int]:
    """Invoices with something to be paid on them that concern who leaves: overdue ones, and those of this service.

    What is not due yet for another service of the account keeps nobody from ending this one.
    """
    owed = settlement.open_invoices(who.account_id).subquery()
    has_line = exists().where(InvoiceLine.invoice_id == owed.c.id, InvoiceLine.subscription_id == who.subscription_id)
    its_processes = select(Process.id).where(Process.subscription_id == who.subscription_id)
    is_of_process = exists().where(Invoice.id == owed.c.id, Invoice.process_id.in_(its_processes))
    rows = session.execute(
        select(owed.c.id, owed.c.outstanding_minor).where(or_(owed.c.due_on < on, has_line, is_of_process))
    )
    return {row.id: int(row.outstanding_minor) for row in rows}


def owed_in_all(session: Session, who: Leaving, *, on: date) -> int:
    """What is to be paid on those invoices, in tiyn."""
    return sum(owed_invoices(session, who, on=on).values())


def overdue_minor(session: Session, account_id: UUID, *, on: date) -> int:
    """What should have been paid before this day, in tiyn."""
    owed = settlement.open_invoices(account_id).subquery()
    total = session.scalar(select(func.coalesce(func.sum(owed.c.outstanding_minor), 0)).where(owed.c.due_on < on))
    return int(total or 0)


def is_debt_paid(session: Session, who: Leaving, *, on: date) -> bool:
    """Whether this is a disconnection for a debt, and nothing is overdue any more."""
    return who.is_for_debt and not overdue_minor(session, who.account_id, on=on)


def bill_finally(session: Session, who: Leaving, *, issued_on: date, due_on: date) -> FinalBill:
    """Make the final billing up to the wished day; once.

    Raises:
        Refusal: the service can't be billed up to its end.
    """
    return final_billing.issue(
        session, process_id=who.process.id, subscription_id=who.subscription_id, end_on=who.request.requested_on,
        issued_on=issued_on, due_on=due_on,
    )  # fmt: skip


def write_off(
    session: Session, who: Leaving, *, task_id: UUID, reason: str, approved_by: str, asked_by: str, on: date
) -> int:
    """Write off what is owed after the final billing; answers the sum in tiyn."""
    return writing_off.write_off(
        session, account_id=who.account_id, invoice_ids=list(owed_invoices(session, who, on=on)), reason=reason,
        approved_by=approved_by, key=f"{_key(who)}{task_id}", on=on, actor=asked_by,
    )  # fmt: skip


def take_write_off_back(session: Session, who: Leaving, *, on: date) -> int:
    """Let what was written off for this disconnection be owed again; answers the sum in tiyn."""
    invoice_ids = _written_off(session, who)
    if not invoice_ids:
        return 0
    return writing_off.take_back(
        session, account_id=who.account_id, invoice_ids=invoice_ids, reason="отключение отменено",
        key=f"{_key(who)}taken-back", on=on, actor="process",
    )  # fmt: skip


def last_due_on(session: Session, who: Leaving) -> date | None:
    """By which day the newest invoice of the disconnection is to be paid; none where it has no invoice."""
    return session.scalar(select(func.max(Invoice.due_on)).where(Invoice.process_id == who.process.id))


def _written_off(session: Session, who: Leaving) -> Sequence[UUID]:
    keys = WriteOff.key.startswith(_key(who), autoescape=True)
    return session.scalars(select(WriteOff.invoice_id).where(keys).distinct()).all()


def _key(who: Leaving) -> str:
    return f"disconnection/{who.process.id}/"
