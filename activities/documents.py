"""Contracts and acts: drawn up once from facts, kept as PDF with its hash, final once signed."""

import hashlib
from collections.abc import Callable
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from activities.document_facts import act_facts, contract_facts, local_date, next_of_account, order_of
from activities.numbering import next_number
from activities.printing import print_pdf
from activities.processes import lock_process
from activities.replacement_act import replacement_act_facts
from activities.return_act import return_act_facts
from models.contracts.documents import ACTS, DocumentKind, DocumentView, Facts, OperatorDetails, Signatory
from models.contracts.refusals import conflict, not_found
from models.tables.documents import Document
from models.tables.processes import Process

ACT_SERIES = "act"
FACTS_OF_ACT: dict[DocumentKind, Callable[[Session, UUID, date, OperatorDetails], Facts]] = {
    DocumentKind.HANDOVER_ACT: act_facts,
    DocumentKind.REPLACEMENT_ACT: replacement_act_facts,
    DocumentKind.RETURN_ACT: return_act_facts,
}

_DRAWN_UP = select(Document).where(Document.process_id == bindparam("process_id"), Document.kind == bindparam("kind"))
_ACT = select(Document).where(Document.process_id == bindparam("process_id"), Document.kind.in_(ACTS)).with_for_update()


def draw_up_contract(session: Session, process_id: UUID, *, at: datetime, operator: OperatorDetails) -> Document:
    """The contract («договор») of a connection, numbered `{account_no}-{n}`; the same one on every call.

    Raises:
        Refusal: there is no such process, or it connects nobody.
    """
    drawn_up = _drawn_up_or_locked(session, process_id, DocumentKind.CONTRACT)
    if drawn_up is not None:
        return drawn_up
    facts = contract_facts(session, process_id, local_date(at, operator), operator)
    number = f"{facts.subscriber.account_no}-{next_of_account(session, order_of(session, process_id).account_id)}"
    return _keep(session, process_id, DocumentKind.CONTRACT, number, facts, at=at)


def draw_up_act(
    session: Session, process_id: UUID, *, at: datetime, operator: OperatorDetails,
    kind: DocumentKind = DocumentKind.HANDOVER_ACT,
) -> Document:  # fmt: skip
    """The act of equipment that changed hands («акт приёма-передачи», «акт замены», «акт возврата»), `АКТ-2026-000001`.

    The same one on every call. Numbers run without gaps within a year of the operator's zone, through all kinds.

    Raises:
        Refusal: there is no such process, it is about no service, or the work that the act is about is not completed.
    """
    drawn_up = _drawn_up_or_locked(session, process_id, kind)
    if drawn_up is not None:
        return drawn_up
    on = local_date(at, operator)
    facts = FACTS_OF_ACT[kind](session, process_id, on, operator)
    number = f"АКТ-{on.year}-{next_number(session, ACT_SERIES, on.year):06d}"
    return _keep(session, process_id, kind, number, facts, at=at)


def sign(session: Session, document_id: UUID, *, signed_by: Signatory, at: datetime, witness_actor: str) -> Document:
    """Keep that the subscriber's side signed, and which of the staff witnessed it. From then on it is final.

    Once more by the same side changes nothing: the first signature stands.

    Raises:
        Refusal: there is no such document, it was withdrawn, or the other of the two has signed it.
    """
    document = get_document(session, document_id, for_update=True)
    return _signed(session, document, signed_by=signed_by, at=at, witness_actor=witness_actor)


def sign_act(session: Session, process_id: UUID, *, signed_by: Signatory, at: datetime, witness_actor: str) -> Document:
    """Keep that the act of a process was signed, as `sign` does.

    Raises:
        Refusal: it was withdrawn, or the other of the two has signed it.
    """
    act = session.scalars(_ACT, {"process_id": process_id}).one()
    return _signed(session, act, signed_by=signed_by, at=at, witness_actor=witness_actor)


def _signed(
    session: Session, document: Document, *, signed_by: Signatory, at: datetime, witness_actor: str
) -> Document:
    if document.signature is not None:
        if document.signature["signed_by"] == signed_by:
            return document
        raise conflict(
            "document_signed",
            f"Document {document.number} is signed already, by the {document.signature['signed_by']}: "
            "a signature can't be changed.",
        )
    if document.withdrawn_at is not None:
        raise conflict("document_withdrawn", f"Document {document.number} was withdrawn: don't sign it.")
    document.signature = {"signed_by": signed_by, "witness": witness_actor}
    document.signed_at = at
    session.flush()
    return document


def withdraw(session: Session, process_id: UUID, at: datetime) -> int:
    """Withdraw what a cancelled process drew up and nobody signed. Answers how many documents that were.

    Signed documents stay as they are; a withdrawn one stays readable, and its number is not given again.
    """
    withdrawn = session.scalars(
        update(Document)
        .where(Document.process_id == process_id, Document.signed_at.is_(None), Document.withdrawn_at.is_(None))
        .values(withdrawn_at=at)
        .returning(Document.id)
    )
    return len(withdrawn.all())


def get_document(session: Session, document_id: UUID, *, for_update: bool = False) -> Document:
    """The document.

    Raises:
        Refusal: there is none with this id.
    """
    document = session.get(Document, document_id, with_for_update=for_update)
    if document is None:
        raise not_found(
            "document_unknown", "There is no such document: take its id from GET /v1/documents?process_id=…."
        )
    return document


def document_view(document: Document) -> DocumentView:
    """A document as it is spoken of outside."""
    return DocumentView(
        id=document.id,
        kind=document.kind,
        number=document.number,
        process_id=document.process_id,
        subscriber_id=document.subscriber_id,
        language=document.language,
        sha256=document.sha256,
        created_at=document.created_at,
        signed_at=document.signed_at,
        signed_by=None if document.signature is None else document.signature["signed_by"],
        withdrawn_at=document.withdrawn_at,
    )


def _drawn_up_or_locked(session: Session, process_id: UUID, kind: DocumentKind) -> Document | None:
    """The process's document of this kind. The process is locked: only one caller makes it."""
    if not lock_process(session, process_id):
        raise not_found("process_unknown", "There is no such process: take its id from GET /v1/processes.")
    return session.scalar(_DRAWN_UP, {"process_id": process_id, "kind": kind})


def _keep(
    session: Session, process_id: UUID, kind: DocumentKind, number: str, facts: Facts, *, at: datetime
) -> Document:
    kept = facts.model_dump(mode="json")
    pdf = print_pdf(kind, number, kept)
    document = Document(
        kind=kind,
        number=number,
        process_id=process_id,
        subscriber_id=select(Process.subscriber_id).where(Process.id == process_id).scalar_subquery(),
        language=facts.language,
        facts=kept,
        pdf=pdf,
        sha256=hashlib.sha256(pdf).hexdigest(),
        created_at=at,
    )
    session.add(document)
    session.flush()
    return document
