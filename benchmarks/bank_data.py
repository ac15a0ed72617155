"""Subscribers who owe something, by a few INSERT … SELECT: each has one invoice that a bank's payments cover in part.

Account numbers and IINs follow from a running number by an addition, which is all that pgbench can do.
"""

from datetime import date
from typing import Final

from sqlalchemy import text
from sqlalchemy.orm import Session

FIRST_ACCOUNT_NO: Final = 9_000_000_000
FIRST_IIN: Final = 700_000_000_000
INVOICED_MINOR: Final = 1_160_000
"""1 600 ₸ of it VAT. Payments of a benchmark are small, so that it is never paid off."""

_STATEMENTS: Final = (
    """
    INSERT INTO subscriber (iin, full_name, phone, language)
    SELECT (:first_iin + place)::text, 'Сейткали Арман Болатович', '+7' || 7010000000 + place, 'ru'
    FROM generate_series(1, :subscribers) AS place
    """,
    """
    INSERT INTO account (account_no, subscriber_id, opened_on)
    SELECT (:first_account_no - :first_iin + iin::bigint)::text, id, :on FROM subscriber
    WHERE iin::bigint > :first_iin AND iin::bigint <= :first_iin + :subscribers ORDER BY iin
    """,
    """
    INSERT INTO invoice (number, kind, account_id, period_on, issued_on, due_on, net_minor, vat_minor, total_minor)
    SELECT 'bank-' || account_no, 'recurring', id, date_trunc('month', CAST(:on AS date)), :on, :on, 1000000, 160000,
           :invoiced_minor
    FROM account WHERE length(account_no) = 10 AND account_no::bigint > :first_account_no ORDER BY number
    """,
    """
    INSERT INTO invoice_line (invoice_id, line_no, description, formula, quantity, unit_minor, vat_rate_bp, net_minor,
                              vat_minor, total_minor)
    SELECT id, 1, 'Домашний 100', '11 600,00 ₸', 1, 1160000, 1600, net_minor, vat_minor, total_minor
    FROM invoice WHERE number LIKE 'bank-%'
    """,
    """
    INSERT INTO transfer (key, debit, credit, amount_minor, account_id, document_kind, document_id, reason,
                          effective_on)
    SELECT 'invoice/' || id || '/' || credit, '1210', credit, amount_minor, account_id, 'invoice', id, number, :on
    FROM invoice CROSS JOIN LATERAL (VALUES ('6010', net_minor), ('3130', vat_minor)) AS side (credit, amount_minor)
    WHERE number LIKE 'bank-%'
    """,
)


def account_no(number: int) -> str:
    """The account of the subscriber with this running number, from 1 on."""
    return str(FIRST_ACCOUNT_NO + number)


def iin(number: int) -> str:
    """Whom the subscriber with this running number is known by."""
    return str(FIRST_IIN + number)


def furnish_debtors(session: Session, subscribers: int, *, on: date) -> None:
    """So many subscribers with an invoice each; reference data must be there."""
    facts = {
        "subscribers": subscribers, "on": on, "first_account_no": FIRST_ACCOUNT_NO, "first_iin": FIRST_IIN,
        "invoiced_minor": INVOICED_MINOR,
    }  # fmt: skip
    for statement in _STATEMENTS:
        session.execute(text(statement), facts)
