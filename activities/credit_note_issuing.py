"""Credit notes into the books: numbered, posted at their invoices' own VAT, and what was paid too much set free."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from activities import ledger, overpayments
from activities.ledger import Posting
from activities.numbering import next_numbers
from models.contracts.ledger import Chart
from models.rules.crediting import vat_of_part
from models.tables.billing import CreditNote, CreditNoteLine

CREDIT_NOTE_DOCUMENT = "credit_note"


@dataclass(frozen=True)
class Part:
    """What is taken back of one line."""

    line_no: int
    vat_rate_bp: int
    vat_minor: int
    total_minor: int

    @property
    def net_minor(self) -> int:
        """Without VAT."""
        return self.total_minor - self.vat_minor


@dataclass(frozen=True)
class CreditableLine:
    """A line of an invoice and what earlier credit notes took back of it."""

    line_no: int
    vat_rate_bp: int
    vat_minor: int
    total_minor: int
    credited_minor: int

    @property
    def left_minor(self) -> int:
        """What is not credited yet."""
        return self.total_minor - self.credited_minor

    def part(self, amount_minor: int) -> Part:
        """So much of it, with the VAT in that."""
        vat_minor = vat_of_part(
            amount_minor, before_minor=self.credited_minor, line_total_minor=self.total_minor,
            line_vat_minor=self.vat_minor,
        )  # fmt: skip
        return Part(self.line_no, self.vat_rate_bp, vat_minor, amount_minor)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A credit note to be issued, and why; `because` is what its transfers say, the same for all of a batch."""

    account_id: UUID
    invoice_id: UUID
    parts: Sequence[Part]
    reason: str
    because: str
    recalculation_id: UUID | None = None
    idempotency_key: str | None = None
    request_sha256: bytes | None = None


def issue_all(session: Session, drafts: Sequence[Draft], *, on: date, actor: str) -> list[UUID]:
    """Issue credit notes, at most one of an invoice, in a fixed number of statements; answers their ids.

    What was paid beyond what is left of an invoice becomes an advance, and covers what else its account owes. The
    accounts must be locked.
    """
    if not drafts:
        return []
    ids = list(session.scalars(select(func.uuidv7()).select_from(func.generate_series(1, len(drafts)))))
    first_number = next_numbers(session, CREDIT_NOTE_DOCUMENT, on.year, len(drafts))
    notes = [
        {
            "id": note_id,
            "number": f"КН-{on.year}-{first_number + place:06d}",
            "invoice_id": draft.invoice_id,
            "issued_on": on,
            **_sums(draft.parts),
            "reason": draft.reason,
            "recalculation_id": draft.recalculation_id,
            "created_by": actor,
            "idempotency_key": draft.idempotency_key,
            "request_sha256": draft.request_sha256,
        }
        for place, (note_id, draft) in enumerate(zip(ids, drafts, strict=True))
    ]
    session.execute(insert(CreditNote), notes)
    columns = ("line_no", "vat_rate_bp", "net_minor", "vat_minor", "total_minor")
    session.execute(
        insert(CreditNoteLine),
        [
            {"credit_note_id": note_id} | {column: getattr(part, column) for column in columns}
            for note_id, draft in zip(ids, drafts, strict=True)
            for part in draft.parts
        ],
    )
    issued = dict(zip(ids, drafts, strict=True))
    ledger.post_all(
        session, [posting for note_id, draft in issued.items() for posting in _postings(note_id, draft, on)]
    )
    account_of = {draft.invoice_id: draft.account_id for draft in drafts}
    overpayments.release(session, account_of, reason=drafts[0].because, on=on, actor=actor)
    return ids


def _sums(parts: Sequence[Part]) -> dict[str, int]:
    return {
        "net_minor": sum(part.net_minor for part in parts),
        "vat_minor": sum(part.vat_minor for part in parts),
        "total_minor": sum(part.total_minor for part in parts),
    }


def _postings(note_id: UUID, draft: Draft, on: date) -> list[Posting]:
    """The opposite of what the invoice posted. Where lines of several rates offset each other, a part is negative."""
    sums = _sums(draft.parts)
    return [
        Posting(
            key=f"credit_note/{note_id}/{part}",
            debit=source if amount_minor > 0 else Chart.RECEIVABLES,
            credit=Chart.RECEIVABLES if amount_minor > 0 else source,
            amount_minor=abs(amount_minor),
            account_id=draft.account_id,
            document_kind=CREDIT_NOTE_DOCUMENT,
            document_id=note_id,
            reason=draft.because,
            effective_on=on,
        )
        for part, source, amount_minor in (
            ("net", Chart.REVENUE, sums["net_minor"]),
            ("vat", Chart.VAT_PAYABLE, sums["vat_minor"]),
        )
    ]
