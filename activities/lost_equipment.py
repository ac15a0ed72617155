"""Equipment that a subscriber did not give back: billed piece by piece at its residual price."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import invoicing, settlement
from activities.charging import Charge
from activities.policies import billing_policy
from models.contracts.billing import InvoiceKind
from models.contracts.refusals import not_found
from models.rules.depreciation import Depreciation, full_months, residual
from models.tables.billing import Invoice
from models.tables.catalogue import EquipmentModel
from models.tables.stock import StockItem


def bill_lost_equipment(
    session: Session,
    *,
    process_id: UUID,
    account_id: UUID,
    items: Sequence[tuple[str, str]],
    issued_on: date,
    due_on: date,
) -> Invoice | None:
    """Invoice pieces that are lost, each given as serial number and SKU; None where there is nothing to be paid.

    One invoice for a process, however often it is asked for. A piece costs the price of its model less what it lost
    since it was first used, or received where nobody noted that, by the policy `billing`; VAT is inside. What the
    account has in advance covers it at once.

    Raises:
        Refusal: a serial number is not in the books under that SKU, or the VAT rate of the day is missing.
    """
    settlement.lock_account(session, account_id)
    earlier = session.scalar(
        select(Invoice).where(Invoice.process_id == process_id, Invoice.kind == InvoiceKind.EQUIPMENT)
    )
    if earlier is not None:
        return earlier
    policy = billing_policy(session)
    rule = Depreciation(policy.equipment_life_months, policy.equipment_floor_bp)
    charges = [_charge(session, serial, sku, issued_on, rule) for serial, sku in items]
    charges = [charge for charge in charges if charge.unit_minor]
    if not charges:
        return None
    invoice = invoicing.issue_invoice(
        session, kind=InvoiceKind.EQUIPMENT, account_id=account_id, process_id=process_id, charges=charges,
        issued_on=issued_on, due_on=due_on,
    )  # fmt: skip
    settlement.settle(session, account_id, reason=f"зачёт аванса в счёт {invoice.number}", on=issued_on)
    return invoice


def _charge(session: Session, serial: str, sku: str, on: date, rule: Depreciation) -> Charge:
    row = session.execute(
        select(StockItem, EquipmentModel)
        .join(EquipmentModel, EquipmentModel.sku == StockItem.sku)
        .where(StockItem.serial == serial, StockItem.sku == sku)
    ).one_or_none()
    if row is None:
        raise not_found("serial_unknown", f"There is no {sku} with the serial number {serial} in the books: check it.")
    piece, model = row
    # An hour more or less at the edge of a day is no matter here: the day in UTC will do.
    used_from = (piece.first_used_at or piece.received_at).date()
    left = residual(model.price_minor, full_months(used_from, on), rule)
    return Charge(
        f"Невозвращённое оборудование: {model.title}, № {serial}", 1, left.amount_minor, reckoning=left.formula
    )
