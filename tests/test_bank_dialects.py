"""A new dialect is one file: found by itself, agreed with a bank by its name, and answering in its own words."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import dialects as package
from models.contracts.people import Role
from models.database import Database
from tests import bank_world, factories
from tests.bank_world import owing

MORSE = '''
"""A dialect of one word: how much is owed."""

from fastapi import APIRouter, Request, Response

from activities.customer_lookup import found_customer
from api.bank_access import Basic, admitted_to_ask
from api.bank_requests import Parameters, payee_of
from api.context import Ctx
from api.problems import Problem

router = APIRouter(prefix="/bank/morse", tags=["bank"])


@router.get("")
async def morse(request: Request, ctx: Ctx, credentials: Basic) -> Response:
    """What is owed."""
    async with ctx.database.lookups.asking() as ask:
        bank = await admitted_to_ask(ask, request, credentials, "morse")
        found = found_customer(await ask(payee_of(Parameters(request.scope["query_string"]), bank).query))
    return Response(f"owes {found.debt_minor}")


def refused(request: Request, problem: Problem) -> Response:
    """Whatever went wrong."""
    return Response(f"... --- ... {problem.type}", 202)
'''


@pytest.fixture
def morse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package of the dialects, as if one more file lay in it."""
    (tmp_path / "morse.py").write_text(MORSE)
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    package.dialects.cache_clear()
    yield
    package.dialects.cache_clear()
    sys.modules.pop(f"{package.__name__}.morse", None)
    del package.morse  # type: ignore[attr-defined]  # the import has put it there


def test_the_dialects_are_the_modules_of_the_package() -> None:
    found = {dialect.name: dialect.router.prefix for dialect in package.dialects()}
    assert found == {"json_v1": "/bank/v1", "kaspi": "/bank/kaspi", "osmp": "/bank/osmp"}


@pytest.mark.usefixtures("morse")
def test_a_new_dialect_is_one_file(database: Database) -> None:
    client = bank_world.app_client(database)
    customer = owing(database, 500_000)
    with database.transaction() as session:
        admin = factories.staff(session, Role.ADMIN)
    new = {"code": factories.unique("b"), "name": "Морзе", "allowed_networks": ["127.0.0.0/8"], "dialects": ["morse"]}
    bank = client.post("/v1/banks", json=new, headers=admin.headers).json()
    auth = (bank["user"], bank["secret"])
    path = f"/bank/morse?account={customer.account.account_no}"
    assert client.get(path, auth=auth).text == "owes 500000"
    for wrong, said in (
        (client.get("/bank/morse?account=1", auth=auth), "customer_unknown"),
        (client.get(path), "not_authenticated"),
        (client.post(path, auth=auth), "method_not_allowed"),
        (client.get("/bank/morse/x", auth=auth), "not_found"),
        (client.get(path, auth=auth, content=b"x" * 2_000_000), "body_too_large"),
    ):
        assert (wrong.status_code, wrong.text) == (202, f"... --- ... {said}")
    assert client.get("/bank/morsel").headers["content-type"] == "application/problem+json", "another path"
