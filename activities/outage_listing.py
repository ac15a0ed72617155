"""Whom an outage affects: the services below its nodes, written down as a list, part by part.

A service hangs below the node of its port, and below the node that reaches its premises; one that is switched off, for
a debt or by wish, loses nothing. The list is frozen: it is written down when the outage is registered, right before
planned works are announced, and when the nodes change, and stays as it is in between.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, any_, bindparam, cast, exists, func, select, text
from sqlalchemy.orm import Session, aliased

from activities.outage_state import want_round
from activities.processes import tell
from activities.request_links import outage_is_listed
from models.tables.dunning import DunningHold
from models.tables.outages import Outage, OutageAffected

_NOTHING = UUID(int=0)
COVERED = """
    covered (id) AS (
        SELECT node_id FROM outage_node WHERE outage_id = :outage_id
        UNION
        SELECT node.id FROM network_node AS node JOIN covered ON node.parent_id = covered.id
    )
"""
# The services are found anew for each part: so a part needs nothing but where the one before it ended.
_LIST_PART = text(f"""
    WITH RECURSIVE {COVERED}, service (id) AS (
        SELECT port.subscription_id FROM network_port AS port JOIN covered ON covered.id = port.node_id
        WHERE port.subscription_id > :after AND port.kept_for IS NULL
        UNION
        SELECT one.id FROM premises JOIN covered ON covered.id = premises.node_id
        JOIN subscription AS one ON one.premises_id = premises.id
        WHERE one.id > :after
    ), part AS (
        SELECT one.id, one.account_id FROM service JOIN subscription AS one ON one.id = service.id
        WHERE one.status = 'active'
        ORDER BY one.id LIMIT :size
    ), reach (last_id) AS (
        SELECT CASE WHEN count(*) = :size THEN (array_agg(id ORDER BY id DESC))[1] END FROM part
    ), joined AS (
        INSERT INTO outage_affected (outage_id, position, subscription_id, subscriber_id, account_id, from_at)
        SELECT :outage_id, :listed + row_number() OVER (ORDER BY part.id), part.id, account.subscriber_id, account.id,
               :from_at
        FROM part JOIN account ON account.id = part.account_id
        WHERE NOT EXISTS (
            SELECT FROM outage_affected AS known
            WHERE known.outage_id = :outage_id AND known.subscription_id = part.id)
        RETURNING position
    ), returned AS (
        UPDATE outage_affected AS known SET until_at = NULL FROM part
        WHERE known.outage_id = :outage_id AND known.subscription_id = part.id AND known.until_at IS NOT NULL
        RETURNING known.position
    ), gone AS (
        UPDATE outage_affected AS known SET until_at = :at FROM reach
        WHERE known.outage_id = :outage_id AND known.until_at IS NULL AND known.subscription_id > :after
          AND (last_id IS NULL OR known.subscription_id <= last_id)
          AND NOT EXISTS (SELECT FROM part WHERE part.id = known.subscription_id)
        RETURNING known.position
    )
    SELECT (SELECT count(*) FROM part) AS found, last_id, (SELECT count(*) FROM joined) AS joined,
           (SELECT count(*) FROM returned) AS returned, (SELECT count(*) FROM gone) AS gone
    FROM reach
""").bindparams(bindparam("after", type_=Uuid), bindparam("outage_id", type_=Uuid))  # noqa: S608 - no values in it
_FEWEST = 100
"""What a part counts at least, however few services it finds: looking for them takes its time too."""


@dataclass(frozen=True)
class Count:
    """How many are affected now."""

    services: int
    subscribers: int


def list_part(session: Session, outage: Outage, *, size: int, at: datetime) -> int:
    """Write down the next services in the order of their ids, and who is gone; answers how much work that was.

    A service that comes under an outage which has begun already is affected from now on; one that comes back is as if
    it had never left.
    """
    is_later = outage.lists_done > 0 and at >= outage.starts_at
    part = session.execute(
        _LIST_PART,
        {
            "outage_id": outage.process_id, "after": outage.list_after or _NOTHING, "size": size,
            "listed": outage.listed, "at": at, "from_at": at if is_later else None,
        },
    ).one()  # fmt: skip
    outage.listed += part.joined
    outage.list_after = part.last_id
    if part.last_id is None:
        outage.lists_done = outage.lists_wanted
        want_round(outage)
        session.flush()
        now = count(session, outage.process_id)
        facts = {"services": now.services, "subscribers": now.subscribers}
        key = f"outage_listed:{outage.lists_done}"
        tell(session, outage.process_id, "outage_listed", key=key, at=at, facts=facts)
        outage_is_listed(session, outage.process_id, at=at)
    return max(int(part.found) + int(part.gone), _FEWEST)


def count(session: Session, outage_id: UUID) -> Count:
    """How many services and subscribers an outage affects now, or did until it ended."""
    services, subscribers = session.execute(
        select(func.count(), func.count(OutageAffected.subscriber_id.distinct())).where(
            OutageAffected.outage_id == outage_id, OutageAffected.until_at.is_(None)
        )
    ).one()
    return Count(services, subscribers)


def accounts_to_hold(session: Session, outage_id: UUID, *, after: int, until: int) -> list[UUID]:
    """The accounts among some positions that are affected, and whose dunning does not wait for it yet."""
    affected = session.scalars(_accounts(outage_id, after, until).where(OutageAffected.until_at.is_(None))).all()
    return sorted(set(affected) - _held(session, outage_id, affected))


def accounts_to_release(session: Session, outage_id: UUID, *, after: int, until: int) -> list[UUID]:
    """The accounts among some positions whose dunning waits for it, and of which nothing is affected any more."""
    other = aliased(OutageAffected)
    still_affected = exists().where(
        other.outage_id == outage_id, other.account_id == OutageAffected.account_id, other.until_at.is_(None)
    )
    gone = session.scalars(
        _accounts(outage_id, after, until).where(OutageAffected.until_at.is_not(None), ~still_affected)
    ).all()
    return sorted(_held(session, outage_id, gone))


def _accounts(outage_id: UUID, after: int, until: int) -> Select[UUID]:
    return select(OutageAffected.account_id).where(
        OutageAffected.outage_id == outage_id, OutageAffected.position > after, OutageAffected.position <= until
    )


def _held(session: Session, outage_id: UUID, accounts: Sequence[UUID]) -> set[UUID]:
    """Those of some accounts whose dunning waits for this outage."""
    if not accounts:
        return set()
    held = select(DunningHold.account_id).where(
        DunningHold.source_id == outage_id,
        DunningHold.released_at.is_(None),
        DunningHold.account_id == any_(cast(list(accounts), ARRAY(Uuid))),
    )
    return set(session.scalars(held))
