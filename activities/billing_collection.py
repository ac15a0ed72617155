"""What a billing run charges: the days of service of a month, charges beside the tariff, and what was billed before.

A run of month P charges P for tariffs that are charged in advance, and makes up month P−1: what should have been
charged for it against what was. Where both agree nothing is said; where they differ, what was billed is taken back and
the month is charged as it really was. Tariffs charged in arrears are the case where nothing was billed yet.

A final invoice makes up any number of months of one service in the same way, and charges nothing ahead of its end.

What outages gave back stands on the next bill of its service, whatever kind of bill that is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from activities.billing_lines import lay_stages, price, scanning


@dataclass(frozen=True)
class Scope:
    """Which accounts are billed for which month, and by which rules."""

    first_number: int
    last_number: int
    period_on: date
    charge_suspended: bool
    charge_frozen: bool


@dataclass(frozen=True, kw_only=True)
class ServiceScope:
    """Which service is billed, and for which months: from one first day of a month until another."""

    subscription_id: UUID
    first_on: date
    until_on: date
    end_on: date | None
    """The first day that is no longer charged; none where the service goes on."""
    charge_suspended: bool
    charge_frozen: bool


def previous_month(month_on: date) -> date:
    """The first day of the month before."""
    return (month_on - timedelta(days=1)).replace(day=1)


def next_month(month_on: date) -> date:
    """The first day of the month after."""
    return (month_on.replace(day=1) + timedelta(days=31)).replace(day=1)


# Everything that belongs to an account is looked up by its index, account by account (LATERAL, OFFSET 0; a scalar
# sub-query): the planner's statistics know nothing yet of the month that is being written, and a scan of a whole table
# for each partition would make the run's cost grow with the square of its size.

# An account that has an invoice of the month already is left alone, whichever run issued it.
_SUBSCRIPTIONS = text("""
    INSERT INTO bill_subscription (account_id, subscription_id, tariff_id, active_month_on, end_on)
    SELECT account.id, subscription.id, subscription.tariff_id,
           subscription.active_from - (extract(day FROM subscription.active_from)::integer - 1),
           coalesce(subscription.ending_on, subscription.active_to)
    FROM (SELECT id FROM account WHERE number BETWEEN :first_number AND :last_number
            AND (SELECT invoice.id FROM invoice
                 WHERE invoice.account_id = account.id AND invoice.period_on = :period_on LIMIT 1) IS NULL
          OFFSET 0) AS account
    CROSS JOIN LATERAL (SELECT * FROM subscription WHERE subscription.account_id = account.id OFFSET 0) AS subscription
""")
_ONE_SUBSCRIPTION = text("""
    INSERT INTO bill_subscription (account_id, subscription_id, tariff_id, active_month_on, end_on)
    SELECT account_id, id, tariff_id, active_from - (extract(day FROM active_from)::integer - 1), :end_on
    FROM subscription WHERE id = :subscription_id
""")
_THESE_SUBSCRIPTIONS = text("""
    INSERT INTO bill_subscription (account_id, subscription_id, tariff_id, active_month_on, end_on)
    SELECT account_id, id, tariff_id, active_from - (extract(day FROM active_from)::integer - 1),
           coalesce(ending_on, active_to)
    FROM subscription WHERE id = ANY(CAST(:subscription_ids AS uuid[]))
""")
_SERVICES = text("""
    INSERT INTO bill_service (account_id, subscription_id, item_id, kind, title, tariff_id, vat_mode, month_on,
                              month_days, from_day, to_day)
    SELECT billed.account_id, billed.subscription_id, billed.subscription_id, 'fee', tariff.title, tariff.id,
           tariff.vat_mode, month.month_on, month.next_on - month.month_on,
           greatest(lower(period.during), month.month_on) - month.month_on,
           least(upper(period.during), month.next_on, billed.end_on) - month.month_on
    FROM bill_subscription AS billed
    CROSS JOIN LATERAL (SELECT * FROM service_period
                        WHERE service_period.subscription_id = billed.subscription_id OFFSET 0) AS period
    JOIN unnest(CAST(:months_on AS date[]), CAST(:nexts_on AS date[])) AS month (month_on, next_on)
      ON period.during && daterange(month.month_on, month.next_on)
     AND (billed.end_on IS NULL OR billed.end_on > greatest(lower(period.during), month.month_on))
    JOIN tariff ON tariff.id = period.tariff_id AND (tariff.charging = 'advance' OR month.month_on < :period_on)
    WHERE (period.state = 'active' OR (period.state = 'suspended' AND :charge_suspended)
           OR (period.state = 'frozen' AND :charge_frozen))
""")
# Recurring charges and the rent of equipment run with the days of service that are charged.
_CHARGES = text("""
    INSERT INTO bill_service (account_id, subscription_id, item_id, charge_id, kind, title, fee_minor, vat_mode,
                              month_on, month_days, from_day, to_day)
    SELECT service.account_id, service.subscription_id, charge.id, charge.id, 'charge', charge.description,
           charge.amount_minor, charge.vat_mode, service.month_on, service.month_days,
           greatest(service.from_day, lower(charge.during) - service.month_on),
           least(service.to_day, upper(charge.during) - service.month_on)
    FROM bill_service AS service
    CROSS JOIN LATERAL (SELECT * FROM charge WHERE charge.subscription_id = service.subscription_id OFFSET 0) AS charge
    WHERE charge.kind IN ('recurring', 'equipment')
      AND charge.during && daterange(service.month_on + service.from_day, service.month_on + service.to_day)
""")
_ONE_OFF_CHARGES = text("""
    INSERT INTO bill_service (account_id, subscription_id, item_id, charge_id, kind, title, fee_minor, vat_mode,
                              month_on, month_days, from_day, to_day)
    SELECT billed.account_id, billed.subscription_id, charge.id, charge.id, 'once', charge.description,
           charge.amount_minor, charge.vat_mode, month.month_on, month.next_on - month.month_on,
           lower(charge.during) - month.month_on, upper(charge.during) - month.month_on
    FROM bill_subscription AS billed
    CROSS JOIN LATERAL (SELECT * FROM charge WHERE charge.subscription_id = billed.subscription_id OFFSET 0) AS charge
    JOIN unnest(CAST(:months_on AS date[]), CAST(:nexts_on AS date[])) AS month (month_on, next_on)
      ON charge.during <@ daterange(month.month_on, month.next_on)
    WHERE charge.kind = 'one_off' AND (billed.end_on IS NULL OR billed.end_on > lower(charge.during))
      AND coalesce((SELECT sum(line.total_minor) FROM invoice_line AS line
                    WHERE line.subscription_id = charge.subscription_id AND line.charge_id = charge.id), 0)
          + coalesce((SELECT sum(line.total_minor) FROM recalculation_line AS line
                      WHERE line.subscription_id = charge.subscription_id AND line.charge_id = charge.id), 0) = 0
""")
_DISCOUNTS = text("""
    INSERT INTO bill_discount (id, subscription_id, title, percent_bp, amount_minor, during, place)
    SELECT discount.id, discount.subscription_id, discount.title, discount.percent_bp, discount.amount_minor,
           discount.during, discount.position
    FROM bill_subscription AS billed
    CROSS JOIN LATERAL (SELECT * FROM discount
                        WHERE discount.subscription_id = billed.subscription_id OFFSET 0) AS discount
    WHERE discount.during && daterange(:previous_on, :next_on)
""")
# What was billed stays billed when accounting credits it afterwards; it is billed no more when billing itself takes it
# back. The first month that stood on a connection invoice names no month: it is the one in which the service began.
_BILLED = text("""
    INSERT INTO bill_billed (account_id, subscription_id, item_id, charge_id, title, month_on, vat_rate_bp, net_minor,
                             vat_minor)
    SELECT account_id, subscription_id, coalesce(charge_id, subscription_id), charge_id,
           coalesce(charge.description, tariff.title), month_on, vat_rate_bp, sum(net_minor), sum(vat_minor)
    FROM (
        SELECT billed.*, line.charge_id, line.service_month_on AS month_on, line.vat_rate_bp, line.net_minor,
               line.vat_minor
        FROM bill_subscription AS billed
        CROSS JOIN LATERAL (
            SELECT * FROM invoice_line
            WHERE subscription_id = billed.subscription_id
              AND service_month_on = ANY(CAST(:months_on AS date[]))
            OFFSET 0
        ) AS line
        UNION ALL
        SELECT billed.*, line.charge_id, line.service_month_on, line.vat_rate_bp, line.net_minor, line.vat_minor
        FROM bill_subscription AS billed
        CROSS JOIN LATERAL (
            SELECT * FROM recalculation_line
            WHERE subscription_id = billed.subscription_id
              AND service_month_on = ANY(CAST(:months_on AS date[]))
            OFFSET 0
        ) AS line
        UNION ALL
        SELECT billed.*, line.charge_id, billed.active_month_on, line.vat_rate_bp, line.net_minor, line.vat_minor
        FROM bill_subscription AS billed
        CROSS JOIN LATERAL (
            SELECT * FROM invoice_line
            WHERE subscription_id = billed.subscription_id AND service_month_on IS NULL OFFSET 0
        ) AS line
        WHERE billed.active_month_on >= :previous_on AND billed.active_month_on < :next_on
    ) AS line
    JOIN tariff ON tariff.id = line.tariff_id
    LEFT JOIN LATERAL (SELECT kind, description FROM charge WHERE charge.id = line.charge_id OFFSET 0) AS charge ON true
    WHERE charge.kind IS NULL OR charge.kind NOT IN ('one_off', 'credit')
    GROUP BY 1, 2, 3, 4, 5, 6, 7
""")
# Month P: what stands on a bill already is not charged ahead again; the next run makes it up. What was taken back whole
# is charged again, unless it comes to nothing: then it was said before.
_DROP_CHARGED_AHEAD = text("""
    DELETE FROM bill_line AS line USING bill_billed AS billed
    WHERE line.month_on = :period_on AND billed.month_on = :period_on AND billed.item_id = line.item_id
      AND (billed.net_minor + billed.vat_minor <> 0
           OR (SELECT sum(said.net_minor + said.vat_minor) FROM bill_line AS said
               WHERE said.item_id = line.item_id AND said.month_on = line.month_on) = 0)
""")
# Months before P: where an item was billed as it should have been, nothing more is said of it.
_AGREE = text("""
    INSERT INTO bill_agreed (item_id, month_on)
    SELECT item_id, month_on
    FROM (SELECT item_id, month_on, sum(net_minor) AS net_minor, sum(vat_minor) AS vat_minor
          FROM bill_billed WHERE month_on < :period_on GROUP BY item_id, month_on) AS billed
    JOIN (SELECT item_id, month_on, sum(net_minor) AS net_minor, sum(vat_minor) AS vat_minor
          FROM bill_line WHERE month_on < :period_on GROUP BY item_id, month_on) AS priced
    USING (item_id, month_on, net_minor, vat_minor)
""")
_DROP_AGREED = text("""
    DELETE FROM bill_line AS line USING bill_agreed AS agreed
    WHERE line.item_id = agreed.item_id AND line.month_on = agreed.month_on
""")
_TAKE_BACK = text("""
    INSERT INTO bill_line (account_id, subscription_id, item_id, charge_id, kind, title, month_on, month_days, from_day,
                           to_day, place, fee_minor, left_minor, vat_rate_bp, net_minor, vat_minor)
    SELECT billed.account_id, billed.subscription_id, billed.item_id, billed.charge_id, 'reversal',
           billed.title, billed.month_on, month.days, 0, month.days, -1, billed.net_minor + billed.vat_minor,
           billed.net_minor + billed.vat_minor, billed.vat_rate_bp, -billed.net_minor, -billed.vat_minor
    FROM bill_billed AS billed
    CROSS JOIN LATERAL (
        SELECT (billed.month_on + interval '1 month')::date - billed.month_on AS days
    ) AS month
    WHERE billed.month_on < :period_on
      AND (billed.item_id, billed.month_on) NOT IN (SELECT item_id, month_on FROM bill_agreed)
""")
# A credit is reckoned already, at the VAT rate of its day; it waits for a bill however old its month is, though not on
# one that comes before its fee. One for a day that turns out not to be charged is not given, and taken back where it
# was.
_CREDITS = text("""
    INSERT INTO bill_line (account_id, subscription_id, item_id, charge_id, kind, title, own_formula, month_on,
                           month_days, from_day, to_day, place, fee_minor, left_minor, vat_rate_bp, net_minor,
                           vat_minor)
    SELECT billed.account_id, billed.subscription_id, credit.id, credit.id, 'credit', said.description, said.formula,
           month.month_on, month.next_on - month.month_on, lower(credit.during) - month.month_on,
           upper(credit.during) - month.month_on, 0, credit.amount_minor, credit.amount_minor, tax.rate_bp,
           said.total_minor - said.vat_minor, said.vat_minor
    FROM bill_subscription AS billed
    CROSS JOIN LATERAL (SELECT * FROM charge
                        WHERE charge.subscription_id = billed.subscription_id AND charge.kind = 'credit'
                        OFFSET 0) AS credit
    JOIN tax_rate AS tax ON tax.tax = 'vat' AND tax.valid @> lower(credit.during)
    CROSS JOIN LATERAL (
        SELECT date_trunc('month', lower(credit.during))::date AS month_on,
               (date_trunc('month', lower(credit.during)) + interval '1 month')::date AS next_on
    ) AS month
    CROSS JOIN LATERAL (
        SELECT coalesce(sum(line.total_minor), 0)::bigint AS total_minor,
               coalesce(sum(line.vat_minor), 0)::bigint AS vat_minor
        FROM (SELECT total_minor, vat_minor FROM invoice_line
              WHERE subscription_id = credit.subscription_id AND charge_id = credit.id
              UNION ALL
              SELECT total_minor, vat_minor FROM recalculation_line
              WHERE subscription_id = credit.subscription_id AND charge_id = credit.id) AS line
    ) AS given
    CROSS JOIN LATERAL (
        SELECT credit.description, credit.formula, vat.vat_minor,
               credit.amount_minor + CASE credit.vat_mode WHEN 'on_top' THEN vat.vat_minor ELSE 0 END AS total_minor
        FROM (SELECT billing_vat(credit.amount_minor, credit.vat_mode, tax.rate_bp) AS vat_minor) AS vat
        WHERE given.total_minor = 0 AND (billed.end_on IS NULL OR billed.end_on > lower(credit.during))
        UNION ALL
        SELECT 'Перерасчёт, ' || credit.description, 'выставлено ранее: ' || billing_tenge(given.total_minor),
               -given.vat_minor, -given.total_minor
        WHERE given.total_minor <> 0 AND billed.end_on <= lower(credit.during)
    ) AS said
    JOIN tariff ON tariff.id = billed.tariff_id AND (tariff.charging = 'advance' OR month.month_on < :period_on)
    WHERE lower(credit.during) < :next_on
""")


def collect(session: Session, scope: Scope) -> None:
    """Lay out, line by line, what the accounts of the scope owe in this run; whoever posts it holds their locks."""
    lay_stages(session)
    numbers = {"first_number": scope.first_number, "last_number": scope.last_number}
    session.execute(_SUBSCRIPTIONS, {**numbers, "period_on": scope.period_on})
    _compare(
        session,
        {
            **_months(previous_month(scope.period_on), next_month(scope.period_on)),
            "period_on": scope.period_on,
            "charge_suspended": scope.charge_suspended,
            "charge_frozen": scope.charge_frozen,
        },
    )


def collect_service(session: Session, scope: ServiceScope) -> None:
    """Lay out, line by line, what a service owes beyond what was billed for the months of the scope, or gets back."""
    lay_stages(session)
    session.execute(_ONE_SUBSCRIPTION, {"subscription_id": scope.subscription_id, "end_on": scope.end_on})
    _compare(
        session,
        {
            **_months(scope.first_on, scope.until_on),
            "period_on": scope.until_on,
            "charge_suspended": scope.charge_suspended,
            "charge_frozen": scope.charge_frozen,
        },
    )


def price_days(
    session: Session,
    subscription_ids: Sequence[UUID],
    *,
    first_on: date,
    until_on: date,
    charge_suspended: bool,
    charge_frozen: bool,
) -> None:
    """Lay out what services cost in the months from one first day until another, whatever was billed for them."""
    lay_stages(session)
    session.execute(_THESE_SUBSCRIPTIONS, {"subscription_ids": list(subscription_ids)})
    facts = {
        **_months(first_on, until_on), "period_on": until_on, "charge_suspended": charge_suspended,
        "charge_frozen": charge_frozen,
    }  # fmt: skip
    for statement in (_SERVICES, _DISCOUNTS):
        session.execute(statement, facts)
    price(session)


def _months(first_on: date, until_on: date) -> dict[str, Any]:
    months_on = [first_on]
    while (following := next_month(months_on[-1])) < until_on:
        months_on.append(following)
    nexts_on = [next_month(month_on) for month_on in months_on]
    return {"months_on": months_on, "nexts_on": nexts_on, "previous_on": first_on, "next_on": until_on}


def _compare(session: Session, facts: Mapping[str, Any]) -> None:
    """Months before `period_on` are made up, and that month itself is charged ahead."""
    for statement in (_SERVICES, _CHARGES, _ONE_OFF_CHARGES, _DISCOUNTS, _BILLED):
        session.execute(statement, facts)
    price(session)
    with scanning(session):
        for statement in (_DROP_CHARGED_AHEAD, _AGREE, _DROP_AGREED, _TAKE_BACK):
            session.execute(statement, facts)
    session.execute(_CREDITS, facts)
