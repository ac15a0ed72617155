"""What was agreed with each bank about registries and settlement: versions, of which the newest is in force."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.contracts.reconciliation import ReconciliationTerms
from models.contracts.refusals import not_found
from models.tables.banks import Bank
from models.tables.reconciliation import BankTerms


def get_bank(session: Session, bank_id: UUID) -> Bank:
    """The bank.

    Raises:
        Refusal: there is none with this id.
    """
    bank = session.get(Bank, bank_id)
    if bank is None:
        raise not_found("bank_unknown", "There is no such bank: take its id from GET /v1/banks.")
    return bank


def bank_of_code(session: Session, code: str) -> Bank:
    """The bank of this code.

    Raises:
        Refusal: there is none.
    """
    bank = session.scalar(select(Bank).where(Bank.code == code))
    if bank is None:
        raise not_found("bank_unknown", "There is no bank of this code: see GET /v1/banks.")
    return bank


def terms_of(session: Session, bank_id: UUID) -> ReconciliationTerms | None:
    """What is agreed now; None where nothing is, and the bank's days are not opened by themselves."""
    newest = _newest(session, bank_id)
    return None if newest is None else ReconciliationTerms.model_validate(newest.body)


def set_terms(session: Session, bank_id: UUID, terms: ReconciliationTerms, *, actor: str) -> BankTerms:
    """Agree on something else from now on; the same again is no new version."""
    session.execute(select(Bank.id).where(Bank.id == bank_id).with_for_update(key_share=True)).scalar_one()
    newest, body = _newest(session, bank_id), terms.model_dump(mode="json")
    if newest is not None and newest.body == body:
        return newest
    version = 1 if newest is None else newest.version + 1
    agreed = BankTerms(bank_id=bank_id, version=version, body=body, created_by=actor)
    session.add(agreed)
    session.flush()
    session.refresh(agreed)
    return agreed


def newest_terms(session: Session) -> dict[UUID, ReconciliationTerms]:
    """What is agreed now with each active bank."""
    newest = (
        select(BankTerms.bank_id, func.max(BankTerms.version).label("version")).group_by(BankTerms.bank_id).subquery()
    )
    rows = session.execute(
        select(BankTerms.bank_id, BankTerms.body)
        .join(newest, (newest.c.bank_id == BankTerms.bank_id) & (newest.c.version == BankTerms.version))
        .join(Bank, (Bank.id == BankTerms.bank_id) & Bank.active)
        .order_by(Bank.code)
    )
    return {bank_id: ReconciliationTerms.model_validate(body) for bank_id, body in rows}


def _newest(session: Session, bank_id: UUID) -> BankTerms | None:
    return session.scalar(
        select(BankTerms).where(BankTerms.bank_id == bank_id).order_by(BankTerms.version.desc()).limit(1)
    )
