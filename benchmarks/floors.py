"""Bare workflows: as many activities and signals as a real process has, and nothing in them.

The shape is read from a history of the real process, so that the floor stays its equal when the process changes: the
activities between two acts of people, each local or regular. `BareWorkflow` runs them as they are said to be.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Literal

from temporalio import activity, workflow
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

with workflow.unsafe.imports_passed_through():
    from awaiting import say_that_it_waits

QUEUE: Final = "floor"
Kind = Literal["local", "regular"]
Shape = list[list[Kind]]
"""For each stretch between two acts of people, its activities."""

_WITHIN: Final = timedelta(seconds=30)
_ACTS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
}
_KINDS: Final[dict[int, Kind]] = {
    EventType.EVENT_TYPE_MARKER_RECORDED: "local",
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "regular",
}


@activity.defn
def nothing() -> None:
    """Done at once."""


@workflow.defn
class BareWorkflow:
    """The activities of each stretch, then a signal."""

    def __init__(self) -> None:
        self._acts = 0

    @workflow.run
    async def run(self, shape: Shape) -> None:
        """Walk through the shape."""
        for number, stretch in enumerate(shape):
            if number > 0:
                if not workflow.unsafe.is_replaying():
                    say_that_it_waits(workflow.info().workflow_id, number)
                await workflow.wait_condition(lambda number=number: self._acts >= number)  # type: ignore[misc]
            for kind in stretch:
                if kind == "local":
                    await workflow.execute_local_activity(nothing, start_to_close_timeout=_WITHIN)
                else:
                    await workflow.execute_activity(nothing, start_to_close_timeout=_WITHIN)

    @workflow.signal
    def act(self) -> None:
        """Somebody acts."""
        self._acts += 1


def shape_of(events: Sequence[HistoryEvent]) -> Shape:
    """The shape of a history: what ran before its first act, between its acts, and after the last."""
    shape: Shape = [[]]
    for event in events:
        if event.event_type in _ACTS:
            shape.append([])
        elif event.event_type in _KINDS:
            shape[-1].append(_KINDS[event.event_type])
    return shape


def all_regular(shape: Shape) -> Shape:
    """The same number of activities, all of the usual kind."""
    return [["regular" for _ in stretch] for stretch in shape]
