"""Starting a process once: the same Idempotency-Key with the same body is the same process."""

import hashlib
import json

from pydantic import BaseModel
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from models.contracts.refusals import conflict
from models.tables.processes import Process


def fingerprint(order: BaseModel) -> bytes:
    """What tells one body from another, however it was spaced and ordered."""
    return hashlib.sha256(json.dumps(order.model_dump(mode="json"), sort_keys=True).encode()).digest()


def process_of_key(session: Session, idempotency_key: str | None, order: BaseModel) -> Process | None:
    """The process that was started with this key, if there is one.

    Raises:
        Refusal: it was started with another body.
    """
    if idempotency_key is None:
        return None
    # Two requests with one key wait here for each other, so that the second finds what the first has made.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 1))"), {"key": idempotency_key})
    process = session.scalar(select(Process).where(Process.idempotency_key == idempotency_key))
    if process is not None and process.request_sha256 != fingerprint(order):
        raise conflict("idempotency_key_reused", "This Idempotency-Key was used for another request: take a fresh one.")
    return process
