"""What a policy would do on today's real balances: the facts of all debtors, and the rule that decides for them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any, Final
from uuid import UUID

from pydantic import ValidationError
from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from activities import dunning_facts, dunning_policies
from activities.dunning_facts import Debtor
from activities.dunning_policies import Terms
from models.contracts.dunning import Forecast, ForecastCounts, ForecastDay, ForecastRequest
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.dunning_words import SPOKEN, StepKind
from models.contracts.ledger import Chart
from models.contracts.money import kzt
from models.contracts.people import Segment
from models.contracts.processes import ProcessKind
from models.contracts.refusals import invalid, not_found
from models.rules.dunning_forecast import Happening, life_of, opens_at
from models.tables.catalogue import Policy
from models.tables.dunning import DunningEpisode
from models.tables.ledger import LedgerBalance
from models.tables.people import Account
from settings import Settings

LONGEST: Final = timedelta(days=366)
_AT_ONCE: Final = 2000
_DRAFT: Final = UUID(int=0)
_COUNTED: Final = {
    StepKind.CALL_TASK: "calls",
    StepKind.THROTTLE: "throttled",
    StepKind.SUSPEND: "suspended",
    StepKind.DISCONNECT: "disconnected",
}


class _Tally:
    """What happens, added up by days."""

    def __init__(self, from_on: date, until_on: date) -> None:
        self.days = [from_on + timedelta(days=number) for number in range((until_on - from_on).days)]
        self.counts: dict[date, Counter[str]] = {day: Counter() for day in self.days}
        self.debtors = 0
        self._place = {day: number for number, day in enumerate(self.days)}
        self._dunned = [0] * (len(self.days) + 1)
        self._debt_minor = [0] * (len(self.days) + 1)
        """What is added on a day, and stays: summed up when all debtors are counted."""

    def add(self, debtor: Debtor, terms: Terms, happenings: Sequence[Happening], opened_on: date | None) -> None:
        """Count a debtor: what happens to them, and what they owe on each day on which they are dunned."""
        self.debtors += 1
        for happening in happenings:
            counts = self.counts.get(terms.calendar.day_of(happening.at))
            if counts is None:
                continue
            if happening.step is None:
                counts["opened"] += 1
                continue
            counts["sms"] += happening.step in SPOKEN and debtor.takes_sms
            if happening.step in _COUNTED:
                counts[_COUNTED[happening.step]] += 1
        first = 0 if opened_on is None else self._place_of(opened_on)
        self._dunned[first] += 1
        for debt in debtor.standing.debts:
            self._debt_minor[max(first, self._place_of(debt.due_on))] += debt.outstanding_minor

    def owing(self) -> list[tuple[int, int]]:
        """For each day, how many episodes are open at its end, and what they owe."""
        return list(zip(accumulate(self._dunned), accumulate(self._debt_minor), strict=True))[:-1]

    def _place_of(self, day: date) -> int:
        if day <= self.days[0]:
            return 0
        return self._place.get(day, len(self.days))


def forecast(session: Session, request: ForecastRequest, *, now: datetime, settings: Settings) -> Forecast:
    """What would happen from a day to another if nobody paid. Writes nothing.

    Raises:
        Refusal: the range is empty, longer than a year or begins in the past; there is no such version; the draft is
            wrong, and where.
    """
    today = now.astimezone(settings.zone).date()
    if not today <= request.from_on < request.until_on <= request.from_on + LONGEST:
        raise invalid(
            "range_invalid", f"Choose a range from {today} on, of at least a day and at most a year.",
            {"from": "in the past, or not before until"},
        )  # fmt: skip
    version, by_segment = _asked_for(session, request, settings)
    tally = _Tally(request.from_on, request.until_on)
    until = next(iter(by_segment.values())).calendar.start_of(request.until_on)
    for debtor in _debtors(session, now, settings):
        terms = by_segment[debtor.segment]
        if debtor.episode_id is not None:
            assert debtor.policy_id is not None, "an open episode pins a version"
            pinned = dunning_policies.terms_of(session, debtor.policy_id, debtor.segment, settings)
            ahead = life_of(pinned.ladder, pinned.calendar, debtor.standing, now=now, until=until)
            tally.add(debtor, pinned, list(ahead), None)
            continue
        at = opens_at(
            terms.ladder, terms.calendar, debtor.standing, now=now, until=until, round_hour=settings.dunning_hour
        )
        if at is not None:
            standing = dunning_facts.opening_of(debtor, terms.ladder, at)
            ahead = life_of(terms.ladder, terms.calendar, standing, now=at, until=until)
            tally.add(debtor, terms, [Happening(at, None), *ahead], terms.calendar.day_of(at))
    return _answer(request, version, tally)


def _asked_for(
    session: Session, request: ForecastRequest, settings: Settings
) -> tuple[int | None, dict[Segment, Terms]]:
    if request.policy is not None:
        try:
            draft = DunningPolicy.model_validate(request.policy)
        except ValidationError as failure:
            errors = {".".join(map(str, ("policy", *error["loc"]))): error["msg"] for error in failure.errors()}
            raise invalid("policy_invalid", "Mend the fields that are named under errors.", errors) from None
        return None, {
            segment: dunning_policies.terms(draft, segment, settings, policy_id=_DRAFT, version=0)
            for segment in Segment
        }
    statement = select(Policy).where(Policy.code == ProcessKind.DUNNING).order_by(Policy.version.desc()).limit(1)
    if request.policy_version is not None:
        statement = statement.where(Policy.version == request.policy_version)
    policy = session.scalar(statement)
    if policy is None and request.policy_version is not None:
        raise not_found("policy_unknown", "There is no such version of the dunning policy: see GET /v1/policies.")
    if policy is None:
        draft = DunningPolicy()
        return None, {
            segment: dunning_policies.terms(draft, segment, settings, policy_id=_DRAFT, version=0)
            for segment in Segment
        }
    return policy.version, {
        segment: dunning_policies.terms_of(session, policy.id, segment, settings) for segment in Segment
    }


def _debtors(session: Session, now: datetime, settings: Settings) -> Iterator[Debtor]:
    """All accounts that owe or are dunned, in parts."""
    after = 0
    while True:
        owes = exists().where(
            LedgerBalance.account_id == Account.id,
            LedgerBalance.chart_code == Chart.RECEIVABLES.value,
            LedgerBalance.balance_minor > 0,
        )
        is_dunned = exists().where(DunningEpisode.account_id == Account.id, DunningEpisode.ended_at.is_(None))
        rows: Sequence[Any] = session.execute(
            select(Account.id, Account.number)
            .where(Account.number > after, or_(owes, is_dunned))
            .order_by(Account.number)
            .limit(_AT_ONCE)
        ).all()
        if not rows:
            return
        yield from dunning_facts.load(session, [row.id for row in rows], at=now, zone=settings.zone)
        after = rows[-1].number


def _answer(request: ForecastRequest, version: int | None, tally: _Tally) -> Forecast:
    names = list(ForecastCounts.model_fields)
    total: Counter[str] = Counter()
    days = []
    for day, (dunned, debt_minor) in zip(tally.days, tally.owing(), strict=True):
        counts = tally.counts[day]
        total.update(counts)
        days.append(
            ForecastDay(
                on=day, dunned=dunned, debt=kzt(debt_minor),
                **{name: counts[name] for name in names},
            )
        )  # fmt: skip
    return Forecast(
        from_on=request.from_on,
        until_on=request.until_on,
        policy_version=version,
        debtors=tally.debtors,
        days=days,
        total=ForecastCounts(**{name: total[name] for name in names}),
    )
