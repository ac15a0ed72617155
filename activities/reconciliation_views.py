"""Banks' days, their registries, differences and settlements, as accounting reads them."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select
from sqlalchemy.orm import Session

from activities import comparison, registries
from models.contracts.money import kzt
from models.contracts.processes import ProcessStatus
from models.contracts.reconciliation import (
    ComparisonSummary,
    DifferenceKind,
    DifferenceStatus,
    ReconciliationTerms,
    RegistryAnswer,
    RegistryProblemView,
    RegistryState,
)
from models.contracts.reconciliation_views import (
    DifferenceView,
    ReconciliationDetail,
    ReconciliationView,
    RegistryRowView,
    RegistryView,
    SettlementView,
    TermsView,
)
from models.contracts.refusals import not_found
from models.tables.bank_statements import BankSettlement, BankSettlementDay, BankStatementLine
from models.tables.banks import Bank
from models.tables.people import Account
from models.tables.processes import Process
from models.tables.reconciliation import (
    BankRegistry,
    BankRegistryRow,
    BankTerms,
    Reconciliation,
    ReconciliationDifference,
)

SHOWN_PROBLEMS = 100
Listed = Select[Reconciliation, str, ProcessStatus, str]


def terms_view(bank: Bank, terms: BankTerms) -> TermsView:
    """What is agreed with a bank."""
    return TermsView(
        bank=bank.code, version=terms.version, terms=ReconciliationTerms.model_validate(terms.body),
        created_by=terms.created_by, created_at=terms.created_at,
    )  # fmt: skip


def listed(*, bank: str | None, on: date | None, status: ProcessStatus | None) -> Listed:
    """Statement: days with their bank and process."""
    statement = (
        select(Reconciliation, Bank.code, Process.status, Process.stage)
        .join(Bank, Bank.id == Reconciliation.bank_id)
        .join(Process, Process.id == Reconciliation.process_id)
    )
    if bank is not None:
        statement = statement.where(Bank.code == bank)
    if on is not None:
        statement = statement.where(Reconciliation.day_on == on)
    if status is not None:
        statement = statement.where(Process.status == status)
    return statement


def views(session: Session, rows: Sequence[Any]) -> list[ReconciliationView]:
    """Days with their figures, by a fixed number of queries."""
    ids = [row.Reconciliation.id for row in rows]
    settled: dict[UUID, Any] = {
        row.reconciliation_id: row
        for row in session.execute(
            select(
                BankSettlementDay.reconciliation_id,
                func.sum(BankSettlementDay.net_minor).label("net_minor"),
                func.sum(BankSettlementDay.fee_minor).label("fee_minor"),
            )
            .where(BankSettlementDay.reconciliation_id.in_(ids))
            .group_by(BankSettlementDay.reconciliation_id)
        )
    }
    differences: dict[UUID, dict[DifferenceStatus, int]] = {}
    for day_id, status, count in session.execute(
        select(ReconciliationDifference.reconciliation_id, ReconciliationDifference.status, func.count())
        .where(ReconciliationDifference.reconciliation_id.in_(ids))
        .group_by(ReconciliationDifference.reconciliation_id, ReconciliationDifference.status)
    ):
        differences.setdefault(day_id, {})[status] = count
    in_force = [row.Reconciliation.registry_id for row in rows if row.Reconciliation.registry_id is not None]
    versions = dict(
        session.execute(select(BankRegistry.id, BankRegistry.version).where(BankRegistry.id.in_(in_force))).all()
    )
    return [
        _view(row, settled.get(row.Reconciliation.id), differences.get(row.Reconciliation.id, {}), versions)
        for row in rows
    ]


def _view(
    row: Row[Any], settled: Row[Any] | None, differences: dict[DifferenceStatus, int], versions: dict[UUID, int]
) -> ReconciliationView:
    day: Reconciliation = row.Reconciliation
    net_minor = 0 if settled is None else int(settled.net_minor)
    kept_minor = 0 if settled is None else int(settled.fee_minor)
    return ReconciliationView(
        id=day.id,
        bank=row.code,
        date=day.day_on,
        process_id=day.process_id,
        status=row.status,
        stage=row.stage,
        registry_version=None if day.registry_id is None else versions[day.registry_id],
        lines=day.lines,
        gross=kzt(day.gross_minor),
        posted=kzt(day.posted_minor),
        fee=None if day.fee_minor is None else kzt(day.fee_minor),
        received=kzt(net_minor),
        fee_kept=kzt(kept_minor),
        in_transit=kzt(day.posted_minor - net_minor - kept_minor),
        differences=differences,
        compared_at=day.compared_at,
        ready_at=day.ready_at,
        settled_at=day.settled_at,
    )


def detail(session: Session, reconciliation_id: UUID) -> ReconciliationDetail:
    """A day with its registries and settlements.

    Raises:
        Refusal: there is none with this id.
    """
    statement = listed(bank=None, on=None, status=None).where(Reconciliation.id == reconciliation_id)
    row = session.execute(statement).one_or_none()
    if row is None:
        raise not_found("reconciliation_unknown", "There is no such day: take its id from GET /v1/reconciliations.")
    (view,) = views(session, [row])
    day: Reconciliation = row.Reconciliation
    return ReconciliationDetail(
        **view.model_dump(), registries=_registries(session, day), settlements=_settlements(session, day)
    )


def _registries(session: Session, day: Reconciliation) -> list[RegistryView]:
    versions = session.scalars(
        select(BankRegistry)
        .where(BankRegistry.bank_id == day.bank_id, BankRegistry.day_on == day.day_on)
        .order_by(BankRegistry.version)
    )
    return [
        RegistryView(
            id=one.id, version=one.version, state=one.state, in_force=one.id == day.registry_id, lines=one.lines,
            total=kzt(one.total_minor), problems=problems_of(one), received_at=one.received_at,
            received_from=one.received_from, decided_at=one.decided_at, decided_by=one.decided_by,
            decision_reason=one.decision_reason,
        )
        for one in versions
    ]  # fmt: skip


def _settlements(session: Session, day: Reconciliation) -> list[SettlementView]:
    rows = session.execute(
        select(BankSettlement, BankSettlementDay)
        .join(BankSettlementDay, BankSettlementDay.settlement_id == BankSettlement.id)
        .where(BankSettlementDay.reconciliation_id == day.id)
        .order_by(BankSettlement.id)
    ).all()
    lines: dict[UUID, list[UUID]] = {}
    for line_id, settlement_id in session.execute(
        select(BankStatementLine.id, BankStatementLine.settlement_id)
        .where(BankStatementLine.settlement_id.in_([row.BankSettlement.id for row in rows]))
        .order_by(BankStatementLine.id)
    ):
        assert settlement_id is not None, "that is how it was found"
        lines.setdefault(settlement_id, []).append(line_id)
    return [
        SettlementView(
            id=row.BankSettlement.id, received_on=row.BankSettlement.received_on,
            amount=kzt(row.BankSettlement.amount_minor), net=kzt(row.BankSettlementDay.net_minor),
            fee=kzt(row.BankSettlementDay.fee_minor), line_ids=lines.get(row.BankSettlement.id, []),
            reference=row.BankSettlement.reference, reason=row.BankSettlement.reason,
            settled_at=row.BankSettlement.settled_at, settled_by=row.BankSettlement.settled_by,
        )
        for row in rows
    ]  # fmt: skip


def differences_of(day_id: UUID, *, status: DifferenceStatus | None, kind: DifferenceKind | None) -> Select[Any]:
    """Statement: the differences of a day."""
    statement = select(ReconciliationDifference).where(ReconciliationDifference.reconciliation_id == day_id)
    if status is not None:
        statement = statement.where(ReconciliationDifference.status == status)
    return statement if kind is None else statement.where(ReconciliationDifference.kind == kind)


def difference_view(session: Session, difference: ReconciliationDifference) -> DifferenceView:
    """One difference, with the payer's number."""
    account_no = (
        None
        if difference.account_id is None
        else session.scalar(select(Account.account_no).where(Account.id == difference.account_id))
    )
    return DifferenceView(
        id=difference.id, txn_id=difference.txn_id, kind=difference.kind,
        proposal=comparison.PROPOSALS[difference.kind], status=difference.status,
        registry=None if difference.registry_minor is None else kzt(difference.registry_minor),
        posted=None if difference.posted_minor is None else kzt(difference.posted_minor),
        standing=kzt(difference.standing_minor), subscriber=difference.subscriber, account_no=account_no,
        payment_id=difference.payment_id, other_date=difference.other_on, refusal=difference.refusal,
        found_at=difference.found_at, closed_at=difference.closed_at, closed_by=difference.closed_by,
        reason=difference.reason,
    )  # fmt: skip


def rows_page(
    session: Session, reconciliation_id: UUID, *, limit: int, after: int | None
) -> tuple[list[RegistryRowView], int | None]:
    """Lines of the registry in force, in their order, and after which one the next page starts.

    Raises:
        Refusal: there is no such day.
    """
    registry_id = session.execute(
        select(Reconciliation.registry_id).where(Reconciliation.id == reconciliation_id)
    ).one_or_none()
    if registry_id is None:
        raise not_found("reconciliation_unknown", "There is no such day: take its id from GET /v1/reconciliations.")
    rows = session.scalars(
        select(BankRegistryRow)
        .where(BankRegistryRow.registry_id == registry_id[0], BankRegistryRow.line_no > (after or 0))
        .order_by(BankRegistryRow.line_no)
        .limit(limit + 1)
    ).all()
    shown = [
        RegistryRowView(
            line=row.line_no, txn_id=row.txn_id, date=row.paid_on, paid_at=row.paid_at, subscriber=row.subscriber,
            amount=kzt(row.amount_minor),
        )
        for row in rows[:limit]
    ]  # fmt: skip
    return shown, shown[-1].line if len(rows) > limit else None


def summary(session: Session, day: Reconciliation) -> ComparisonSummary:
    """What the newest comparison of a day found."""
    rows = session.execute(
        select(ReconciliationDifference.kind, func.count())
        .where(
            ReconciliationDifference.reconciliation_id == day.id,
            ReconciliationDifference.status == DifferenceStatus.OPEN,
        )
        .group_by(ReconciliationDifference.kind)
        .order_by(ReconciliationDifference.kind)
    ).all()
    by_kind = dict(rows)
    return ComparisonSummary(posted=kzt(day.posted_minor), differences=sum(by_kind.values()), by_kind=by_kind)


def answer(session: Session, registry: BankRegistry, bank: Bank) -> RegistryAnswer:
    """What whoever sent a registry is told about it."""
    day = session.scalars(
        select(Reconciliation).where(Reconciliation.bank_id == bank.id, Reconciliation.day_on == registry.day_on)
    ).one()
    in_force = registries.newest_taken(session, day)
    return RegistryAnswer(
        registry_id=registry.id, bank=bank.code, date=registry.day_on, version=registry.version, state=registry.state,
        superseded=registry.version < in_force, rows=registry.lines, total=kzt(registry.total_minor),
        problems=problems_of(registry), reconciliation_id=day.id, process_id=day.process_id,
        comparison=summary(session, day) if registry.state is RegistryState.TAKEN and day.compared_at else None,
    )  # fmt: skip


def problems_of(registry: BankRegistry) -> list[RegistryProblemView]:
    """What is wrong with a registry, as much as anybody reads."""
    return [RegistryProblemView(**problem) for problem in registry.problems[:SHOWN_PROBLEMS]]
