"""Errors as RFC 9457 problems: a stable type, and a sentence that tells a person what to do."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from api.engine import EngineAway
from models.contracts.refusals import Refusal, RefusalKind

MEDIA_TYPE = "application/problem+json"
_STATUS = {
    RefusalKind.NOT_FOUND: 404,
    RefusalKind.CONFLICT: 409,
    RefusalKind.INVALID: 422,
    RefusalKind.FORBIDDEN: 403,
}
_TITLES = {
    400: "Bad request", 401: "Not authenticated", 403: "Not allowed", 404: "Not found", 405: "Method not allowed",
    409: "Conflict", 413: "Too large", 422: "Invalid input", 429: "Too many requests", 500: "Internal error",
    503: "Temporarily unavailable",
}  # fmt: skip


class FieldError(BaseModel):
    """What is wrong with one field."""

    field: str
    detail: str


class Problem(BaseModel):
    """The body of every error."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = []


class Unauthenticated(Exception):  # noqa: N818 - an answer (401), not a fault of ours
    """No credentials, or bad ones."""

    def __init__(self, scheme: str, detail: str) -> None:
        super().__init__(detail)
        self.scheme = scheme
        self.detail = detail


def problem(
    status: int,
    slug: str,
    detail: str,
    errors: list[FieldError] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """The response for one problem."""
    body = Problem(type=slug, title=_TITLES.get(status, "Error"), status=status, detail=detail, errors=errors or [])
    return JSONResponse(body.model_dump(), status, headers=headers, media_type=MEDIA_TYPE)


def engine_away(*_: Any) -> JSONResponse:
    """503: the workflow engine is needed and away."""
    return problem(
        503, "engine_away", "The workflow engine does not answer. Nothing was lost: repeat the request in a moment.",
        headers={"Retry-After": "5"},
    )  # fmt: skip


def database_away(*_: Any) -> JSONResponse:
    """503: the database is away."""
    return problem(
        503, "database_away", "The database does not answer. Nothing was changed: repeat the request in a moment.",
        headers={"Retry-After": "5"},
    )  # fmt: skip


def _refused(_: Request, refusal: Exception) -> JSONResponse:
    assert isinstance(refusal, Refusal)
    errors = [FieldError(field=field, detail=detail) for field, detail in refusal.errors.items()]
    return problem(_STATUS[refusal.kind], refusal.slug, refusal.detail, errors)


def _unauthenticated(_: Request, failure: Exception) -> JSONResponse:
    assert isinstance(failure, Unauthenticated)
    headers = {"WWW-Authenticate": f'{failure.scheme} realm="abonent"'}
    return problem(401, "not_authenticated", failure.detail, headers=headers)


def _invalid(_: Request, failure: Exception) -> JSONResponse:
    assert isinstance(failure, RequestValidationError)
    errors = [
        FieldError(
            field=".".join(str(part) for part in error["loc"] if part != "body") or "body",
            detail=error["msg"],
        )
        for error in failure.errors()
    ]
    return problem(422, "invalid_input", "Mend the fields that are named under errors and send it again.", errors)


def _http(_: Request, failure: Exception) -> JSONResponse:
    assert isinstance(failure, HTTPException)
    slug = _TITLES.get(failure.status_code, "error").lower().replace(" ", "_")
    return problem(failure.status_code, slug, str(failure.detail), headers=dict(failure.headers or {}))


def _unexpected(_: Request, __: Exception) -> JSONResponse:
    return problem(500, "internal_error", "This is a fault of ours and was logged. Repeat it, or tell operations.")


def install(app: FastAPI) -> None:
    """Give every kind of failure its answer."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(Unauthenticated, _unauthenticated)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(EngineAway, engine_away)
    for away in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(away, database_away)
    app.add_exception_handler(Exception, _unexpected)


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": title, "content": {MEDIA_TYPE: {}}}
    for status, title in _TITLES.items()
    if status in {401, 403, 404, 409, 422, 429, 503}
}
"""What every route may answer besides its own success; for the OpenAPI document."""
