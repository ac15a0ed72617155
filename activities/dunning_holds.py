"""Accounts that dunning waits for because of another process, such as an outage where they are served.

That process places the hold on all accounts concerned at once, and releases it by its own id, in its own transactions.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, cast, text, update
from sqlalchemy.orm import Session

from activities.dunning_news import look_again
from models.contracts.dunning_words import HoldReason
from models.tables.dunning import DunningHold

_PLACE = text("""
    INSERT INTO dunning_hold (account_id, reason, source_id, since_at, until_at)
    SELECT account_id, :reason, :source_id, :at, CAST(:until_at AS timestamptz)
    FROM unnest(CAST(:account_ids AS uuid[])) AS held (account_id)
    ON CONFLICT (account_id, source_id) WHERE released_at IS NULL
    DO UPDATE SET until_at = excluded.until_at
    RETURNING account_id
""")


def place(
    session: Session, account_ids: Sequence[UUID], reason: HoldReason, *, source_id: UUID, at: datetime,
    until_at: datetime | None,
) -> int:  # fmt: skip
    """Let dunning of these accounts wait until an instant, or until `release`; placed again, the newer end counts."""
    facts = {"account_ids": list(account_ids), "reason": reason.value, "source_id": source_id, "at": at}
    held = session.scalars(_PLACE, {**facts, "until_at": until_at}).all()
    look_again(session, held)
    return len(held)


def release(session: Session, source_id: UUID, *, at: datetime, account_ids: Sequence[UUID] | None = None) -> int:
    """Let dunning go on that was held by this process, for all accounts or some; answers for how many."""
    chosen = [DunningHold.source_id == source_id, DunningHold.released_at.is_(None)]
    if account_ids is not None:
        chosen.append(DunningHold.account_id == any_(cast(list(account_ids), ARRAY(Uuid))))
    released = session.scalars(
        update(DunningHold).where(*chosen).values(released_at=at).returning(DunningHold.account_id)
    ).all()
    look_again(session, released)
    return len(released)
