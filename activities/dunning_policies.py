"""Versions of the dunning policy: read once, since a version never changes."""

from dataclasses import dataclass
from datetime import date
from functools import cache
from uuid import UUID

import holidays as holiday_calendar
from sqlalchemy import select
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


@cache
def holidays_of_kazakhstan() -> frozenset[date]:
    """Public holidays, with the days that the government moved.

    Reckoned beforehand: the library adds a year when it is asked for one, and another thread would find it empty.
    """
    return frozenset(holiday_calendar.country_holidays("KZ", years=range(2000, 2101)))


def newest(session: Session) -> Policy:
    """The version that an episode pins which is opened now; the first one is made where there is none."""
    return policies.newest_or_first(session, ProcessKind.DUNNING, DunningPolicy)


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
