"""`abonent run`: the whole product on one machine, with a PostgreSQL and a Temporal of its own where none is named."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Final

from pydantic import BaseModel

import migrations
from models.contracts.engine import PROCESSES_QUEUE
from models.database import Database
from settings import Settings
from workers.children import Child, wait_until
from workers.credentials import local_credentials, write_privately
from workers.failures import PersonMustAct
from workers.local_servers import PostgreSQL, Temporal, program
from workers.ports import HOST, Ports
from workers.seed import seed

TEMPORAL_PORT: Final = 7233
TEMPORAL_UI_PORT: Final = 8233
API_PORT: Final = 8080
WATCH_EVERY_SECONDS: Final = 0.2
ADDRESSES_FILE: Final = "stack.json"
CREDENTIALS_FILE: Final = "credentials.json"


class Addresses(BaseModel):
    """Where the running stack can be reached; in `.local/stack.json` while it runs."""

    pid: int
    api_url: str
    database_url: str
    temporal_address: str
    temporal_ui_url: str | None


class RunsAlready(PersonMustAct):
    """Another stack has its data in the same folder."""


class _Interrupted(Exception):  # noqa: N818 - a wish, not a fault
    """Ctrl-C while the stack was starting."""


class Stack:
    """Starts everything, watches over it, and ends it in order."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = settings.local_dir.resolve()
        self._children: list[Child] = []
        self._is_stopping = False
        self._started_at = time.monotonic()
        self._ports = Ports()
        self._postgres: PostgreSQL | None = None
        self._temporal: Temporal | None = None

    def run(self) -> None:
        """Start, watch, and stop at SIGINT, SIGTERM or SIGHUP.

        Raises:
            ChildDidNotStart: a part did not start; what was started has been stopped.
            RunsAlready: a stack is running on the same folder.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "logs").mkdir(exist_ok=True)
        with _only_one(self._folder / "run.lock"):
            for wish in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(wish, self._stop_soon)
            try:
                self._start()
                self._watch()
            except _Interrupted:
                pass
            finally:
                self._stop()

    def _start(self) -> None:
        self._say(f"Abonent starts; its data is in {self._folder}")
        (self._folder / ADDRESSES_FILE).unlink(missing_ok=True)
        database_url, temporal_address = self._start_servers()
        migrations.upgrade(database_url)
        self._say("database schema is up to date")
        api_port = self._settings.api_port or self._ports.take(API_PORT)
        addresses = Addresses(
            pid=os.getpid(),
            api_url=f"http://{reachable(self._settings.api_host)}:{api_port}",
            database_url=database_url,
            temporal_address=temporal_address,
            temporal_ui_url=self._temporal.ui_url if self._temporal else self._settings.temporal_ui_url,
        )
        self._add_reference_data(addresses)
        self._go_on()
        worker, api = self._start_programs(addresses, api_port)
        wait_until(self._unless_stopping(lambda: _is_ready(addresses.api_url)), api)
        self._say("API answers")
        temporal = self._temporal
        if temporal is not None:
            wait_until(self._unless_stopping(lambda: _is_worked_on(temporal.address)), worker)
            self._say("worker takes on work")
        self._publish(addresses)
        self._present(addresses)

    def _publish(self, addresses: Addresses) -> None:
        # For its owner alone: an address that was given may hold a password.
        write_privately(self._folder / ADDRESSES_FILE, addresses.model_dump_json(indent=2) + "\n")

    def _start_servers(self) -> tuple[str, str]:
        """Start those that no address was given for; answers the addresses of both."""
        given_database, given_temporal = self._settings.database_url, self._settings.temporal_address
        postgres = None if given_database else self._start_postgres()
        temporal_child = None if given_temporal else self._start_temporal()
        if postgres is not None:
            server, child = postgres
            wait_until(self._unless_stopping(server.answers), child)
            self._say("PostgreSQL answers")
        if temporal_child is not None and self._temporal is not None:
            wait_until(self._unless_stopping(self._temporal.answers), temporal_child)
            self._say("Temporal answers")
        if postgres is not None:
            database_url = postgres[0].url
        else:
            assert given_database is not None
            database_url = given_database.get_secret_value()
        address = self._temporal.address if self._temporal is not None else given_temporal
        assert address is not None
        return database_url, address

    def _start_postgres(self) -> tuple[PostgreSQL, Child]:
        server = self._postgres = PostgreSQL(self._folder / "postgres")
        self._say("PostgreSQL: making a new database" if server.is_new else "PostgreSQL: starting")
        server.prepare()
        return server, self._begin(server.child(self._folder / "logs" / "postgres.log"))

    def _start_temporal(self) -> Child:
        self._temporal = Temporal(
            self._folder / "temporal.db",
            port=self._ports.take(TEMPORAL_PORT),
            ui_port=self._ports.take(TEMPORAL_UI_PORT),
        )
        self._say("Temporal: starting")
        return self._begin(self._temporal.child(self._folder / "logs" / "temporal.log"))

    def _add_reference_data(self, addresses: Addresses) -> None:
        database = Database(addresses.database_url, pool_size=1)
        try:
            with database.transaction() as session:
                seed(session)
                local_credentials(session, self._folder / CREDENTIALS_FILE, addresses.api_url)
        finally:
            database.close()
        self._say("reference data and credentials are there")

    def _start_programs(self, addresses: Addresses, api_port: int) -> tuple[Child, Child]:
        environment = {
            "LOCAL_DIR": str(self._folder),
            "DATABASE_URL": addresses.database_url,
            "TEMPORAL_ADDRESS": addresses.temporal_address,
            "TEMPORAL_UI_URL": addresses.temporal_ui_url or "",
            "API_PORT": str(api_port),
            "PYTHONUNBUFFERED": "1",
        }
        root = Path(migrations.__file__).parent.parent
        self._say("worker and API: starting")
        worker, api = (
            self._begin(
                Child(
                    name,
                    [sys.executable, "-m", "workers.cli", command],
                    environment=environment,
                    folder=root,
                )
            )
            for name, command in (("worker", "worker"), ("API", "api"))
        )
        return worker, api

    def _begin(self, child: Child) -> Child:
        self._go_on()
        child.start()
        self._children.append(child)
        return child

    def _watch(self) -> None:
        while not self._is_stopping:
            for child in self._children:
                news = child.tend()
                if news is not None:
                    self._say(news)
            time.sleep(WATCH_EVERY_SECONDS)

    def _stop(self) -> None:
        (self._folder / ADDRESSES_FILE).unlink(missing_ok=True)
        # The front door first, the database last: nobody loses what they stand on.
        for child in reversed(self._children):
            if child.is_running:
                self._say(f"{child.name}: stopping")
            child.stop()
        if self._postgres is not None:
            self._postgres.tidy()
        if self._children:
            self._say("everything is stopped; the data stays")

    def _stop_soon(self, _: int, __: FrameType | None) -> None:
        self._is_stopping = True

    def _go_on(self) -> None:
        if self._is_stopping:
            raise _Interrupted

    def _unless_stopping(self, answers: Callable[[], bool]) -> Callable[[], bool]:
        def ask() -> bool:
            self._go_on()
            return answers()

        return ask

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._started_at:6.1f} s  {text}", flush=True)

    def _present(self, addresses: Addresses) -> None:
        took = time.monotonic() - self._started_at
        lines = [
            "",
            f"Abonent is ready after {took:.1f} s.",
            f"  API          {addresses.api_url}   contract: {addresses.api_url}/docs",
            f"  Temporal UI  {addresses.temporal_ui_url or 'not known: set TEMPORAL_UI_URL'}",
            f"  Credentials  {self._folder / CREDENTIALS_FILE}",
            f"  Logs         {self._folder / 'logs'}",
            "Stop it with Ctrl-C.",
            "",
        ]
        print("\n".join(lines), flush=True)


def reachable(host: str) -> str:
    """An address to reach a server by that listens on `host`, which may stand for all addresses."""
    return HOST if host in {"0.0.0.0", "::", ""} else host  # noqa: S104 - compared, not bound


def running_stack(folder: Path) -> Addresses | None:
    """The addresses of the stack that runs on this folder, if one does."""
    try:
        return Addresses.model_validate(json.loads((folder / ADDRESSES_FILE).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    with lock.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunsAlready(
                f"Abonent is running on {lock.parent} already: stop it there, or set LOCAL_DIR to another folder"
            ) from None
        yield


def _is_ready(api_url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api_url}/readyz", timeout=3) as answer:  # noqa: S310 - our own address
            return bool(answer.status == HTTPStatus.OK)
    except (urllib.error.URLError, OSError):
        return False


def _is_worked_on(temporal_address: str) -> bool:
    """Whether somebody waits for work on the queue of the processes."""
    question = [
        program("temporal"), "task-queue", "describe", "--task-queue", PROCESSES_QUEUE,
        "--address", temporal_address, "--output", "json",
    ]  # fmt: skip
    answer = subprocess.run(question, capture_output=True, text=True, check=False)
    return answer.returncode == 0 and bool(json.loads(answer.stdout).get("pollers"))
