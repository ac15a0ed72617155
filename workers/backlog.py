"""What the outbox has yet to tell Temporal, for people who watch over the product."""

from dataclasses import dataclass

from prometheus_client import Gauge
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities.outbox import is_waiting
from models.tables.outbox import Outbox

# Registered by a worker that serves metrics; the API shows the same figures from the database itself.
WAITING = Gauge("abonent_outbox_waiting", "Events that Temporal was not told yet", registry=None)
LAG_SECONDS = Gauge("abonent_outbox_lag_seconds", "Age of the oldest of them", registry=None)


@dataclass(frozen=True)
class Backlog:
    """How much waits, and since when."""

    waiting: int
    lag_seconds: float


def backlog(session: Session) -> Backlog:
    """The rows that wait to be delivered, and the age of the oldest."""
    age = func.extract("epoch", func.clock_timestamp() - func.min(Outbox.created_at))
    waiting, lag_seconds = session.execute(select(func.count(), age).select_from(Outbox).where(is_waiting())).one()
    return Backlog(waiting, max(float(lag_seconds or 0), 0.0))


def observe(session: Session) -> None:
    """Set the gauges from the database."""
    now = backlog(session)
    WAITING.set(now.waiting)
    LAG_SECONDS.set(now.lag_seconds)
