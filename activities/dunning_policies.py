"""Versions of the dunning policy: read once, since a version never changes."""

from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID

import holidays as holiday_calendar
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from activities import policies
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.people import Segment
from models.contracts.processes import ProcessKind
from models.rules.dunning_calendar import Calendar
from models.rules.dunning_ladder import Ladder
from models.tables.catalogue import Policy
from settings import Settings


@dataclass(frozen=True)
class Terms:
    """What an episode goes by: a version of the policy, and what it means for a segment."""

    policy_id: UUID
    version: int
    policy: DunningPolicy
    segment: Segment
    ladder: Ladder
    calendar: Calendar


_read: dict[UUID, DunningPolicy] = {}
_terms: dict[tuple[UUID, Segment, str], Terms] = {}
FIRST_VERSION_BY: Final = "first-version"


@cache
def holidays_of_kazakhstan() -> holiday_calendar.HolidayBase:
    """Public holidays, with the days that the government moved."""
    return holiday_calendar.country_holidays("KZ")


def newest(session: Session) -> Policy:
    """The version that an episode pins which is opened now; the first one is made where there is none."""
    policy = policies.newest(session, ProcessKind.DUNNING)
    if policy is not None:
        return policy
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:code, 2))"), {"code": ProcessKind.DUNNING})
    policy = session.scalar(
        select(Policy).where(Policy.code == ProcessKind.DUNNING).order_by(Policy.version.desc()).limit(1)
    )
    if policy is None:
        body = DunningPolicy().model_dump(mode="json")
        policy = Policy(code=ProcessKind.DUNNING, version=1, body=body, created_by=FIRST_VERSION_BY)
        session.add(policy)
        session.flush()
    return policy


def policy_of(session: Session, policy_id: UUID) -> DunningPolicy:
    """What a version says."""
    known = _read.get(policy_id)
    if known is None:
        known = _read[policy_id] = DunningPolicy.model_validate(session.get_one(Policy, policy_id).body)
    return known


def terms_of(session: Session, policy_id: UUID, segment: Segment, settings: Settings) -> Terms:
    """What a version means for a segment; what its calendar has found out it remembers."""
    key = (policy_id, segment, settings.timezone)
    known = _terms.get(key)
    if known is None:
        version = session.scalars(select(Policy.version).where(Policy.id == policy_id)).one()
        policy = policy_of(session, policy_id)
        known = _terms[key] = terms(policy, segment, settings, policy_id=policy_id, version=version)
    return known


def terms(policy: DunningPolicy, segment: Segment, settings: Settings, *, policy_id: UUID, version: int) -> Terms:
    """What a policy means for a segment, saved or not."""
    calendar = policy.calendar(settings.zone, holidays_of_kazakhstan())
    return Terms(policy_id, version, policy, segment, policy.ladder_of(segment), calendar)
