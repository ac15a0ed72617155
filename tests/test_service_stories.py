"""Whatever happens to a service: what was invoiced less what was credited is what its days cost, one by one."""

from datetime import date

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities import ledger
from models.contracts.billing_run import BillingPolicy
from models.database import Database
from tests import factories
from tests.billing_histories import next_month
from tests.billing_oracle import Rules
from tests.service_stories import (
    DAY,
    Act,
    Story,
    billed_for,
    documented_minor,
    live_through,
    owed_for,
    run_month,
    tariffs_of,
)

ACTS = (
    "change_tariff", "change_tariff", "undo_tariff_change", "freeze", "unfreeze", "suspend", "resume", "add_discount",
    "add_charge", "outage", "outage", "disconnect", "disconnect", "give_up", "end", "pay",
)  # fmt: skip
STARTS = [date(2023, 12, 1), date(2025, 11, 1), date(2026, 6, 1)]
"""So that the months hold a leap day, a change of the VAT rate, and 31 days side by side."""
MONTHS = 4

stories = st.lists(
    st.tuples(st.sampled_from(ACTS), st.integers(0, 12), st.integers(0, 200), st.integers(0, 999)), max_size=14
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    start=st.sampled_from(STARTS),
    first_day=st.integers(0, 27),
    run_day=st.integers(1, 4),
    upfront=st.booleans(),
    suspended=st.booleans(),
    frozen=st.booleans(),
    acts=st.tuples(stories, stories),
    ends=st.sampled_from(["give_up", "end", "stays"]),
)
def test_what_was_billed_is_what_the_days_cost(
    *,
    database: Database,
    start: date,
    first_day: int,
    run_day: int,
    upfront: bool,
    suspended: bool,
    frozen: bool,
    acts: tuple[list[Act], list[Act]],
    ends: str,
) -> None:
    rules = Rules(charge_suspended=suspended, charge_frozen=frozen)
    with database.transaction() as session:
        policy = BillingPolicy(charge_suspended=suspended, charge_frozen=frozen).model_dump(mode="json")
        factories.policy(session, policy, code="billing", version=10**6)
        account = factories.customer(session, opened_on=start).account
        # Something to be credited, whatever of the fees is taken back after an outage was credited.
        factories.connection_invoice(session, account, 10**8, issued_on=start)
        tariffs = tariffs_of(session, start)
        told = [
            Story.begin(
                session,
                account,
                tariffs[number:] + tariffs[:number],
                rules,
                on=start + DAY * first_day,
                upfront=upfront,
            )
            for number in (0, 2)
        ]
        today = live_through(told, acts, until=months_later(start, MONTHS), run_day=run_day)
        for story in told:
            if story.disconnection is not None or ends == "end":
                story.play("end" if ends == "end" else "give_up", 0, 0)
        for later in range(3):
            run_month(session, account, months_later(today, later), rules)
        for month in (months_later(start, number) for number in range(MONTHS + 2)):
            for story in told:
                assert billed_for(session, story.facts, month) == owed_for(story.facts, month, rules), month
        documented, said = documented_minor(session, account)
        assert documented == said
        assert ledger.check(session, account_id=account.id) == []
        session.rollback()


def months_later(month: date, count: int) -> date:
    for _ in range(count):
        month = next_month(month)
    return month
