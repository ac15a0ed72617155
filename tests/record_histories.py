"""Record the histories in `tests/histories/` anew: `python -m tests.record_histories [path …]`.

Do so when a path is added, and never to make a failed replay pass: that would hide a change that breaks processes
which are running. Such a change needs `workflow.patched()`, and a recording under a new name beside the old one.
"""

import json
import pathlib
import shutil
import sys
import tempfile
from typing import Any

from sqlalchemy import select

import migrations
from models.database import Database
from models.tables.processes import Process, ProcessStage, Task
from tests import (
    connection_paths,
    disconnection_paths,
    dunning_paths,
    outage_paths,
    request_paths,
    tariff_change_paths,
)
from tests.conftest import NOT_DURABLE
from tests.connection_world import World
from tests.dunning_world import World as DunningWorld
from tests.engines import TemporalServer
from tests.histories import Recording
from tests.outage_process_world import World as OutageWorld
from tests.paths import Path
from workers import seed
from workers.local_servers import PostgreSQL

PATHS: dict[str, Path[Any] | dunning_paths.Path | outage_paths.Path] = {
    **connection_paths.PATHS,
    **{f"disconnection/{name}": path for name, path in disconnection_paths.PATHS.items()},
    **{f"dunning/{name}": path for name, path in dunning_paths.PATHS.items()},
    **{f"outage/{name}": path for name, path in outage_paths.PATHS.items()},
    **{f"request/{name}": path for name, path in request_paths.PATHS.items()},
    **{f"tariff_change/{name}": path for name, path in tariff_change_paths.PATHS.items()},
}
"""Of all processes about a service, each by the name of its file; those of a connection stand at the top."""


def main(names: list[str]) -> None:
    """Walk through the paths that are named, or through all."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="abonent-record-"))
    try:
        with PostgreSQL(folder / "data", options=NOT_DURABLE).running() as postgres:
            migrations.upgrade(postgres.url)
            database = Database(postgres.url)
            with database.transaction() as session:
                seed.seed(session)
            for name in names or PATHS:
                recording = record(name, database)
                recording.write(name)
                print(name, recording.status, len(recording.history["events"]), "events")  # noqa: T201 - a command that tells what it did
            database.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def record(name: str, database: Database) -> Recording:
    """Walk through one path on a time-skipping server of its own."""
    server = TemporalServer.time_skipping()
    try:
        with PATHS[name].walked(database, server) as world:
            return recording_of(world)
    finally:
        server.stop()


def recording_of(world: World | DunningWorld | OutageWorld) -> Recording:
    """What is kept of a process that has ended."""
    with world.database.transaction() as session:
        stages = session.scalars(
            select(ProcessStage.name)
            .where(ProcessStage.process_id == world.process_id)
            .order_by(ProcessStage.entered_at, ProcessStage.name)
        ).all()
        done = session.execute(
            select(Task.kind, Task.outcome)
            .where(Task.process_id == world.process_id, Task.outcome.is_not(None))
            .order_by(Task.completed_at)
        ).all()
        status = session.get_one(Process, world.process_id).status
    return Recording(
        workflow_id=world.workflow_id,
        stages=list(stages),
        outcomes=[(str(kind), str(outcome)) for kind, outcome in done],
        status=str(status),
        history=json.loads(world.history().to_json()),
    )


if __name__ == "__main__":
    main(sys.argv[1:])
