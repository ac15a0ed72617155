"""An outage is registered: checked, and its process opened in one transaction together with its start."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from activities import policies
from activities.idempotency import fingerprint, process_of_key
from activities.outage_state import node_codes
from activities.outbox import start_workflow
from activities.processes import enter_stage, tell
from models.contracts.engine import OUTAGE, PROCESSES_QUEUE
from models.contracts.outage import NewOutage, OutageKind, OutagePolicy, OutageStage
from models.contracts.outage_process import OutageInput
from models.contracts.processes import ProcessKind
from models.contracts.refusals import invalid
from models.rules.outage_window import problems_of
from models.tables.network import NetworkNode
from models.tables.outages import Outage, OutageNode
from models.tables.processes import Process


def register_outage(
    session: Session, order: NewOutage, *, actor: str, idempotency_key: str | None, at: datetime
) -> tuple[Process, bool]:
    """Register an outage and let its process start by itself; answers whether it is new.

    The same idempotency key with the same order is the same outage, in parallel too. Outages may overlap as they like:
    those affected by several get one clear message.

    Raises:
        Refusal: the key was used for another order; a node is unknown or named twice; the window can't be.
    """
    known = process_of_key(session, idempotency_key, order)
    if known is not None:
        return known, False
    pinned = policies.newest(session, ProcessKind.OUTAGE)
    policy = OutagePolicy() if pinned is None else OutagePolicy.model_validate(pinned.body)
    starts_at, ends_at = _window(order, policy, at)
    check_nodes(session, order.node_ids)
    process_id = session.scalars(select(func.uuidv7())).one()
    process = Process(
        id=process_id, kind=ProcessKind.OUTAGE, workflow_id=f"outage/{process_id}", stage=OutageStage.LISTING,
        policy_id=None if pinned is None else pinned.id, idempotency_key=idempotency_key,
        request_sha256=fingerprint(order), opened_by=actor, opened_at=at,
    )  # fmt: skip
    session.add(process)
    session.flush()
    enter_stage(session, process_id, OutageStage.LISTING, at=at)
    session.add(
        Outage(
            process_id=process_id, kind=order.kind, reason=order.reason, starts_at=starts_at, ends_at=ends_at,
            registered_at=at,
        )
    )  # fmt: skip
    session.flush()
    cover(session, process_id, order.node_ids)
    facts = {
        "nodes": list(node_codes(session, process_id)), "starts_at": starts_at.isoformat(),
        "ends_at": ends_at.isoformat(), "reason": order.reason,
    }  # fmt: skip
    tell(session, process_id, f"outage_registered_{order.kind}", at=at, actor=actor, facts=facts)
    start_workflow(
        session, workflow_type=OUTAGE, workflow_id=process.workflow_id, task_queue=PROCESSES_QUEUE,
        start_input=OutageInput(process_id=process_id),
    )  # fmt: skip
    return process, True


def check_nodes(session: Session, node_ids: Sequence[UUID]) -> None:
    """Check the nodes that an outage is to cover.

    Raises:
        Refusal: one is unknown or named twice.
    """
    if len(set(node_ids)) < len(node_ids):
        raise invalid("node_twice", "Name each node once.", {"node_ids": "a node is named twice"})
    found = session.scalars(select(NetworkNode.id).where(NetworkNode.id.in_(node_ids))).all()
    unknown = [str(node_id) for node_id in node_ids if node_id not in set(found)]
    if unknown:
        raise invalid(
            "node_unknown", "Take the nodes from GET /v1/network-nodes.",
            {"node_ids": f"no such node: {', '.join(unknown[:5])}"},
        )  # fmt: skip


def cover(session: Session, outage_id: UUID, node_ids: Sequence[UUID]) -> None:
    """Say what an outage covers that covers nothing yet."""
    session.execute(insert(OutageNode), [{"outage_id": outage_id, "node_id": node_id} for node_id in node_ids])


def _window(order: NewOutage, policy: OutagePolicy, at: datetime) -> tuple[datetime, datetime]:
    """From when until when; an emergency begins by now, and ends some time unless said."""
    is_emergency = order.kind is OutageKind.EMERGENCY
    starts_at = order.starts_at or at
    ends_at = order.ends_at or max(starts_at, at) + policy.emergency_lasts
    problems = problems_of(starts_at, ends_at, has_begun=is_emergency, at=at)
    if problems:
        raise invalid("outage_window", "Mend the window of the outage.", problems)
    return (min(starts_at, at) if is_emergency else starts_at), ends_at
