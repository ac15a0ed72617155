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

from models.contracts.engine import (
    BILLING_QUEUE,
    DAILY_DUNNING_SCHEDULE,
    DAILY_RECONCILIATION_SCHEDULE,
    MONTHLY_BILLING_SCHEDULE,
    OPEN_DUNNING,
    OPEN_MONTHLY_BILLING,
    OPEN_RECONCILIATIONS,
    PROCESSES_QUEUE,
)
from settings import Settings

CATCH_UP_WITHIN: Final = timedelta(days=14)
"""A run that an outage prevented is started once the engine is back, unless it was away for longer."""
OFF_BY_SETTINGS: Final = "off by BILLING_SCHEDULE_ENABLED=false"
DUNNING_OFF_BY_SETTINGS: Final = "off by DUNNING_SCHEDULE_ENABLED=false"
RECONCILIATION_OFF_BY_SETTINGS: Final = "off by RECONCILIATION_SCHEDULE_ENABLED=false"
_log = structlog.get_logger()


async def keep_schedules(client: Client, settings: Settings) -> None:
    """Make the schedules, or bring them up to date; repeated, it changes nothing.

    Raises:
        RPCError: Temporal is away, or does not let this client do it.
    """
    await _keep(client, MONTHLY_BILLING_SCHEDULE, monthly_billing(settings))
    await _keep(client, DAILY_DUNNING_SCHEDULE, daily_dunning(settings))
    await _keep(client, DAILY_RECONCILIATION_SCHEDULE, daily_reconciliation(settings))


async def _keep(client: Client, name: str, wanted: Schedule) -> None:
    try:
        await client.create_schedule(name, wanted)
    except ScheduleAlreadyRunningError:
        await client.get_schedule_handle(name).update(lambda present: _update(present, wanted))


def monthly_billing(settings: Settings) -> Schedule:
    """The monthly billing as the settings say: a day of the month and an hour in the operator's zone."""
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
        state=_wanted_state(settings.billing_schedule_enabled, OFF_BY_SETTINGS),
    )  # fmt: skip


def daily_dunning(settings: Settings) -> Schedule:
    """The daily round of dunning as the settings say: an hour in the operator's zone."""
    return Schedule(
        action=ScheduleActionStartWorkflow(
            OPEN_DUNNING, id="open-dunning", task_queue=BILLING_QUEUE, static_summary="The daily round of dunning"
        ),
        spec=ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=(ScheduleRange(settings.dunning_hour),))],
            time_zone_name=settings.timezone,
        ),
        # Of several rounds that were missed one is enough.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(days=1)),
        state=_wanted_state(settings.dunning_schedule_enabled, DUNNING_OFF_BY_SETTINGS),
    )  # fmt: skip


def daily_reconciliation(settings: Settings) -> Schedule:
    """The opening of banks' days as the settings say: an hour in the operator's zone."""
    return Schedule(
        action=ScheduleActionStartWorkflow(
            OPEN_RECONCILIATIONS, id="open-reconciliations", task_queue=PROCESSES_QUEUE,
            static_summary="Opens yesterday for each bank",
        ),
        spec=ScheduleSpec(
            calendars=[ScheduleCalendarSpec(hour=(ScheduleRange(settings.reconciliation_hour),))],
            time_zone_name=settings.timezone,
        ),
        # Each opening finds all days that were missed, so one is enough.
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=timedelta(days=1)),
        state=_wanted_state(settings.reconciliation_schedule_enabled, RECONCILIATION_OFF_BY_SETTINGS),
    )  # fmt: skip


def _wanted_state(is_enabled: bool, note: str) -> ScheduleState:
    return ScheduleState(paused=not is_enabled, note=None if is_enabled else note)


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
    is_ours = present.note in {OFF_BY_SETTINGS, DUNNING_OFF_BY_SETTINGS, RECONCILIATION_OFF_BY_SETTINGS}
    if present.paused:
        return present if wanted.paused or not is_ours else wanted
    return wanted if wanted.paused else present
