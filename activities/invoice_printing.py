"""An invoice as PDF: what it says, read from the tables when it is printed. The same facts give the same bytes."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from activities.credit_notes import unknown_invoice
from activities.payment_taking import receipt
from activities.printing import print_pdf
from models.contracts.documents import (
    CreditedPart,
    InvoicedLine,
    InvoiceFacts,
    OperatorDetails,
    PaidPart,
    Party,
    RateSum,
)
from models.contracts.people import Language
from models.rules.invoice_words import in_language
from models.tables.billing import CreditNote, Invoice, InvoiceLine, WriteOff
from models.tables.network import Premises
from models.tables.payments import Allocation, Payment
from models.tables.people import Account, Subscriber
from models.tables.subscriptions import Subscription
from settings import Settings

TEMPLATE = "invoice"


@dataclass(frozen=True)
class InvoiceSheet:
    """An invoice that can be printed."""

    id: UUID
    number: str
    facts: dict[str, Any]

    @cached_property
    def facts_sha256(self) -> str:
        """Of what it says: another sheet of the same invoice says something else exactly when this differs."""
        said = json.dumps([self.number, self.facts], sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(said.encode()).hexdigest()

    def pdf(self) -> bytes:
        """Its PDF. Needs no database."""
        return print_pdf(TEMPLATE, self.number, self.facts)


def operator_of(settings: Settings) -> OperatorDetails:
    """The operator as its invoices name it."""
    return OperatorDetails(
        name=settings.operator_name,
        bin=settings.operator_bin,
        iban=settings.operator_iban,
        timezone=settings.timezone,
    )


def sheet(
    session: Session, invoice_id: UUID, *, operator: OperatorDetails, language: Language | None = None
) -> InvoiceSheet:
    """What an invoice says, in `language` or in the subscriber's own, with what was paid and credited until now.

    Raises:
        Refusal: there is no such invoice.
    """
    row = session.execute(
        select(Invoice, Subscriber, Account.account_no)
        .join(Account, Account.id == Invoice.account_id)
        .join(Subscriber, Subscriber.id == Account.subscriber_id)
        .where(Invoice.id == invoice_id)
    ).one_or_none()
    if row is None:
        raise unknown_invoice()
    invoice, subscriber, account_no = row
    spoken = language or subscriber.language
    lines = _lines(session, invoice_id, spoken)
    payments = _payments(session, invoice_id, ZoneInfo(operator.timezone))
    credit_notes = _credit_notes(session, invoice_id)
    written_off_minor = session.scalars(
        select(func.coalesce(func.sum(WriteOff.amount_minor), 0)).where(WriteOff.invoice_id == invoice_id)
    ).one()
    outstanding_minor = (
        invoice.total_minor
        - sum(part.amount_minor for part in payments)
        - sum(note.total_minor for note in credit_notes)
        - int(written_off_minor)
    )
    facts = InvoiceFacts(
        language=spoken,
        drawn_up_on=invoice.issued_on,
        operator=operator,
        subscriber=Party(
            full_name=subscriber.full_name,
            iin=subscriber.iin,
            phone=subscriber.phone,
            account_no=account_no,
            address=_address(session, invoice.account_id, subscriber.premises_id),
        ),
        period=None if invoice.period_on is None else f"{invoice.period_on:%m.%Y}",
        due_on=invoice.due_on,
        lines=lines,
        rates=_by_rate(lines),
        net_minor=invoice.net_minor,
        vat_minor=invoice.vat_minor,
        total_minor=invoice.total_minor,
        payments=payments,
        credit_notes=credit_notes,
        written_off_minor=int(written_off_minor),
        outstanding_minor=max(0, outstanding_minor),
        is_settled=outstanding_minor <= 0,
    )
    return InvoiceSheet(invoice.id, invoice.number, facts.model_dump(mode="json"))


def ids_of_month(session: Session, period_on: date, *, after: UUID | None, limit: int) -> list[UUID]:
    """The next invoices that the run of a month has issued, in the order of their ids."""
    statement = select(Invoice.id).where(Invoice.period_on == period_on).order_by(Invoice.id).limit(limit)
    return list(session.scalars(statement if after is None else statement.where(Invoice.id > after)))


def _address(session: Session, account_id: UUID, premises_id: UUID | None) -> str:
    """Where the subscriber lives, or else where their newest service is; empty where nobody knows."""
    if premises_id is None:
        premises_id = session.scalar(
            select(Subscription.premises_id)
            .where(Subscription.account_id == account_id)
            .order_by(Subscription.id.desc())
            .limit(1)
        )
    return session.scalar(select(Premises.address).where(Premises.id == premises_id)) or ""


def _lines(session: Session, invoice_id: UUID, language: Language) -> list[InvoicedLine]:
    lines = session.scalars(
        select(InvoiceLine).where(InvoiceLine.invoice_id == invoice_id).order_by(InvoiceLine.line_no)
    )
    return [
        InvoicedLine(
            description=in_language(line.description, language),
            formula=in_language(line.formula, language),
            vat_rate_percent=line.vat_rate_bp / 100,
            net_minor=line.net_minor,
            vat_minor=line.vat_minor,
            total_minor=line.total_minor,
        )
        for line in lines
    ]


def _by_rate(lines: list[InvoicedLine]) -> list[RateSum]:
    rates = sorted({line.vat_rate_percent for line in lines}, reverse=True)
    return [
        RateSum(
            vat_rate_percent=rate,
            net_minor=sum(line.net_minor for line in lines if line.vat_rate_percent == rate),
            vat_minor=sum(line.vat_minor for line in lines if line.vat_rate_percent == rate),
            total_minor=sum(line.total_minor for line in lines if line.vat_rate_percent == rate),
        )
        for rate in rates
    ]


def _payments(session: Session, invoice_id: UUID, zone: ZoneInfo) -> list[PaidPart]:
    rows = session.execute(
        select(Payment.receipt_no, Payment.paid_at, Allocation.amount_minor)
        .join(Payment, Payment.id == Allocation.payment_id)
        .where(Allocation.invoice_id == invoice_id)
        .order_by(Allocation.id)
    )
    return [
        PaidPart(
            receipt=receipt(row.receipt_no),
            paid_on=row.paid_at.astimezone(zone).date(),
            amount_minor=row.amount_minor,
            is_undone=row.amount_minor < 0,
        )
        for row in rows
    ]


def _credit_notes(session: Session, invoice_id: UUID) -> list[CreditedPart]:
    notes = session.scalars(select(CreditNote).where(CreditNote.invoice_id == invoice_id).order_by(CreditNote.id))
    return [
        CreditedPart(
            credit_note=note.number, issued_on=note.issued_on, total_minor=note.total_minor, reason=note.reason
        )
        for note in notes
    ]
