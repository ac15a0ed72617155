"""The end of a service in money: what it costs up to the day, less what was charged, in the run's own words and sums.

A disconnection issues its final invoice before anybody has dismantled anything. From then on runs charge the service
only up to the day of that invoice (`subscription.ending_on`), so that they have nothing to add and nothing to correct.
When the service has really ended, the difference is made up once; when it goes on after all, the final invoice is
credited, and runs charge as if it had not been.
"""

from datetime import date, timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import billing_collection, billing_credits, billing_issue, proration, service_days, services
from activities.billing_collection import ServiceScope, next_month
from activities.billing_lines import lay_stages
from activities.final_withdrawal import charge_again, first_month_of, keep_favour, withdraw_invoice
from activities.lost_equipment import bill_lost_equipment
from activities.policies import billing_policy
from models.contracts.billing import InvoiceKind, RecalculationKind
from models.contracts.billing_run import BillingPolicy
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.final_billing import FinalBill, FinalPreview
from models.contracts.money import kzt
from models.contracts.processes import PROCESS_ACTOR
from models.contracts.refusals import conflict, invalid
from models.tables.billing import CreditNote, Invoice, InvoiceLine, Recalculation, RecalculationLine
from models.tables.subscriptions import Subscription

__all__ = ["bill_lost_equipment", "end_service", "give_up", "issue", "of_process", "preview"]

_REASONS = {InvoiceKind.FINAL: "окончательный расчёт", InvoiceKind.CORRECTION: "перерасчёт окончательного счёта"}


def preview(session: Session, subscription_id: UUID, *, end_on: date, on: date) -> FinalPreview:
    """What the service costs up to `end_on`, the first day that is no longer charged, less what was charged.

    Nothing is written. `on` is today.

    Raises:
        Refusal: there is no such service, it has not begun or has ended, it would end before it began, or a day has
            no price or VAT rate.
    """
    subscription = service_days.get(session, subscription_id)
    _check_lasts(subscription, end_on)
    _lay_out(session, subscription, _open_months(session, subscription, end_on, on), end_on, billing_policy(session))
    lines = proration.priced_lines(session)
    net_minor, vat_minor = sum(line.net.amount_minor for line in lines), sum(line.vat.amount_minor for line in lines)
    return FinalPreview(
        subscription_id=subscription_id, end_on=end_on, lines=lines, net=kzt(net_minor), vat=kzt(vat_minor),
        total=kzt(net_minor + vat_minor),
    )  # fmt: skip


def issue(
    session: Session, *, process_id: UUID, subscription_id: UUID, end_on: date, issued_on: date, due_on: date
) -> FinalBill:
    """Bill a service up to the day on which it is to end, once for a process.

    What was charged beyond that day is given back by credit notes, so that what was paid for it is the subscriber's
    advance; where nothing is owed either way, nothing is issued.

    Raises:
        Refusal: as `preview`.
    """
    subscription = service_days.locked(session, subscription_id)
    earlier = of_process(session, process_id)
    if earlier is not None:
        return earlier
    _check_lasts(subscription, end_on)
    months = _open_months(session, subscription, end_on, issued_on)
    bill = _bill(
        session, subscription, months, end_on, kind=InvoiceKind.FINAL, process_id=process_id, issued_on=issued_on,
        due_on=due_on,
    )  # fmt: skip
    subscription.ending_on = end_on
    session.flush()
    return bill or FinalBill(total_minor=0)


def of_process(session: Session, process_id: UUID) -> FinalBill | None:
    """The final invoice of a process, or what it gave back instead; None where it issued neither."""
    return _issued(session, process_id, InvoiceKind.FINAL)


def end_service(
    session: Session, *, process_id: UUID, subscription_id: UUID, on: date, today: date, due_on: date
) -> FinalBill:
    """End a service, and make up the difference to what was billed for it; once, with or without a final invoice.

    It ends on `on`, its first day that is not charged, or on the day of its final invoice where that is earlier: what
    lies between that day and a late dismantling is no fault of the subscriber's. No run charges it afterwards. Answers
    what the difference came to, or where there was none, the final invoice.

    Raises:
        Refusal: there is no such service, it has not begun, `on` is later than tomorrow, or a day has no price or VAT
            rate.
    """
    subscription = service_days.locked(session, subscription_id)
    billed = of_process(session, process_id)
    if subscription.status is SubscriptionStatus.TERMINATED:
        return _issued(session, process_id, InvoiceKind.CORRECTION) or billed or FinalBill(total_minor=0)
    ended_on = on if subscription.ending_on is None else min(on, subscription.ending_on)
    services.terminate(session, subscription_id, on=ended_on, today=today)
    assert subscription.active_to is not None
    months = _open_months(session, subscription, subscription.active_to, today)
    kind = InvoiceKind.FINAL if billed is None else InvoiceKind.CORRECTION
    difference = _bill(
        session, subscription, months, subscription.active_to, kind=kind, process_id=process_id, issued_on=today,
        due_on=due_on,
    )  # fmt: skip
    return difference or billed or FinalBill(total_minor=0)


def give_up(
    session: Session,
    *,
    process_id: UUID,
    subscription_id: UUID,
    issued_on: date,
    due_on: date,
    actor: str = PROCESS_ACTOR,
) -> FinalBill | None:
    """Let a service go on after all: its final invoice is credited, and runs charge it as if that had not been.

    What was paid on it becomes the subscriber's advance again. What it gave back is charged again at once, and so are
    months that runs have closed meanwhile, by an invoice that is answered. Where there is nothing to be given up,
    nothing is done; twice is once.

    Raises:
        Refusal: there is no such service, or a day has no price or VAT rate.
    """
    subscription = service_days.locked(session, subscription_id)
    made_up = _issued(session, process_id, InvoiceKind.CORRECTION)
    if made_up is not None or subscription.status is SubscriptionStatus.TERMINATED:
        return made_up
    first_on = first_month_of(session, process_id)
    if subscription.ending_on is not None:
        first_on = min(first_on or subscription.ending_on, subscription.ending_on).replace(day=1)
        subscription.ending_on = None
        session.flush()
    if first_on is None:
        return None
    withdraw_invoice(session, process_id, on=issued_on, actor=actor)
    closed_until = service_days.open_from_on(session, subscription.account_id, issued_on)
    if first_on < closed_until:
        _lay_out(session, subscription, (first_on, closed_until), None, billing_policy(session))
    else:
        lay_stages(session)
    charge_again(session, process_id, from_on=closed_until)
    made_up = _issue_what_lies(session, InvoiceKind.CORRECTION, process_id, issued_on=issued_on, due_on=due_on)
    given_back = of_process(session, process_id)
    if made_up is not None and made_up.invoice_id is not None and given_back is not None:
        keep_favour(session, made_up.invoice_id, given_back, on=issued_on, actor=actor)
    return made_up


def _check_lasts(subscription: Subscription, end_on: date) -> None:
    if subscription.status not in {SubscriptionStatus.ACTIVE, SubscriptionStatus.SUSPENDED}:
        raise conflict("service_not_active", f"This service is {subscription.status}: there is nothing to be billed.")
    if subscription.active_from is not None and end_on < subscription.active_from:
        raise invalid("end_before_start", f"The service began on {subscription.active_from}: it can't end before.")


def _open_months(session: Session, subscription: Subscription, end_on: date, today: date) -> tuple[date, date]:
    """The months that are billed: from the first that is not closed, or that of the end, until all that was billed."""
    open_from = service_days.open_from_on(session, subscription.account_id, today)
    first_on = min(open_from, end_on.replace(day=1))
    billed_ahead = [
        session.scalar(select(func.max(line.service_month_on)).where(line.subscription_id == subscription.id))
        for line in (InvoiceLine, RecalculationLine)
    ]
    ends = [end_on - timedelta(days=1), subscription.active_from, *billed_ahead, first_on]
    return first_on, next_month(max(day for day in ends if day is not None))


def _lay_out(
    session: Session, subscription: Subscription, months: tuple[date, date], end_on: date | None, policy: BillingPolicy
) -> None:
    billing_collection.collect_service(
        session,
        ServiceScope(
            subscription_id=subscription.id, first_on=months[0], until_on=months[1], end_on=end_on,
            charge_suspended=policy.charge_suspended, charge_frozen=policy.charge_frozen,
        ),
    )  # fmt: skip
    proration.refuse_gaps(session)


def _bill(
    session: Session,
    subscription: Subscription,
    months: tuple[date, date],
    end_on: date | None,
    *,
    kind: InvoiceKind,
    process_id: UUID,
    issued_on: date,
    due_on: date,
) -> FinalBill | None:
    _lay_out(session, subscription, months, end_on, billing_policy(session))
    return _issue_what_lies(session, kind, process_id, issued_on=issued_on, due_on=due_on)


def _issue_what_lies(
    session: Session, kind: InvoiceKind, process_id: UUID, *, issued_on: date, due_on: date
) -> FinalBill | None:
    """Issue the staged lines; none where nothing was to be issued."""
    figures = billing_issue.total(session)
    if figures.negative:
        billing_credits.issue(
            session, billing_credits.plan(session, partly=True), process_id=process_id,
            kind=RecalculationKind(kind.value), reason=_REASONS[kind], issued_on=issued_on, actor=PROCESS_ACTOR,
        )  # fmt: skip
    else:
        billing_issue.issue(
            session, figures.invoices, kind=kind, reason=_REASONS[kind], issued_on=issued_on, due_on=due_on,
            process_id=process_id,
        )  # fmt: skip
    return _issued(session, process_id, kind)


def _issued(session: Session, process_id: UUID, kind: InvoiceKind) -> FinalBill | None:
    invoice = session.scalar(select(Invoice).where(Invoice.process_id == process_id, Invoice.kind == kind))
    if invoice is not None:
        return FinalBill(total_minor=invoice.total_minor, invoice_id=invoice.id)
    given_back = session.scalar(
        select(Recalculation).where(
            Recalculation.process_id == process_id, Recalculation.kind == RecalculationKind(kind.value)
        )
    )
    if given_back is None:
        return None
    notes = session.execute(
        select(CreditNote.id, CreditNote.total_minor)
        .where(CreditNote.recalculation_id == given_back.id)
        .order_by(CreditNote.id)
    ).all()
    return FinalBill(
        total_minor=given_back.total_minor, recalculation_id=given_back.id, credit_note_ids=[row.id for row in notes],
        credited_minor=sum(row.total_minor for row in notes),
    )  # fmt: skip
