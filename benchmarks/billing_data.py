"""Subscribers by the million for billing, by a few INSERT … SELECT: accounts, services, charges, discounts, advances.

The mix is made by the account's number, so the same number of subscribers is the same mix everywhere:

| share | what |
|---|---|
| 40, 25, 15, 15, 5 % | tariffs: three charged ahead, one in arrears with VAT on top, one whose price rose mid-month |
| 10 % | rent of equipment beside the tariff |
| 10 %, 2 % | a discount in percent; a second one, of a fixed sum for a part of the month |
| 3 % | something once |
| 10 % | an advance that covers several months |
| 0.5 % | a tariff without a price: nobody can bill it |
| 0.5 % | no service at all: nothing is due |

`change` is what happens to 7 % of them after their first month was billed, so that the next run has to make it up.
"""

import json
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.contracts.billing_run import BillingPolicy

_TARIFFS: Final = {
    # code: title, charging, vat_mode, fee, fee from the 16th on
    "bulk-100": ("Домашний 100", "advance", "included", 650_000, None),
    "bulk-300": ("Домашний 300", "advance", "included", 990_000, None),
    "bulk-500": ("Домашний 500", "advance", "included", 1_290_000, None),
    "bulk-office": ("Офис", "arrears", "on_top", 2_500_000, None),
    "bulk-tv": ("Домашний ТВ", "advance", "included", 350_000, 390_000),
    "bulk-unpriced": ("Без цены", "advance", "included", None, None),
}
_TARIFF = text("""
    INSERT INTO tariff (code, title, charging, connection_fee_minor, first_period_upfront, network_profile, vat_mode)
    VALUES (:code, :title, :charging, 0, false, '100M', :vat_mode) RETURNING id
""")
_PRICE = text("INSERT INTO tariff_price (tariff_id, valid, fee_minor) VALUES (:tariff_id, :valid, :fee_minor)")

# What is made here refers to what is made here: looking each reference up again would take most of the time.
_UNCHECKED = "SET LOCAL session_replication_role = replica"
_CHECKED = "SET LOCAL session_replication_role = origin"
_SUBSCRIBERS = (
    "INSERT INTO network_node (code, name, kind) VALUES ('bulk-node', 'Узел', 'building')",
    "INSERT INTO premises (address, node_id) SELECT 'ул. Абая, 1', id FROM network_node WHERE code = 'bulk-node'",
    """
    INSERT INTO subscriber (iin, full_name, phone, language)
    SELECT lpad(place::text, 12, '0'), 'Сейткали Арман Болатович', '+7' || 7010000000 + place,
           ('{ru,kk,en}'::text[])[1 + place % 3]
    FROM generate_series(1, :subscribers) AS place
    """,
    """
    INSERT INTO account (account_no, subscriber_id, opened_on)
    SELECT '9' || lpad(iin::bigint::text, 9, '0'), id, :previous_on FROM subscriber WHERE iin < '000100000000'
    ORDER BY iin
    """,
    """
    INSERT INTO subscription (account_id, premises_id, tariff_id, status, active_from)
    SELECT account.id, premises.id, tariff.id, 'active', :previous_on
    FROM account
    JOIN tariff ON tariff.code = CASE WHEN number % 200 = 7 THEN 'bulk-unpriced' WHEN number % 20 < 8 THEN 'bulk-100'
                                      WHEN number % 20 < 13 THEN 'bulk-300' WHEN number % 20 < 16 THEN 'bulk-500'
                                      WHEN number % 20 < 19 THEN 'bulk-office' ELSE 'bulk-tv' END
    JOIN premises ON premises.address = 'ул. Абая, 1'
    WHERE number % 200 <> 8
    ORDER BY number
    """,
    """
    INSERT INTO service_period (subscription_id, during, tariff_id)
    SELECT id, daterange(:previous_on, NULL), tariff_id FROM subscription ORDER BY id
    """,
    """
    INSERT INTO charge (subscription_id, kind, description, amount_minor, during, created_by)
    SELECT subscription.id, 'equipment', 'Аренда приставки', 150000, daterange(:previous_on, NULL), 'bulk'
    FROM subscription JOIN account ON account.id = account_id WHERE number % 10 = 1 ORDER BY number
    """,
    """
    INSERT INTO charge (subscription_id, kind, description, amount_minor, during, created_by)
    SELECT subscription.id, 'one_off', 'Выезд мастера', 300000, daterange(:period_on, :period_on + 1), 'bulk'
    FROM subscription JOIN account ON account.id = account_id WHERE number % 100 IN (12, 45, 78) ORDER BY number
    """,
    """
    INSERT INTO discount (subscription_id, title, percent_bp, during, position, created_by)
    SELECT subscription.id, 'Постоянный клиент', 1000, daterange(:previous_on, NULL), 1, 'bulk'
    FROM subscription JOIN account ON account.id = account_id WHERE number % 10 = 2 ORDER BY number
    """,
    """
    INSERT INTO discount (subscription_id, title, amount_minor, during, position, created_by)
    SELECT subscription.id, 'Акция', 100000, daterange(:previous_on + 4, :period_on + 10), 2, 'bulk'
    FROM subscription JOIN account ON account.id = account_id WHERE number % 50 = 2 ORDER BY number
    """,
    """
    INSERT INTO payment (bank_id, txn_id, request_sha256, account_id, amount_minor, paid_at, status, answer,
                         receipt_no)
    SELECT (SELECT min(id::text)::uuid FROM bank), 'bulk-' || number, '', id, 3000000, now(), 'posted', '{}',
           nextval('receipt_no_seq')
    FROM account WHERE number % 10 = 3 ORDER BY number
    """,
)
_ADVANCES = text("""
    INSERT INTO transfer (key, debit, credit, amount_minor, account_id, document_kind, document_id, reason,
                          effective_on)
    SELECT 'payment/' || id || '/bulk', '1020', '3510', amount_minor, account_id, 'payment', id, 'аванс', :previous_on
    FROM payment WHERE txn_id LIKE 'bulk-%' ORDER BY id
""")
_CHANGES = (
    # 3 % are on another tariff from the 15th on.
    """
    CREATE TEMP TABLE changed ON COMMIT DROP AS
    SELECT subscription.id, number % 100 AS place FROM subscription JOIN account ON account.id = account_id
    WHERE number % 100 IN (20, 40, 60, 31, 51, 71, 91) ORDER BY number
    """,
    """
    UPDATE service_period SET during = daterange(:previous_on, :previous_on + 14)
    FROM changed WHERE changed.id = subscription_id AND place IN (20, 40, 60)
    """,
    """
    INSERT INTO service_period (subscription_id, during, tariff_id)
    SELECT changed.id, daterange(:previous_on + 14, NULL), (SELECT id FROM tariff WHERE code = 'bulk-300')
    FROM changed WHERE place IN (20, 40, 60)
    """,
    # 2 % froze their service for ten days.
    """
    UPDATE service_period SET during = daterange(:previous_on, :previous_on + 5)
    FROM changed WHERE changed.id = subscription_id AND place IN (31, 51)
    """,
    """
    INSERT INTO service_period (subscription_id, during, tariff_id, state)
    SELECT changed.id, daterange(:previous_on + part.from_day, :previous_on + part.to_day), tariff_id, part.state
    FROM changed JOIN subscription USING (id)
    CROSS JOIN (VALUES (5, 15, 'frozen'), (15, NULL, 'active')) AS part (from_day, to_day, state)
    WHERE place IN (31, 51)
    """,
    # 1 % left. What they get back is more than what they have to pay, so it goes back by credit notes.
    """
    UPDATE service_period SET during = daterange(:previous_on, :previous_on + 20)
    FROM changed WHERE changed.id = subscription_id AND place = 71
    """,
    """
    UPDATE subscription SET status = 'terminated', active_to = :previous_on + 20
    FROM changed WHERE changed.id = subscription.id AND place = 71
    """,
    # 1 % took a second service on the 12th.
    """
    INSERT INTO subscription (account_id, premises_id, tariff_id, status, active_from)
    SELECT account_id, premises_id, (SELECT id FROM tariff WHERE code = 'bulk-tv'), 'active', :previous_on + 11
    FROM changed JOIN subscription USING (id) WHERE place = 91
    """,
    """
    INSERT INTO service_period (subscription_id, during, tariff_id)
    SELECT subscription.id, daterange(active_from, NULL), tariff_id FROM subscription
    WHERE active_from = :previous_on + 11
    """,
)
IIN_OF_NUMBER: Final = "{:012d}"
"""Whom the subscriber of an account number is known by."""


def furnish(session: Session, subscribers: int, *, period_on: date) -> None:
    """So many subscribers whose services began with the month before `period_on`; reference data must be there."""
    facts = _facts(period_on)
    for code, (title, charging, vat_mode, *fees) in _TARIFFS.items():
        tariff = {"code": code, "title": title, "charging": charging, "vat_mode": vat_mode}
        tariff_id = session.execute(_TARIFF, tariff).scalar_one()
        for valid, fee_minor in _prices(fees[0], fees[1], rise_on=facts["previous_on"] + timedelta(days=15)):
            session.execute(_PRICE, {"tariff_id": tariff_id, "valid": valid, "fee_minor": fee_minor})
    session.execute(text(_UNCHECKED))
    for statement in _SUBSCRIBERS:
        session.execute(_dated(statement), {**facts, "subscribers": subscribers})
    session.execute(text(_CHECKED))
    session.execute(_ADVANCES, facts)


def change(session: Session, *, period_on: date) -> None:
    """What happens to services in the month before `period_on`, once it was billed."""
    for statement in _CHANGES:
        session.execute(_dated(statement), _facts(period_on))


def without_notices(session: Session) -> None:
    """Set the policy of a run that sends nobody an SMS."""
    body = json.dumps(BillingPolicy(send_notices=False).model_dump(mode="json"))
    session.execute(
        text(
            "INSERT INTO policy (code, version, body, created_by) "
            "SELECT 'billing', max(version) + 1, CAST(:body AS jsonb), 'bulk' FROM policy WHERE code = 'billing'"
        ),
        {"body": body},
    )


def _facts(period_on: date) -> dict[str, Any]:
    return {"period_on": period_on, "previous_on": (period_on - timedelta(days=1)).replace(day=1)}


def _dated(statement: str) -> Any:
    # Added to a number, a parameter has to say that it is a day.
    for name in ("previous_on", "period_on"):
        statement = statement.replace(f":{name}", f"CAST(:{name} AS date)")
    return text(statement)


def _prices(fee_minor: int | None, later_minor: int | None, *, rise_on: date) -> list[tuple[str, int]]:
    if fee_minor is None:
        return []
    if later_minor is None:
        return [("[2020-01-01,)", fee_minor)]
    return [(f"[2020-01-01,{rise_on})", fee_minor), (f"[{rise_on},)", later_minor)]
