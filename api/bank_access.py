"""Which bank calls: known by what it presents, and let in from its own networks alone."""

import ipaddress
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from sqlalchemy.orm import Session

from api.access import client_address, secret_digest
from api.context import Ctx
from api.problems import Unauthenticated
from models.contracts.banks import PayeeNumber, ShownField
from models.contracts.refusals import forbidden
from models.lookups import Ask, Query, ask_in

basic = HTTPBasic(auto_error=False, description="A bank's user and password")
Basic = Annotated[HTTPBasicCredentials | None, Depends(basic)]
SECRET_HEADER = "x-bank-secret"  # noqa: S105 - its name
SECRET_PARAMETER = "secret"  # noqa: S105 - its name
_LONGEST_SECRET = 200

_COLUMNS = """
    SELECT id, code, dialects, allowed_networks, password_sha256, payee_number, payee_parameter, receipt_field,
           shown_fields, min_amount_minor, max_amount_minor, takes_advances
    FROM bank
"""
# Each is one look-up by a unique index; the banks that are known by their networks alone are a handful of rows.
_BY_USER = f"{_COLUMNS} WHERE username = %(user)s AND credential = 'password' AND active"
_BY_SECRET = f"{_COLUMNS} WHERE password_sha256 = %(digest)s AND credential = 'secret' AND active"
_BY_ADDRESS = (
    f"{_COLUMNS} WHERE credential = 'address' AND active "
    "AND CAST(%(address)s AS inet) <<= ANY (CAST(allowed_networks AS inet[]))"
)


@dataclass(frozen=True, slots=True)
class BankCaller:
    """A bank that makes a request, and what is agreed with it (`models.contracts.banks.BankSettings`)."""

    id: UUID
    code: str
    payee_number: PayeeNumber
    payee_parameter: str | None
    receipt_field: str | None
    shown_fields: list[ShownField] | None
    min_amount_minor: int | None
    max_amount_minor: int | None
    takes_advances: bool

    @property
    def actor(self) -> str:
        """Its name in histories and trails."""
        return f"bank:{self.code}"


def admitted(
    session: Session, request: Request, credentials: HTTPBasicCredentials | None, dialect: str | None
) -> BankCaller:
    """The bank that makes this request, by one statement; without a `dialect` whichever it speaks.

    Raises:
        Unauthenticated: no bank is known by what was presented.
        Refusal: it calls from elsewhere than its networks, or may not speak this dialect.
    """
    claim = _claim_of(request, credentials)
    return _admit(request, claim, ask_in(session, claim.query), dialect)


async def admitted_to_ask(
    ask: Ask, request: Request, credentials: HTTPBasicCredentials | None, dialect: str | None
) -> BankCaller:
    """As `admitted`, for look-ups on the event loop."""
    claim = _claim_of(request, credentials)
    return _admit(request, claim, await ask(claim.query), dialect)


@dataclass(frozen=True, slots=True)
class _Claim:
    """Who a caller claims to be: how to find the bank, and what then has to be right."""

    query: Query
    refusal: str
    """What a caller is told whose claim is wrong."""
    password: str | None = None

    def is_right(self, rows: Sequence[Any]) -> bool:
        """Whether the rows are the one bank that it can be: of several, one would be a guess."""
        is_known = len(rows) == 1
        if self.password is None:
            return is_known
        # It takes as long for a user whom nobody has.
        expected = bytes(rows[0].password_sha256) if is_known else bytes(32)
        return secrets.compare_digest(expected, secret_digest(self.password)) and is_known


def _claim_of(request: Request, credentials: HTTPBasicCredentials | None) -> _Claim:
    if credentials is not None:
        # The database can't compare with NUL, and no user has one.
        user = credentials.username.replace("\0", "\N{REPLACEMENT CHARACTER}")
        refusal = "User or password of the bank is wrong."
        return _Claim(Query(_BY_USER, {"user": user}), refusal, credentials.password)
    secret = _presented_secret(request)
    if secret is not None:
        # Digests are compared, so the time that the index needs tells nothing about the secret.
        digest = secret_digest(secret[:_LONGEST_SECRET])
        return _Claim(Query(_BY_SECRET, {"digest": digest}), "No bank has this secret.")
    parsed = _parsed(_address(request))
    address = None if parsed is None else str(parsed)
    return _Claim(Query(_BY_ADDRESS, {"address": address}), "Send the bank's user and password by HTTP Basic.")


def _admit(request: Request, claim: _Claim, rows: Sequence[Any], dialect: str | None) -> BankCaller:
    if not claim.is_right(rows):
        raise Unauthenticated("Basic", claim.refusal)
    (row,) = rows
    address = _address(request)
    if not _is_within(address, row.allowed_networks):
        raise forbidden("address_not_allowed", f"The address {address} is not on this bank's allow-list.")
    request.state.actor = f"bank:{row.code}"
    if dialect is not None and dialect not in row.dialects:
        raise forbidden("dialect_not_agreed", f"This bank may not speak {dialect}: ask the operator to allow it.")
    return BankCaller(
        id=row.id,
        code=row.code,
        payee_number=PayeeNumber(row.payee_number),
        payee_parameter=row.payee_parameter,
        receipt_field=row.receipt_field,
        shown_fields=_shown_fields(row.shown_fields),
        min_amount_minor=row.min_amount_minor,
        max_amount_minor=row.max_amount_minor,
        takes_advances=row.takes_advances,
    )


def _shown_fields(stored: list[dict[str, Any]] | None) -> list[ShownField] | None:
    return None if stored is None else [ShownField(**field) for field in stored]


def _presented_secret(request: Request) -> str | None:
    header = request.headers.get(SECRET_HEADER)
    if header is not None:
        return header
    query: bytes = request.scope["query_string"]
    if b"secret=" not in query:
        return None
    # What is not text at all can't be a secret; the first of several counts, as nobody may choose among them.
    values = parse_qs(query.decode("latin-1"), errors="replace").get(SECRET_PARAMETER, [""])
    return values[0]


def _address(request: Request) -> str:
    return client_address(request, request.app.state.context.settings.trusted_proxies)


@lru_cache(maxsize=1024)
def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    # A socket for both families shows IPv4 callers as ::ffff:a.b.c.d.
    return getattr(parsed, "ipv4_mapped", None) or parsed


@lru_cache(maxsize=1024)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text, strict=False)


def _is_within(address: str, networks: list[str]) -> bool:
    caller = _parsed(address)
    return caller is not None and any(caller in _network(network) for network in networks)


class BankWith:
    """A dependency: a bank, for endpoints that answer as the rest of the API does."""

    def __init__(self, dialect: str | None = None) -> None:
        self.dialect = dialect

    async def __call__(self, request: Request, ctx: Ctx, credentials: Basic) -> BankCaller:
        """Find out which bank calls; refuses as `admitted` does."""
        async with ctx.database.lookups.asking() as ask:
            return await admitted_to_ask(ask, request, credentials, self.dialect)


BankAccess = Annotated[BankCaller, Depends(BankWith())]
"""The bank that calls, whichever dialect it speaks."""
