"""What every request can reach: settings, the database, the workflow engine. Wired by `create_app`."""

from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request

from api.engine import Engine
from models.database import Database
from settings import Settings


@dataclass(frozen=True)
class Context:
    """The parts that the API stands on."""

    settings: Settings
    database: Database
    engine: Engine


async def _context(request: Request) -> Context:
    # Not a plain function, which FastAPI would call in a thread, for each request.
    return cast(Context, request.app.state.context)


Ctx = Annotated[Context, Depends(_context)]
