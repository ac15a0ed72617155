"""What services cost in a month: from days of service to priced lines, in a few statements over staging tables.

A billing run and a preview differ only in where the days of service come from (`bill_service`, `bill_discount`); from
there on both go through `price`. The staging tables live in the transaction that makes them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.orm import Session

from models.contracts.money import MAX_AMOUNT_MINOR

_STAGES = (
    # Whom it is about: the services of the accounts that are billed, and the first day on which they are no longer.
    """
    CREATE TEMP TABLE IF NOT EXISTS bill_subscription (
        account_id uuid NOT NULL, subscription_id uuid NOT NULL, tariff_id uuid NOT NULL, active_month_on date,
        end_on date
    ) ON COMMIT DROP
    """,
    # Days that are charged: [from_day, to_day), counted from the first of the month. An item is what a monthly sum is
    # for: the tariff's fee of a service (by the service's id), or a charge beside it (by the charge's id). The fee is
    # the tariff's price of the day where it is not given.
    """
    CREATE TEMP TABLE IF NOT EXISTS bill_service (
        account_id uuid NOT NULL, subscription_id uuid NOT NULL, item_id uuid NOT NULL, charge_id uuid,
        kind text NOT NULL, title text, tariff_id uuid, fee_minor bigint, vat_mode text NOT NULL,
        month_on date NOT NULL, month_days integer NOT NULL, from_day integer NOT NULL, to_day integer NOT NULL
    ) ON COMMIT DROP
    """,
    """
    CREATE TEMP TABLE IF NOT EXISTS bill_discount (
        id uuid NOT NULL, subscription_id uuid NOT NULL, title text NOT NULL, percent_bp bigint, amount_minor bigint,
        during daterange NOT NULL, place bigint NOT NULL
    ) ON COMMIT DROP
    """,
    # What was billed before for a month, by item and VAT rate.
    """
    CREATE TEMP TABLE IF NOT EXISTS bill_billed (
        account_id uuid NOT NULL, subscription_id uuid NOT NULL, item_id uuid NOT NULL, charge_id uuid,
        title text NOT NULL, month_on date NOT NULL, vat_rate_bp bigint NOT NULL, net_minor bigint NOT NULL,
        vat_minor bigint NOT NULL
    ) ON COMMIT DROP
    """,
    # Priced lines. A sum is NULL where it goes beyond what any sum may be. Credits are priced
    # before, and bring their formula along.
    """
    CREATE TEMP TABLE IF NOT EXISTS bill_line (
        account_id uuid NOT NULL, subscription_id uuid NOT NULL, item_id uuid NOT NULL, charge_id uuid,
        kind text NOT NULL, title text, month_on date NOT NULL, month_days integer NOT NULL,
        from_day integer NOT NULL, to_day integer NOT NULL, place bigint NOT NULL,
        fee_minor bigint, left_minor bigint, vat_rate_bp bigint NOT NULL, net_minor bigint, vat_minor bigint,
        own_formula text NOT NULL DEFAULT ''
    ) ON COMMIT DROP
    """,
    # Items that were billed for a month just as they should have been.
    "CREATE TEMP TABLE IF NOT EXISTS bill_agreed (item_id uuid NOT NULL, month_on date NOT NULL) ON COMMIT DROP",
    # Accounts whose days found no price or no VAT rate.
    """
    CREATE TEMP TABLE IF NOT EXISTS bill_gap (
        account_id uuid NOT NULL, subscription_id uuid NOT NULL, reason text NOT NULL
    ) ON COMMIT DROP
    """,
    # What is to be issued to each account, or why nothing can be.
    """
    CREATE TEMP TABLE IF NOT EXISTS bill_invoice (
        account_id uuid NOT NULL, id uuid NOT NULL DEFAULT uuidv7(), net_minor bigint, vat_minor bigint,
        problem text, subscription_id uuid
    ) ON COMMIT DROP
    """,
    """
    TRUNCATE bill_subscription, bill_service, bill_discount, bill_billed, bill_line, bill_agreed, bill_gap, bill_invoice
    """,
    # Compiling these statements takes longer than running them.
    "SET LOCAL jit = off",
    # A partition's sorts and hashes fit into memory.
    "SET LOCAL work_mem = '64MB'",
)

# A line is a longest run of days with one tariff, price, VAT mode and rate, and the same discounts: `range_agg` puts
# days together again that a suspension or another price of the same sum had parted. The cut at a discount's edges
# concerns only services that have one. What tells lines apart soonest comes first where rows are grouped.
_PRICE = text("""
    WITH priced AS MATERIALIZED (
        SELECT service.*, tax.rate_bp, daterange(days.from_on, days.to_on) AS days,
               CASE WHEN coalesce(service.fee_minor, price.fee_minor) <= :limit_minor
                    THEN coalesce(service.fee_minor, price.fee_minor) END AS sum_minor
        FROM bill_service AS service
        LEFT JOIN tariff_price AS price
               ON price.tariff_id = service.tariff_id
              AND price.valid && daterange(service.month_on + service.from_day, service.month_on + service.to_day)
        JOIN tax_rate AS tax
          ON tax.tax = 'vat'
         AND tax.valid && daterange(service.month_on + service.from_day, service.month_on + service.to_day)
        CROSS JOIN LATERAL (
            SELECT greatest(service.month_on + service.from_day, lower(price.valid), lower(tax.valid)) AS from_on,
                   least(service.month_on + service.to_day, upper(price.valid), upper(tax.valid)) AS to_on
        ) AS days
        WHERE (service.fee_minor IS NOT NULL OR price.id IS NOT NULL) AND days.from_on < days.to_on
    ), reduced AS (
        SELECT priced.* FROM priced
        WHERE kind = 'fee' AND EXISTS (SELECT FROM bill_discount AS held
                                       WHERE held.subscription_id = priced.subscription_id)
    ), edge AS (
        SELECT DISTINCT subscription_id, edge.edge_on
        FROM bill_discount CROSS JOIN LATERAL (VALUES (lower(during)), (upper(during))) AS edge (edge_on)
    ), cut AS (
        SELECT reduced.*, lower(days) AS cut_on FROM reduced
        UNION ALL
        SELECT reduced.*, edge.edge_on FROM reduced JOIN edge USING (subscription_id)
        WHERE edge.edge_on > lower(days) AND edge.edge_on < upper(days)
    ), piece AS (
        SELECT cut.*, daterange(
                   cut_on, lead(cut_on, 1, upper(days)) OVER (PARTITION BY subscription_id, days ORDER BY cut_on)
               ) AS piece
        FROM cut
    ), part AS (
        SELECT item_id, month_on, sum_minor, rate_bp, tariff_id, CAST(NULL AS uuid[]) AS discounts, account_id,
               subscription_id, charge_id, month_days, vat_mode, kind, title, days
        FROM priced
        WHERE NOT (kind = 'fee' AND EXISTS (SELECT FROM bill_discount AS held
                                            WHERE held.subscription_id = priced.subscription_id))
        UNION ALL
        SELECT item_id, month_on, sum_minor, rate_bp, tariff_id, array_agg(held.id ORDER BY held.place), account_id,
               subscription_id, charge_id, month_days, vat_mode, kind, piece.title, piece
        FROM piece
        JOIN bill_discount AS held USING (subscription_id)
        WHERE held.during @> lower(piece)
        GROUP BY item_id, piece, sum_minor, rate_bp, tariff_id, account_id, subscription_id, charge_id, month_on,
                 month_days, vat_mode, kind, piece.title
        UNION ALL
        SELECT item_id, month_on, sum_minor, rate_bp, tariff_id, NULL, account_id, subscription_id, charge_id,
               month_days, vat_mode, kind, piece.title, piece
        FROM piece
        WHERE NOT EXISTS (SELECT FROM bill_discount AS held
                          WHERE held.subscription_id = piece.subscription_id AND held.during @> lower(piece))
    ), spell AS MATERIALIZED (
        SELECT item_id, month_on, sum_minor, rate_bp, tariff_id, discounts, account_id, subscription_id, charge_id,
               month_days, vat_mode, kind, title, unnest(range_agg(days)) AS days
        FROM part
        GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
    ), dated AS (
        SELECT spell.*, lower(days) - month_on AS from_day, upper(days) - month_on AS to_day FROM spell
    ), step AS (
        SELECT dated.*, held.title AS discount, held.place,
               billing_fee_left(sum_minor, held.percent_bp, held.amount_minor)
                   OVER (PARTITION BY dated.item_id, dated.month_on, from_day ORDER BY held.place) AS left_minor
        FROM dated
        CROSS JOIN LATERAL unnest(dated.discounts) AS listed (id)
        JOIN bill_discount AS held ON held.id = listed.id
    ), sized AS (
        SELECT account_id, subscription_id, item_id, charge_id, kind, title, vat_mode, month_on, month_days, from_day,
               to_day, 0::bigint AS place, sum_minor, sum_minor AS left_minor, rate_bp,
               CASE kind WHEN 'once' THEN sum_minor
                         ELSE billing_share(sum_minor, from_day, to_day, month_days) END AS amount_minor
        FROM dated
        UNION ALL
        SELECT account_id, subscription_id, item_id, charge_id, 'discount', discount, vat_mode, month_on, month_days,
               from_day, to_day, place, before_minor, left_minor, rate_bp,
               billing_share(left_minor, from_day, to_day, month_days)
               - billing_share(before_minor, from_day, to_day, month_days)
        FROM (SELECT step.*, lag(left_minor, 1, sum_minor)
                                 OVER (PARTITION BY item_id, month_on, from_day ORDER BY step.place) AS before_minor
              FROM step) AS step
    ), taxed AS (
        SELECT sized.*, billing_vat(amount_minor, vat_mode, rate_bp) AS vat_minor FROM sized
    )
    INSERT INTO bill_line (account_id, subscription_id, item_id, charge_id, kind, title, month_on, month_days, from_day,
                           to_day, place, fee_minor, left_minor, vat_rate_bp, net_minor, vat_minor)
    SELECT account_id, subscription_id, item_id, charge_id, kind, title, month_on, month_days, from_day, to_day, place,
           sum_minor, left_minor, rate_bp,
           CASE vat_mode WHEN 'on_top' THEN amount_minor ELSE amount_minor - vat_minor END, vat_minor
    FROM taxed
""")

# Days that found no price or no VAT rate: fewer days were priced than served.
_FIND_GAPS = text("""
    INSERT INTO bill_gap (account_id, subscription_id, reason)
    SELECT served.account_id, served.subscription_id,
           CASE WHEN EXISTS (
               SELECT FROM bill_service AS service
               WHERE service.item_id = served.item_id AND service.fee_minor IS NULL
                 AND NOT daterange(service.month_on + service.from_day, service.month_on + service.to_day)
                         <@ coalesce((SELECT range_agg(price.valid) FROM tariff_price AS price
                                      WHERE price.tariff_id = service.tariff_id), '{}')
           ) THEN 'no_price' ELSE 'no_tax_rate' END AS reason
    FROM (SELECT account_id, subscription_id, item_id, sum(to_day - from_day) AS days
          FROM bill_service GROUP BY 1, 2, 3) AS served
    LEFT JOIN (SELECT item_id, sum(to_day - from_day) AS days
               FROM bill_line WHERE kind <> 'discount' GROUP BY 1) AS priced USING (item_id)
    WHERE served.days <> coalesce(priced.days, 0)
""")

WORDED = """
    CASE line.kind WHEN 'credit' THEN line.title
        ELSE billing_description(line.kind, line.title, line.month_on, line.from_day, line.to_day, line.month_days) END
        AS description,
    CASE line.kind WHEN 'credit' THEN line.own_formula
        ELSE billing_formula(line.kind, line.fee_minor, line.left_minor, line.from_day, line.to_day, line.month_days)
        END AS formula
"""
"""Columns of `bill_line AS line` in words."""


def lay_stages(session: Session) -> None:
    """Make the staging tables, empty, for the rest of the transaction."""
    for statement in _STAGES:
        session.execute(text(statement))


@contextmanager
def scanning(session: Session) -> Iterator[None]:
    """Join staging tables by hash, whole with whole: nothing is known of what they hold, and loops would be endless."""
    session.execute(text("SET LOCAL enable_nestloop = off"))
    yield
    session.execute(text("SET LOCAL enable_nestloop = on"))


def price(session: Session) -> None:
    """Turn the staged days of service into priced lines, and note the days that found no price or no VAT rate."""
    with scanning(session):
        session.execute(_PRICE, {"limit_minor": MAX_AMOUNT_MINOR})
        session.execute(_FIND_GAPS)
