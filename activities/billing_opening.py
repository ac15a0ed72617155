"""A billing run is asked for: checked, and its process registered in one transaction together with its start."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from activities import policies
from activities.billing_run import progress
from activities.idempotency import fingerprint, process_of_key
from activities.outbox import start_workflow
from activities.processes import close, enter_stage, tell
from models.contracts.billing_process import BillingStage
from models.contracts.billing_run import BillingPolicy, BillingRunInput, NewBillingRun, RunProgress, first_day_of
from models.contracts.engine import BILLING_QUEUE, BILLING_RUN
from models.contracts.money import kzt
from models.contracts.processes import ProcessKind, ProcessStatus
from models.contracts.refusals import conflict, invalid
from models.tables.billing import BillingRun
from models.tables.catalogue import Policy
from models.tables.processes import Process

RUN_OPEN = "billing_run_open"
"""The refusal of a second run of a month whose run is at work."""


def register_billing_run(
    session: Session, order: NewBillingRun, *, actor: str, idempotency_key: str | None, at: datetime, on: date
) -> tuple[Process, bool]:
    """Register a run and let its process start by itself; answers whether it is new. `on` is today.

    The same idempotency key with the same order is the same run, in parallel too. A month has one run at a time, and
    as many dry runs as anybody wants.

    Raises:
        Refusal: the month has not begun; its run is at work; the key was used for another order.
    """
    known = process_of_key(session, idempotency_key, order)
    if known is not None:
        return known, False
    if first_day_of(order.period) > on:
        raise invalid(
            "period_in_future", "A month is billed from its first day on: choose this month or an earlier one.",
            {"period": "this month has not begun yet"},
        )  # fmt: skip
    policy = policies.newest(session, "billing")
    process_id = session.scalars(select(func.uuidv7())).one()
    process = Process(
        id=process_id, kind=ProcessKind.BILLING_RUN, workflow_id=f"{_name(order.period)}/preview/{process_id}",
        stage=BillingStage.PLANNING, policy_id=None if policy is None else policy.id, opened_by=actor, opened_at=at,
        idempotency_key=idempotency_key, request_sha256=fingerprint(order),
    )  # fmt: skip
    if not order.dry_run:
        _take_the_month(session, process, order.period)
    session.add(process)
    session.flush()
    enter_stage(session, process.id, BillingStage.PLANNING, at=at)
    event = "billing_preview_opened" if order.dry_run else "billing_run_opened"
    tell(session, process.id, event, at=at, actor=actor, facts={"period": order.period})
    start_workflow(
        session, workflow_type=BILLING_RUN, workflow_id=process.workflow_id, task_queue=BILLING_QUEUE,
        start_input=BillingRunInput(process_id=process.id, period=order.period, dry_run=order.dry_run),
    )  # fmt: skip
    return process, True


def run_at_work(session: Session, period: str) -> Process | None:
    """The run of a month that has not ended."""
    return session.scalar(
        select(Process).where(Process.sole_key == _name(period), Process.status == ProcessStatus.OPEN)
    )


def close_lost_run(session: Session, process_id: UUID, *, at: datetime) -> None:
    """Write down the end of a run whose workflow was ended from outside, unless it wrote one itself meanwhile."""
    process = session.get_one(Process, process_id, with_for_update=True)
    if process.status is ProcessStatus.OPEN:
        tell(session, process_id, "billing_run_lost", at=at)
        enter_stage(session, process_id, BillingStage.CLOSED, at=at)
        close(session, process_id, ProcessStatus.FAILED, at=at, reason="terminated")


def policy_of(session: Session, process: Process) -> BillingPolicy:
    """The policy that a run was opened under."""
    pinned = None if process.policy_id is None else session.get_one(Policy, process.policy_id)
    return BillingPolicy() if pinned is None else BillingPolicy.model_validate(pinned.body)


def progress_of(session: Session, process_id: UUID) -> RunProgress:
    """How far a run has come; nothing yet where the accounts are not divided up."""
    if session.get(BillingRun, process_id) is not None:
        return progress(session, process_id)
    return RunProgress(
        subscribers_total=0, subscribers_done=0, invoices_issued=0, invoiced=kzt(0), exceptions=0, nothing_due=0
    )


def month_of(process: Process) -> str:
    """The month of a run, which its name tells from the beginning: `billing-run/2026-11`, and more behind it."""
    return process.workflow_id.split("/")[1]


def _name(period: str) -> str:
    return f"billing-run/{period}"


def _take_the_month(session: Session, process: Process, period: str) -> None:
    """Name the process as the run of its month; the database's index on `sole_key` is the guard behind this."""
    name = _name(period)
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 3))"), {"name": name})
    at_work = run_at_work(session, period)
    if at_work is not None:
        raise conflict(
            RUN_OPEN,
            f"The run of {period} is at work already: look at /v1/billing-runs/{at_work.id}, or wait for its end.",
        )
    process.sole_key = name
    # The engine keeps a name for ever: runs after the first are told apart by their ids.
    is_taken = session.scalar(select(Process.id).where(Process.workflow_id == name)) is not None
    process.workflow_id = f"{name}/{process.id}" if is_taken else name
