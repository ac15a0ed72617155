"""Promises to pay: within the limits of the policy, cleared by payment, expired by themselves."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from activities import dunning_policies, ledger, settlement
from activities.dunning_news import look_again, tell_episode
from models.contracts.dunning import PromiseView
from models.contracts.dunning_policy import PromiseTerms
from models.contracts.dunning_words import PromiseStatus
from models.contracts.money import kzt
from models.contracts.processes import PROCESS_ACTOR
from models.contracts.refusals import conflict, invalid, not_found
from models.rules.dunning_calendar import Calendar
from models.rules.money import rounded_share, tenge
from models.tables.dunning import DunningEpisode, Promise

_COUNTED: Final = timedelta(days=90)
_MENDED_WITHIN: Final = timedelta(days=1)

# Money counts that came after the promise and is still there; a debt that is gone needs no promise any more.
_DECIDE = text("""
    UPDATE promise
    SET status = CASE WHEN standing.is_kept THEN 'kept' ELSE 'broken' END, decided_at = :at
    FROM (
        SELECT open.id,
               (SELECT coalesce(sum(payment.amount_minor - payment.refunded_minor), 0) FROM payment
                WHERE payment.account_id = open.account_id AND payment.status = 'posted'
                  AND payment.received_at >= open.created_at) >= open.amount_minor
               OR NOT EXISTS (SELECT FROM ledger_balance
                              WHERE account_id = open.account_id AND chart_code = '1210' AND balance_minor > 0)
               AS is_kept
        FROM promise AS open
        WHERE open.status = 'open' AND (CAST(:ids AS uuid[]) IS NULL OR open.account_id = ANY(CAST(:ids AS uuid[])))
    ) AS standing
    WHERE promise.id = standing.id AND (standing.is_kept OR promise.expires_at <= :at)
    RETURNING promise.id, promise.account_id, promise.amount_minor, promise.until_on, promise.status
""")


def make(
    session: Session, account_id: UUID, *, amount_minor: int | None, until_on: date, at: datetime, zone: ZoneInfo,
    actor: str,
) -> Promise:  # fmt: skip
    """Take a promise to pay by the end of a day; the account's open episode waits for it.

    Asked for again with the same sum and day it is the same promise.

    Raises:
        Refusal: nothing is owed, another promise is open, or it is beyond the limits of the policy.
    """
    settlement.lock_account(session, account_id)
    decide(session, [account_id], at=at)
    owed_minor = ledger.debt_minor(session, account_id)
    if owed_minor == 0:
        raise conflict("nothing_owed", "Nothing is owed on this account: no promise is needed.")
    wanted_minor = owed_minor if amount_minor is None else amount_minor
    known = session.scalar(select(Promise).where(Promise.account_id == account_id, Promise.status == "open"))
    if known is not None:
        if (known.amount_minor, known.until_on) == (wanted_minor, until_on):
            return known
        raise conflict(
            "promise_open",
            f"A promise to pay by {known.until_on} is open: withdraw it first, or wait until that day is over.",
        )
    terms = _terms(session, account_id)
    _check_limits(
        session, terms, account_id, wanted_minor=wanted_minor, owed_minor=owed_minor, until_on=until_on, at=at,
        zone=zone,
    )  # fmt: skip
    promise = Promise(
        account_id=account_id,
        amount_minor=wanted_minor,
        until_on=until_on,
        expires_at=Calendar(zone=zone).start_of(until_on + timedelta(days=1)),
        status=PromiseStatus.OPEN,
        created_by=actor,
        created_at=at,
    )
    session.add(promise)
    session.flush()
    _tell(session, promise, "promise_made", at=at, actor=actor)
    look_again(session, [account_id])
    return promise


def withdraw(session: Session, promise_id: UUID, *, at: datetime, actor: str) -> Promise:
    """Take a promise back, so that dunning goes on; one that is decided stays as it is.

    Raises:
        Refusal: there is no such promise.
    """
    found = session.get(Promise, promise_id)
    if found is None:
        raise not_found("promise_unknown", "There is no such promise: list those of the subscriber.")
    settlement.lock_account(session, found.account_id)
    promise = session.get_one(Promise, promise_id, populate_existing=True)
    if promise.status is PromiseStatus.OPEN:
        promise.status, promise.decided_at = PromiseStatus.WITHDRAWN, at
        session.flush()
        _tell(session, promise, "promise_withdrawn", at=at, actor=actor)
        look_again(session, [promise.account_id])
    return promise


def decide(session: Session, account_ids: Sequence[UUID] | None, *, at: datetime) -> int:
    """Write down which open promises were kept or broken by now, of these accounts or of all; answers how many."""
    ids = None if account_ids is None else list(account_ids)
    decided = session.execute(_DECIDE, {"ids": ids, "at": at}).all()
    for row in decided:
        tell_episode(
            session, row.account_id, f"promise_{row.status}", key=f"promise_{row.status}:{row.id}", at=at,
            actor=PROCESS_ACTOR, facts={"amount_minor": row.amount_minor, "until_on": row.until_on.isoformat()},
        )  # fmt: skip
    return len(decided)


def view(promise: Promise) -> PromiseView:
    """A promise as staff sees it."""
    return PromiseView(
        id=promise.id,
        amount=kzt(promise.amount_minor),
        until=promise.until_on,
        status=promise.status,
        created_by=promise.created_by,
        created_at=promise.created_at,
        decided_at=promise.decided_at,
    )


def _terms(session: Session, account_id: UUID) -> PromiseTerms:
    """The limits of the open episode's version, or of the newest one."""
    policy_id = session.scalar(
        select(DunningEpisode.policy_id).where(
            DunningEpisode.account_id == account_id, DunningEpisode.ended_at.is_(None)
        )
    )
    return dunning_policies.policy_of(session, policy_id or dunning_policies.newest(session).id).promises


def _check_limits(
    session: Session, terms: PromiseTerms, account_id: UUID, *, wanted_minor: int, owed_minor: int, until_on: date,
    at: datetime, zone: ZoneInfo,
) -> None:  # fmt: skip
    today = at.astimezone(zone).date()
    latest_on = today + terms.longest
    if not today <= until_on <= latest_on:
        raise invalid(
            "promise_too_long", f"Choose a day from {today} to {latest_on}: promises are that long at most.",
            {"until": f"not between {today} and {latest_on}"},
        )  # fmt: skip
    least_minor = rounded_share(owed_minor, terms.least_percent, 100)
    if not least_minor <= wanted_minor <= owed_minor:
        raise invalid(
            "promise_sum", f"Promise between {tenge(least_minor)} and all that is owed, {tenge(owed_minor)}.",
            {"amount": "too small or too large"},
        )  # fmt: skip
    earlier = session.scalars(
        select(func.count()).where(
            Promise.account_id == account_id,
            Promise.created_at > at - _COUNTED,
            # A mistake that is mended at once is none; one that was kept from dunning for days is.
            (Promise.status != PromiseStatus.WITHDRAWN) | (Promise.decided_at > Promise.created_at + _MENDED_WITHIN),
        )
    ).one()
    if earlier >= terms.in_90_days:
        raise conflict(
            "promises_used_up",
            f"The account had {earlier} promises in the last 90 days, and no more are allowed: agree on a payment now.",
        )


def _tell(session: Session, promise: Promise, event: str, *, at: datetime, actor: str) -> None:
    facts = {"amount_minor": promise.amount_minor, "until_on": promise.until_on.isoformat()}
    tell_episode(session, promise.account_id, event, key=f"{event}:{promise.id}", at=at, actor=actor, facts=facts)
