"""Personal accounts: how their payments are allocated, and who decided that."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from models.contracts.payments import AccountChangeView, AccountView, AllocationRuleChange
from models.contracts.refusals import not_found
from models.tables.people import Account, AccountChange


def view(session: Session, account_no: str) -> AccountView:
    """An account with the trail of its changes.

    Raises:
        Refusal: there is no such account.
    """
    account = _get(session, account_no)
    changes = session.scalars(
        select(AccountChange).where(AccountChange.account_id == account.id).order_by(AccountChange.id.desc())
    )
    return AccountView(
        account_no=account.account_no,
        subscriber_id=account.subscriber_id,
        allocation_rule=account.allocation_rule,
        changes=[
            AccountChangeView(
                changed=change.changed, reason=change.reason, changed_by=change.changed_by, changed_at=change.changed_at
            )
            for change in changes
        ],
    )


def change_rule(session: Session, account_no: str, change: AllocationRuleChange, *, at: datetime, actor: str) -> None:
    """Let payments cover the account's invoices by another rule from now on. The same rule again changes nothing.

    What is allocated already stays as it is.

    Raises:
        Refusal: there is no such account.
    """
    account = _get(session, account_no, lock=True)
    if account.allocation_rule is change.allocation_rule:
        return
    session.add(
        AccountChange(
            account_id=account.id, changed={"allocation_rule": [account.allocation_rule, change.allocation_rule]},
            reason=change.reason, changed_by=actor, changed_at=at,
        )
    )  # fmt: skip
    account.allocation_rule = change.allocation_rule
    session.flush()


def _get(session: Session, account_no: str, *, lock: bool = False) -> Account:
    statement = select(Account).where(Account.account_no == account_no)
    if lock:
        statement = statement.with_for_update(key_share=True)
    account = session.scalar(statement)
    if account is None:
        raise not_found("account_unknown", "There is no account of this number: check its last digit.")
    return account
