"""Numbers whose owners want no SMS. It is a number that says STOP, whoever has it: the one place where that is kept."""

from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy.orm import Mapped, mapped_column

from models.tables.base import Base


class PhoneOptOut(Base):
    """A number, also of somebody unknown, from its first STOP until its START."""

    __tablename__ = "phone_opt_out"
    phone: Mapped[str] = mapped_column(primary_key=True)
    opted_out_at: Mapped[datetime]
    __table_args__ = (CheckConstraint(r"phone ~ '^\+[1-9][0-9]{6,14}$'", name="phone_is_e164"),)
