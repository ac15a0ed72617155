"""Subscribers by the thousand below one node of the network, by a few INSERT … SELECT: each with a service."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

PER_BUILDING: Final = 100
_FIRST_PHONE: Final = 7_010_000_000
_TOWN: Final = (
    """
    INSERT INTO tariff (code, title, charging, connection_fee_minor, first_period_upfront, network_profile)
    VALUES ('cut-100', 'Домашний 100', 'advance', 0, false, '100M')
    """,
    """
    INSERT INTO tariff_price (tariff_id, valid, fee_minor)
    SELECT id, daterange(current_date - 3000, NULL), 650000 FROM tariff WHERE code = 'cut-100'
    """,
    "INSERT INTO network_node (code, name, kind) VALUES ('cut-site', 'Узел', 'site')",
    """
    CREATE TEMP TABLE affected ON COMMIT DROP AS
    SELECT place, lpad(place::text, 12, '0') AS iin, place / :per_building AS building, uuidv7() AS subscriber_id,
           uuidv7() AS account_id, uuidv7() AS premises_id, uuidv7() AS service_id
    FROM generate_series(0, CAST(:number AS bigint) - 1) AS place
    """,
    """
    INSERT INTO network_node (code, name, kind, parent_id)
    SELECT DISTINCT 'cut-building-' || building, 'Дом', 'building',
           (SELECT id FROM network_node WHERE code = 'cut-site') FROM affected
    """,
    """
    INSERT INTO premises (id, address, node_id)
    SELECT premises_id, 'ул. Сатпаева, ' || place, node.id
    FROM affected JOIN network_node AS node ON node.code = 'cut-building-' || building ORDER BY place
    """,
    """
    INSERT INTO subscriber (id, iin, full_name, phone, language, premises_id)
    SELECT subscriber_id, iin, 'Сейткали Арман Болатович', '+7' || :first_phone + place,
           ('{ru,kk,en}'::text[])[1 + place % 3], premises_id
    FROM affected ORDER BY place
    """,
    """
    INSERT INTO account (id, account_no, subscriber_id, opened_on)
    SELECT account_id, '9' || lpad(place::text, 9, '0'), subscriber_id, current_date - 300 FROM affected ORDER BY place
    """,
    """
    INSERT INTO subscription (id, account_id, premises_id, tariff_id, status, active_from)
    SELECT service_id, account_id, premises_id, tariff.id, 'active', current_date - 300
    FROM affected CROSS JOIN tariff WHERE tariff.code = 'cut-100' ORDER BY place
    """,
    """
    INSERT INTO service_period (subscription_id, during, tariff_id)
    SELECT service_id, daterange(current_date - 300, NULL), tariff.id
    FROM affected CROSS JOIN tariff WHERE tariff.code = 'cut-100'
    """,
    """
    INSERT INTO network_port (node_id, port_no, state, subscription_id, profile)
    SELECT node.id, place, 'active', service_id, '100M'
    FROM affected JOIN network_node AS node ON node.code = 'cut-building-' || building
    """,
)


_CLOSE_SOON: Final = """
    INSERT INTO policy (code, version, body, created_by)
    SELECT 'outage', coalesce(max(version), 0) + 1, '{"receipts_within": "PT1S"}', 'benchmark' FROM policy
    WHERE code = 'outage'
"""
"""This server sends no receipts: the process need not wait five minutes for them."""


def furnish(session: Session, number: int) -> UUID:
    """So many subscribers; answers the node that all of them hang below. Reference data must be there."""
    facts = {"number": number, "per_building": PER_BUILDING, "first_phone": _FIRST_PHONE}
    for statement in _TOWN:
        session.execute(text(statement), {name: fact for name, fact in facts.items() if f":{name}" in statement})
    session.execute(text(_CLOSE_SOON))
    return UUID(str(session.execute(text("SELECT id FROM network_node WHERE code = 'cut-site'")).scalar_one()))
