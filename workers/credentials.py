"""Tokens of the staff and passwords of the banks. Only their hashes are kept in the database."""

import json
import os
import secrets
from ipaddress import ip_network
from pathlib import Path

from pydantic import BaseModel, ValidationError
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from api.access import secret_digest
from models.contracts.banks import Credential
from models.contracts.people import Role
from models.tables.banks import Bank
from models.tables.people import Staff
from workers import seed_data
from workers.failures import PersonMustAct


class BankCredentials(BaseModel):
    """What a bank sends by HTTP Basic."""

    user: str
    password: str


class Credentials(BaseModel):
    """The content of `.local/credentials.json`: a way in for each role, and for each bank."""

    api_url: str
    staff: dict[str, str]
    banks: dict[str, BankCredentials]


class NobodyThere(PersonMustAct):
    """There is no such login or bank."""


def new_secret() -> str:
    """A secret nobody can guess: 256 random bits."""
    return secrets.token_urlsafe(32)


def issue_token(session: Session, login: str) -> str:
    """A new token for a member of staff; the old one is void.

    Raises:
        NobodyThere: no active member of staff has this login.
    """
    token = new_secret()
    _store_token(session, login, token)
    return token


def issue_password(session: Session, bank: str) -> BankCredentials:
    """A new password for a bank; the old one is void.

    Raises:
        NobodyThere: no active bank has this code.
    """
    user = session.scalar(
        select(Bank.username).where(Bank.code == bank, Bank.active, Bank.credential == Credential.PASSWORD)
    )
    if user is None:
        raise NobodyThere(f"there is no active bank with the code {bank} that is known by a password")
    issued = BankCredentials(user=user, password=new_secret())
    _store_password(session, bank, issued.password)
    return issued


def add_staff(session: Session, login: str, role: Role, full_name: str) -> None:
    """Make a member of staff known; one who is known stays as they are."""
    session.execute(
        insert(Staff)
        .values(login=login, role=role, full_name=full_name)
        .on_conflict_do_nothing(index_elements=["login"])
    )


def add_bank(
    session: Session, code: str, name: str, allowed_networks: list[str], dialects: list[str] | None = None
) -> None:
    """Make a bank known, or give a known one other addresses to call from and, if named, other dialects.

    Raises:
        ValueError: a network is not written as one, such as 203.0.113.0/24.
    """
    networks = [str(ip_network(network)) for network in allowed_networks]
    agreed = {"allowed_networks": networks} | ({"dialects": dialects} if dialects else {})
    session.execute(
        insert(Bank)
        .values(
            code=code,
            name=name,
            username=code,
            password_sha256=secrets.token_bytes(32),
            **agreed,
        )
        .on_conflict_do_update(index_elements=["code"], set_=agreed)
    )


def local_credentials(session: Session, file: Path, api_url: str) -> Credentials:
    """What `file` says, made with fresh secrets when it is missing or unreadable; the database follows it.

    The file is for its owner's eyes only (mode 0600).
    """
    known = _read(file)
    credentials = Credentials(
        api_url=api_url,
        staff={role: (known.staff.get(role) if known else None) or new_secret() for role in Role},
        banks={
            seed_data.BANK_CODE: (known.banks.get(seed_data.BANK_CODE) if known else None)
            or BankCredentials(user=seed_data.BANK_CODE, password=new_secret())
        },
    )
    for role in Role:
        _store_token(session, seed_data.LOGIN_OF_ROLE[role], credentials.staff[role])
    for code, bank in credentials.banks.items():
        _store_password(session, code, bank.password)
    write_privately(file, json.dumps(credentials.model_dump(), indent=2) + "\n")
    return credentials


def _store_token(session: Session, login: str, token: str) -> None:
    changed = session.scalar(
        update(Staff)
        .where(Staff.login == login, Staff.active)
        .values(token_sha256=secret_digest(token))
        .returning(Staff.id)
    )
    if changed is None:
        raise NobodyThere(f"there is no active member of staff with the login {login}")


def _store_password(session: Session, bank: str, password: str) -> None:
    session.execute(update(Bank).where(Bank.code == bank).values(password_sha256=secret_digest(password)))


def _read(file: Path) -> Credentials | None:
    try:
        return Credentials.model_validate_json(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):
        return None


def write_privately(file: Path, content: str) -> None:
    """Write a file whole or not at all, and never readable by others, not even for a moment."""
    fresh = file.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(content)
    fresh.replace(file)
