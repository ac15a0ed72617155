"""Servers and workers of a benchmark's own: fresh, on free ports, gone with it."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no type information

import migrations
from workers.children import Child, wait_until
from workers.local_servers import PostgreSQL, Temporal
from workers.ports import free_port


@dataclass
class Servers:
    """PostgreSQL and Temporal as `make run` starts them, and whatever works against them."""

    folder: Path
    database_url: str
    temporal_address: str
    children: dict[str, Child] = field(default_factory=dict)

    @contextmanager
    def working(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> Iterator[Child]:
        """A Python process against these servers, until the block ends."""
        child = Child(
            name,
            [sys.executable, *arguments],
            environment={
                "DATABASE_URL": self.database_url,
                "TEMPORAL_ADDRESS": self.temporal_address,
                "ENVIRONMENT": "local",
                # The sandbox imports a workflow's module for each process: compiled once, as where it is installed.
                "PYTHONDONTWRITEBYTECODE": "",
                "PYTHONPYCACHEPREFIX": str(self.folder / "bytecode"),
                **(environment or {}),
            },
            log=self.folder / f"{name.lower().replace(' ', '-')}.log",
        )
        child.start()
        self.children[name] = child
        try:
            yield child
        except BaseException:
            assert child.log is not None
            print(f"{name} said at last:\n{child.log.read_text()[-4000:]}", file=sys.stderr)
            raise
        finally:
            child.stop()
            del self.children[name]

    def cpu_seconds(self) -> dict[str, float]:
        """Processor time that each part has used by now, with the processes that it started."""
        used = {name: _cpu_seconds(psutil.Process(child.pid)) for name, child in self.children.items()}
        return {**used, "driver": _own_cpu_seconds(psutil.Process())}


@contextmanager
def servers() -> Iterator[Servers]:
    """A migrated PostgreSQL and a Temporal, both empty, with their usual durability."""
    folder = Path(tempfile.mkdtemp(prefix="abonent-bench-"))
    try:
        with ExitStack() as stack:
            postgres = PostgreSQL(folder / "postgres")
            postgres.prepare()
            stack.callback(postgres.tidy)
            temporal = Temporal(folder / "temporal.db", port=free_port(), ui_port=free_port())
            children = {
                "PostgreSQL": postgres.child(folder / "postgres.log"),
                "Temporal": temporal.child(folder / "temporal.log"),
            }
            for child in children.values():
                child.start()
                stack.callback(child.stop)
            wait_until(postgres.answers, children["PostgreSQL"])
            wait_until(temporal.answers, children["Temporal"])
            migrations.upgrade(postgres.url)
            yield Servers(folder, postgres.url, temporal.address, children)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _cpu_seconds(process: psutil.Process) -> float:
    return sum(_own_cpu_seconds(one, with_ended=True) for one in (process, *process.children(recursive=True)))


def _own_cpu_seconds(process: psutil.Process, *, with_ended: bool = False) -> float:
    """Of a process, and of those that it started and that have ended, if wanted."""
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    ended = times.children_user + times.children_system if with_ended else 0.0
    return float(times.user + times.system + ended)
