"""Who is paid for and what they owe: what a bank asks before a payment. One statement, which writes nothing.

One statement sees one moment: what it answers is right to the tiyn, whatever is being paid or billed meanwhile.
"""

from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.contracts.bank import CustomerAccount, CustomerInfo
from models.contracts.money import kzt
from models.contracts.refusals import not_found
from models.rules.names import masked_name

_FOUND = """
    SELECT account.account_no, subscriber.full_name, greatest(coalesce(owed.balance_minor, 0), 0) AS debt_minor,
           coalesce(served.lives, true) AS lives
    FROM account
    JOIN subscriber ON subscriber.id = account.subscriber_id
    LEFT JOIN ledger_balance AS owed ON owed.account_id = account.id AND owed.chart_code = '1210'
    CROSS JOIN LATERAL (
        SELECT bool_or(status IN ('pending', 'active', 'suspended')) AS lives
        FROM subscription WHERE subscription.account_id = account.id
    ) AS served
"""
_BY_IIN = text(f"{_FOUND} WHERE subscriber.iin = :number ORDER BY account.number")
_BY_ACCOUNT_NO = text(f"{_FOUND} WHERE account.account_no = :number")


class FoundAccount(NamedTuple):
    """An account, what is due on it in tiyn, and whether it serves or is to serve somebody."""

    account_no: str
    debt_minor: int
    lives: bool


@dataclass(frozen=True)
class FoundCustomer:
    """A person, by the number that a payer typed in."""

    name_masked: str
    """Enough for the payer to recognise a person, too little to learn one."""
    accounts: list[FoundAccount]
    """All of theirs for an IIN, the oldest first; the one that was named for an account number."""

    @property
    def debt_minor(self) -> int:
        """What is due on all of them, in tiyn."""
        return sum(account.debt_minor for account in self.accounts)

    @property
    def is_active(self) -> bool:
        """Whether there is anything to pay for: a debt, a service that has not ended, or none yet."""
        return any(account.lives or account.debt_minor > 0 for account in self.accounts)


def find_customer(session: Session, *, iin: str | None = None, account_no: str | None = None) -> FoundCustomer:
    """Whom an IIN or an account number belongs to, and what is due. Writes nothing.

    Raises:
        Refusal: nobody with this number is served.
    """
    statement, number = (_BY_ACCOUNT_NO, account_no) if iin is None else (_BY_IIN, iin)
    rows = session.execute(statement, {"number": number}).all()
    if not rows:
        raise not_found("customer_unknown", "Nobody with this number is served: ask the payer to check it.")
    return FoundCustomer(
        name_masked=masked_name(rows[0].full_name),
        accounts=[FoundAccount(row.account_no, row.debt_minor, row.lives) for row in rows],
    )


def customer_info(session: Session, iin: str) -> CustomerInfo:
    """Answer of GetCustomerInfo: the accounts of a person and what is due on them. Writes nothing.

    Raises:
        Refusal: nobody with this IIN is served.
    """
    found = find_customer(session, iin=iin)
    return CustomerInfo(
        iin=iin,
        account_no=found.accounts[0].account_no,
        name_masked=found.name_masked,
        debt=kzt(found.debt_minor),
        accounts=[
            CustomerAccount(account_no=account.account_no, debt=kzt(account.debt_minor)) for account in found.accounts
        ],
    )
