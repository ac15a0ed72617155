"""Opening a bank's day: its row, its process, and what it pins. One process at a time for each bank and day."""

from datetime import date, datetime, time, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from activities import bank_terms, policies
from activities.outbox import start_workflow
from activities.processes import close, enter_stage, tell
from models.contracts.engine import PROCESSES_QUEUE, RECONCILIATION
from models.contracts.processes import SCHEDULE_ACTOR, ProcessKind, ProcessStatus
from models.contracts.reconciliation import ReconciliationTerms
from models.contracts.reconciliation_process import ReconciliationInput, ReconciliationPolicy, ReconciliationStage
from models.contracts.refusals import invalid
from models.tables.banks import Bank
from models.tables.processes import Process
from models.tables.reconciliation import Reconciliation

CATCH_UP_DAYS: Final = 62
"""Days that were missed, in an outage or before a bank's terms were entered, are opened unless they are older."""


def lock_day(session: Session, bank_id: UUID, day_on: date) -> None:
    """Wait for whoever else opens this day or brings a registry for it."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 7))"), {"name": f"{bank_id}/{day_on.isoformat()}"}
    )


def open_day(
    session: Session, bank: Bank, day_on: date, *, actor: str, at: datetime, zone: ZoneInfo
) -> tuple[Reconciliation, bool]:
    """The day with its process, opened now unless it is open; answers whether it was opened now.

    A day that was closed or cancelled is opened again: what its first process settled counts.

    Raises:
        Refusal: the day has not begun.
    """
    if day_on > at.astimezone(zone).date():
        raise invalid("day_in_future", "This day has not begun: name an earlier one.", {"date": "in the future"})
    lock_day(session, bank.id, day_on)
    day = session.scalar(
        select(Reconciliation)
        .where(Reconciliation.bank_id == bank.id, Reconciliation.day_on == day_on)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if day is not None and session.get_one(Process, day.process_id).status is ProcessStatus.OPEN:
        return day, False
    terms = bank_terms.terms_of(session, bank.id) or ReconciliationTerms(enabled=False, starts_on=day_on)
    process, policy = _process(session, bank, day_on, actor=actor, at=at, again=day is not None)
    if day is None:
        day = Reconciliation(bank_id=bank.id, day_on=day_on, process_id=process.id)
        session.add(day)
    day.process_id, day.ready_at, day.settled_at = process.id, None, None
    session.flush()
    start_workflow(
        session, workflow_type=RECONCILIATION, workflow_id=process.workflow_id, task_queue=PROCESSES_QUEUE,
        start_input=ReconciliationInput(
            process_id=process.id, reconciliation_id=day.id, bank_code=bank.code, day_on=day_on, policy=policy,
            registry_due_at=_moment(day_on + timedelta(days=1), terms.registry_expected_at, zone)
            + policy.registry_grace,
            settlement_due_at=_moment(day_on + timedelta(days=terms.settlement.within_days + 1), time(), zone)
            + policy.settlement_grace,
        ),
    )  # fmt: skip
    return day, True


def day_at_work(session: Session, bank_code: str, day_on: date) -> Process | None:
    """The process of a bank's day that has not ended."""
    name = _name(bank_code, day_on)
    return session.scalar(select(Process).where(Process.sole_key == name, Process.status == ProcessStatus.OPEN))


def close_lost_day(session: Session, process_id: UUID, *, at: datetime) -> None:
    """Write down the end of a process that was ended from outside, unless it wrote one itself meanwhile."""
    process = session.get_one(Process, process_id, with_for_update=True)
    if process.status is ProcessStatus.OPEN:
        tell(session, process_id, "bank_day_lost", at=at)
        enter_stage(session, process_id, ReconciliationStage.CLOSED, at=at)
        close(session, process_id, ProcessStatus.FAILED, at=at, reason="terminated")


def open_missed_days(session: Session, *, at: datetime, zone: ZoneInfo) -> list[UUID]:
    """Open all days up to yesterday that no process has looked at, of all banks that are reconciled.

    Repeated, it opens nothing more.
    """
    yesterday = at.astimezone(zone).date() - timedelta(days=1)
    earliest = yesterday - timedelta(days=CATCH_UP_DAYS - 1)
    opened = []
    for bank_id, terms in bank_terms.newest_terms(session).items():
        if not terms.enabled:
            continue
        bank = session.get_one(Bank, bank_id)
        known = set(session.scalars(select(Reconciliation.day_on).where(Reconciliation.bank_id == bank_id)))
        first = max(earliest, terms.starts_on)
        for number in range((yesterday - first).days + 1):
            day_on = first + timedelta(days=number)
            if day_on not in known:
                day, _ = open_day(session, bank, day_on, actor=SCHEDULE_ACTOR, at=at, zone=zone)
                opened.append(day.process_id)
    return opened


def _process(
    session: Session, bank: Bank, day_on: date, *, actor: str, at: datetime, again: bool
) -> tuple[Process, ReconciliationPolicy]:
    policy = policies.newest(session, ProcessKind.RECONCILIATION)
    process_id = session.scalars(select(func.uuidv7())).one()
    name = _name(bank.code, day_on)
    process = Process(
        # The engine keeps a name for ever: processes after the first are told apart by their ids.
        id=process_id, kind=ProcessKind.RECONCILIATION, workflow_id=f"{name}/{process_id}" if again else name,
        sole_key=name, stage=ReconciliationStage.REGISTRY, policy_id=None if policy is None else policy.id,
        opened_by=actor, opened_at=at,
    )  # fmt: skip
    session.add(process)
    session.flush()
    enter_stage(session, process.id, ReconciliationStage.REGISTRY, at=at, waiting_for="registry")
    event = "bank_day_opened_again" if again else "bank_day_opened"
    tell(session, process.id, event, at=at, actor=actor, facts={"bank": bank.name, "day_on": day_on.isoformat()})
    return process, ReconciliationPolicy() if policy is None else ReconciliationPolicy.model_validate(policy.body)


def _name(bank_code: str, day_on: date) -> str:
    return f"reconciliation/{bank_code}/{day_on.isoformat()}"


def _moment(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, zone)
