"""Each recorded history of each process is understood by the program as it is, explains itself, and names nobody.

What is particular to a process stands in the file of its histories: its paths, its stages, its words.
"""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType

from tests.billing_paths import BILLING
from tests.histories import FOLDER, Recording, legible
from tests.history_reading import Steps, personal_data, replayer, steps_of

RECORDED = sorted(
    path.relative_to(FOLDER).with_suffix("").as_posix() for path in FOLDER.rglob("*.json") if path.parent != BILLING
)
EXPLAINED = {
    EventType.EVENT_TYPE_TIMER_STARTED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
    EventType.EVENT_TYPE_MARKER_RECORDED,
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_process_that_took_this_path_is_understood(name: str) -> None:
    recording, steps = Recording.read(name), Steps()

    asyncio.run(replayer(interceptors=[steps]).replay_workflow(recording.for_replay()))

    assert dict(enumerate(steps.asked_for, start=1)) == steps_of(recording.events())


@pytest.mark.parametrize("name", RECORDED)
def test_every_timer_and_step_says_what_it_is(name: str) -> None:
    events = Recording.read(name).events()
    mute = [e.event_id for e in events if e.event_type in EXPLAINED and not e.user_metadata.summary.data]

    assert mute == []


@pytest.mark.parametrize("name", RECORDED)
def test_no_recorded_history_holds_anybodys_data(name: str) -> None:
    assert personal_data(legible(Recording.read(name).for_replay())) == []
