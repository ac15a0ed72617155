"""The command line: `abonent run`, `worker`, `api`, `migrate`, `seed`, `credentials`, `bank-sim`, and so on.

What a command needs is imported when it runs, so that each starts quickly.
"""

# ruff: noqa: PLC0415 - said above

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr, ValidationError

from models.contracts.people import Role
from models.database import Database
from settings import Settings, load
from workers import bank_sim_arguments
from workers.failures import PersonMustAct

if TYPE_CHECKING:
    from activities.ledger_audit import TrialBalanceRow

Command = Callable[[Settings, argparse.Namespace], int | None]


class CommandFailed(PersonMustAct):
    """The text tells what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks for; answers the exit code."""
    chosen = _parser().parse_args(arguments)
    try:
        settings = load()
    except ValidationError as failure:
        for error in failure.errors():
            name = ".".join(str(part) for part in error["loc"]).upper()
            print(f"abonent: {name + ': ' if name else ''}{error['msg']}", file=sys.stderr)
        return 2
    command: Command = chosen.command
    try:
        return command(settings, chosen) or 0
    except PersonMustAct as failure:
        print(f"abonent: {failure}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("abonent", description="A telecom operator's work with its subscribers.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, what: Command, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(command=what)
        return command

    add("run", _run, "The whole product on this machine, until Ctrl-C.")
    add("worker", _worker, "A worker process: the processes, the SMS, the outbox relay.")
    serving = add("api", _api, "An API process, or API_PROCESSES of them behind one port.")
    serving.add_argument("--member", action="store_true", help=argparse.SUPPRESS)
    add("migrate", _migrate, "Bring the database schema up to date, and register Temporal's search attributes.")
    seeding = add("seed", _seed, "Add reference data that is missing.")
    seeding.add_argument("--town", action="store_true", help="with the made-up town, people and bank")
    issuing = add("credentials", _credentials, "Issue a secret, shown once; the old one is void.")
    issuing.add_argument("kind", choices=["staff", "bank"])
    issuing.add_argument("name", help="a login of the staff, or the code of a bank")
    issuing.add_argument("--role", choices=[*Role], help="staff who are not known yet: their role")
    issuing.add_argument("--title", help="whoever is not known yet: the full name, or the bank's")
    issuing.add_argument("--allow", action="append", default=[], metavar="NETWORK", help="a bank's addresses")
    issuing.add_argument("--dialect", action="append", metavar="NAME", help="with --allow: what a bank speaks")
    checking = add(
        "ledger-check",
        _ledger_check,
        "Compare every balance and total with what it is made of; for a range of dates, a trial balance too.",
    )
    checking.add_argument("--from", dest="from_on", type=date.fromisoformat, metavar="DATE", help="the first day")
    checking.add_argument(
        "--until", dest="until_on", type=date.fromisoformat, metavar="DATE", help="the day after the last one"
    )
    printing = add("print-invoices", _print_invoices, "Print the PDFs of a month's invoices; goes on where it was.")
    printing.add_argument("period", metavar="PERIOD", help="the billed month, such as 2026-11")
    printing.add_argument("folder", metavar="FOLDER", type=Path, help="where the files go")
    printing.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many print at once")
    bank_sim_arguments.add_arguments(
        add("bank-sim", _bank_sim, "A bank that pays, repeats, takes back and sends registries, to try the product.")
    )
    add("demo", _demo, "Play the story against the running product, and fail where it goes wrong.")
    return parser


def _run(settings: Settings, _: argparse.Namespace) -> None:
    from workers.stack import Stack

    if settings.environment == "production":
        raise CommandFailed("`run` is for one machine; in production start `abonent api` and `abonent worker`")
    if settings.temporal_address is not None:
        _register_search_attributes(settings)
    Stack(settings).run()


def _worker(settings: Settings, _: argparse.Namespace) -> None:
    from workers.logs import configure
    from workers.worker import run_worker

    configure(settings, program="worker")
    asyncio.run(run_worker(_complete(settings)))


def _api(settings: Settings, chosen: argparse.Namespace) -> None:
    import uvloop

    from workers.api_processes import serve_together
    from workers.logs import configure
    from workers.serve import serve

    configure(settings, program="api")
    if settings.api_processes > 1 and not chosen.member:
        serve_together(settings)
        return
    for wish in (signal.SIGTERM, signal.SIGINT):
        # uvicorn finishes what is under way and then repeats the signal: an ordered end is no failure.
        signal.signal(wish, lambda *_: None)
    uvloop.run(serve(_complete(settings), shares_port=chosen.member))


def _migrate(settings: Settings, _: argparse.Namespace) -> None:
    import migrations

    # Not last: threads of Temporal's library that end together with the interpreter abort it now and then
    # (temporalio/sdk-python issue 300), and what was done well would count as failed.
    if settings.temporal_address is not None:
        _register_search_attributes(settings)
    migrations.upgrade(_database_url(settings))
    print("The database schema is up to date.")


def _register_search_attributes(settings: Settings) -> None:
    from workers.search_attributes import register_search_attributes
    from workflows.engine import connect

    async def register() -> list[str]:
        return await register_search_attributes(await connect(settings))

    try:
        made = asyncio.run(register())
    except RuntimeError as failure:
        raise CommandFailed(f"Temporal does not answer at {settings.temporal_address}") from failure
    print(f"Search attributes: {', '.join(made) + ' registered' if made else 'all there'}.")


def _seed(settings: Settings, chosen: argparse.Namespace) -> None:
    from workers.seed import seed

    with _database(settings) as database, database.transaction() as session:
        seed(session, town=chosen.town)
    print("The reference data is there.")


def _credentials(settings: Settings, chosen: argparse.Namespace) -> None:
    from workers import credentials

    with _database(settings) as database, database.transaction() as session:
        if chosen.kind == "staff":
            if chosen.role is not None:
                credentials.add_staff(session, chosen.name, Role(chosen.role), chosen.title or chosen.name)
            issued = {"login": chosen.name, "token": credentials.issue_token(session, chosen.name)}
        else:
            if chosen.allow:
                _check_dialects(chosen.dialect or [])
                credentials.add_bank(session, chosen.name, chosen.title or chosen.name, chosen.allow, chosen.dialect)
            issued = credentials.issue_password(session, chosen.name).model_dump()
    print(json.dumps(issued, ensure_ascii=False))


def _check_dialects(names: Sequence[str]) -> None:
    from api.dialects import dialects

    known = [dialect.name for dialect in dialects()]
    if not set(names) <= set(known):
        raise CommandFailed(f"--dialect: there are {', '.join(known)}")


def _ledger_check(settings: Settings, chosen: argparse.Namespace) -> int:
    from activities.ledger_audit import check, trial_balance

    from_on = chosen.from_on or date(2000, 1, 1)
    until_on = chosen.until_on or datetime.now(tz=settings.zone).date() + timedelta(days=1)
    if until_on <= from_on:
        raise CommandFailed("--until is the day after the last one: it must come after --from")
    with _database(settings) as database, database.transaction() as session:
        findings = check(session)
        if chosen.from_on or chosen.until_on:
            _print_trial_balance(trial_balance(session, from_on=from_on, until_on=until_on), from_on, until_on)
    for finding in findings:
        print(f"{finding.rule}: {finding.subject}: expected {finding.expected_minor}, found {finding.found_minor}")
    print(f"The ledger is {'right' if not findings else 'WRONG'}: {len(findings)} findings.")
    return 1 if findings else 0


def _print_trial_balance(rows: Sequence["TrialBalanceRow"], from_on: date, until_on: date) -> None:
    from models.rules.money import tenge

    print(f"Trial balance from {from_on} until {until_on} (the day after the last one):")
    print(f"{'':4} {'opening':>24} {'debit':>24} {'credit':>24} {'closing':>24}")
    for row in rows:
        sums = (row.opening_minor, row.debit_minor, row.credit_minor, row.closing_minor)
        if any(sums):
            print(row.code, *(f"{tenge(amount):>24}" for amount in sums), "", row.title)
    totals = [sum(column) for column in zip(*((row.debit_minor, row.credit_minor) for row in rows), strict=True)]
    print(f"{'':4} {'':24}", *(f"{tenge(amount):>24}" for amount in totals))


def _print_invoices(settings: Settings, chosen: argparse.Namespace) -> int:
    from activities.invoice_printing import operator_of
    from models.contracts.billing_run import first_day_of
    from models.contracts.refusals import Refusal
    from workers.invoice_printer import print_month

    if chosen.processes < 1:
        raise CommandFailed("--processes is a number of processes: one at least")
    try:
        period_on = first_day_of(chosen.period)
    except Refusal as refusal:
        raise CommandFailed(refusal.detail) from None
    done = print_month(
        _database_url(settings), operator_of(settings), period_on, chosen.folder, processes=chosen.processes
    )
    print(
        f"{done.invoices} invoices of {chosen.period} in {chosen.folder}: {done.printed} printed, "
        f"{done.there_already} were there already, {done.failed} can't be printed."
    )
    return 1 if done.failed else 0


def _bank_sim(settings: Settings, chosen: argparse.Namespace) -> int:
    from workers.bank_sim import simulate

    return simulate(settings, chosen)


def _demo(settings: Settings, _: argparse.Namespace) -> int:
    from workers.demo import play

    return play(settings)


def _complete(settings: Settings) -> Settings:
    """Settings with both addresses: those that were set, or those of the stack that runs on this machine."""
    missing = [name for name in ("database_url", "temporal_address") if getattr(settings, name) is None]
    if not missing:
        return settings
    from workers.stack import running_stack

    running = running_stack(settings.local_dir) if settings.environment == "local" else None
    if running is None:
        names = " and ".join(name.upper() for name in missing)
        raise CommandFailed(f"set {names}, or start the product on this machine first: `make run`")
    found = {"database_url": SecretStr(running.database_url), "temporal_address": running.temporal_address}
    return settings.model_copy(update={name: found[name] for name in missing})


def _database_url(settings: Settings) -> str:
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    complete = _complete(settings).database_url
    assert complete is not None
    return complete.get_secret_value()


@contextmanager
def _database(settings: Settings) -> Iterator[Database]:
    database = Database(_database_url(settings), pool_size=1)
    try:
        yield database
    finally:
        database.close()


if __name__ == "__main__":
    sys.exit(main())
