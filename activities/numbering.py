"""Document numbers without gaps."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from models.tables.billing import NumberSeries


def next_number(session: Session, series: str, year: int) -> int:
    """The next number of a series in a year, counted from 1.

    The row stays locked until the transaction ends: a number that is rolled back is given again, so none is missing
    (the tax code wants invoices numbered in sequence). Take it as late in the transaction as possible.
    """
    statement = (
        insert(NumberSeries)
        .values(series=series, year=year, last=1)
        .on_conflict_do_update(index_elements=["series", "year"], set_={"last": NumberSeries.last + 1})
        .returning(NumberSeries.last)
    )
    return session.execute(statement).scalar_one()
