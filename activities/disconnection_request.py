"""A disconnection: checked and registered in one transaction together with its process; given up or irrevocable."""

from datetime import date, datetime, time
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from activities import final_billing, leaving_account, services
from activities.idempotency import process_of_key
from activities.outbox import start_workflow
from activities.process_opening import open_process
from activities.processes import enter_stage, tell
from models.contracts.catalogue import SubscriptionStatus
from models.contracts.disconnection import (
    DisconnectionInput,
    DisconnectionPolicy,
    DisconnectionStage,
    NewDisconnection,
)
from models.contracts.engine import DISCONNECTION, PROCESSES_QUEUE
from models.contracts.processes import ProcessKind
from models.contracts.refusals import conflict, invalid
from models.tables.disconnection import DisconnectionRequest
from models.tables.people import Account
from models.tables.processes import Process
from models.tables.subscriptions import Subscription


def register_disconnection(
    session: Session, order: NewDisconnection, *, actor: str, idempotency_key: str | None, at: datetime,
    zone: ZoneInfo, dunning_process_id: UUID | None = None,
) -> tuple[Process, bool]:  # fmt: skip
    """Register that a service is not wanted any more, and let its process start by itself; answers whether it is new.

    With `dunning_process_id` it is the last step of that dunning: accounting is not asked, and a full payment of what
    is overdue ends it. The same idempotency key with the same order is the same process, in parallel too.

    Raises:
        Refusal: the key was used for another order; there is no such service, it is not connected yet or has ended;
            the day is past or too far away; nothing is overdue that it could be for; the service has no price or tax
            on a day up to its end; another process is at work on it.
    """
    known = process_of_key(session, idempotency_key, order)
    if known is not None:
        return known, False
    # From here on payments of this account wait, and then find a process that is to be told of them.
    subscription = services.locked(session, order.subscription_id)
    _check_connected(subscription)
    account = session.get_one(Account, subscription.account_id)
    process, policy = open_process(
        session, ProcessKind.DISCONNECTION, DisconnectionPolicy, stage=DisconnectionStage.REQUEST, account=account,
        subscription_id=subscription.id, order=order, idempotency_key=idempotency_key, actor=actor, at=at,
    )  # fmt: skip
    today, last_on = at.astimezone(zone).date(), (at + policy.accepted_ahead).astimezone(zone).date()
    _check_day(order.requested_on, today, last_on)
    # Whoever registers it hears at once what would stop the final billing later.
    final_billing.preview(session, subscription.id, end_on=order.requested_on, on=today)
    session.add(
        DisconnectionRequest(
            process_id=process.id, reason=order.reason, requested_on=order.requested_on,
            dunning_process_id=dunning_process_id,
        )
    )  # fmt: skip
    facts = {"reason": order.reason, "requested_on": order.requested_on.isoformat()}
    if dunning_process_id is None:
        tell(session, process.id, "disconnection_requested", at=at, actor=actor, facts=facts)
    else:
        debt_minor = _overdue(session, account.id, today)
        tell(
            session, process.id, "disconnection_for_debt", at=at, actor=actor, facts={**facts, "debt_minor": debt_minor}
        )
    ends_at = datetime.combine(order.requested_on, time(), zone)
    starts_at = ends_at - policy.starts_ahead
    if dunning_process_id is None and at < starts_at:
        enter_stage(session, process.id, DisconnectionStage.REQUEST, at=at, waiting_for="date")
    start_workflow(
        session, workflow_type=DISCONNECTION, workflow_id=process.workflow_id, task_queue=PROCESSES_QUEUE,
        start_input=DisconnectionInput(
            process_id=process.id, subscriber_id=account.subscriber_id, account_no=account.account_no,
            starts_at=starts_at, ends_at=ends_at, for_debt=dunning_process_id is not None,
            policy=policy,
        ),
    )  # fmt: skip
    return process, True


def make_irrevocable(session: Session, process_id: UUID, *, at: datetime) -> None:
    """Say that the disconnection goes on to its end from here on.

    Raises:
        Refusal: it was given up before.
    """
    request = _locked(session, process_id)
    if request.given_up_at is not None:
        raise conflict("process_cancelled", "This disconnection was cancelled just before: leave everything as it is.")
    request.irrevocable_at = request.irrevocable_at or at
    session.flush()


def give_up(session: Session, process_id: UUID, *, at: datetime) -> bool:
    """Say that the disconnection is given up; answers whether it still could be."""
    request = _locked(session, process_id)
    if request.irrevocable_at is not None:
        return False
    request.given_up_at = request.given_up_at or at
    session.flush()
    return True


def _locked(session: Session, process_id: UUID) -> DisconnectionRequest:
    return session.get_one(DisconnectionRequest, process_id, with_for_update=True, populate_existing=True)


def _check_connected(subscription: Subscription) -> None:
    if subscription.status is SubscriptionStatus.PENDING:
        raise conflict("service_not_connected", "This service is just being connected: cancel its connection instead.")
    if subscription.status in {SubscriptionStatus.TERMINATED, SubscriptionStatus.CANCELLED}:
        raise conflict("service_ended", f"This service is {subscription.status} already: there is nothing to end.")


def _check_day(requested_on: date, today: date, last_on: date) -> None:
    if not today <= requested_on <= last_on:
        raise invalid(
            "requested_on_impossible",
            f"Choose a day from {today} until {last_on}: the first day without the service.",
            {"requested_on": "in the past" if requested_on < today else "too far away"},
        )


def _overdue(session: Session, account_id: UUID, today: date) -> int:
    overdue_minor = leaving_account.overdue_minor(session, account_id, on=today)
    if not overdue_minor:
        raise conflict("nothing_overdue", "Nothing is overdue on this account: there is no debt to disconnect it for.")
    return overdue_minor
