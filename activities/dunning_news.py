"""Telling an account's open dunning process that something it waits for may have changed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, any_, cast, select
from sqlalchemy.orm import Session

from activities.outbox import signal_workflow
from activities.processes import tell
from models.contracts.engine import LOOK_AGAIN
from models.tables.dunning import DunningEpisode
from models.tables.processes import Process


def look_again(session: Session, account_ids: Sequence[UUID]) -> None:
    """Have the open episodes of these accounts look at the facts again; they alone decide what follows."""
    open_ones = (
        select(Process.workflow_id)
        .join(DunningEpisode, DunningEpisode.process_id == Process.id)
        .where(
            DunningEpisode.account_id == any_(cast(list(account_ids), ARRAY(Uuid))), DunningEpisode.ended_at.is_(None)
        )
        .order_by(Process.workflow_id)
    )
    for workflow_id in session.scalars(open_ones).all():
        signal_workflow(session, workflow_id=workflow_id, signal=LOOK_AGAIN)


def tell_episode(
    session: Session, account_id: UUID, event: str, *, key: str, at: datetime, actor: str, facts: dict[str, Any]
) -> None:
    """Write what concerns an account into the timeline of its open episode, if it has one."""
    episode_id = session.scalar(
        select(DunningEpisode.process_id).where(
            DunningEpisode.account_id == account_id, DunningEpisode.ended_at.is_(None)
        )
    )
    if episode_id is not None:
        tell(session, episode_id, event, key=key, at=at, actor=actor, facts=facts)
