"""The policy of dunning: ladders, texts, hours and limits, as data. An episode pins the version that it began with."""

from collections.abc import Container
from datetime import date, time, timedelta
from itertools import pairwise
from typing import Annotated, Self
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.contracts.dunning_words import CUTS, SPOKEN, StepKind
from models.contracts.money import MAX_AMOUNT_MINOR
from models.contracts.people import Language, Segment
from models.rules.dunning_calendar import Calendar
from models.rules.dunning_ladder import Ladder, Rung
from models.rules.dunning_texts import DEFAULT_TEXTS, RESTORED, problem_of

_LONGEST = timedelta(days=366)
Duration = Annotated[timedelta, Field(ge=timedelta(0), le=_LONGEST)]
"""ISO 8601, such as P3D or PT5S; at most a year."""
_HARDNESS = {kind: number for number, kind in enumerate(StepKind)}
_REQUIRED = (StepKind.NOTICE, StepKind.REMINDER, StepKind.FINAL_WARNING, StepKind.SUSPEND, StepKind.DISCONNECT)
"""A ladder that goes as far as one of these has all of them before it: calls and throttling may be left out."""
_ONCE = frozenset(StepKind) - {StepKind.REMINDER, StepKind.CALL_TASK}
_INTERCHANGEABLE = frozenset({StepKind.REMINDER, StepKind.CALL_TASK})


class Texts(BaseModel):
    """One text in each language in which somebody is written to."""

    model_config = ConfigDict(extra="forbid")
    ru: str
    kk: str
    en: str

    def by_language(self) -> dict[Language, str]:
        """The text of each language."""
        return {language: getattr(self, language) for language in Language}

    def check(self, kind: StepKind | None, where: str) -> None:
        """Check places and length of each text.

        Raises:
            ValueError: one of them is wrong, and how.
        """
        for language, text in self.by_language().items():
            problem = problem_of(text, kind)
            if problem is not None:
                raise ValueError(f"{where}, text {language}: {problem}")


class StepTerms(BaseModel):
    """A step: what it is, how long after the anchor it comes, and what the SMS says."""

    model_config = ConfigDict(extra="forbid")
    step: StepKind
    after: Duration
    text: Texts | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if (self.step in SPOKEN) != (self.text is not None):
            raise ValueError(
                f"{self.step} needs a text in each language" if self.step in SPOKEN else f"{self.step} sends no SMS"
            )
        if self.text is not None:
            self.text.check(self.step, self.step)
        return self


class LadderTerms(BaseModel):
    """The ladder of one segment."""

    model_config = ConfigDict(extra="forbid")
    minimum_minor: Annotated[int, Field(ge=1, le=MAX_AMOUNT_MINOR)]
    """A smaller debt, in tiyn, is not dunned."""
    steps: Annotated[list[StepTerms], Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _climbs(self) -> Self:
        kinds = [terms.step for terms in self.steps]
        for earlier, later in pairwise(self.steps):
            if later.after <= earlier.after:
                raise ValueError(f"{later.step} must come after {earlier.step}: give it a longer duration")
            is_swap = {earlier.step, later.step} == _INTERCHANGEABLE
            if _HARDNESS[later.step] < _HARDNESS[earlier.step] and not is_swap:
                raise ValueError(f"{later.step} is milder than {earlier.step} and can't come after it")
        repeated = sorted({kind for kind in kinds if kinds.count(kind) > 1} & _ONCE)
        if repeated:
            raise ValueError(f"{repeated[0]} may stand in a ladder once")
        hardest = max(map(_HARDNESS.__getitem__, kinds))
        for kind in _REQUIRED:
            if _HARDNESS[kind] <= hardest and kind not in kinds:
                raise ValueError(f"the ladder has a gap: {kind} is missing")
        return self

    def text_of(self, position: int) -> Texts:
        """What is said with a step that is spoken."""
        text = self.steps[position].text
        assert text is not None, "a step that is spoken has a text"
        return text


class QuietHours(BaseModel):
    """Local hours at which nobody is called or written to; from a time to the same time: there are none."""

    model_config = ConfigDict(extra="forbid")
    begins_at: time = time(21)
    ends_at: time = time(9)
    talk_on_days_off: bool = False
    """Whether weekends and holidays are like other days."""


class CutTerms(BaseModel):
    """When a service may be throttled, suspended or disconnected; from a time to the same time: all day."""

    model_config = ConfigDict(extra="forbid")
    begins_at: time = time(9)
    ends_at: time = time(17)
    on_days_off: bool = False
    """Whether on weekends and holidays too."""
    before_days_off: bool = False
    """Whether on the day before a weekend or a holiday too."""
    never_on: Annotated[list[date], Field(max_length=366)] = []
    """More days on which nobody is cut off."""


class PromiseTerms(BaseModel):
    """Limits of a promise to pay."""

    model_config = ConfigDict(extra="forbid")
    longest: Annotated[timedelta, Field(gt=timedelta(0), le=_LONGEST)] = timedelta(days=14)
    """The day by which it is to be paid lies at most so far ahead."""
    in_90_days: Annotated[int, Field(ge=0, le=90)] = 2
    """So many promises of an account in 90 days, however they ended; one withdrawn within a day is a mistake mended."""
    least_percent: Annotated[int, Field(ge=1, le=100)] = 50
    """At least this part of the debt has to be promised."""
    restores_service: bool = False
    """Whether a promise switches a suspended service on again."""


def _steps(*durations: tuple[StepKind, int]) -> list[StepTerms]:
    return [
        StepTerms(
            step=kind, after=timedelta(days=days), text=Texts(**DEFAULT_TEXTS[kind]) if kind in DEFAULT_TEXTS else None
        )
        for kind, days in durations
    ]


def _ladders() -> dict[Segment, LadderTerms]:
    kind = StepKind
    return {
        Segment.INDIVIDUAL: LadderTerms(
            minimum_minor=50_000,
            steps=_steps(
                (kind.NOTICE, 1), (kind.REMINDER, 5), (kind.CALL_TASK, 10), (kind.FINAL_WARNING, 15),
                (kind.THROTTLE, 20), (kind.SUSPEND, 25), (kind.DISCONNECT, 85),
            ),
        ),
        Segment.BUSINESS: LadderTerms(
            minimum_minor=200_000,
            steps=_steps(
                (kind.NOTICE, 1), (kind.REMINDER, 10), (kind.CALL_TASK, 15), (kind.FINAL_WARNING, 25),
                (kind.SUSPEND, 35), (kind.DISCONNECT, 90),
            ),
        ),
        Segment.VIP: LadderTerms(
            minimum_minor=200_000,
            steps=_steps(
                (kind.NOTICE, 3), (kind.CALL_TASK, 7), (kind.REMINDER, 14), (kind.CALL_TASK, 21),
                (kind.FINAL_WARNING, 45), (kind.SUSPEND, 60), (kind.DISCONNECT, 90),
            ),
        ),
    }  # fmt: skip


class DunningPolicy(BaseModel):
    """How the operator dunns. What a version does not name has the default that is shown here."""

    model_config = ConfigDict(extra="forbid")
    ladders: dict[Segment, LadderTerms] = Field(default_factory=_ladders)
    fair_notice: Duration = timedelta(days=3)
    """Between the final warning and a cut; after a reversed payment, between that and a cut."""
    pace: Duration = timedelta(days=1)
    """Between two steps, also when many of them are late."""
    quiet_hours: QuietHours = QuietHours()
    cuts: CutTerms = CutTerms()
    promises: PromiseTerms = PromiseTerms()
    call_within: Annotated[timedelta, Field(gt=timedelta(0), le=_LONGEST)] = timedelta(days=2)
    """How long a call task may stay open until the head of the department is told."""
    throttle_profile: Annotated[str, Field(min_length=1, max_length=60)] = "1M"
    """The speed profile of a throttled service."""
    restored_text: Texts = Texts(**RESTORED)
    """What is said when a service is on again because its debt is paid."""

    @model_validator(mode="after")
    def _is_complete_and_fair(self) -> Self:
        for segment in Segment:
            if segment not in self.ladders:
                raise ValueError(f"the ladder for {segment} is missing")
        for segment, ladder in self.ladders.items():
            self._check_fairness(segment, ladder)
        self.restored_text.check(None, "restored_text")
        return self

    def _check_fairness(self, segment: Segment, ladder: LadderTerms) -> None:
        warned_after = timedelta(0)
        for earlier, later in pairwise(ladder.steps):
            if later.after - earlier.after < self.pace:
                raise ValueError(f"{segment}: {later.step} follows {earlier.step} faster than the pace allows")
            if earlier.step is StepKind.FINAL_WARNING:
                warned_after = earlier.after
            if later.step in CUTS and later.after - warned_after < self.fair_notice:
                raise ValueError(f"{segment}: {later.step} follows the final warning without fair notice")

    def calendar(self, zone: ZoneInfo, holidays: Container[date]) -> Calendar:
        """The hours and days of this policy in the operator's zone."""
        return Calendar(
            zone=zone,
            quiet_from=self.quiet_hours.begins_at,
            quiet_until=self.quiet_hours.ends_at,
            talk_on_days_off=self.quiet_hours.talk_on_days_off,
            cut_from=self.cuts.begins_at,
            cut_until=self.cuts.ends_at,
            cut_on_days_off=self.cuts.on_days_off,
            cut_before_days_off=self.cuts.before_days_off,
            never_cut_on=frozenset(self.cuts.never_on),
            holidays=holidays,
        )

    def ladder_of(self, segment: Segment) -> Ladder:
        """The ladder as the rules climb it."""
        terms = self.ladders[segment]
        return Ladder(
            rungs=tuple(Rung(step.step, step.after) for step in terms.steps),
            minimum_minor=terms.minimum_minor,
            fair_notice=self.fair_notice,
            pace=self.pace,
            promise_restores=self.promises.restores_service,
        )
