"""Credit notes: an invoice is never edited, it is taken back wholly or in part, line by line, at its own VAT rates."""

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from activities import settlement
from activities.credit_note_issuing import CREDIT_NOTE_DOCUMENT, CreditableLine, Draft, Part, issue_all
from models.contracts.billing import CreditNoteLineView, CreditNoteView, NewCreditNote, ReckoningLine
from models.contracts.money import kzt
from models.contracts.refusals import Refusal, conflict, forbidden, invalid, not_found
from models.rules.crediting import split_over_lines
from models.rules.money import tenge
from models.tables.billing import CreditNote, CreditNoteLine, Invoice, InvoiceLine, RecalculationLine

__all__ = [
    "CREDIT_NOTE_DOCUMENT",
    "credit_invoice",
    "credited_of_lines",
    "issue",
    "rest_of",
    "unknown_invoice",
    "views",
]


def credit_invoice(
    session: Session, invoice_id: UUID, *, reason: str, on: date, actor: str, recalculation_id: UUID | None = None
) -> CreditNote | None:
    """Take back all that is left of an invoice, with the VAT that it was issued with.

    Where nothing is left, the newest credit note is answered; an invoice of nothing needs none. What was paid on it
    becomes the subscriber's advance, and then covers their other open invoices.

    Raises:
        Refusal: there is no such invoice.
    """
    invoice = _invoice(session, invoice_id)
    settlement.lock_account(session, invoice.account_id)
    parts = rest_of(session, invoice_id)
    if not sum(part.total_minor for part in parts):
        return session.scalar(
            select(CreditNote).where(CreditNote.invoice_id == invoice_id).order_by(CreditNote.id.desc()).limit(1)
        )
    draft = _draft(invoice, parts, reason=reason, recalculation_id=recalculation_id)
    return _issued(session, draft, on=on, actor=actor)


def rest_of(session: Session, invoice_id: UUID) -> list[Part]:
    """What is left of an invoice, line by line."""
    return [line.part(line.left_minor) for line in _left_of_lines(session, invoice_id) if line.left_minor]


def issue(
    session: Session,
    invoice_id: UUID,
    order: NewCreditNote,
    *,
    on: date,
    actor: str,
    limit_minor: int | None,
    idempotency_key: str | None = None,
) -> tuple[CreditNote, bool]:
    """Take back what an accountant asks for; answers whether the credit note is new.

    `limit_minor`: how much of one invoice may be credited in all without a head of accounting; None is no limit. It
    counts earlier notes too, so that a large one can't be cut into small ones. The same idempotency key with the same
    order is the same credit note, in parallel too.

    Raises:
        Refusal: there is no such invoice or line, less is left of it than that, nothing is left, the sum is above
            the limit, or the key was used for another order.
    """
    fingerprint = _fingerprint(invoice_id, order)
    if idempotency_key is not None:
        known = _known(session, idempotency_key, fingerprint)
        if known is not None:
            return known, False
    invoice = _invoice(session, invoice_id)
    settlement.lock_account(session, invoice.account_id)
    lines = _left_of_lines(session, invoice_id)
    left_minor = sum(line.left_minor for line in lines)
    if left_minor <= 0:
        raise conflict("nothing_to_credit", f"Nothing is left of invoice {invoice.number} to be credited.")
    parts = _wanted(invoice, order, lines, left_minor)
    amount_minor = sum(part.total_minor for part in parts)
    if limit_minor is not None and invoice.total_minor - left_minor + amount_minor > limit_minor:
        raise forbidden(
            "approval_needed",
            f"Up to {tenge(limit_minor)} of an invoice an accountant credits alone; this makes it "
            f"{tenge(invoice.total_minor - left_minor + amount_minor)}: ask a head of accounting to do it.",
        )
    draft = _draft(
        invoice, parts, reason=order.reason, idempotency_key=idempotency_key, request_sha256=fingerprint
    )  # fmt: skip
    return _issued(session, draft, on=on, actor=actor), True


def views(session: Session, notes: Sequence[CreditNote]) -> list[CreditNoteView]:
    """Credit notes as they are spoken of outside, with their lines."""
    lines: dict[UUID, list[CreditNoteLineView]] = {note.id: [] for note in notes}
    for line in session.scalars(
        select(CreditNoteLine).where(CreditNoteLine.credit_note_id.in_(lines)).order_by(CreditNoteLine.line_no)
    ):
        lines[line.credit_note_id].append(
            CreditNoteLineView(
                line_no=line.line_no, vat_rate_percent=line.vat_rate_bp / 100, net=kzt(line.net_minor),
                vat=kzt(line.vat_minor), total=kzt(line.total_minor),
            )
        )  # fmt: skip
    reckonings = _reckonings(session, {note.recalculation_id for note in notes if note.recalculation_id is not None})
    return [
        CreditNoteView(
            id=note.id, number=note.number, invoice_id=note.invoice_id, issued_on=note.issued_on,
            net=kzt(note.net_minor), vat=kzt(note.vat_minor), total=kzt(note.total_minor), reason=note.reason,
            created_by=note.created_by, lines=lines[note.id],
            reckoning=[] if note.recalculation_id is None else reckonings[note.recalculation_id],
        )
        for note in notes
    ]  # fmt: skip


def _reckonings(session: Session, recalculation_ids: set[UUID]) -> dict[UUID, list[ReckoningLine]]:
    found: dict[UUID, list[ReckoningLine]] = {recalculation_id: [] for recalculation_id in recalculation_ids}
    if not found:
        return found
    for line in session.scalars(
        select(RecalculationLine)
        .where(RecalculationLine.recalculation_id.in_(recalculation_ids))
        .order_by(RecalculationLine.line_no)
    ):
        found[line.recalculation_id].append(
            ReckoningLine(
                description=line.description, formula=line.formula, vat_rate_percent=line.vat_rate_bp / 100,
                net=kzt(line.net_minor), vat=kzt(line.vat_minor), total=kzt(line.total_minor),
            )
        )  # fmt: skip
    return found


def _fingerprint(invoice_id: UUID, order: NewCreditNote) -> bytes:
    meaning = {"invoice_id": str(invoice_id), **order.model_dump(mode="json")}
    return hashlib.sha256(json.dumps(meaning, sort_keys=True).encode()).digest()


def _known(session: Session, idempotency_key: str, fingerprint: bytes) -> CreditNote | None:
    # Two requests with one key wait here for each other, so that the second finds what the first has made.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 4))"), {"key": idempotency_key})
    note = session.scalar(select(CreditNote).where(CreditNote.idempotency_key == idempotency_key))
    if note is not None and note.request_sha256 != fingerprint:
        raise conflict("idempotency_key_reused", "This Idempotency-Key was used for another request: take a fresh one.")
    return note


def _invoice(session: Session, invoice_id: UUID) -> Invoice:
    invoice = session.get(Invoice, invoice_id)
    if invoice is None:
        raise unknown_invoice()
    return invoice


def unknown_invoice() -> Refusal:
    """There is no invoice with this id."""
    return not_found("invoice_unknown", "There is no such invoice: take its id from the process or the ledger.")


def credited_of_lines(session: Session, invoice_id: UUID) -> dict[int, int]:
    """What credit notes took back of each line of an invoice, by the line's number."""
    rows = session.execute(
        select(CreditNoteLine.line_no, func.sum(CreditNoteLine.total_minor))
        .join(CreditNote, CreditNote.id == CreditNoteLine.credit_note_id)
        .where(CreditNote.invoice_id == invoice_id)
        .group_by(CreditNoteLine.line_no)
    )
    return {line_no: int(total_minor) for line_no, total_minor in rows}


def _left_of_lines(session: Session, invoice_id: UUID) -> list[CreditableLine]:
    credited = credited_of_lines(session, invoice_id)
    lines = session.scalars(
        select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.line_no)
    )
    return [
        CreditableLine(line.line_no, line.vat_rate_bp, line.vat_minor, line.total_minor, credited.get(line.line_no, 0))
        for line in lines
    ]


def _wanted(invoice: Invoice, order: NewCreditNote, lines: Sequence[CreditableLine], left_minor: int) -> list[Part]:
    if order.lines is not None:
        return _of_named_lines(invoice, order, lines, left_minor)
    amount_minor = left_minor if order.amount is None else order.amount.amount_minor
    if amount_minor > left_minor:
        raise _more_than_left(invoice, left_minor)
    shares = split_over_lines(amount_minor, [line.left_minor for line in lines])
    return [line.part(share) for line, share in zip(lines, shares, strict=True) if share]


def _of_named_lines(
    invoice: Invoice, order: NewCreditNote, lines: Sequence[CreditableLine], left_minor: int
) -> list[Part]:
    by_number = {line.line_no: line for line in lines}
    parts, errors = [], {}
    for index, wanted in enumerate(order.lines or []):
        line = by_number.get(wanted.line_no)
        amount_minor = wanted.amount.amount_minor
        if line is None:
            errors[f"lines.{index}.line_no"] = f"invoice {invoice.number} has no such line"
        elif amount_minor == 0 or amount_minor * line.left_minor <= 0 or abs(amount_minor) > abs(line.left_minor):
            errors[f"lines.{index}.amount"] = f"{tenge(line.left_minor)} is left of this line"
        else:
            parts.append(line.part(amount_minor))
    if errors:
        raise invalid("lines_not_creditable", "Mend the lines that are named under errors.", errors)
    amount_minor = sum(part.total_minor for part in parts)
    if amount_minor <= 0:
        raise invalid("nothing_to_credit", "A credit note takes back more than nothing: the lines must add up to it.")
    if amount_minor > left_minor:
        raise _more_than_left(invoice, left_minor)
    left_over = {line.line_no: line.left_minor for line in lines}
    for part in parts:
        left_over[part.line_no] -= part.total_minor
    if amount_minor == left_minor and any(left_over.values()):
        raise invalid(
            "lines_left_open",
            "This takes back the rest of the sum, but leaves lines open that offset each other: name all lines, or "
            "leave out `lines` and `amount` to credit the whole rest.",
        )
    return sorted(parts, key=lambda part: part.line_no)


def _more_than_left(invoice: Invoice, left_minor: int) -> Refusal:
    return conflict(
        "more_than_invoiced",
        f"Of invoice {invoice.number} {tenge(left_minor)} is left to be credited: credit no more than that.",
    )


def _draft(
    invoice: Invoice,
    parts: Sequence[Part],
    *,
    reason: str,
    recalculation_id: UUID | None = None,
    idempotency_key: str | None = None,
    request_sha256: bytes | None = None,
) -> Draft:
    return Draft(
        account_id=invoice.account_id, invoice_id=invoice.id, parts=parts, reason=reason,
        because=f"отмена счёта {invoice.number}: {reason}", recalculation_id=recalculation_id,
        idempotency_key=idempotency_key, request_sha256=request_sha256,
    )  # fmt: skip


def _issued(session: Session, draft: Draft, *, on: date, actor: str) -> CreditNote:
    [note_id] = issue_all(session, [draft], on=on, actor=actor)
    return session.get_one(CreditNote, note_id)
