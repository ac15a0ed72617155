"""What a run makes of some accounts: invoices, credit notes for those that get something back, and exceptions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy.orm import Session

from activities import billing_collection, billing_credits, billing_issue
from activities.billing_collection import Scope, previous_month
from activities.billing_credits import GivingBack
from activities.billing_issue import Figures
from models.contracts.billing import InvoiceKind, RecalculationKind
from models.contracts.processes import PROCESS_ACTOR
from models.rules.invoice_words import month_in_words
from models.tables.billing import BillingRun


@dataclass(frozen=True)
class Bills:
    """What the accounts are to get. The lines lie in the staging tables of the transaction."""

    figures: Figures
    giving_back: Sequence[GivingBack]

    @property
    def exceptions(self) -> int:
        """Accounts that can't be billed."""
        return self.figures.exceptions - len(self.giving_back)

    def as_facts(self) -> dict[str, int]:
        """The figures of a partition."""
        return {
            "invoices": self.figures.invoices,
            "invoiced_minor": self.figures.invoiced_minor,
            "exceptions": self.exceptions,
            "credited": len(self.giving_back),
            "credited_minor": sum(one.amount_minor for one in self.giving_back),
        }


def lay_out(session: Session, run: BillingRun, *, first_number: int, last_number: int) -> Bills:
    """Find out what each account of a range is to get; nothing is issued yet."""
    billing_collection.collect(
        session, Scope(first_number, last_number, run.period_on, run.charge_suspended, run.charge_frozen)
    )
    figures = billing_issue.total(session)
    return Bills(figures, billing_credits.plan(session) if figures.negative else [])


def issue(session: Session, run: BillingRun, bills: Bills, *, issued_on: date) -> None:
    """Issue what was laid out. The accounts are locked.

    Numbers of credit notes are always taken before those of invoices, so that two who take both don't wait for each
    other.
    """
    billing_credits.issue(
        session, bills.giving_back, process_id=run.process_id, kind=RecalculationKind.MONTHLY,
        reason=f"перерасчёт за {month_in_words(previous_month(run.period_on))}", issued_on=issued_on,
        actor=PROCESS_ACTOR,
    )  # fmt: skip
    billing_issue.issue(
        session, bills.figures.invoices, kind=InvoiceKind.RECURRING,
        reason=f"счёт за {month_in_words(run.period_on)}", period_on=run.period_on, issued_on=issued_on,
        due_on=issued_on + (run.due_on - run.issued_on),
    )  # fmt: skip
