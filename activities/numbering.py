"""Document numbers without gaps."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.tables.billing import NumberSeries


def next_number(session: Session, series: str, year: int) -> int:
    """The next number of a series in a year, counted from 1.

    The row stays locked until the transaction ends: a number that is rolled back is given again, so none is missing
    (the tax code wants invoices numbered in sequence). Take it as late in the transaction as possible.
    """
    return next_numbers(session, series, year, 1)


def next_numbers(session: Session, series: str, year: int, count: int) -> int:
    """Take the next `count` numbers at once, and answer the first of them; as `next_number` otherwise."""
    statement = (
        insert(NumberSeries)
        .values(series=series, year=year, last=count)
        .on_conflict_do_update(index_elements=["series", "year"], set_={"last": NumberSeries.last + count})
        .returning(NumberSeries.last)
    )
    return session.execute(statement).scalar_one() - count + 1
