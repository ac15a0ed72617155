"""Who is paid for and what they owe: what a bank asks before a payment. One statement, which writes nothing.

One statement sees one moment: what it answers is right to the tiyn, whatever is being paid or billed meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy.orm import Session

from models.contracts.bank import CustomerAccount, CustomerInfo
from models.contracts.money import kzt
from models.contracts.refusals import not_found
from models.lookups import Query, ask_in
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
_BY_IIN = f"{_FOUND} WHERE subscriber.iin = %(number)s ORDER BY account.number"
_BY_ACCOUNT_NO = f"{_FOUND} WHERE account.account_no = %(number)s"


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


def by_iin(iin: str) -> Query:
    """Asks for whom an IIN belongs to, and what is due: for `found_customer`."""
    return Query(_BY_IIN, {"number": iin})


def by_account_no(account_no: str) -> Query:
    """Asks for whom an account number belongs to, and what is due on it: for `found_customer`."""
    return Query(_BY_ACCOUNT_NO, {"number": account_no})


def found_customer(rows: Sequence[Any]) -> FoundCustomer:
    """Whom the number belongs to.

    Raises:
        Refusal: nobody with this number is served.
    """
    if not rows:
        raise not_found("customer_unknown", "Nobody with this number is served: ask the payer to check it.")
    return FoundCustomer(
        name_masked=masked_name(rows[0].full_name),
        accounts=[FoundAccount(row.account_no, row.debt_minor, row.lives) for row in rows],
    )


def info_of(iin: str, found: FoundCustomer) -> CustomerInfo:
    """The answer of GetCustomerInfo."""
    return CustomerInfo(
        iin=iin,
        account_no=found.accounts[0].account_no,
        name_masked=found.name_masked,
        debt=kzt(found.debt_minor),
        accounts=[
            CustomerAccount(account_no=account.account_no, debt=kzt(account.debt_minor)) for account in found.accounts
        ],
    )


def customer_info(session: Session, iin: str) -> CustomerInfo:
    """Answer of GetCustomerInfo: the accounts of a person and what is due on them. Writes nothing.

    Raises:
        Refusal: nobody with this IIN is served.
    """
    return info_of(iin, found_customer(ask_in(session, by_iin(iin))))
