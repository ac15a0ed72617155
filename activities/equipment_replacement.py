"""Equipment that is replaced at a subscriber's: new pieces mounted, old ones taken back, lost ones billed."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from activities import final_billing, policies, stock
from activities.compatibility import in_place_of
from activities.port_moves import move_to_kept_port
from models.contracts.field_forms import Replaced
from models.contracts.stock import StockState
from models.tables.billing import Invoice
from models.tables.processes import Process
from models.tables.stock import StockItem
from models.tables.tariff_changes import TariffChange


def replace(session: Session, process: Process, work: Replaced, *, at: datetime) -> int | None:
    """Record what was mounted and what was taken back; answers the number of the port that the service moved to.

    Raises:
        Refusal: a piece is mounted that is not reserved and no swap, or left out; an old piece is left out, or is none
            of those that make room.
    """
    assert process.subscription_id is not None
    change = session.get_one(TariffChange, process.id)
    old = in_place_of(session, process.subscription_id, change.equipment)
    stock.take_back(session, process.subscription_id, work.equipment, only=old)
    stock.mount(session, process.subscription_id, work.serials, work.swaps, at=at)
    return move_to_kept_port(session, process.id)


def bill_lost(session: Session, process: Process, serials: Sequence[str], *, on: date) -> Invoice | None:
    """Let the subscriber pay what lost pieces are still worth, by an invoice of its own; none where it is nothing."""
    if not serials:
        return None
    assert process.account_id is not None
    items = session.execute(
        select(StockItem.serial, StockItem.sku).where(StockItem.serial.in_(serials)).order_by(StockItem.serial)
    )
    due_on = on + policies.billing_policy(session).due_after
    return final_billing.bill_lost_equipment(
        session, process_id=process.id, account_id=process.account_id,
        items=[(row.serial, row.sku) for row in items], issued_on=on, due_on=due_on,
    )  # fmt: skip


def release_reserved(session: Session, subscription_id: UUID) -> list[str]:
    """Give back to stock what is reserved and not mounted yet; answers the serial numbers."""
    return sorted(
        session.scalars(
            update(StockItem)
            .where(StockItem.subscription_id == subscription_id, StockItem.state == StockState.RESERVED)
            .values(state=StockState.IN_STOCK, subscription_id=None)
            .returning(StockItem.serial)
        )
    )
