"""Telling requests that what they follow has changed or ended; they look for themselves what that means for them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.contracts.engine import REQUEST_CHANGED

# A cut fibre may have thousands of them: one statement for all.
_TELL_FOLLOWERS = text("""
    INSERT INTO outbox (workflow_id, signal)
    SELECT process.workflow_id, :signal
    FROM request_link link JOIN process ON process.id = link.process_id
    WHERE link.follows_id = :follows_id AND link.ended_at IS NULL AND process.status = 'open'
    ORDER BY link.id
    RETURNING id
""")
# Those that came before it was registered may be about it as well.
_TELL_AFFECTED = text("""
    INSERT INTO outbox (workflow_id, signal)
    SELECT process.workflow_id, :signal
    FROM request JOIN process ON process.id = request.process_id
    WHERE process.status = 'open' AND request.turn IN ('triage', 'work')
      AND EXISTS (SELECT FROM outage_affected AS affected
                  WHERE affected.outage_id = :outage_id AND affected.subscriber_id = process.subscriber_id
                    AND affected.until_at IS NULL)
    ORDER BY process.id
    RETURNING id
""")


def outage_is_listed(session: Session, outage_id: UUID, *, at: datetime) -> int:
    """Have requests look that follow an outage or may be about it, now that it is known whom it affects; how many.

    Called in the transaction that ends the list, the first one and every later one.
    """
    affected = session.execute(_TELL_AFFECTED, {"outage_id": outage_id, "signal": REQUEST_CHANGED}).all()
    return follow_outage(session, outage_id, at=at) + len(affected)


def follow_outage(session: Session, outage_id: UUID, *, at: datetime) -> int:
    """Have all requests that follow an outage look at it; answers how many.

    Called in the transaction that moves, calls off or ends it, after its row was written: whoever links a request to
    it holds that row, so that they are through and found here, or find the outage as it is now.
    """
    del at  # The requests look at a time of their own.
    return tell_followers(session, outage_id)


def tell_followers(session: Session, process_id: UUID) -> int:
    """Have all requests that follow a process look at it; answers how many.

    Called after the process's row was written, which waits for whoever links a request to it.
    """
    return len(session.execute(_TELL_FOLLOWERS, {"follows_id": process_id, "signal": REQUEST_CHANGED}).all())
