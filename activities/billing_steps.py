"""The steps of a billing run, each one transaction. Repeating a step changes nothing."""

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from temporalio import activity

from activities import billing_notices, billing_run
from activities.billing_opening import RUN_OPEN, policy_of, progress_of, register_billing_run
from activities.heartbeats import heartbeating
from activities.processes import close, enter_stage, get_process, tell
from models.contracts.billing_process import (
    BillingStage,
    MonthlyOrder,
    MonthlyRun,
    NoticeBatch,
    NoticeOrder,
    RunClosing,
    RunPlan,
)
from models.contracts.billing_run import (
    NewBillingRun,
    PartitionFigures,
    PartitionOrder,
    RunOrder,
    RunProgress,
    period_of,
)
from models.contracts.processes import SCHEDULE_ACTOR
from models.contracts.refusals import Refusal
from models.database import Database
from models.tables.billing import BillingPartition
from models.tables.messages import Message
from models.tables.processes import Process, TimelineEntry
from settings import Settings


class BillingActivities:
    """What the workflows `BillingRun` and `OpenMonthlyBilling` have done for them."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings

    @activity.defn(name="billing.open_monthly_run", no_thread_cancel_exception=True)
    def open_monthly_run(self, order: MonthlyOrder) -> MonthlyRun:
        """Open the run of the month in which it was scheduled, once a month; a person's run at work comes first."""
        zone = self._settings.zone
        period = period_of(order.scheduled_at.astimezone(zone).date())
        try:
            with self._database.transaction() as session:
                process, _ = register_billing_run(
                    session, NewBillingRun(period=period), actor=SCHEDULE_ACTOR,
                    idempotency_key=f"monthly-billing/{period}", at=order.at, on=order.at.astimezone(zone).date(),
                )  # fmt: skip
                return MonthlyRun(period=period, process_id=process.id)
        except Refusal as refusal:
            if refusal.slug != RUN_OPEN:
                raise
            return MonthlyRun(period=period, process_id=None)

    @activity.defn(name="billing.plan_run", no_thread_cancel_exception=True)
    def plan_run(self, order: RunOrder) -> RunPlan:
        """Divide the accounts into partitions, the first time; answer those that are left to bill."""
        with heartbeating(), self._database.transaction() as session:
            process = get_process(session, order.run_id)
            policy = policy_of(session, process)
            opened = billing_run.open_run(
                session, order, issued_on=order.at.astimezone(self._settings.zone).date(), policy=policy,
                partition_size=self._settings.billing_partition_size,
            )  # fmt: skip
            if process.stage == BillingStage.PLANNING:
                enter_stage(session, process.id, BillingStage.BILLING, at=order.at)
                tell(
                    session, process.id, "billing_run_planned", at=order.at,
                    facts={
                        "accounts": opened.accounts_total,
                        "partitions": len(opened.partitions),
                        "issued_on": opened.issued_on.isoformat(),
                        "due_on": opened.due_on.isoformat(),
                    },
                )  # fmt: skip
            return RunPlan(
                partitions=list(
                    session.scalars(
                        select(BillingPartition.first_number)
                        .where(BillingPartition.run_id == order.run_id, BillingPartition.done_at.is_(None))
                        .order_by(BillingPartition.first_number)
                    )
                ),
                progress=billing_run.progress(session, order.run_id),
                send_notices=policy.send_notices,
            )

    @activity.defn(name="billing.bill_partition", no_thread_cancel_exception=True)
    def bill_partition(self, order: PartitionOrder) -> PartitionFigures:
        """Bill the accounts of one partition; one that is done already is only reported."""
        with heartbeating(), self._database.transaction() as session:
            return billing_run.bill_partition(session, order.run_id, order.first_number)

    @activity.defn(name="billing.queue_notices", no_thread_cancel_exception=True)
    def queue_notices(self, order: NoticeOrder) -> NoticeBatch:
        """Queue the SMS about the invoices of some thousand accounts."""
        with heartbeating(), self._database.transaction() as session:
            if get_process(session, order.run_id).stage != BillingStage.NOTICES:
                enter_stage(session, order.run_id, BillingStage.NOTICES, at=order.at)
            return billing_notices.queue_batch(session, order.run_id, after_number=order.after_number, at=order.at)

    @activity.defn(name="billing.close_run")
    def close_run(self, closing: RunClosing) -> RunProgress:
        """Write down how the run ended and what it did; answers its final figures."""
        with self._database.transaction() as session:
            process = get_process(session, closing.process_id)
            figures = progress_of(session, process.id)
            reason = closing.reason
            if closing.request_id is not None:
                request = session.get(TimelineEntry, closing.request_id)
                reason = request.facts["reason"] if request is not None else reason
            facts = _facts(session, process, figures) | {"reason": reason}
            tell(session, process.id, _event(process, closing), at=closing.at, actor=closing.actor, facts=facts)
            enter_stage(session, process.id, BillingStage.CLOSED, at=closing.at)
            close(session, process.id, closing.status, at=closing.at, reason=reason)
            return figures


def _event(process: Process, closing: RunClosing) -> str:
    what = "billing_run" if process.sole_key is not None else "billing_preview"
    return f"{what}_{closing.status}"


def _facts(session: Session, process: Process, figures: RunProgress) -> dict[str, Any]:
    notices = session.scalar(select(func.count()).where(Message.process_id == process.id))
    return {
        "invoices": figures.invoices_issued,
        "invoiced_minor": figures.invoiced.amount_minor,
        "exceptions": figures.exceptions,
        "nothing_due": figures.nothing_due,
        "accounts_credited": figures.subscribers_credited,
        "credited_minor": figures.credited.amount_minor,
        "accounts": figures.subscribers_total,
        "left": figures.subscribers_total - figures.subscribers_done,
        "notices": notices,
    }
