"""The policy of requests: categories with their departments, times and hours, as data. A request pins its version."""

from collections.abc import Container
from datetime import date, time, timedelta
from typing import Annotated, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.contracts.people import Language, Role
from models.contracts.request_words import Priority
from models.rules.working_hours import Stretch, WorkingHours

_LONGEST = timedelta(days=366)
Duration = Annotated[timedelta, Field(gt=timedelta(0), le=_LONGEST)]
"""ISO 8601, such as P3D or PT5S; at most a year."""
CategoryCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")]


class Titles(BaseModel):
    """What something is called, in each language."""

    model_config = ConfigDict(extra="forbid")
    ru: Annotated[str, Field(min_length=2, max_length=80)]
    kk: Annotated[str, Field(min_length=2, max_length=80)]
    en: Annotated[str, Field(min_length=2, max_length=80)]

    def of(self, language: Language) -> str:
        """The title in a language."""
        return {Language.RU: self.ru, Language.KK: self.kk, Language.EN: self.en}[language]


class Targets(BaseModel):
    """Within what working time a request is to be solved, by its priority: PT8H are eight hours of work."""

    model_config = ConfigDict(extra="forbid")
    low: Duration
    normal: Duration
    high: Duration
    urgent: Duration

    def of(self, priority: Priority) -> timedelta:
        """The target of a priority."""
        return {
            Priority.LOW: self.low, Priority.NORMAL: self.normal, Priority.HIGH: self.high,
            Priority.URGENT: self.urgent,
        }[priority]  # fmt: skip

    @model_validator(mode="after")
    def _are_in_order(self) -> Self:
        if not self.urgent <= self.high <= self.normal <= self.low:
            raise ValueError("what is more urgent must not take longer")
        return self


class CategoryTerms(BaseModel):
    """A kind of request."""

    model_config = ConfigDict(extra="forbid")
    titles: Titles
    department: Role
    """Whose it is unless somebody says otherwise."""
    priority: Priority = Priority.NORMAL
    """Unless somebody says otherwise."""
    targets: Targets
    is_certain: bool = True
    """Whether it needs no triage: it goes to its department at once."""
    outage_explains: bool = False
    """Whether a request of a subscriber whom an outage affects is about that outage."""
    joins_open: bool = True
    """Whether another one of the same person is linked to the first as long as that is open."""


class DayHours(BaseModel):
    """Working hours of a day, local time; `24:00` can't be said, so `00:00` as the end is midnight."""

    model_config = ConfigDict(extra="forbid")
    opens: time
    closes: time


class Calendar(BaseModel):
    """Working hours by weekday (1 is Monday), less the public holidays of Kazakhstan and further days off."""

    model_config = ConfigDict(extra="forbid")
    zone: str = "Asia/Almaty"
    """Whose local time the hours are."""
    days: Annotated[dict[Annotated[int, Field(ge=1, le=7)], list[DayHours]], Field(min_length=1)] = Field(
        default_factory=lambda: {day: [DayHours(opens=time(9), closes=time(18))] for day in range(1, 6)}
    )
    days_off: Annotated[list[date], Field(max_length=366)] = []
    """Besides the public holidays."""
    works_on_holidays: bool = False
    """Whether public holidays are days like others."""


class TaskTimes(BaseModel):
    """How long each task may stay open until the head of its department is told, by the clock on the wall.

    The clock of the request is what counts; these are for tasks that would be forgotten while it stands still.
    """

    model_config = ConfigDict(extra="forbid")
    triage_request: Duration = timedelta(days=1)
    handle_request: Duration = timedelta(days=14)
    assign_crew: Duration = timedelta(days=1)
    repair: Duration = timedelta(days=5)


def _titles(ru: str, kk: str, en: str) -> Titles:
    return Titles(ru=ru, kk=kk, en=en)


def _hours(urgent: int, high: int, normal: int, low: int) -> Targets:
    low_, normal_, high_, urgent_ = (timedelta(hours=hours) for hours in (low, normal, high, urgent))
    return Targets(low=low_, normal=normal_, high=high_, urgent=urgent_)


def _categories() -> dict[str, CategoryTerms]:
    return {
        "no_internet": CategoryTerms(
            titles=_titles("Нет интернета", "Интернет жоқ", "No internet"), department=Role.SUPPORT,
            priority=Priority.HIGH, targets=_hours(2, 4, 9, 18), outage_explains=True,
        ),
        "slow": CategoryTerms(
            titles=_titles("Низкая скорость", "Жылдамдық төмен", "Slow internet"), department=Role.SUPPORT,
            targets=_hours(4, 9, 18, 36), outage_explains=True,
        ),
        "billing": CategoryTerms(
            titles=_titles("Вопрос по начислениям", "Есептеулер туралы сұрақ", "Billing question"),
            department=Role.ACCOUNTING, targets=_hours(4, 9, 27, 45),
        ),
        "equipment": CategoryTerms(
            titles=_titles("Оборудование", "Жабдық", "Equipment"), department=Role.SUPPORT,
            targets=_hours(4, 9, 18, 45),
        ),
        "connection": CategoryTerms(
            titles=_titles("Хочет подключиться", "Қосылғысы келеді", "Wants to be connected"),
            department=Role.OPERATOR, targets=_hours(4, 9, 18, 45),
        ),
        "disconnection": CategoryTerms(
            titles=_titles("Хочет отключиться", "Ажыратқысы келеді", "Wants to leave"), department=Role.OPERATOR,
            targets=_hours(4, 9, 18, 45),
        ),
        "tariff": CategoryTerms(
            titles=_titles("Хочет другой тариф", "Басқа тариф қалайды", "Wants another tariff"),
            department=Role.OPERATOR, targets=_hours(4, 9, 18, 45),
        ),
        "other": CategoryTerms(
            titles=_titles("Другое", "Басқа", "Something else"), department=Role.SUPPORT, is_certain=False,
            targets=_hours(4, 9, 27, 45),
        ),
    }  # fmt: skip


class RequestPolicy(BaseModel):
    """How requests are handled. What a version does not name has the default that is shown here."""

    model_config = ConfigDict(extra="forbid")
    categories: Annotated[dict[CategoryCode, CategoryTerms], Field(min_length=1, max_length=100)] = Field(
        default_factory=_categories
    )
    unsorted: CategoryCode = "other"
    """The category of what came in without one, such as an SMS; it goes to triage."""
    outage_explains_unsorted: bool = True
    """Whether what came in without a category is about the outage that affects its subscriber."""
    outage_explains_earlier: Annotated[timedelta, Field(ge=timedelta(0), le=_LONGEST)] = timedelta(hours=6)
    """How long before an outage began a request may have come that it explains: who calls first often tells of it."""
    calendar: Calendar = Calendar()
    warn_percent: Annotated[int, Field(ge=1, le=100)] = 75
    """After which share of the target the head of the department is warned."""
    answer_within: Duration = timedelta(days=3)
    """How long an answer of the subscriber is waited for, with the clock standing still."""
    reopen_within: Duration = timedelta(days=7)
    """How long after its solution a request may be reopened."""
    tasks: TaskTimes = TaskTimes()

    @model_validator(mode="after")
    def _knows_the_unsorted(self) -> Self:
        if self.unsorted not in self.categories:
            raise ValueError("unsorted must be one of the categories")
        self.hours(frozenset())
        return self

    def hours(self, holidays: Container[date]) -> WorkingHours:
        """The working hours of this policy; `holidays` are the public ones.

        Raises:
            ValueError: there is no such zone, no day has working hours, or hours of a day overlap.
        """
        calendar = self.calendar
        try:
            zone = ZoneInfo(calendar.zone)
        except (ZoneInfoNotFoundError, OSError):
            raise ValueError("the calendar's zone is not a time zone, such as Asia/Almaty") from None
        off = frozenset(calendar.days_off)
        return WorkingHours(
            zone=zone,
            days={
                day - 1: tuple(Stretch(hours.opens, hours.closes) for hours in stretches)
                for day, stretches in calendar.days.items()
            },
            holidays=off if calendar.works_on_holidays else _Either(off, holidays),
        )


class _Either:
    """The days of two calendars."""

    def __init__(self, one: Container[date], other: Container[date]) -> None:
        self._one = one
        self._other = other

    def __contains__(self, day: object) -> bool:
        return day in self._one or day in self._other
