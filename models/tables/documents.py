"""Contracts and acts («акты»): numbered PDFs whose hash is kept."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from models.contracts.documents import DocumentKind
from models.contracts.people import Language
from models.tables.base import Base, HasId, words


class Document(HasId, Base):
    """One document. Once signed, a trigger refuses any change or removal."""

    __tablename__ = "document"
    kind: Mapped[DocumentKind] = mapped_column(words(DocumentKind))
    number: Mapped[str]
    process_id: Mapped[UUID] = mapped_column(ForeignKey("process.id"))
    subscriber_id: Mapped[UUID] = mapped_column(ForeignKey("subscriber.id"), index=True)
    language: Mapped[Language] = mapped_column(words(Language))
    facts: Mapped[dict[str, Any]]
    """What the document says, as data; the PDF is made from it."""
    pdf: Mapped[bytes | None] = mapped_column(deferred=True)
    """Read on purpose only: most of what is asked of a document is not its pages."""
    sha256: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    signature: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    """Who signed for the subscriber, and who of the staff witnessed it."""
    signed_at: Mapped[datetime | None]
    withdrawn_at: Mapped[datetime | None]
    __table_args__ = (
        UniqueConstraint("kind", "number"),
        UniqueConstraint("process_id", "kind"),
        CheckConstraint("(pdf IS NULL) = (sha256 IS NULL)", name="hash_with_pdf"),
        CheckConstraint("(signed_at IS NULL) = (signature IS NULL)", name="signed_by_somebody"),
        CheckConstraint("signed_at IS NULL OR pdf IS NOT NULL", name="only_a_pdf_is_signed"),
    )
