"""Histories of workflows as files: what is kept of them, and what can be read in them."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory

FOLDER = Path(__file__).with_name("histories")


@dataclass(frozen=True)
class Recording:
    """A history, and what the database said of its process in the end."""

    workflow_id: str
    stages: list[str]
    outcomes: list[tuple[str, str]]
    """Kind and outcome of each staff task that was completed."""
    status: str
    history: dict[str, Any]

    @classmethod
    def read(cls, name: str) -> Self:
        """The recording of this name."""
        kept = json.loads((FOLDER / f"{name}.json").read_text())
        return cls(**{**kept, "outcomes": [tuple(pair) for pair in kept["outcomes"]]})

    def write(self, name: str) -> None:
        """Keep it under this name."""
        file = FOLDER / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        kept = {**self.__dict__, "history": without_machines(self.history)}
        file.write_text(json.dumps(kept, ensure_ascii=False, indent=1, sort_keys=True) + "\n")

    def for_replay(self) -> WorkflowHistory:
        """As the replayer takes it."""
        return WorkflowHistory.from_json(self.workflow_id, self.history)

    def events(self) -> list[HistoryEvent]:
        """Event by event."""
        return list(self.for_replay().events)


def without_machines(value: Any) -> Any:
    """A part of a history without what is about the machines that took part: identities, sticky queues, paths."""
    if isinstance(value, list):
        return [without_machines(item) for item in value]
    if not isinstance(value, dict):
        return value
    if value.get("kind") == "TASK_QUEUE_KIND_STICKY":
        return {**value, "name": "sticky"}
    return {key: _WITHOUT.get(key) or without_machines(item) for key, item in value.items() if key != "stackTrace"}


_WITHOUT = {"identity": "recorder"}


def legible(history: WorkflowHistory) -> str:
    """Everything that a person with access to the engine could read in a history, payloads decoded."""
    return "\n".join(_strings(json.loads(history.to_json())))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield key
            if key == "data" and isinstance(item, str):
                # JSON in JSON: letters are escaped once more, unless they are read.
                yield _unescaped(base64.b64decode(item).decode(errors="replace"))
            else:
                yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)
    else:
        yield str(value)


def _unescaped(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False)
    except ValueError:
        return text
