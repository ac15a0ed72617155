"""Registries as they come: read, kept with their versions, and put in force for their day."""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Final, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg import Cursor
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities import bank_terms, comparison
from activities.bank_day_opening import lock_day, open_day
from activities.processes import tell
from activities.reconciliation_news import tell_days
from models.contracts.reconciliation import ReconciliationTerms, RegistryState
from models.contracts.refusals import conflict, invalid
from models.rules import registry_csv, registry_osmp
from models.rules.registry_text import Registry, RegistryError, RegistryRow
from models.tables.banks import Bank
from models.tables.reconciliation import BankRegistry, Reconciliation

OSMP: Final = "text/tab-separated-values"
CSV: Final = "text/csv"
NO_FILE: Final = "application/x-nothing"
"""Of a day for which the bank says, otherwise than by a file, that nothing was paid."""


def read(session: Session, bank_id: UUID, day_on: date, media_type: str, content: bytes) -> Registry:
    """What a file says, by what was agreed with its bank.

    Raises:
        Refusal: it is no registry, or of a kind that was not agreed.
    """
    terms = bank_terms.terms_of(session, bank_id) or ReconciliationTerms(starts_on=day_on)
    try:
        if media_type == OSMP:
            return registry_osmp.parse(
                content, on=day_on, other_dates_within_days=terms.other_dates_within_days, encoding=terms.osmp_encoding
            )
        if media_type != CSV:
            raise invalid(
                "registry_format_unknown", f"Say by Content-Type which registry this is: {OSMP} (OSMP) or {CSV}."
            )
        if terms.csv is None:
            raise invalid(
                "registry_format_not_agreed",
                "Which columns this bank's CSV files have was not entered: PUT /v1/banks/{id}/reconciliation.",
            )
        return registry_csv.parse(content, terms.csv, on=day_on, other_dates_within_days=terms.other_dates_within_days)
    except RegistryError as unreadable:
        raise invalid("registry_unreadable", str(unreadable)) from None


def take(
    session: Session, bank: Bank, day_on: date, registry: Registry, *, media_type: str, content: bytes, actor: str,
    at: datetime, zone: ZoneInfo,
) -> tuple[BankRegistry, bool]:  # fmt: skip
    """Keep a registry, open its day, and compare it unless it is doubtful; answers whether it is new.

    The same content for the same day is the same registry, whatever came in between.

    Raises:
        Refusal: the day has not begun.
    """
    lock_day(session, bank.id, day_on)
    digest = hashlib.sha256(content).digest()
    known = session.scalar(
        select(BankRegistry).where(
            BankRegistry.bank_id == bank.id, BankRegistry.day_on == day_on, BankRegistry.sha256 == digest
        )
    )
    if known is not None:
        return known, False
    day, _ = open_day(session, bank, day_on, actor=actor, at=at, zone=zone)
    kept = BankRegistry(
        bank_id=bank.id, day_on=day_on, version=_next_version(session, bank.id, day_on),
        state=RegistryState.DOUBTFUL if registry.problems else RegistryState.TAKEN, sha256=digest,
        media_type=media_type, content=content, lines=len(registry.rows), total_minor=registry.amount_minor,
        problems=[problem._asdict() for problem in registry.problems], received_at=at, received_from=actor,
    )  # fmt: skip
    session.add(kept)
    session.flush()
    _copy_rows(session, kept.id, registry.rows, zone)
    facts = {"version": kept.version, "lines": kept.lines, "total_minor": kept.total_minor}
    if kept.state is RegistryState.TAKEN:
        put_in_force(session, day, kept)
        tell(session, day.process_id, "registry_taken", key=f"registry:{kept.id}", at=at, actor=actor, facts=facts)
        comparison.compare(session, day, at=at, zone=zone)
    else:
        facts["problems"] = len(registry.problems)
        tell(session, day.process_id, "registry_doubtful", key=f"registry:{kept.id}", at=at, actor=actor, facts=facts)
    tell_days(session, [day.id])
    return kept, True


def take_nothing(session: Session, day: Reconciliation, *, reason: str, actor: str, at: datetime) -> BankRegistry:
    """Put an empty registry in force: the bank says that nothing was paid."""
    lock_day(session, day.bank_id, day.day_on)
    version = _next_version(session, day.bank_id, day.day_on)
    kept = BankRegistry(
        bank_id=day.bank_id, day_on=day.day_on, version=version, state=RegistryState.TAKEN,
        sha256=hashlib.sha256(f"nothing was paid: {version}".encode()).digest(), media_type=NO_FILE, content=b"",
        lines=0, total_minor=0, problems=[], received_at=at, received_from=actor, decided_at=at, decided_by=actor,
        decision_reason=reason,
    )  # fmt: skip
    session.add(kept)
    session.flush()
    put_in_force(session, day, kept)
    return kept


def put_in_force(session: Session, day: Reconciliation, registry: BankRegistry) -> None:
    """Compare the day with this version from now on, unless a later one is in force."""
    present = None if day.registry_id is None else session.get_one(BankRegistry, day.registry_id)
    if present is None or present.version < registry.version:
        day.registry_id, day.compared_at, day.ready_at = registry.id, None, None
        session.flush()


def decide(
    session: Session, registry_id: UUID, day: Reconciliation, *, accept: bool, reason: str, actor: str, at: datetime
) -> BankRegistry:
    """Accounting decides about a doubtful registry: what could be read of it is taken, or nothing.

    Raises:
        Refusal: it was decided already, or overtaken by a file that agrees.
    """
    registry = session.get_one(BankRegistry, registry_id, with_for_update=True, populate_existing=True)
    if registry.state is not RegistryState.DOUBTFUL or registry.version < newest_taken(session, day):
        raise conflict("registry_decided", "Another registry is in force by now, or this one was decided already.")
    registry.state = RegistryState.TAKEN if accept else RegistryState.REFUSED
    registry.decided_at, registry.decided_by, registry.decision_reason = at, actor, reason
    session.flush()
    if accept:
        put_in_force(session, day, registry)
    return registry


def doubtful_of(session: Session, day: Reconciliation) -> BankRegistry | None:
    """The newest version that accounting has to decide about, unless a later one is taken."""
    registry = session.scalar(
        select(BankRegistry)
        .where(
            BankRegistry.bank_id == day.bank_id,
            BankRegistry.day_on == day.day_on,
            BankRegistry.state == RegistryState.DOUBTFUL,
        )
        .order_by(BankRegistry.version.desc())
        .limit(1)
    )
    return None if registry is None or registry.version < newest_taken(session, day) else registry


def newest_taken(session: Session, day: Reconciliation) -> int:
    """The version in force; 0 where there is none."""
    version = select(BankRegistry.version).where(BankRegistry.id == day.registry_id)
    return 0 if day.registry_id is None else session.scalars(version).one()


def _next_version(session: Session, bank_id: UUID, day_on: date) -> int:
    newest = select(func.max(BankRegistry.version)).where(
        BankRegistry.bank_id == bank_id, BankRegistry.day_on == day_on
    )
    return (session.scalar(newest) or 0) + 1


def _copy_rows(session: Session, registry_id: UUID, rows: Sequence[RegistryRow], zone: ZoneInfo) -> None:
    """Write the lines as quickly as the database takes them: a large bank has a hundred thousand a day."""
    cursor = cast(Cursor[Any], session.connection().connection.cursor())
    columns = "registry_id, line_no, txn_id, paid_on, paid_at, subscriber, amount_minor"
    with cursor.copy(f"COPY bank_registry_row ({columns}) FROM STDIN") as copy:
        for row in rows:
            paid_at = None if row.paid_at is None else datetime.combine(row.paid_on, row.paid_at, zone)
            copy.write_row(
                (registry_id, row.line_no, row.txn_id, row.paid_on, paid_at, row.subscriber, row.amount_minor)
            )
