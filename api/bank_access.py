"""Which bank calls: known by what it presents, and let in from its own networks alone."""

import ipaddress
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any
from urllib.parse import parse_qs
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from api.access import client_address, secret_digest
from api.context import Ctx
from api.problems import Unauthenticated
from models.contracts.banks import PayeeNumber, ShownField
from models.contracts.refusals import forbidden

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
_BY_USER = text(f"{_COLUMNS} WHERE username = :user AND credential = 'password' AND active")
_BY_SECRET = text(f"{_COLUMNS} WHERE password_sha256 = :digest AND credential = 'secret' AND active")
_BY_ADDRESS = text(
    f"{_COLUMNS} WHERE credential = 'address' AND active "
    "AND CAST(:address AS inet) <<= ANY (CAST(allowed_networks AS inet[]))"
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
    address = _address(request)
    if credentials is not None:
        row = _by_password(session, credentials)
    else:
        secret = _presented_secret(request)
        row = _by_address(session, address) if secret is None else _by_secret(session, secret)
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


def _by_password(session: Session, credentials: HTTPBasicCredentials) -> Row[Any]:
    # The database can't compare with NUL, and no user has one.
    user = credentials.username.replace("\0", "\N{REPLACEMENT CHARACTER}")
    row = session.execute(_BY_USER, {"user": user}).one_or_none()
    expected = bytes(row.password_sha256) if row is not None else bytes(32)
    if not secrets.compare_digest(expected, secret_digest(credentials.password)) or row is None:
        raise Unauthenticated("Basic", "User or password of the bank is wrong.")
    return row


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


def _by_secret(session: Session, secret: str) -> Row[Any]:
    # Digests are compared, so the time that the index needs tells nothing about the secret.
    digest = secret_digest(secret[:_LONGEST_SECRET])
    row = session.execute(_BY_SECRET, {"digest": digest}).one_or_none()
    if row is None:
        raise Unauthenticated("Basic", "No bank has this secret.")
    return row


def _by_address(session: Session, address: str) -> Row[Any]:
    parsed = _parsed(address)
    rows = [] if parsed is None else session.execute(_BY_ADDRESS, {"address": str(parsed)}).all()
    if len(rows) != 1:
        # More than one would be a guess.
        raise Unauthenticated("Basic", "Send the bank's user and password by HTTP Basic.")
    return rows[0]


def _address(request: Request) -> str:
    return client_address(request, request.app.state.context.settings.trusted_proxies)


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

    def __call__(self, request: Request, ctx: Ctx, credentials: Basic) -> BankCaller:
        """Find out which bank calls; refuses as `admitted` does."""
        with ctx.database.reading() as session:
            return admitted(session, request, credentials, self.dialect)


BankAccess = Annotated[BankCaller, Depends(BankWith())]
"""The bank that calls, whichever dialect it speaks."""
