"""Equipment, piece by piece, each with its serial number."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.stock import StockState
from models.tables.base import Base, HasId, words


class StockItem(HasId, Base):
    """One piece of equipment: free in stock, reserved for an application, or installed."""

    __tablename__ = "stock_item"
    serial: Mapped[str] = mapped_column(unique=True)
    sku: Mapped[str] = mapped_column(ForeignKey("equipment_model.sku"))
    state: Mapped[StockState] = mapped_column(words(StockState), server_default="in_stock")
    subscription_id: Mapped[UUID | None] = mapped_column(ForeignKey("subscription.id"), index=True)
    received_at: Mapped[datetime] = mapped_column(server_default=func.now())
    first_used_at: Mapped[datetime | None]
    """When it was first mounted at a subscriber's: from then on it loses its value."""
    __table_args__ = (
        CheckConstraint(
            "(state IN ('reserved', 'installed')) = (subscription_id IS NOT NULL)",
            name="held_by_a_subscription",
        ),
        Index("ix_stock_item_free", "sku", "received_at", postgresql_where="state = 'in_stock'"),
    )
