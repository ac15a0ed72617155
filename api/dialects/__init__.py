"""The dialects that banks speak: adapters over one payment service.

A new dialect is one module here. It offers

- `router`: its endpoints, under a prefix of their own;
- `refused(request, problem)`, unless it answers as the rest of the API does: its own words for whatever goes wrong
  under its prefix, from wrong credentials to a database that is away. Endpoints raise what everybody raises.

Reading a request: `api.bank_requests`. Knowing the caller: `api.bank_access`. Paying: `activities.payments` within
`activities.payment_conflicts.reporting`. Running in the banks' own threads: `api.threads`. Looking up, on the event
loop and in no thread: `Database.lookups`. The module's name is what the bank's setting `dialects` lists.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.problems import Problem

Refused = Callable[[Request, Problem], Response]


@dataclass(frozen=True)
class Dialect:
    """One way to speak with a bank."""

    name: str
    router: APIRouter
    refused: Refused | None


@cache
def dialects() -> list[Dialect]:
    """All there are, by name."""
    modules = [(found.name, import_module(f"{__name__}.{found.name}")) for found in iter_modules(__path__)]
    return [
        Dialect(name, module.router, getattr(module, "refused", None))
        for name, module in sorted(modules, key=lambda one: one[0])
    ]
