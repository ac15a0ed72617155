"""Heads of departments: who is told when something takes too long."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.contracts.people import Role
from models.tables.people import Staff


def head_of(session: Session, department: Role) -> Staff | None:
    """The head of a department who can be written to, if there is one."""
    return session.scalar(
        select(Staff)
        .where(Staff.role == department, Staff.is_head, Staff.active, Staff.phone.is_not(None))
        .order_by(Staff.id)
        .limit(1)
    )
