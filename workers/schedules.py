"""What the calendar starts: made or brought up to date by every worker at its start."""

from datetime import timedelta
from typing import Final

import structlog
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleCalendarSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from models.contracts.engine import BILLING_QUEUE, MONTHLY_BILLING_SCHEDULE, OPEN_MONTHLY_BILLING
from settings import Settings

CATCH_UP_WITHIN: Final = timedelta(days=14)
"""A run that an outage prevented is started once the engine is back, unless it was away for longer."""
OFF_BY_SETTINGS: Final = "off by BILLING_SCHEDULE_ENABLED=false"
_log = structlog.get_logger()


async def keep_schedules(client: Client, settings: Settings) -> None:
    """Make the schedule of the monthly billing, or bring it up to date; repeated, it changes nothing.

    Raises:
        RPCError: Temporal is away, or does not let this client do it.
    """
    wanted = monthly_billing(settings)
    try:
        await client.create_schedule(MONTHLY_BILLING_SCHEDULE, wanted)
    except ScheduleAlreadyRunningError:
        handle = client.get_schedule_handle(MONTHLY_BILLING_SCHEDULE)
        await handle.update(lambda present: _update(present, wanted))


def monthly_billing(settings: Settings) -> Schedule:
    """The schedule as the settings say: a day of the month and an hour in the operator's zone."""
    return Schedule(
        action=ScheduleActionStartWorkflow(
            OPEN_MONTHLY_BILLING, id="open-monthly-billing", task_queue=BILLING_QUEUE,
            static_summary="Opens the billing run of the month",
        ),
        spec=ScheduleSpec(
            calendars=[
                ScheduleCalendarSpec(
                    day_of_month=(ScheduleRange(settings.billing_day),), hour=(ScheduleRange(settings.billing_hour),)
                )
            ],
            time_zone_name=settings.timezone,
        ),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP_WITHIN),
        state=ScheduleState(
            paused=not settings.billing_schedule_enabled,
            note=None if settings.billing_schedule_enabled else OFF_BY_SETTINGS,
        ),
    )  # fmt: skip


def _update(present: ScheduleUpdateInput, wanted: Schedule) -> ScheduleUpdate | None:
    """None where nothing differs: Temporal drops the runs that an updated schedule has missed before its update."""
    schedule = present.description.schedule
    state = _state(schedule.state, wanted.state)
    if (schedule.spec, schedule.policy, schedule.state) == (wanted.spec, wanted.policy, state):
        return None
    _log.info("schedule_updated", schedule=present.description.id, paused=state.paused)
    wanted.state = state
    return ScheduleUpdate(wanted)


def _state(present: ScheduleState, wanted: ScheduleState) -> ScheduleState:
    """Settings pause it, and let go on what settings paused: what a person paused or noted stays as it is."""
    is_ours = present.note == OFF_BY_SETTINGS
    if present.paused:
        return present if wanted.paused or not is_ours else wanted
    return wanted if wanted.paused else present
