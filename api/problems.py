"""Errors as RFC 9457 problems: a stable type, and a sentence that tells a person what to do."""

from http import HTTPStatus
from pathlib import Path
from traceback import extract_tb
from typing import Any

import psycopg
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy.exc import DataError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from api.engine import EngineAway
from models.contracts.refusals import Refusal, RefusalKind

MEDIA_TYPE = "application/problem+json"
_log = structlog.get_logger()
_STATUS = {
    RefusalKind.NOT_FOUND: 404,
    RefusalKind.CONFLICT: 409,
    RefusalKind.INVALID: 422,
    RefusalKind.FORBIDDEN: 403,
}
_SENTENCES = {
    404: "There is nothing at this address: GET /openapi.json lists what there is.",
    405: "This address does not know this method: the header Allow names those it knows.",
}
"""Where the framework says no more than the name of the status."""
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


def engine_away(_: Request, failure: Exception) -> JSONResponse:
    """503: the workflow engine is needed and away."""
    _log.warning("engine_away", kind=type(failure.__cause__ or failure).__name__)
    return problem(
        503, "engine_away", "The workflow engine does not answer. Nothing was lost: repeat the request in a moment.",
        headers={"Retry-After": "5"},
    )  # fmt: skip


def database_away(_: Request, failure: Exception) -> JSONResponse:
    """503: the database is away, or somebody else holds what is wanted for longer than one may wait."""
    sqlstate = _sqlstate(failure)
    if sqlstate in _BUSY:
        _log.warning("database_busy", kind=type(failure).__name__, sqlstate=sqlstate)
        return problem(
            503, "database_busy", "The same thing is being changed right now: repeat the request in a moment.",
            headers={"Retry-After": "1"},
        )  # fmt: skip
    _log.warning("database_away", kind=type(failure).__name__, sqlstate=sqlstate)
    return problem(
        503, "database_away", "The database does not answer. Nothing was changed: repeat the request in a moment.",
        headers={"Retry-After": "5"},
    )  # fmt: skip


_BUSY = {"55P03", "40P01", "40001", "57014"}
"""Lock not granted in time, deadlock, serialisation failure, statement timed out: nothing was changed."""


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
    errors = [FieldError(field=_field(error), detail=error["msg"]) for error in failure.errors()]
    return problem(422, "invalid_input", "Mend the fields that are named under errors and send it again.", errors)


def _field(error: dict[str, Any]) -> str:
    # Where JSON itself is broken, what stands after "body" is a position in the text.
    path = () if error["type"] == "json_invalid" else error["loc"]
    return ".".join(str(part) for part in path if part != "body") or "body"


def _unstorable(_: Request, failure: Exception) -> JSONResponse:
    """Text with NUL or half a surrogate pair, numbers beyond any column: fine in JSON, but no column keeps it."""
    _log.warning("input_unstorable", kind=type(failure).__name__, sqlstate=_sqlstate(failure))
    detail = "Some of it can't be stored: remove control characters from texts, and send numbers of a usual size."
    return problem(422, "invalid_input", detail)


def _http(_: Request, failure: Exception) -> JSONResponse:
    assert isinstance(failure, HTTPException)
    status, headers = failure.status_code, dict(failure.headers or {})
    if status == HTTPStatus.BAD_REQUEST:
        # The framework's word for a body that it can't read at all.
        return problem(422, "invalid_input", "The body can't be read: send JSON in UTF-8, and don't nest it deeply.")
    slug = _TITLES.get(status, "error").lower().replace(" ", "_")
    said = str(failure.detail)
    return problem(status, slug, _SENTENCES.get(status, said) if said in _PHRASES else said, headers=headers)


_PHRASES = {status.phrase for status in HTTPStatus}


def internal_error(failure: Exception, **facts: object) -> JSONResponse:
    """500: logged with its place and without its text, which may quote the row that it is about."""
    frames = extract_tb(failure.__traceback__)[-_FRAMES:]
    places = [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
    _log.error("request_failed", kind=type(failure).__name__, sqlstate=_sqlstate(failure), at=places, **facts)
    return problem(500, "internal_error", "This is a fault of ours and was logged. Repeat it, or tell operations.")


_FRAMES = 8


def _sqlstate(failure: BaseException) -> str | None:
    return getattr(getattr(failure, "orig", failure), "sqlstate", None)


def install(app: FastAPI) -> None:
    """Give every kind of failure its answer."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(Unauthenticated, _unauthenticated)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(EngineAway, engine_away)
    # Look-ups (`models.lookups`) come from the driver itself, without SQLAlchemy around it.
    for away in (OperationalError, InterfaceError, PoolTimeoutError, psycopg.OperationalError, psycopg.InterfaceError):
        app.add_exception_handler(away, database_away)
    for unstorable in (DataError, psycopg.DataError, UnicodeEncodeError):
        app.add_exception_handler(unstorable, _unstorable)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """These problems, for the `responses` of a route. The schema itself is added by `api.openapi`."""
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        status: {"description": _TITLES[status], "content": {MEDIA_TYPE: {"schema": schema}}} for status in statuses
    }


PROBLEMS = documented(401, 403, 404, 409, 422, 429, 503)
"""What every route may answer besides its own success; for the OpenAPI document."""
