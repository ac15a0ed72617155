"""Policies: a process pins the newest version at its start."""

from typing import Final

from pydantic import BaseModel
from sqlalchemy import bindparam, func, select, text
from sqlalchemy.orm import Session

from models.contracts.billing_run import BillingPolicy
from models.tables.catalogue import Policy

_NEWEST = (
    select(Policy)
    .where(Policy.code == bindparam("code"), Policy.valid_from <= func.now())
    .order_by(Policy.version.desc())
    .limit(1)
)


def newest(session: Session, code: str) -> Policy | None:
    """The version that a process pins which starts now; none where the operator has set no policy."""
    return session.scalar(_NEWEST, {"code": code})


FIRST_VERSION_BY: Final = "first-version"


def newest_or_first(session: Session, code: str, first: type[BaseModel]) -> Policy:
    """As `newest`; where the operator has set none, the first version is made of the defaults, to be pinned."""
    policy = newest(session, code)
    if policy is not None:
        return policy
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:code, 2))"), {"code": code})
    policy = session.scalar(select(Policy).where(Policy.code == code).order_by(Policy.version.desc()).limit(1))
    if policy is None:
        body = first().model_dump(mode="json")
        policy = Policy(code=code, version=1, body=body, created_by=FIRST_VERSION_BY)
        session.add(policy)
        session.flush()
    return policy


def billing_policy(session: Session) -> BillingPolicy:
    """How the operator bills now."""
    policy = newest(session, "billing")
    return BillingPolicy() if policy is None else BillingPolicy.model_validate(policy.body)
