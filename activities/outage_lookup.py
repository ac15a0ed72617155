"""Whether somebody has no service now because of an outage that we know of."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.contracts.outage import CurrentOutage
from models.tables.outages import Outage, OutageAffected


def current_outage(session: Session, subscriber_id: UUID, *, at: datetime) -> CurrentOutage | None:
    """The outage that affects a service of the subscriber now; of several the one that is expected to end last."""
    found = session.execute(
        select(Outage.process_id, Outage.kind, Outage.starts_at, Outage.ends_at)
        .join(OutageAffected, OutageAffected.outage_id == Outage.process_id)
        .where(
            OutageAffected.subscriber_id == subscriber_id,
            OutageAffected.until_at.is_(None),
            Outage.starts_at <= at,
            Outage.ended_at.is_(None),
            Outage.called_off_at.is_(None),
            Outage.closed_at.is_(None),
        )
        .order_by(Outage.ends_at.desc(), Outage.process_id)
        .limit(1)
    ).one_or_none()
    return None if found is None else CurrentOutage.model_validate(dict(found._mapping))  # noqa: SLF001 - a row's public way to a dict
