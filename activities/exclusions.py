"""Accounts that are not dunned for a while: for a reason, and never without an end."""

from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import Session

from activities import settlement
from activities.dunning_news import look_again, tell_episode
from models.contracts.dunning import ExclusionView
from models.contracts.refusals import invalid, not_found
from models.rules.dunning_calendar import Calendar
from models.tables.dunning import DunningExclusion

LONGEST: Final = timedelta(days=366)
"""Longer than that somebody has to say so again."""


def exclude(
    session: Session, account_id: UUID, *, until_on: date, reason: str, at: datetime, zone: ZoneInfo, actor: str
) -> DunningExclusion:
    """Let an account not be dunned until a day; a service that is off for a debt is given back.

    Asked for again with the same day and reason it is the same exclusion. The latest end counts.

    Raises:
        Refusal: the day is not ahead, or more than a year ahead.
    """
    settlement.lock_account(session, account_id)
    today = at.astimezone(zone).date()
    if not today < until_on <= today + LONGEST:
        raise invalid(
            "exclusion_too_long", f"Choose a day after {today}, at most a year ahead.", {"until": "not within a year"}
        )
    known = session.scalar(
        select(DunningExclusion).where(
            DunningExclusion.account_id == account_id, DunningExclusion.until_on == until_on,
            DunningExclusion.reason == reason, DunningExclusion.ended_at.is_(None),
        )
    )  # fmt: skip
    if known is not None:
        return known
    exclusion = DunningExclusion(
        account_id=account_id, reason=reason, until_on=until_on, expires_at=Calendar(zone=zone).start_of(until_on),
        created_by=actor, created_at=at,
    )  # fmt: skip
    session.add(exclusion)
    session.flush()
    facts = {"until_on": until_on.isoformat(), "reason": reason}
    tell_episode(
        session, account_id, "exclusion_added", key=f"exclusion_added:{exclusion.id}", at=at, actor=actor, facts=facts
    )
    look_again(session, [account_id])
    return exclusion


def end_exclusion(session: Session, exclusion_id: UUID, *, at: datetime, actor: str) -> DunningExclusion:
    """End an exclusion before its day; one that has ended stays as it is.

    Raises:
        Refusal: there is no such exclusion.
    """
    found = session.get(DunningExclusion, exclusion_id)
    if found is None:
        raise not_found("exclusion_unknown", "There is no such exclusion: list those of the subscriber.")
    settlement.lock_account(session, found.account_id)
    exclusion = session.get_one(DunningExclusion, exclusion_id, populate_existing=True)
    if exclusion.ended_at is None and exclusion.expires_at > at:
        exclusion.ended_by, exclusion.ended_at, exclusion.expires_at = actor, at, at
        session.flush()
        tell_episode(
            session, exclusion.account_id, "exclusion_ended", key=f"exclusion_ended:{exclusion.id}", at=at, actor=actor,
            facts={},
        )  # fmt: skip
        look_again(session, [exclusion.account_id])
    return exclusion


def view(exclusion: DunningExclusion) -> ExclusionView:
    """An exclusion as staff sees it."""
    return ExclusionView(
        id=exclusion.id,
        until=exclusion.until_on,
        reason=exclusion.reason,
        created_by=exclusion.created_by,
        created_at=exclusion.created_at,
        ended_by=exclusion.ended_by,
        ended_at=exclusion.ended_at,
    )
