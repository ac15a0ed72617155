"""Who may do what: a role for every route, checked before anything else is looked at."""

import hashlib
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy import select

from api.context import Ctx
from api.problems import Unauthenticated
from models.contracts.people import Language, Role
from models.contracts.processes import staff_actor
from models.contracts.refusals import forbidden
from models.tables.people import Staff

_bearer = HTTPBearer(auto_error=False, description="A staff member's token")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
EVERYBODY = frozenset(Role)


def secret_digest(secret: str) -> bytes:
    """How tokens and passwords are kept. They are long and random, so one round of SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).digest()


@dataclass(frozen=True)
class StaffCaller:
    """A person of the operator who makes a request."""

    id: UUID
    role: Role
    language: Language
    source: str
    """Where the request came from, for the trail."""

    @property
    def actor(self) -> str:
        """Their name in histories and trails."""
        return staff_actor(self.id)


def client_address(request: Request, trusted_proxies: list[str]) -> str:
    """The address of the caller: the last hop that isn't one of our own proxies.

    The first entry of X-Forwarded-For is whatever the caller likes to claim, so the list is read from its end.
    """
    address = request.client.host if request.client else ""
    hops = [hop.strip() for hop in ",".join(request.headers.getlist("x-forwarded-for")).split(",") if hop.strip()]
    while address in trusted_proxies and hops:
        address = hops.pop()
    return address


class StaffWith:
    """A dependency: a staff member who has one of `roles`. The admin may do everything."""

    def __init__(self, roles: frozenset[Role]) -> None:
        self.roles = roles | {Role.ADMIN}

    def __call__(
        self,
        request: Request,
        ctx: Ctx,
        credentials: Bearer,
    ) -> StaffCaller:
        """Find out who calls.

        Raises:
            Unauthenticated: no token, or one that nobody has.
            Refusal: their role is not among `roles`.
        """
        if credentials is None:
            raise Unauthenticated("Bearer", "Send your token: Authorization: Bearer ….")
        with ctx.database.transaction() as session:
            digest = secret_digest(credentials.credentials)
            found = session.execute(
                select(Staff.id, Staff.role, Staff.language).where(Staff.token_sha256 == digest, Staff.active)
            ).one_or_none()
        if found is None:
            raise Unauthenticated("Bearer", "This token is not valid: ask an administrator for a new one.")
        if found.role not in self.roles:
            allowed = ", ".join(sorted(self.roles))
            raise forbidden("role_not_allowed", f"Your role is {found.role}; this needs one of: {allowed}.")
        request.state.actor = staff_actor(found.id)
        source = f"api {client_address(request, ctx.settings.trusted_proxies)}"
        return StaffCaller(found.id, found.role, found.language, source)


def staff(*roles: Role) -> StaffWith:
    """`Depends(staff(Role.OPERATOR))`; without roles every member of the staff."""
    return StaffWith(frozenset(roles) or EVERYBODY)
