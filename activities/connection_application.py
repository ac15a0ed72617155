"""An application for a connection: checked, and registered in one transaction together with its process."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities import compatibility, stock, subscribers, tariff_prices
from activities.idempotency import process_of_key
from activities.network import reserve_port
from activities.outbox import start_workflow
from activities.process_opening import open_process
from activities.processes import tell
from models.contracts.connection import ConnectionInput, ConnectionPolicy, ConnectionStage, NewConnection
from models.contracts.engine import CONNECTION, PROCESSES_QUEUE
from models.contracts.processes import ProcessKind
from models.contracts.refusals import conflict, invalid
from models.tables.catalogue import Tariff
from models.tables.network import Premises
from models.tables.people import Account
from models.tables.processes import Process

_SUBSCRIBE = text("""
    INSERT INTO subscription (account_id, premises_id, tariff_id, status)
    VALUES (:account_id, :premises_id, :tariff_id, 'pending')
    ON CONFLICT DO NOTHING
    RETURNING id
""")
_ORDER = text("INSERT INTO connection_application (process_id, equipment) VALUES (:process_id, :equipment)")


def register_connection(
    session: Session, order: NewConnection, *, actor: str, idempotency_key: str | None, at: datetime, on: date
) -> tuple[Process, bool]:
    """Register an application and let its process start by itself; answers whether it is new.

    The same idempotency key with the same order is the same process, in parallel too.

    Raises:
        Refusal: the key was used for another order; the premises, tariff or equipment don't exist; the subscriber
            has this service at this place already; the node has no free port.
    """
    known = process_of_key(session, idempotency_key, order)
    if known is not None:
        return known, False
    premises = session.get(Premises, order.premises_id)
    if premises is None:
        raise invalid(
            "premises_unknown",
            "Take the premises from GET /v1/premises.",
            {"premises_id": "there are no such premises"},
        )
    tariff = tariff_prices.on_sale(session, order.tariff_code, on)
    stock.check_skus(session, order.equipment)
    compatibility.check_ordered(session, tariff, order.equipment)
    account = _account(session, order, on)
    subscription_id = _subscription(session, account, premises, tariff)
    port_no = reserve_port(session, premises.node_id, subscription_id, speed_mbps=tariff.speed_mbps)
    process, policy = open_process(
        session, ProcessKind.CONNECTION, ConnectionPolicy, stage=ConnectionStage.APPLICATION, account=account,
        subscription_id=subscription_id, order=order, idempotency_key=idempotency_key, actor=actor, at=at,
    )  # fmt: skip
    session.execute(_ORDER, {"process_id": process.id, "equipment": order.equipment})
    facts = {"tariff": tariff.code, "equipment": order.equipment, "port": port_no}
    tell(session, process.id, "application_registered", at=at, actor=actor, facts=facts)
    start_workflow(
        session, workflow_type=CONNECTION, workflow_id=process.workflow_id, task_queue=PROCESSES_QUEUE,
        start_input=ConnectionInput(
            process_id=process.id, subscriber_id=account.subscriber_id, account_no=account.account_no, policy=policy
        ),
    )  # fmt: skip
    return process, True


def _account(session: Session, order: NewConnection, on: date) -> Account:
    if order.subscriber_id is not None:
        return subscribers.account_of(session, subscribers.get(session, order.subscriber_id).id)
    assert order.subscriber is not None
    return subscribers.register(session, order.subscriber, on=on).account


def _subscription(session: Session, account: Account, premises: Premises, tariff: Tariff) -> UUID:
    row = {"account_id": account.id, "premises_id": premises.id, "tariff_id": tariff.id}
    subscription_id: UUID | None = session.scalar(_SUBSCRIBE, row)
    if subscription_id is None:
        raise conflict(
            "already_connected",
            "This subscriber has or awaits this tariff at these premises already: look at their subscriptions.",
        )
    return subscription_id
