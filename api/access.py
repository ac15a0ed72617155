"""Who may do what: a role for every route, checked before anything else is looked at."""

import hashlib
import ipaddress
import secrets
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer
from sqlalchemy import select

from api.context import Ctx
from api.problems import Unauthenticated
from models.contracts.people import Language, Role
from models.contracts.processes import staff_actor
from models.contracts.refusals import forbidden
from models.tables.people import Bank, Staff

_bearer = HTTPBearer(auto_error=False, description="A staff member's token")
_basic = HTTPBasic(auto_error=False, description="A bank's user and password")
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


@dataclass(frozen=True)
class BankCaller:
    """A bank that makes a request."""

    id: UUID
    code: str


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
        credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
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


class _BankAccess:
    """A dependency: a bank by HTTP Basic, from one of its own addresses."""

    def __call__(
        self,
        request: Request,
        ctx: Ctx,
        credentials: Annotated[HTTPBasicCredentials | None, Depends(_basic)],
    ) -> BankCaller:
        """Find out which bank calls.

        Raises:
            Unauthenticated: no such user, or a wrong password.
            Refusal: the caller's address is not on the bank's allow-list.
        """
        if credentials is None:
            raise Unauthenticated("Basic", "Send the bank's user and password by HTTP Basic.")
        if "\0" in credentials.username:
            raise Unauthenticated("Basic", "User or password of the bank is wrong.")
        with ctx.database.transaction() as session:
            bank = session.scalar(select(Bank).where(Bank.username == credentials.username, Bank.active))
        expected = bank.password_sha256 if bank is not None else bytes(32)
        if not secrets.compare_digest(expected, secret_digest(credentials.password)) or bank is None:
            raise Unauthenticated("Basic", "User or password of the bank is wrong.")
        address = client_address(request, ctx.settings.trusted_proxies)
        if not _is_within(address, bank.allowed_networks):
            raise forbidden("address_not_allowed", f"The address {address} is not on this bank's allow-list.")
        request.state.actor = f"bank:{bank.code}"
        return BankCaller(bank.id, bank.code)


def _is_within(address: str, networks: list[str]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    # A socket for both families shows IPv4 callers as ::ffff:a.b.c.d.
    caller = getattr(parsed, "ipv4_mapped", None) or parsed
    return any(caller in ipaddress.ip_network(network, strict=False) for network in networks)


bank_access = _BankAccess()
BankAccess = Annotated[BankCaller, Depends(bank_access)]
