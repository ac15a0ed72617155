"""Document numbers without gaps."""

from sqlalchemy import text
from sqlalchemy.orm import Session

_TAKE = text("""
    INSERT INTO number_series (series, year, last) VALUES (:series, :year, :count)
    ON CONFLICT (series, year) DO UPDATE SET last = number_series.last + excluded.last
    RETURNING last
""")


def next_number(session: Session, series: str, year: int) -> int:
    """The next number of a series in a year, counted from 1.

    The row stays locked until the transaction ends: a number that is rolled back is given again, so none is missing
    (the tax code wants invoices numbered in sequence). Take it as late in the transaction as possible.
    """
    return next_numbers(session, series, year, 1)


def next_numbers(session: Session, series: str, year: int, count: int) -> int:
    """Take the next `count` numbers at once, and answer the first of them; as `next_number` otherwise."""
    last: int = session.execute(_TAKE, {"series": series, "year": year, "count": count}).scalar_one()
    return last - count + 1
