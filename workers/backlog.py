"""What the outbox has yet to tell Temporal, among the metrics of a worker."""

from prometheus_client import Gauge
from sqlalchemy.orm import Session

from activities.outbox import backlog

# Registered by a worker that serves metrics; the API shows the same figures from the database itself.
WAITING = Gauge("abonent_outbox_waiting", "Events that Temporal was not told yet", registry=None)
LAG_SECONDS = Gauge("abonent_outbox_lag_seconds", "Age of the oldest of them", registry=None)


def observe(session: Session) -> None:
    """Set the gauges from the database."""
    now = backlog(session)
    WAITING.set(now.waiting)
    LAG_SECONDS.set(now.lag_seconds)
