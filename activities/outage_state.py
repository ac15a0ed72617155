"""An outage's row: found, locked, and what it says of where the outage stands."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities.outbox import signal_workflow
from activities.processes import workflow_id_of
from models.contracts.engine import LOOK_AGAIN
from models.contracts.outage import OutagePolicy
from models.contracts.refusals import not_found
from models.tables.catalogue import Policy
from models.tables.network import NetworkNode
from models.tables.outages import Outage, OutageNode
from models.tables.processes import Process


def get_outage(session: Session, outage_id: UUID) -> Outage:
    """The outage.

    Raises:
        Refusal: there is none with this id.
    """
    outage = session.get(Outage, outage_id)
    if outage is None:
        raise not_found("outage_unknown", "There is no such outage: take its id from GET /v1/outages.")
    return outage


def locked(session: Session, outage_id: UUID) -> Outage:
    """The outage as it is now, with everybody else who wants to change it waiting.

    Raises:
        Refusal: there is none with this id.
    """
    # Not against those who only refer to it, such as the notices that another outage writes.
    outage = session.get(Outage, outage_id, with_for_update={"key_share": True}, populate_existing=True)
    return get_outage(session, outage_id) if outage is None else outage


def policy_of(session: Session, outage_id: UUID) -> OutagePolicy:
    """The policy that an outage pins."""
    body = session.scalar(
        select(Policy.body).join(Process, Process.policy_id == Policy.id).where(Process.id == outage_id)
    )
    return OutagePolicy() if body is None else OutagePolicy.model_validate(body)


def is_over(outage: Outage) -> bool:
    """Whether it has ended, or does not take place."""
    return outage.ended_at is not None or outage.called_off_at is not None


def want_round(outage: Outage) -> None:
    """Have everybody affected looked at again, since the outage has changed; before its time nobody is told of it."""
    if outage.announced_at is not None:
        outage.rounds_wanted += 1
        outage.is_echo = False


def want_listing(outage: Outage) -> None:
    """Have it written down anew who is affected. A listing that is under way begins again."""
    outage.lists_wanted += 1
    outage.list_after = None


def call_off(outage: Outage, *, at: datetime) -> None:
    """Say that it does not take place, or was none; the first end stands."""
    if not is_over(outage):
        outage.called_off_at = at


def have_it_looked_at(session: Session, outage_id: UUID) -> None:
    """Let its process see what has changed."""
    signal_workflow(session, workflow_id=workflow_id_of(session, outage_id), signal=LOOK_AGAIN)


def node_codes(session: Session, outage_id: UUID) -> Sequence[str]:
    """What it covers, as the staff names it."""
    covered = select(NetworkNode.code).join(OutageNode, OutageNode.node_id == NetworkNode.id)
    return session.scalars(covered.where(OutageNode.outage_id == outage_id).order_by(NetworkNode.code)).all()
