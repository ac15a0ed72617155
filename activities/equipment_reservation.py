"""Equipment that a process needs, reserved in its name and told of in its timeline."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities import stock
from activities.processes import Told, tell_all
from activities.tasks import withdraw_forgotten
from models.contracts.processes import TaskKind
from models.contracts.stock import STOCK_STAGE, Equipment
from models.tables.processes import Process


def reserve_for(session: Session, process: Process, skus: Sequence[str], *, at: datetime) -> Equipment:
    """Reserve the equipment as far as stock goes, and say what is missing; a delivery of that wakes the process."""
    assert process.subscription_id is not None
    missing = stock.reserve(session, process.subscription_id, skus)
    if missing:
        # Whoever takes in a delivery just now either has done so when we look again, or finds us waiting.
        session.execute(text("SELECT pg_advisory_xact_lock_shared(:lock)"), {"lock": stock.DELIVERIES})
        missing = stock.reserve(session, process.subscription_id, skus)
    if missing:
        told = Told("equipment_missing", {"missing": missing})
        tell_all(session, process.id, [told], at=at, stages=[STOCK_STAGE])
        return Equipment(missing=missing)
    withdraw_forgotten(session, process.id, kind=TaskKind.PURCHASE, at=at)
    told = Told("equipment_reserved", {"serials": stock.reserved_serials(session, process.subscription_id)})
    tell_all(session, process.id, [told], at=at, stages=[STOCK_STAGE])
    return Equipment(missing=[])
