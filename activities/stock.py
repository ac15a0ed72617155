"""Equipment: reserved for an application, delivered by procurement, mounted by an installer, given back."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from activities.outbox import signal_workflow
from models.contracts.connection import ConnectionStage
from models.contracts.engine import STOCK_ARRIVED
from models.contracts.field_forms import Swap
from models.contracts.processes import ProcessKind, ProcessStatus
from models.contracts.refusals import Refusal, conflict, invalid
from models.contracts.stock import Delivery, StockState
from models.tables.catalogue import EquipmentModel
from models.tables.processes import ConnectionApplication, Process
from models.tables.stock import StockItem


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
    held = Counter(session.scalars(select(StockItem.sku).where(StockItem.subscription_id == subscription_id)))
    missing: list[str] = []
    for sku, wanted in sorted((Counter(skus) - held).items()):
        free = session.scalars(
            select(StockItem.id)
            .where(StockItem.sku == sku, StockItem.state == StockState.IN_STOCK)
            .order_by(StockItem.received_at, StockItem.id)
            .limit(wanted)
            .with_for_update(skip_locked=True)
        ).all()
        session.execute(
            update(StockItem)
            .where(StockItem.id.in_(free))
            .values(state=StockState.RESERVED, subscription_id=subscription_id)
        )
        missing += [sku] * (wanted - len(free))
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
    waiting = (
        select(Process.workflow_id)
        .join(ConnectionApplication)
        .where(
            Process.kind == ProcessKind.CONNECTION,
            Process.status == ProcessStatus.OPEN,
            Process.stage == ConnectionStage.STOCK,
            Process.id.is_distinct_from(asked_by),
            ConnectionApplication.equipment.overlap({delivery.sku for delivery in deliveries}),
        )
    )
    for workflow_id in session.scalars(waiting.order_by(Process.id)):
        signal_workflow(session, workflow_id=workflow_id, signal=STOCK_ARRIVED)
    return len(rows)


def mount(session: Session, subscription_id: UUID, serials: Sequence[str], swaps: Sequence[Swap]) -> None:
    """Record what was mounted: exactly the reserved pieces, save for explicit swaps with pieces from stock.

    Raises:
        Refusal: another piece than a reserved one without a swap, one left out, or a swap that can't be.
    """
    for index, swap in enumerate(swaps):
        _swap(session, subscription_id, swap, field=f"swaps.{index}")
    expected = sorted(reserved_serials(session, subscription_id))
    if sorted(serials) != expected:
        raise invalid(
            "serials_not_reserved",
            "Mount the reserved equipment, or name each swap with its reason.",
            {"serials": f"expected {', '.join(expected) or 'none'}"},
        )
    session.execute(
        update(StockItem).where(StockItem.subscription_id == subscription_id).values(state=StockState.INSTALLED)
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
    if old is None or old.subscription_id != subscription_id:
        raise _bad_swap(f"{field}.reserved", f"{swap.reserved} is not reserved for this application")
    if new is None or new.state != StockState.IN_STOCK:
        raise _bad_swap(f"{field}.mounted", f"{swap.mounted} is not free in stock")
    if new.sku != old.sku:
        raise _bad_swap(f"{field}.mounted", f"{swap.mounted} is a {new.sku}, but a {old.sku} was ordered")
    old.state, old.subscription_id = StockState.IN_STOCK, None
    new.state, new.subscription_id = StockState.RESERVED, subscription_id
    session.flush()


def _bad_swap(field: str, detail: str) -> Refusal:
    return invalid("swap_impossible", "Mend the swap that is named under errors.", {field: detail})


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
    """The serial numbers that the subscription holds, by SKU and age."""
    return list(
        session.scalars(
            select(StockItem.serial)
            .where(StockItem.subscription_id == subscription_id)
            .order_by(StockItem.sku, StockItem.received_at, StockItem.id)
        )
    )


def _repeated(serials: Sequence[str]) -> list[str]:
    return [serial for serial, count in Counter(serials).items() if count > 1]
