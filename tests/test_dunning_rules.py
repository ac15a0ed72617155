"""The rules of dunning by themselves: the calendar, the ladder, texts, and what a policy may say."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from activities.dunning_policies import holidays_of_kazakhstan
from models.contracts.dunning_policy import DunningPolicy
from models.contracts.dunning_words import CUTS, SPOKEN, Ending, Rule, StepKind
from models.contracts.people import Language, Segment
from models.rules import dunning_calendar
from models.rules.dunning_calendar import Calendar
from models.rules.dunning_ladder import (
    Act,
    Debt,
    End,
    Hold,
    Ladder,
    Restart,
    Standing,
    Taken,
    Verdict,
    Wait,
    after,
    cut_at,
    decide,
    is_to_be_opened,
    owed_on,
    restarted,
)
from models.rules.dunning_texts import DEFAULT_TEXTS, problem_of

ZONE = ZoneInfo("Asia/Almaty")
CALENDAR = Calendar(zone=ZONE, holidays=holidays.country_holidays("KZ"))
POLICY = DunningPolicy()
LADDER = POLICY.ladder_of(Segment.INDIVIDUAL)
DUE = date(2026, 9, 10)
SUM = 650_000
DAYS = timedelta(days=1)
WARNING, THROTTLE, SUSPEND = 3, 4, 5
"""Positions in the ladder of individuals."""


def at(day: date, hour: int = 12) -> datetime:
    return datetime.combine(day, time(hour), ZONE).astimezone(UTC)


def debt(due_on: date = DUE, amount_minor: int = SUM, disputed_minor: int = 0) -> Debt:
    return Debt(uuid4(), due_on, amount_minor, disputed_minor)


def standing(*debts: Debt, **facts: Any) -> Standing:
    return replace(Standing(debts=debts or (debt(),), began_at=at(DUE, 6)), **facts)


def climbed(steps: int, **facts: Any) -> Standing:
    """Somebody for whom so many steps were taken, each when it was due."""
    taken = tuple(Taken(number, at(DUE) + LADDER.rungs[number].after) for number in range(steps))
    warned_at = taken[WARNING].at if steps > WARNING else None
    return standing(**{"taken": taken, "warned_at": warned_at, "is_restricted": steps > THROTTLE, **facts})


def verdict(known: Standing, now: datetime, ladder: Ladder = LADDER) -> Verdict:
    return decide(ladder, CALENDAR, known, now)


# -- the calendar ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (at(date(2026, 9, 8), 12), at(date(2026, 9, 8), 12)),
        (at(date(2026, 9, 8), 3), at(date(2026, 9, 8), 9)),
        (at(date(2026, 9, 8), 17), at(date(2026, 9, 9), 9)),
        (at(date(2026, 9, 11), 12), at(date(2026, 9, 14), 9)),  # a Friday: whoever is cut off could not pay
        (at(date(2026, 9, 12), 12), at(date(2026, 9, 14), 9)),
        (at(date(2026, 10, 23), 12), at(date(2026, 10, 27), 9)),  # a weekend and Republic Day behind it
        (at(date(2026, 12, 15), 12), at(date(2026, 12, 17), 9)),  # the day before Independence Day
    ],
)
def test_nobody_is_cut_off_on_a_day_off_nor_before_one_nor_at_night(asked: datetime, answer: datetime) -> None:
    assert CALENDAR.next_cut(asked) == answer


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        (at(date(2026, 9, 11), 20), at(date(2026, 9, 11), 20)),
        (at(date(2026, 9, 11), 21), at(date(2026, 9, 14), 9)),
        (at(date(2026, 9, 12), 12), at(date(2026, 9, 14), 9)),
        (at(date(2026, 9, 8), 2), at(date(2026, 9, 8), 9)),
    ],
)
def test_nobody_is_spoken_to_in_quiet_hours(asked: datetime, answer: datetime) -> None:
    assert CALENDAR.next_talk(asked) == answer


def test_days_can_be_named_on_which_nobody_is_cut_off() -> None:
    calendar = Calendar(zone=ZONE, never_cut_on=frozenset({date(2026, 9, 8)}))

    assert calendar.next_cut(at(date(2026, 9, 8))) == at(date(2026, 9, 9), 9)


def test_hours_that_begin_where_they_end_are_the_whole_day() -> None:
    calendar = Calendar(
        zone=ZONE, quiet_from=time(0), quiet_until=time(0), talk_on_days_off=True, cut_from=time(0), cut_until=time(0),
        cut_on_days_off=True,
    )  # fmt: skip
    sunday = at(date(2026, 9, 13), 3)

    assert calendar.next_talk(sunday) == calendar.next_cut(sunday) == sunday


@given(st.timedeltas(timedelta(0), timedelta(days=700)))
def test_what_the_calendar_answers_is_allowed_and_nothing_earlier_would_be(since: timedelta) -> None:
    asked = at(date(2026, 1, 1)) + since
    answer = CALENDAR.next_cut(asked)
    local = answer.astimezone(ZONE)

    assert answer >= asked
    assert CALENDAR.may_cut_on(local.date())
    assert time(9) <= local.time() < time(17)
    assert CALENDAR.next_cut(answer) == answer
    assert answer == asked or local.time() == time(9)
    between = (asked.astimezone(ZONE).date() + DAYS * number for number in range(1, 30))
    assert not [day for day in between if day < local.date() and CALENDAR.may_cut_on(day)]


def test_what_the_calendar_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look asks about another instant, and a worker lives for months."""
    monkeypatch.setattr(dunning_calendar, "_KNOWN_AT_MOST", 10)
    calendar = Calendar(zone=ZONE)

    for minute in range(50):
        calendar.next_talk(at(DUE) + timedelta(minutes=minute))

    assert len(calendar._known) <= 10  # noqa: SLF001 - there is no other way to see it


def test_holidays_are_those_of_the_library() -> None:
    years = range(2024, 2031)
    ours = {day for day in holidays_of_kazakhstan() if day.year in years}

    assert ours == set(holidays.country_holidays("KZ", years=years))


# -- what is owed ----------------------------------------------------------------------------------------------------


def test_what_is_not_due_is_not_owed() -> None:
    owed = owed_on([debt(), debt(date(2026, 10, 10))], date(2026, 10, 9))

    assert (owed.total_minor, owed.anchor_on) == (SUM, DUE)


def test_only_the_disputed_part_is_held() -> None:
    owed = owed_on([debt(disputed_minor=SUM // 2)], DUE)

    assert (owed.total_minor, owed.undisputed_minor) == (SUM, SUM // 2)


def test_money_that_covered_what_is_disputed_counts_for_the_rest() -> None:
    """Whoever disputes last month and pays for this one owes nothing else, whichever the money was booked on."""
    october, november = date(2026, 10, 10), date(2026, 11, 10)
    disputed = debt(amount_minor=0, disputed_minor=SUM)

    one = owed_on([disputed, debt(october)], october)
    two = owed_on([disputed, debt(october), debt(november)], november)
    part = owed_on([debt(amount_minor=SUM // 2, disputed_minor=SUM), debt(october)], october)

    assert (one.total_minor, one.undisputed_minor) == (SUM, 0)
    assert (two.total_minor, two.undisputed_minor, two.anchor_on) == (2 * SUM, SUM, november)
    assert (part.total_minor, part.undisputed_minor, part.anchor_on) == (SUM + SUM // 2, SUM // 2, october)


amounts = st.integers(0, 1000)


@given(st.lists(st.tuples(st.integers(0, 60), amounts, amounts), max_size=6), st.integers(0, 60))
def test_what_is_undisputed_is_what_is_due_without_what_is_disputed(
    rows: list[tuple[int, int, int]], days: int
) -> None:
    day = DUE + days * DAYS
    debts = [debt(DUE + late * DAYS, amount, disputed) for late, amount, disputed in rows]
    due = [one for one in debts if one.due_on <= day]

    owed = owed_on(debts, day)

    assert owed.total_minor == sum(one.outstanding_minor for one in due)
    own = sum(max(0, one.outstanding_minor - one.disputed_minor) for one in due)
    spare = sum(max(0, one.disputed_minor - one.outstanding_minor) for one in due)
    assert owed.undisputed_minor == max(0, own - spare)
    assert owed.anchor_on in {one.due_on for one in due if one.outstanding_minor} | {None}
    assert (owed.anchor_on is None) == (owed.total_minor == 0)


def test_the_clock_runs_from_the_oldest_due_date_that_is_unpaid_and_not_disputed() -> None:
    newer = debt(date(2026, 10, 10))

    assert owed_on([debt(), newer], newer.due_on).anchor_on == DUE
    assert owed_on([debt(disputed_minor=SUM), newer], newer.due_on).anchor_on == newer.due_on


def test_a_small_rest_of_an_old_invoice_does_not_make_a_new_one_look_old() -> None:
    newer = debt(date(2026, 10, 10))

    assert owed_on([debt(amount_minor=100), newer], newer.due_on, minimum_minor=50_000).anchor_on == newer.due_on


# -- the ladder ------------------------------------------------------------------------------------------------------


def test_each_step_has_its_time_after_the_anchor() -> None:
    before = verdict(standing(), at(DUE, 23))
    then = verdict(standing(), at(DUE + DAYS, 9))

    assert isinstance(before, Wait)
    assert (before.rule, before.until, before.next_kind) == (
        Rule.NOT_DUE_YET, at(DUE + DAYS, 9), StepKind.NOTICE,
    )  # fmt: skip
    assert isinstance(then, Act)
    assert then.kind is StepKind.NOTICE


def test_paid_or_almost_paid_it_ends() -> None:
    paid = verdict(standing(debt(date(2026, 12, 1))), at(DUE))
    almost = verdict(standing(debt(amount_minor=LADDER.minimum_minor - 1)), at(DUE))

    assert isinstance(paid, End)
    assert paid.ending is Ending.PAID
    assert isinstance(almost, End)
    assert almost.ending is Ending.BELOW_MINIMUM


def test_where_no_service_is_left_there_is_nothing_to_cut() -> None:
    answer = verdict(climbed(7, is_served=False), at(date(2026, 12, 14)))

    assert isinstance(answer, End)
    assert answer.ending is Ending.DISCONNECTED


def test_a_partial_payment_that_pays_the_oldest_invoice_gives_time_and_repeats_nothing() -> None:
    newer = debt(date(2026, 10, 10))
    both, one = climbed(WARNING + 1), climbed(WARNING + 1)
    now = at(date(2026, 10, 12))
    both, one = replace(both, debts=(debt(), newer)), replace(one, debts=(newer,))

    hard, mild = verdict(both, now), verdict(one, now)

    assert isinstance(hard, Act)
    assert hard.kind is StepKind.THROTTLE
    assert isinstance(mild, Wait)
    assert (mild.rule, mild.next_kind) == (Rule.NOT_DUE_YET, StepKind.THROTTLE)
    assert mild.until == at(date(2026, 11, 2), 9), "20 days after the newer due date, and a weekend"


def test_steps_that_are_late_come_one_a_day() -> None:
    late = at(date(2026, 10, 12))
    first = verdict(standing(), late)
    assert isinstance(first, Act)

    second = verdict(after(standing(), first, late), late)

    assert isinstance(second, Wait)
    assert (second.rule, second.until, second.next_kind) == (Rule.PACE, late + DAYS, StepKind.REMINDER)


def test_between_the_warning_and_a_cut_lies_fair_notice_however_late_it_is() -> None:
    late = at(date(2026, 12, 7))
    known = climbed(WARNING)
    warning = verdict(known, late)
    assert isinstance(warning, Act)
    assert warning.kind is StepKind.FINAL_WARNING

    warned = after(known, warning, late)
    answer = verdict(warned, late + 2 * DAYS)

    assert isinstance(answer, Wait)
    assert answer.rule is Rule.FAIR_NOTICE
    assert answer.until == late + 3 * DAYS
    assert cut_at(LADDER, CALENDAR, known, warning, late) == late + 3 * DAYS, "what the warning says"


def test_nobody_is_cut_off_while_the_warning_is_still_on_its_way() -> None:
    now = at(date(2026, 9, 30))
    answer = verdict(climbed(WARNING + 1, is_warning_unsent=True), now)

    assert isinstance(answer, Wait)
    assert (answer.rule, answer.until) == (Rule.WARNING_NOT_SENT, at(date(2026, 10, 1), 9))


def test_a_warning_that_was_withdrawn_before_it_went_is_given_again() -> None:
    answer = verdict(climbed(WARNING + 1, is_warning_gone=True), at(date(2026, 9, 30)))

    assert isinstance(answer, Restart)
    assert (answer.rule, answer.first_position, answer.restores) == (Rule.WARNING_NOT_SENT, WARNING, False)


HELD: dict[Rule, dict[str, Any]] = {
    Rule.PROMISE: {"promised_until": at(date(2026, 10, 8), 0)},
    Rule.EXCLUSION: {"excluded_until": at(date(2026, 10, 8), 0)},
    Rule.DISPUTE: {"debts": (debt(disputed_minor=SUM),)},
    Rule.OUTAGE: {"holds": (Hold(Rule.OUTAGE),)},
    Rule.DISCONNECTION: {"holds": (Hold(Rule.DISCONNECTION),)},
    Rule.FREEZE: {"holds": (Hold(Rule.FREEZE, at(date(2026, 10, 8), 0)),)},
    Rule.PAYMENT_IN_FLIGHT: {"in_flight_minor": SUM - 1000},
}


@pytest.mark.parametrize("rule", HELD)
@pytest.mark.parametrize("steps", [0, 1, WARNING, WARNING + 1])
def test_the_ladder_stands_still_while_it_is_held(rule: Rule, steps: int) -> None:
    known = climbed(steps, **HELD[rule])

    answer = verdict(known, at(date(2026, 10, 6)))

    assert isinstance(answer, Wait)
    assert answer.rule is rule
    assert answer.next_kind is LADDER.rungs[steps].kind


def test_money_in_flight_that_would_leave_a_debt_holds_nothing() -> None:
    answer = verdict(climbed(WARNING + 1, in_flight_minor=SUM - LADDER.minimum_minor), at(date(2026, 10, 6)))

    assert isinstance(answer, Act)


@pytest.mark.parametrize("rule", [Rule.PROMISE, Rule.EXCLUSION, Rule.FREEZE])
def test_what_has_an_end_ends_by_itself(rule: Rule) -> None:
    answer = verdict(climbed(WARNING + 1, **HELD[rule]), at(date(2026, 10, 8)))

    assert isinstance(answer, Act)
    assert answer.kind is StepKind.THROTTLE


@pytest.mark.parametrize("rule", [Rule.DISPUTE, Rule.EXCLUSION])
def test_a_service_that_is_off_is_given_back_where_it_must_not_be_off_any_more(rule: Rule) -> None:
    now = at(date(2026, 10, 6))
    known = climbed(SUSPEND + 1, **HELD[rule])

    answer = verdict(known, now)

    assert isinstance(answer, Restart)
    assert (answer.rule, answer.restores, answer.first_position) == (rule, True, WARNING)
    following = verdict(restarted(known, answer, now), now)
    assert isinstance(following, Wait)
    assert (following.rule, following.next_kind) == (rule, StepKind.FINAL_WARNING)


@pytest.mark.parametrize("restores", [False, True])
def test_whether_a_promise_gives_the_service_back_is_the_policys(*, restores: bool) -> None:
    answer = verdict(
        climbed(SUSPEND + 1, **HELD[Rule.PROMISE]), at(date(2026, 10, 6)), replace(LADDER, promise_restores=restores)
    )

    assert isinstance(answer, Restart if restores else Wait)


def test_after_a_reversal_the_warning_comes_again_before_any_cut() -> None:
    now = at(date(2026, 10, 6))
    known = climbed(WARNING + 1, reversed_at=now - timedelta(hours=1))

    answer = verdict(known, now)

    assert isinstance(answer, Restart)
    assert (answer.rule, answer.first_position, answer.restores) == (Rule.PAYMENT_REVERSED, WARNING, False)
    again = restarted(known, answer, now)
    warning = verdict(again, now)
    assert isinstance(warning, Act)
    assert warning.kind is StepKind.FINAL_WARNING
    soon = verdict(after(again, warning, now), now + DAYS)
    assert isinstance(soon, Wait)
    assert soon.rule is Rule.FAIR_NOTICE
    then = verdict(after(again, warning, now), at(date(2026, 10, 12)))
    assert isinstance(then, Act)
    assert then.kind is StepKind.THROTTLE


def test_after_a_reversal_a_service_that_is_only_slow_is_warned_of_again_before_it_is_off() -> None:
    now = at(date(2026, 10, 2))

    answer = verdict(climbed(THROTTLE + 1, reversed_at=now), now)

    assert isinstance(answer, Restart)
    assert (answer.first_position, answer.restores) == (WARNING, False)


def test_nothing_is_cut_before_the_day_that_the_warning_named() -> None:
    """Even where a dispute about an older invoice is decided meanwhile, and the debt is older than it was."""
    warned_on, older = date(2026, 9, 25), debt(date(2026, 8, 1))
    announced = climbed(WARNING + 1, debts=(older, debt()), cut_announced_on=date(2026, 10, 1))

    early = verdict(announced, at(warned_on + 4 * DAYS))
    then = verdict(announced, at(date(2026, 10, 1)))

    assert isinstance(early, Wait)
    assert (early.rule, early.until) == (Rule.FAIR_NOTICE, at(date(2026, 10, 1), 9))
    assert isinstance(then, Act)
    assert then.kind is StepKind.THROTTLE


def test_after_a_reversal_what_was_done_before_the_warning_is_not_repeated() -> None:
    now = at(date(2026, 9, 17))
    answer = verdict(climbed(2, reversed_at=now), now)

    assert isinstance(answer, Restart)
    assert answer.first_position == 2


def test_after_a_reversal_a_service_that_is_off_stays_off_and_nothing_harder_comes_at_once() -> None:
    now = at(date(2026, 12, 7))
    known = climbed(SUSPEND + 1, reversed_at=now)

    answer = verdict(known, now)

    assert isinstance(answer, Restart)
    assert (answer.first_position, answer.restores) == (SUSPEND + 1, False)
    again = restarted(known, answer, now)
    soon = verdict(again, now + DAYS)
    assert isinstance(soon, Wait)
    assert (soon.rule, soon.next_kind) == (Rule.FAIR_NOTICE, StepKind.DISCONNECT)


def test_a_reversal_is_answered_once_even_by_a_clock_that_is_ahead() -> None:
    now = at(date(2026, 10, 6))
    known = climbed(WARNING + 1, reversed_at=now + timedelta(seconds=2))
    answer = verdict(known, now)
    assert isinstance(answer, Restart)

    assert not isinstance(verdict(restarted(known, answer, now), now), Restart)


def test_an_excluded_account_gets_no_episode_nor_one_that_owes_little_or_has_no_service() -> None:
    cases: dict[str, dict[str, Any]] = {
        "a debt": {},
        "excluded": {"excluded_until": at(DUE + DAYS)},
        "no more excluded": {"excluded_until": at(DUE)},
        "little": {"debts": (debt(amount_minor=10),)},
        "not due": {"debts": (debt(DUE + DAYS),)},
        "no service": {"is_served": False},
        "kept from the service by an episode that was lost": {"is_restricted": True, "debts": ()},
    }

    opened = [
        name for name, facts in cases.items() if is_to_be_opened(LADDER, replace(standing(), **facts), DUE, at(DUE))
    ]

    assert opened == ["a debt", "no more excluded", "kept from the service by an episode that was lost"]


@given(st.lists(st.timedeltas(timedelta(0), timedelta(days=20)), max_size=60))
def test_whoever_looks_whenever_the_steps_come_in_order_once_and_fairly(pauses: list[timedelta]) -> None:
    known, now = standing(), at(DUE, 0)
    taken: list[tuple[StepKind, datetime]] = []
    for pause in pauses:
        now += pause
        answer = verdict(known, now)
        if isinstance(answer, Act):
            taken.append((answer.kind, now))
            known = after(known, answer, now)

    assert [kind for kind, _ in taken] == [rung.kind for rung in LADDER.rungs[: len(taken)]]
    warned = [instant for kind, instant in taken if kind is StepKind.FINAL_WARNING]
    assert all(instant - warned[0] >= LADDER.fair_notice for kind, instant in taken if kind in CUTS)
    assert all(CALENDAR.next_cut(instant) == instant for kind, instant in taken if kind in CUTS)
    assert all(CALENDAR.next_talk(instant) == instant for kind, instant in taken if kind not in CUTS)


# -- texts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(SPOKEN))
@pytest.mark.parametrize("language", Language)
def test_the_first_texts_fit_and_say_what_they_must(kind: StepKind, language: Language) -> None:
    assert problem_of(DEFAULT_TEXTS[kind][language], kind) is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{debt} {account_no} {", "brace"),
        ("{debt} {account_no} {name}", "no place {name}"),
        ("{debt} {account_no.x}", "no place"),
        ("{debt:>10} {account_no}", "nothing else"),
        ("{debt!r} {account_no}", "nothing else"),
        ("{0} {account_no}", "no place"),
        ("{debt}", "must tell {account_no}"),
        ("{debt} {account_no} " + "а" * 260, "SMS"),
    ],
)
def test_a_text_that_could_not_be_sent_is_found(text: str, problem: str) -> None:
    found = problem_of(text, StepKind.REMINDER)

    assert found is not None
    assert problem in found


def test_the_final_warning_names_the_day() -> None:
    assert problem_of("{debt} {account_no}", StepKind.FINAL_WARNING) == "must tell {cut_on}"


# -- the policy ------------------------------------------------------------------------------------------------------


def body(**changes: Any) -> dict[str, Any]:
    return {**POLICY.model_dump(mode="json"), **changes}


def ladder_with(change: Any) -> dict[str, Any]:
    """The policy with another ladder for individuals."""
    changed = body()
    change(changed["ladders"]["individual"]["steps"])
    return changed


def step(kind: str, after_: str) -> dict[str, Any]:
    return {"step": kind, "after": after_, "text": dict(DEFAULT_TEXTS.get(StepKind(kind), {})) or None}


WRONG: dict[str, tuple[Any, str]] = {
    "out of order": (lambda steps: steps.insert(0, steps.pop()), "must come after"),
    "milder after harder": (lambda steps: steps.append(step("reminder", "P99D")), "milder"),
    "no warning": (lambda steps: steps.pop(WARNING), "final_warning is missing"),
    "no suspension": (lambda steps: steps.pop(SUSPEND), "suspend is missing"),
    "no notice": (lambda steps: steps.pop(0), "notice is missing"),
    "warned twice": (lambda steps: steps.insert(WARNING, step("final_warning", "P14D")), "once"),
    "faster than the pace": (lambda steps: steps[1].update(after="P1DT1H"), "pace"),
    "without fair notice": (lambda steps: steps[THROTTLE].update(after="P17D"), "fair notice"),
    "a text is missing": (lambda steps: steps[0]["text"].pop("kk"), "kk"),
    "no text at all": (lambda steps: steps[0].update(text=None), "text in each language"),
    "a call that is written": (lambda steps: steps[2].update(text=steps[0]["text"]), "no SMS"),
    "a place that is unknown": (lambda steps: steps[0]["text"].update(en="{debt} {account_no} {iin}"), "{iin}"),
    "a negative time": (lambda steps: steps[0].update(after="-P1D"), "greater than or equal"),
    "beyond a year": (lambda steps: steps[-1].update(after="P999D"), "less than or equal"),
    "an unknown step": (lambda steps: steps[0].update(step="prison"), "Input should be"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_ladder_that_is_unfair_or_has_a_gap_is_refused(name: str) -> None:
    change, problem = WRONG[name]

    with pytest.raises(ValidationError, match=problem.replace("{", r"\{")):
        DunningPolicy.model_validate(ladder_with(change))


def test_a_ladder_may_go_without_calls_and_throttling_and_end_early() -> None:
    policy = DunningPolicy.model_validate(
        ladder_with(lambda steps: steps.__setitem__(slice(None), [steps[0], steps[1], steps[3], steps[5]]))
    )

    kinds = [rung.kind for rung in policy.ladder_of(Segment.INDIVIDUAL).rungs]
    assert kinds == [StepKind.NOTICE, StepKind.REMINDER, StepKind.FINAL_WARNING, StepKind.SUSPEND]


def test_every_segment_has_a_ladder() -> None:
    changed = body()
    del changed["ladders"]["vip"]

    with pytest.raises(ValidationError, match="ladder for vip is missing"):
        DunningPolicy.model_validate(changed)


def test_a_policy_comes_back_as_it_was_saved() -> None:
    assert DunningPolicy.model_validate(body()) == POLICY


def test_ids_of_invoices_are_no_part_of_the_decision() -> None:
    one, other = replace(debt(), invoice_id=UUID(int=1)), replace(debt(), invoice_id=UUID(int=2))

    assert verdict(standing(one), at(DUE + DAYS)) == verdict(standing(other), at(DUE + DAYS))
