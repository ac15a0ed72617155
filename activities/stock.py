"""Equipment: reserved for an application, delivered by procurement, mounted by an installer, given back or lost."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select, text, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities.outbox import signal_workflow
from models.contracts.engine import STOCK_ARRIVED
from models.contracts.field_forms import ReturnedPiece, Swap
from models.contracts.processes import ProcessKind, ProcessStatus
from models.contracts.refusals import Refusal, conflict, invalid
from models.contracts.stock import STOCK_STAGE, Delivery, EquipmentCondition, StockState
from models.tables.catalogue import EquipmentModel
from models.tables.processes import ConnectionApplication, Process
from models.tables.stock import StockItem
from models.tables.tariff_changes import TariffChange

DELIVERIES: Final = 0x53544F434B
"""Advisory lock: held alone by whoever tells of new pieces, together by those who say that they wait for some."""

_HELD = text("SELECT sku FROM stock_item WHERE subscription_id = :subscription_id")
_RESERVE = text("""
    WITH free AS MATERIALIZED (
        SELECT id FROM stock_item WHERE sku = :sku AND state = 'in_stock' ORDER BY received_at, id LIMIT :wanted
        FOR UPDATE SKIP LOCKED
    )
    UPDATE stock_item SET state = 'reserved', subscription_id = :subscription_id
    FROM free WHERE stock_item.id = free.id
    RETURNING stock_item.id
""")
_RESERVED = text("""
    SELECT serial FROM stock_item WHERE subscription_id = :subscription_id AND state = 'reserved'
    ORDER BY sku, received_at, id
""")


def check_skus(session: Session, skus: Sequence[str]) -> None:
    """Return if every SKU is in the catalogue.

    Raises:
        Refusal: one is not.
    """
    known = set(session.scalars(select(EquipmentModel.sku).where(EquipmentModel.sku.in_(skus))))
    unknown = {f"equipment.{index}": f"there is no {sku}" for index, sku in enumerate(skus) if sku not in known}
    if unknown:
        raise invalid(
            "sku_unknown", "Take the equipment from GET /v1/stock: some of it is not in the catalogue.", unknown
        )


def reserve(session: Session, subscription_id: UUID, skus: Sequence[str]) -> list[str]:
    """Reserve a piece for each SKU as far as stock goes, and answer which SKUs are missing.

    Repeating it reserves only what was missing before. Two applications never get the same piece: a row that the
    other one is just taking is skipped.
    """
    held = Counter(session.scalars(_HELD, {"subscription_id": subscription_id}))
    missing: list[str] = []
    for sku, wanted in sorted((Counter(skus) - held).items()):
        order = {"sku": sku, "wanted": wanted, "subscription_id": subscription_id}
        taken = session.execute(_RESERVE, order).all()
        missing += [sku] * (wanted - len(taken))
    return missing


def receive(session: Session, deliveries: Sequence[Delivery], *, asked_by: UUID | None = None) -> int:
    """Take delivered pieces into stock, and tell the processes that wait for such equipment.

    The process that asked for them needs no telling: its task is done.

    Raises:
        Refusal: an unknown SKU, or a serial number that is in the books already.
    """
    check_skus(session, [delivery.sku for delivery in deliveries])
    rows = [{"sku": delivery.sku, "serial": serial} for delivery in deliveries for serial in delivery.serials]
    taken = set(
        session.scalars(
            insert(StockItem).values(rows).on_conflict_do_nothing(index_elements=["serial"]).returning(StockItem.serial)
        )
    )
    double = sorted({row["serial"] for row in rows} - taken) or _repeated([row["serial"] for row in rows])
    if double:
        raise conflict(
            "serial_known",
            f"These serial numbers are in the books already: {', '.join(double[:5])}. Check the delivery note.",
        )
    _tell_waiting(session, {delivery.sku for delivery in deliveries}, asked_by=asked_by)
    return len(rows)


def _tell_waiting(session: Session, skus: Collection[str], *, asked_by: UUID | None = None) -> None:
    session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": DELIVERIES})
    waiting = (
        select(Process.workflow_id)
        .outerjoin(ConnectionApplication)
        .outerjoin(TariffChange)
        .where(
            Process.kind.in_([ProcessKind.CONNECTION, ProcessKind.TARIFF_CHANGE]),
            Process.status == ProcessStatus.OPEN,
            Process.stage == STOCK_STAGE,
            Process.id.is_distinct_from(asked_by),
            ConnectionApplication.equipment.overlap(set(skus)) | TariffChange.equipment.overlap(set(skus)),
        )
    )
    for workflow_id in session.scalars(waiting.order_by(Process.id)):
        signal_workflow(session, workflow_id=workflow_id, signal=STOCK_ARRIVED)


def mount(
    session: Session, subscription_id: UUID, serials: Sequence[str], swaps: Sequence[Swap], *, at: datetime
) -> None:
    """Record what was mounted: exactly the reserved pieces, save for explicit swaps with pieces from stock.

    A piece that was never in use before is from now on: it loses its value with time.

    Raises:
        Refusal: another piece than a reserved one without a swap, one left out, or a swap that can't be.
    """
    for index, swap in enumerate(swaps):
        _swap(session, subscription_id, swap, field=f"swaps.{index}")
    mounted = sorted(
        session.scalars(
            update(StockItem)
            .where(StockItem.subscription_id == subscription_id, StockItem.state == StockState.RESERVED)
            .values(state=StockState.INSTALLED, first_used_at=func.coalesce(StockItem.first_used_at, at))
            .returning(StockItem.serial)
        )
    )
    if sorted(serials) != mounted:
        raise invalid(
            "serials_not_reserved",
            "Mount the reserved equipment, or name each swap with its reason.",
            {"serials": f"expected {', '.join(mounted) or 'none'}"},
        )


def _swap(session: Session, subscription_id: UUID, swap: Swap, *, field: str) -> None:
    pieces = {
        piece.serial: piece
        for piece in session.scalars(
            select(StockItem)
            .where(StockItem.serial.in_([swap.reserved, swap.mounted]))
            .order_by(StockItem.id)
            .with_for_update()
        )
    }
    old, new = pieces.get(swap.reserved), pieces.get(swap.mounted)
    if old is None or (old.subscription_id, old.state) != (subscription_id, StockState.RESERVED):
        raise _bad_swap(f"{field}.reserved", f"{swap.reserved} is not reserved here")
    if new is None or new.state != StockState.IN_STOCK:
        raise _bad_swap(f"{field}.mounted", f"{swap.mounted} is not free in stock")
    if new.sku != old.sku:
        raise _bad_swap(f"{field}.mounted", f"{swap.mounted} is a {new.sku}, but a {old.sku} was ordered")
    old.state, old.subscription_id = StockState.IN_STOCK, None
    new.state, new.subscription_id = StockState.RESERVED, subscription_id
    session.flush()


def _bad_swap(field: str, detail: str) -> Refusal:
    return invalid("swap_impossible", "Mend the swap that is named under errors.", {field: detail})


_BACK_AS = {
    EquipmentCondition.TESTED_OK: StockState.IN_STOCK,
    EquipmentCondition.BROKEN: StockState.SCRAPPED,
    EquipmentCondition.LOST: StockState.LOST,
}


def take_back(
    session: Session, subscription_id: UUID, returned: Sequence[ReturnedPiece], *, only: Collection[str] | None = None
) -> None:
    """Record what was dismantled at the subscriber's: each installed piece once, whatever became of it.

    With `only`, each of the pieces with these serial numbers, while others stay. What goes back into stock may be what
    somebody waits for.

    Raises:
        Refusal: a piece that is not installed there, one that is named twice, or one that is left out.
    """
    pieces = {
        piece.serial: piece
        for piece in session.scalars(
            select(StockItem)
            .where(
                StockItem.subscription_id == subscription_id,
                StockItem.state == StockState.INSTALLED,
                true() if only is None else StockItem.serial.in_(only),
            )
            .order_by(StockItem.id)
            .with_for_update()
        )
    }
    if sorted(one.serial for one in returned) != sorted(pieces):
        raise invalid(
            "serials_not_installed",
            "Name each piece that is to be taken back exactly once, a lost one too, and no other.",
            {"data.equipment": f"expected {', '.join(sorted(pieces)) or 'none'}"},
        )
    for one in returned:
        pieces[one.serial].state, pieces[one.serial].subscription_id = _BACK_AS[one.condition], None
    session.flush()
    _tell_waiting(session, {piece.sku for piece in pieces.values() if piece.state is StockState.IN_STOCK})


def installed_serials(session: Session, subscription_id: UUID) -> list[str]:
    """The serial numbers that are installed at the subscriber's, by SKU and age."""
    return list(
        session.scalars(
            select(StockItem.serial)
            .where(StockItem.subscription_id == subscription_id, StockItem.state == StockState.INSTALLED)
            .order_by(StockItem.sku, StockItem.received_at, StockItem.id)
        )
    )


def release(session: Session, subscription_id: UUID) -> list[str]:
    """Give back whatever the subscription holds; answers the serial numbers."""
    return sorted(
        session.scalars(
            update(StockItem)
            .where(StockItem.subscription_id == subscription_id)
            .values(state=StockState.IN_STOCK, subscription_id=None)
            .returning(StockItem.serial)
        )
    )


def reserved_serials(session: Session, subscription_id: UUID) -> list[str]:
    """The serial numbers that are reserved for the subscription, by SKU and age."""
    return list(session.scalars(_RESERVED, {"subscription_id": subscription_id}))


def _repeated(serials: Sequence[str]) -> list[str]:
    return [serial for serial, count in Counter(serials).items() if count > 1]
