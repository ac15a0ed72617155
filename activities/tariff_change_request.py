"""A wish for another tariff: checked, and registered in one transaction together with its process."""

from datetime import date, datetime

from sqlalchemy.orm import Session

from activities import port_moves, services, tariff_effect, tariff_prices
from activities.compatibility import fit_of
from activities.idempotency import process_of_key
from activities.outbox import start_workflow
from activities.process_opening import open_process
from activities.processes import tell
from models.contracts.engine import PROCESSES_QUEUE, TARIFF_CHANGE
from models.contracts.processes import ProcessKind
from models.contracts.refusals import conflict, invalid
from models.contracts.tariff_change import (
    NewTariffChange,
    TariffChangeInput,
    TariffChangePolicy,
    TariffChangeStage,
    Timing,
)
from models.rules.effective_day import next_month_on
from models.tables.catalogue import Tariff
from models.tables.people import Account
from models.tables.processes import Process
from models.tables.tariff_changes import TariffChange


def register_tariff_change(
    session: Session, order: NewTariffChange, *, actor: str, idempotency_key: str | None, at: datetime, on: date
) -> tuple[Process, bool]:
    """Register the wish and let its process start by itself; answers whether it is new.

    The same idempotency key with the same order is the same process, in parallel too. A service that is frozen or
    suspended may have another tariff: it stays frozen or suspended.

    Raises:
        Refusal: the key was used for another order; the service is unknown, has not begun or has ended; another
            process is at work on it; the tariff is not on sale, is the present one, or is what the account has at this
            place already; the day is past or too far away; no port carries the tariff.
    """
    known = process_of_key(session, idempotency_key, order)
    if known is not None:
        return known, False
    subscription = services.get(session, order.subscription_id)
    account = session.get_one(Account, subscription.account_id)
    planned_on = _planned_on(order, on)
    tariff = tariff_prices.on_sale(session, order.tariff_code, planned_on)
    process, policy = open_process(
        session, ProcessKind.TARIFF_CHANGE, TariffChangePolicy, stage=TariffChangeStage.REQUEST, account=account,
        subscription_id=subscription.id, order=order, idempotency_key=idempotency_key, actor=actor, at=at,
    )  # fmt: skip
    _check_not_too_far(planned_on, on, policy)
    # Nobody else changes the service any more: what is read from here on holds.
    present = session.get_one(Tariff, services.locked(session, subscription.id).tariff_id)
    if present.id == tariff.id:
        raise conflict("tariff_same", "The service is on this tariff already: choose another one.")
    change = TariffChange(
        process_id=process.id, from_tariff_id=present.id, to_tariff_id=tariff.id, timing=order.timing,
        planned_on=planned_on,
    )  # fmt: skip
    session.add(change)
    session.flush()
    tariff_effect.check(session, subscription.id, change, on=planned_on, today=on)
    if fit_of(session, subscription.id, tariff).another_port:
        port_moves.keep_port(session, process.id, subscription.id, tariff.speed_mbps)
    facts = {"from_tariff": present.code, "to_tariff": tariff.code, "planned_on": planned_on.isoformat()}
    tell(session, process.id, "tariff_change_requested", at=at, actor=actor, facts=facts)
    start_workflow(
        session, workflow_type=TARIFF_CHANGE, workflow_id=process.workflow_id, task_queue=PROCESSES_QUEUE,
        start_input=TariffChangeInput(
            process_id=process.id, subscriber_id=account.subscriber_id, account_no=account.account_no, policy=policy
        ),
    )  # fmt: skip
    return process, True


def _planned_on(order: NewTariffChange, on: date) -> date:
    if not isinstance(order.effective, date):
        return next_month_on(on) if order.timing is Timing.NEXT_PERIOD else on
    if order.effective < on:
        raise invalid(
            "effective_in_past", "A tariff changes today or later: what is past is charged as it was.",
            {"effective": "in the past"},
        )  # fmt: skip
    return order.effective


def _check_not_too_far(planned_on: date, on: date, policy: TariffChangePolicy) -> None:
    last_on = on + policy.furthest_ahead
    if planned_on > last_on:
        raise invalid("effective_too_far", f"Choose a day until {last_on}.", {"effective": "too far in the future"})
