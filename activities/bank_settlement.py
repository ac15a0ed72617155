"""The money that a bank passes on: which line of a statement is for which days, and its postings.

Money in transit (1020) becomes money on the account (1030) and the bank's fee (7210), once for each day of it. What a
day has to bring is its registry's sum, whatever the books have: that is what the bank goes by.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import func, or_, select, text
from sqlalchemy.orm import Session

from activities import bank_terms, ledger
from activities.ledger import Posting
from activities.processes import tell
from models.contracts.ledger import Chart
from models.contracts.processes import PROCESS_ACTOR
from models.contracts.reconciliation import ReconciliationTerms
from models.contracts.refusals import conflict, invalid, not_found
from models.rules.bank_fee import divided
from models.rules.purpose_days import days_named
from models.rules.settlement_matching import BankLine, DayShare, Mismatch, Terms, UnsettledDay, match
from models.tables.bank_statements import BankSettlement, BankSettlementDay, BankStatementLine
from models.tables.banks import Bank
from models.tables.reconciliation import Reconciliation

SETTLEMENT_DOCUMENT: Final = "bank_settlement"


@dataclass(frozen=True)
class Transfer:
    """Money that came in for days of a bank: who says so, and by which lines or papers."""

    amount_minor: int
    received_on: date
    actor: str
    at: datetime
    line_ids: Sequence[UUID] = ()
    reference: str | None = None
    reason: str | None = None


def lock_bank(session: Session, bank_id: UUID) -> None:
    """Wait for whoever else settles days of this bank."""
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:name, 8))"), {"name": str(bank_id)})


@dataclass(frozen=True)
class Settled:
    """Which days were settled just now, and which lines have another sum than the days that they name.

    Whoever asked for it tells the processes of these days.
    """

    day_ids: Sequence[UUID]
    mismatches: Sequence[Mismatch] = ()


def settle_bank(session: Session, bank_id: UUID, *, at: datetime) -> Settled:
    """Settle all days of a bank for which its transfer is on a statement. Repeated, it changes nothing."""
    lock_bank(session, bank_id)
    bank = session.get_one(Bank, bank_id)
    terms = bank_terms.terms_of(session, bank_id)
    days = _unsettled(session, bank_id)
    waiting: list[UnsettledDay] = []
    settled: list[UUID] = []
    for day, left in days.values():
        if left.is_ready and left.gross_minor == 0 and not left.fee_minor:
            day.settled_at = at
            settled.append(day.id)
        else:
            waiting.append(left)
    session.flush()
    if not waiting or terms is None:
        return Settled(settled)
    on = [day.on for day in waiting]
    lines = [_as_bank_line(line) for line in lines_of(session, bank, terms, on, lock=True)]
    matches, mismatches = match(
        waiting, lines,
        Terms(
            within_days=terms.settlement.within_days, tolerance_minor=terms.fee.tolerance_minor,
            at_most_bp=terms.fee.at_most_bp,
        ),
    )  # fmt: skip
    by_id = {line.id: line for line in lines}
    for found in matches:
        line = by_id[found.line_id]
        transfer = Transfer(line.amount_minor, line.on, PROCESS_ACTOR, at, line_ids=[line.id])
        settled += _settle(session, bank, transfer, found.shares, {on: day for on, (day, _) in days.items()})
    return Settled(settled, mismatches)


def settle_by_hand(
    session: Session, bank_id: UUID, days_on: Collection[date], transfer: Transfer, *, fee_minor: int | None
) -> Settled:
    """Settle days with what accounting says: the fee that they name, or all that is missing.

    What is missing beside a named fee stays in transit, with its reason.

    Raises:
        Refusal: a day is not ready or settled already; more came in than the registries say, and no fee was named.
    """
    lock_bank(session, bank_id)
    bank = session.get_one(Bank, bank_id)
    unsettled = _unsettled(session, bank_id)
    chosen = []
    for on in sorted(set(days_on)):
        if on not in unsettled or not unsettled[on][1].is_ready:
            raise conflict(
                "day_not_ready", f"{on:%d.%m.%Y} has open differences, no registry, or is settled: leave it out."
            )
        chosen.append(unsettled[on][1])
    gross_minor = sum(day.gross_minor for day in chosen)
    kept_minor = gross_minor - transfer.amount_minor if fee_minor is None else fee_minor
    if kept_minor < 0:
        raise invalid(
            "more_than_the_registry", "The bank has paid more than its registry says: name its fee, and what is too "
            "much stays in transit.", {"data.fee_minor": "needed"},
        )  # fmt: skip
    fees = divided(kept_minor, [max(0, day.gross_minor) for day in chosen])
    nets = [day.gross_minor - fee for day, fee in zip(chosen, fees, strict=True)]
    nets[-1] += transfer.amount_minor - sum(nets)
    shares = [DayShare(day.on, net, fee) for day, net, fee in zip(chosen, nets, fees, strict=True)]
    return Settled(_settle(session, bank, transfer, shares, {on: day for on, (day, _) in unsettled.items()}))


def line_transfer(session: Session, line_ids: Collection[UUID], *, actor: str, at: datetime, reason: str) -> Transfer:
    """What these lines of statements brought.

    Raises:
        Refusal: there is no such line, or one paid for something already, or is no income.
    """
    lines = session.scalars(
        select(BankStatementLine).where(BankStatementLine.id.in_(line_ids)).order_by(BankStatementLine.id)
        .with_for_update().execution_options(populate_existing=True)
    ).all()  # fmt: skip
    if len(lines) < len(set(line_ids)):
        raise not_found("statement_line_unknown", "There is no such line: take its id from GET /v1/bank-statements.")
    if any(line.settlement_id is not None or not line.is_incoming for line in lines):
        raise conflict("statement_line_used", "One of these lines has settled other days, or is no money that came in.")
    return Transfer(
        sum(line.amount_minor for line in lines), max(line.booked_on for line in lines), actor, at,
        line_ids=[line.id for line in lines], reason=reason,
    )  # fmt: skip


def lines_of(
    session: Session, bank: Bank, terms: ReconciliationTerms, days_on: Sequence[date], *, lock: bool = False
) -> Sequence[BankStatementLine]:
    """Lines that may pay for these days: the bank's by what was agreed, in time, and not used yet."""
    agreed = terms.settlement
    bins = agreed.payer_bins or ([bank.bin] if bank.bin and not agreed.is_recognisable else [])
    if not (agreed.is_recognisable or bins):
        return []
    statement = select(BankStatementLine).where(
        BankStatementLine.is_incoming,
        BankStatementLine.settlement_id.is_(None),
        BankStatementLine.booked_on.between(min(days_on), max(days_on) + timedelta(days=agreed.within_days)),
    )
    if agreed.own_accounts:
        statement = statement.where(BankStatementLine.account.in_(agreed.own_accounts))
    if agreed.payer_accounts or bins:
        statement = statement.where(
            BankStatementLine.party_account.in_(agreed.payer_accounts) | BankStatementLine.party_id_no.in_(bins)
        )
    if agreed.purpose_contains:
        purpose = func.lower(BankStatementLine.purpose)
        parts = [func.strpos(purpose, part.lower()) > 0 for part in agreed.purpose_contains]
        statement = statement.where(or_(*parts))
    statement = statement.order_by(BankStatementLine.booked_on, BankStatementLine.id)
    # A line may be two banks' by what was agreed: it settles days of one.
    return session.scalars(statement.with_for_update() if lock else statement).all()


def remaining(session: Session, day: Reconciliation) -> UnsettledDay:
    """What a day has yet to bring: its registry's sum, less what was settled before."""
    settled = session.execute(
        select(
            func.coalesce(func.sum(BankSettlementDay.net_minor + BankSettlementDay.fee_minor), 0),
            func.coalesce(func.sum(BankSettlementDay.fee_minor), 0),
        ).where(BankSettlementDay.reconciliation_id == day.id)
    ).one()
    return UnsettledDay(
        on=day.day_on,
        is_ready=day.ready_at is not None,
        gross_minor=day.gross_minor - int(settled[0]),
        fee_minor=None if day.fee_minor is None else day.fee_minor - int(settled[1]),
    )


def leave(session: Session, day: Reconciliation, *, at: datetime) -> None:
    """Wait no longer for a day's transfer: its money stays in transit."""
    day.settled_at = at
    session.flush()


def _unsettled(session: Session, bank_id: UUID) -> dict[date, tuple[Reconciliation, UnsettledDay]]:
    days = session.scalars(
        select(Reconciliation)
        .where(Reconciliation.bank_id == bank_id, Reconciliation.settled_at.is_(None))
        .order_by(Reconciliation.day_on)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()
    return {day.day_on: (day, remaining(session, day)) for day in days}


def _as_bank_line(line: BankStatementLine) -> BankLine:
    return BankLine(id=line.id, on=line.booked_on, amount_minor=line.amount_minor, named=days_named(line.purpose))


def _settle(
    session: Session,
    bank: Bank,
    transfer: Transfer,
    shares: Sequence[DayShare],
    days: dict[date, Reconciliation],
) -> list[UUID]:
    settlement = BankSettlement(
        bank_id=bank.id, amount_minor=transfer.amount_minor, received_on=transfer.received_on, settled_at=transfer.at,
        settled_by=transfer.actor, reference=transfer.reference, reason=transfer.reason,
    )  # fmt: skip
    session.add(settlement)
    session.flush()
    for line_id in transfer.line_ids:
        session.get_one(BankStatementLine, line_id).settlement_id = settlement.id
    for share in shares:
        day = days[share.on]
        settled = BankSettlementDay(
            settlement_id=settlement.id, reconciliation_id=day.id, net_minor=share.net_minor, fee_minor=share.fee_minor
        )
        session.add(settled)
        session.flush()
        reason = f"перечисление {bank.name} за {share.on:%d.%m.%Y}"
        ledger.post_all(session, _postings(settled, transfer.received_on, reason))
        day.settled_at = transfer.at
        tell(
            session, day.process_id, "bank_day_settled", key=f"bank_day_settled:{settled.id}", at=transfer.at,
            actor=transfer.actor, facts=_told(share, transfer, len(shares)),
        )  # fmt: skip
    session.flush()
    return [days[share.on].id for share in shares]


def _told(share: DayShare, transfer: Transfer, days: int) -> dict[str, Any]:
    return {
        "net_minor": share.net_minor, "fee_minor": share.fee_minor, "amount_minor": transfer.amount_minor,
        "received_on": transfer.received_on.isoformat(), "days": days,
    }  # fmt: skip


def _postings(settled: BankSettlementDay, on: date, reason: str) -> list[Posting]:
    """From 1020 to 1030 and 7210; the other way round where refunds were more than payments."""
    return [
        Posting(
            key=f"bank_settlement/{settled.id}/{account.value}",
            debit=account if amount_minor > 0 else Chart.IN_TRANSIT,
            credit=Chart.IN_TRANSIT if amount_minor > 0 else account,
            amount_minor=abs(amount_minor),
            account_id=None,
            document_kind=SETTLEMENT_DOCUMENT,
            document_id=settled.id,
            reason=reason,
            effective_on=on,
        )
        for account, amount_minor in ((Chart.BANK, settled.net_minor), (Chart.BANK_FEES, settled.fee_minor))
    ]
