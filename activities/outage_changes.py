"""An outage is moved, covers other nodes, or is over: written down, and its process and its requests hear of it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from activities.outage_registration import check_nodes, cover
from activities.outage_state import call_off, have_it_looked_at, is_over, locked, node_codes, want_listing, want_round
from activities.processes import tell
from activities.request_links import follow_outage
from models.contracts.outage import OutageChange, OutageKind
from models.contracts.refusals import conflict, invalid
from models.rules.outage_window import TOLERANCE, problems_of
from models.tables.outages import Outage, OutageNode


def change_outage(session: Session, outage_id: UUID, change: OutageChange, *, actor: str, at: datetime) -> None:
    """Change or end an outage. What it is already stays as it is: repeating a change changes nothing.

    One that ends before its start does not take place. Subscribers are told by the process.

    Raises:
        Refusal: there is no such outage, or it is over; a node is unknown; the window can't be.
    """
    outage = locked(session, outage_id)
    if change.is_end:
        _end(session, outage, change.ended_at or at, was_said=change.ended_at is not None, actor=actor, at=at)
        return
    if is_over(outage):
        raise conflict("outage_over", "This outage is over: register another one.")
    changed = [
        _move(session, outage, change, actor=actor, at=at),
        change.node_ids is not None and _cover(session, outage, change.node_ids, actor=actor, at=at),
        change.reason is not None and _rename(session, outage, change.reason, actor=actor, at=at),
    ]
    if any(changed):
        have_it_looked_at(session, outage_id)


def _end(
    session: Session, outage: Outage, ended_at: datetime, *, was_said: bool, actor: str, at: datetime
) -> None:  # fmt: skip
    if is_over(outage):
        if was_said and outage.ended_at is not None and outage.ended_at != ended_at:
            raise conflict("outage_over", "This outage was ended already, at another time.")
        return
    if ended_at > at + TOLERANCE:
        raise invalid(
            "outage_end", "An outage ends when it is over: to give its expected end, send ends_at.",
            {"ended_at": "lies ahead"},
        )  # fmt: skip
    ended_at = min(ended_at, at)
    if ended_at < outage.starts_at:
        call_off(outage, at=at)
        tell(session, outage.process_id, "outage_called_off", at=at, actor=actor)
    else:
        outage.ended_at = ended_at
        facts = {"ended_at": ended_at.isoformat()}
        tell(session, outage.process_id, "outage_ended", at=at, actor=actor, facts=facts)
    session.flush()
    follow_outage(session, outage.process_id, at=at)
    have_it_looked_at(session, outage.process_id)


def _move(session: Session, outage: Outage, change: OutageChange, *, actor: str, at: datetime) -> bool:
    starts_at, ends_at = change.starts_at or outage.starts_at, change.ends_at or outage.ends_at
    if (starts_at, ends_at) == (outage.starts_at, outage.ends_at):
        return False
    has_begun = outage.kind is OutageKind.EMERGENCY or at >= outage.starts_at
    problems = problems_of(starts_at, ends_at, has_begun=has_begun, at=at, was=outage.starts_at)
    if problems:
        raise invalid("outage_window", "Mend the window of the outage.", problems)
    outage.starts_at, outage.ends_at = (min(starts_at, at) if has_begun else starts_at), ends_at
    outage.window, outage.overruns_in_window = outage.window + 1, 0
    want_round(outage)
    session.flush()
    facts = {"starts_at": outage.starts_at.isoformat(), "ends_at": ends_at.isoformat()}
    tell(
        session, outage.process_id, "outage_moved", key=f"outage_moved:{outage.window}", at=at, actor=actor,
        facts=facts,
    )  # fmt: skip
    follow_outage(session, outage.process_id, at=at)
    return True


def _cover(session: Session, outage: Outage, node_ids: Sequence[UUID], *, actor: str, at: datetime) -> bool:
    check_nodes(session, node_ids)
    covered = session.scalars(select(OutageNode.node_id).where(OutageNode.outage_id == outage.process_id)).all()
    if set(covered) == set(node_ids):
        return False
    session.execute(delete(OutageNode).where(OutageNode.outage_id == outage.process_id))
    cover(session, outage.process_id, node_ids)
    want_listing(outage)
    session.flush()
    tell(
        session, outage.process_id, "outage_nodes_changed", key=f"outage_nodes_changed:{outage.lists_wanted}", at=at,
        actor=actor, facts={"nodes": list(node_codes(session, outage.process_id))},
    )  # fmt: skip
    return True


def _rename(session: Session, outage: Outage, reason: str, *, actor: str, at: datetime) -> bool:
    if outage.reason == reason:
        return False
    outage.reason = reason
    key = f"outage_reason:{at.isoformat()}"
    tell(session, outage.process_id, "outage_reason", key=key, at=at, actor=actor, facts={"reason": reason})
    return True
