"""Reading something once a transaction that several parts of one step ask for."""

from collections.abc import Callable, Hashable
from typing import TypeVar, cast

from sqlalchemy.orm import Session

Found = TypeVar("Found")


def once(session: Session, *what: Hashable, read: Callable[[], Found | None]) -> Found | None:
    """What `read` finds, which is kept under its name as long as the transaction lasts; not where it finds nothing."""
    known = session.info.setdefault("read_once", {})
    if what not in known:
        found = read()
        if found is None:
            return None
        known[what] = found
    return cast(Found, known[what])
