"""Debtors by the thousand for dunning, by a few INSERT … SELECT: each with a service and an invoice that is due."""

import json
from datetime import date
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.contracts.dunning_policy import DunningPolicy

AMOUNT_MINOR: Final = 650_000
_PLACES: Final = (
    """
    INSERT INTO tariff (code, title, charging, connection_fee_minor, first_period_upfront, network_profile)
    VALUES ('dunned-100', 'Домашний 100', 'advance', 0, false, '100M')
    """,
    "INSERT INTO network_node (code, name, kind) VALUES ('dunned-node', 'Узел', 'building')",
    "INSERT INTO premises (address, node_id) SELECT 'ул. Сатпаева, 1', id FROM network_node WHERE code = 'dunned-node'",
)
_DEBTORS: Final = (
    """
    CREATE TEMP TABLE debtor ON COMMIT DROP AS
    SELECT place, lpad(place::text, 12, '0') AS iin
    FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) AS place
    """,
    """
    INSERT INTO subscriber (iin, full_name, phone, language)
    SELECT iin, 'Сейткали Арман Болатович', '+7' || 7010000000 + place, ('{ru,kk,en}'::text[])[1 + place % 3]
    FROM debtor ORDER BY place
    """,
    """
    INSERT INTO account (account_no, subscriber_id, opened_on)
    SELECT '9' || lpad(place::text, 9, '0'), subscriber.id, :due_on - 300
    FROM debtor JOIN subscriber USING (iin) ORDER BY place
    """,
    """
    CREATE TEMP TABLE owing ON COMMIT DROP AS
    SELECT account.id AS account_id, place, uuidv7() AS service_id, uuidv7() AS invoice_id
    FROM debtor JOIN subscriber USING (iin) JOIN account ON account.subscriber_id = subscriber.id
    """,
    """
    INSERT INTO subscription (id, account_id, premises_id, tariff_id, status, active_from)
    SELECT service_id, account_id, (SELECT id FROM premises WHERE address = 'ул. Сатпаева, 1'),
           (SELECT id FROM tariff WHERE code = 'dunned-100'), 'active', :due_on - 300
    FROM owing
    """,
    """
    INSERT INTO service_period (subscription_id, during, tariff_id)
    SELECT service_id, daterange(:due_on - 300, NULL), (SELECT id FROM tariff WHERE code = 'dunned-100') FROM owing
    """,
    """
    INSERT INTO network_port (node_id, port_no, state, subscription_id, profile)
    SELECT (SELECT id FROM network_node WHERE code = 'dunned-node'), place, 'active', service_id, '100M' FROM owing
    """,
    """
    INSERT INTO invoice (id, number, kind, account_id, period_on, issued_on, due_on, net_minor, vat_minor, total_minor)
    SELECT invoice_id, 'Д-' || place, 'recurring', account_id, date_trunc('month', :due_on)::date, :due_on - 10,
           :due_on, :amount_minor, 0, :amount_minor
    FROM owing ORDER BY place
    """,
    """
    INSERT INTO transfer (key, debit, credit, amount_minor, account_id, document_kind, document_id, reason,
                          effective_on)
    SELECT 'invoice/' || invoice_id || '/net', '1210', '6010', :amount_minor, account_id, 'invoice', invoice_id, 'счёт',
           :due_on - 10
    FROM owing ORDER BY place
    """,
)


def furnish(session: Session) -> None:
    """Where all of them live; reference data must be there."""
    for statement in _PLACES:
        session.execute(text(statement))


def add_debtors(session: Session, *, first: int, number: int, due_on: date) -> None:
    """So many more subscribers, each with a service and one unpaid invoice."""
    facts = {"first": first, "last": first + number - 1, "due_on": due_on, "amount_minor": AMOUNT_MINOR}
    for statement in _DEBTORS:
        dated = text(statement.replace(":due_on", "CAST(:due_on AS date)"))
        session.execute(dated, {name: value for name, value in facts.items() if f":{name}" in statement})


def save_policy(session: Session, **changes: Any) -> None:
    """A version of the policy, for episodes that are opened from now on."""
    body = DunningPolicy.model_validate({**DunningPolicy().model_dump(mode="json"), **changes})
    session.execute(
        text(
            "INSERT INTO policy (code, version, body, created_by) SELECT 'dunning', coalesce(max(version), 0) + 1, "
            "CAST(:body AS jsonb), 'benchmark' FROM policy WHERE code = 'dunning'"
        ),
        {"body": json.dumps(body.model_dump(mode="json"))},
    )


IN_SECONDS: Final[dict[str, Any]] = {
    "quiet_hours": {"begins_at": "00:00", "ends_at": "00:00", "talk_on_days_off": True},
    "cuts": {"begins_at": "00:00", "ends_at": "00:00", "on_days_off": True},
    "pace": "PT2S",
    "fair_notice": "PT2S",
}
"""A ladder whose late steps follow each other within seconds, at any time of any day."""
