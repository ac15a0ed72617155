"""The ledger: everything that is worth money is a transfer («проводка») from one account of the chart to another.

All postings go through here. Triggers keep `ledger_balance` equal to the sum of the transfers, so a balance or a debt
is one row read by its key.

How a subscriber's money stands on the chart: what they were invoiced and did not pay is the debit of 1210, what they
paid and nothing asked for yet is the credit of 3510. Advances are always allocated first (`activities/settlement.py`),
so only one of the two is ever different from zero.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, case, func, literal, select, text
from sqlalchemy.orm import Session

from activities.ledger_audit import Finding, TrialBalanceRow, check, trial_balance
from models.contracts.ledger import Chart, TransferView
from models.contracts.money import kzt
from models.tables.ledger import Transfer

__all__ = [
    "Finding",
    "KeyReusedError",
    "Posting",
    "Standing",
    "TrialBalanceRow",
    "advance_minor",
    "balance_minor",
    "check",
    "debt_minor",
    "effect_on_balance",
    "post",
    "post_all",
    "reverse",
    "standing_of",
    "standings_of",
    "statement",
    "trial_balance",
]

SUBSCRIBERS_CHART = (Chart.RECEIVABLES.value, Chart.ADVANCES.value)
"""The chart accounts that make up a subscriber's balance."""


@dataclass(frozen=True, kw_only=True)
class Posting:
    """One transfer to be made. `key` is made from durable ids, so that a repetition adds nothing."""

    key: str
    debit: Chart
    credit: Chart
    amount_minor: int
    account_id: UUID | None
    document_kind: str
    document_id: UUID
    reason: str
    effective_on: date
    reverses_id: UUID | None = None


class KeyReusedError(RuntimeError):
    """A key was used before for another posting: a fault of the program, never of its user."""


# Arrays keep the statement the same for any number of rows: it is prepared once, and the trigger runs once.
_INSERT = text("""
    INSERT INTO transfer (key, debit, credit, amount_minor, account_id, document_kind, document_id, reason,
                          effective_on, reverses_id)
    SELECT * FROM unnest(
        CAST(:key AS text[]), CAST(:debit AS text[]), CAST(:credit AS text[]), CAST(:amount_minor AS bigint[]),
        CAST(:account_id AS uuid[]), CAST(:document_kind AS text[]), CAST(:document_id AS uuid[]),
        CAST(:reason AS text[]), CAST(:effective_on AS date[]), CAST(:reverses_id AS uuid[]))
    ON CONFLICT (key) DO NOTHING
    RETURNING key
""")
_STANDINGS = text("""
    SELECT account_id, chart_code, balance_minor FROM ledger_balance
    WHERE account_id = ANY(CAST(:account_ids AS uuid[])) AND chart_code = ANY(CAST(:chart AS text[]))
""")
_REVERSE = text("""
    INSERT INTO transfer (key, debit, credit, amount_minor, currency, account_id, document_kind, document_id, reason,
                          effective_on, reverses_id)
    SELECT 'reversal/' || posted.id, posted.credit, posted.debit, posted.amount_minor, posted.currency,
           posted.account_id, posted.document_kind, posted.document_id, :reason, :effective_on, posted.id
    FROM transfer AS posted
    WHERE posted.document_id = :document_id AND posted.reverses_id IS NULL
      AND NOT EXISTS (SELECT FROM transfer AS reversal WHERE reversal.reverses_id = posted.id)
    ORDER BY posted.id
    ON CONFLICT DO NOTHING
""")


def post(
    session: Session,
    *,
    key: str,
    debit: Chart,
    credit: Chart,
    amount_minor: int,
    account_id: UUID | None,
    document_kind: str,
    document_id: UUID,
    reason: str,
    effective_on: date,
    reverses_id: UUID | None = None,
) -> bool:
    """Post one transfer, once for its key; nothing for a zero amount. Answers whether it was new.

    Raises:
        KeyReusedError: the key stands for another transfer already.
    """
    posting = Posting(
        key=key, debit=debit, credit=credit, amount_minor=amount_minor, account_id=account_id,
        document_kind=document_kind, document_id=document_id, reason=reason, effective_on=effective_on,
        reverses_id=reverses_id,
    )  # fmt: skip
    return key in post_all(session, [posting])


def post_all(session: Session, postings: Sequence[Posting]) -> set[str]:
    """Post many transfers in one statement; answers the keys of those that were new.

    Raises:
        KeyReusedError: a key stands for another transfer already.
    """
    wanted = [posting for posting in postings if posting.amount_minor != 0]
    if not wanted:
        return set()
    columns = {field.name: [getattr(posting, field.name) for posting in wanted] for field in fields(Posting)}
    new = set(session.scalars(_INSERT, columns))
    known = [posting for posting in wanted if posting.key not in new]
    if known:
        _compare_with_posted(session, known)
    return new


def _compare_with_posted(session: Session, known: Sequence[Posting]) -> None:
    keys = [posting.key for posting in known]
    posted = session.execute(
        select(Transfer.key, Transfer.debit, Transfer.credit, Transfer.amount_minor, Transfer.account_id).where(
            Transfer.key.in_(keys)
        )
    )
    meanings = {row.key: tuple(row) for row in posted}
    for posting in known:
        meaning = (posting.key, posting.debit, posting.credit, posting.amount_minor, posting.account_id)
        if meanings.get(posting.key) != meaning:
            raise KeyReusedError(f"the posting key {posting.key} stands for another transfer")


def reverse(session: Session, *, document_id: UUID, reason: str, effective_on: date) -> None:
    """Reverse whatever a document has posted and nobody has reversed yet; the reversals belong to it as well.

    That each transfer is reversed at most once is a constraint of the database.
    """
    session.execute(_REVERSE, {"document_id": document_id, "reason": reason, "effective_on": effective_on})


def balance_minor(session: Session, account_id: UUID) -> int:
    """A subscriber's balance in tiyn: positive is money of theirs that we hold, negative is owed to us."""
    return standing_of(session, account_id).balance_minor


def debt_minor(session: Session, account_id: UUID) -> int:
    """What an account owes in tiyn, never negative: everything invoiced that no payment covers."""
    return standing_of(session, account_id).debt_minor


def advance_minor(session: Session, account_id: UUID) -> int:
    """What an account has paid in tiyn and no invoice has asked for yet, never negative."""
    return max(0, standing_of(session, account_id).advance_minor)


class Standing(NamedTuple):
    """How an account stands: the debit of 1210 and the credit of 3510, of which one at least is zero."""

    receivable_minor: int
    advance_minor: int

    @property
    def balance_minor(self) -> int:
        """Positive is money of theirs that we hold, negative is owed to us."""
        return self.advance_minor - self.receivable_minor

    @property
    def debt_minor(self) -> int:
        """What is owed, never negative."""
        return max(0, self.receivable_minor)


def standing_of(session: Session, account_id: UUID) -> Standing:
    """Both sides of an account's balance."""
    return standings_of(session, [account_id])[account_id]


def standings_of(session: Session, account_ids: Collection[UUID]) -> dict[UUID, Standing]:
    """Both sides of the balance of each account."""
    rows = session.execute(_STANDINGS, {"account_ids": list(account_ids), "chart": list(SUBSCRIBERS_CHART)})
    balances = {(row.account_id, row.chart_code): row.balance_minor for row in rows}
    return {
        account_id: Standing(
            balances.get((account_id, Chart.RECEIVABLES), 0), -balances.get((account_id, Chart.ADVANCES), 0)
        )
        for account_id in account_ids
    }


def effect_on_balance() -> ColumnElement[int]:
    """What the transfer in the enclosing query did to its subscriber's balance."""
    return case((Transfer.credit.in_(SUBSCRIBERS_CHART), Transfer.amount_minor), else_=literal(0)) - case(
        (Transfer.debit.in_(SUBSCRIBERS_CHART), Transfer.amount_minor), else_=literal(0)
    )


def statement(
    session: Session, account_id: UUID, *, limit: int, before: UUID | None = None
) -> tuple[list[TransferView], UUID | None]:
    """Transfers of an account, newest first, each with the balance after it, and where the next page starts."""
    listed = (
        select(Transfer, func.sum(effect_on_balance()).over(order_by=Transfer.id).label("balance_minor"))
        .where(Transfer.account_id == account_id)
        .subquery()
    )
    page = select(listed).order_by(listed.c.id.desc()).limit(limit + 1)
    if before is not None:
        page = page.where(listed.c.id < before)
    rows = session.execute(page).all()
    shown = rows[:limit]
    views = [
        TransferView(
            id=row.id, posted_at=row.posted_at, effective_on=row.effective_on, debit=row.debit, credit=row.credit,
            amount=kzt(row.amount_minor), document_kind=row.document_kind, document_id=row.document_id,
            reason=row.reason, reverses_id=row.reverses_id, balance=kzt(int(row.balance_minor)),
        )
        for row in shown
    ]  # fmt: skip
    return views, shown[-1].id if len(rows) > limit else None
