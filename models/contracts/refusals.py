"""A refusal of the business: somebody asked for what can't be, and is told what to do instead."""

from collections.abc import Mapping
from enum import StrEnum


class RefusalKind(StrEnum):
    """How the HTTP contract classifies a refusal."""

    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    INVALID = "invalid"
    FORBIDDEN = "forbidden"


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not a fault of the program
    """Never retried: the same request would be refused again.

    `slug` is stable and is the `type` of the HTTP problem and of Temporal's ApplicationError. `detail` is a sentence
    for a person and names no subscriber's data, because it reaches workflow histories. `errors` maps a field's
    path to what is wrong with it.
    """

    def __init__(self, kind: RefusalKind, slug: str, detail: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.kind = kind
        self.slug = slug
        self.detail = detail
        self.errors = dict(errors or {})


def not_found(slug: str, detail: str) -> Refusal:
    """The thing that was named does not exist."""
    return Refusal(RefusalKind.NOT_FOUND, slug, detail)


def conflict(slug: str, detail: str) -> Refusal:
    """It exists, but its present state does not allow this."""
    return Refusal(RefusalKind.CONFLICT, slug, detail)


def invalid(slug: str, detail: str, errors: Mapping[str, str] | None = None) -> Refusal:
    """The input itself is wrong."""
    return Refusal(RefusalKind.INVALID, slug, detail, errors)


def forbidden(slug: str, detail: str) -> Refusal:
    """This caller may not do it."""
    return Refusal(RefusalKind.FORBIDDEN, slug, detail)
