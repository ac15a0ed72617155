"""What was agreed with each bank about registries and settlement: versions, of which the newest is in force."""

from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from models.contracts.reconciliation import ReconciliationTerms
from models.tables.banks import Bank
from models.tables.reconciliation import BankTerms


def newest(session: Session, bank_id: UUID) -> BankTerms | None:
    """The version in force."""
    return session.scalar(
        select(BankTerms).where(BankTerms.bank_id == bank_id).order_by(BankTerms.version.desc()).limit(1)
    )


def terms_of(session: Session, bank_id: UUID) -> ReconciliationTerms | None:
    """What is agreed now; None where nothing is, and the bank's days are not opened by themselves."""
    agreed = newest(session, bank_id)
    return None if agreed is None else ReconciliationTerms.model_validate(agreed.body)


def set_terms(session: Session, bank_id: UUID, terms: ReconciliationTerms, *, actor: str) -> BankTerms:
    """Agree on something else from now on; the same again is no new version."""
    session.execute(select(Bank.id).where(Bank.id == bank_id).with_for_update(key_share=True)).scalar_one()
    before, body = newest(session, bank_id), terms.model_dump(mode="json")
    if before is not None and before.body == body:
        return before
    version = 1 if before is None else before.version + 1
    agreed = BankTerms(bank_id=bank_id, version=version, body=body, created_by=actor)
    session.add(agreed)
    session.flush()
    session.refresh(agreed)
    return agreed


def newest_terms(session: Session) -> dict[UUID, ReconciliationTerms]:
    """What is agreed now with each active bank."""
    latest = (
        select(BankTerms.bank_id, func.max(BankTerms.version).label("version")).group_by(BankTerms.bank_id).subquery()
    )
    rows = session.execute(
        select(BankTerms.bank_id, BankTerms.body)
        .join(latest, (latest.c.bank_id == BankTerms.bank_id) & (latest.c.version == BankTerms.version))
        .join(Bank, (Bank.id == BankTerms.bank_id) & Bank.active)
        .order_by(Bank.code)
    )
    return {bank_id: ReconciliationTerms.model_validate(body) for bank_id, body in rows}
