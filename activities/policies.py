"""Policies: a process pins the newest version at its start."""

from sqlalchemy import bindparam, func, select
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


def billing_policy(session: Session) -> BillingPolicy:
    """How the operator bills now."""
    policy = newest(session, "billing")
    return BillingPolicy() if policy is None else BillingPolicy.model_validate(policy.body)
