"""Telling the processes of a bank's days that what they are made of has changed; they look for themselves."""

from collections.abc import Collection
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, select, text
from sqlalchemy.orm import Session

from activities.outbox import signal_workflow
from models.contracts.engine import BANK_DAY_CHANGED
from models.contracts.processes import ProcessStatus
from models.tables.processes import Process
from models.tables.reconciliation import Reconciliation

GATHERED_FOR: Final = timedelta(seconds=60)
"""Many changes within this time are one signal."""
_SURELY_LATER: Final = timedelta(seconds=10)
"""A signal that is due later than that comes after this transaction is committed, so it tells of it as well."""

# A bank that repeats a day's payments after an outage must not fill the history of that day's process.
_REMIND = text("""
    INSERT INTO outbox (workflow_id, signal, next_attempt_at)
    SELECT workflow_id, :signal, clock_timestamp() + :gathered_for
    FROM unnest(CAST(:workflow_ids AS text[])) AS day (workflow_id)
    WHERE NOT EXISTS (
        SELECT FROM outbox
        -- Ids tell their age: only the newest rows are looked at, however many wait.
        WHERE outbox.id > uuidv7(-:gathered_for) AND outbox.delivered_at IS NULL
          AND outbox.workflow_id = day.workflow_id AND outbox.signal = :signal
          AND outbox.next_attempt_at > clock_timestamp() + :surely_later
    )
""")


def bank_days_changed(session: Session, bank_id: UUID, *days: date) -> None:
    """A payment was taken late or taken back: the open processes of these days are to look again, in a while.

    The days beside them as well: whoever calls may know a day in another zone only.
    """
    near = {day + timedelta(days=offset) for day in days for offset in (-1, 0, 1)}
    open_days = _open_days((Reconciliation.bank_id == bank_id) & Reconciliation.day_on.in_(near))
    workflow_ids = session.scalars(open_days).all()
    if workflow_ids:
        session.execute(
            _REMIND,
            {
                "workflow_ids": workflow_ids, "signal": BANK_DAY_CHANGED, "gathered_for": GATHERED_FOR,
                "surely_later": _SURELY_LATER,
            },
        )  # fmt: skip


def tell_days(session: Session, reconciliation_ids: Collection[UUID]) -> None:
    """These days are to look again at once."""
    for workflow_id in session.scalars(_open_days(Reconciliation.id.in_(reconciliation_ids))).all():
        signal_workflow(session, workflow_id=workflow_id, signal=BANK_DAY_CHANGED)


def _open_days(condition: ColumnElement[bool]) -> Select[Any]:
    return (
        select(Process.workflow_id)
        .join(Reconciliation, Reconciliation.process_id == Process.id)
        .where(condition, Process.status == ProcessStatus.OPEN)
        .order_by(Process.workflow_id)
    )
