"""Contracts and acts as PDF, for everybody of the staff."""

from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from sqlalchemy import select

from activities.documents import document_view, get_document
from activities.processes import get_process
from api.access import StaffCaller, staff
from api.context import Ctx
from api.pages import Page, PageQuery, page_of
from api.problems import PROBLEMS
from models.contracts.documents import DocumentView
from models.contracts.refusals import not_found
from models.tables.documents import Document

router = APIRouter(prefix="/v1/documents", tags=["documents"], responses=PROBLEMS)

MEDIA_TYPE = "application/pdf"


@router.get("")
def list_documents(
    ctx: Ctx,
    _: Annotated[StaffCaller, Depends(staff())],
    process_id: Annotated[UUID, Query(description="The process that drew them up")],
    page: Annotated[PageQuery, Depends()],
) -> Page[DocumentView]:
    """The documents of a process, oldest first, with their hashes and signatures."""
    with ctx.database.transaction() as session:
        get_process(session, process_id)
        statement = select(Document).where(Document.process_id == process_id)
        return page_of(session, statement, Document.id, page, document_view)


@router.get(
    "/{document_id}",
    response_class=Response,
    responses={
        200: {
            "description": "The PDF; its ETag is the SHA-256 of its bytes",
            "content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}},
        },
        304: {"description": "The caller has this PDF already"},
    },
)
def read_document(
    document_id: UUID,
    ctx: Ctx,
    _: Annotated[StaffCaller, Depends(staff())],
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The document as PDF, as it was drawn up: nothing changes it afterwards."""
    with ctx.database.transaction() as session:
        document = get_document(session, document_id)
        if document.pdf is None:
            raise not_found("document_not_printed", "This document has no PDF yet: ask again in a moment.")
        headers = {
            "ETag": f'"{document.sha256}"',
            "Cache-Control": "private, no-cache",
            "Content-Disposition": _disposition(document),
        }
        if _has(if_none_match, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(document.pdf, headers=headers, media_type=MEDIA_TYPE)


def _disposition(document: Document) -> str:
    """The number as the file's name; clients that know no UTF-8 here get kind and id (RFC 6266)."""
    plain = f"{document.kind}-{document.id}.pdf"
    return f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(document.number + '.pdf', safe='')}"


def _has(if_none_match: str | None, etag: str) -> bool:
    if if_none_match is None:
        return False
    tags = {tag.strip().removeprefix("W/") for tag in if_none_match.split(",")}
    return etag in tags or "*" in tags
