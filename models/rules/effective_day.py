"""On which day something takes effect that was planned for a day and is ready only now."""

from datetime import date, timedelta


def next_month_on(day: date) -> date:
    """The first day of the month after."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1)


def effective_day(planned_on: date, today: date, *, whole_months: bool) -> date:
    """The planned day, or the first one from `today` on that will do: any, or with `whole_months` the first of one."""
    if today <= planned_on:
        return planned_on
    return today if not whole_months or today.day == 1 else next_month_on(today)
