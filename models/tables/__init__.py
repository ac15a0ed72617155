"""All tables, so that whoever needs the metadata has them all registered."""

from models.tables import (
    billing,
    catalogue,
    crews,
    documents,
    ledger,
    messages,
    network,
    outbox,
    payments,
    people,
    processes,
    stock,
    subscriptions,
)
from models.tables.base import Base

__all__ = [
    "Base",
    "billing",
    "catalogue",
    "crews",
    "documents",
    "ledger",
    "messages",
    "network",
    "outbox",
    "payments",
    "people",
    "processes",
    "stock",
    "subscriptions",
]
