"""The arithmetic and the wording of billing, as functions: runs and previews both call them.

Half away from zero to a whole tiyn is the one rounding rule, as in models/rules/money.py. Sums stay below the limit
of an amount (10^13 tiyn), so that products with basis points and days fit into a bigint.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FUNCTIONS = (
    """
    CREATE FUNCTION billing_rounded(numerator bigint, denominator bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN numerator / denominator + 2 * (numerator % denominator) / denominator
    """,
    # Cumulative, so that a month split anywhere adds up to the whole: what the days before the end cost, less what
    # the days before the beginning cost. Days are counted from the first of the month, half-open.
    """
    CREATE FUNCTION billing_share(fee_minor bigint, from_day integer, to_day integer, month_days integer)
    RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN billing_rounded(fee_minor * to_day, month_days) - billing_rounded(fee_minor * from_day, month_days)
    """,
    """
    CREATE FUNCTION billing_vat(amount_minor bigint, vat_mode text, rate_bp bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN billing_rounded(amount_minor * rate_bp, CASE vat_mode WHEN 'on_top' THEN 10000 ELSE 10000 + rate_bp END)
    """,
    """
    CREATE FUNCTION billing_reduce(left_minor bigint, fee_minor bigint, percent_bp bigint, amount_minor bigint)
    RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN coalesce(left_minor, fee_minor) - CASE
        WHEN percent_bp IS NULL THEN least(amount_minor, coalesce(left_minor, fee_minor))
        ELSE billing_rounded(coalesce(left_minor, fee_minor) * percent_bp, 10000) END
    """,
    """
    CREATE AGGREGATE billing_fee_left(fee_minor bigint, percent_bp bigint, amount_minor bigint) (
        SFUNC = billing_reduce, STYPE = bigint
    )
    """,
    # 6 500,00 ₸ with no-break spaces, as models/rules/money.py writes it.
    """
    CREATE FUNCTION billing_tenge(amount_minor bigint) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE WHEN amount_minor < 0 THEN '−' ELSE '' END
        || translate(to_char(abs(amount_minor)::numeric / 100, 'FM999,999,999,999,999,990.00'), ',.', U&'\\00a0,')
        || U&'\\00a0₸'
    """,
    """
    CREATE FUNCTION billing_month(month_on date) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ('{январь,февраль,март,апрель,май,июнь,июль,август,сентябрь,октябрь,ноябрь,декабрь}'::text[])
           [extract(month FROM month_on)::integer] || ' ' || extract(year FROM month_on)::integer
    """,
    # What a line is for. A part of a month names its days, both of them served: «ноябрь 2026 (14–30)».
    """
    CREATE FUNCTION billing_description(
        kind text, title text, month_on date, from_day integer, to_day integer, month_days integer
    ) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE kind
        WHEN 'once' THEN title
        ELSE concat_ws(
            ', ',
            CASE kind WHEN 'fee' THEN 'Абонентская плата' WHEN 'reversal' THEN 'Перерасчёт' END,
            CASE kind WHEN 'discount' THEN 'Скидка «' || title || '»' ELSE title END,
            billing_month(month_on)
        ) || CASE
            WHEN to_day - from_day = month_days THEN ''
            WHEN to_day - from_day = 1 THEN ' (' || to_day || ')'
            ELSE ' (' || from_day + 1 || '–' || to_day || ')' END
        END
    """,
    # How its sum came about: «6 500,00 ₸ × 17/30 дней».
    """
    CREATE FUNCTION billing_formula(
        kind text, fee_minor bigint, left_minor bigint, from_day integer, to_day integer, month_days integer
    ) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN CASE kind
        WHEN 'once' THEN billing_tenge(fee_minor) || ' × 1'
        WHEN 'reversal' THEN 'выставлено ранее: ' || billing_tenge(fee_minor)
        ELSE CASE kind
                WHEN 'discount' THEN '(' || billing_tenge(left_minor) || ' − ' || billing_tenge(fee_minor) || ')'
                ELSE billing_tenge(fee_minor) END
             || ' × ' || (to_day - from_day) || '/' || month_days || ' дней' END
    """,
)


def upgrade() -> None:
    for statement in FUNCTIONS:
        op.execute(statement)
