"""What dunning does next with a debtor, and why: a function of what is known at a moment.

A ladder is climbed one step after the other. The clock of its steps runs from the oldest unpaid due date (the anchor):
where a part is paid the anchor may move on, and the next step is later; what was done stays done. A round begins when
the ladder does, and anew when a payment is reversed or a service had to be given back: then the final warning is due
again before any cut, because whoever was told that all is well must be told otherwise in time.

The same function decides for the process, for the daily opening, for the interlock in the transaction that suspends,
and for forecasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from uuid import UUID

from models.contracts.dunning_words import CUTS, Ending, Rule, StepKind
from models.rules.dunning_calendar import Calendar

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Rung:
    """A step of the ladder, and its time after the anchor."""

    kind: StepKind
    after: timedelta


@dataclass(frozen=True)
class Ladder:
    """The steps for one segment of subscribers, with the limits that hold for all of them."""

    rungs: tuple[Rung, ...]
    minimum_minor: int
    """A smaller debt, in tiyn, is not dunned; at least 1."""
    fair_notice: timedelta
    pace: timedelta
    promise_restores: bool = False
    """Whether a promise to pay switches a suspended service on again."""

    def position_of(self, kind: StepKind) -> int | None:
        """Where a step stands in the ladder."""
        return next((position for position, rung in enumerate(self.rungs) if rung.kind is kind), None)


@dataclass(frozen=True)
class Debt:
    """What is still to be paid on an invoice, and what of it is disputed.

    More may be disputed than is unpaid: money has covered it since, by the account's rule, that was meant for the rest.
    """

    invoice_id: UUID
    due_on: date
    outstanding_minor: int
    disputed_minor: int = 0


@dataclass(frozen=True)
class Taken:
    """A step that was taken."""

    position: int
    at: datetime


@dataclass(frozen=True)
class Hold:
    """Something else that the ladder waits for; without an end it is waited for until it is gone."""

    rule: Rule
    until: datetime | None = None


@dataclass(frozen=True)
class Standing:
    """What is known of a debtor at a moment."""

    debts: tuple[Debt, ...]
    """All that is unpaid, also what is not due yet."""
    began_at: datetime | None = None
    """When the present round began; none before the episode is opened."""
    is_resumed: bool = False
    """Whether the round goes on with what an earlier one did: then its beginning counts for fair notice."""
    first_position: int = 0
    """The step with which the round began; those before it were taken in earlier rounds."""
    taken: tuple[Taken, ...] = ()
    """The steps of the present round."""
    warned_at: datetime | None = None
    """When the final warning of this round went out."""
    is_warning_unsent: bool = False
    is_warning_gone: bool = False
    """Whether it was withdrawn before it went, because the debt was paid for a moment."""
    is_restricted: bool = False
    """Whether dunning keeps a service throttled or suspended."""
    cut_announced_on: date | None = None
    """The day that the final warning of this round named: nothing is cut before it."""
    promised_until: datetime | None = None
    excluded_until: datetime | None = None
    in_flight_minor: int = 0
    """Money that somebody has paid for this account, and that is not in its books yet."""
    holds: tuple[Hold, ...] = ()
    is_served: bool = True
    """Whether there is a service that could be cut: the rest of a debt is accounting's."""
    reversed_at: datetime | None = None
    """When a payment was taken back last."""

    @property
    def next_position(self) -> int:
        """The step that comes next."""
        return self.first_position + len(self.taken)


@dataclass(frozen=True)
class Owed:
    """What is due, of that what is not disputed, and since when."""

    total_minor: int
    undisputed_minor: int
    anchor_on: date | None


@dataclass(frozen=True)
class Act:
    """Take this step now."""

    position: int
    kind: StepKind
    due_at: datetime
    owed: Owed
    rule: Rule = Rule.STEP_DUE


@dataclass(frozen=True)
class Wait:
    """Nothing to do until then; without an instant, until something changes."""

    rule: Rule
    until: datetime | None
    owed: Owed
    next_kind: StepKind | None = None


@dataclass(frozen=True)
class Restart:
    """Begin a new round; with `restores` the service is given back first."""

    rule: Rule
    first_position: int
    restores: bool
    owed: Owed


@dataclass(frozen=True)
class End:
    """Nothing is left to be dunned."""

    ending: Ending
    owed: Owed


Verdict = Act | Wait | Restart | End


def owed_on(debts: Sequence[Debt], day: date, minimum_minor: int = 1) -> Owed:
    """What is due on a day.

    The anchor is the oldest unpaid due date: the first with which the undisputed debt reaches the minimum, so that a
    small rest of an old invoice does not make a new one look old. Money that covered what is disputed counts for the
    oldest that is not.
    """
    due = sorted((debt for debt in debts if debt.due_on <= day), key=_by_due_date)
    spare = sum(max(0, debt.disputed_minor - debt.outstanding_minor) for debt in due)
    total = undisputed = 0
    oldest: date | None = None
    anchor: date | None = None
    for debt in due:
        if debt.outstanding_minor:
            oldest = oldest or debt.due_on
        total += debt.outstanding_minor
        undisputed_part = max(0, debt.outstanding_minor - debt.disputed_minor)
        undisputed += max(0, undisputed_part - spare)
        spare = max(0, spare - undisputed_part)
        if anchor is None and undisputed >= minimum_minor:
            anchor = debt.due_on
    return Owed(total, undisputed, anchor or oldest)


def _by_due_date(debt: Debt) -> date:
    return debt.due_on


def decide(ladder: Ladder, calendar: Calendar, standing: Standing, now: datetime) -> Verdict:
    """What is to be done with a debtor now, or until when to wait and for what."""
    owed = owed_on(standing.debts, calendar.day_of(now), ladder.minimum_minor)
    if owed.total_minor < ladder.minimum_minor:
        return End(Ending.PAID if owed.total_minor == 0 else Ending.BELOW_MINIMUM, owed)
    if not standing.is_served:
        return End(Ending.DISCONNECTED, owed)
    if _is_reversed_since(standing):
        return Restart(Rule.PAYMENT_REVERSED, _resume_at(ladder, standing, restores=False), restores=False, owed=owed)
    held = _held(ladder, calendar, standing, owed, now)
    return held or _climb(ladder, calendar, standing, owed, now)


def is_to_be_opened(ladder: Ladder, standing: Standing, day: date, now: datetime) -> bool:
    """Whether an account without an episode gets one on a day: it owes enough, and nobody excluded it.

    Or an episode was lost that kept its service from it, which somebody has to give back in any case.
    """
    if standing.is_restricted:
        return True
    owed = owed_on(standing.debts, day, ladder.minimum_minor)
    excluded = standing.excluded_until is not None and standing.excluded_until > now
    return standing.is_served and owed.total_minor >= ladder.minimum_minor and not excluded


def resumed(ladder: Ladder, next_position: int) -> int:
    """The step with which a ladder is resumed whose debtor has the service: the warning comes again before a cut."""
    warning = ladder.position_of(StepKind.FINAL_WARNING)
    return next_position if warning is None else min(next_position, warning)


def cut_at(ladder: Ladder, calendar: Calendar, standing: Standing, warning: Act, at: datetime) -> datetime:
    """When the service is cut at the earliest if the final warning goes out at this instant."""
    warned = after(standing, warning, at)
    cuts = (position for position in range(warned.next_position, len(ladder.rungs)))
    rung = next((ladder.rungs[position] for position in cuts if ladder.rungs[position].kind in CUTS), None)
    if rung is None:
        return calendar.next_cut(at + ladder.fair_notice)
    earliest, _ = _earliest(ladder, calendar, warned, warning.owed, rung)
    return calendar.next_cut(earliest)


def after(standing: Standing, act: Act, at: datetime) -> Standing:
    """What is known once a step was taken."""
    return replace(
        standing,
        taken=(*standing.taken, Taken(act.position, at)),
        warned_at=at if act.kind is StepKind.FINAL_WARNING else standing.warned_at,
        is_restricted=standing.is_restricted or act.kind in {StepKind.THROTTLE, StepKind.SUSPEND},
    )


def restarted(standing: Standing, restart: Restart, at: datetime) -> Standing:
    """What is known once a new round has begun: not before the reversal that it is about, whoever's clock is ahead."""
    return replace(
        standing,
        began_at=max(at, standing.reversed_at or at),
        is_resumed=True,
        first_position=restart.first_position,
        taken=(),
        warned_at=None,
        cut_announced_on=None,
        is_warning_unsent=False,
        is_warning_gone=False,
        is_restricted=standing.is_restricted and not restart.restores,
    )


def _is_reversed_since(standing: Standing) -> bool:
    """Whether a payment was taken back since the round began, and there is something to begin anew."""
    if standing.reversed_at is None or standing.began_at is None or standing.reversed_at <= standing.began_at:
        return False
    return bool(standing.taken) or standing.is_resumed


def _resume_at(ladder: Ladder, standing: Standing, *, restores: bool) -> int:
    """With which step a new round begins: the warning comes again, unless the service is off and stays so."""
    suspension = ladder.position_of(StepKind.SUSPEND)
    is_off = standing.is_restricted and suspension is not None and standing.next_position > suspension
    if is_off and not restores:
        return standing.next_position
    return resumed(ladder, standing.next_position)


def _held(ladder: Ladder, calendar: Calendar, standing: Standing, owed: Owed, now: datetime) -> Wait | Restart | None:
    """What keeps the ladder waiting as a whole; where a service is off that must not be, it is given back."""
    hold: Hold | None = None
    restores = False
    if standing.excluded_until is not None and standing.excluded_until > now:
        hold, restores = Hold(Rule.EXCLUSION, standing.excluded_until), True
    elif owed.undisputed_minor < ladder.minimum_minor:
        hold, restores = Hold(Rule.DISPUTE, _next_due(calendar, standing, now)), True
    elif standing.promised_until is not None and standing.promised_until > now:
        hold, restores = Hold(Rule.PROMISE, standing.promised_until), ladder.promise_restores
    elif owed.undisputed_minor - standing.in_flight_minor < ladder.minimum_minor:
        hold = Hold(Rule.PAYMENT_IN_FLIGHT)
    else:
        hold = next((one for one in standing.holds if one.until is None or one.until > now), None)
    if hold is None:
        return None
    if restores and standing.is_restricted:
        return Restart(hold.rule, _resume_at(ladder, standing, restores=True), restores=True, owed=owed)
    return Wait(hold.rule, hold.until, owed, _next_kind(ladder, standing))


def _climb(ladder: Ladder, calendar: Calendar, standing: Standing, owed: Owed, now: datetime) -> Verdict:
    position = standing.next_position
    if position >= len(ladder.rungs):
        return Wait(Rule.LADDER_ENDED, None, owed)
    rung = ladder.rungs[position]
    due_at, rule = _earliest(ladder, calendar, standing, owed, rung)
    is_cut = rung.kind in CUTS
    opens_at = (calendar.next_cut if is_cut else calendar.next_talk)(max(due_at, now))
    if opens_at > now:
        if due_at <= now:
            rule = Rule.NO_CUT_TIME if is_cut else Rule.QUIET_HOURS
        return Wait(rule, opens_at, owed, rung.kind)
    if is_cut and standing.is_warning_gone and not standing.is_restricted:
        return Restart(Rule.WARNING_NOT_SENT, resumed(ladder, position), restores=False, owed=owed)
    if is_cut and standing.is_warning_unsent:
        tomorrow = calendar.start_of(calendar.day_of(now) + _DAY)
        return Wait(Rule.WARNING_NOT_SENT, calendar.next_cut(tomorrow), owed, rung.kind)
    return Act(position, rung.kind, due_at, owed)


def _earliest(ladder: Ladder, calendar: Calendar, standing: Standing, owed: Owed, rung: Rung) -> tuple[datetime, Rule]:
    """When a step may be taken at the earliest, the calendar aside, and which rule says so."""
    assert owed.anchor_on is not None, "something is owed"
    earliest, rule = calendar.start_of(owed.anchor_on) + rung.after, Rule.NOT_DUE_YET
    if standing.taken and standing.taken[-1].at + ladder.pace > earliest:
        earliest, rule = standing.taken[-1].at + ladder.pace, Rule.PACE
    if rung.kind in CUTS:
        noticed = [standing.warned_at, standing.began_at if standing.is_resumed else None]
        fair = [notice_at + ladder.fair_notice for notice_at in noticed if notice_at is not None]
        if standing.cut_announced_on is not None:
            # The anchor may have moved back since, by a dispute that was decided.
            fair.append(calendar.start_of(standing.cut_announced_on))
        if fair and max(fair) > earliest:
            earliest, rule = max(fair), Rule.FAIR_NOTICE
    return earliest, rule


def _next_due(calendar: Calendar, standing: Standing, now: datetime) -> datetime | None:
    today = calendar.day_of(now)
    later = [debt.due_on for debt in standing.debts if debt.due_on > today]
    return calendar.start_of(min(later)) if later else None


def _next_kind(ladder: Ladder, standing: Standing) -> StepKind | None:
    position = standing.next_position
    return ladder.rungs[position].kind if position < len(ladder.rungs) else None
