"""Dunning: episodes, why something was done, what would happen, and what it achieved."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime
from sqlalchemy import select

from activities import dunning_forecast, dunning_reports, dunning_views, subscribers
from activities.dunning_views import Reader
from api.access import StaffCaller, staff
from api.context import Context, Ctx
from api.csv_answers import CSV_ANSWER, csv_answer
from api.pages import Page, PageQuery
from api.problems import PROBLEMS
from api.process_views import actor_names
from models.contracts.dunning import (
    EpisodeSummary,
    EpisodeView,
    Forecast,
    ForecastRequest,
    OpenEpisodesReport,
    PromiseReport,
    RecoveryReport,
    Why,
)
from models.contracts.dunning_words import Rule
from models.contracts.people import Role
from models.contracts.refusals import invalid
from models.contracts.reports import ReportFormat
from models.rules.dunning_calendar import Calendar
from models.rules.dunning_sentences import STEP_TITLES
from models.tables.dunning import DunningEpisode

router = APIRouter(prefix="/v1", tags=["dunning"], responses=PROBLEMS)

Accounting = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING))]
AccountingOrOperator = Annotated[StaffCaller, Depends(staff(Role.ACCOUNTING, Role.OPERATOR))]
_EARLIEST, _LATEST = date(2000, 1, 1), date(2100, 1, 1)
From = Annotated[date, Query(alias="from", ge=_EARLIEST, lt=_LATEST, description="The first day")]
Until = Annotated[date, Query(alias="until", ge=_EARLIEST, lt=_LATEST, description="The day after the last one")]
Format = Annotated[ReportFormat, Query(alias="format")]


@router.get("/dunning/episodes")
def list_episodes(
    *,
    ctx: Ctx,
    caller: AccountingOrOperator,
    page: Annotated[PageQuery, Depends()],
    subscriber_id: UUID | None = None,
    is_open: Annotated[bool | None, Query(alias="open", description="Only open ones, or only ended ones")] = None,
    waits_for: Rule | None = None,
) -> Page[EpisodeSummary]:
    """Debts that are or were dunned, newest first."""
    statement = select(DunningEpisode)
    if is_open is not None:
        statement = statement.where(
            DunningEpisode.ended_at.is_(None) if is_open else DunningEpisode.ended_at.is_not(None)
        )
    if waits_for is not None:
        statement = statement.where(DunningEpisode.waits_for == waits_for)
    if page.cursor is not None:
        statement = statement.where(DunningEpisode.process_id < page.cursor)
    with ctx.database.transaction() as session:
        if subscriber_id is not None:
            account = subscribers.account_of(session, subscribers.get(session, subscriber_id).id)
            statement = statement.where(DunningEpisode.account_id == account.id)
        ordered = statement.order_by(DunningEpisode.process_id.desc()).limit(page.limit + 1)
        rows = session.scalars(ordered).all()
        shown = rows[: page.limit]
        more = len(rows) > page.limit
        return Page(
            items=dunning_views.summaries(session, shown, _reader(ctx, caller)),
            next_cursor=str(shown[-1].process_id) if more else None,
        )


@router.get("/dunning/episodes/{episode_id}")
def get_episode(episode_id: UUID, ctx: Ctx, caller: AccountingOrOperator) -> EpisodeView:
    """One debt with its steps, each with its reason, what services are kept at, and what is waited for."""
    with ctx.database.transaction() as session:
        return dunning_views.view(session, episode_id, _reader(ctx, caller))


@router.get("/dunning/why")
def get_why(
    *,
    ctx: Ctx,
    caller: AccountingOrOperator,
    message_id: UUID | None = None,
    step_id: UUID | None = None,
    subscription_id: UUID | None = None,
    at: Annotated[AwareDatetime | None, Query(description="With a service: how it was then; now unless said")] = None,
) -> Why:
    """Why an SMS was sent, a step taken, a service cut or given back: facts, policy version, rule, who and when."""
    if sum(one is not None for one in (message_id, step_id, subscription_id)) != 1:
        raise invalid("why_what", "Ask for exactly one of: message_id, step_id, subscription_id.")
    reader = _reader(ctx, caller)
    with ctx.database.transaction() as session:
        if message_id is not None:
            why = dunning_views.why_message(session, message_id, reader)
        elif step_id is not None:
            why = dunning_views.why_step(session, step_id, reader)
        else:
            assert subscription_id is not None, "one of the three is given"
            why = dunning_views.why_service(session, subscription_id, at or reader.now, reader)
        return why.model_copy(update={"who": actor_names(session, {why.who}, caller.language)[why.who]})


@router.post("/dunning/forecasts")
def forecast_dunning(request: ForecastRequest, ctx: Ctx, caller: Accounting) -> Forecast:
    """What a version or a draft of the policy would do on today's real balances if nobody paid. Nothing is written."""
    del caller
    with ctx.database.transaction() as session:
        return dunning_forecast.forecast(session, request, now=datetime.now(UTC), settings=ctx.settings)


@router.get("/reports/dunning-recovery", response_model=RecoveryReport, responses=CSV_ANSWER)
def get_recovery(
    *, ctx: Ctx, caller: Accounting, from_on: From, until_on: Until, form: Format = ReportFormat.JSON
) -> RecoveryReport | StreamingResponse:
    """Which step of dunning brought which money."""
    del caller
    with ctx.database.transaction() as session:
        found = dunning_reports.recovered(session, from_on, until_on, Calendar(zone=ctx.settings.zone))
    if form is ReportFormat.JSON:
        return found
    rows = [[_title(item.step, "До первого шага"), item.payments, item.amount] for item in found.items]
    return csv_answer(
        f"dunning-recovery-{from_on}-{until_on}",
        ["Шаг", "Оплат", "Сумма"],
        [*rows, ["Итого", sum(item.payments for item in found.items), found.total]],
    )


@router.get("/reports/dunning-open", response_model=OpenEpisodesReport, responses=CSV_ANSWER)
def get_open_episodes(
    *, ctx: Ctx, caller: AccountingOrOperator, form: Format = ReportFormat.JSON
) -> OpenEpisodesReport | StreamingResponse:
    """Debts that are dunned now, by their last step and their age."""
    del caller
    with ctx.database.transaction() as session:
        found = dunning_reports.open_episodes(session, now=datetime.now(UTC), calendar=Calendar(zone=ctx.settings.zone))
    if form is ReportFormat.JSON:
        return found
    return csv_answer(
        "dunning-open",
        ["Шаг", "До 30 дней", "31–60 дней", "61–90 дней", "Более 90 дней", "Всего", "Долг"],
        _open_rows(found),
    )


@router.get("/reports/promises", response_model=PromiseReport, responses=CSV_ANSWER)
def get_promise_report(
    *, ctx: Ctx, caller: Accounting, from_on: From, until_on: Until, form: Format = ReportFormat.JSON
) -> PromiseReport | StreamingResponse:
    """Promises to pay that were made in a range of days, and how many of them were kept."""
    del caller
    with ctx.database.transaction() as session:
        found = dunning_reports.promises(session, from_on, until_on, Calendar(zone=ctx.settings.zone))
    if form is ReportFormat.JSON:
        return found
    return csv_answer(
        f"promises-{from_on}-{until_on}",
        ["Обещано", "Сумма", "Выполнено", "Сумма выполненных", "Не выполнено", "Отозвано", "Открыто"],
        [[found.made, found.promised, found.kept, found.kept_amount, found.broken, found.withdrawn, found.open]],
    )


def _open_rows(found: OpenEpisodesReport) -> Iterator[list[object]]:
    for item in found.items:
        ages = [item.days_0_30, item.days_31_60, item.days_61_90, item.days_over_90]
        yield [_title(item.step, "Ещё без шагов"), *ages, item.episodes, item.debt]
    yield ["Итого", None, None, None, None, found.episodes, found.debt]


def _title(step: str | None, without: str) -> str:
    return without if step is None else STEP_TITLES[step]["ru"]


def _reader(ctx: Context, caller: StaffCaller) -> Reader:
    return Reader(caller.language, ctx.settings, datetime.now(UTC))
