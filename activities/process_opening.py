"""Opening a process about a subscriber's service: its row, its first stage, and the policy that it pins."""

from datetime import datetime
from typing import TypeVar
from uuid import UUID

import psycopg.errors
from pydantic import BaseModel
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from activities import policies
from activities.idempotency import fingerprint
from models.contracts.processes import ProcessKind
from models.contracts.refusals import conflict
from models.tables.people import Account
from models.tables.processes import Process

PolicyOf = TypeVar("PolicyOf", bound=BaseModel)

_OPEN = select(Process).from_statement(
    text("""
        WITH opened AS (
            INSERT INTO process (id, kind, workflow_id, stage, subscriber_id, account_id, subscription_id, policy_id,
                                 idempotency_key, request_sha256, opened_by, opened_at)
            SELECT id, :kind, :workflow || '/' || id, :stage, :subscriber_id, :account_id, :subscription_id,
                   :policy_id, :idempotency_key, :request_sha256, :actor, :at
            FROM (SELECT uuidv7() AS id) AS new
            RETURNING *
        ), entered AS (
            INSERT INTO process_stage (process_id, name, entered_at) SELECT id, :stage, :at FROM opened
        )
        SELECT * FROM opened
    """)
)


def open_process(
    session: Session, kind: ProcessKind, policy_of: type[PolicyOf], *, stage: str, account: Account,
    subscription_id: UUID, order: BaseModel, idempotency_key: str | None, actor: str, at: datetime,
) -> tuple[Process, PolicyOf]:  # fmt: skip
    """Write the process in its first stage. Whoever calls adds what it knows and the order to start the workflow.

    Raises:
        Refusal: another connection, disconnection or tariff change is at work on this service.
    """
    policy = policies.newest(session, kind)
    row = {
        "kind": kind.value, "workflow": kind.replace("_", "-"), "stage": str(stage),
        "subscriber_id": account.subscriber_id, "account_id": account.id, "subscription_id": subscription_id,
        "policy_id": None if policy is None else policy.id, "idempotency_key": idempotency_key,
        "request_sha256": fingerprint(order), "actor": actor, "at": at,
    }  # fmt: skip
    try:
        process = session.scalars(_OPEN, row).one()
    except IntegrityError as failure:
        if isinstance(failure.orig, psycopg.errors.UniqueViolation) and "one_open_a_subscription" in str(failure.orig):
            raise conflict(
                "service_busy",
                "Another process is at work on this service: see GET /v1/processes?status=open of its subscriber, and "
                "wait for its end or cancel it.",
            ) from None
        raise
    return process, policy_of() if policy is None else policy_of.model_validate(policy.body)
