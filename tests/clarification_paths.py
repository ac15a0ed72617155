"""The paths that a clarification can take, each driven on a real server; their histories are kept for replay.

`python -m tests.clarification_paths [path …]` records them anew into `tests/histories/clarification/`. Do so when a
path is added, and never to make a failed replay pass: see `tests/record_histories.py`.
"""

import shutil
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import WorkflowUpdateFailedError

import migrations
from models.contracts.engine import CANCEL_PROCESS, PAYMENT_RECEIVED
from models.contracts.processes import CancelRequest, ProcessState, TaskKind
from models.database import Database
from tests.clarification_world import SOON, ClarificationWorld, clarification_world
from tests.conftest import NOT_DURABLE
from tests.connection_world import eventually
from tests.engines import TemporalServer
from tests.histories import FOLDER
from tests.record_histories import recording_of
from workers import seed
from workers.local_servers import PostgreSQL

CLARIFICATION = FOLDER / "clarification"
REASON = "Ерлан Нұрпейісов ошибся, звонить +77015554433"
"""Free text as people write it: with a name and a number in it."""


def found(world: ClarificationWorld) -> None:
    """Accounting knows whose money it is."""
    world.ask_for_the_payee()
    world.answer("found", account_no=world.account_no)


def found_at_the_second_try(world: ClarificationWorld) -> None:
    """A mistyped number leaves the task open."""
    world.ask_for_the_payee()
    with pytest.raises(WorkflowUpdateFailedError):
        world.answer("found", account_no="77")
    world.answer("found", account_no=world.account_no)


def returned(world: ClarificationWorld) -> None:
    """Nobody's: back to the bank."""
    world.ask_for_the_payee()
    world.answer("returned", reason=REASON)


def overdue(world: ClarificationWorld) -> None:
    """The head of accounting is told, and it is answered after all."""
    world.ask_for_the_payee(policy=SOON)
    world.task(TaskKind.FIND_PAYER)
    world.sleep(timedelta(days=3))
    eventually(lambda: "task_escalated" in world.events())
    world.answer("found", account_no=world.account_no)


def given_by_api(world: ClarificationWorld) -> None:
    """Somebody allocates the payment elsewhere."""
    world.ask_for_the_payee()
    world.task(TaskKind.FIND_PAYER)
    world.give_by_api()


def given_before_it_was_asked(world: ClarificationWorld) -> None:
    """The same, while the engine was away."""
    world.ask_for_the_payee(deliver=False)
    world.give_by_api()


def taken_back_by_the_bank(world: ClarificationWorld) -> None:
    """The bank cancels it."""
    world.ask_for_the_payee()
    world.task(TaskKind.FIND_PAYER)
    world.cancel_by_bank()


def told_of_nothing(world: ClarificationWorld) -> None:
    """A signal after which the question is still open, and one that says nothing."""
    world.ask_for_the_payee()
    world.task(TaskKind.FIND_PAYER)
    for payload in ({"payment_id": str(world.payment_id)}, "nonsense"):
        world.server.run(world.handle.signal(PAYMENT_RECEIVED, payload))
    world.answer("found", account_no=world.account_no)


def first_report_kept(world: ClarificationWorld) -> None:
    """The bank was mistaken the second time."""
    world.ask_about_a_conflict()
    world.answer("first_kept", comment=REASON)


def corrected(world: ClarificationWorld) -> None:
    """The bank was mistaken the first time."""
    world.ask_about_a_conflict()
    world.answer("corrected", amount={"amount_minor": 90, "currency": "KZT"}, reason=REASON)


def agreed(world: ClarificationWorld) -> None:
    """The bank sets it right itself."""
    world.ask_about_a_conflict()
    world.answer("agreed", agreement=REASON)


def conflict_taken_back_by_the_bank(world: ClarificationWorld) -> None:
    """The bank cancels the transaction in question."""
    world.ask_about_a_conflict()
    world.task(TaskKind.REVIEW_CONFLICT)
    world.cancel_by_bank()


def not_cancelled(world: ClarificationWorld) -> None:
    """A question about money can't be cancelled, by update or signal."""
    world.ask_for_the_payee()
    world.task(TaskKind.FIND_PAYER)
    request = CancelRequest(actor="staff:operator", reason="надоело")
    with pytest.raises(WorkflowUpdateFailedError):
        world.ask(CANCEL_PROCESS, request, ProcessState)
    world.server.run(world.handle.signal(CANCEL_PROCESS, request.model_dump(mode="json")))
    eventually(lambda: "act_refused" in world.events())
    world.answer("found", account_no=world.account_no)


def ended_in_the_temporal_ui(world: ClarificationWorld) -> None:
    """«Request cancellation»: the question goes, the money stays."""
    world.ask_for_the_payee()
    world.task(TaskKind.FIND_PAYER)
    world.server.run(world.handle.cancel())


PATHS = {
    path.__name__: path
    for path in (
        found, found_at_the_second_try, returned, overdue, given_by_api, given_before_it_was_asked,
        taken_back_by_the_bank, told_of_nothing, first_report_kept, corrected, agreed,
        conflict_taken_back_by_the_bank, not_cancelled, ended_in_the_temporal_ui,
    )
}  # fmt: skip


def main(names: list[str]) -> None:
    """Record the paths that are named, or all of them."""
    folder = Path(tempfile.mkdtemp(prefix="abonent-record-"))
    CLARIFICATION.mkdir(parents=True, exist_ok=True)
    try:
        with PostgreSQL(folder / "data", options=NOT_DURABLE).running() as postgres:
            migrations.upgrade(postgres.url)
            database = Database(postgres.url)
            with database.transaction() as session:
                seed.seed(session)
            for name in names or PATHS:
                _record(name, database)
            database.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _record(name: str, database: Database) -> None:
    server = TemporalServer.time_skipping()
    try:
        with clarification_world(database, server) as world:
            PATHS[name](world)
            world.outcome()
            recording = recording_of(world)
            recording.write(f"clarification/{name}")
            print(name, recording.status, len(recording.history["events"]), "events")  # noqa: T201 - a command that tells what it did
    finally:
        server.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
