"""Lists of requests by department, owner, age and clock, and figures of them by category."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from activities import request_views
from activities.request_views import Wanted
from api import request_reports
from models.contracts.people import Language, Role
from models.contracts.processes import ProcessKind, ProcessStatus, TaskKind, TaskStatus
from models.contracts.request_lists import CategoryFigures
from models.contracts.request_words import Channel, LinkKind, Priority, RequestEnding, Turn
from models.database import Database
from models.rules.sla import Pause, SlaClock, SlaState
from models.rules.working_hours import Stretch, WorkingHours
from models.tables.processes import Process, Task
from models.tables.requests import Request, RequestLink
from tests import factories
from tests.http_client import ApiClient, api_with

ALMATY = ZoneInfo("Asia/Almaty")
NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALWAYS = WorkingHours(ALMATY, dict.fromkeys(range(7), (Stretch(time(0), time(0)),)))


class Requests:
    """A database in which a test sees its own requests only, by a category that no other test has."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.category = factories.unique("c").replace("-", "_")

    def add(
        self, *, opened_at: datetime = NOW - HOUR, owner: Role = Role.SUPPORT, turn: Turn = Turn.WORK,
        ended_as: RequestEnding | None = None, after: timedelta = HOUR, pauses: tuple[Pause, ...] = (),
        target: timedelta = 8 * HOUR, category: str | None = None, round_: int = 1, channel: Channel = Channel.CALL,
        priority: Priority = Priority.NORMAL,
    ) -> UUID:  # fmt: skip
        """A request with its clock as the process keeps it; `after` is when a closed one was closed."""
        stopped_at = None if ended_as is None else opened_at + after
        clock = SlaClock(ALWAYS, opened_at, target, target * 3 / 4, pauses, stopped_at)
        with self.database.transaction() as session:
            process = factories.process(session, kind=ProcessKind.REQUEST, stage="work")
            process.opened_at = opened_at
            if ended_as is not None:
                process.status, process.closed_at = ProcessStatus.COMPLETED, stopped_at
            session.add(
                Request(
                    process_id=process.id, phone=factories.new_phone(), language=Language.RU, channel=channel,
                    category=category or self.category, priority=priority, owner=owner,
                    turn=turn if ended_as is None else Turn.CLOSED, round=round_, ended_as=ended_as,
                    asked_until=NOW + DAY if turn is Turn.QUESTION else None, sla_started_at=opened_at,
                    sla_target=clock.target, sla_warn_after=clock.warn_after, sla_stopped_at=stopped_at,
                    sla_spent=clock.spent(stopped_at or NOW), sla_warn_at=clock.warning_at(),
                    sla_due_at=clock.due_at(), sla_paused_at=pauses[-1].began_at if clock.is_paused else None,
                )
            )  # fmt: skip
            return process.id

    def claim(self, process_id: UUID, staff_id: UUID, status: TaskStatus = TaskStatus.OPEN) -> None:
        """Somebody takes the request's task on."""
        with self.database.transaction() as session:
            session.add(
                Task(
                    process_id=process_id, kind=TaskKind.ASSIGN_CREW, department=Role.SUPPORT, status=status,
                    opened_at=NOW, due_at=NOW, claimed_by=staff_id,
                )
            )  # fmt: skip

    def listed(self, **wanted: Any) -> list[UUID]:
        """The ids that a list shows, in the order of their creation."""
        with self.database.transaction() as session:
            statement = request_views.listed(Wanted(**{"category": self.category} | wanted), now=NOW)
            return [row.process_id for row in session.scalars(statement.order_by(Request.sla_started_at))]


@pytest.fixture
def requests(database: Database) -> Requests:
    return Requests(database)


def test_a_list_shows_those_of_a_department_a_turn_a_channel_and_a_priority(requests: Requests) -> None:
    mine = requests.add()
    theirs = requests.add(
        owner=Role.ACCOUNTING, turn=Turn.TRIAGE, channel=Channel.SMS, priority=Priority.HIGH, opened_at=NOW - 2 * HOUR
    )
    assert requests.listed() == [theirs, mine]
    assert requests.listed(department=Role.SUPPORT) == [mine]
    assert requests.listed(turn=Turn.TRIAGE) == [theirs]
    assert requests.listed(channel=Channel.SMS) == [theirs]
    assert requests.listed(priority=Priority.NORMAL) == [mine]
    assert requests.listed(department=Role.SUPPORT, channel=Channel.SMS) == []


def test_an_owner_is_who_took_the_open_task_on(requests: Requests) -> None:
    with requests.database.transaction() as session:
        one, other = (factories.staff(session, Role.SUPPORT).row.id for _ in range(2))
    ones, others, nobodys = requests.add(), requests.add(), requests.add()
    requests.claim(ones, one)
    requests.claim(others, other)
    requests.claim(nobodys, one, TaskStatus.WITHDRAWN)
    assert requests.listed(owner=one) == [ones]
    assert requests.listed(owner=other) == [others]


def test_an_age_is_the_time_since_the_registration(requests: Requests) -> None:
    old, young = requests.add(opened_at=NOW - 3 * DAY), requests.add(opened_at=NOW - 2 * DAY + timedelta(seconds=1))
    assert requests.listed(older_than=2 * DAY) == [old]
    assert requests.listed(older_than=timedelta(0)) == [old, young]


def test_a_status_is_that_of_the_process(requests: Requests) -> None:
    open_one = requests.add(opened_at=NOW - 2 * HOUR)
    closed = requests.add(ended_as=RequestEnding.SOLVED)
    assert requests.listed(status=ProcessStatus.OPEN) == [open_one]
    assert requests.listed(status=ProcessStatus.COMPLETED) == [closed]
    assert requests.listed(status=ProcessStatus.CANCELLED) == []


def test_a_list_shows_those_of_a_subscriber(requests: Requests) -> None:
    with requests.database.transaction() as session:
        customer = factories.customer(session).subscriber.id
    theirs = requests.add()
    requests.add()
    with requests.database.transaction() as session:
        session.get_one(Process, theirs).subscriber_id = customer
    assert requests.listed(subscriber_id=customer) == [theirs]


def test_every_state_of_a_clock_can_be_asked_for(requests: Requests) -> None:
    paused = (Pause(NOW - HOUR),)
    expected = {
        SlaState.RUNNING: requests.add(),
        SlaState.WARNED: requests.add(opened_at=NOW - 7 * HOUR),
        SlaState.BREACHED: requests.add(opened_at=NOW - 8 * HOUR),
        SlaState.PAUSED: requests.add(opened_at=NOW - 8 * HOUR, turn=Turn.QUESTION, pauses=paused),
        SlaState.MET: requests.add(opened_at=NOW - DAY, ended_as=RequestEnding.SOLVED),
        SlaState.MISSED: requests.add(opened_at=NOW - DAY, ended_as=RequestEnding.SOLVED, after=8 * HOUR),
    }
    assert set(expected) == set(SlaState)
    for state, process_id in expected.items():
        assert requests.listed(sla=state) == [process_id]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(0, 600), st.lists(st.integers(1, 200), max_size=4), st.integers(1, 400),
    st.none() | st.integers(0, 300),
)  # fmt: skip
def test_the_database_reckons_the_state_of_a_clock_as_the_rules_do(
    requests: Requests, ago: int, gaps: list[int], target: int, closed_after: int | None
) -> None:
    minute = timedelta(minutes=1)
    changes = [NOW - ago * minute + sum(gaps[: number + 1]) * minute for number in range(len(gaps))]
    changes = [change for change in changes if change <= NOW]
    pauses = tuple(
        Pause(began_at, changes[number + 1] if number + 1 < len(changes) else None)
        for number, began_at in enumerate(changes)
        if number % 2 == 0
    )
    opened_at = NOW - ago * minute
    clock = SlaClock(ALWAYS, opened_at, target * minute, target * minute * 3 / 4, pauses)
    ended_as = None
    if closed_after is not None:
        closed_at = max([opened_at, *changes]) + closed_after * minute
        clock, ended_as = clock.stopped(closed_at), RequestEnding.SOLVED
    process_id = requests.add(
        opened_at=opened_at, target=target * minute, pauses=clock.pauses, ended_as=ended_as,
        after=(clock.stopped_at or opened_at) - opened_at,
    )  # fmt: skip
    # No clock is asked for a time before its last change.
    now = max(NOW, clock.stopped_at or NOW)
    with requests.database.transaction() as session:
        found = session.scalars(select(request_views.sla_state(now)).where(Request.process_id == process_id)).one()
    assert found == clock.state(now)


def test_a_summary_says_who_is_at_it_what_decides_about_it_and_how_old_it_is(requests: Requests) -> None:
    first = requests.add(opened_at=NOW - 3 * HOUR)
    second = requests.add(opened_at=NOW - 2 * HOUR, turn=Turn.FOLLOWING, pauses=(Pause(NOW - 2 * HOUR),))
    closed = requests.add(opened_at=NOW - DAY, ended_as=RequestEnding.DECLINED)
    with requests.database.transaction() as session:
        staff_id = factories.staff(session, Role.SUPPORT).row.id
        session.add(RequestLink(process_id=second, follows_id=first, kind=LinkKind.DUPLICATE, linked_at=NOW))
    requests.claim(first, staff_id)
    with requests.database.transaction() as session:
        rows = session.scalars(select(Request).where(Request.category == requests.category)).all()
        shown = {item.process_id: item for item in request_views.summaries(session, rows, now=NOW)}
    assert (shown[first].owner, shown[first].follows_id, shown[first].age) == (staff_id, None, 3 * HOUR)
    assert (shown[second].owner, shown[second].follows_id, shown[second].sla) == (None, first, SlaState.PAUSED)
    assert shown[second].due_at is None
    assert (shown[closed].age, shown[closed].ended_as, shown[closed].status) == (HOUR, "declined", "completed")


# Figures.


def figures(requests: Requests, from_on: date, until_on: date) -> CategoryFigures | None:
    with requests.database.transaction() as session:
        found = request_views.figures(session, from_on, until_on, zone=ALMATY, now=NOW)
    return next((item for item in found.items if item.category == requests.category), None)


def test_figures_count_what_became_of_requests_and_the_time_that_people_took(requests: Requests) -> None:
    opened_at = datetime(2026, 11, 10, 9, tzinfo=ALMATY)
    for hours in (1, 2, 9):
        requests.add(opened_at=opened_at, ended_as=RequestEnding.SOLVED, after=hours * HOUR)
    paused = (Pause(opened_at + HOUR, opened_at + 21 * HOUR),)
    requests.add(opened_at=opened_at, ended_as=RequestEnding.DECLINED, after=24 * HOUR, pauses=paused, round_=2)
    for ending in (RequestEnding.OUTAGE_OVER, RequestEnding.WITH_DUPLICATE, RequestEnding.PROCESS_DONE):
        requests.add(opened_at=opened_at, ended_as=ending, pauses=(Pause(opened_at, opened_at + HOUR),))
    requests.add(opened_at=opened_at, ended_as=RequestEnding.REJECTED)
    requests.add(opened_at=opened_at)
    requests.add(opened_at=opened_at, turn=Turn.QUESTION, pauses=(Pause(opened_at),))
    found = figures(requests, date(2026, 11, 10), date(2026, 11, 11))
    assert found == CategoryFigures(
        category=requests.category, count=10, open=2, solved=4, closed_with_others=3, dropped=1, breached=2, reopened=1,
        median_to_solve=3 * HOUR, average_to_solve=4 * HOUR,
    )  # fmt: skip


def test_a_range_of_days_is_one_of_the_operators_zone(requests: Requests) -> None:
    requests.add(opened_at=datetime(2026, 10, 1, 0, 0, tzinfo=ALMATY))
    requests.add(opened_at=datetime(2026, 10, 31, 23, 59, tzinfo=ALMATY))
    assert figures(requests, date(2026, 9, 1), date(2026, 10, 1)) is None
    assert figures(requests, date(2026, 11, 1), date(2026, 12, 1)) is None
    found = figures(requests, date(2026, 10, 1), date(2026, 11, 1))
    assert found is not None
    assert (found.count, found.median_to_solve, found.average_to_solve) == (2, None, None)


# Through the API.


@pytest.fixture(scope="module")
def client(database: Database) -> ApiClient:
    return api_with(database, request_reports.router)


@pytest.fixture(scope="module")
def headers(database: Database) -> dict[str, str]:
    with database.transaction() as session:
        return factories.staff(session, Role.SUPPORT).headers


def test_a_list_comes_in_pages(requests: Requests, client: ApiClient, headers: dict[str, str]) -> None:
    made = sorted(str(requests.add(opened_at=datetime.now(UTC) - 2 * DAY)) for _ in range(5))
    requests.add(opened_at=datetime.now(UTC))
    seen: list[str] = []
    query = {"category": requests.category, "older_than": "P1D", "sla": "breached", "limit": "2"}
    while True:
        answer = client.get("/v1/requests", params=query, headers=headers)
        assert answer.status_code == 200
        page = answer.json()
        seen += [item["process_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == made
    assert page["items"][0]["age"].startswith("P2D")


@pytest.mark.parametrize(
    "query",
    [
        {"older_than": "-P1D"},
        {"older_than": "P1000Y"},
        {"older_than": "yesterday"},
        {"sla": "late"},
        {"department": "nobody"},
        {"owner": "me"},
        {"category": "\x00"},
        {"status": "closed"},
    ],
    ids=str,
)
def test_a_list_that_can_not_be_is_refused(client: ApiClient, headers: dict[str, str], query: dict[str, str]) -> None:
    answer = client.get("/v1/requests", params=query, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")


def test_the_figures_come_as_json_and_as_a_table(
    requests: Requests, client: ApiClient, headers: dict[str, str]
) -> None:
    requests.add(
        opened_at=datetime(2025, 6, 10, 9, tzinfo=ALMATY), ended_as=RequestEnding.SOLVED, after=26 * HOUR + DAY / 48
    )
    query = {"from": "2025-06-01", "until": "2025-07-01"}
    found = client.get("/v1/reports/requests", params=query, headers=headers).json()
    assert (found["from"], found["until"]) == ("2025-06-01", "2025-07-01")
    assert found["total"]["category"] is None
    assert found["total"]["count"] == sum(item["count"] for item in found["items"])
    mine = next(item for item in found["items"] if item["category"] == requests.category)
    assert (mine["count"], mine["breached"], mine["median_to_solve"]) == (1, 1, "P1DT2H30M")
    answer = client.get("/v1/reports/requests", params={**query, "format": "csv"}, headers=headers)
    assert answer.headers["content-disposition"] == 'attachment; filename="requests-2025-06-01-2025-07-01.csv"'
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("Категория;Всего;Открыто")
    assert f"{requests.category};1;0;1;0;0;1;0;26:30:00;26:30:00" in lines
    assert lines[-1].startswith("Итого;")


def test_figures_of_no_requests_are_zero(client: ApiClient, headers: dict[str, str]) -> None:
    query = {"from": "2001-01-01", "until": "2001-02-01"}
    found = client.get("/v1/reports/requests", params=query, headers=headers).json()
    assert found["items"] == []
    assert (found["total"]["count"], found["total"]["median_to_solve"]) == (0, None)
