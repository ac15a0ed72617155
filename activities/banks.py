"""Banks that ask debts and report payments: adding them and changing what is agreed with them."""

import secrets
from ipaddress import ip_network
from typing import Any

from pydantic import ValidationError
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.contracts.banks import BankChange, BankSettings, BankView, Credential, NewBank
from models.contracts.money import Money, PositiveMoney
from models.contracts.refusals import conflict, invalid, not_found
from models.tables.banks import Bank

_DIGEST_BYTES = 32


def add_bank(session: Session, new: NewBank, *, secret_sha256: bytes | None) -> Bank:
    """Make a bank known, with the digest of what it proves itself with if it needs any.

    Raises:
        Refusal: its code is taken, or its networks are another bank's by which that one is known.
    """
    _check_networks(session, new, but=new.code)
    settings = BankSettings.model_validate(new.model_dump(exclude={"code"}))
    bank_id = session.scalar(
        insert(Bank)
        .values(
            code=new.code,
            username=new.code,
            password_sha256=secret_sha256 or _nobodys_digest(),
            **_columns(settings),
        )
        .on_conflict_do_nothing()
        .returning(Bank.id)
    )
    if bank_id is None:
        raise conflict("code_taken", "A bank with this code exists: change it, or choose another code.")
    return session.get_one(Bank, bank_id)


def change_bank(session: Session, code: str, change: BankChange) -> Bank:
    """Change what is agreed. A bank that is to prove itself in another way needs a new secret: the old one is void.

    Raises:
        Refusal: there is no such bank, or what is agreed contradicts itself.
    """
    bank = get_bank(session, code, for_update=True)
    before = settings_of(bank)
    try:
        after = BankSettings.model_validate(before.model_dump() | change.model_dump(exclude_unset=True))
    except ValidationError as failure:
        raise _unsettled(failure) from failure
    _check_networks(session, after, but=code)
    for name, value in _columns(after).items():
        setattr(bank, name, value)
    if after.credential is not before.credential:
        bank.password_sha256 = _nobodys_digest()
    session.flush()
    return bank


def set_secret(session: Session, code: str, secret_sha256: bytes) -> Bank:
    """Let a bank prove itself with another password or secret; the old one is void.

    Raises:
        Refusal: there is no such bank, or it is known by its networks alone.
    """
    bank = get_bank(session, code, for_update=True)
    if bank.credential is Credential.ADDRESS:
        raise conflict("no_secret_agreed", "This bank is known by its networks alone: change its credential first.")
    bank.password_sha256 = secret_sha256
    session.flush()
    return bank


def get_bank(session: Session, code: str, *, for_update: bool = False) -> Bank:
    """A bank by its code.

    Raises:
        Refusal: there is none.
    """
    statement = select(Bank).where(Bank.code == code)
    bank = session.scalar(statement.with_for_update() if for_update else statement)
    if bank is None:
        raise not_found("bank_unknown", "There is no such bank: take its code from GET /v1/banks.")
    return bank


def settings_of(bank: Bank) -> BankSettings:
    """What is agreed with a bank."""
    return BankSettings.model_validate(_settings(bank))


def view(bank: Bank) -> BankView:
    """A bank as staff sees it."""
    return BankView.model_validate({**_settings(bank), "id": bank.id, "code": bank.code, "user": bank.username})


def _settings(bank: Bank) -> dict[str, Any]:
    return {
        "name": bank.name,
        "dialects": bank.dialects,
        "credential": bank.credential,
        "allowed_networks": bank.allowed_networks,
        "payee_number": bank.payee_number,
        "payee_parameter": bank.payee_parameter,
        "receipt_field": bank.receipt_field,
        "shown_fields": bank.shown_fields,
        "smallest": _money(bank.min_amount_minor),
        "biggest": _money(bank.max_amount_minor),
        "takes_advances": bank.takes_advances,
        "bic": bank.bic,
        "bin": bank.bin,
        "iik": bank.iik,
        "active": bank.active,
    }


def _money(amount_minor: int | None) -> Money | None:
    return None if amount_minor is None else PositiveMoney(amount_minor=amount_minor)


def _columns(settings: BankSettings) -> dict[str, Any]:
    columns = settings.model_dump(exclude={"smallest", "biggest", "shown_fields"})
    fields = settings.shown_fields
    return {
        **columns,
        "shown_fields": None if fields is None else [field.model_dump(mode="json") for field in fields],
        "min_amount_minor": settings.smallest.amount_minor if settings.smallest else None,
        "max_amount_minor": settings.biggest.amount_minor if settings.biggest else None,
    }


def _check_networks(session: Session, settings: BankSettings, *, but: str) -> None:
    """A caller that sends nothing must be one bank, and no other."""
    if settings.credential is not Credential.ADDRESS:
        return
    # Two of them at once would not see each other.
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended('banks known by address', 0))"))
    own = [ip_network(network) for network in settings.allowed_networks]
    others = session.scalars(select(Bank).where(Bank.credential == Credential.ADDRESS, Bank.code != but))
    for other in others:
        theirs = [ip_network(network, strict=False) for network in other.allowed_networks]
        if any(mine.version == one.version and mine.overlaps(one) for mine in own for one in theirs):
            raise conflict(
                "networks_overlap",
                f"The bank {other.code} is known by some of these networks: give one of them a password or a secret.",
            )


def _unsettled(failure: ValidationError) -> Exception:
    errors = {".".join(str(part) for part in error["loc"]) or "body": error["msg"] for error in failure.errors()}
    return invalid("invalid_input", "Mend the fields that are named under errors and send it again.", errors)


def _nobodys_digest() -> bytes:
    return secrets.token_bytes(_DIGEST_BYTES)
