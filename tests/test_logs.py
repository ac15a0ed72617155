"""Logs: which process and who, and one JSON object a line where machines read them."""

import json
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import pytest

from models.contracts.processes import TaskAct, TaskActOrder
from models.contracts.steps import ClosingStep, ProcessStep
from workers.logs import actor_of, process_id_of

ROOT = Path(__file__).parent.parent
NOW = "2026-11-24T00:00:00Z"
SCRIPT = """
import logging, structlog
from settings import Settings
from workers.logs import configure
configure(Settings.model_construct({settings}), program="worker")
with structlog.contextvars.bound_contextvars(process_id="p1", actor="staff:1"):
    structlog.get_logger().info("stage_entered", stage="stock")
    logging.getLogger("temporalio.worker").warning("a library speaks")
logging.getLogger("uvicorn.access").warning("GET /bank/v1/customers/880101300014")
"""


def logged(environment: str, log_format: str | None = None) -> list[str]:
    settings = f"{environment=}, {log_format=}"
    script = [sys.executable, "-c", SCRIPT.format(settings=settings)]
    return subprocess.run(script, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()


def test_production_logs_json_with_process_and_actor_for_our_lines_and_for_libraries() -> None:
    ours, theirs = (json.loads(line) for line in logged("production"))
    assert (ours["event"], ours["stage"], ours["program"]) == ("stage_entered", "stock", "worker")
    assert theirs["event"] == "a library speaks"
    for line in (ours, theirs):
        assert (line["process_id"], line["actor"]) == ("p1", "staff:1")
        assert line["timestamp"].endswith("Z")


def test_local_logs_are_readable_and_addresses_of_requests_are_never_written() -> None:
    lines = logged("local")
    assert len(lines) == 2
    assert "stage_entered" in lines[0]
    assert "process_id=p1" in lines[0]


def test_the_format_of_logs_can_be_said() -> None:
    assert json.loads(logged("local", "json")[0])["event"] == "stage_entered"
    assert "process_id=p1" in logged("production", "text")[0]


def test_the_process_is_known_from_the_input_of_a_step_or_from_its_workflow() -> None:
    process_id = uuid4()
    step = ProcessStep.model_validate({"process_id": process_id, "at": NOW})
    assert process_id_of(step, "anything") == str(process_id)
    assert process_id_of(None, f"connection/{process_id}") == str(process_id)
    assert process_id_of(None, "messaging/sms") is None
    assert process_id_of(None, None) is None


@pytest.mark.parametrize("is_act", [True, False])
def test_the_actor_is_known_from_the_input_of_a_step(is_act: bool) -> None:
    common = {"process_id": uuid4(), "at": NOW}
    act = TaskAct(task_id=uuid4(), outcome="done", actor="staff:1")
    step = (
        TaskActOrder.model_validate({**common, "act": act})
        if is_act
        else ClosingStep.model_validate({**common, "actor": "staff:1", "reason": "moved away"})
    )
    assert actor_of(step) == "staff:1"
    assert actor_of(None) is None
